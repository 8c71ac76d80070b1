# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Find the parent directory of a destination without trusting the other users who own a part of the way to it.

Each component is opened relative to the one before it. A symbolic link that another user could have placed may lead to
that user's own directories only, as with CHASE_SAFE of systemd. checks.py calls this.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from .confine import MAXIMUM_LINKS
from .descent import DIRECTORY
from .errors import DestinationError, printable

_LOOK: t.Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Parent(t.NamedTuple):
    """An open directory, its path without symbolic links, and which other users can replace what is in it, if any."""

    fd: int
    path: str
    risk: t.Optional[str]


def open_parent(dest: str, head: str) -> Parent:
    """Open the directory head, which dest is in.

    Raises DestinationError for a symbolic link of another user that leads to what is not that user's, OSError.
    """
    way = _Way(dest)
    try:
        way.walk(head)
        return Parent(os.open(".", DIRECTORY, dir_fd=way.fd), way.path, way.risk)
    finally:
        os.close(way.fd)


class _End(t.NamedTuple):
    """The place in the list of components where a symbolic link of another user ends."""

    uid: int
    path: str


class _Way:
    def __init__(self, dest: str) -> None:
        self._dest = dest
        self._names: list[str] = []
        self._links = 0
        self._todo: list[str | _End] = []
        self.fd = os.open("/", _LOOK | os.O_DIRECTORY)
        self._status = os.fstat(self.fd)
        self._trusted = (0, os.geteuid(), self._status.st_uid)
        self.risk: str | None = None

    @property
    def path(self) -> str:
        return "/" + "/".join(self._names)

    def walk(self, head: str) -> None:
        self._add(head)
        while self._todo:
            step = self._todo.pop()
            if isinstance(step, _End):
                self._check_end(step)
            elif step == "..":
                self._enter("..")
                del self._names[-1:]
            else:
                self._step(step)
        self.risk = self.risk or self._risk()

    def _add(self, path: str) -> None:
        self._todo += [name for name in reversed(path.split("/")) if name not in ("", ".")]

    def _step(self, name: str) -> None:
        self.risk = self.risk or self._risk()
        try:
            self._enter(name)
        except NotADirectoryError:
            self._follow(name)
        else:
            self._names.append(name)

    def _enter(self, name: str) -> None:
        below = os.open(name, _LOOK | os.O_DIRECTORY, dir_fd=self.fd)
        os.close(self.fd)
        self.fd = below
        self._status = os.fstat(below)

    def _follow(self, name: str) -> None:
        fd = os.open(name, _LOOK, dir_fd=self.fd)
        try:
            link = os.fstat(fd)
            if not stat.S_ISLNK(link.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
            target = os.readlink("", dir_fd=fd)
        finally:
            os.close(fd)
        self._links += 1
        if self._links > MAXIMUM_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        owner = self._stranger(link.st_uid)
        if owner is not None:
            self._todo.append(_End(owner, os.path.join(self.path, name)))
        self._add(target)
        if target.startswith("/"):
            self._enter("/")
            self._names.clear()

    def _stranger(self, link_owner: int) -> int | None:
        """Return which other user can have placed a link here."""
        return next((uid for uid in (link_owner, self._status.st_uid) if uid not in self._trusted), None)

    def _check_end(self, end: _End) -> None:
        if self._status.st_uid != end.uid:
            dest, link = printable(self._dest), printable(end.path)
            raise DestinationError(
                f"The destination {dest} cannot be used: {link} is a symbolic link that the user id {end.uid} can"
                f" change, and it leads to {printable(self.path)}, which belongs to the user id"
                f" {self._status.st_uid}; give the path that it leads to.",
                path=dest,
            )

    def _risk(self) -> str | None:
        """Say who else can replace what is in the directory that is open now."""
        shown, status = printable(self.path), self._status
        if status.st_uid not in self._trusted:
            return f"{shown} belongs to the user id {status.st_uid}"
        if status.st_mode & stat.S_ISVTX:
            return None
        if status.st_mode & stat.S_IWOTH:
            return f"every local user can write to {shown}"
        if status.st_mode & stat.S_IWGRP and status.st_gid not in (0, os.getegid()):
            return f"the group id {status.st_gid} can write to {shown}"
        return None


__all__ = ("Parent", "open_parent")
