# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Walk a directory tree of any depth with one open descriptor and no paths.

confine.py, record.py, unchanged.py, remove.py, tree.py, whiteout.py and _destination/drift.py use it.
"""

from __future__ import annotations

import errno
import os
import typing as t

# The flags that open a directory: never through a symbolic link in the last component.
DIRECTORY: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Names:
    """A stack of file names in one byte string: a directory may hold millions of names."""

    def __init__(self, names: t.Iterable[bytes] = ()) -> None:
        self._data = bytearray()
        self._count = 0
        for name in names:
            self.add(name)

    def __len__(self) -> int:
        return self._count

    def add(self, name: bytes) -> None:
        """Push a name."""
        self._data += name
        self._data.append(0)
        self._count += 1

    def pop(self) -> bytes:
        """Remove the last name and return it."""
        begin = self._data.rfind(b"\0", 0, len(self._data) - 1) + 1
        name = bytes(self._data[begin:-1])
        del self._data[begin:]
        self._count -= 1
        return name


class Descent:
    """A position in a directory tree, which can enter a directory and leave it again at any depth.

    It holds one descriptor, not one for each level, and no path: leave() opens .. and checks that it is the directory
    that enter() came from. Raises OSError, ESTALE if another process moved a directory meanwhile.
    """

    def __init__(self, top: int) -> None:
        self.descriptor = os.open(b".", DIRECTORY, dir_fd=top)
        # device and inode number of this directory, once they are known
        self._identity: tuple[int, int] | None = None
        self._above: list[tuple[int, int]] = []

    def __enter__(self) -> Descent:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the directory."""
        os.close(self.descriptor)

    def enter(self, name: bytes) -> None:
        """Enter the directory name, which must not be a symbolic link."""
        below = os.open(name, DIRECTORY, dir_fd=self.descriptor)
        self._above.append(self._identity or _identity(self.descriptor))
        os.close(self.descriptor)
        self.descriptor, self._identity = below, None

    def leave(self, before: t.Callable[[int], None] | None = None) -> None:
        """Return to the parent directory, then call before with the open directory that was left.

        In this order before() may remove all permissions from that directory.
        """
        parent = os.open(b"..", DIRECTORY, dir_fd=self.descriptor)
        identity = self._above.pop()
        if _identity(parent) != identity:
            os.close(parent)
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        left, self.descriptor, self._identity = self.descriptor, parent, identity
        try:
            if before is not None:
                before(left)
        finally:
            os.close(left)

    def names(self) -> tuple[Names, Names]:
        """Return the names in this directory: those of directories, and all others."""
        directories, others = Names(), Names()
        with os.scandir(self.descriptor) as found:
            for item in found:
                names = directories if item.is_dir(follow_symlinks=False) else others
                names.add(os.fsencode(item.name))
        return directories, others

    def directories(self) -> Names:
        """Return the names of the directories in this directory."""
        with os.scandir(self.descriptor) as found:
            return Names(os.fsencode(item.name) for item in found if item.is_dir(follow_symlinks=False))


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def visit_directories(top: int, action: t.Callable[[int], None]) -> None:
    """Call action with every open directory of the tree, top itself included, each after those below it.

    Other file systems that are mounted in the tree are skipped. Raises OSError, with the path relative to top as its
    filename.
    """
    path: list[bytes] = []
    try:
        _visit(top, action, path)
    except OSError as exc:
        exc.filename = b"/".join(path) or b"."
        raise


def _visit(top: int, action: t.Callable[[int], None], path: list[bytes]) -> None:
    device = os.fstat(top).st_dev
    with Descent(top) as here:
        todo = [here.directories()]
        while True:
            if todo[-1]:
                path.append(todo[-1].pop())
                if os.stat(path[-1], dir_fd=here.descriptor, follow_symlinks=False).st_dev == device:
                    here.enter(path[-1])
                    todo.append(here.directories())
                else:
                    path.pop()
                continue
            todo.pop()
            if not todo:
                action(here.descriptor)
                return
            here.leave(action)
            path.pop()


__all__ = ("DIRECTORY", "Descent", "Names", "visit_directories")
