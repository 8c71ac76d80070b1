# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The state directory of a destination, and the lock in it: flock(2), exclusive to change, shared to inspect.

destination.py and inspection.py open it through View.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import socket
import time
import typing as t

from .._base.lock_file import lock
from .._base.text import visible
from .._unpack.errors import DestinationError, Locked
from .os_errors import translated
from .place import Place, refusal
from .private import GENERATIONS, STATE, open_private

_LOCK: t.Final = "lock"
# How all other names in a state directory begin; see store.py and answer.py.
_OWN: t.Final = (STATE, GENERATIONS, "answer.json", "staging-", "trash-")
_OPEN_FLAGS: t.Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# How many attempts are made at least, even after the deadline: runs that end remove the directory while others wait.
# Without an end, a user who can write to the parent could replace the directory forever.
_TRIES: t.Final = 100
_HOLDER_BYTES: t.Final = 1024

# The name of a state directory before it is complete; shorter than the longest final name.
_NEW: t.Final = ".oci-new-"
_NEW_NAME: t.Final = re.compile(r"\A\.oci-new-[0-9a-f]{16}\Z")

# The errors of rename(2) if the new name is taken.
_OCCUPIED: t.Final = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


class StateDirectory:
    """The state directory of a destination, open and locked until close().

    Never blocks without a limit: the error says which run holds the lock, or that the directory keeps being replaced.
    """

    def __init__(self, fd: int, lock_fd: int | None) -> None:
        self.fd = fd
        self._lock_fd = lock_fd

    @classmethod
    def open(cls, place: Place, *, create: bool, exclusive: bool, timeout: float) -> StateDirectory | None:
        """Open and lock the directory of place; with create, make a missing one, else return None for it.

        Without exclusive the lock is shared with other readers, and nothing on disk changes. Raises Locked after
        timeout seconds, DestinationError for a directory that is not private to this user, or has another purpose.
        """
        deadline = time.monotonic() + timeout
        with translated("opening", place.state_path):
            for dummy in _tries(deadline):
                fd = _open_directory(place, create=create, deadline=deadline)
                if fd is None:
                    return None
                found = cls(fd, None)
                try:
                    _check_purpose(place, fd)
                    found._lock(place, exclusive=exclusive, deadline=deadline)
                    if found.is_there(place):
                        return found
                except BaseException:
                    found.close()
                    raise
                found.close()  # the run that held the lock removed the directory and the destination: try again
            raise _replaced_error(place)

    def _lock(self, place: Place, *, exclusive: bool, deadline: float) -> None:
        flags = os.O_RDWR | os.O_CREAT if exclusive else os.O_RDONLY
        try:
            self._lock_fd = os.open(_LOCK, flags | _OPEN_FLAGS, 0o600, dir_fd=self.fd)
        except FileNotFoundError:
            return  # the first writer has not made the lock yet, or the directory was copied without it
        started = time.monotonic()
        if not lock(self._lock_fd, deadline=deadline, shared=not exclusive):
            raise _locked_error(place, self._lock_fd, time.monotonic() - started)
        if exclusive:
            _write_holder(self._lock_fd)

    def is_there(self, place: Place) -> bool:
        """Return whether the directory, and the lock in it, still have their names. Raises OSError."""
        try:
            directory = os.stat(place.state.name, dir_fd=place.state.parent_fd, follow_symlinks=False)
            file = None if self._lock_fd is None else os.stat(_LOCK, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        same = os.path.samestat(directory, os.fstat(self.fd))
        return same and (file is None or os.path.samestat(file, os.fstat(t.cast(int, self._lock_fd))))

    def discard(self, place: Place) -> bool:
        """Remove the directory if it holds only the lock; return whether it was removed."""
        with contextlib.suppress(OSError):
            if os.listdir(self.fd) == [_LOCK]:
                os.unlink(_LOCK, dir_fd=self.fd)
                os.rmdir(place.state.name, dir_fd=place.state.parent_fd)
                return True
        return False

    def close(self) -> None:
        """Release the lock and close the directory."""
        os.close(self.fd)
        if self._lock_fd is not None:
            os.close(self._lock_fd)


def _check_purpose(place: Place, fd: int) -> None:
    """Raise DestinationError if the directory that the option state_dir names has no state, but other files.

    A run that was killed before it wrote the state leaves only files that begin with one of _OWN.
    """
    if place.state.dest is None:
        return
    names = os.listdir(fd)
    others = [name for name in names if name != _LOCK and not name.startswith(_OWN)]
    if others and STATE not in names:
        shown = visible(place.state_path)
        why = f"its state directory {shown} has other files, such as {visible(min(others))}"
        remedy = "choose an empty directory for the option state_dir, or one that does not exist yet"
        raise refusal(place.path, why, remedy)


def _tries(deadline: float) -> t.Iterator[None]:
    """Yield for each attempt until the deadline, and at least _TRIES times."""
    left = _TRIES
    while left > 0 or time.monotonic() < deadline:
        left -= 1
        yield


def _replaced_error(place: Place) -> DestinationError:
    why = f"its state directory {visible(place.state_path)} keeps being replaced"
    return refusal(place.path, why, f"check who can write to {visible(place.state.parent)}")


def _open_directory(place: Place, *, create: bool, deadline: float) -> int | None:
    for dummy in _tries(deadline):
        with contextlib.suppress(FileNotFoundError):
            return open_private(place, place.state.parent_fd, place.state.name, path=place.state_path)
        if not create:
            return None
        name = _make_directory(place)
        with contextlib.suppress(FileNotFoundError):  # another run removed the new directory as left over
            return _put_in_place(place, name)
    raise _replaced_error(place)


def _make_directory(place: Place) -> str:
    """Make a directory under an unpredictable name. Raises FileNotFoundError if the parent is gone."""
    _remove_left_over(place)
    name = f"{_NEW}{os.urandom(8).hex()}"
    os.mkdir(name, 0o700, dir_fd=place.state.parent_fd)
    return name


def _put_in_place(place: Place, name: str) -> int:
    """Make the new directory private, and rename it to its place if that is free."""
    above = place.state.parent_fd
    try:
        fd = open_private(place, above, name, path=os.path.join(place.state.parent, name))
        try:
            os.fchmod(fd, 0o700)
            for attribute in ("system.posix_acl_access", "system.posix_acl_default"):
                with contextlib.suppress(OSError):  # else the unpacked tree would inherit the parent's default entries
                    os.removexattr(fd, attribute)
            # This replaces only an empty directory. A run that has that open finds it replaced once it has the lock.
            os.rename(name, place.state.name, src_dir_fd=above, dst_dir_fd=above)
        except BaseException:
            os.close(fd)
            raise
    except BaseException as exc:
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=above)
        if isinstance(exc, OSError) and exc.errno in _OCCUPIED:
            return open_private(place, place.state.parent_fd, place.state.name, path=place.state_path)
        raise
    return fd


