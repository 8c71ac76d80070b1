# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The record of a tree: for each entry its metadata, a SHA-256 digest of its content, and optionally one of its xattrs.

writer.py writes it after the last layer, _destination/drift.py compares a tree with it. The comment below is the
specification of the format.
"""

from __future__ import annotations

import os
import stat
import struct
import typing as t
from dataclasses import dataclass

from ..tree.descent import Descent
from .listing import PARTS, ListedEntry, describe_root, list_directory, list_part, pack, split_directory, unpack
from .probe import NO_XATTRS, can_list, digest_file, digest_xattrs

if t.TYPE_CHECKING:
    from ..tree.inode_table import Scratch

# The record of a tree has a magic, a block for the root itself, a block for every directory, and an end. The block of a
# directory stands before those of the directories in it, which are ordered by name. All numbers are little endian.
#
#   magic     MAGIC, then one byte: "x" where extended attributes are recorded, else "-"
#   block     depth, count: uint32; length of metadata, length of content: uint64; metadata; content
#   metadata  the entries as listing.pack() returns them
#   content   for each entry: with "x", SHA-256 of its extended attributes; then for a regular file its SHA-256, for a
#             symbolic link the length of its target as uint16 and the target
#   split     before the blocks of a directory with many names: its depth plus _SPLIT, the count PARTS, no contents. The
#             directory has PARTS blocks, one for each part of its names (listing.split_directory()), and those of the
#             directories in a part follow the block of the part
#   end       a block of depth END whose count is that of all entries, modulo 2**32
MAGIC: t.Final = b"attested.registry tree record 1 "
END: t.Final = 0xFFFFFFFF
_SPLIT: t.Final = 0x80000000
# The count of a directory that could not be listed when the record was made.
UNREADABLE: t.Final = 0xFFFFFFFF

_HEADER: t.Final = struct.Struct("<IIQQ")
_TARGET: t.Final = struct.Struct("<H")
_DIGEST_BYTES: t.Final = 32
_COUNT_MASK: t.Final = 0xFFFFFFFF


class RecordInvalid(Exception):
    """The bytes are not the record of a tree."""


class EntryContent(t.NamedTuple):
    """What lstat(2) does not tell of an entry: the digest of a file or the target of a link, and a digest of xattrs."""

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

    def contents(self, entries: t.Iterable[ListedEntry], *, xattrs: bool) -> dict[str, EntryContent]:
        """Return the contents of entries by name. Raises RecordInvalid."""
        cursor = _Cursor(self.content)
        found = {}
        for entry in entries:
            attributes = cursor.take(_DIGEST_BYTES) if xattrs else b""
            length = _DIGEST_BYTES if stat.S_ISREG(entry.mode) else 0
            if stat.S_ISLNK(entry.mode):
                length = _TARGET.unpack(cursor.take(_TARGET.size))[0]
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

    xattrs says whether extended attributes are recorded; depth is that of the next block, END after the last one. parts
    is the number of blocks of the next directory, if the next block is its first one.
    """

    def __init__(self, file: t.BinaryIO) -> None:
        self.depth: int
        self._next: int
        self._metadata: int
        self._content: int
        self._file = file
        self._left = os.fstat(file.fileno()).st_size
        magic = self._read(len(MAGIC) + 1)
        if magic not in (MAGIC + b"x", MAGIC + b"-"):
            raise RecordInvalid("it is not a record, or one of another version")
        self.xattrs = magic.endswith(b"x")
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
        self.depth, self._next, self._metadata, self._content = _HEADER.unpack(self._read(_HEADER.size))
        self.parts = 1
        if self.depth & _SPLIT and self.depth != END:
            depth, self.parts = self.depth - _SPLIT, self._next
            self.depth, self._next, self._metadata, self._content = _HEADER.unpack(self._read(_HEADER.size))
            if self.depth != depth or self.parts != PARTS:
                raise RecordInvalid("the parts of a directory do not match")
        if self.depth == END:
            if self._next != self._count & _COUNT_MASK or self._left:
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


@dataclass(frozen=True)
class Recording:
    """An open file for the record of a tree, and the scratch file for the tables that it is made from."""

    fd: int
    scratch: Scratch


