# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import os
import stat
import typing as t
from dataclasses import dataclass

from .descent import Descent
from .errors import printable
from .listing import Entry, describe_root, list_directory, pack
from .probe import can_list, digest_xattrs
from .record import END, Block, Content, RecordInvalid, RecordReader

if t.TYPE_CHECKING:  # pragma: no cover
    from .hashing import FileHasher

Level = t.Literal["none", "metadata", "content"]
What = t.Literal[
    "added", "removed", "type", "size", "mode", "owner", "mtime", "content", "target", "xattrs", "unreadable", "record"
]
Warn = t.Callable[[str], None]

MAX_CHANGES: t.Final = 100
_MAX_PATH: t.Final = 1024


@dataclass(frozen=True)
class Change:
    """One difference: path, relative to the root and made printable, and what differs there.

    unreadable is a directory that could be listed when it was unpacked. A record that cannot be used is reported as
    record, with the reason as path.
    """

    path: str
    what: What


@dataclass(frozen=True)
class Drift:
    """The differences between a tree and its record: the first ones, and how many there are. False when there are none.

    What is below a directory that was added or removed is not counted.
    """

    changes: tuple[Change, ...] = ()
    total: int = 0

    @property
    def truncated(self) -> bool:
        """Whether there are more changes than are listed."""
        return self.total > len(self.changes)

    def __bool__(self) -> bool:
        return self.total > 0


def compare(
    record: t.BinaryIO, root_fd: int, *, level: Level, warn: Warn, skip: frozenset[bytes] = frozenset()
) -> Drift:
    """Compares the tree whose root is open as root_fd with its record.

    The level metadata compares names, types, sizes, modes, owners and mtimes; content compares the content of files,
    the targets of links and recorded extended attributes as well. Times of directories are not compared: they change
    with what is in them, which is. Nor are access times. skip are the paths, relative to the root, where something
    else is mounted: neither they nor what is below them are looked at.

    A record that cannot be used is a difference too, so that the tree is unpacked again. Raises OSError.
    """
    found = _Found()
    if level == "none":
        return found.drift()
    try:
        reader = RecordReader(record)
        if level == "content":
            _compare_all(reader, found, skip, root_fd)
        else:
            _Comparison(reader, found, skip, None).run(root_fd)
    except RecordInvalid as exc:
        found.add(os.fsencode(f"the record of the tree cannot be used: {exc}"), "record")
    if found.unread:
        warn(f"The content of {found.unread} files was not compared, because this user may not read them.")
    return found.drift()


def _compare_all(reader: RecordReader, found: _Found, skip: frozenset[bytes], root_fd: int) -> None:
    from .hashing import FileHasher  # threads cost milliseconds to import, which the usual check does not need

    with FileHasher() as hasher:
        _Comparison(reader, found, skip, hasher).run(root_fd)
        hasher.finish()


