# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Whiteouts, and the removal of lower layers' files that they ask for: image-spec, layer.md, "Whiteouts".

changeset.py makes one Pruner for each layer.
"""

from __future__ import annotations

import errno
import hashlib
import os
import typing as t

from ..._base.text import visible
from ..errors import LayerInvalid
from ..tree.descent import Descent, Names
from ..tree.inode_table import RECENT_ENTRIES, InodeTable, Scratch

PREFIX: t.Final = b".wh."
OPAQUE: t.Final = b".wh..wh..opq"
_AUFS: t.Final = b".wh..wh."
_REST_BYTES: t.Final = 8


class Whiteout(t.NamedTuple):
    """A marker that hides files of lower layers: the file name, or with opaque all in its directory."""

    name: bytes
    opaque: bool


def is_aufs_metadata(name: bytes) -> bool:
    """Return whether a name is AUFS bookkeeping (.wh..wh.plnk, .wh..wh.aufs), which is never unpacked."""
    return name.startswith(_AUFS) and name != OPAQUE


def parse_whiteout(name: bytes) -> Whiteout | None:
    """Return what the last component of a path hides, None if it is not a marker.

    Raises LayerInvalid for a whiteout that names no file.
    """
    if not name.startswith(PREFIX):
        return None
    if name == OPAQUE:
        return Whiteout(b"", True)
    target = name[len(PREFIX) :]
    if target in (b"", b".", b".."):
        raise LayerInvalid(
            f"The layer has a whiteout that names no file: {visible(name)}; the image is broken, build it again."
        )
    return Whiteout(target, False)


def _hash_name(directory: int, name: bytes) -> tuple[int, bytes]:
    """Return a 128-bit hash of a name in a directory, in two halves."""
    data = hashlib.blake2b(b"%d/%s" % (directory, name), digest_size=8 + _REST_BYTES).digest()
    return int.from_bytes(data[:8], "little"), data[8:]


class Pruner:
    """Removes lower layers' files from a tree and keeps those of the present layer, whichever came first.

    add() tells it what the layer makes. Every directory is pruned at most once for each layer: after that, only the
    present layer can have added to it. touch is called with each open directory before anything in it is removed, imply
    with the inode number of a directory that stays only because the layer has added to it.
    """

    def __init__(
        self, *, touch: t.Callable[[int], None], imply: t.Callable[[int], None], scratch: Scratch | None = None
    ) -> None:
        scratch = scratch or Scratch()
        self._touch = touch
        self._imply = imply
        self._made: dict[int, set[bytes]] = {}
        self._made_count = 0
        self._made_before = InodeTable(_REST_BYTES, scratch)
        self._pruned: set[int] = set()

    def add(self, directory: int, name: bytes) -> None:
        """Remember that the layer made name in the directory with this inode number."""
        made = self._made.get(directory)
        if made is None:
            self._made[directory] = {name}
        else:
            made.add(name)
        self._made_count += 1
        if self._made_count >= RECENT_ENTRIES:
            self._pack_made()

    def _pack_made(self) -> None:
        """Replace the names made until now by hashes."""
        for directory, names in self._made.items():
            for name in names:
                key, rest = _hash_name(directory, name)
                self._made_before[key] = rest
        self._made.clear()
        self._made_count = 0

    def has(self, directory: int, name: bytes) -> bool:
        """Return whether the layer made name in the directory with this inode number."""
        if name in self._made.get(directory, ()):
            return True
        if not self._made_before:
            return False
        key, rest = _hash_name(directory, name)
        return self._made_before.get(key) == rest

    def remove_directory(self, parent: int, name: bytes) -> None:
        """Remove a directory and everything below it, except what the layer made."""
        with Descent(parent) as here:
            here.enter(name)
            self.empty(here.descriptor)
            here.leave()
            self._remove_directory(here, name)

    def empty(self, descriptor: int) -> None:
        """Remove everything below an open directory, except what the layer made."""
        with Descent(descriptor) as here:
            if self._is_done(here):
                return
            todo: list[Names] = [self._remove_files(here)]
            names: list[bytes] = []
            while True:
                if todo[-1]:
                    names.append(todo[-1].pop())
                    here.enter(names[-1])
                    todo.append(Names() if self._is_done(here) else self._remove_files(here))
                    continue
                todo.pop()
                if not todo:
                    return
                here.leave()
                self._remove_directory(here, names.pop())

    def _is_done(self, here: Descent) -> bool:
        inode = os.fstat(here.descriptor).st_ino
        done = inode in self._pruned
        self._pruned.add(inode)
        return done

    def _remove_files(self, here: Descent) -> Names:
        """Remove the files of this directory; return its directories."""
        self._touch(here.descriptor)
        inode = os.fstat(here.descriptor).st_ino
        directories, others = here.names()
        while others:
            name = others.pop()
            if not self.has(inode, name):
                os.unlink(name, dir_fd=here.descriptor)
        return directories

    def _remove_directory(self, here: Descent, name: bytes) -> None:
        if self.has(os.fstat(here.descriptor).st_ino, name):
            return
        try:
            os.rmdir(name, dir_fd=here.descriptor)
        except OSError as exc:
            if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # POSIX allows both for a directory that is not empty
                raise
            self._imply(os.stat(name, dir_fd=here.descriptor, follow_symlinks=False).st_ino)


__all__ = ("OPAQUE", "PREFIX", "Pruner", "Whiteout", "is_aufs_metadata", "parse_whiteout")
