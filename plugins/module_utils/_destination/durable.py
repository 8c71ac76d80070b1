# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read files, and write them so that they survive a crash, in a directory that is open.

store.py, publish.py and destination.py use it, and _module/layer/directory.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

_READ: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE: t.Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def open_anonymous(dir_fd: int) -> int:
    """Open a private file without a name for reading and writing. Raises OSError."""
    name = f"anonymous-{os.urandom(8).hex()}"
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)
    try:
        os.unlink(name, dir_fd=dir_fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_file(dir_fd: int, name: str, *, maximum: int) -> bytes | None:
    """Return the content of the regular file name, at most maximum + 1 bytes; None if there is none.

    Raises OSError, EINVAL for any other type.
    """
    try:
        fd = os.open(name, _READ, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", name)
        return file.read(maximum + 1)


def open_new(dir_fd: int, name: str) -> int:
    """Open a private file for writing from its start. Raises OSError."""
    return os.open(name, _CREATE, 0o600, dir_fd=dir_fd)


def write_file(dir_fd: int, name: str, data: bytes) -> None:
    """Write a file that no process reads yet; it is synced later with all others. Raises OSError."""
    with open(open_new(dir_fd, name), "wb") as file:
        file.write(data)


def replace_file(dir_fd: int, name: str, data: bytes, *, stem: str | None = None) -> None:
    """Replace the content of name atomically: after a crash it is either the old content or all of data.

    The new file first has a random name, which starts with stem (or name) and ".new"; the caller removes leftovers of
    killed runs. Raises OSError, and then the old content is still there.
    """
    new = f"{stem or name}.new-{os.urandom(8).hex()}"
    try:
        fd = os.open(new, _CREATE | os.O_EXCL, 0o600, dir_fd=dir_fd)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(new, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=dir_fd)
        raise
    os.fsync(dir_fd)


def inode_of_directory(dir_fd: int, name: str) -> int | None:
    """Return the inode number of the directory name, None if there is no directory. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return status.st_ino
    return None


__all__ = ("inode_of_directory", "open_anonymous", "open_new", "read_file", "replace_file", "write_file")
