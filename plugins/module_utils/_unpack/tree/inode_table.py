# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Tables by inode number that stay small in memory for millions of files: 8 bytes an entry, the values in a file.

writer.py keeps digests of files in one, tree.py attributes of directories, whiteout.py the names of a layer.
"""

from __future__ import annotations

import bisect
import os
import typing as t
from array import array

# This many entries are kept as Python objects, of 200 bytes each, before they are sorted and packed.
RECENT_ENTRIES: t.Final = 65536


class Scratch:
    """An anonymous file for values, which the caller closes; without a descriptor the values stay in memory."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd
        self._data = bytearray()
        self._end = 0

    def put(self, data: bytes) -> int:
        """Append data; return its offset. Raises OSError."""
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
        """Return size bytes at the offset that put() returned. Raises OSError."""
        if self._fd is None:
            return bytes(self._data[begin : begin + size])
        return os.pread(self._fd, size, begin)


class _Run(t.NamedTuple):
    """Entries sorted by key; their values lie one after the other in the scratch file from begin on."""

    first: int
    last: int
    keys: array[int]
    begin: int


class InodeTable:
    """A table of values of one width in bytes, by 64-bit keys. A later value replaces an earlier one."""

    def __init__(self, width: int, scratch: Scratch) -> None:
        self._width = width
        self._scratch = scratch
        self._recent: dict[int, bytes] = {}
        self._runs: list[_Run] = []

    def __setitem__(self, key: int, value: bytes) -> None:
        self._recent[key] = value
        if len(self._recent) >= RECENT_ENTRIES:
            self._pack_recent()

    def __bool__(self) -> bool:
        return bool(self._recent or self._runs)

    def __contains__(self, key: object) -> bool:
        return self.get(t.cast(int, key)) is not None

    def get(self, key: int) -> bytes | None:
        """Return the value of key, None if there is none. Raises OSError."""
        found = self._recent.get(key)
        if found is not None or not self._runs:
            return found
        for run in reversed(self._runs):
            if run.first <= key <= run.last:
                place = bisect.bisect_left(run.keys, key)
                if run.keys[place] == key:
                    return self._scratch.get(run.begin + place * self._width, self._width)
        return None

    def _pack_recent(self) -> None:
        keys = array("Q", sorted(self._recent))
        begin = self._scratch.put(b"".join([self._recent[key] for key in keys]))
        self._runs.append(_Run(keys[0], keys[-1], keys, begin))
        self._recent = {}


__all__ = ("RECENT_ENTRIES", "InodeTable", "Scratch")
