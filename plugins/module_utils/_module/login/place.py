# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The place of an auth file on disk: read it, and replace it in one step under a lock. Called by login/run.py.

docker and podman replace the file in the same way, so a program that reads it sees the old or the new content. They
take no lock, so a login of theirs at the same moment can be lost; two tasks wait for each other.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
import typing as t
from dataclasses import dataclass, field

from ..._base.errors import CollectionError
from ..._base.lock_file import lock_file, unlock_file
from ..._base.parents import Parents, risk_warning
from ..._base.text import visible
from ..._destination.durable import read_file
from ..._destination.os_errors import translated
from ..._registry.auth.auth_file import MAX_BYTES
from ..._unpack.errors import DestinationError, Locked
from ..._unpack.tree.descent import DIRECTORY
from ..opened_again import opened_again

_LOCK_SECONDS: t.Final = 60.0
_CREATE: t.Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK: t.Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE: t.Final = 0o600
_MAXIMUM_LINKS: t.Final = 8


@dataclass(frozen=True)
class Found:
    """What is at the place: the content of the file, its mode and its owner; all None if there is no file."""

    data: bytes | None = field(default=None, repr=False)
    mode: int | None = None
    owner: tuple[int, int] | None = None

    @property
    def wanted_mode(self) -> int:
        """The mode that the file should have: only the owner may use it, and a stricter mode stays."""
        return _MODE if self.mode is None else self.mode & _MODE


class AuthPlace:
    """The file at a path, or where symbolic links of root or of the user of the task lead from there.

    Nothing is created before opened(). Raises DestinationError for anything but a regular file and for a link of
    another user, ParentRefused, FilesystemError. warning is a message about other users who can replace the file, None
    if there are none.
    """

    def __init__(self, path: str) -> None:
        self.path = _follow_links(path)
        directory, self._name = os.path.split(self.path)
        if not self._name:
            raise _refusal(path, "it is a directory", "give the path of a file in it")
        self._directory = directory or "."
        self._lock = f".{self._name}.oci_login.lock"
        self._new = f".{self._name}.oci_login.new-"
        with self._parents() as parents:
            parents.check()
            self.warning = risk_warning(f"the auth file {visible(self.path)}", parents.risk)

    def read(self) -> Found:
        """Return what is at the place."""
        with self._parents() as parents:
            return Found() if parents.missing else self.read_in(parents.fd)

    def read_in(self, folder: int) -> Found:
        """Return what is at the place, whose directory is open."""
        with translated("reading", self.path):
            try:
                data = read_file(folder, self._name, maximum=MAX_BYTES)
            except OSError as exc:
                if exc.errno in (errno.EINVAL, errno.ELOOP, errno.ENXIO, errno.EISDIR):
                    raise _refusal(self.path, "it is not a regular file", "give another path") from None
                raise
            if data is None:
                return Found()
            status = os.stat(self._name, dir_fd=folder, follow_symlinks=False)
        return Found(data, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))

    @contextlib.contextmanager
    def opened(self) -> t.Iterator[int]:
        """Yield a descriptor of the directory, which is created if it is missing, with the lock held. Raises Locked."""
        with opened_again(lambda stack: self._open(stack, _LOCK_SECONDS)) as folder:
            yield folder

    def replace(self, folder: int, data: bytes, *, found: Found) -> None:
        """Replace the file that was found, whose directory is open. The new one has its owner and wanted mode.

        At no moment can other users open it: they could read through their descriptor what is written later. So other
        attributes, such as access control lists, are not kept.
        """
        new = f"{self._new}{os.urandom(8).hex()}"
        with translated("writing", self.path):
            self._sweep(folder)
            try:
                _write(folder, new, data, found)
                os.rename(new, self._name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(new, dir_fd=folder)
                raise
            os.fsync(folder)

    def tidy(self) -> None:
        """Remove what killed tasks left, unless another task is active or this user lacks permission."""
        with contextlib.suppress(OSError, CollectionError), contextlib.ExitStack() as stack:
            parents = stack.enter_context(self._parents())
            if not parents.missing:
                os.stat(self._lock, dir_fd=parents.fd, follow_symlinks=False)
                self._sweep(self._open(stack, 0))

    def _open(self, stack: contextlib.ExitStack, seconds: float) -> int:
        parents = stack.enter_context(self._parents())
        with translated("making the directory of", self.path), _umask(0o077):
            parents.make()
        with translated("locking", self.path):
            folder = os.open(".", DIRECTORY, dir_fd=parents.fd)
            stack.callback(os.close, folder)
            path = os.path.join(self._directory, self._lock)
            lock = lock_file(folder, self._lock, path=path, deadline=time.monotonic() + seconds)
        if lock is None:
            shown = visible(self.path)
            raise Locked(
                f"While changing {shown}: another task has locked it for {seconds:g} seconds; run the task again when "
                "the other task has ended.",
                path=shown,
            )
        stack.callback(unlock_file, folder, self._lock, lock)
        return folder

    def _parents(self) -> Parents:
        with translated("looking for the directory of", self.path):
            return Parents(self._directory)

    def _sweep(self, folder: int) -> None:
        """Remove the new files that killed tasks left."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(self._new):
                    os.unlink(entry.name, dir_fd=folder)


def _write(folder: int, name: str, data: bytes, found: Found) -> None:
    fd = os.open(name, _CREATE, _MODE, dir_fd=folder)
    try:
        if found.owner is not None:
            with contextlib.suppress(PermissionError):  # an unprivileged user cannot change the owner
                os.fchown(fd, *found.owner)
        os.fchmod(fd, found.wanted_mode)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def _follow_links(path: str) -> str:
    """Return where the symbolic links in the place of the file lead, which may be nothing. Raises DestinationError."""
    given = path
    for dummy in range(_MAXIMUM_LINKS):
        directory, name = os.path.split(path)
        with translated("looking for", path), Parents(directory or ".") as parents:
            target = None if parents.missing or not name else _read_link(parents, name, given)
            if target is None:
                return path if path == given else os.path.join(parents.path, name)
            path = os.path.join(parents.path, target)
    raise _refusal(given, "it leads through too many symbolic links", "give the path that the links lead to")


def _read_link(parents: Parents, name: str, given: str) -> str | None:
    """Return the target of a symbolic link, None for anything else. Raises DestinationError for one of another user."""
    try:
        fd = os.open(name, _LOOK, dir_fd=parents.fd)
    except FileNotFoundError:
        return None
    try:
        link = os.fstat(fd)
        if not stat.S_ISLNK(link.st_mode):
            return None
        target = os.readlink("", dir_fd=fd)
    finally:
        os.close(fd)
    why = parents.risk
    if why is None and link.st_uid not in (0, os.geteuid()):
        why = f"it belongs to the user id {link.st_uid}"
    if why is not None:
        shown = visible(os.path.join(parents.path, name))
        raise _refusal(
            given,
            f"{shown} is a symbolic link that another user can change ({why})",
            "give the path that the link leads to",
        )
    return target


@contextlib.contextmanager
def _umask(mask: int) -> t.Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _refusal(path: str, why: str, remedy: str) -> DestinationError:
    shown = visible(path)
    return DestinationError(f"The auth file {shown} cannot be used: {why}; {remedy}.", path=shown)


__all__ = ("AuthPlace", "Found")