def _remove_left_over(place: Place) -> None:
    """Remove the empty directories that killed runs made and did not rename."""
    for name in os.listdir(place.state.parent_fd):
        if _NEW_NAME.match(name):
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=place.state.parent_fd)


def _write_holder(fd: int) -> None:
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    with contextlib.suppress(OSError):  # only messages need it: a full disk must not prevent the removal of a tree
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(holder).encode("ascii"), 0)


def _read_holder(fd: int) -> dict[str, str]:
    try:
        holder = json.loads(os.pread(fd, _HOLDER_BYTES, 0))
    except (OSError, ValueError, RecursionError):
        holder = None
    if not isinstance(holder, dict):
        return {}
    return {name: visible(str(holder[name]), limit=80) for name in ("pid", "host", "since") if name in holder}


def _locked_error(place: Place, fd: int, waited: float) -> Locked:
    holder = _read_holder(fd)
    who = "another run"
    if len(holder) == 3:
        who = f"process {holder['pid']} on {holder['host']}, running since {holder['since']},"
    shown = visible(place.path)
    return Locked(
        f"Waiting for the destination {shown} failed: {who} still held its lock after {waited:.0f} seconds;"
        " wait until that has finished, or end it, and run the task again.",
        path=shown,
        **holder,
    )


__all__ = ("StateDirectory",)
