# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from dataclasses import dataclass, replace

from .._base.parents import Parents
from .._unpack.confine import DIRECTORY
from .._unpack.errors import UnpackError, printable
from .._unpack.record import Recording
from .._unpack.syscalls import sync_filesystem
from .durable import open_anonymous, open_new, write_file
from .inspection import LOCK_TIMEOUT, Inspection, View
from .lock import StateDirectory
from .os_errors import naming_filesystem, translated
from .place import refusal
from .publish import Plan, settle, switch, take_away
from .stamp import ForeignStamp, Stamp, StampInvalid
from .state import State
from .store import RECORD, ROOTFS, STAMP, Store, Warn


@dataclass(frozen=True)
class Staging:
    """A private empty directory to unpack into: its descriptor, and its path for messages.

    name and fd are those of the directory that becomes the generation; the one to unpack into is in it. recording is
    where the record of the tree is written before it is published.
    """

    root_fd: int
    path: str
    name: str
    fd: int
    recording: Recording


@dataclass(frozen=True)
class Outcome:
    """What is at the destination after a change, and what was there before it.

    stamp and previous are None for a tree that was not unpacked by this collection; previous also for none at all.
    Where nothing changed they are the same.
    """

    changed: bool
    generation: int
    stamp: Stamp | None
    previous: Stamp | None


