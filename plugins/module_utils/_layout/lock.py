# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The lock on a layout, for one writer at a time: flock(2) on .oci_layout/lock in the layout.

store.py takes it. _archive/pending.py uses the same private directory for an archive.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
import typing as t

from .._base.lock_file import lock_as_older_versions_do, lock_file, unlock_file
from .._base.parents import Parents
from .._base.text import visible
from .errors import Locked, NotALayout, write_errors
from .view import STATE

_LOCK: t.Final = "lock"
_DIRECTORY: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# How often other runs may remove the directories while this one opens them.
_TRIES: t.Final = 100


class LockedDirectory(t.NamedTuple):
    """Descriptors of a locked layout and of the private directory in it."""

    root: int
    state: int


@contextlib.contextmanager
def locked_directory(path: str, *, timeout: float) -> t.Iterator[LockedDirectory]:
    """Yield the layout at path, locked; make it, with its parents, if it is missing. path has no symbolic links.

    The lock is on a file in the private directory .oci_layout, which only its owner can enter. That directory, and
    directories that were made here, are removed at the end if they are empty. Raises Locked after timeout seconds,
    WriteFailed, NotALayout for a private directory that others can enter, ParentRefused.
    """
    deadline = time.monotonic() + timeout
    for attempt in range(_TRIES):
        with contextlib.ExitStack() as stack:
            with write_errors("Opening the layout", path):
                try:
                    found = _enter(path, deadline, stack)
                except FileNotFoundError:
                    if attempt + 1 == _TRIES:
                        raise
                    continue  # another run removed the empty directories that it had made
            if found is None:
                raise _locked_error(path, timeout)
            yield found
            return


def _enter(path: str, deadline: float, stack: contextlib.ExitStack) -> LockedDirectory | None:
    """Open and lock everything, undone by the stack; return None if the deadline passed."""
    # the task has resolved the path: a link in it was made after that
    parents = stack.enter_context(Parents(os.path.dirname(path), follow=False))
    name = os.path.basename(path)
    with _without_umask():
        parents.make()
        _make_directory(name, parents.fd, stack)
    root = os.open(name, _DIRECTORY, dir_fd=parents.fd)
    stack.callback(os.close, root)
    state = open_private(path, STATE, root, stack)
    fd = lock_file(state, _LOCK, path=os.path.join(path, STATE, _LOCK), deadline=deadline)
    if fd is None:
        return None
    stack.callback(unlock_file, state, _LOCK, fd)
    if not lock_as_older_versions_do(root, deadline=deadline):
        return None
    check_same(name, parents.fd, root)
    check_same(STATE, root, state)
    return LockedDirectory(root, state)


def check_same(name: str, folder: int, fd: int) -> None:
    """Raise FileNotFoundError unless name in an open directory is still the file or directory open as fd."""
    if not os.path.samestat(os.stat(name, dir_fd=folder, follow_symlinks=False), os.fstat(fd)):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


@contextlib.contextmanager
def _without_umask() -> t.Iterator[None]:
    """Let mkdir(2) set the whole mode, of the parents too, so that a server under another user can read the layout.

    A chmod(2) afterwards would not do: the run may be killed before it.
    """
    umask = os.umask(0)
    try:
        yield
    finally:
        os.umask(umask)


def _make_directory(name: str, folder: int, stack: contextlib.ExitStack) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=folder)
        stack.callback(_remove_empty, name, dir_fd=folder)


def open_private(path: str, name: str, root: int, stack: contextlib.ExitStack) -> int:
    """Open a directory in the open directory root that only this user can enter; make it if it is missing.

    path is that of root, for messages. The stack closes it, and removes it if it is empty. Raises NotALayout if others
    can enter it, OSError.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=root)
    private = os.open(name, _DIRECTORY, dir_fd=root)
    stack.callback(os.close, private)
    stack.callback(_remove_empty, name, dir_fd=root)
    _check_private(os.path.join(path, name), os.fstat(private), root)
    return private


def _check_private(path: str, found: os.stat_result, root: int) -> None:
    why = None
    if found.st_uid != os.geteuid():
        why = "belongs to another user"
    elif stat.S_IMODE(found.st_mode) & 0o077:
        why = "can be entered by other users"
    elif found.st_dev != os.fstat(root).st_dev:
        why = "is on another file system"
    if why is not None:
        shown = visible(path)
        raise NotALayout(f"The directory {shown} cannot be used: it {why}; remove it.", path=shown)


def _remove_empty(name: str, *, dir_fd: int) -> None:
    with contextlib.suppress(OSError):  # not empty, so it is kept
        os.rmdir(name, dir_fd=dir_fd)


def _locked_error(path: str, timeout: float) -> Locked:
    shown = visible(path)
    return Locked(
        f"Waiting for the layout {shown} failed: another run has held its lock for {timeout:g} seconds; "
        "wait until that has finished, or end it, and run the task again.",
        path=shown,
    )


__all__ = ("LockedDirectory", "check_same", "locked_directory", "open_private")
