# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The order of steps of oci_layer_unpack: verify the file, lock the directory, apply the layer, record it."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ..._base.text import Warn, ignore, visible
from ..._destination.place import refusal
from ..._oci.media_type import layer_compression
from ..._unpack.errors import DiffIdMismatch
from ..._unpack.layers import unpack_layers
from .directory import LayeredDirectory, Note
from .file import LayerFile

if t.TYPE_CHECKING:
    from ..._oci.digest import Digest
    from ..._unpack.layers import LayerSource
    from ..._unpack.limits import Limits
    from ..._unpack.pipeline.decompress import Compression
    from ..options.tree_options import TreeOptions


_MISSING_FILE: t.Final = (
    "The layer file {} does not exist; an earlier task may create it, so its content was not verified."
)


@dataclass(frozen=True)
class ApplyOutcome:
    """The outcome of a task, predicted in check mode: the diff_ids of the applied layers before and after."""

    changed: bool
    before: tuple[Digest, ...]
    after: tuple[Digest, ...]
    entries: int = 0
    bytes: int = 0


def ensure_applied(
    dest: str,
    src: str,
    diff_id: Digest,
    *,
    media_type: str | None,
    options: TreeOptions,
    force: bool,
    lock_timeout: float,
    check: bool,
    warn: Warn,
) -> ApplyOutcome:
    """Apply the layer file src to the directory dest, unless it was applied before and force is not set.

    The whole layer is verified before anything changes. With check nothing changes, and src may be missing, because an
    earlier task of the play may create it. Raises UnpackError, Unsupported, ParentRefused, LockFileRefused.
    """
    compression = None if media_type is None else layer_compression(media_type)
    with LayeredDirectory(dest, make=not check) as directory:
        if directory.warning is not None:
            warn(directory.warning)
        note = _read_note(directory)
        if note.has(diff_id) and not force:
            if not check:
                directory.tidy()
            return ApplyOutcome(False, note.applied, note.applied)
        if check and not os.path.lexists(src):
            warn(_MISSING_FILE.format(visible(src)))
            return ApplyOutcome(True, note.applied, note.ending(diff_id).applied)
        with LayerFile(src) as layer:
            _verify(layer, diff_id, compression=compression, limits=options.limits, dest=directory.path)
            if check:
                return ApplyOutcome(True, note.applied, note.ending(diff_id).applied)
            source = layer.source(diff_id, compression=compression)
            with directory.opened(lock_timeout=lock_timeout) as root:
                note = _read_note(directory)  # another task may have applied a layer before this one had the lock
                if note.has(diff_id) and not force:
                    return ApplyOutcome(False, note.applied, note.applied)
                return _apply(directory, root, source, note, options=options, warn=warn)


def _apply(
    directory: LayeredDirectory, root: int, source: LayerSource, note: Note, *, options: TreeOptions, warn: Warn
) -> ApplyOutcome:
    diff_id = source.diff_id
    _warn_of_incomplete(note, diff_id, directory.path, warn)
    directory.note(root, note.applied, begun=note.beginning(diff_id).begun)
    unpacked = unpack_layers(
        root, [source], options=options.for_unpack(), warn=warn, fresh=False, interrupted=diff_id in note.begun
    )
    after = note.ending(diff_id)
    directory.note(root, after.applied, begun=after.begun)
    return ApplyOutcome(True, note.applied, after.applied, unpacked.entries, unpacked.size)


def _warn_of_incomplete(note: Note, diff_id: Digest, dest: str, warn: Warn) -> None:
    others = [str(one) for one in note.begun if one != diff_id]
    if others:
        warn(
            f"The directory {visible(dest)} contains parts of layers that were not applied completely: "
            f"{', '.join(others)}; apply them again."
        )


def _read_note(directory: LayeredDirectory) -> Note:
    if directory.is_managed():
        why = "oci_image_unpack manages it and would undo the change"
        raise refusal(directory.path, why, "choose another directory")
    return directory.read()


def _verify(layer: LayerFile, diff_id: Digest, *, compression: Compression | None, limits: Limits, dest: str) -> None:
    try:
        layer.verify(diff_id, compression=compression, limits=limits, warn=ignore)
    except DiffIdMismatch as exc:
        raise DiffIdMismatch(
            f"The layer file {visible(layer.path)} has the diff_id {exc.fields['actual']} and not {diff_id}; give"
            f" the file and the diff_id of the same layer. Nothing in {visible(dest)} was changed.",
            path=visible(layer.path),
            **exc.fields,
        ) from None


__all__ = ("ApplyOutcome", "ensure_applied")
