# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The changes of a destination that survive a crash: announce, make one step, settle.

destination.py calls it; store.py describes the protocol.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t
from dataclasses import dataclass, replace

from .._base.text import visible
from .._unpack.errors import DestinationError, UnpackError
from .._unpack.tree.remove import change_mode
from .._unpack.tree.syscalls import exchange
from .durable import inode_of_directory
from .private import GENERATIONS, ROOTFS
from .state import DestinationState, Operation, Pending
from .store import Store

# The errors of renameat2(2) where the kernel or the file system cannot exchange two names.
_NO_EXCHANGE: t.Final = frozenset((errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM))


@dataclass(frozen=True)
class Plan:
    """A change that brings a tree to the destination.

    The present tree becomes that of the generation previous; if that is None, the destination must be missing or empty.
    drifted says that the present tree was changed. staged is the name of the staging directory that becomes the
    generation, None if it is a generation already. With keep, at most that many generations are kept afterwards.
    """

    operation: Operation
    generation: int
    previous: int | None
    drifted: bool = False
    staged: str | None = None
    keep: int | None = None


def switch(store: Store, state: DestinationState, plan: Plan) -> DestinationState:
    """Carry out a plan and return the new state; the next sweep() removes what the state does not list any more.

    Raises OSError or DestinationError. The destination is unchanged then, unless the state could not be written: then
    the next run settles the change.
    """
    pending = _announce(store, plan)
    announced = replace(state, pending=pending)
    try:
        store.save(announced)
        if plan.staged is not None:
            with store.opened(GENERATIONS) as fd:
                os.rename(plan.staged, str(plan.generation), src_dir_fd=store.fd, dst_dir_fd=fd)
                os.fsync(fd)
        _allow_moves(store, pending)
        _swap(store, pending)
    except BaseException:
        _settle_after_failure(store)
        raise
    return settle(store, announced, keep=plan.keep)


def take_away(store: Store, state: DestinationState) -> DestinationState:
    """Move what is at the destination, if anything, to where sweep() removes it, and forget every generation.

    Raises OSError, and then the destination is unchanged.
    """
    root = store.place.look()
    if root is None:
        return _forget(store, state)
    pending = Pending("remove", root.inode, mode=root.mode)
    announced = replace(state, pending=pending)
    try:
        store.save(announced)
        _allow_moves(store, pending)
        place = store.place
        os.rename(place.name, store.new_trash(), src_dir_fd=place.parent_fd, dst_dir_fd=store.fd)
    except BaseException:
        _settle_after_failure(store)
        raise
    return settle(store, announced)


def _forget(store: Store, state: DestinationState) -> DestinationState:
    forgotten = DestinationState(next=state.next)
    store.save(forgotten)
    return forgotten


def settle(store: Store, state: DestinationState, *, keep: int | None = None) -> DestinationState:
    """Complete the pending change if its step was made, else undo it; return the state after that.

    Raises OSError; DestinationError when the directories are not those of the change.
    """
    pending = state.pending
    if pending is None:
        return state
    if has_happened(store, pending):
        _complete(store, pending)
        settled = state.completed()
    else:
        _undo(store, pending)
        settled = state.undone()
    if keep is not None:
        settled = settled.pruned(keep)
    _restore_modes(store, pending, settled)
    os.fsync(store.place.parent_fd)
    store.save(settled)
    return settled


def has_happened(store: Store, pending: Pending) -> bool:
    """Return whether the one step of a change was made. Raises OSError."""
    there = inode_of_directory(store.place.parent_fd, store.place.name)
    return (there != pending.root) if pending.operation == "remove" else (there == pending.root)