class Digests(t.Protocol):
    """SHA-256 digests of the content of files, by inode number."""

    def get(self, inode: int, /) -> bytes | None:
        """Return a digest; None for a file that has to be read."""


def write_record(root_fd: int, out: t.BinaryIO, digests: Digests, *, xattrs: t.Container[int] | None = None) -> int:
    """Write the record of the tree whose root is open as root_fd; return the number of entries, with the root.

    digests maps inode numbers of regular files to the SHA-256 digests of their content; files that it lacks are read.
    With xattrs, extended attributes are recorded too: it holds the inode numbers of entries that were given some, so
    that only their attributes are read. Where the file system itself adds attributes, those of all entries are read.
    Memory holds one directory at a time, and the names of the directories on the way to it. Raises OSError.
    """
    return _Writer(out, digests, xattrs=xattrs).write(root_fd)


class _Writer:
    def __init__(self, out: t.BinaryIO, digests: Digests, *, xattrs: t.Container[int] | None) -> None:
        self._out = out
        self._digests = digests
        self._xattrs = xattrs
        self._count = 0

    def write(self, root_fd: int) -> int:
        """Write the record of a tree; return the number of its entries. Raises OSError."""
        self._out.write(MAGIC + (b"-" if self._xattrs is None else b"x"))
        with Descent(root_fd) as here:
            self._write_block(here.descriptor, describe_root(here.descriptor), depth=0)
            todo = [self._directories(here, depth=1)]
            while todo:
                name = next(todo[-1], None)
                if name is not None:
                    self._enter(here, todo, name)
                    continue
                todo.pop()
                if todo:
                    here.leave()
        self._out.write(_HEADER.pack(END, self._count & _COUNT_MASK, 0, 0))
        self._out.flush()
        return self._count

    def _enter(self, here: Descent, todo: list[t.Iterator[str]], name: str) -> None:
        depth = len(todo) + 1
        if can_list(here.descriptor, name):
            here.enter(os.fsencode(name))
            todo.append(self._directories(here, depth=depth))
        else:
            self._out.write(_HEADER.pack(depth, UNREADABLE, 0, 0))

    def _directories(self, here: Descent, *, depth: int) -> t.Iterator[str]:
        """Write the blocks of this directory; after each block, yield the directories in it."""
        entries = list_directory(here.descriptor)
        if entries is not None:
            yield from self._write_block(here.descriptor, entries, depth=depth)
            return
        self._out.write(_HEADER.pack(depth + _SPLIT, PARTS, 0, 0))
        for part in split_directory(here.descriptor):
            yield from self._write_block(here.descriptor, list_part(here.descriptor, part), depth=depth)

    def _write_block(self, fd: int, entries: list[ListedEntry], *, depth: int) -> list[str]:
        """Write a block; return the directories in it."""
        metadata = pack(entries)
        xattrs = self._digests_of_xattrs(fd, entries)
        content = b"".join([found + self._content(fd, entry) for found, entry in zip(xattrs, entries)])
        self._out.write(_HEADER.pack(depth, len(entries), len(metadata), len(content)))
        self._out.write(metadata)
        self._out.write(content)
        self._count += len(entries)
        return [entry.name for entry in entries if entry.is_directory]

    def _digests_of_xattrs(self, fd: int, entries: list[ListedEntry]) -> list[bytes]:
        marked = self._xattrs
        if marked is None:
            return [b""] * len(entries)
        unmarked = next((entry for entry in entries if entry.inode not in marked), None)
        if unmarked is not None and digest_xattrs(fd, unmarked.name) != NO_XATTRS:
            return [digest_xattrs(fd, entry.name) for entry in entries]
        return [digest_xattrs(fd, entry.name) if entry.inode in marked else NO_XATTRS for entry in entries]

    def _content(self, fd: int, entry: ListedEntry) -> bytes:
        if stat.S_ISREG(entry.mode):
            return self._digests.get(entry.inode) or digest_file(fd, entry.name)
        if stat.S_ISLNK(entry.mode):
            target = os.fsencode(os.readlink(entry.name, dir_fd=fd))
            return _TARGET.pack(len(target)) + target
        return b""


__all__ = ("END", "Block", "EntryContent", "RecordInvalid", "Recording", "TreeRecordReader", "write_record")
