# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The directory that holds the tree of an image, and every change to it: publish, restore, roll back, remove.

_module/image/present.py, image/tree.py and image/absent.py open a Destination.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from dataclasses import dataclass, replace

from .._base.text import Warn, visible
from .._unpack.errors import UnpackError
from .._unpack.record.record import Recording
from .._unpack.tree.confine import DIRECTORY
from .._unpack.tree.syscalls import sync_filesystem
from .answer import Answer, describe_files, write_answer
from .durable import open_anonymous, open_new, write_file
from .inspection import LOCK_TIMEOUT, DestinationInspection, View
from .location import Location
from .lock import StateDirectory
from .os_errors import naming_filesystem, translated
from .place import refusal
from .private import RECORD, ROOTFS, STAMP
from .publish import Plan, settle, switch, take_away
from .stamp import ForeignStamp, Stamp, StampInvalid
from .state import DestinationState
from .store import Store


@dataclass(frozen=True)
class Staging:
    """A private empty directory to unpack into.

    root_fd and path (for messages) are those of the directory to unpack into; name and fd those of the directory above
    it, which becomes the generation. recording is where the record of the tree is written before publish().
    """

    root_fd: int
    path: str
    name: str
    fd: int
    recording: Recording


@dataclass(frozen=True)
class Outcome:
    """What is at the destination after a change, and what was there before it.

    stamp and previous are None for a tree that this collection did not unpack; previous is also None if there was no
    tree. Both are the same if nothing changed.
    """

    changed: bool
    generation: int
    stamp: Stamp | None
    previous: Stamp | None


