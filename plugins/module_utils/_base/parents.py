# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Open the directories above a destination without trusting other users that own some of them; create missing ones.

All modules that write use it. Each component is opened relative to the one before it. A symbolic link that another user
could have placed may lead only to directories of that user, as with CHASE_SAFE of systemd.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .errors import CollectionError
from .text import visible

_LOOK: t.Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAXIMUM_LINKS: t.Final = 40
_MODE: t.Final = 0o755


class ParentRefused(CollectionError):
    """A directory above the destination cannot be used, or is missing and cannot be created. Fields: path."""

    kind = "destination"


class Parents:
    """A directory that exists or can be created, together with its missing parents. A context manager.

    path is its path without symbolic links; missing lists the names that do not exist, the topmost first. Without
    follow, symbolic links are refused. On exit, the directories that make() created are removed if they are empty.
    Check mode does not call make(). Raises ParentRefused, also for a symbolic link of another user that leads to a
    directory which that user does not own, and OSError.
    """

    def __init__(self, path: str, *, follow: bool = True) -> None:
        self._walk = _Walk(path, follow=follow)
        self.missing = tuple(self._walk.missing)
        self.path = _join(*self._walk.names, *self.missing)
        self._made: list[tuple[int, str]] = []

    def __enter__(self) -> Parents:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    @property
    def fd(self) -> int:
        """The descriptor (O_PATH) of the directory, or of its lowest existing parent."""
        return self._walk.fd

    @property
    def nearest(self) -> str:
        """The path of the directory that fd refers to."""
        return _join(*self._walk.names)

    @property
    def risk(self) -> str | None:
        """Why other users can replace entries of the directory; None if they cannot."""
        return self._walk.risk_above or self._walk.risk_here()

    @property
    def risk_above(self) -> str | None:
        """Why other users can replace the directory itself; None if they cannot."""
        return self.risk if self.missing else self._walk.risk_above

    def check(self) -> None:
        """Raise ParentRefused if a directory is missing that must not be created."""
        if self.missing and self._walk.refusal is not None:
            raise self._walk.refusal

    def make(self) -> None:
        """Create the missing directories with mode 0755 less the umask. Does not follow a link put in their place."""
        self.check()
        for name in self.missing:
            fd = self.fd
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, _MODE, dir_fd=fd)
                self._made.append((fd, name))
            self._walk.go_into(name)
        self.missing = ()

    def close(self) -> None:
        """Remove the created directories that are empty, and close all descriptors."""
        for fd, name in reversed(self._made):
            with contextlib.suppress(OSError):  # not empty, the usual case
                os.rmdir(name, dir_fd=fd)
        self._made.clear()
        self._walk.close()


class _End(t.NamedTuple):
    """Marks where the target of a symbolic link ends; owner is the other user who can change the link."""

    owner: int | None
    path: str


