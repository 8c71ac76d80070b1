# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The directories above a destination and above its state directory, which may be elsewhere (option state_dir).

inspection.py opens a Place from a Location; _module opens a Location for each destination.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._base.parents import Parents
from .._base.text import visible
from .._unpack.errors import DestinationError
from .mounts import Mounts, mount_id
from .os_errors import translated
from .place import (
    Place,
    StatePlace,
    check_not_public,
    check_path,
    find_parents,
    open_nearest,
    open_parents,
    place_below,
    refusal,
    state_name,
)
from .private import STATE

_NAME_MAX: t.Final = 255
_WHAT: t.Final = "state directory"


class Location:
    """The directories above a destination and its state directory, open as far as they exist. A context manager.

    Creates nothing before make(). On exit, the directories that make() created are removed if they are empty. With make
    set, missing directories that must not be created are an error at once. state_dir is None for the state directory
    beside the destination.

    Raises DestinationError for a path that cannot be used, and for a state directory that is on another file system
    than the destination or inside it, or the other way round; ParentRefused for a symbolic link of another user in a
    path; FilesystemError.
    """

    def __init__(self, dest: str, state_dir: str | None = None, *, make: bool = True) -> None:
        self._dest = dest
        self._state_dir = state_dir
        self._state_parents: Parents | None = None
        with contextlib.ExitStack() as stack:
            self.parents = stack.enter_context(find_parents(dest, make=make))
            if state_dir is not None:
                self._state_parents = stack.enter_context(_find_state_parents(state_dir, dest, self.parents, make=make))
            self._stack = stack.pop_all()

    def __enter__(self) -> Location:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every directory, and remove the created ones that are empty."""
        self._stack.close()

    @property
    def is_missing(self) -> bool:
        """Whether a directory is missing above the destination, so that no state directory can be beside it either."""
        return bool(self.parents.missing) and self._state_parents is None

    @property
    def has_state(self) -> bool:
        """Whether something is at the path that state_dir names."""
        parents = self._state_parents
        if parents is None or self._state_dir is None or parents.missing:
            return False
        return _exists(os.path.basename(_check_state_path(self._state_dir)), parents.fd)

    def check(self) -> None:
        """Raise ParentRefused if make() would, because a directory above the destination must not be created."""
        self.parents.check()

    def make(self) -> None:
        """Create the missing directories above both. Raises ParentRefused, FilesystemError."""
        with translated("making the parent directory of", self._dest):
            self.parents.make()
        self.make_state_parents()

    def make_state_parents(self) -> None:
        """Create the missing directories above the state directory. Raises ParentRefused, FilesystemError."""
        if self._state_parents is not None:
            with translated("making the parent directory of", self._state_dir or ""):
                self._state_parents.make()

    def open(self) -> Place:
        """Return the place of the destination and of its state directory; the caller closes it."""
        if self._state_parents is None or self._state_dir is None:
            return place_below(self._dest, self.parents)
        parents, path = self._state_parents, _check_state_path(self._state_dir)
        fd = open_nearest(path, parents)
        try:
            check_not_public(path, parents.nearest, os.fstat(fd).st_mode, what=_WHAT)
            name = os.path.basename(path)
            dest = os.path.join(self.parents.path, os.path.basename(check_path(self._dest)))
            state = StatePlace(
                parents.nearest,
                os.path.join(*parents.missing, name),
                fd,
                dest=os.path.relpath(dest, os.path.join(parents.path, name)),
                risk=parents.risk,
            )
            return place_below(self._dest, self.parents, state)
        except BaseException:
            os.close(fd)
            raise


def _find_state_parents(path: str, dest: str, above_dest: Parents, *, make: bool) -> Parents:
    stripped, own = _check_state_path(path), os.path.basename(check_path(dest))
    parents = open_parents(path, stripped, make=make, what=_WHAT)
    try:
        state = os.path.join(parents.path, os.path.basename(stripped))
        _check_apart(path, state, os.path.join(above_dest.path, own))
        _check_filesystem(path, state, dest, parents, above_dest)
        if not above_dest.missing:
            _check_no_other_state(path, dest, own, above_dest)
    except BaseException:
        parents.close()
        raise
    return parents


def _check_state_path(path: str) -> str:
    """Return the path without slashes at its end."""
    stripped = path.rstrip("/")
    name = os.path.basename(stripped)
    if not path.startswith("/") or "\0" in path:
        raise _refusal(path, "it is not an absolute path", "give one that starts with /")
    if name in ("", ".", ".."):
        raise _refusal(path, "it does not end in the name of a directory", "give the directory's own name")
    if len(os.fsencode(name)) > _NAME_MAX:
        raise _refusal(path, "its name is too long", f"use at most {_NAME_MAX} bytes")
    return stripped


def _check_apart(path: str, state: str, dest: str) -> None:
    """Raise DestinationError if one of two canonical paths is the other one or below it."""
    shown = visible(dest)
    if state == dest:
        raise _refusal(path, f"it is the destination {shown} itself", "choose another directory")
    if state.startswith(f"{dest}/"):
        raise _refusal(path, f"it is inside the destination {shown}", "choose a directory outside of it")
    if dest.startswith(f"{state}/"):
        raise _refusal(path, f"the destination {shown} is inside it", "choose a directory of its own for the state")


def _check_filesystem(path: str, state: str, dest: str, parents: Parents, above_dest: Parents) -> None:
    """Raise DestinationError unless one system call can move a tree from one to the other; state is canonical.

    Not even two mounts of one file system allow that.
    """
    mounts = Mounts.read()
    same = os.fstat(parents.fd).st_dev == os.fstat(above_dest.fd).st_dev
    if same and mount_id(parents.fd) == mount_id(above_dest.fd) and not mounts.at(state):
        return
    here, there = visible(mounts.holding(state)), visible(mounts.holding(above_dest.path))
    why = (
        f"it is on another file system than the destination {visible(dest)} (the one is mounted at {here}, the other at"
        f" {there}), and a tree cannot be moved between them in one step"
    )
    raise _refusal(path, why, f"choose a directory on the file system that is mounted at {there}")


def _check_no_other_state(path: str, dest: str, own: str, above_dest: Parents) -> None:
    """Raise DestinationError if the state of the destination is beside it."""
    beside = state_name(own)
    if not _exists(os.path.join(beside, STATE), above_dest.fd):
        return
    shown = visible(os.path.join(above_dest.path, beside))
    why = f"the state of the destination {visible(dest)} is in {shown}"
    raise _refusal(path, why, f"leave the option state_dir out, or move {shown} to {visible(path)} first")


def _exists(name: str, directory: int) -> bool:
    """Return whether a name is in an open directory, as far as that can be seen."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return True


def _refusal(path: str, why: str, remedy: str) -> DestinationError:
    return refusal(path, why, remedy, what=_WHAT)


__all__ = ("Location",)
