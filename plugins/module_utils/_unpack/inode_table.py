# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Tables by inode number whose memory stays small for millions of files: eight bytes an entry, the rest in a file.

writer.py keeps the digests of files in one, tree.py the attributes of directories, whiteout.py the names of a layer.
"""

from __future__ import annotations

import bisect
import os
import typing as t
from array import array

# So many entries are kept as Python objects, of which each takes 200 bytes, before they are sorted and packed.
YOUNG: t.Final = 65536


class Scratch:
    """An anonymous file that values are put into; without a descriptor they stay in memory. The caller closes it."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd
        self._data = bytearray()
        self._end = 0

    def put(self, data: bytes) -> int:
        """Append data; returns where it begins. Raises OSError."""
        begin = self._end
        if self._fd is None:
            self._data += data
        else:
            done = 0
            while done < len(data):
                done += os.pwrite(self._fd, memoryview(data)[done:], begin + done)
        self._end += len(data)
        return begin

    def get(self, begin: int, size: int) -> bytes:
        """Return size bytes from where put() said. Raises OSError."""
        if self._fd is None:
            return bytes(self._data[begin : begin + size])
        return os.pread(self._fd, size, begin)


class _Run(t.NamedTuple):
    """Entries in the order of their keys: the values lie in the scratch file one after the other."""

    first: int
    last: int
    keys: array[int]
    begin: int


class InodeTable:
    """Values of one width in bytes by 64-bit keys; a later value takes the place of an earlier one."""

    def __init__(self, width: int, scratch: Scratch) -> None:
        self._width = width
        self._scratch = scratch
        self._young: dict[int, bytes] = {}
        self._runs: list[_Run] = []

    def __setitem__(self, key: int, value: bytes) -> None:
        self._young[key] = value
        if len(self._young) >= YOUNG:
            self._settle()

    def __bool__(self) -> bool:
        return bool(self._young or self._runs)

    def __contains__(self, key: object) -> bool:
        return self.get(t.cast(int, key)) is not None

    def get(self, key: int) -> bytes | None:
        """Return the value of key, None if there is none. Raises OSError."""
        found = self._young.get(key)
        if found is not None or not self._runs:
            return found
        for run in reversed(self._runs):
            if run.first <= key <= run.last:
                place = bisect.bisect_left(run.keys, key)
                if run.keys[place] == key:
                    return self._scratch.get(run.begin + place * self._width, self._width)
        return None

    def _settle(self) -> None:
        keys = array("Q", sorted(self._young))
        begin = self._scratch.put(b"".join([self._young[key] for key in keys]))
        self._runs.append(_Run(keys[0], keys[-1], keys, begin))
        self._young = {}


__all__ = ("YOUNG", "InodeTable", "Scratch")
