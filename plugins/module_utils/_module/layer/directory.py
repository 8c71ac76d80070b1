# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The directory that oci_layer_unpack applies layers to, and the note of applied layers beside it, .NAME.oci-layers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import time
import typing as t
from dataclasses import dataclass, replace

from ..._base.errors import JsonInvalid
from ..._base.lock_file import LockFileRefused, lock_as_older_versions_do, lock_file, unlock_file
from ..._base.strict_json import JsonValue, load
from ..._base.text import visible
from ..._destination.durable import read_file, replace_file
from ..._destination.os_errors import translated
from ..._destination.place import Place, destination_warning, find_parents, open_place, refusal
from ..._oci.digest import Digest
from ..._oci.errors import DigestError
from ..._unpack.errors import Locked
from ..._unpack.tree.confine import DIRECTORY
from ..opened_again import opened_again

_MAX_BYTES: t.Final = 1024 * 1024
_NAME_MAX: t.Final = 255
# The suffix that replace_file adds to the name of a new note, and the one that versions before 0.3.0 added.
_NEW: t.Final = re.compile(r"\.new(-[0-9a-f]+)?")
_NEW_LENGTH: t.Final = len(".new-") + 16
_FORMAT: t.Final = 1


@dataclass(frozen=True)
class Note:
    """The diff_ids of the applied layers in order, and those of layers that were begun and not completed."""

    applied: tuple[Digest, ...] = ()
    begun: tuple[Digest, ...] = ()

    def has(self, diff_id: Digest) -> bool:
        """Tell whether a layer was applied completely."""
        return diff_id in self.applied and diff_id not in self.begun

    def beginning(self, diff_id: Digest) -> Note:
        """Return the note to write before a layer is applied: diff_id is begun."""
        return self if diff_id in self.begun else replace(self, begun=(*self.begun, diff_id))

    def ending(self, diff_id: Digest) -> Note:
        """Return the note to write after a layer was applied: diff_id is applied, and no longer begun."""
        return Note((*self.applied, diff_id), tuple(one for one in self.begun if one != diff_id))


