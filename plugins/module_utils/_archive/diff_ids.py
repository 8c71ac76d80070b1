# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Compare decompressed layers with the diff_ids in their config, as docker load does: image-spec, config.md.

_module/archive/run.py calls this before it writes an archive for docker.
"""

from __future__ import annotations

import typing as t

from .._base.text import ignore
from .._oci.digest import Verifier
from .._unpack.limits import DEFAULT_LIMITS, Budget
from .._unpack.pipeline.decompress import CompressedInput, decompress
from .content import FileRange

if t.TYPE_CHECKING:
    from .._oci.digest import Digest
    from .tar_writer import TarMember


def check_diff_id(layer: TarMember, diff_id: Digest, *, what: str) -> None:
    """Decompress a layer and compare its digest; what names it. Limits are those of an unpack.

    Raises DigestMismatch, UnpackError, and what opening and reading the layer raises.
    """
    if layer.opened is not None:
        with layer.opened() as content:
            _check_pieces(content.pieces() if isinstance(content, FileRange) else iter(content), diff_id, what)


def _check_pieces(pieces: t.Iterator[bytes], diff_id: Digest, what: str) -> None:
    verifier = Verifier(diff_id, None, what=what)
    source = CompressedInput(pieces)
    budget = Budget(DEFAULT_LIMITS)
    for piece in decompress(source, declared=None, warn=ignore):
        budget.add_bytes(len(piece))
        budget.check_ratio(compressed=source.consumed, unpacked=budget.bytes)
        verifier.update(piece)
    verifier.finish()


__all__ = ("check_diff_id",)