class _Walk:
    """Follows a path as far as it exists; refusal says why no directory may be created at its end."""

    def __init__(self, path: str, *, follow: bool) -> None:
        self._shown = visible(path)
        self._follows = follow
        self._todo: list[str | _End] = []
        self._links = 0
        # the last link of another user whose target was reached
        self._led_by: _End | None = None
        self.names: list[str] = []
        self.missing: list[str] = []
        self.refusal: ParentRefused | None = None
        self.risk_above: str | None = None
        self._fds = [os.open("/", _LOOK | os.O_DIRECTORY)]
        self._status = os.fstat(self.fd)
        self._trusted = (0, os.geteuid(), self._status.st_uid)
        try:
            self._add(path if path.startswith("/") else os.path.join(os.getcwd(), path))
            while self._todo:
                self._step(self._todo.pop())
        except BaseException:
            self.close()
            raise

    @property
    def fd(self) -> int:
        """The descriptor (O_PATH) of the directory that the walk has reached."""
        return self._fds[-1]

    def go_into(self, name: str) -> None:
        """Enter a directory that was created, and keep the one above it open."""
        self._look()
        self._fds.append(os.open(name, _LOOK | os.O_DIRECTORY, dir_fd=self.fd))
        self._status = os.fstat(self.fd)
        self.names.append(name)

    def close(self) -> None:
        """Close every directory."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()

    def risk_here(self) -> str | None:
        """Return how other users can replace entries of the current directory; None if they cannot."""
        shown, status = visible(_join(*self.names)), self._status
        if status.st_uid not in self._trusted:
            return f"{shown} belongs to the user id {status.st_uid}"
        if status.st_mode & stat.S_ISVTX:
            return None
        if status.st_mode & stat.S_IWOTH:
            return f"every local user can write to {shown}"
        # with an access control list, the group bits are its mask
        if status.st_mode & stat.S_IWGRP and _has_acl(self.fd):
            return f"an access control list lets others write to {shown}"
        if status.st_mode & stat.S_IWGRP and status.st_gid not in (0, os.getegid()):
            return f"the group id {status.st_gid} can write to {shown}"
        return None

    def _add(self, path: str) -> None:
        self._todo += [name for name in reversed(path.split("/")) if name not in ("", ".")]

    def _step(self, step: str | _End) -> None:
        if isinstance(step, _End):
            self._check_end(step)
        elif step == "..":
            self._go_up()
        else:
            self._go_down(step)

    def _go_up(self) -> None:
        self._enter("..")
        del self.names[-1:]
        if self._led_by is not None and not self._is_in_link():
            self._check_end(self._led_by)

    def _go_down(self, name: str) -> None:
        self._look()
        try:
            self._enter(name)
        except FileNotFoundError:
            self._stop(name)
        except NotADirectoryError:
            self._follow(name)
        else:
            self.names.append(name)

    def _look(self) -> None:
        self.risk_above = self.risk_above or self.risk_here()

    def _enter(self, name: str) -> None:
        below = os.open(name, _LOOK | os.O_DIRECTORY, dir_fd=self.fd)
        os.close(self.fd)
        self._fds[-1] = below
        self._status = os.fstat(below)

    def _follow(self, name: str) -> None:
        owner, target = self._read_link(name)
        if not self._follows:
            why = f"{self._at(name)} has become a symbolic link while the task ran"
            raise self._refusal_error("used", why, "check who can write to the directory above it")
        self._links += 1
        if self._links > _MAXIMUM_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        self._todo.append(_End(owner, self._at(name)))
        self._add(target)
        if target.startswith("/"):
            self._enter("/")
            self.names.clear()

    def _read_link(self, name: str) -> tuple[int | None, str]:
        """Return the other user who could have placed the link, if any, and its target, both of the same inode."""
        fd = os.open(name, _LOOK, dir_fd=self.fd)
        try:
            link = os.fstat(fd)
            if not stat.S_ISLNK(link.st_mode):
                raise self._refusal_error("used", f"{self._at(name)} is not a directory", "give another path")
            target = os.readlink("", dir_fd=fd)
        finally:
            os.close(fd)
        return next((uid for uid in (link.st_uid, self._status.st_uid) if uid not in self._trusted), None), target

    def _check_end(self, end: _End) -> None:
        if end.owner is None:
            return
        if end.owner != self._status.st_uid:
            why = (
                f"{end.path} is a symbolic link that the user id {end.owner} can change, and it leads to"
                f" {visible(_join(*self.names))}, which belongs to the user id {self._status.st_uid}"
            )
            raise self._refusal_error("used", why, "give the path that the link leads to")
        self._led_by = end

    def _is_in_link(self) -> bool:
        return any(isinstance(step, _End) for step in self._todo)

    def _stop(self, name: str) -> None:
        """Treat all names from here on as missing."""
        if self._is_in_link():
            self.refusal = self._refusal_error(
                "created", f"a symbolic link leads to {self._at(name)}, which does not exist", "create that directory"
            )
        self.missing = [name, *(step for step in reversed(self._todo) if isinstance(step, str))]
        self._todo.clear()
        if ".." in self.missing:
            why = f"the path has .. below {self._at(name)}, which does not exist"
            self.refusal = self._refusal_error("created", why, "give a path without ..")

    def _at(self, name: str) -> str:
        return visible(_join(*self.names, name))

    def _refusal_error(self, what: str, why: str, remedy: str) -> ParentRefused:
        return ParentRefused(f"The directory {self._shown} cannot be {what}: {why}; {remedy}.", path=self._shown)


def _has_acl(fd: int) -> bool:
    try:
        return bool(os.getxattr(f"/proc/self/fd/{fd}", "system.posix_acl_access"))
    except OSError:
        return False


def _join(*names: str) -> str:
    return "/" + "/".join(names)


def risk_warning(what: str, risk: str | None) -> str | None:
    """Return a warning that other users can replace what because of risk; None without a risk."""
    if risk is None:
        return None
    return (
        f"Another user can replace {what}, because {risk}; choose a directory that belongs, like all directories"
        " above it, to root or to the user of the task."
    )


__all__ = ("ParentRefused", "Parents", "risk_warning")
