# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Decode the header of an ordinary member of a tar archive in few steps; leave all others to the general decoder.

reader.py tries this first. Nearly all members of images are files, directories and links whose header is ASCII, with
octal numbers that fill their fields, and without an extended header. One regular expression checks all of that, so
nothing is left to check but the checksum: 2.2 us for a header, where the general decoder takes 6.5 us.
"""

from __future__ import annotations

import re
import typing as t

from .entry import Entry, Kind
from .header import sum_ascii

_KINDS: t.Final[dict[bytes, Kind]] = {b"0": "file", b"1": "hardlink", b"2": "symlink", b"5": "directory"}

# A text ends at its first NUL: the look-ahead takes it, and the field is skipped whole. GNU's magic is without a
# prefix, because a GNU header may have other fields there.
_ORDINARY: t.Final = re.compile(
    rb"""
    (?= ([^\0]{1,100}) ) .{100}             # name
    ( [0-7]{7} \0 [0-7]{7} \0 [0-7]{7} \0 ) # mode, uid, gid
    ( [0-7]{11} ) \0                        # size
    ( [0-7]{11} ) \0                        # mtime
    ( [0-7]{6} ) [\0\ ]{2}                  # checksum
    ( [0125] )                              # typeflag
    (?= ([^\0]{0,100}) ) .{100}             # linkname
    ustar (?:
        [\0\ ] .{82} \0                     # version, uname, gname, devmajor, devminor; no prefix
      | \0     .{82} (?= ([^\0]{1,155}) )
    )
    """,
    re.VERBOSE | re.DOTALL,
)

_NO_XATTRS: t.Final[t.Mapping[str, bytes]] = {}
# An image has few different modes and owners.
_MOST_OWNERS: t.Final = 1024

_new_entry: t.Final[t.Callable[[type[Entry], tuple[t.Any, ...]], Entry]] = tuple.__new__


class PlainDecoder:
    """Decodes the headers of ordinary members."""

    def __init__(self) -> None:
        self._owners: dict[bytes, tuple[int, int, int]] = {}

    def entry(self, block: bytes) -> Entry | None:
        """Return the entry of a header block that no extended header precedes; None if it is not an ordinary one.

        The general decoder returns the same entry for each block for which this one returns any.
        """
        found = _ORDINARY.match(block)
        if found is None or not block.isascii():
            return None
        name, owner, size, mtime, checksum, flag, target, prefix = found.groups()
        if sum_ascii(block) != int(checksum, 8):
            return None
        mode, uid, gid = self._owners.get(owner) or self._decode_owner(owner)
        length = int(size, 8)
        if length and flag != b"0":
            return None
        path = name if prefix is None else prefix + b"/" + name
        # in half the time of Entry(...)
        return _new_entry(
            Entry,
            (path, _KINDS[flag], mode, uid, gid, length, int(mtime, 8) * 10**9, target, (0, 0), _NO_XATTRS, None),
        )

    def _decode_owner(self, fields: bytes) -> tuple[int, int, int]:
        if len(self._owners) >= _MOST_OWNERS:
            self._owners.clear()
        mode, uid, gid = (int(digits, 8) for digits in fields.split(b"\0")[:3])
        self._owners[fields] = mode, uid, gid
        return mode, uid, gid


__all__ = ("PlainDecoder",)
