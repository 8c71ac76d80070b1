# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import errno
import hashlib
import os
import typing as t

from .descent import Descent, Names
from .errors import LayerInvalid, printable
from .inode_table import YOUNG, InodeTable, Scratch

PREFIX = b".wh."
OPAQUE = b".wh..wh..opq"
_AUFS = b".wh..wh."
_REST_BYTES = 8


class Whiteout(t.NamedTuple):
    """A marker that hides what lower layers have (image-spec, layer.md, "Whiteouts"): one name, or with opaque all."""

    name: bytes
    opaque: bool


def is_aufs_metadata(name: bytes) -> bool:
    """Tells whether a name is bookkeeping of AUFS (.wh..wh.plnk, .wh..wh.aufs), which belongs to no tree."""
    return name.startswith(_AUFS) and name != OPAQUE


def parse_whiteout(name: bytes) -> Whiteout | None:
    """Returns what the last component of a path hides, if it is a marker; raises LayerInvalid for one that hides
    nothing."""
    if not name.startswith(PREFIX):
        return None
    if name == OPAQUE:
        return Whiteout(b"", True)
    target = name[len(PREFIX) :]
    if target in (b"", b".", b".."):
        raise LayerInvalid(
            f"The layer has a whiteout that names no file: {printable(name)}; the image is broken, build it again."
        )
    return Whiteout(target, False)


def _hashed(directory: int, name: bytes) -> tuple[int, bytes]:
    """Returns 128 bits that stand for a name in a directory, in two halves."""
    data = hashlib.blake2b(b"%d/%s" % (directory, name), digest_size=8 + _REST_BYTES).digest()
    return int.from_bytes(data[:8], "little"), data[8:]


class Pruner:
    """Removes lower layers' files from a tree while it keeps what the present layer made there, whichever came first.

    It is told what the layer makes by add. Every directory is pruned at most once for each layer: after that, only the
    present layer can have put anything into it. It calls touch with each open directory before it takes anything from
    it, and imply with the inode number of one that stays only because the layer has put something into it.
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
        """Says that the layer made name in the directory with this inode number."""
        self._made.setdefault(directory, set()).add(name)
        self._made_count += 1
        if self._made_count >= YOUNG:
            self._settle()

    def _settle(self) -> None:
        """Keeps what was made until now as hashes alone."""
        for directory, names in self._made.items():
            for name in names:
                key, rest = _hashed(directory, name)
                self._made_before[key] = rest
        self._made.clear()
        self._made_count = 0

    def has(self, directory: int, name: bytes) -> bool:
        """Tells whether the layer made name in the directory with this inode number."""
        if name in self._made.get(directory, ()):
            return True
        if not self._made_before:
            return False
        key, rest = _hashed(directory, name)
        return self._made_before.get(key) == rest

    def remove_directory(self, parent: int, name: bytes) -> None:
        """Removes a directory and everything below it that the layer did not make."""
        with Descent(parent) as here:
            here.enter(name)
            self.empty(here.descriptor)
            here.leave()
            self._remove_directory(here, name)

    def empty(self, descriptor: int) -> None:
        """Removes everything below an open directory that the layer did not make."""
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
        """Returns the directories that are left to look into."""
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
            if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # POSIX allows both for what is not empty
                raise
            self._imply(os.stat(name, dir_fd=here.descriptor, follow_symlinks=False).st_ino)


__all__ = ("OPAQUE", "PREFIX", "Pruner", "Whiteout", "is_aufs_metadata", "parse_whiteout")
