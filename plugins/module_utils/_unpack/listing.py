# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import itertools
import os
import stat
import struct
import typing as t
import zlib

# A directory with more names than MANY is listed in parts: each takes a kilobyte while it is looked at.
MANY: t.Final = 16384
PARTS: t.Final = 256

_NUMBERS_EACH: t.Final = 4
_MASK: t.Final = 2**64 - 1
_TYPE: t.Final = 0o170000
_MODE_MASK: t.Final = 2**32 - 1
_SIZED: t.Final = frozenset((stat.S_IFREG, stat.S_IFLNK))  # the others' st_rdev is the device number, or 0


class Entry(t.NamedTuple):
    """One name in a directory, as lstat(2) sees it.

    size is the device number for a device and 0 where it tells nothing about the content; so is mtime for a directory,
    whose time changes with what is in it. owner holds the user id in its upper 32 bits, the group id in the lower ones.
    """

    name: str
    mode: int
    owner: int
    size: int
    mtime: int
    inode: int = 0

    @property
    def is_directory(self) -> bool:
        """Tells a directory, never a link to one."""
        return stat.S_ISDIR(self.mode)


def list_directory(fd: int) -> list[Entry] | None:
    """Returns what is in the directory open as fd, ordered by name; None if that is more than MANY. Raises OSError."""
    with os.scandir(fd) as found:
        entries = [_entry(item.name, item.stat(follow_symlinks=False)) for item in itertools.islice(found, MANY + 1)]
    return None if len(entries) > MANY else sorted(entries)


def split_directory(fd: int) -> list[bytes]:
    """Returns the names in a directory of many, in PARTS parts that depend on nothing but the names. Raises OSError."""
    parts = [bytearray() for dummy in range(PARTS)]
    with os.scandir(fd) as found:
        for item in found:
            name = os.fsencode(item.name)
            part = parts[zlib.crc32(name) % PARTS]
            part += name
            part.append(0)
    return [bytes(part) for part in parts]


def list_part(fd: int, part: bytes) -> list[Entry]:
    """Returns what has the names of such a part, ordered by name. Raises OSError."""
    names = os.fsdecode(part).split("\0")[:-1]
    return sorted([_entry(name, os.stat(name, dir_fd=fd, follow_symlinks=False)) for name in names])


def find_in_directory(fd: int, names: t.Container[str]) -> t.Iterator[tuple[str, Entry | None]]:
    """Yields every name in a directory, with the entry if it is one of names. Raises OSError."""
    with os.scandir(fd) as found:
        for item in found:
            name = item.name
            yield name, _entry(name, item.stat(follow_symlinks=False)) if name in names else None


def describe_root(fd: int) -> list[Entry]:
    """Returns the one entry that the directory open as fd is itself, under the name of a dot. Raises OSError."""
    return [_entry(".", os.fstat(fd))]


def _entry(name: str, status: os.stat_result) -> Entry:
    mode = status.st_mode
    kind = mode & _TYPE
    mtime = 0 if kind == stat.S_IFDIR else status.st_mtime_ns & _MASK
    size = status.st_size if kind in _SIZED else status.st_rdev
    return Entry(name, mode, status.st_uid << 32 | status.st_gid, size, mtime, status.st_ino)


def pack(entries: list[Entry]) -> bytes:
    """Returns the entries, less their inode numbers, as bytes that are equal when and only when they are."""
    numbers: list[int] = []
    for entry in entries:
        numbers += entry[1:5]
    return struct.pack(f"<{len(numbers)}Q", *numbers) + os.fsencode("\0".join([entry[0] for entry in entries]))


def unpack(data: bytes, count: int) -> list[Entry]:
    """Returns what pack() was given. Raises ValueError for bytes that it never returned."""
    end = 8 * _NUMBERS_EACH * count
    if end > len(data):
        raise ValueError("too short")
    names = os.fsdecode(data[end:]).split("\0") if count else []
    if len(names) != count or (not count and len(data) > end) or any(not name or "/" in name for name in names):
        raise ValueError("names do not match")
    numbers = iter(struct.unpack_from(f"<{_NUMBERS_EACH * count}Q", data))
    entries = [Entry(*row) for row in zip(names, numbers, numbers, numbers, numbers)]
    if any(entry.mode > _MODE_MASK for entry in entries):
        raise ValueError("a mode is out of range")
    return entries


__all__ = (
    "MANY",
    "PARTS",
    "Entry",
    "describe_root",
    "find_in_directory",
    "list_directory",
    "list_part",
    "pack",
    "split_directory",
    "unpack",
)