class LayeredDirectory:
    """A directory that layers are applied to one by one, and the note of applied layers beside it. A context manager.

    The note .NAME.oci-layers contains diff_ids and the inode number of the directory, so it is not valid for another
    directory of that name. Construction creates nothing unless make is set; then it creates missing parent directories,
    which are removed at the end if they are empty. warning is a message about other users who can replace the
    directory, None if there are none. Raises DestinationError, FilesystemError, ParentRefused, LockFileRefused.
    """

    def __init__(self, path: str, *, make: bool = False) -> None:
        self.path = path.rstrip("/")
        self._opened: Place | None = None
        self.warning: str | None = None
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(opened_again(lambda stack: self._open(path, stack, make=make)))

    def _open(self, path: str, stack: contextlib.ExitStack, *, make: bool) -> None:
        parents = stack.enter_context(find_parents(path))
        if make:
            with translated("making the parent directory of", path):
                parents.make()
        if make or not parents.missing:
            self._opened = open_place(path, parents)
            stack.callback(self._opened.close)
            self._check_name()
        self.warning = destination_warning(self.path, parents.risk)

    def __enter__(self) -> LayeredDirectory:
        return self

    def __exit__(self, *dummy: object) -> None:
        self._stack.close()

    @property
    def _place(self) -> Place:
        if self._opened is None:
            raise refusal(self.path, "its parent directory is missing", "create that first")
        return self._opened

    @property
    def _lock_name(self) -> str:
        return f"{self._work_name}.lock"

    @property
    def _work_name(self) -> str:
        """The prefix of the names of temporary files: the name of the note, or a hash of that if it is too long."""
        name = os.fsencode(self._note)
        if len(name) + _NEW_LENGTH <= _NAME_MAX:
            return self._note
        return f".{hashlib.sha256(name).hexdigest()}.oci-layers"

    @property
    def _note(self) -> str:
        return f".{self._place.name}.oci-layers"

    def _check_name(self) -> None:
        longest = _NAME_MAX - len("..oci-layers")
        if len(os.fsencode(self._place.name)) > longest:
            why = "its name is too long for the record file beside it"
            raise refusal(self.path, why, f"use at most {longest} bytes")

    def applied(self) -> tuple[Digest, ...]:
        """Return the diff_ids of the layers that were applied to the current directory, in order."""
        return self.read().applied

    def read(self) -> Note:
        """Return the note of the current directory; an empty one if there is no note, or it is of another directory."""
        root = None if self._opened is None else self._opened.look()
        if root is None or root.empty:
            return Note()
        with translated("reading", self._note_path):
            self._check_note()
            data = read_file(self._place.parent_fd, self._note, maximum=_MAX_BYTES)
        if data is None:
            return Note()
        try:
            inode, applied, begun = _parse(data)
        except ValueError:
            raise refusal(
                self.path, f"{visible(self._note_path)} is damaged", "remove it to have the layers applied again"
            ) from None
        return Note(applied, begun) if inode == root.inode else Note()

    def is_managed(self) -> bool:
        """Tell whether there is a state directory of oci_image_unpack."""
        if self._opened is None:
            return False
        with translated("looking at", self._place.state_path):
            try:
                os.stat(self._place.state.name, dir_fd=self._place.parent_fd, follow_symlinks=False)
            except FileNotFoundError:
                return False
        return True

    @contextlib.contextmanager
    def opened(self, *, lock_timeout: float) -> t.Iterator[int]:
        """Yield a descriptor of the locked directory, which is created if it is missing.

        A note that was read before may be outdated. Raises Locked, and DestinationError if the parent directory was
        removed.
        """
        deadline = time.monotonic() + lock_timeout
        with contextlib.ExitStack() as stack:
            with translated("locking", self.path):
                try:
                    self._lock(stack, deadline, lock_timeout)
                except FileNotFoundError:
                    why = "the directory that it is in was removed while the task ran"
                    raise refusal(self.path, why, "run the task again") from None
            with translated("opening", self.path):
                self._remove_left_over()
                if self._place.look() is None:
                    os.mkdir(self._place.name, 0o755, dir_fd=self._place.parent_fd)
                root = os.open(self._place.name, DIRECTORY, dir_fd=self._place.parent_fd)
                stack.callback(os.close, root)
            if not lock_as_older_versions_do(root, deadline=deadline):
                raise self._lock_error(lock_timeout)
            yield root

    def note(self, root: int, diff_ids: t.Sequence[Digest], *, begun: t.Sequence[Digest] = ()) -> None:
        """Write the note of the directory with the descriptor root: diff_ids were applied, begun are incomplete."""
        found = {
            "format": _FORMAT,
            "inode": os.fstat(root).st_ino,
            "diff_ids": [str(diff_id) for diff_id in diff_ids],
            "begun": [str(diff_id) for diff_id in begun],
        }
        with translated("writing", self._note_path):
            data = json.dumps(found).encode("ascii")
            replace_file(self._place.parent_fd, self._note, data, stem=self._work_name)

    def tidy(self) -> None:
        """Remove temporary files of ended runs, unless another run is active or this user lacks permission."""
        try:
            os.stat(self._lock_name, dir_fd=self._place.parent_fd, follow_symlinks=False)
            with contextlib.ExitStack() as stack:
                self._lock(stack, 0, 0)
                self._remove_left_over()
        except (OSError, Locked, LockFileRefused):
            pass

    def _lock(self, stack: contextlib.ExitStack, deadline: float, timeout: float) -> None:
        folder, name = self._place.parent_fd, self._lock_name
        fd = lock_file(folder, name, path=os.path.join(self._place.parent, name), deadline=deadline)
        if fd is None:
            raise self._lock_error(timeout)
        stack.callback(unlock_file, folder, name, fd)

    def _remove_left_over(self) -> None:
        """Remove temporary notes of runs that were killed."""
        folder, stems = self._place.parent_fd, (self._note, self._work_name)
        for name in os.listdir(folder):
            if any(name.startswith(stem) and _NEW.fullmatch(name, len(stem)) for stem in stems):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
                    os.unlink(name, dir_fd=folder)

    def _check_note(self) -> None:
        """Raise DestinationError if the note is of another user, or not a regular file."""
        try:
            found = os.stat(self._note, dir_fd=self._place.parent_fd, follow_symlinks=False)
        except FileNotFoundError:
            return
        shown = visible(self._note_path)
        if not stat.S_ISREG(found.st_mode):
            raise refusal(self.path, f"{shown}, the record of applied layers, is not a regular file", "remove it")
        if found.st_uid not in (0, os.geteuid()):
            why = f"{shown}, the record of applied layers, belongs to the user id {found.st_uid}"
            raise refusal(self.path, why, "run the task as that user (become_user), or remove the file")

    @property
    def _note_path(self) -> str:
        return os.path.join(self._place.parent, self._note)

    def _lock_error(self, timeout: float) -> Locked:
        shown = visible(self.path)
        return Locked(
            f"While waiting for {shown}: another task has been applying a layer to it for {timeout:g} seconds; run"
            " the task again when the other task has ended, or raise lock_timeout.",
            path=shown,
        )


def _parse(data: bytes) -> tuple[int, tuple[Digest, ...], tuple[Digest, ...]]:
    """Parse a note into inode number, applied layers and begun layers. Raises ValueError."""
    try:
        fields = load(data, what="the note", max_bytes=_MAX_BYTES, max_depth=4)
        if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
            raise ValueError("not a note of this version")
        inode = fields.get("inode")
        if not isinstance(inode, int):
            raise ValueError("the inode number is missing")
        # versions before 0.3.0 did not write "begun"
        return inode, _digests(fields.get("diff_ids")), _digests(fields.get("begun", []))
    except (JsonInvalid, DigestError) as exc:
        raise ValueError(exc.message) from None


def _digests(value: JsonValue | None) -> tuple[Digest, ...]:
    if not isinstance(value, list):
        raise ValueError("diff_ids are missing")
    return tuple(_digest(one) for one in value)


def _digest(value: JsonValue) -> Digest:
    if not isinstance(value, str):
        raise ValueError("a diff_id is not text")
    return Digest.parse(value)


__all__ = ("LayeredDirectory", "Note")
