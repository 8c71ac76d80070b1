# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import errno
import os
import stat

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def open_anonymous(dir_fd: int) -> int:
    """Opens a private file without a name, to be written and read. Raises OSError."""
    name = f"anonymous-{os.urandom(8).hex()}"
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)
    os.unlink(name, dir_fd=dir_fd)
    return fd


def read_file(dir_fd: int, name: str, *, maximum: int) -> bytes | None:
    """Returns what the regular file name holds, maximum bytes and one more at most, or None if there is none.

    Raises OSError, EINVAL for something that is no regular file.
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
    """Opens a private file to be written from the start. Raises OSError."""
    return os.open(name, _CREATE, 0o600, dir_fd=dir_fd)


def write_file(dir_fd: int, name: str, data: bytes) -> None:
    """Writes a file that nobody reads yet, to be synced later with all else. Raises OSError."""
    with open(open_new(dir_fd, name), "wb") as file:
        file.write(data)


def replace_file(dir_fd: int, name: str, data: bytes, *, stem: str | None = None) -> None:
    """Gives name the content data in one step that survives a crash: either all of it or what was there before.

    The new file has a random name first, which begins with stem, or that of the old one, and .new: the caller removes
    what a run that was killed left of that. Raises OSError, and then the old content is still there.
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
    """Returns the inode number of the directory name, None if there is none. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return status.st_ino
    return None


__all__ = ("inode_of_directory", "open_anonymous", "open_new", "read_file", "replace_file", "write_file")
