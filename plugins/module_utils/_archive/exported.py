# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The file that is at the destination of oci_image_export before the task. _module/export/run.py reads it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from .existing import open_present, refusal_error
from .mark import Mark, read_mark


@dataclass(frozen=True)
class ExportedArchive:
    """An archive that was exported before. fault says how the file differs from what was written then, None if not."""

    mark: Mark
    fault: str | None


def read_exported(path: str, directory: int | None, *, hashed: bool, force: bool) -> ExportedArchive | None:
    """Return the archive at path, which is in the open directory; None for no file, and for an empty one.

    With hashed all of it is read, to find out whether it is as it was written. A file of another kind is refused; with
    force it counts as none. Raises ArchiveRefused, Unreadable, WriteFailed, CompressionUnavailable.
    """
    with contextlib.ExitStack() as stack:
        fd = None if directory is None else open_present(path, directory, stack)
        if fd is None or os.fstat(fd).st_size == 0:
            return None
        mark = read_mark(fd, path=path)
        if mark is not None:
            return ExportedArchive(mark, mark.fault(fd, path=path, hashed=hashed))
    if not force:
        why = "it exists and was not written by oci_image_export"
        raise refusal_error(path, why, "give another path, remove it, or set force to replace it")
    return None


__all__ = ("ExportedArchive", "read_exported")
