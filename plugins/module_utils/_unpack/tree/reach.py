# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Act on a name in an open directory where Linux has no system call for that: through /proc/self/fd, or without it.

metadata.py, probe.py and remove.py call this, and _module/blob_file.py and layout/attributes.py.
"""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from .syscalls import change_mode_of_open


@functools.cache
def _has_proc() -> bool:
    """Return whether /proc is mounted."""
    return os.path.exists("/proc/self/fd")


@contextlib.contextmanager
def reached(dir_fd: int, name: bytes) -> t.Iterator[bytes]:
    """Yield a path to name that depends on the open directory alone. Raises OSError.

    Without /proc this is a relative path, and the working directory of the process is changed meanwhile.
    """
    if _has_proc():
        yield b"/proc/self/fd/%d/%s" % (dir_fd, name)
        return
    with inside(dir_fd):
        yield b"./" + name


@contextlib.contextmanager
def inside(dir_fd: int) -> t.Iterator[None]:
    """Make an open directory the working directory in the block, for child processes too. Raises OSError."""
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fchdir(dir_fd)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def change_mode(fd: int, mode: int) -> None:
    """Set the mode of the file open as fd, possibly with O_PATH.

    Raises OSError, ENOSYS if /proc is not mounted and Linux is older than 6.6.
    """
    if _has_proc():
        os.chmod(f"/proc/self/fd/{fd}", mode)
    else:
        change_mode_of_open(fd, mode)


__all__ = ("change_mode", "inside", "reached")
