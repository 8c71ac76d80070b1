# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read the content of a blob in parts, to send each as the body of a request. Called by upload.py."""

from __future__ import annotations

import typing as t
from contextlib import ExitStack, contextmanager

from ..._oci.errors import SizeMismatch
from ..transport.transport import Body

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from ..._oci.descriptor import Descriptor
    from ..errors import Operation

    # opens the content of a blob from an offset on: pieces, which end with an error if the content is not the blob
    OpenSource = Callable[[int], AbstractContextManager[Iterable[bytes]]]


class SourceFailed(Exception):
    """The content to send could not be read. reason is the error of the source, which the caller raises in its place.

    A class of its own, because the libraries take an OSError of a body for one of the connection.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__()
        self.reason = reason


class BlobSource:
    """The content of a blob as bodies of requests; a context manager, for one thread.

    The source is opened for the first part, and again only for a part that does not begin where the last one ended. It
    is read to its end before the last piece is sent, so that content with a wrong digest or size is never complete in
    the registry. count is called with the size of each piece before it is sent, and may wait.
    """

    def __init__(
        self,
        operation: Operation,
        descriptor: Descriptor,
        open_source: OpenSource,
        *,
        count: Callable[[int], None],
    ) -> None:
        self.size = descriptor.size
        self._operation = operation
        self._open_source = open_source
        self._count = count
        self._stack = ExitStack()
        self._pieces: Iterator[bytes] | None = None
        self._rest = memoryview(b"")
        self._at = 0

    def __enter__(self) -> BlobSource:
        return self

    def __exit__(self, *dummy: object) -> None:
        self._stack.close()

    def body(self, start: int, length: int) -> Body:
        """Return the part of length bytes from start on; its pieces raise SourceFailed."""
        return Body(length, lambda: self._part(start, length))

    @contextmanager
    def _part(self, start: int, length: int) -> Iterator[Iterator[bytes]]:
        yield self._read(start, length)

    def _read(self, start: int, length: int) -> Iterator[bytes]:
        try:
            self._seek(start)
            end = start + length
            while self._at < end:
                piece = self._take(end - self._at)
                if self._at == self.size:
                    self._finish()
                self._count(len(piece))
                yield t.cast("bytes", piece)
        except Exception as exc:
            self._pieces = None
            raise SourceFailed(exc) from exc

    def _seek(self, start: int) -> None:
        if self._pieces is not None and self._at == start:
            return
        self._stack.close()
        self._pieces = None
        self._pieces = iter(self._stack.enter_context(self._open_source(start)))
        self._rest, self._at = memoryview(b""), start

    def _take(self, limit: int) -> memoryview:
        if not self._rest:
            self._rest = memoryview(self._next_piece())
        piece, self._rest = self._rest[:limit], self._rest[limit:]
        self._at += len(piece)
        return piece

    def _next_piece(self) -> bytes:
        for piece in self._pieces or ():
            if piece:
                return piece
        raise self._size_error(self._at)

    def _finish(self) -> None:
        """Read the end of the source, where it reports that its content is not the blob."""
        if self._rest or any(self._pieces or ()):
            raise self._size_error(self.size + 1)
        self._pieces = None

    def _size_error(self, actual: int) -> SizeMismatch:
        found = f"more than the announced {self.size}" if actual > self.size else f"{actual} of {self.size}"
        message = self._operation.sentence(f"its source has {found} bytes", "the source is damaged or changes")
        error = SizeMismatch(message, expected=self.size, actual=actual)
        self._operation.annotate(error)
        return error


__all__ = ("BlobSource", "OpenSource", "SourceFailed")
