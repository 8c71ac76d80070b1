# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._oci.media_type import layer_compression
from .._unpack.checks import refusal
from .._unpack.errors import DiffIdMismatch, printable
from .._unpack.layers import unpack_layers
from .layer_file import LayerFile
from .layered_directory import LayeredDirectory

if t.TYPE_CHECKING:
    from .._oci.digest import Digest
    from .._unpack.decompress import Compression
    from .._unpack.limits import Limits
    from .tree_options import TreeOptions

Warn = t.Callable[[str], None]


@dataclass(frozen=True)
class Applied:
    """What was done, or in check mode would be: the diff_ids in the directory before and after."""

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
    media_type: t.Optional[str],
    options: TreeOptions,
    force: bool,
    lock_timeout: float,
    check: bool,
    warn: Warn,
) -> Applied:
    """Applies the layer file C(src) to the directory C(dest), unless it was applied before and C(force) is not set.

    All of the layer is verified before anything changes. Raises UnpackError, Unsupported.
    """
    compression = None if media_type is None else layer_compression(media_type)
    with LayeredDirectory(dest) as directory:
        before = _applied(directory)
        if diff_id in before and not force:
            return Applied(False, before, before)
        with LayerFile(src) as layer:
            _verify(layer, diff_id, compression=compression, limits=options.limits, dest=directory.path)
            after = (*before, diff_id)
            if check:
                return Applied(True, before, after)
            with directory.opened(lock_timeout=lock_timeout) as root:
                source = layer.source(diff_id, compression=compression)
                unpacked = unpack_layers(root, [source], options=options.for_unpack(), warn=warn, fresh=False)
                directory.note(root, after)
    return Applied(True, before, after, unpacked.entries, unpacked.size)


def _applied(directory: LayeredDirectory) -> tuple[Digest, ...]:
    if directory.is_managed():
        why = "oci_image_unpack manages it and would undo the change"
        raise refusal(directory.path, why, "choose another directory")
    return directory.applied()


def _verify(
    layer: LayerFile, diff_id: Digest, *, compression: t.Optional[Compression], limits: Limits, dest: str
) -> None:
    try:
        layer.verify(diff_id, compression=compression, limits=limits, warn=_ignore)
    except DiffIdMismatch as error:
        raise DiffIdMismatch(
            f"The layer file {printable(layer.path)} has the diff_id {error.fields['actual']} and not {diff_id}; take"
            f" the file and the diff_id of the same layer. Nothing in {printable(dest)} was changed.",
            path=printable(layer.path),
            **error.fields,
        ) from None


def _ignore(text: str) -> None:
    """The first reading warns of nothing: the second one comes upon the same."""


__all__ = ("Applied", "ensure_applied")
