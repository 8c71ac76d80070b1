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
from .listing import PARTS, pack_listed, split_directory, stat_directory, stat_part
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
    that only their attributes are read. Where the file system itself adds attributes to files of some type, those of
    all files of that type are read.
    Memory holds one directory at a time, and the names of the directories on the way to it. Raises OSError.
    """
    return _Writer(out, digests, xattrs=xattrs).write(root_fd)


class _Writer:
    def __init__(self, out: t.BinaryIO, digests: Digests | None, *, xattrs: t.Container[int] | None) -> None:
        self._out = out
        self._digests = digests
        self._xattrs = xattrs
        self._more_xattrs: dict[int, bool] = {}
        self._count = 0

    def write(self, root_fd: int) -> int:
        """Write the record of a tree; return the number of its entries. Raises OSError."""
        magic = MAGIC_WITHOUT_DIGESTS if self._digests is None else MAGIC
        self._out.write(magic + (b"-" if self._xattrs is None else b"x"))
        with Descent(root_fd) as here:
            self._write_block(here.descriptor, {".": os.fstat(here.descriptor)}, depth=0)
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
        listed = stat_directory(here.descriptor)
        if listed is not None:
            yield from self._write_block(here.descriptor, listed, depth=depth)
            return
        self._out.write(HEADER.pack(depth + SPLIT, PARTS, 0, 0))
        for part in split_directory(here.descriptor):
            yield from self._write_block(here.descriptor, stat_part(here.descriptor, part), depth=depth)

    def _write_block(self, fd: int, listed: dict[str, os.stat_result], *, depth: int) -> list[str]:
        """Write a block; return the directories in it."""
        metadata, names, directories = pack_listed(listed)
        content = b"".join(self._contents(fd, names, listed))
        self._out.write(HEADER.pack(depth, len(names), len(metadata), len(content)))
        self._out.write(metadata)
        self._out.write(content)
        self._count += len(names)
        return directories

    def _contents(self, fd: int, names: list[str], listed: dict[str, os.stat_result]) -> t.Iterator[bytes]:
        for name in names:
            status = listed[name]
            inode, kind = status[stat.ST_INO], stat.S_IFMT(status[stat.ST_MODE])
            if self._xattrs is not None:
                is_read = inode in self._xattrs or self._has_more_xattrs(fd, name, kind)
                yield digest_xattrs(fd, name) if is_read else NO_XATTRS
            if kind == stat.S_IFREG and self._digests is not None:
                yield self._digests.get(inode) or digest_file(fd, name)
            elif kind == stat.S_IFLNK:
                target = os.fsencode(os.readlink(name, dir_fd=fd))
                yield TARGET.pack(len(target))
                yield target

    def _has_more_xattrs(self, fd: int, name: str, kind: int) -> bool:
        """Return whether the file system itself adds attributes to files of this type.

        It treats all files of a tree alike that get no attributes from an image, so the first one of each type tells.
        One call for each directory would take 8 us of its 60.
        """
        found = self._more_xattrs.get(kind)
        if found is None:
            found = self._more_xattrs[kind] = digest_xattrs(fd, name) != NO_XATTRS
        return found


__all__ = ("Digests", "Recording", "write_record")
