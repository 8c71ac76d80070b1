# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Open the state directory and the directories in it; check that each is private to this user.

The parent of a destination may belong to another user, who can replace the state directory at any moment, for instance
by a tree from an image. So the checks are made on the opened directories themselves. Called by lock.py, store.py and
answer.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .._base.text import visible
from .._unpack.tree.descent import DIRECTORY
from .place import Place, refusal

# names in the state directory, and in the directory of a generation
STATE: t.Final = "state.json"
GENERATIONS: t.Final = "generations"
STAMP: t.Final = "stamp.json"
RECORD: t.Final = "tree"
ROOTFS: t.Final = "rootfs"


@contextlib.contextmanager
def opened_private(place: Place, state_fd: int, *names: str) -> t.Iterator[int]:
    """Yield a directory below the state directory, which is open as state_fd.

    Raises FileNotFoundError, DestinationError if it is not private, OSError.
    """
    path, fd = place.state_path, os.dup(state_fd)
    try:
        for name in names:
            path = os.path.join(path, name)
            below = open_private(place, fd, name, path=path)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


def open_private(place: Place, dir_fd: int, name: str, *, path: str) -> int:
    """Open the directory name and check that only this user may enter it; path is for messages.

    Raises DestinationError if it is not private, FileNotFoundError, OSError.
    """
    try:
        fd = os.open(name, DIRECTORY, dir_fd=dir_fd)
    except OSError as exc:
        if exc.errno == errno.EACCES:
            _check_private(place, os.stat(name, dir_fd=dir_fd, follow_symlinks=False), path=path)
        if exc.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        why = f"{visible(path)}, where its state is kept, is not a directory"
        raise refusal(place.path, why, "move it away") from None
    try:
        _check_private(place, os.fstat(fd), path=path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check_private(place: Place, status: os.stat_result, *, path: str) -> None:
    """Raise DestinationError unless status is that of a private directory of this user, and not of a mount."""
    shown = visible(path)
    if status.st_uid != os.geteuid():
        why = f"its state directory {shown} belongs to the user id {status.st_uid}, not {os.geteuid()}"
        raise refusal(place.path, why, "run the task as that user (become_user)")
    if status.st_mode & 0o077:
        why = f"other users have access to its state directory {shown} (mode {stat.S_IMODE(status.st_mode):04o})"
        raise refusal(place.path, why, "if nobody tampered with it, set its mode to 0700")
    if status.st_dev != place.device:
        raise refusal(place.path, f"its state directory {shown} is on another file system", "unmount it")


__all__ = ("GENERATIONS", "RECORD", "ROOTFS", "STAMP", "STATE", "open_private", "opened_private")
