# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The questions about a destination that change nothing; all that check mode needs.

destination.py adds the changes; _module opens a DestinationInspection in check mode.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass

from .._base.text import Warn, visible
from .._unpack.tree.confine import DIRECTORY
from .drift import Change, Drift, Level, compare
from .location import Location
from .lock import StateDirectory
from .os_errors import translated
from .place import DestinationRoot, Place, open_place, refusal
from .publish import has_happened
from .stamp import Stamp, StampInvalid
from .state import DestinationState, Pending
from .store import Store

LOCK_TIMEOUT: t.Final = 60.0


@dataclass(frozen=True)
class Generation:
    """A kept tree that can be brought back.

    stamp is None for a foreign tree, which was at the destination before this collection, and for one whose stamp
    cannot be read, with the reason in problem. drifted says that the tree had been changed when it was replaced.
    """

    number: int
    stamp: Stamp | None = None
    foreign: bool = False
    drifted: bool = False
    problem: str | None = None


class View:
    """The questions about a destination that change nothing. A context manager.

    With force, a tree that this collection did not unpack may be replaced or removed, and a stamp that cannot be read
    counts as none. location is that of the path, if it was opened; without it the state directory is beside the path.
    """

    def __init__(
        self,
        path: str,
        *,
        warn: Warn,
        force: bool = False,
        lock_timeout: float = LOCK_TIMEOUT,
        location: Location | None = None,
    ) -> None:
        self._place: Place
        self.path = path
        self._warn = warn
        self._location = location
        self._force = force
        self._lock_timeout = lock_timeout
        self._stack = contextlib.ExitStack()
        self._store: Store | None = None
        self._state = DestinationState()
        self._interrupted: Pending | None = None
        self._root: DestinationRoot | None = None

    def __exit__(self, *dummy: object) -> None:
        self._stack.close()

    def _open_place(self) -> None:
        self._place = open_place(self.path) if self._location is None else self._location.open()
        self._stack.callback(self._place.close)
        self.path = self._place.path
        for warning in self._place.warnings:
            self._warn(warning)
        self._root = self._place.look()

    def _open_directory(self, *, create: bool, exclusive: bool) -> StateDirectory | None:
        directory = StateDirectory.open(self._place, create=create, exclusive=exclusive, timeout=self._lock_timeout)
        if directory is not None:
            self._stack.callback(directory.close)
            self._store = Store(self._place, directory.fd, warn=self._warn)
        self._root = self._place.look()
        return directory

    @property
    def exists(self) -> bool:
        """Whether there is a directory at the destination."""
        return self._root is not None

    @property
    def current_generation(self) -> int | None:
        """The number of the generation at the destination, None if this collection does not manage it."""
        return self._state.current

    @property
    def current(self) -> Stamp | None:
        """The stamp of the tree at the destination; None if there is none, or if a foreign tree was brought back.

        Raises DestinationError for a stamp that cannot be read; with force it warns instead.
        """
        if self._state.current is None:
            return None
        generation = self._generation(self._state.current)
        if generation.problem is None:
            return generation.stamp
        message = f"the stamp of the unpacked image cannot be read ({generation.problem})"
        if not self._force:
            raise refusal(self.path, message, "run the task with force: true to unpack the image again")
        self._warn(f"The tree at {visible(self.path)} is treated as that of an unknown image: {message}.")
        return None

    @property
    def generations(self) -> tuple[Generation, ...]:
        """The kept generations besides the current one, in the order in which they would be rolled back to."""
        return tuple(self._generation(number) for number in self._state.kept)

    @property
    def rolled_back_from(self) -> int | None:
        """The generation that was current before a roll-back; None if there was another change since."""
        return self._state.rolled_back_from

    def _generation(self, number: int) -> Generation:
        drifted = number in self._state.drifted
        try:
            stamp = self._opened_store.stamp(number)
        except StampInvalid as exc:
            return Generation(number, drifted=drifted, problem=str(exc))
        if isinstance(stamp, Stamp):
            return Generation(number, stamp, drifted=drifted)
        return Generation(number, foreign=True, drifted=drifted)

    @property
    def _opened_store(self) -> Store:
        if self._store is None:
            raise refusal(self.path, "no image was unpacked there yet", "unpack an image first")
        return self._store

    def drift(self, level: Level, *, generation: int | None = None) -> Drift:
        """Compare the tree at the destination, or of a kept generation, with its record.

        A foreign tree has no record, and therefore no drift; a missing tree is one change. What is mounted in the tree
        at the destination is skipped. Raises DestinationError for a generation that is not kept, FilesystemError.
        """
        number = self._state.current if generation is None else self._check_kept(generation)
        if number is None or level == "none" or self._generation(number).foreign:
            return Drift()
        with translated("comparing the record with the tree", self.path):
            return self._compare(number, level)

    def _compare(self, number: int, level: Level) -> Drift:
        with contextlib.ExitStack() as stack:
            root_fd = self._open_tree(number)
            if root_fd is None:
                return Drift((Change(".", "removed"),), 1)
            stack.callback(os.close, root_fd)
            record = self._opened_store.open_record(number)
            if record is None:
                return Drift((Change("the record of the tree is missing", "record"),), 1)
            stack.enter_context(record)
            skip = self._place.mounts.below(self._place.canonical) if number == self._state.current else frozenset()
            return compare(record, root_fd, level=level, warn=self._warn, skip=skip)

    def _check_kept(self, number: int) -> int:
        if number != self._state.current and number not in self._state.kept:
            raise refusal(self.path, f"generation {number} is not kept", "choose a kept one, or unpack an image")
        return number

    def _open_tree(self, number: int) -> int | None:
        store = self._opened_store
        if number == self._state.current:
            with contextlib.suppress(FileNotFoundError):
                return os.open(self._place.name, DIRECTORY, dir_fd=self._place.parent_fd)
        found = store.open_tree(number)
        interrupted = self._interrupted
        if found is None and interrupted is not None and interrupted.generation and interrupted.previous == number:
            found = store.open_tree(interrupted.generation)
        return found

    @contextlib.contextmanager
    def root(self) -> t.Iterator[int]:
        """Yield the directory at the destination, open. Raises FilesystemError, also if there is none."""
        with translated("opening", self.path):
            fd = os.open(self._place.name, DIRECTORY, dir_fd=self._place.parent_fd)
        try:
            yield fd
        finally:
            os.close(fd)

    def check_replaceable(self) -> None:
        """Raise DestinationError unless a tree may be published here.

        The destination must be missing, empty, or unpacked by this collection, unless force is set; and nothing may be
        mounted in it.
        """
        self._place.check_no_mounts("Replacing")
        if self._root is None or self._root.empty or self._state.current is not None:
            return
        if not self._force:
            raise refusal(
                self.path,
                "it is not empty, and its content was not unpacked by this collection",
                "choose another directory, or set force: true, which keeps the content as a generation",
            )
        self._place.check_holds_no_destination()

    def check_roll_back(self) -> Generation | None:
        """Return the generation that a roll-back would bring back, None if the last change was a roll-back.

        Raises DestinationError when there is none, or when something is mounted in the tree.
        """
        if self._state.current is None:
            raise refusal(self.path, "nothing there was unpacked by this collection", "unpack an image first")
        if self._state.rolled_back_from is not None:
            return None
        target = self._state.roll_back_target
        if target is None:
            remedy = "unpack the image that you want, and set keep_generations to at least 1"
            raise refusal(self.path, "no earlier generation is kept to roll back to", remedy)
        self._place.check_no_mounts("Rolling back")
        return self._generation(target)

    def check_remove(self) -> bool:
        """Return whether there is anything to remove.

        Raises DestinationError if this collection did not unpack it, unless force is set, or if something is mounted in
        it.
        """
        if self._state.current is None and self._root is None:
            return False
        self._place.check_no_mounts("Removing")
        if self._state.current is None and self._root is not None and not (self._root.empty or self._force):
            raise refusal(
                self.path,
                "its content was not unpacked by this collection",
                "set force: true to remove it anyway",
            )
        return True


class DestinationInspection(View):
    """A View that creates and changes nothing, for check mode.

    Waits while another run changes the destination, up to lock_timeout seconds. An interrupted change is seen as the
    next run will settle it. Entering raises what open_place() raises, DestinationError for a state that cannot be used,
    and Locked.
    """

    def __enter__(self) -> DestinationInspection:
        with contextlib.ExitStack() as stack:
            stack.callback(self._stack.close)
            self._open_place()
            self._open_directory(create=False, exclusive=False)
            if self._store is not None:
                self._read_state(self._store)
            stack.pop_all()
        return self

    def _read_state(self, store: Store) -> None:
        state = store.load()
        self._interrupted = state.pending
        if state.pending is not None:
            with translated("looking at", self.path):
                state = state.completed() if has_happened(store, state.pending) else state.undone()
        self._state = state


__all__ = ("LOCK_TIMEOUT", "DestinationInspection", "Generation", "View")
