# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Compare a tree with its record, and report what changed after it was unpacked.

inspection.py compares the tree at the destination, or that of a kept generation.
"""

from __future__ import annotations

import os
import stat
import typing as t
from dataclasses import dataclass

from .._base.text import Warn, visible
from .._unpack.record.listing import (
    ListedEntry,
    describe_root,
    find_in_directory,
    list_directory,
    list_part,
    pack,
    split_directory,
)
from .._unpack.record.probe import can_list, digest_xattrs
from .._unpack.record.reader import END, Block, EntryContent, RecordInvalid, TreeRecordReader
from .._unpack.record.unchanged import is_unchanged
from .._unpack.tree.descent import Descent

if t.TYPE_CHECKING:
    from .._unpack.record.hashing import FileHasher

Level = t.Literal["none", "metadata", "content"]
What = t.Literal[
    "added", "removed", "type", "size", "mode", "owner", "mtime", "content", "target", "xattrs", "unreadable", "record"
]

# The most changes that are listed; all are counted.
MAX_CHANGES: t.Final = 100
_NO_DIGESTS: t.Final = (
    b"the record of the tree has no digests of files; they are recorded when the image is unpacked with drift: content"
)
# 1024 with the "..." of a path that is cut
_MAX_PATH: t.Final = 1021


@dataclass(frozen=True)
class Change:
    """What differs at one path: one word of What, or several with commas between them.

    path is relative to the root, and printable. unreadable is a directory that could be listed when it was unpacked. An
    unusable record is reported as record, with the reason as path.
    """

    path: str
    what: str


@dataclass(frozen=True)
class Drift:
    """The first paths where a tree differs from its record, and their total number. False if there are none.

    What is below an added or removed directory is not counted.
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
    """Compare the tree whose root is open as root_fd with its record.

    The level metadata compares names, types, sizes, modes, owners and mtimes; content also compares the content of
    files, the targets of links and recorded extended attributes. Times of directories are not compared, because they
    change with the entries, which are compared; nor are access times. skip holds the paths, relative to the root, where
    something else is mounted: neither they nor anything below them is compared. An unusable record counts as a
    difference, so that the tree is unpacked again; so does, at the level content, one without digests of files. Raises
    OSError.
    """
    found = _DriftCollector()
    if level == "none":
        return found.drift()
    try:
        if level == "metadata" and not skip and is_unchanged(record, root_fd):
            return found.drift()
        record.seek(0)
        reader = TreeRecordReader(record)
        if level == "content":
            if not reader.digests:
                found.add(_NO_DIGESTS, "record")
            _compare_all(reader, found, skip, root_fd)
        else:
            _Comparison(reader, found, skip, None).run(root_fd)
    except RecordInvalid as exc:
        found.add(os.fsencode(f"the record of the tree cannot be used: {exc}"), "record")
    if found.unread:
        warn(f"The content of {found.unread} files was not compared, because this user may not read them.")
    return found.drift()


def _compare_all(reader: TreeRecordReader, found: _DriftCollector, skip: frozenset[bytes], root_fd: int) -> None:
    from .._unpack.record.hashing import FileHasher  # its imports cost milliseconds, which the level metadata saves

    with FileHasher() as hasher:
        _Comparison(reader, found, skip, hasher).run(root_fd)
        hasher.finish()


class _DriftCollector:
    """Collects changes, one for each path."""

    def __init__(self) -> None:
        self._changes: dict[bytes, list[What]] = {}
        self._total = 0
        self.unread = 0

    def add(self, path: bytes, *whats: What, again: bool = False) -> None:
        """Add what differs at a path; with again, a difference at that path was added before."""
        if path in self._changes:
            self._changes[path] += whats
        elif not again:
            self._total += 1
            if len(self._changes) < MAX_CHANGES:
                self._changes[path] = [*whats]

    def add_hashed(self, path: bytes, readable: bool, *, again: bool) -> None:
        """Add a file whose digest is another one, or count it if this user may not read it."""
        if readable:
            self.add(path, "content", again=again)
        else:
            self.unread += 1

    def drift(self) -> Drift:
        """Return the changes as text, at most MAX_CHANGES, and their number."""
        shown = ((visible(path, limit=_MAX_PATH), ", ".join(whats)) for path, whats in self._changes.items())
        return Drift(tuple(Change(path, what) for path, what in shown), self._total)


class _Step(t.NamedTuple):
    """A directory of the record, and whether the tree has it too."""

    name: bytes
    enter: bool


