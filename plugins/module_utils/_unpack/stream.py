# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from .errors import LayerInvalid


class ByteStream:
    """Reads exact counts of bytes from an iterator of pieces, without copying what is only passed on."""

    def __init__(self, pieces: t.Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._position = 0

    def block(self, size: int) -> bytes:
        """Returns exactly size bytes, or none at the very end; raises LayerInvalid when it ends in between."""
        end = self._position + size
        if end <= len(self._piece):
            block = self._piece[self._position : end]
            self._position = end
            return block
        if not self._more():
            return b""
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> t.Iterable[bytes | memoryview]:
        """Returns the next size bytes as they lie in memory; raises LayerInvalid, if only later, when there are fewer.

        What is not all there yet is read while the result is iterated, which has to be done to its end.
        """
        end = self._position + size
        if end > len(self._piece):
            return self._reading(size)
        found = memoryview(self._piece)[self._position : end]
        self._position = end
        return (found,) if size else ()

    def _reading(self, size: int) -> t.Iterator[bytes | memoryview]:
        while size:
            if not self._more():
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
        """Passes over size bytes; raises LayerInvalid when there are fewer."""
        end = self._position + size
        if end <= len(self._piece):
            self._position = end
            return
        for dummy in self.pieces(size):
            pass

    def drain(self) -> None:
        """Reads to the end, so that whoever hashes the pieces sees all of them."""
        self._position = len(self._piece)
        while self._more():
            self._position = len(self._piece)

    def _more(self) -> bool:
        while self._position == len(self._piece):
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._piece, self._position = piece, 0
        return True


__all__ = ("ByteStream",)
