# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Locks (flock) on files that only their owner can open.

Any user who can read a directory or a file can lock it, and so keep every other user waiting. A lock file has the mode
0600, and is there only as long as it is needed. oci_layout (_layout/lock.py), oci_layer_unpack
(_module/layered_directory.py), oci_blob (_module/blob_file.py) and oci_image_unpack (_destination/lock.py) use this.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
import typing as t

from .errors import CollectionError
from .text import visible

_OPEN: t.Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_POLL_SECONDS: t.Final = 0.05  # flock(2) has no time limit of its own
_LOCKS: t.Final = "/proc/locks"
# so often in a row runs can end while others wait; whoever can write to the directory can remove the file for ever
_TRIES: t.Final = 100


class LockFileRefused(CollectionError):
    """What bears the name of the lock file is not a private file of this user. Fields: path."""

    kind = "destination"


def is_private(status: os.stat_result) -> bool:
    """Tell whether this is a regular file that no other user can open, and that has no other name."""
    mine = status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077
    return stat.S_ISREG(status.st_mode) and mine and status.st_nlink <= 1


def lock(fd: int, *, deadline: float, shared: bool = False) -> bool:
    """Wait for the lock on an open file until the deadline (time.monotonic()); False if it passed.

    With shared others may have a shared lock on it, too. Raises OSError.
    """
    return _wait(fd, deadline, lambda: True, kind=fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def lock_as_older_versions_do(directory: int, *, deadline: float) -> bool:
    """Take the lock on the directory itself, the only one that versions before 0.3.0 take; False after the deadline.

    Only root and the user of the task are waited for: anybody else could hold the lock for ever.
    """
    with contextlib.suppress(OSError):  # a file system that cannot lock directories has no older version at work
        return _wait(directory, deadline, lambda: _is_held_by_us(directory))
    return True


def lock_file(folder: int, name: str, *, path: str, deadline: float) -> int | None:
    """Make the file called name in an open directory, lock it and return its descriptor; None if the deadline passed.

    path is for messages. Raises LockFileRefused, FileNotFoundError for a directory that is gone, OSError.
    """
    tries = 0
    while tries < _TRIES or time.monotonic() < deadline:
        tries += 1
        fd = _open(folder, name, path)
        try:
            if not lock(fd, deadline=deadline):
                os.close(fd)
                return None
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(name, dir_fd=folder, follow_symlinks=False), os.fstat(fd)):
                    return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # the run that had the lock removed the file
    return None


def unlock_file(folder: int, name: str, fd: int) -> None:
    """Remove a lock file that lock_file returned, and give the lock back."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)
    os.close(fd)


def _open(folder: int, name: str, path: str) -> int:
    with contextlib.suppress(FileNotFoundError):
        _check(os.stat(name, dir_fd=folder, follow_symlinks=False), path)  # opening a device can act on it
    fd = os.open(name, _OPEN, 0o600, dir_fd=folder)
    try:
        if os.fstat(fd).st_nlink:  # else the run that had the lock has removed it, which lock_file finds out
            _check(os.fstat(fd), path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(status: os.stat_result, path: str) -> None:
    if not is_private(status):
        shown = visible(path)
        raise LockFileRefused(
            f"Locking {shown} failed: it is not a private file of this user (user id {os.geteuid()}); run the task as "
            "the user that it belongs to (become_user), or remove it.",
            path=shown,
        )


def _wait(fd: int, deadline: float, is_worth_it: t.Callable[[], bool], *, kind: int = fcntl.LOCK_EX) -> bool:
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if not is_worth_it():
                return True
            if time.monotonic() >= deadline:
                return False
        time.sleep(_POLL_SECONDS)


def _is_held_by_us(fd: int) -> bool:
    inode = f":{os.fstat(fd).st_ino}"
    with contextlib.suppress(OSError), open(_LOCKS, encoding="ascii", errors="replace") as lines:
        # 1: FLOCK  ADVISORY  WRITE 2084 fe:00:131093 0 EOF
        fields = [line.split() for line in lines]
        return any(len(f) > 5 and f[1] == "FLOCK" and f[5].endswith(inode) and _is_of_us(f[4]) for f in fields)
    return False


def _is_of_us(pid: str) -> bool:
    """Tell whether root or this user started a process. A program with the setuid bit counts as its caller's."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as lines:
        # Uid: real, effective, saved, file system
        return any(line.startswith("Uid:") and int(line.split()[1]) in (0, os.geteuid()) for line in lines)
    return False


__all__ = ("LockFileRefused", "is_private", "lock", "lock_as_older_versions_do", "lock_file", "unlock_file")
