# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from .._unpack.errors import FilesystemError, NoSpace, filesystem_error, printable
from .mounts import Mounts

_OTHER_LAYER = (
    "it cannot be renamed (EXDEV), as happens where a directory belongs to the image below an overlay file system,"
    " such as in a container; choose a destination that is on a volume or that does not exist yet"
)


@contextlib.contextmanager
def translated(doing: str, path: str) -> t.Iterator[None]:
    """Raises every OSError of its block as the FilesystemError that says it was met while doing something to path."""
    try:
        yield
    except OSError as exc:
        if exc.errno == errno.EXDEV:
            shown = printable(path)
            raise FilesystemError(f"While {doing} {shown}: {_OTHER_LAYER}.", path=shown, errno="EXDEV") from exc
        raise filesystem_error(exc, doing=doing, path=path) from exc


@contextlib.contextmanager
def naming_filesystem(dest: str) -> t.Iterator[None]:
    """Says in every NoSpace of its block which file system is full: the one that the canonical path dest is on."""
    try:
        yield
    except NoSpace as exc:
        if "filesystem" in exc.fields:
            raise
        holder = printable(Mounts.read().holding(dest))
        shown = printable(dest)
        raise NoSpace(
            f"{exc.message} It is the file system mounted at {holder} that is full{_detail(dest)}, which holds the"
            f" destination {shown}; what was there before is untouched.",
            **{**exc.fields, "filesystem": holder, "dest": shown},
        ) from exc


def _detail(dest: str) -> str:
    """Tells a lack of inodes, which df does not show, from a lack of bytes."""
    try:
        status = os.statvfs(os.path.dirname(dest))
    except OSError:
        return ""
    return " (it has no inodes left)" if status.f_files and not status.f_favail else ""


__all__ = ("naming_filesystem", "translated")
