# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The record of a tree: for each entry its metadata, a SHA-256 digest of its content, and optionally one of its xattrs.

writer.py writes it after the last layer, _destination/drift.py compares a tree with it. reader.py specifies the format.
"""

from __future__ import annotations

import os
import stat
import typing as t
from dataclasses import dataclass

from ..tree.descent import Descent
from .listing import PARTS, ListedEntry, describe_root, list_directory, list_part, pack, split_directory
from .probe import NO_XATTRS, can_list, digest_file, digest_xattrs
from .reader import COUNT_MASK, END, HEADER, MAGIC, MAGIC_WITHOUT_DIGESTS, SPLIT, TARGET, UNREADABLE

if t.TYPE_CHECKING:
    from ..tree.inode_table import Scratch


@dataclass(frozen=True)
class Recording:
    """An open file for the record of a tree, and the scratch file for the tables that it is made from.

    digests says whether the record gets digests of files, so that their content can be compared later.
    """

    fd: int
    scratch: Scratch
    digests: bool = False


class Digests(t.Protocol):
    """SHA-256 digests of the content of files, by inode number."""

    def get(self, inode: int, /) -> bytes | None:
        """Return a digest; None for a file that has to be read."""


def write_record(
    root_fd: int, out: t.BinaryIO, digests: Digests | None, *, xattrs: t.Container[int] | None = None
) -> int:
    """Write the record of the tree whose root is open as root_fd; return the number of entries, with the root.

    digests maps inode numbers of regular files to the SHA-256 digests of their content; files that it lacks are read.
    Without it the record has no digests.
    With xattrs, extended attributes are recorded too: it holds the inode numbers of entries that were given some, so
    that only their attributes are read. Where the file system itself adds attributes, those of all entries are read.
    Memory holds one directory at a time, and the names of the directories on the way to it. Raises OSError.
    """
    return _Writer(out, digests, xattrs=xattrs).write(root_fd)


class _Writer:
    def __init__(self, out: t.BinaryIO, digests: Digests | None, *, xattrs: t.Container[int] | None) -> None:
        self._out = out
        self._digests = digests
        self._xattrs = xattrs
        self._count = 0

    def write(self, root_fd: int) -> int:
        """Write the record of a tree; return the number of its entries. Raises OSError."""
        magic = MAGIC_WITHOUT_DIGESTS if self._digests is None else MAGIC
        self._out.write(magic + (b"-" if self._xattrs is None else b"x"))
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
        self._out.write(HEADER.pack(END, self._count & COUNT_MASK, 0, 0))
        self._out.flush()
        return self._count

    def _enter(self, here: Descent, todo: list[t.Iterator[str]], name: str) -> None:
        depth = len(todo) + 1
        if can_list(here.descriptor, name):
            here.enter(os.fsencode(name))
            todo.append(self._directories(here, depth=depth))
        else:
            self._out.write(HEADER.pack(depth, UNREADABLE, 0, 0))

    def _directories(self, here: Descent, *, depth: int) -> t.Iterator[str]:
        """Write the blocks of this directory; after each block, yield the directories in it."""
        entries = list_directory(here.descriptor)
        if entries is not None:
            yield from self._write_block(here.descriptor, entries, depth=depth)
            return
        self._out.write(HEADER.pack(depth + SPLIT, PARTS, 0, 0))
        for part in split_directory(here.descriptor):
            yield from self._write_block(here.descriptor, list_part(here.descriptor, part), depth=depth)

    def _write_block(self, fd: int, entries: list[ListedEntry], *, depth: int) -> list[str]:
        """Write a block; return the directories in it."""
        metadata = pack(entries)
        xattrs = self._digests_of_xattrs(fd, entries)
        content = b"".join([found + self._content(fd, entry) for found, entry in zip(xattrs, entries)])
        self._out.write(HEADER.pack(depth, len(entries), len(metadata), len(content)))
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
        if stat.S_ISREG(entry.mode) and self._digests is not None:
            return self._digests.get(entry.inode) or digest_file(fd, entry.name)
        if stat.S_ISLNK(entry.mode):
            target = os.fsencode(os.readlink(entry.name, dir_fd=fd))
            return TARGET.pack(len(target)) + target
        return b""


__all__ = ("Digests", "Recording", "write_record")
