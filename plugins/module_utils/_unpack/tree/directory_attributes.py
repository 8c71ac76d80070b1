# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The attributes that directories get when the tree is complete, packed, since a tree may have millions of directories.

tree.py fills and reads the table.
"""

from __future__ import annotations

import struct
import typing as t

from .inode_table import InodeTable, Scratch
from .metadata import Attributes, clamp_time

# kind; mode, uid, gid; seconds and nanoseconds of the time
_PACKED: t.Final = struct.Struct("=BIqqqI")
_TIME, _ALL = 0, 1
_SECOND: t.Final = 10**9


class DirectoryAttributes:
    """The attributes or the time that each directory gets at the end, by inode number."""

    def __init__(self, scratch: Scratch) -> None:
        self._packed = InodeTable(_PACKED.size, scratch)
        self._xattrs: dict[int, t.Mapping[str, bytes]] = {}

    def set(self, inode: int, wanted: Attributes) -> None:
        """Set the attributes that a directory gets."""
        time = divmod(clamp_time(wanted.mtime), _SECOND)
        self._packed[inode] = _PACKED.pack(_ALL, wanted.mode, wanted.uid, wanted.gid, *time)
        if wanted.xattrs:
            self._xattrs[inode] = wanted.xattrs
        else:
            self._xattrs.pop(inode, None)

    def keep_time(self, inode: int, mtime: int) -> None:
        """Set the time that a directory gets back, unless it has an entry already."""
        if inode not in self._packed:
            self._packed[inode] = _PACKED.pack(_TIME, 0, 0, 0, *divmod(mtime, _SECOND))

    def get(self, inode: int) -> Attributes | int | None:
        """Return the attributes, or the time in nanoseconds; None if there is no entry."""
        packed = self._packed.get(inode)
        if packed is None:
            return None
        kind, mode, uid, gid, seconds, rest = _PACKED.unpack(packed)
        time = seconds * _SECOND + rest
        return time if kind == _TIME else Attributes(mode, uid, gid, time, self._xattrs.get(inode, {}))


__all__ = ("DirectoryAttributes",)
