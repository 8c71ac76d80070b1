# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Open a regular file inside a root directory, as a process sees it whose root directory that is.

_unpack/accounts.py reads the users of a tree with it, _module/runtime/program.py looks for a program.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from .confine import MAXIMUM_LINKS, PathResolver

# O_NONBLOCK: a FIFO that another process puts there meanwhile must not stop this one
_FLAGS: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class TooLong(OSError):
    """The file is longer than the limit of the caller: EFBIG."""

    def __init__(self) -> None:
        super().__init__(errno.EFBIG, os.strerror(errno.EFBIG))


class NotRegular(OSError):
    """There is something at the path that is not a regular file, and was not opened: EINVAL."""

    def __init__(self, name: bytes) -> None:
        super().__init__(errno.EINVAL, os.strerror(errno.EINVAL), name)


def read_regular(root: int, path: bytes, *, limit: int, resolver: PathResolver) -> bytes:
    """Return the content of a regular file below an open root directory.

    Symbolic links are followed as PathResolver says, so none leads out of the root. Raises OSError: ENOENT if the path
    leads nowhere, ELOOP, NotRegular for a directory or a special file, and TooLong for more than limit bytes.
    """
    with os.fdopen(open_regular(root, path, resolver=resolver), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise TooLong
    return data


def open_regular(root: int, path: bytes, *, resolver: PathResolver) -> int:
    """Open a regular file below an open root directory for reading; the caller closes it. Raises as read_regular()."""
    for dummy in range(MAXIMUM_LINKS):
        head, name = os.path.split(path)
        parent = resolver(root, head)
        try:
            target = _link_target(parent, name)
            if target is None:
                return os.open(name, _FLAGS, dir_fd=parent)
        finally:
            os.close(parent)
        path = target if target.startswith(b"/") else os.path.join(head, target)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def _link_target(parent: int, name: bytes) -> bytes | None:
    """Return the target of a symbolic link, None for a regular file. Anything else raises OSError."""
    if name in (b"", b".", b".."):
        raise NotRegular(name)
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        return os.readlink(name, dir_fd=parent)
    if not stat.S_ISREG(mode):
        raise NotRegular(name)
    return None


__all__ = ("NotRegular", "TooLong", "open_regular", "read_regular")