def _announce(store: Store, plan: Plan) -> Pending:
    source = (GENERATIONS, str(plan.generation)) if plan.staged is None else (plan.staged,)
    try:
        with store.opened(*source) as fd:
            root = os.stat(ROOTFS, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        shown = visible(store.place.path)
        raise DestinationError(
            f"Bringing back generation {plan.generation} of {shown} failed, because its tree is missing in"
            f" {visible(store.place.state_path)}: unpack its image again.",
            path=shown,
        ) from None
    store.make_generations()
    if plan.previous is not None:
        store.make_generation(plan.previous)
    there = store.place.look()
    mode = None if there is None else there.mode
    return Pending(
        plan.operation,
        root.st_ino,
        plan.generation,
        plan.previous,
        plan.drifted,
        mode=stat.S_IMODE(root.st_mode),
        previous_mode=mode,
    )


def _swap(store: Store, pending: Pending) -> None:
    place = store.place
    with store.generation(t.cast(int, pending.generation)) as coming:
        if pending.previous is None:
            os.rename(ROOTFS, place.name, src_dir_fd=coming, dst_dir_fd=place.parent_fd)
            return
        try:
            exchange(coming, ROOTFS, place.parent_fd, place.name)
        except OSError as exc:
            if exc.errno not in _NO_EXCHANGE:
                raise
            with store.generation(pending.previous) as kept:
                os.rename(place.name, ROOTFS, src_dir_fd=place.parent_fd, dst_dir_fd=kept)
            os.rename(ROOTFS, place.name, src_dir_fd=coming, dst_dir_fd=place.parent_fd)


def _complete(store: Store, pending: Pending) -> None:
    if pending.generation is None or pending.previous is None:
        return
    with store.generation(pending.generation) as left, store.generation(pending.previous) as kept:
        with contextlib.suppress(FileNotFoundError):
            os.rename(ROOTFS, ROOTFS, src_dir_fd=left, dst_dir_fd=kept)
        os.fsync(left)
        os.fsync(kept)


def _undo(store: Store, pending: Pending) -> None:
    if pending.generation is None:
        return
    place = store.place
    coming = _inode_of_tree(store, pending.generation)
    if coming not in (None, pending.root):
        shown = visible(place.path)
        raise DestinationError(
            f"The destination {shown} was copied or restored in the middle of a change, so it is unknown which"
            f" tree is the old one; compare the tree there with {visible(place.state_path)}/{GENERATIONS}/"
            f"{pending.generation}, move {visible(place.state_path)} away and run the task again with force: true.",
            path=shown,
        )
    if pending.previous is not None and inode_of_directory(place.parent_fd, place.name) is None:
        with contextlib.suppress(FileNotFoundError), store.generation(pending.previous) as kept:
            os.rename(ROOTFS, place.name, src_dir_fd=kept, dst_dir_fd=place.parent_fd)


def _inode_of_tree(store: Store, number: int) -> int | None:
    with contextlib.suppress(FileNotFoundError), store.generation(number) as fd:
        return inode_of_directory(fd, ROOTFS)
    return None


def _settle_after_failure(store: Store) -> None:
    # The error that is being raised matters more; the next run settles what this one cannot.
    with contextlib.suppress(OSError, UnpackError):
        settle(store, store.load())


def _allow_moves(store: Store, pending: Pending) -> None:
    """Let an ordinary user write to the two directories, without which rename(2) may not move them."""
    if os.geteuid() == 0:
        return
    place = store.place
    if pending.generation is None:
        _allow_write(place.parent_fd, place.name, pending.mode)
        return
    with store.generation(pending.generation) as fd:
        _allow_write(fd, ROOTFS, pending.mode)
    if pending.previous is not None:
        _allow_write(place.parent_fd, place.name, pending.previous_mode)


def _restore_modes(store: Store, pending: Pending, settled: DestinationState) -> None:
    """Undo _allow_moves()."""
    if os.geteuid() == 0:
        return
    modes = ((pending.generation, pending.mode), (pending.previous, pending.previous_mode))
    for number, mode in modes:
        if number is not None and number == settled.current:
            _restore_one_mode(store.place.parent_fd, store.place.name, mode)
        elif number is not None:
            with contextlib.suppress(FileNotFoundError), store.generation(number) as fd:
                _restore_one_mode(fd, ROOTFS, mode)
    if pending.operation == "remove":
        _restore_one_mode(store.place.parent_fd, store.place.name, pending.mode)


def _allow_write(dir_fd: int, path: str, mode: int | None) -> None:
    if mode is not None and not mode & stat.S_IWUSR:
        change_mode(dir_fd, path, mode | stat.S_IRWXU)


def _restore_one_mode(dir_fd: int, path: str, mode: int | None) -> None:
    if mode is not None and not mode & stat.S_IWUSR:
        with contextlib.suppress(FileNotFoundError):
            change_mode(dir_fd, path, mode)


__all__ = ("Plan", "has_happened", "settle", "switch", "take_away")
