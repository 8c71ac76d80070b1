# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The attributes that a new file takes from the file that it replaces. Called by blob_file.py and archive/run.py."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def take_attributes(descriptor: int, folder: int, name: str) -> bool:
    """Set owner, mode and extended attributes of an open file to those of the file name in an open directory.

    Return whether there is such a file; if not, set the mode by the umask. Raises OSError.
    """
    replaced = _open_replaced(folder, name)
    if replaced is None:
        umask = os.umask(0o077)
        os.umask(umask)
        os.fchmod(descriptor, 0o666 & ~umask)
        return False
    try:
        found = os.fstat(replaced)
        with contextlib.suppress(PermissionError):  # an unprivileged user cannot change the owner
            os.fchown(descriptor, found.st_uid, found.st_gid)
        shutil.copystat(replaced, descriptor)  # type: ignore[arg-type]  # copystat works with descriptors
        os.utime(descriptor)
    finally:
        os.close(replaced)
    return True


def _open_replaced(folder: int, name: str) -> int | None:
    """Open the file that will be replaced. Return None if there is none, or it is not a regular file."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            return os.open(name, _FLAGS, dir_fd=folder)
    return None


__all__ = ("take_attributes",)
