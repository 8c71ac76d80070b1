# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The missing directories above a destination: find them, make them, and remove those that stay empty.

All modules that write use this, so that a destination below a directory that is not there works alike for each of
them. Check mode only finds out what would be made.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .errors import CollectionError
from .text import visible

# O_PATH needs no permission to list a directory; not every system has it
_OPEN: t.Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAXIMUM_LINKS: t.Final = 40
_MODE: t.Final = 0o755


class ParentRefused(CollectionError):
    """A directory above the destination is missing and may not be made. Fields: path."""

    kind = "destination"


class Parents:
    """A directory that is there or can be made, with all that is missing of it. A context manager.

    path is its path without symbolic links, missing the names that were not there, upper ones first. At the end those
    that make() made are removed again if they are empty. Raises ParentRefused, OSError.
    """

    def __init__(self, path: str) -> None:
        self._walk = _Walk(path)
        self.missing = tuple(self._walk.missing)
        self.path = "/" + "/".join((*self._walk.names, *self.missing))
        self._made: list[tuple[int, str]] = []

    def __enter__(self) -> Parents:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    @property
    def fd(self) -> int:
        """The descriptor of the directory, or of the lowest one above it that is there."""
        return self._walk.fd

    @property
    def nearest(self) -> str:
        """The path of the directory that is open as fd."""
        return "/" + "/".join(self._walk.names)

    def check(self) -> None:
        """Raise ParentRefused if something is missing that must not be made."""
        if self.missing and self._walk.refusal is not None:
            raise self._walk.refusal

    def make(self) -> None:
        """Make what is missing: 0755 less the umask, of this user. A link that is put in its way is not followed."""
        self.check()
        fd = self.fd
        for name in self.missing:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, _MODE, dir_fd=fd)
                self._made.append((fd, name))
            fd = self._walk.fd = self._walk.keep(_open(name, fd))
            self._walk.names.append(name)

    def close(self) -> None:
        """Remove the directories that were made and are empty, and close all."""
        for fd, name in reversed(self._made):
            with contextlib.suppress(OSError):  # something is in it, as it should be
                os.rmdir(name, dir_fd=fd)
        self._made.clear()
        self._walk.close()


class _Walk:
    """Follows a path as far as it exists; refusal says why nothing may be made where it ends."""

    def __init__(self, path: str) -> None:
        self._shown = visible(path)
        self._todo: list[str] = []
        self._links = 0
        # how many names are left to do after the names of a symbolic link
        self._after_link = -1
        self._fds: list[int] = []
        self.names: list[str] = []
        self.missing: list[str] = []
        self.refusal: ParentRefused | None = None
        self.fd = self.keep(os.open("/", _OPEN))
        self._trusted = {0, os.geteuid(), os.fstat(self.fd).st_uid}
        try:
            self._add(path if path.startswith("/") else os.path.join(os.getcwd(), path))
            while self._todo and self._step(self._todo.pop()):
                pass
        except BaseException:
            self.close()
            raise

    def keep(self, fd: int) -> int:
        """Close fd in the end, and return it."""
        self._fds.append(fd)
        return fd

    def close(self) -> None:
        """Close every directory."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()

    def _add(self, path: str) -> None:
        self._todo += [name for name in reversed(path.split("/")) if name not in ("", ".")]

    def _step(self, name: str) -> bool:
        try:
            found = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            self._end(name)
            return False
        if stat.S_ISLNK(found.st_mode):
            self._follow(name, found)
        else:
            self._enter(name)
        return True

    def _enter(self, name: str) -> None:
        try:
            below = _open(name, self.fd)
        except NotADirectoryError:
            raise self._refused(f"{self._at(name)} is not a directory", "give another path") from None
        os.close(self.fd)
        self._fds[-1] = self.fd = below
        if name == "..":
            del self.names[-1:]
        else:
            self.names.append(name)

    def _follow(self, name: str, found: os.stat_result) -> None:
        self._links += 1
        if self._links > _MAXIMUM_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        if {found.st_uid, os.fstat(self.fd).st_uid} - self._trusted and self.refusal is None:
            why = f"{self._at(name)} is a symbolic link that another user can change, and what it leads to is missing"
            self.refusal = self._refused(why, "make the directory first, or give the path that the link leads to")
        if self._after_link < 0 or len(self._todo) < self._after_link:
            self._after_link = len(self._todo)
        target = os.readlink(name, dir_fd=self.fd)
        if target.startswith("/"):
            os.close(self.fd)
            self._fds[-1] = self.fd = os.open("/", _OPEN)
            self.names.clear()
        self._add(target)

    def _end(self, name: str) -> None:
        """Take all names from here for missing ones."""
        if 0 <= self._after_link <= len(self._todo):
            self.refusal = self._refused(f"a symbolic link leads to {self._at(name)}, which is missing", "make that")
        self.missing = [name, *reversed(self._todo)]
        if ".." in self.missing:
            why = f"the path has .. below {self._at(name)}, which is missing"
            self.refusal = self._refused(why, "give a path without ..")

    def _at(self, name: str) -> str:
        return visible("/" + "/".join((*self.names, name)))

    def _refused(self, why: str, remedy: str) -> ParentRefused:
        return ParentRefused(f"The directory {self._shown} cannot be made: {why}; {remedy}.", path=self._shown)


def _open(name: str, folder: int) -> int:
    return os.open(name, _OPEN, dir_fd=folder)


__all__ = ("ParentRefused", "Parents")
