# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The files in the state directory of a destination: state.json, the generations, staging and trash.

destination.py, inspection.py and publish.py work on it, with the lock of the directory held.

A generation is an unpacked tree with its stamp and its record. The tree of the current generation is at the
destination; the trees of kept ones are in the state directory. Every change goes the same way (publish.py): state.json
announces it with the inode number of the directory that shows whether it happened; one system call makes it
(renameat2(2) with RENAME_EXCHANGE where the present tree is kept, rename(2) where there is none and for a removal);
settle() then looks which directory is at the destination, completes or undoes the
rest, and writes the new state. After a crash the next run begins with the same settle(), so there is no other recovery.
Where the file system cannot exchange two names, the old tree is renamed to its place among the generations and then the
new one to the destination; if a crash leaves the destination empty in between, settle() puts the old tree back. A
directory that state.json does not list is left over, and sweep() removes it.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import replace

from .._base.text import Warn, visible
from .._unpack.errors import DestinationError, UnpackError
from .._unpack.tree.descent import DIRECTORY
from .._unpack.tree.remove import remove_tree
from . import stamp as stamps
from . import state as states
from .answer import ANSWER, NEW_ANSWER
from .durable import read_file, replace_file
from .os_errors import translated
from .place import Place, refusal
from .private import GENERATIONS, RECORD, ROOTFS, STAMP, STATE, opened_private
from .stamp import ForeignStamp, Stamp, StampInvalid, parse_stamp
from .state import DestinationState, parse_state

# In the state directory, beside the lock:
#   state.json          the DestinationState
#   generations/NUMBER  stamp.json, tree (the record) and rootfs (the tree; absent while it is at the destination)
#   staging-RANDOM      the next generation while it is unpacked
#   trash-RANDOM        a directory that is being removed
_NEW_STATE: t.Final = f"{STATE}.new"
_NEW_STAMP: t.Final = f"{STAMP}.new"
_STAGING: t.Final = "staging-"
_TRASH: t.Final = "trash-"