class Destination(View):
    """A directory that holds the tree of an image, its earlier generations, and the only way to change them.

    Everything but the tree itself is in one directory beside it, .NAME.oci, which only its user may enter. A tree is
    replaced in one step, after it was written to the disk completely; whatever ends a run, the destination holds the
    old tree or the new one, and the next run removes what was left behind.

    Entering checks the path, takes the lock, waiting up to lock_timeout seconds, and settles what an interrupted run
    left. With create=False no state directory is made just to look, as suits removing and rolling back.

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
        parents: Parents | None = None,
    ) -> None:
        super().__init__(path, warn=warn, force=force, lock_timeout=lock_timeout, parents=parents)
        self._create = create
        self._directory: StateDirectory | None = None

    @staticmethod
    def inspect(
        path: str,
        *,
        warn: Warn,
        force: bool = False,
        lock_timeout: float = LOCK_TIMEOUT,
        parents: Parents | None = None,
    ) -> Inspection:
        """Returns what answers the same questions without changing anything."""
        return Inspection(path, warn=warn, force=force, lock_timeout=lock_timeout, parents=parents)

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
            with translated("settling what an interrupted run left of", self.path):
                self._changed_to(settle(store, store.load()))
        self._directory = directory
        self._stack.callback(self._clean_up, store, directory)
        store.sweep(self._state)

    def _changed_to(self, state: State) -> None:
        self._state = state
        self._root = self._place.look()

    def _clean_up(self, store: Store, directory: StateDirectory) -> None:
        if self._state == State(next=self._state.next):
            store.clear()
            directory.discard(self._place)

    def _ready(self) -> Store:
        if self._store is None:
            self._open_store(create=True)
        return self._opened_store

    @contextlib.contextmanager
    def staging(self) -> t.Iterator[Staging]:
        """Yields an empty directory to unpack into, which is removed in the end unless it was published.

        Raises what check_replaceable() does, before anything is made. A NoSpace that is raised in the block is raised
        again with the file system's name.
        """
        from .._unpack.inode_table import Scratch

        store = self._ready()
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
                recording = Recording(record, Scratch(scratch))
            yield Staging(root_fd, f"{self._place.state_path}/{name}/{ROOTFS}", name, fd, recording)

    def publish(
        self,
        staging: Staging,
        stamp: Stamp,
        *,
        keep: int = 1,
        drifted: bool = False,
    ) -> Outcome:
        """Brings the tree that was unpacked into staging, and recorded there, to the destination.

        keep is how many earlier generations stay. drifted says that the tree there now is replaced because it changed
        after it was unpacked: it is kept once, besides the others, and never rolled back to.

        Raises what check_replaceable() does, and FilesystemError or NoSpace; the destination is as before then.
        """
        store = self._ready()
        self._root = self._place.look()
        self.check_replaceable()
        with naming_filesystem(self._place.canonical), translated("publishing", self.path):
            self._write_stamp(staging, stamp)
            state, previous = self._with_previous(store)
            sync_filesystem(store.fd)
            plan = Plan("publish", state.next, previous, drifted=drifted, staged=staging.name, keep=keep)
            return self._switch(store, replace(state, next=state.next + 1), plan)

    def _write_stamp(self, staging: Staging, stamp: Stamp) -> None:
        try:
            data = stamp.to_json()
        except StampInvalid as exc:
            why = f"what is to be noted about the image cannot be stored: {exc}"
            raise refusal(self.path, why, "report this together with the image's reference") from None
        write_file(staging.fd, STAMP, data)

    def _with_previous(self, store: Store) -> tuple[State, int | None]:
        """Finds the generation that the tree at the destination belongs to; makes one for a foreign tree."""
        state = self._state
        if self._root is None:
            return state, None
        if state.current is not None or self._root.empty:
            return state, state.current
        number = state.next
        store.save(state)  # a generation without any state would be taken for a damaged state directory
        store.make_generation(number)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with store.generation(number) as fd:
            write_file(fd, STAMP, ForeignStamp(created).to_json())
        return replace(state, next=number + 1), number

    def _check_state_directory(self) -> None:
        """Raises DestinationError if the state directory was exchanged since it was opened: what would be written there
        is not what the next run finds."""
        if self._directory is None or not self._directory.is_there(self._place):
            shown = printable(self._place.state_path)
            why = f"its state directory {shown} was moved or replaced while the task ran"
            raise refusal(self.path, why, "see who else can write to the directory that it is in")

    def _switch(self, store: Store, state: State, plan: Plan) -> Outcome:
        self._check_state_directory()
        before = self._stamp_of(self._state.current)
        try:
            settled = switch(store, state, plan)
        except BaseException:
            with contextlib.suppress(OSError, UnpackError):  # what is raised already matters more
                self._changed_to(store.load())
                if self._state.pending is None:
                    store.sweep(self._state)
            raise
        self._changed_to(settled)
        store.sweep(settled)
        return Outcome(True, plan.generation, self._stamp_of(plan.generation), before)

    def _stamp_of(self, number: int | None) -> Stamp | None:
        return None if number is None else self._generation(number).stamp

    def _unchanged(self) -> Outcome:
        stamp = self._stamp_of(self._state.current)
        return Outcome(False, t.cast(int, self._state.current), stamp, stamp)

    def roll_back(self) -> Outcome:
        """Exchanges the tree at the destination with the generation before it; does nothing right after a roll-back.

        Raises what check_roll_back() does, and FilesystemError; the destination is as before then.
        """
        target = self.check_roll_back()
        return self._unchanged() if target is None else self._bring_back("roll_back", target.number)

    def restore(self, generation: int) -> Outcome:
        """Exchanges the tree at the destination with that of a kept generation. The caller has looked for its drift.

        Raises DestinationError for one that is not kept or when something is mounted, and FilesystemError; the
        destination is as before then.
        """
        if self._kept(generation) == self._state.current:
            return self._unchanged()
        self._place.check_no_mounts("Replacing")
        return self._bring_back("restore", generation)

    def _bring_back(self, operation: t.Literal["restore", "roll_back"], generation: int) -> Outcome:
        with naming_filesystem(self._place.canonical), translated("bringing back an earlier tree to", self.path):
            self._root = self._place.look()
            previous = None if self._root is None else self._state.current
            return self._switch(self._opened_store, self._state, Plan(operation, generation, previous))

    def remove(self) -> bool:
        """Removes the tree at the destination, all generations and the state directory; tells whether there was any.

        The destination is gone in one step; what cannot be removed after that only warns, and is removed by the next
        run. Raises what check_remove() does, and FilesystemError; the destination is as before then.
        """
        if not self.check_remove():
            return False
        store = self._ready()
        if not self.check_remove():  # another run may have been here before this one had the lock
            return False
        with naming_filesystem(self._place.canonical), translated("removing", self.path):
            self._check_state_directory()
            self._changed_to(take_away(store, self._state))
            store.sweep(self._state)
        return True


__all__ = ("Destination", "Outcome", "Staging")
