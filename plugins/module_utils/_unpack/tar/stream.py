# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read exact numbers of bytes from an iterator of pieces.

reader.py and sparse.py read archives through it.
"""

from __future__ import annotations

import typing as t

from ..errors import LayerInvalid


class ByteStream:
    """Reads exact numbers of bytes from an iterator of pieces, without copying where possible."""

    def __init__(self, pieces: t.Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._position = 0

    def block(self, size: int) -> bytes:
        """Return exactly size bytes, or none at the end of the stream; raise LayerInvalid if there are fewer."""
        end = self._position + size
        if end <= len(self._piece):
            block = self._piece[self._position : end]
            self._position = end
            return block
        if not self._next_piece():
            return b""
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> t.Iterable[bytes | memoryview]:
        """Return the next size bytes as they lie in memory; raise LayerInvalid if there are fewer.

        Bytes that are not in memory yet are read, and the error is raised, while the result is iterated. Exhaust it.
        """
        end = self._position + size
        if end > len(self._piece):
            return self._read_pieces(size)
        found = memoryview(self._piece)[self._position : end]
        self._position = end
        return (found,) if size else ()

    def _read_pieces(self, size: int) -> t.Iterator[bytes | memoryview]:
        while size:
            if not self._next_piece():
                raise LayerInvalid(
                    f"The tar archive of the layer is truncated: {size} bytes of its last entry are missing;"
                    " the image is damaged, push it to the registry again."
                )
            end = min(self._position + size, len(self._piece))
            found = memoryview(self._piece)[self._position : end]
            size -= end - self._position
            self._position = end
            yield found

    def skip(self, size: int) -> None:
        """Skip size bytes; raise LayerInvalid if there are fewer."""
        end = self._position + size
        if end <= len(self._piece):
            self._position = end
            return
        for dummy in self.pieces(size):
            pass

    def drain(self) -> None:
        """Read to the end, so that a consumer that hashes the pieces gets all of them."""
        self._position = len(self._piece)
        while self._next_piece():
            self._position = len(self._piece)

    def _next_piece(self) -> bool:
        while self._position == len(self._piece):
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._piece, self._position = piece, 0
        return True


__all__ = ("ByteStream",)