class Store:
    """The files in a state directory, which is open as fd and locked by the caller.

    Every directory is opened and checked to be private before anything in it is touched.
    """

    def __init__(self, place: Place, fd: int, *, warn: Warn) -> None:
        self.place = place
        self.fd = fd
        self._warn = warn

    def opened(self, *names: str) -> t.ContextManager[int]:
        """Yield a directory below the state directory, open.

        Raises FileNotFoundError, DestinationError if it is not private, OSError.
        """
        return opened_private(self.place, self.fd, *names)

    def generation(self, number: int) -> t.ContextManager[int]:
        """Yield the directory of a generation, open; see opened()."""
        return self.opened(GENERATIONS, str(number))

    def load(self) -> DestinationState:
        """Return the state.

        Raises DestinationError when its file is invalid or missing or is that of another destination, FilesystemError.
        """
        with translated("reading", self.place.state_path):
            data = read_file(self.fd, STATE, maximum=states.MAX_BYTES)
            if data is None and not self._names(GENERATIONS):
                return DestinationState()
        try:
            if data is None:
                raise StampInvalid("it is missing, but there are generations")
            state = parse_state(data)
        except StampInvalid as exc:
            raise self._state_error(STATE, str(exc)) from None
        self._check_dest(state)
        return state

    def _check_dest(self, state: DestinationState) -> None:
        """Raise DestinationError if the option state_dir names the state directory of another destination."""
        place, dest = self.place, state.dest
        if place.state.dest is None or dest in (None, self._dest) or state.is_empty:
            return
        other = visible(os.path.normpath(os.path.join(place.state_path, dest)))
        why = f"its state directory {visible(place.state_path)} belongs to the destination {other}"
        raise refusal(place.path, why, "give each destination a state_dir of its own")

    @property
    def _dest(self) -> str | None:
        """The text that the state records of the destination: any bytes, as JSON can have them."""
        dest = self.place.state.dest
        return None if dest is None else os.fsencode(dest).decode("utf-8", "backslashreplace")

    def _state_error(self, name: str, reason: str) -> DestinationError:
        shown, state = visible(self.place.path), visible(self.place.state_path)
        return DestinationError(
            f"The state of the destination {shown} cannot be used, because {state}/{name} is invalid:"
            f" {reason}; use the newest version of this collection, or move {state} away and run the task again with"
            " force: true, which keeps the tree at the destination as a generation.",
            path=shown,
        )

    def save(self, state: DestinationState) -> None:
        """Replace the state durably and atomically. Raises OSError."""
        replace_file(self.fd, STATE, replace(state, dest=self._dest).to_json())

    def stamp(self, number: int) -> Stamp | ForeignStamp:
        """Return the stamp of a generation. Raises StampInvalid, FilesystemError."""
        data = None
        reading = translated("reading", f"{self.place.state_path}/{GENERATIONS}/{number}/{STAMP}")
        with reading, contextlib.suppress(FileNotFoundError), self.generation(number) as fd:
            data = read_file(fd, STAMP, maximum=stamps.MAX_BYTES)
        if data is None:
            raise StampInvalid("it is missing")
        return parse_stamp(data)

    def replace_stamp(self, number: int, data: bytes) -> None:
        """Replace the stamp of a generation durably and atomically. Raises OSError."""
        with self.generation(number) as fd:
            for name in os.listdir(fd):
                if name.startswith(_NEW_STAMP):  # of a run that was killed
                    os.unlink(name, dir_fd=fd)
            replace_file(fd, STAMP, data)

    def open_record(self, number: int) -> t.BinaryIO | None:
        """Open the record of a generation's tree; return None if there is none. Raises OSError."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with self.generation(number) as fd:
                return open(os.open(RECORD, flags, dir_fd=fd), "rb")
        except FileNotFoundError:
            return None

    def open_tree(self, number: int) -> int | None:
        """Open the tree of a kept generation; return None if there is no directory. Raises OSError."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), self.generation(number) as fd:
            return os.open(ROOTFS, DIRECTORY, dir_fd=fd)
        return None

    def make_generations(self) -> None:
        """Make the directory of all generations if it is missing. Raises OSError."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(GENERATIONS, 0o700, dir_fd=self.fd)

    def make_generation(self, number: int) -> None:
        """Make the directory of a generation if it is missing. Raises OSError."""
        self.make_generations()
        with contextlib.suppress(FileExistsError), self.opened(GENERATIONS) as fd:
            os.mkdir(str(number), 0o700, dir_fd=fd)

    @contextlib.contextmanager
    def staging(self) -> t.Iterator[tuple[str, int]]:
        """Make a directory for a new generation with a root directory in it; yield its name and descriptor.

        At the end it is removed if it still has that name. Raises OSError.
        """
        name = _random_name(_STAGING)
        os.mkdir(name, 0o700, dir_fd=self.fd)
        try:
            with self.opened(name) as fd:
                os.mkdir(ROOTFS, 0o700, dir_fd=fd)
                yield name, fd
        finally:
            self.discard(name)

    def new_trash(self) -> str:
        """Return an unused name; the next sweep() removes what is moved there."""
        return _random_name(_TRASH)

    def discard(self, name: str, *above: str) -> None:
        """Move something in the directory above out of the way, if it exists, and remove it.

        A failure only leads to a warning: a later sweep() removes the rest.
        """
        trash = name
        try:
            if not name.startswith(_TRASH):
                trash = self.new_trash()
                with self.opened(*above) as fd:
                    os.rename(name, trash, src_dir_fd=fd, dst_dir_fd=self.fd)
            remove_tree(self.fd, os.fsencode(trash))
        except FileNotFoundError:
            return
        except (OSError, UnpackError) as exc:
            where = visible(f"{self.place.state_path}/{trash}")
            self._warn(f"The leftover {where} could not be removed; the next run tries again. {exc}")

    def sweep(self, state: DestinationState) -> None:
        """Remove leftovers of ended runs, and generations that are no longer kept. Raises FilesystemError."""
        with translated("listing", self.place.state_path):
            leftovers = [name for name in self._names() if name.startswith((_STAGING, _TRASH, _NEW_STATE, NEW_ANSWER))]
            generations = self._names(GENERATIONS)
        for name in leftovers:
            self.discard(name)
        known = {str(number) for number in state.generations}
        for name in generations:
            if name not in known:
                self.discard(name, GENERATIONS)

    def clear(self) -> None:
        """Remove the state and all files known to belong here, if no generation is left. Raises nothing."""
        with contextlib.suppress(OSError):
            if self._names(GENERATIONS):
                return
            for name in (STATE, _NEW_STATE, ANSWER):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self.fd)
            os.rmdir(GENERATIONS, dir_fd=self.fd)

    def _names(self, *names: str) -> list[str]:
        with contextlib.suppress(FileNotFoundError), self.opened(*names) as fd:
            return sorted(os.listdir(fd))
        return []


def _random_name(prefix: str) -> str:
    return prefix + os.urandom(8).hex()


__all__ = ("Store",)
