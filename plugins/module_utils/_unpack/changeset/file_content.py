# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Write the content of a regular or sparse file, and hash it meanwhile if its digest is to be recorded.

changeset.py calls it for every file.
"""

from __future__ import annotations

import os
import typing as t

from ..errors import LayerInvalid
from ..limits import Budget
from ..tar.entry import Sparse
from ..tar.stream import Piece

if t.TYPE_CHECKING:
    from hashlib import _Hash as Hash

# The flags that create a file. Never open an existing one, which could be a link to elsewhere or another name of a
# lower layer's file.
CREATE: t.Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_ZEROS: t.Final = bytes(65536)


def write_content(descriptor: int, pieces: t.Iterable[Piece], digest: Hash | None = None) -> None:
    """Write all pieces to the open file, and hash them if digest is given. Raises OSError."""
    for piece in pieces:
        written = os.write(descriptor, piece)
        if written < len(piece):
            _write(descriptor, memoryview(piece)[written:])
        if digest is not None:
            digest.update(piece)


def write_sparse(
    descriptor: int, pieces: t.Iterable[Piece], sparse: Sparse, *, budget: Budget, digest: Hash | None = None
) -> None:
    """Write pieces, the data of all regions in order, to the regions of a sparse file.

    If digest is given, hash the whole file, with zeros for its holes. Raises OSError, and LimitExceeded where the file
    is larger, holes included, than budget allows: a later copy of the file may not keep the holes.
    """
    budget.add_bytes(sparse.size - sum(region.length for region in sparse.regions))
    stream = _Pieces(pieces)
    end = 0
    for region in sparse.regions:
        _hash_zeros(digest, region.offset - end)
        os.lseek(descriptor, region.offset, os.SEEK_SET)
        write_content(descriptor, stream.take(region.length), digest)
        end = region.offset + region.length
    os.ftruncate(descriptor, sparse.size)
    _hash_zeros(digest, sparse.size - end)


class _Pieces:
    """An iterable of pieces, cut at the ends of regions."""

    def __init__(self, pieces: t.Iterable[Piece]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def take(self, size: int) -> t.Iterator[memoryview]:
        """Yield the next size bytes, in pieces. Raises what the iterable raises."""
        while size:
            if not self._rest:
                self._rest = self._next()
            piece, self._rest = self._rest[:size], self._rest[size:]
            size -= len(piece)
            yield piece

    def _next(self) -> memoryview:
        for piece in self._pieces:
            return memoryview(piece)
        raise LayerInvalid("A sparse file of the layer has less content than its map says; the image is damaged.")


def _write(descriptor: int, rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _hash_zeros(digest: Hash | None, count: int) -> None:
    while digest is not None and count > 0:
        digest.update(_ZEROS[:count])
        count -= len(_ZEROS)


__all__ = ("CREATE", "write_content", "write_sparse")
