# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from .._oci.digest import Digest
from .._oci.errors import DigestError, JsonInvalid
from .._oci.strict_json import JsonValue, load
from .._unpack.checks import Place, open_place, refusal
from .._unpack.confine import DIRECTORY
from .._unpack.durable import read_file, replace_file
from .._unpack.errors import Locked, printable
from .._unpack.translate import translated
from .locking import lock

_MAX_BYTES: t.Final = 1024 * 1024
_FORMAT: t.Final = 1


class LayeredDirectory:
    """A directory that layers are applied to one by one, and the note beside it of which ones that were.

    The note C(.NAME.oci-layers) holds diff_ids and the inode number of the directory: it says nothing about another
    directory that is there later. Opening it creates nothing. A context manager. Raises DestinationError,
    FilesystemError.
    """

    def __init__(self, path: str) -> None:
        self._place: Place = open_place(path)
        self._note = f".{self._place.name}.oci-layers"
        self.path = self._place.path

    def __enter__(self) -> LayeredDirectory:
        return self

    def __exit__(self, *dummy: object) -> None:
        self._place.close()

    def applied(self) -> tuple[Digest, ...]:
        """Returns the diff_ids of the layers that were applied to the directory that is there now, in their order."""
        root = self._place.look()
        if root is None or root.empty:
            return ()
        with translated("reading", self._note_path):
            data = read_file(self._place.parent_fd, self._note, maximum=_MAX_BYTES)
        if data is None:
            return ()
        try:
            inode, diff_ids = _parse(data)
        except ValueError:
            raise refusal(
                self.path, f"{printable(self._note_path)} is damaged", "remove it, and the layers are applied again"
            ) from None
        return diff_ids if inode == root.inode else ()

    def is_managed(self) -> bool:
        """Tells whether there is a state directory, which oci_image_unpack keeps."""
        with translated("looking at", self._place.state_path):
            try:
                os.stat(self._place.state_name, dir_fd=self._place.parent_fd, follow_symlinks=False)
            except FileNotFoundError:
                return False
        return True

    @contextlib.contextmanager
    def opened(self, *, lock_timeout: float) -> t.Iterator[int]:
        """Yields the directory, open and locked; makes it if it is not there. Raises Locked."""
        with translated("opening", self.path):
            if self._place.look() is None:
                os.mkdir(self._place.name, 0o755, dir_fd=self._place.parent_fd)
            root = os.open(self._place.name, DIRECTORY, dir_fd=self._place.parent_fd)
        try:
            if not lock(root, timeout=lock_timeout):
                raise self._locked(lock_timeout)
            yield root
        finally:
            os.close(root)

    def note(self, root: int, diff_ids: t.Sequence[Digest]) -> None:
        """Writes down that these are the layers in the directory that is open as C(root)."""
        found = {"format": _FORMAT, "inode": os.fstat(root).st_ino, "diff_ids": [str(diff_id) for diff_id in diff_ids]}
        with translated("writing", self._note_path):
            replace_file(self._place.parent_fd, self._note, json.dumps(found).encode("ascii"))

    @property
    def _note_path(self) -> str:
        return os.path.join(self._place.parent, self._note)

    def _locked(self, timeout: float) -> Locked:
        shown = printable(self.path)
        return Locked(
            f"While waiting for {shown}: another task has been applying a layer to it for {timeout:g} seconds; run"
            " the task again when that one is done, or raise lock_timeout.",
            path=shown,
        )


def _parse(data: bytes) -> tuple[int, tuple[Digest, ...]]:
    """Reads a note. Raises ValueError for anything else."""
    try:
        fields = load(data, what="the note", max_bytes=_MAX_BYTES, max_depth=4)
        if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
            raise ValueError("not a note of this version")
        inode, texts = fields.get("inode"), fields.get("diff_ids")
        if not isinstance(inode, int) or not isinstance(texts, list):
            raise ValueError("fields are missing")
        return inode, tuple(_digest(text) for text in texts)
    except (JsonInvalid, DigestError) as error:
        raise ValueError(error.message) from None


def _digest(value: JsonValue) -> Digest:
    if not isinstance(value, str):
        raise ValueError("a diff_id is not text")
    return Digest.parse(value)


__all__ = ("LayeredDirectory",)