class Destination(View):
    """A directory that holds the tree of an image, with its earlier generations.

    All but the tree itself is in one state directory, beside it or where the Location says, which only its owner may
    enter. A tree is replaced in one step, after it was written to the disk completely: however a run ends, the
    destination holds the old tree or the new one, and the next run removes leftovers.

    Entering checks the path, takes the lock, waiting up to lock_timeout seconds, and settles what an interrupted run
    left. With create=False no state directory is made: that suits removing and rolling back.

    Raises DestinationError for a path or a state that cannot be used, Locked, and FilesystemError, or its subclass
    NoSpace, for what the system refuses.
    """

    def __init__(
        self,
        path: str,
        *,
        warn: Warn,
        force: bool = False,
        lock_timeout: float = LOCK_TIMEOUT,
        create: bool = True,
        location: Location | None = None,
    ) -> None:
        super().__init__(path, warn=warn, force=force, lock_timeout=lock_timeout, location=location)
        self._create = create
        self._directory: StateDirectory | None = None

    @staticmethod
    def inspect(
        path: str,
        *,
        warn: Warn,
        force: bool = False,
        lock_timeout: float = LOCK_TIMEOUT,
        location: Location | None = None,
    ) -> DestinationInspection:
        """Return a View of the same destination that changes nothing."""
        return DestinationInspection(path, warn=warn, force=force, lock_timeout=lock_timeout, location=location)

    def __enter__(self) -> Destination:
        with contextlib.ExitStack() as stack:
            stack.callback(self._stack.close)
            self._open_place()
            self._open_store(create=self._create)
            stack.pop_all()
        return self

    def _open_store(self, *, create: bool) -> None:
        with naming_filesystem(self._place.canonical):
            directory = self._open_directory(create=create, exclusive=True)
            store = self._store
            if directory is None or store is None:
                return
            with translated("recovering from an interrupted run at", self.path):
                self._set_state(settle(store, store.load()))
        self._directory = directory
        self._stack.callback(self._clean_up, store, directory)
        store.sweep(self._state)

    def _set_state(self, state: DestinationState) -> None:
        self._state = state
        self._root = self._place.look()

    def _clean_up(self, store: Store, directory: StateDirectory) -> None:
        if self._state.is_empty:
            store.clear()
            directory.discard(self._place)

    def _open_if_needed(self) -> Store:
        if self._store is None:
            self._make_state_parents()
            self._open_store(create=True)
        return self._opened_store

    def _make_state_parents(self) -> None:
        """Create missing directories above a state directory that is not beside the destination."""
        if self._location is None or self._place.state.dest is None:
            return
        self._location.make_state_parents()
        self._place = self._location.open()
        self._stack.callback(self._place.close)

    @contextlib.contextmanager
    def staging(self, *, digests: bool = False) -> t.Iterator[Staging]:
        """Yield an empty directory to unpack into; remove it at the end unless it was published.

        digests says whether the record of the tree gets digests of files, without which drift() cannot compare their
        content.
        Raises what check_replaceable() raises, before anything is made. A NoSpace that is raised in the block is raised
        again with the name of the file system.
        """
        from .._unpack.tree.inode_table import Scratch

        store = self._open_if_needed()
        self.check_replaceable()
        with naming_filesystem(self._place.canonical), contextlib.ExitStack() as stack:
            with translated("making a directory to unpack into beside", self.path):
                name, fd = stack.enter_context(store.staging())
                root_fd = os.open(ROOTFS, DIRECTORY, dir_fd=fd)
                stack.callback(os.close, root_fd)
                record = open_new(fd, RECORD)
                stack.callback(os.close, record)
                scratch = open_anonymous(fd)
                stack.callback(os.close, scratch)
                recording = Recording(record, Scratch(scratch), digests)
            yield Staging(root_fd, f"{self._place.state_path}/{name}/{ROOTFS}", name, fd, recording)

    def publish(
        self,
        staging: Staging,
        stamp: Stamp,
        *,
        keep: int = 1,
        drifted: bool = False,
    ) -> Outcome:
        """Make the tree in staging, which is recorded there, the one at the destination.

        keep is the number of earlier generations that stay. drifted says that the present tree is replaced because it
        changed after it was unpacked: it is kept once, besides the others, and never rolled back to. Raises what
        check_replaceable() raises, and FilesystemError or NoSpace; the destination is unchanged then.
        """
        store = self._open_if_needed()
        self._root = self._place.look()
        self.check_replaceable()
        with naming_filesystem(self._place.canonical), translated("publishing", self.path):
            self._write_stamp(staging, stamp)
            state, previous = self._find_previous(store)
            sync_filesystem(store.fd)
            plan = Plan("publish", state.next, previous, drifted=drifted, staged=staging.name, keep=keep)
            return self._switch(store, replace(state, next=state.next + 1), plan)

    def update_stamp(self, stamp: Stamp) -> None:
        """Replace the stamp of the tree at the destination, which stays as it is. Raises FilesystemError, NoSpace."""
        data, number = self._stamp_bytes(stamp), t.cast(int, self._state.current)
        with naming_filesystem(self._place.canonical), translated("updating the stamp of", self.path):
            self._check_state_directory()
            self._opened_store.replace_stamp(number, data)

    def keep_answer(self, answer: Answer) -> None:
        """Keep what a task returns that finds the tree as it is now. Raises OSError, DestinationError."""
        store, number = self._opened_store, t.cast(int, self._state.current)
        files = describe_files(self._place, store.fd, number)
        write_answer(store.fd, {**answer, "generation": number, "files": files})

    def _write_stamp(self, staging: Staging, stamp: Stamp) -> None:
        write_file(staging.fd, STAMP, self._stamp_bytes(stamp))

    def _stamp_bytes(self, stamp: Stamp) -> bytes:
        try:
            return stamp.to_json()
        except StampInvalid as exc:
            why = f"the stamp of the image cannot be stored: {exc}"
            raise refusal(self.path, why, "report this with the reference of the image") from None

    def _find_previous(self, store: Store) -> tuple[DestinationState, int | None]:
        """Return the state and the generation of the tree at the destination; make a generation for a foreign tree."""
        state = self._state
        if self._root is None:
            return state, None
        if state.current is not None or self._root.empty:
            return state, state.current
        number = state.next
        store.save(state)  # else load() takes a generation without a state for a damaged state directory
        store.make_generation(number)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with store.generation(number) as fd:
            write_file(fd, STAMP, ForeignStamp(created).to_json())
        return replace(state, next=number + 1), number

    def _check_state_directory(self) -> None:
        """Raise DestinationError if the state directory was replaced since it was opened.

        The next run would not find what is written to this one.
        """
        if self._directory is None or not self._directory.is_there(self._place):
            shown = visible(self._place.state_path)
            why = f"its state directory {shown} was moved or replaced while the task ran"
            raise refusal(self.path, why, "check who else can write to the directory above it")

    def _switch(self, store: Store, state: DestinationState, plan: Plan) -> Outcome:
        self._check_state_directory()
        before = self._stamp_of(self._state.current)
        try:
            settled = switch(store, state, plan)
        except BaseException:
            with contextlib.suppress(OSError, UnpackError):  # the error that is being raised matters more
                self._set_state(store.load())
                if self._state.pending is None:
                    store.sweep(self._state)
            raise
        self._set_state(settled)
        store.sweep(settled)
        return Outcome(True, plan.generation, self._stamp_of(plan.generation), before)

    def _stamp_of(self, number: int | None) -> Stamp | None:
        return None if number is None else self._generation(number).stamp

    def _report_no_change(self) -> Outcome:
        stamp = self._stamp_of(self._state.current)
        return Outcome(False, t.cast(int, self._state.current), stamp, stamp)

    def roll_back(self) -> Outcome:
        """Exchange the tree at the destination with the generation before it; do nothing right after a roll-back.

        Raises what check_roll_back() raises, and FilesystemError; the destination is unchanged then.
        """
        target = self.check_roll_back()
        return self._report_no_change() if target is None else self._bring_back("roll_back", target.number)

    def restore(self, generation: int) -> Outcome:
        """Exchange the tree at the destination with that of a kept generation, whose drift the caller has checked.

        Raises DestinationError for a generation that is not kept or when something is mounted, and FilesystemError; the
        destination is unchanged then.
        """
        if self._check_kept(generation) == self._state.current:
            return self._report_no_change()
        self._place.check_no_mounts("Replacing")
        return self._bring_back("restore", generation)

    def _bring_back(self, operation: t.Literal["restore", "roll_back"], generation: int) -> Outcome:
        with naming_filesystem(self._place.canonical), translated("bringing back an earlier tree to", self.path):
            self._root = self._place.look()
            previous = None if self._root is None else self._state.current
            return self._switch(self._opened_store, self._state, Plan(operation, generation, previous))

    def remove(self) -> bool:
        """Remove the tree at the destination, all generations and the state directory; return whether there were any.

        The destination is gone in one step. What cannot be removed after that leads to a warning, and is removed by the
        next run. Raises what check_remove() raises, and FilesystemError; the destination is unchanged then.
        """
        if not self.check_remove():
            return False
        store = self._open_if_needed()
        if not self.check_remove():  # another run may have removed it before this one had the lock
            return False
        with naming_filesystem(self._place.canonical), translated("removing", self.path):
            self._check_state_directory()
            self._set_state(take_away(store, self._state))
            store.sweep(self._state)
        return True


__all__ = ("Destination", "Outcome", "Staging")
