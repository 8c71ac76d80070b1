# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Turn OSError into FilesystemError, and name the file system that is full.

destination.py, inspection.py, lock.py, place.py and store.py use it, and _module/layer/directory.py and
image/tree.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from .._base.text import visible
from .._unpack.errors import FilesystemError, NoSpace, filesystem_error
from .mounts import Mounts

_LOWER_LAYER: t.Final = (
    "it cannot be renamed (EXDEV), as is usual for a directory in a lower layer of an overlay file system, such as the"
    " image of a container; choose a destination that is on a volume or that does not exist yet"
)


@contextlib.contextmanager
def translated(doing: str, path: str) -> t.Iterator[None]:
    """Raise every OSError of the block as a FilesystemError that says what was being done to path."""
    try:
        yield
    except OSError as exc:
        if exc.errno == errno.EXDEV:
            shown = visible(path)
            raise FilesystemError(f"While {doing} {shown}: {_LOWER_LAYER}.", path=shown, errno="EXDEV") from exc
        raise filesystem_error(exc, doing=doing, path=path) from exc


@contextlib.contextmanager
def naming_filesystem(dest: str) -> t.Iterator[None]:
    """Add to every NoSpace of the block which file system is full: that of the canonical path dest."""
    try:
        yield
    except NoSpace as exc:
        if "filesystem" in exc.fields:
            raise
        holder = visible(Mounts.read().holding(dest))
        shown = visible(dest)
        raise NoSpace(
            f"{exc.message} The full file system is the one mounted at {holder}{_detail(dest)}, which holds the"
            f" destination {shown}; the destination is unchanged.",
            **{**exc.fields, "filesystem": holder, "dest": shown},
        ) from exc


def _detail(dest: str) -> str:
    """Return the text that the file system has no inodes left, which df does not show by default; else ""."""
    try:
        status = os.statvfs(os.path.dirname(dest))
    except OSError:
        return ""
    return " (it has no inodes left)" if status.f_files and not status.f_favail else ""


__all__ = ("naming_filesystem", "translated")
