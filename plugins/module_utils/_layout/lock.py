# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from .._oci.text import visible
from .write_errors import Locked, write_errors

_POLL_SECONDS: t.Final = 0.05  # flock(2) has no time limit of its own
_DIRECTORY: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def locked_directory(path: str, *, timeout: float) -> t.Iterator[int]:
    """Yields a file descriptor of the directory, made with its parents if it is not there, that only this run has.

    The lock is on the directory itself (flock), so that there is no file for it. Directories that were made here and
    are still empty at the end are removed again. Raises Locked after timeout seconds, WriteFailed.
    """
    deadline = time.monotonic() + timeout
    new: list[str] = []
    with write_errors("Opening the layout", path):
        fd = None
        while fd is None:
            new += _make(path)
            fd = _open_locked(path, deadline)
    if fd < 0:
        shown = visible(path)
        raise Locked(
            f"Waiting for the layout {shown} failed: another run has been at work on it for {timeout:g} seconds; "
            "wait until that has finished, or end it, and run the task again.",
            path=shown,
        )
    try:
        yield fd
    finally:
        for directory in reversed(new):
            with contextlib.suppress(OSError):  # not empty: that is as it should be
                os.rmdir(directory)
        os.close(fd)


def _make(path: str) -> list[str]:
    """Make what is missing of a path; returns that, the upper ones first. Raises OSError."""
    missing = []
    while path and not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    new = []
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)
            new.append(directory)
            fd = os.open(directory, _DIRECTORY | os.O_NOFOLLOW)
            try:
                os.fchmod(fd, 0o755)
            finally:
                os.close(fd)
    return new


def _open_locked(path: str, deadline: float) -> int | None:
    """A locked descriptor, -1 when time is up, None to begin again as the directory went away. Raises OSError."""
    try:
        fd = os.open(path, _DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        if not _lock(fd, deadline):
            os.close(fd)
            return -1
        if os.path.samestat(os.stat(path), os.fstat(fd)):
            return fd
    except FileNotFoundError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _lock(fd: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        time.sleep(_POLL_SECONDS)


__all__ = ("locked_directory",)
