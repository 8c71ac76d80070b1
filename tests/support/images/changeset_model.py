# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model of the changeset rules: layers applied to a tree in memory, written independently of the code under test.

The tests of _unpack/changeset compare a tree on disk with it. Each directory knows which of its names the present
layer made, so that whiteouts hide only those of lower layers. Speed does not matter.
"""

from __future__ import annotations

import tarfile
import typing as t
from dataclasses import dataclass, field

from .layer_maker import Status
from .tar_entries import Entry

IMPLIED: t.Final = (0o755, 0)
LINKS: t.Final = 40

# Mode, and mtime in seconds.
Attributes = tuple[int, int]


class Invalid(Exception):
    """The layers cannot be applied."""


class Nowhere(Exception):
    """A path leads to a missing name, or through something that is not a directory."""

    def __init__(self, *, missing: bool) -> None:
        super().__init__(missing)
        self.missing = missing


@dataclass(eq=False)
class Leaf:
    """A file or a symbolic link, under all its names."""

    kind: str
    data: object
    attributes: Attributes


@dataclass(eq=False)
class Directory:
    """A directory, and which of its names the present layer made."""

    attributes: Attributes
    names: dict[str, Node] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)


Node = t.Union[Leaf, Directory]


class Model:
    """A tree with the layers that were applied to it."""

    def __init__(self) -> None:
        self.root = Directory(IMPLIED)
        self._lower = False
        self._hidden: list[tuple[str, Directory, str]] = []

    def apply(self, layer: t.Iterable[Entry]) -> None:
        """Apply one layer. Raises Invalid."""
        try:
            for entry in layer:
                self._apply_entry(entry)
            for path, directory, name in self._hidden:
                self._hide_file(path, directory, name)
        except Nowhere:
            raise Invalid("nowhere") from None
        self._hidden = []
        self._lower = True
        for directory in _directories(self.root):
            directory.made = set()

    def tree(self) -> dict[str, tuple[object, ...]]:
        """Return what describe() returns for the same tree on disk."""
        paths: dict[int, list[str]] = {}
        for path, node in _walk(self.root):
            paths.setdefault(id(node), []).append(path)
        return {path: _describe(node, paths[id(node)]) for path, node in _walk(self.root)}

    def _apply_entry(self, entry: Entry) -> None:
        header = entry.header
        path, dummy, name = _clean_path(header.name).rpartition("/")
        attributes = (header.mode, int(header.mtime))
        if not name:
            if header.type != tarfile.DIRTYPE:
                raise Invalid("root")
            self.root.attributes = attributes
        elif name.startswith(".wh."):
            if self._lower:
                self._hide(path, "" if name == ".wh..wh..opq" else name[len(".wh.") :])
        else:
            parent = self._find_directory(path, make=True)
            self._make(parent, name, entry, attributes)
            parent.made.add(name)

    def _make(self, parent: Directory, name: str, entry: Entry, attributes: Attributes) -> None:
        there = parent.names.get(name)
        if entry.header.type == tarfile.DIRTYPE:
            if isinstance(there, Directory):
                there.attributes = attributes
            else:
                parent.names[name] = Directory(attributes)
        elif entry.header.type == tarfile.SYMTYPE:
            _replace(parent, name, Leaf("symlink", entry.header.linkname, (0o777, attributes[1])))
        elif entry.header.type == tarfile.REGTYPE:
            _replace(parent, name, Leaf("file", entry.content, attributes))
        else:
            self._make_link(parent, name, _clean_path(entry.header.linkname))

    def _make_link(self, parent: Directory, name: str, target: str) -> None:
        path, dummy, last = target.rpartition("/")
        try:
            source = self._find_directory(path, make=False)
        except Nowhere:
            raise Invalid("link to nothing") from None
        node = source.names.get(last)
        if not isinstance(node, Leaf) or (source is parent and last == name):
            raise Invalid("link to no file")
        _replace(parent, name, node)
        if source.names.get(last) is not node:
            raise Invalid("link to what it replaces")

    def _hide(self, path: str, name: str) -> None:
        try:
            directory = self._find_directory(path, make=False)
        except Nowhere:
            return
        node = directory.names.get(name)
        if not name:
            _empty_directory(directory)
        elif isinstance(node, Directory):
            _empty_directory(node)
            _drop_directory(directory, name, node)
        elif node is not None and name not in directory.made:
            if node.kind == "file":
                self._hidden.append((path, directory, name))
            else:
                del directory.names[name]

    def _hide_file(self, path: str, directory: Directory, name: str) -> None:
        try:
            found = self._find_directory(path, make=False)
        except Nowhere:
            return
        node = found.names.get(name)
        if found is directory and isinstance(node, Leaf) and node.kind == "file" and name not in directory.made:
            del directory.names[name]

    def _find_directory(self, path: str, *, make: bool) -> Directory:
        here = self.root
        gone: list[str] = []
        for name in _components(path):
            gone.append(name)
            there = here.names.get(name)
            if isinstance(there, Leaf) and there.kind == "symlink":
                here = self._follow_links("/".join(gone), make=make)
            elif isinstance(there, Directory):
                here = there
            elif not make:
                raise Nowhere(missing=there is None)
            else:
                here.names[name] = here = Directory(IMPLIED)
        return here

    def _follow_links(self, path: str, *, make: bool) -> Directory:
        try:
            return self._resolve(path, make=False)
        except Nowhere as exc:
            if not make or not exc.missing:
                raise
        return self._resolve(path, make=True)

    def _resolve(self, path: str, *, make: bool) -> Directory:
        stack = [self.root]
        todo = _components(path)
        links = 0
        while todo:
            name = todo.pop(0)
            there = stack[-1].names.get(name)
            if name == "..":
                del stack[max(len(stack) - 1, 1) :]
            elif isinstance(there, Directory):
                stack.append(there)
            elif there is None:
                if not make:
                    raise Nowhere(missing=True)
                stack[-1].names[name] = Directory(IMPLIED)
                todo.insert(0, name)
            elif there.kind != "symlink":
                raise Nowhere(missing=False)
            else:
                links += 1
                if links > LINKS:
                    raise Invalid("loop")
                target = str(there.data)
                stack = stack[:1] if target.startswith("/") else stack
                todo = _components(target) + todo
        return stack[-1]


def describe(found: t.Mapping[str, Status]) -> dict[str, tuple[object, ...]]:
    """Return a tree on disk in the form of Model.tree()."""
    paths: dict[int, list[str]] = {}
    for path, status in found.items():
        paths.setdefault(status.inode, []).append(path)
    return {
        path: (status.kind, status.data, status.mode, status.mtime, sorted(paths[status.inode]))
        for path, status in found.items()
    }


def _describe(node: Node, paths: list[str]) -> tuple[object, ...]:
    mode, mtime = node.attributes
    kind, data = (node.kind, node.data) if isinstance(node, Leaf) else ("directory", None)
    return kind, data, mode, mtime * 10**9, sorted(paths)


def _replace(parent: Directory, name: str, node: Leaf) -> None:
    there = parent.names.pop(name, None)
    if isinstance(there, Directory):
        for directory in list(_directories(there)):
            directory.names.clear()
    parent.names[name] = node


def _empty_directory(directory: Directory) -> None:
    for name, node in list(directory.names.items()):
        if isinstance(node, Directory):
            _empty_directory(node)
            _drop_directory(directory, name, node)
        elif name not in directory.made:
            del directory.names[name]


def _drop_directory(parent: Directory, name: str, node: Directory) -> None:
    """Remove a directory of lower layers, unless the present layer has added to it."""
    if name in parent.made:
        return
    if node.names:
        node.attributes = IMPLIED
    else:
        del parent.names[name]


def _walk(top: Directory) -> t.Iterator[tuple[str, Node]]:
    yield ".", top
    pending: list[tuple[str, Directory]] = [("", top)]
    while pending:
        prefix, directory = pending.pop()
        for name, node in directory.names.items():
            yield prefix + name, node
            if isinstance(node, Directory):
                pending.append((f"{prefix}{name}/", node))


def _directories(top: Directory) -> t.Iterator[Directory]:
    return (node for dummy, node in list(_walk(top)) if isinstance(node, Directory))


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _clean_path(path: str) -> str:
    kept: list[str] = []
    for name in _components(path):
        if name == "..":
            del kept[-1:]
        else:
            kept.append(name)
    return "/".join(kept)


__all__ = ("Invalid", "Model", "describe")
