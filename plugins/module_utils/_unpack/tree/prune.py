# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Reduce a complete tree to a Selection: make one of its directories the root, and remove what is not kept.

The whole image is unpacked first, since a whiteout, a hard link or a symbolic link of a later layer may need any path
of an earlier one. tree.py calls this before it sets the attributes of directories.
"""

from __future__ import annotations

import errno
import os
import secrets
import typing as t
from dataclasses import asdict

from ..._base.text import Warn, visible
from ..errors import NothingSelected
from .descent import Descent, Names
from .remove import remove_tree
from .selection import PathPatterns, Selection, States


def make_root(root: int, path: str) -> int:
    """Make the directory at path the content of the directory open as root; return the inode number that it had.

    Everything else below root is removed. Raises NothingSelected if there is no directory at path, OSError,
    FilesystemError.
    """
    *above, name = path.encode("utf-8", "surrogateescape").split(b"/")
    moved = b".strip-" + secrets.token_hex(8).encode()  # no name that an image can know
    try:
        with Descent(root) as here:
            for parent in above:
                here.enter(parent)
            here.enter(name)
            inode = os.fstat(here.descriptor).st_ino
            here.leave()
            os.rename(name, moved, src_dir_fd=here.descriptor, dst_dir_fd=root)
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            raise
        raise NothingSelected(
            f"The image has no directory {visible(path)}, which the option strip names; symbolic links on the way to"
            " it are not followed, so name the directory itself.",
            option="strip",
        ) from None
    for other in _all_names(root, but=moved):
        remove_tree(root, other)
    with Descent(root) as here:
        here.enter(moved)
        for child in _all_names(here.descriptor):
            os.rename(child, child, src_dir_fd=here.descriptor, dst_dir_fd=root)
    os.rmdir(moved, dir_fd=root)
    return inode


def _all_names(directory: int, *, but: bytes | None = None) -> t.Iterator[bytes]:
    names = Names()
    with os.scandir(directory) as found:
        for item in found:
            name = os.fsencode(item.name)
            if name != but:
                names.add(name)
    while names:
        yield names.pop()


def prune(root: int, selection: Selection, *, warn: Warn) -> None:
    """Remove what the selection does not keep from the tree open as root, whose root is that of the selection.

    Warns of each pattern that made no difference. Raises NothingSelected if nothing is left, OSError, FilesystemError.
    """
    _Pruning(root, selection).run(warn)


class _Level(t.NamedTuple):
    """What the patterns say about a directory: whether it is included, and the states for what is in it."""

    included: bool
    include: States
    exclude: States


class _Directory:
    """A directory on the way down: its directories that are left to look at, and whether it has to stay."""

    def __init__(self, level: _Level, name: bytes, *, kept: bool) -> None:
        self.level = level
        self.name = name
        self.kept = kept
        self.left = Names()


class _Pruning:
    def __init__(self, root: int, selection: Selection) -> None:
        self._root = root
        self._selection = selection
        self._include = PathPatterns(selection.include)
        self._exclude = PathPatterns(selection.exclude)

    def run(self, warn: Warn) -> None:
        level: _Level | None = _Level(not self._selection.include, self._include.start, self._exclude.start)
        for name in filter(None, self._selection.strip.split("/")):
            level = self._step(level, name) if level is not None else None
        if level is None or not self._prune(level):
            raise self._nothing_error()
        for option, patterns, effect in (("include", self._include, "kept"), ("exclude", self._exclude, "left out")):
            for pattern in patterns.unused():
                warn(
                    f"The pattern {visible(pattern)} of the option {option} {effect} nothing of the image; patterns"
                    " are paths from the root of the image."
                )

    def _step(self, level: _Level, name: str) -> _Level | None:
        """Return what the patterns say about name in a directory, None if it is left out with all that is in it."""
        included, include = self._include.advance(level.include, name)
        excluded, exclude = self._exclude.advance(level.exclude, name)
        if excluded or not (level.included or included or include):
            return None
        return _Level(level.included or included, include, exclude)

    def _prune(self, level: _Level) -> bool:
        """Remove all that is not kept, depth first, without recursion; return whether anything is left."""
        with Descent(self._root) as here:
            way = [_Directory(level, b"", kept=False)]
            self._remove_files(here, way[0])
            while True:
                if way[-1].left:
                    self._enter(here, way, way[-1].left.pop())
                    continue
                done = way.pop()
                if not way:
                    return done.kept
                here.leave()
                if done.kept:
                    way[-1].kept = True
                else:
                    os.rmdir(done.name, dir_fd=here.descriptor)

    def _enter(self, here: Descent, way: list[_Directory], name: bytes) -> None:
        level = self._step(way[-1].level, _text(name))
        if level is None:
            remove_tree(here.descriptor, name)
            return
        directory = _Directory(level, name, kept=level.included)
        here.enter(name)
        way.append(directory)
        if level.include or level.exclude:
            self._remove_files(here, directory)

    def _remove_files(self, here: Descent, directory: _Directory) -> None:
        """Remove the files in this directory that are not kept; note its directories."""
        directory.left, others = here.names()
        while others:
            name = others.pop()
            level = self._step(directory.level, _text(name))
            if level is not None and level.included:
                directory.kept = True
            else:
                os.unlink(name, dir_fd=here.descriptor)

    def _nothing_error(self) -> NothingSelected:
        given = {name: value for name, value in asdict(self._selection).items() if value}
        texts = [f"{name}: {value if isinstance(value, str) else ', '.join(value)}" for name, value in given.items()]
        shown = visible("; ".join(texts))
        return NothingSelected(
            f"Nothing of the image is left with {shown}; correct the task: patterns are paths from the root of the"
            " image.",
            option=next(iter(given)),
        )


def _text(name: bytes) -> str:
    """Return a name as Ansible gives the patterns, in every locale."""
    return name.decode("utf-8", "surrogateescape")


__all__ = ("make_root", "prune")
