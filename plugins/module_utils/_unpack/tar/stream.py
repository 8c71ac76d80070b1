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

# Bytes, or a view of memory that is used again as soon as the next piece is requested.
Piece = t.Union[bytes, memoryview]


class ByteStream:
    """Reads exact numbers of bytes from an iterator of pieces.

    A piece may be a view that is valid only until the iterator is asked for the next one. So block() and read() return
    copies; pieces() copies nothing, and what it yields is valid only until it is asked for the next.
    """

    def __init__(self, pieces: t.Iterator[Piece]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")
        self._position = 0

    def block(self, size: int) -> bytes:
        """Return exactly size bytes, or none at the end of the stream; raise LayerInvalid if there are fewer."""
        begin = self._position
        end = begin + size
        if end <= len(self._piece):
            self._position = end
            return bytes(self._piece[begin:end])
        return self.read(size) if self._next_piece() else b""

    def read(self, size: int) -> bytes:
        """Return exactly size bytes; raise LayerInvalid if there are fewer."""
        # join() takes all pieces before it copies the first one, so each must be a copy
        return b"".join(map(bytes, self.pieces(size)))

    def pieces(self, size: int) -> t.Iterable[Piece]:
        """Return the next size bytes as they lie in memory; raise LayerInvalid if there are fewer.

        Bytes that are not in memory yet are read, and the error is raised, while the result is iterated. Exhaust it,
        and use each piece before the next one is requested.
        """
        begin = self._position
        end = begin + size
        if end > len(self._piece):
            return self._read_pieces(size)
        self._position = end
        return (self._piece[begin:end],) if size else ()

    def _read_pieces(self, size: int) -> t.Iterator[memoryview]:
        while size:
            if not self._next_piece():
                raise LayerInvalid(
                    f"The tar archive of the layer is truncated: {size} bytes of its last entry are missing;"
                    " the image is damaged, push it to the registry again."
                )
            end = min(self._position + size, len(self._piece))
            found = self._piece[self._position : end]
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
                self._piece, self._position = memoryview(b""), 0  # the memory of the last piece can be freed
                return False
            self._piece, self._position = memoryview(piece), 0
        return True


__all__ = ("ByteStream", "Piece")
