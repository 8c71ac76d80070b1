# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Advisory locks (flock(2)) on files that only their owner can open.

A user who can read a file or directory can lock it and block all other users. A lock file therefore has mode 0600 and
exists only while it is needed. Callers: _layout/lock.py, _module/layer/directory.py, _module/blob_file.py,
_destination/lock.py.
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
# flock(2) has no timeout, so the lock is polled
_POLL_SECONDS: t.Final = 0.05
_LOCKS: t.Final = "/proc/locks"
# bounds the attempts after the lock file was removed: a user who can write to the directory can keep removing it
_TRIES: t.Final = 100


class LockFileRefused(CollectionError):
    """The name of the lock file is taken by something that is not a private file of this user. Fields: path."""

    kind = "destination"


def is_private(status: os.stat_result) -> bool:
    """Tell whether the status is of a regular file with one name that no other user can open."""
    mine = status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077
    return stat.S_ISREG(status.st_mode) and mine and status.st_nlink <= 1


def lock(fd: int, *, deadline: float, shared: bool = False) -> bool:
    """Wait for the lock on an open file until the deadline (time.monotonic()); return False after it.

    With shared, other processes may hold a shared lock at the same time. Raises OSError.
    """
    return _wait(fd, deadline, lambda: True, kind=fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def lock_as_older_versions_do(directory: int, *, deadline: float) -> bool:
    """Lock the directory itself, as versions before 0.3.0 do; return False after the deadline.

    Only locks held by root or the user of the task are waited for, because any other user could hold one for ever.
    """
    with contextlib.suppress(OSError):  # on a file system that cannot lock directories no older version is running
        return _wait(directory, deadline, lambda: _is_held_by_us(directory))
    return True


def lock_file(folder: int, name: str, *, path: str, deadline: float) -> int | None:
    """Create the file name in an open directory, lock it and return its descriptor; None after the deadline.

    path is for messages. Raises LockFileRefused, FileNotFoundError if the directory was removed, and OSError.
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
        os.close(fd)  # the run that held the lock removed the file
    return None


def unlock_file(folder: int, name: str, fd: int) -> None:
    """Remove a lock file that lock_file() returned, and release the lock."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)
    os.close(fd)


def _open(folder: int, name: str, path: str) -> int:
    with contextlib.suppress(FileNotFoundError):
        _check(os.stat(name, dir_fd=folder, follow_symlinks=False), path)  # opening a device can have effects
    fd = os.open(name, _OPEN, 0o600, dir_fd=folder)
    try:
        if os.fstat(fd).st_nlink:  # 0: the run that held the lock removed it, which lock_file() detects
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
            "the user that owns it (become_user), or remove it.",
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
    """Tell whether root or this user started a process. A setuid program counts as the process of its caller."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as lines:
        # Uid: real, effective, saved, file system
        return any(line.startswith("Uid:") and int(line.split()[1]) in (0, os.geteuid()) for line in lines)
    return False


__all__ = ("LockFileRefused", "is_private", "lock", "lock_as_older_versions_do", "lock_file", "unlock_file")
