# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read the record of a tree block by block. The comment below is the specification of the format.

record.py writes records; unchanged.py and _destination/drift.py compare a tree with one.
"""

from __future__ import annotations

import os
import stat
import struct
import typing as t

from .listing import PARTS, ListedEntry, unpack

# The record of a tree has a magic, a block for the root itself, a block for every directory, and an end. The block of a
# directory stands before those of the directories in it, which are ordered by name. All numbers are little endian.
#
#   magic     MAGIC, or MAGIC_WITHOUT_DIGESTS if nobody computed digests of files, which earlier versions of this
#             collection refuse; then one byte: "x" where extended attributes are recorded, else "-"
#   block     depth, count: uint32; length of metadata, length of content: uint64; metadata; content
#   metadata  the entries as listing.pack() returns them
#   content   for each entry: with "x", SHA-256 of its extended attributes; then for a regular file its SHA-256, unless
#             the record is without digests, for a symbolic link the length of its target as uint16 and the target
#   split     before the blocks of a directory with many names: its depth plus SPLIT, the count PARTS, no contents. The
#             directory has PARTS blocks, one for each part of its names (listing.split_directory()), and those of the
#             directories in a part follow the block of the part
#   end       a block of depth END whose count is that of all entries, modulo 2**32
MAGIC: t.Final = b"attested.registry tree record 1 "
MAGIC_WITHOUT_DIGESTS: t.Final = b"attested.registry tree record 2 "
END: t.Final = 0xFFFFFFFF
SPLIT: t.Final = 0x80000000
# The count of a directory that could not be listed when the record was made.
UNREADABLE: t.Final = 0xFFFFFFFF

HEADER: t.Final = struct.Struct("<IIQQ")
TARGET: t.Final = struct.Struct("<H")
DIGEST_BYTES: t.Final = 32
COUNT_MASK: t.Final = 0xFFFFFFFF


class RecordInvalid(Exception):
    """The bytes are not the record of a tree."""


class EntryContent(t.NamedTuple):
    """What lstat(2) does not tell of an entry: the digest of a file or the target of a link, and a digest of xattrs.

    What is not recorded is empty.
    """

    data: bytes
    xattrs: bytes


class Block(t.NamedTuple):
    """The record of one directory, or of one part of a large one."""

    depth: int
    entry_count: int
    metadata: bytes
    content: bytes

    @property
    def is_readable(self) -> bool:
        """Whether the record has the entries of the directory."""
        return self.entry_count != UNREADABLE

    def entries(self) -> list[ListedEntry]:
        """Return the entries of the directory, in the order of the record. Raises RecordInvalid."""
        try:
            return unpack(self.metadata, self.entry_count if self.is_readable else 0)
        except ValueError as exc:
            raise RecordInvalid(str(exc)) from None

    def contents(self, entries: t.Iterable[ListedEntry], *, xattrs: bool, digests: bool) -> dict[str, EntryContent]:
        """Return the contents of entries by name; xattrs and digests are those of the reader. Raises RecordInvalid."""
        cursor = _Cursor(self.content)
        found = {}
        for entry in entries:
            attributes = cursor.take(DIGEST_BYTES) if xattrs else b""
            length = DIGEST_BYTES if digests and stat.S_ISREG(entry.mode) else 0
            if stat.S_ISLNK(entry.mode):
                length = TARGET.unpack(cursor.take(TARGET.size))[0]
            found[entry.name] = EntryContent(cursor.take(length), attributes)
        cursor.end()
        return found


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return the next count bytes. Raises RecordInvalid if there are fewer."""
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise RecordInvalid("contents are cut off")
        self._at += count
        return taken

    def end(self) -> None:
        """Raise RecordInvalid if bytes are left."""
        if self._at != len(self._data):
            raise RecordInvalid("contents do not match")


class TreeRecordReader:
    """Reads any bytes as a record, block by block, with memory for one block. Raises RecordInvalid, OSError.

    xattrs says whether extended attributes are recorded, digests whether digests of files are. depth is that of the
    next block, END after the last one. parts is the number of blocks of the next directory, if the next block is its
    first one.
    """

    def __init__(self, file: t.BinaryIO) -> None:
        self.depth: int
        self._next: int
        self._metadata: int
        self._content: int
        self._file = file
        self._left = os.fstat(file.fileno()).st_size
        magic = self._read(len(MAGIC) + 1)
        if magic[:-1] not in (MAGIC, MAGIC_WITHOUT_DIGESTS) or magic[-1:] not in (b"x", b"-"):
            raise RecordInvalid("it is not a record, or one of another version")
        self.xattrs = magic.endswith(b"x")
        self.digests = magic.startswith(MAGIC)
        self._count = 0
        self.parts = 1
        self._advance()

    def _read(self, count: int) -> bytes:
        self._take(count)
        data = self._file.read(count)
        if len(data) != count:
            raise RecordInvalid("it is cut off")
        return data

    def _take(self, count: int) -> None:
        if count > self._left:
            raise RecordInvalid("it is cut off")
        self._left -= count

    def _advance(self) -> None:
        self.depth, self._next, self._metadata, self._content = HEADER.unpack(self._read(HEADER.size))
        self.parts = 1
        if self.depth & SPLIT and self.depth != END:
            depth, self.parts = self.depth - SPLIT, self._next
            self.depth, self._next, self._metadata, self._content = HEADER.unpack(self._read(HEADER.size))
            if self.depth != depth or self.parts != PARTS:
                raise RecordInvalid("the parts of a directory do not match")
        if self.depth == END:
            if self._next != self._count & COUNT_MASK or self._left:
                raise RecordInvalid("its end does not match")
        elif self._next != UNREADABLE:
            self._count += self._next

    @property
    def is_readable(self) -> bool:
        """Whether the next block has the entries of its directory."""
        return bool(self._next != UNREADABLE)

    def next(self, depth: int) -> Block:
        """Return the next block, which must be for a directory at that depth; the root itself has depth 0."""
        if self.depth != depth:
            raise RecordInvalid("its directories do not match")
        count, length = self._next, self._metadata
        data = self._read(length + self._content)
        self._advance()
        return Block(depth, count, data[:length], data[length:])

    def skip(self, depth: int) -> None:
        """Skip the next directory, which must be at that depth, and all below it."""
        for dummy in range(self.parts):
            if self.depth != depth:
                raise RecordInvalid("its directories do not match")
            self._skip_block()
            while depth < self.depth != END:
                self._skip_block()

    def _skip_block(self) -> None:
        self._take(self._metadata + self._content)
        self._file.seek(self._metadata + self._content, os.SEEK_CUR)
        self._advance()


__all__ = (
    "COUNT_MASK",
    "DIGEST_BYTES",
    "END",
    "HEADER",
    "MAGIC",
    "MAGIC_WITHOUT_DIGESTS",
    "SPLIT",
    "TARGET",
    "UNREADABLE",
    "Block",
    "EntryContent",
    "RecordInvalid",
    "TreeRecordReader",
)
