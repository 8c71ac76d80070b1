# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Tell whether a tree has the names and the metadata of its record; not which ones differ.

Most trees are unchanged, so this is the first step of _destination/drift.py.
"""

from __future__ import annotations

import os
import typing as t

from ..tree.descent import Descent
from .listing import describe_root, pack, pack_directory, pack_part, split_directory
from .reader import END, RecordInvalid, TreeRecordReader


class _Different(Exception):
    """The tree differs from its record."""


def is_unchanged(record: t.BinaryIO, root_fd: int) -> bool:
    """Compare names, types, sizes, modes, owners and mtimes of the tree open as root_fd with its record.

    True means that _destination/drift.py reports no difference at the level metadata. False may also mean that only it
    can tell: a directory cannot be listed, or another process changes the tree meanwhile. Raises RecordInvalid.
    """
    reader = TreeRecordReader(record)
    try:
        with Descent(root_fd) as here:
            root = reader.next(0)
            if root.entry_count != 1 or root.metadata != pack(describe_root(here.descriptor)):
                return False
            _compare_below(reader, here)
    except (_Different, OSError):
        return False
    if reader.depth != END:
        raise RecordInvalid("its directories do not match")
    return True


def _compare_below(reader: TreeRecordReader, here: Descent) -> None:
    """Compare this directory and all below it, in the order of the record. Raises _Different."""
    todo = [_directories(reader, here, depth=1)]
    while todo:
        name = next(todo[-1], None)
        if name is not None:
            here.enter(os.fsencode(name))
            todo.append(_directories(reader, here, depth=len(todo) + 1))
            continue
        todo.pop()
        if todo:
            here.leave()


def _directories(reader: TreeRecordReader, here: Descent, *, depth: int) -> t.Iterator[str]:
    """Compare the blocks of a directory; yield the directories in each block. Raises _Different."""
    if reader.parts == 1:
        yield from _compare_block(reader, pack_directory(here.descriptor), depth)
        return
    for part in split_directory(here.descriptor):
        yield from _compare_block(reader, pack_part(here.descriptor, part), depth)


def _compare_block(reader: TreeRecordReader, found: tuple[bytes, list[str], list[str]] | None, depth: int) -> list[str]:
    block = reader.next(depth)
    if found is None:
        raise _Different
    packed, names, directories = found
    if packed != block.metadata or len(names) != block.entry_count:
        raise _Different
    return directories


__all__ = ("is_unchanged",)
