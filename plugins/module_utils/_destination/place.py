# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The path of a destination: the checks of it and of the directories above it, and what is there now.

location.py opens the place of each destination; _module/layer/directory.py uses the same checks.
"""

from __future__ import annotations

import os
import re
import stat
import typing as t
from dataclasses import dataclass

from .._base.parents import Parents, risk_warning
from .._base.text import visible
from .._unpack.errors import DestinationError
from .._unpack.tree.descent import DIRECTORY
from .mounts import Mounts
from .os_errors import translated

_NAME_MAX: t.Final = 255
_STATE_NAME: t.Final = re.compile(r"\A\..+\.oci\Z", re.DOTALL)
_TYPES: t.Final = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFREG: "a file",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}


class DestinationRoot(t.NamedTuple):
    """The directory that is at a destination now."""

    inode: int
    mode: int
    empty: bool


@dataclass(frozen=True)
class StatePlace:
    """The location of a state directory: a name in the directory parent_fd, whose canonical path is parent.

    For a directory that the option state_dir names, dest is the path of the destination relative to it, which its state
    records; it is None for the directory beside the destination. risk is as that of a Place.
    """

    parent: str
    name: str
    parent_fd: int
    dest: str | None = None
    risk: str | None = None

    @property
    def path(self) -> str:
        """Its path without symbolic links."""
        return os.path.join(self.parent, self.name)


@dataclass(frozen=True)
class Place:
    """The location of a destination: a name in a directory that is held open, so that renamed parents change nothing.

    path is for messages; parent is the canonical path of the directory parent_fd; device is its st_dev. risk says which
    other users can replace what is in the parent or in a directory above it, None if none can. If the parent is
    missing, parent and parent_fd are those of the nearest directory above, and name has the missing names too.
    """

    path: str
    parent: str
    name: str
    parent_fd: int
    device: int
    mounts: Mounts
    state: StatePlace
    risk: str | None = None

    @property
    def canonical(self) -> str:
        """The destination's path without symbolic links."""
        return os.path.join(self.parent, self.name)

    @property
    def state_path(self) -> str:
        """The path of the state directory, for messages."""
        return self.state.path

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings about the risks."""
        about_state = risk_warning(f"the state directory {visible(self.state_path)}", self.state.risk)
        return tuple(text for text in (destination_warning(self.path, self.risk), about_state) if text is not None)

    def close(self) -> None:
        """Close the parent directories."""
        os.close(self.parent_fd)
        if self.state.parent_fd != self.parent_fd:
            os.close(self.state.parent_fd)

    def look(self) -> DestinationRoot | None:
        """Return what is at the destination, None if nothing is.

        Raises DestinationError for anything that is not a directory of the parent's file system.
        """
        with translated("looking at", self.path):
            try:
                status = os.stat(self.name, dir_fd=self.parent_fd, follow_symlinks=False)
            except FileNotFoundError:
                return None
            kind = _TYPES.get(stat.S_IFMT(status.st_mode))
            if kind is not None:
                raise self._refusal(f"it is {kind}", "give the path of a directory, or one that does not exist yet")
            if status.st_dev != self.device or self.mounts.at(self.canonical):
                raise self._refusal("a file system is mounted there", "give the path of a directory below it")
            return DestinationRoot(status.st_ino, stat.S_IMODE(status.st_mode), self._is_empty())

    def _is_empty(self) -> bool:
        try:
            fd = os.open(self.name, DIRECTORY, dir_fd=self.parent_fd)
        except PermissionError:
            return False
        try:
            with os.scandir(fd) as entries:
                return next(entries, None) is None
        finally:
            os.close(fd)

    def check_no_mounts(self, doing: str) -> None:
        """Raise DestinationError if something is mounted below the destination or its state directory.

        Moving the tree would move the mounts along, and removing it would empty them.
        """
        for path in (self.canonical, self.state_path):
            for point in sorted(Mounts.read().below(path)):
                mounted = visible(os.path.join(os.fsencode(path), point))
                raise DestinationError(
                    f"{doing} {visible(self.path)} is refused, because a file system is mounted at {mounted}:"
                    " unmount it first.",
                    path=visible(self.path),
                )

    def check_holds_no_destination(self) -> None:
        """Raise DestinationError if another destination is directly inside this one."""
        with translated("listing", self.path):
            fd = os.open(self.name, DIRECTORY, dir_fd=self.parent_fd)
            try:
                inner = next((name for name in sorted(os.listdir(fd)) if _STATE_NAME.match(name)), None)
            finally:
                os.close(fd)
        if inner is not None:
            why = f"it holds the destination {visible(os.path.join(self.path, inner[1:-4]))}"
            raise self._refusal(why, "choose another directory, or remove that one first with state: absent")

    def _refusal(self, why: str, remedy: str) -> DestinationError:
        return refusal(self.path, why, remedy)


def state_name(name: str) -> str:
    """Return the name of the state directory of a destination called name."""
    return f".{name}.oci"


def refusal(path: str, why: str, remedy: str, *, what: str = "destination") -> DestinationError:
    """Return the error that says why path cannot be a destination, or what else it is, and what to do."""
    shown = visible(path)
    return DestinationError(f"The {what} {shown} cannot be used: {why}; {remedy}.", path=shown)


def destination_warning(path: str, risk: str | None) -> str | None:
    """Return the warning that other users can replace a destination, None if risk is None."""
    return risk_warning(f"the destination {visible(path)} and what is kept beside it", risk)


def open_place(path: str, parents: Parents | None = None) -> Place:
    """Check all of path that does not depend on what is there, and open its parent directory. Create nothing.

    parents is the result of find_parents() for the path, if it was called. Raises DestinationError for a path that is
    relative, /, ends in . or .., has no parent directory, or is inside another destination or a state directory; and
    for a parent directory where any local user could put another tree in its place. Raises ParentRefused for a symbolic
    link of another user in the path, FilesystemError for what the system refuses.
    """
    if parents is None:
        with find_parents(path, make=False) as found:
            return open_place(path, found)
    if parents.missing:
        why = f"there is no directory {visible(os.path.dirname(check_path(path)))}"
        raise refusal(path, why, "create it first (ansible.builtin.file with state: directory)")
    return place_below(path, parents)


def place_below(path: str, parents: Parents, state: StatePlace | None = None) -> Place:
    """Open the directory above a destination, or the nearest one if it is missing; state is that beside it if None.

    Raises DestinationError for a directory where any local user could put another tree in its place, FilesystemError.
    """
    stripped = check_path(path)
    name = stripped.rpartition("/")[2]
    fd = open_nearest(path, parents)
    try:
        status = os.fstat(fd)
        check_not_public(path, parents.nearest, status.st_mode)
    except BaseException:
        os.close(fd)
        raise
    at, parent = os.path.join(*parents.missing, name), parents.nearest
    state = state or StatePlace(parent, os.path.join(*parents.missing, state_name(name)), fd)
    return Place(stripped, parent, at, fd, status.st_dev, Mounts.read(), state, parents.risk)


def open_nearest(path: str, parents: Parents) -> int:
    """Open the directory above path, to list and to sync it; the nearest one only to look below it.

    Raises FilesystemError.
    """
    with translated("opening the parent directory of", path):
        return os.dup(parents.fd) if parents.missing else os.open(".", DIRECTORY, dir_fd=parents.fd)


def find_parents(path: str, *, make: bool = True) -> Parents:
    """Open the directory above a destination, or find out which directories are missing. The caller closes it.

    Makes nothing. Raises what open_place() raises for the path itself; ParentRefused for a symbolic link of another
    user in the path, and with make for missing directories that must not be made.
    """
    return open_parents(path, check_path(path), make=make)


def open_parents(path: str, stripped: str, *, make: bool, what: str = "destination") -> Parents:
    """Open the directory above a checked path, stripped, as find_parents() does; path and what are for messages."""
    head, name = os.path.split(stripped)
    with translated("looking for the parent directory of", path):
        parents = Parents(head or "/")
    try:
        if make:
            parents.check()
        _check_not_nested(path, parents.path, name, what=what)
        check_not_public(path, parents.nearest, os.fstat(parents.fd).st_mode, what=what)
    except BaseException:
        parents.close()
        raise
    return parents


def check_path(path: str) -> str:
    """Return the path of a destination without slashes at its end. Raises DestinationError."""
    if not path.startswith("/") or "\0" in path:
        raise refusal(path, "it is not an absolute path", "give one that starts with /")
    stripped = path.rstrip("/")
    name = stripped.rpartition("/")[2]
    if not stripped:
        raise refusal(path, "it is the root of the host's own file system", "choose a directory below it")
    if name in (".", ".."):
        raise refusal(path, f"it ends in {name}", "give the directory's own name")
    if len(os.fsencode(state_name(name))) > _NAME_MAX:
        raise refusal(path, "its name is too long for the state directory beside it", "use at most 250 bytes")
    return stripped


def _check_not_nested(path: str, parent: str, name: str, *, what: str = "destination") -> None:
    """Raise DestinationError if a name in a directory is inside a destination, or is or is in a state directory.

    path and what are for messages.
    """
    where = ""
    for component in [*parent.strip("/").split("/"), name]:
        if _STATE_NAME.match(component):
            why = f"{visible(component)} is the name of a state directory of this collection"
            raise refusal(path, why, "choose another directory", what=what)
    for component in parent.strip("/").split("/"):
        if component and _is_directory(f"{where}/{state_name(component)}"):
            why = f"it is inside the destination {visible(f'{where}/{component}')}"
            raise refusal(path, why, "choose a directory outside of it", what=what)
        where = f"{where}/{component}"


def _is_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def check_not_public(path: str, parent: str, mode: int, *, what: str = "destination") -> None:
    """Raise DestinationError if every user can write to a directory that is not sticky.

    path and what are for messages.
    """
    # Descriptors and O_NOFOLLOW protect this process there, but any user could put another tree at the destination.
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        why = f"every local user can replace what is in {visible(parent)} (mode {stat.S_IMODE(mode):04o})"
        remedy = "remove that permission (chmod o-w), or choose a directory of your own below it"
        raise refusal(path, why, remedy, what=what)


__all__ = (
    "DestinationRoot",
    "Place",
    "StatePlace",
    "check_not_public",
    "check_path",
    "destination_warning",
    "find_parents",
    "open_nearest",
    "open_parents",
    "open_place",
    "place_below",
    "refusal",
    "state_name",
)