class _Found:
    """Collects changes."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._total = 0
        self.unread = 0

    def add(self, path: bytes, what: What) -> None:
        self._total += 1
        if len(self._changes) < MAX_CHANGES:
            self._changes.append(Change(printable(path, maximum=_MAX_PATH), what))

    def add_hashed(self, path: bytes, readable: bool) -> None:
        if readable:
            self.add(path, "content")
        else:
            self.unread += 1

    def drift(self) -> Drift:
        return Drift(tuple(self._changes), self._total)


class _Step(t.NamedTuple):
    """A directory of the record, and whether there is one to compare with it."""

    name: bytes
    enter: bool


class _Comparison:
    """Walks a tree in the order of its record. A directory that is as recorded costs one comparison of bytes."""

    def __init__(self, reader: RecordReader, found: _Found, skip: frozenset[bytes], hasher: FileHasher | None) -> None:
        self._reader = reader
        self._found = found
        self._skip = skip
        self._hasher = hasher
        self._way: list[bytes] = []

    def run(self, root_fd: int) -> None:
        with Descent(root_fd) as here:
            self._compare_root(here.descriptor)
            todo = [self._compare_directory(here.descriptor)]
            while True:
                if todo[-1]:
                    self._take(here, todo)
                    continue
                todo.pop()
                if not todo:
                    break
                self._way.pop()
                here.leave()
        if self._reader.depth != END:
            raise RecordInvalid("its directories do not match")

    def _compare_root(self, fd: int) -> None:
        block = self._reader.next(0)
        (actual,) = describe_root(fd)
        expected = block.entries()
        if len(expected) != 1 or not expected[0].is_directory:
            raise RecordInvalid("it has no root")
        self._compare_entry(b".", expected[0], actual)

    def _take(self, here: Descent, todo: list[list[_Step]]) -> None:
        step = todo[-1].pop()
        if step.enter and self._enter(here, step.name):
            todo.append(self._compare_directory(here.descriptor))
        else:
            self._reader.skip(len(todo) + 1)

    def _enter(self, here: Descent, name: bytes) -> bool:
        if not can_list(here.descriptor, os.fsdecode(name)):
            if self._reader.is_readable:
                self._found.add(self._path(name), "unreadable")
            return False
        here.enter(name)
        self._way.append(name)
        return True

    def _path(self, name: bytes) -> bytes:
        return b"/".join((*self._way, name))

    def _compare_directory(self, fd: int) -> list[_Step]:
        """Compares one directory; returns those that the record has in it, the first one last."""
        block = self._reader.next(len(self._way) + 1)
        if not block.is_readable:
            return []
        entries = list_directory(fd)
        if pack(entries) == block.metadata:
            same = expected = entries
        else:
            expected = block.entries()
            same = self._compare_names(entries, expected)
        if self._skip:
            same = [entry for entry in same if not self._is_skipped(entry.name)]
        if self._hasher is not None:
            self._compare_contents(fd, block, expected, same, self._hasher)
        present = {entry.name for entry in same if entry.is_directory}
        steps = [_Step(os.fsencode(entry.name), entry.name in present) for entry in expected if entry.is_directory]
        return steps[::-1]

    def _is_skipped(self, name: str) -> bool:
        return bool(self._skip) and self._path(os.fsencode(name)) in self._skip

    def _compare_names(self, entries: list[Entry], expected: list[Entry]) -> list[Entry]:
        """Reports what differs; returns the entries that have something to be compared beyond their metadata."""
        actual = {entry.name: entry for entry in entries if not self._is_skipped(entry.name)}
        same = []
        for entry in expected:
            now = actual.pop(entry.name, None)
            path = self._path(os.fsencode(entry.name))
            if now is not None and self._compare_entry(path, entry, now):
                same.append(now)
            elif now is None and not self._is_skipped(entry.name):
                self._found.add(path, "removed")
        for name in actual:
            self._found.add(self._path(os.fsencode(name)), "added")
        return same

    def _compare_entry(self, path: bytes, expected: Entry, now: Entry) -> bool:
        """Reports what differs; tells whether it makes sense to go on with the content."""
        if stat.S_IFMT(expected.mode) != stat.S_IFMT(now.mode):
            self._found.add(path, "type")
            return False
        differing: list[tuple[What, bool]] = [
            ("size", expected.size != now.size),
            ("mode", expected.mode != now.mode),
            ("owner", expected.owner != now.owner),
            ("mtime", expected.mtime != now.mtime),
        ]
        for what, differs in differing:
            if differs:
                self._found.add(path, what)
        return expected.size == now.size

    def _compare_contents(
        self, fd: int, block: Block, expected: list[Entry], same: list[Entry], hasher: FileHasher
    ) -> None:
        from .hashing import Expected

        contents = block.contents(expected, xattrs=self._reader.xattrs)
        way = b"".join(name + b"/" for name in self._way)
        files = []
        for entry in same:
            content = contents[entry.name]
            if stat.S_ISREG(entry.mode):
                files.append(Expected(entry.name, entry.size, content.data))
            self._compare_details(fd, entry, content)
        hasher.add(fd, files, lambda name, readable: self._found.add_hashed(way + name, readable))

    def _compare_details(self, fd: int, entry: Entry, content: Content) -> None:
        path = self._path(os.fsencode(entry.name))
        if stat.S_ISLNK(entry.mode) and os.fsencode(os.readlink(entry.name, dir_fd=fd)) != content.data:
            self._found.add(path, "target")
        if self._reader.xattrs and digest_xattrs(fd, entry.name) != content.xattrs:
            self._found.add(path, "xattrs")


__all__ = ("MAX_CHANGES", "Change", "Drift", "Level", "What", "compare")