class _Comparison:
    """Walks a tree in the order of its record. An unchanged directory costs one comparison of bytes."""

    def __init__(
        self, reader: TreeRecordReader, found: _DriftCollector, skip: frozenset[bytes], hasher: FileHasher | None
    ) -> None:
        self._reader = reader
        self._found = found
        self._skip = skip
        self._hasher = hasher
        self._path_parts: list[bytes] = []
        self._reported: set[bytes] = set()

    def run(self, root_fd: int) -> None:
        with Descent(root_fd) as here:
            self._compare_root(here.descriptor)
            todo = [self._compare_directory(here)]
            while todo:
                step = next(todo[-1], None)
                if step is not None:
                    self._take_step(here, todo, step)
                    continue
                todo.pop()
                if todo:
                    self._path_parts.pop()
                    here.leave()
        if self._reader.depth != END:
            raise RecordInvalid("its directories do not match")

    def _compare_root(self, fd: int) -> None:
        block = self._reader.next(0)
        self._reported = set()
        (actual,) = describe_root(fd)
        expected = block.entries()
        if len(expected) != 1 or not expected[0].is_directory:
            raise RecordInvalid("it has no root")
        self._compare_entry(b".", expected[0], actual)
        if self._hasher is not None:
            self._compare_details(fd, actual, self._contents(block, expected)[expected[0].name])

    def _take_step(self, here: Descent, todo: list[t.Iterator[_Step]], step: _Step) -> None:
        if step.enter and self._enter(here, step.name):
            todo.append(self._compare_directory(here))
        else:
            self._reader.skip(len(todo) + 1)

    def _enter(self, here: Descent, name: bytes) -> bool:
        if not can_list(here.descriptor, os.fsdecode(name)):
            if self._reader.is_readable:
                self._found.add(self._path(name), "unreadable")
            return False
        here.enter(name)
        self._path_parts.append(name)
        return True

    def _path(self, name: bytes) -> bytes:
        return b"/".join((*self._path_parts, name))

    def _compare_directory(self, here: Descent) -> t.Iterator[_Step]:
        """Compare one directory; yield the directories in its record, in their order."""
        depth = len(self._path_parts) + 1
        if self._reader.parts == 1:
            block = self._reader.next(depth)
            if block.is_readable:
                yield from self._compare_block(here.descriptor, block, self._list_present(here.descriptor, block))
            return
        for part in split_directory(here.descriptor):
            block = self._reader.next(depth)
            yield from self._compare_block(here.descriptor, block, list_part(here.descriptor, part))

    def _list_present(self, fd: int, block: Block) -> list[ListedEntry]:
        """Return the entries of a directory; in a very large one, report names that are not in the block at once."""
        entries = list_directory(fd)
        if entries is not None:
            return entries
        entries = []
        for name, entry in find_in_directory(fd, {entry.name for entry in block.entries()}):
            if entry is not None:
                entries.append(entry)
            elif not self._is_skipped(name):
                self._found.add(self._path(os.fsencode(name)), "added")
        return entries

    def _compare_block(self, fd: int, block: Block, entries: list[ListedEntry]) -> list[_Step]:
        """Compare a directory, or a part of it, with its block; return the directories of the block."""
        self._reported = set()
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
        return [_Step(os.fsencode(entry.name), entry.name in present) for entry in expected if entry.is_directory]

    def _is_skipped(self, name: str) -> bool:
        return bool(self._skip) and self._path(os.fsencode(name)) in self._skip

    def _compare_names(self, entries: list[ListedEntry], expected: list[ListedEntry]) -> list[ListedEntry]:
        """Report differences of names and metadata; return the entries whose contents can be compared."""
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

    def _compare_entry(self, path: bytes, expected: ListedEntry, now: ListedEntry) -> bool:
        """Report differences of metadata; return whether the contents can be compared."""
        if stat.S_IFMT(expected.mode) != stat.S_IFMT(now.mode):
            self._found.add(path, "type")
            return False
        differing: list[tuple[What, bool]] = [
            ("size", expected.size != now.size),
            ("mode", expected.mode != now.mode),
            ("owner", expected.owner != now.owner),
            ("mtime", expected.mtime != now.mtime),
        ]
        whats = [what for what, differs in differing if differs]
        if whats:
            self._found.add(path, *whats)
            self._reported.add(path)
        return expected.size == now.size

    def _compare_contents(
        self, fd: int, block: Block, expected: list[ListedEntry], same: list[ListedEntry], hasher: FileHasher
    ) -> None:
        from .._unpack.record.hashing import Expected

        contents = self._contents(block, expected)
        way = b"".join(name + b"/" for name in self._path_parts)
        files = []
        for entry in same:
            content = contents[entry.name]
            if stat.S_ISREG(entry.mode) and self._reader.digests:
                files.append(Expected(entry.name, entry.size, content.data))
            self._compare_details(fd, entry, content)
        reported = self._reported

        def report(name: bytes, readable: bool) -> None:
            path = way + name
            self._found.add_hashed(path, readable, again=path in reported)
            reported.add(path)

        hasher.add(fd, files, report)

    def _contents(self, block: Block, entries: list[ListedEntry]) -> dict[str, EntryContent]:
        return block.contents(entries, xattrs=self._reader.xattrs, digests=self._reader.digests)

    def _compare_details(self, fd: int, entry: ListedEntry, content: EntryContent) -> None:
        path = self._path(os.fsencode(entry.name))
        if stat.S_ISLNK(entry.mode) and os.fsencode(os.readlink(entry.name, dir_fd=fd)) != content.data:
            self._add_detail(path, "target")
        if self._reader.xattrs and digest_xattrs(fd, entry.name) != content.xattrs:
            self._add_detail(path, "xattrs")

    def _add_detail(self, path: bytes, what: What) -> None:
        self._found.add(path, what, again=path in self._reported)
        self._reported.add(path)


__all__ = ("MAX_CHANGES", "Change", "Drift", "Level", "What", "compare")
