# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What a tree lacks at a path, with symbolic links followed inside the tree.

make_mount_points.py makes it, and _module/runtime/mount_points.py tells users about it.
"""

from __future__ import annotations

import errno
import os
import typing as t

from .confine import Walk


class Missing(t.NamedTuple):
    """The names that a tree lacks, below the directory where, both without links.

    link is the path of a dangling symbolic link that leads there, None if none does.
    """

    where: tuple[bytes, ...]
    names: tuple[bytes, ...]
    link: bytes | None

    @property
    def path(self) -> bytes:
        """The absolute path in the tree of what is missing, which no link is on."""
        return os.path.normpath(b"/" + b"/".join((*self.where, *self.names)))

    @property
    def before_up(self) -> bytes | None:
        """The absolute path of a missing directory that .. comes after in a link, None without ..; it comes first."""
        if b".." not in self.names:
            return None
        return b"/" + b"/".join((*self.where, *self.names[: self.names.index(b"..")]))


def find_missing(root: int, path: bytes) -> Missing | None:
    """Return what a tree, open as root, lacks at a path; None if anything is there, of any type.

    Raises NotADirectoryError, with the absolute path in the tree as its filename, if something that is not a directory
    is on the way, and OSError, ELOOP for a loop of links.
    """
    walk = Walk(root)
    try:
        os.close(walk.open(path))
    except FileNotFoundError:
        return Missing(tuple(walk.names), tuple(reversed(walk.rest)), walk.link)
    except NotADirectoryError:
        if len(walk.rest) > 1:
            at = b"/" + b"/".join((*walk.names, walk.rest[-1]))
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), at) from None
    return None


def has_path(root: int, path: bytes) -> bool:
    """Return whether a tree, open as root, has anything at a path; False also where that cannot be told."""
    try:
        return find_missing(root, path) is None
    except OSError:
        return False


__all__ = ("Missing", "find_missing", "has_path")
