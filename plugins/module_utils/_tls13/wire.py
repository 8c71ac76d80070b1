# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from .errors import DecodeError, UsageError

_T = t.TypeVar("_T")


class Reader:
    """Reads the presentation language of RFC 8446, section 3, from bytes; never beyond their end.

    what names the message in errors. Every method raises DecodeError if the bytes do not have what is asked for.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self.what = what

    def __bool__(self) -> bool:
        """Tells whether bytes are left."""
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """The next count bytes."""
        end = self._at + count
        if end > len(self._data):
            raise DecodeError(f"The {self.what} of the other end stops in the middle of a field.")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        """The next unsigned number of size bytes."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int, *, least: int = 0, most: int | None = None) -> bytes:
        """The next vector with a length of size bytes (section 3.4), which must have least to most bytes."""
        count = self.number(size)
        if count < least or (most is not None and count > most):
            raise DecodeError(f"The {self.what} of the other end has a field of {count} bytes, which is not allowed.")
        return self.take(count)

    def inner(self, size: int, *, least: int = 0) -> Reader:
        """A reader of the next vector."""
        return Reader(self.vector(size, least=least), self.what)

    def numbers(self, size: int, *, length: int = 2) -> tuple[int, ...]:
        """The next vector, which holds numbers of size bytes, at least one; its length takes length bytes."""
        data = self.vector(length, least=size)
        if len(data) % size:
            raise DecodeError(f"The {self.what} of the other end has a list that stops in the middle of an entry.")
        return tuple(int.from_bytes(data[at : at + size], "big") for at in range(0, len(data), size))

    def end(self) -> None:
        """Raises DecodeError if bytes are left."""
        if self:
            raise DecodeError(f"The {self.what} of the other end has bytes after its end.")


def read_all(data: bytes, what: str, parse: t.Callable[[Reader], _T]) -> _T:
    """What parse makes of data, all of which it must read. Raises DecodeError."""
    reader = Reader(data, what)
    parsed = parse(reader)
    reader.end()
    return parsed


def number(value: int, size: int) -> bytes:
    """An unsigned number of size bytes. Raises UsageError if it does not fit."""
    try:
        return value.to_bytes(size, "big")
    except OverflowError:
        raise UsageError(f"A number does not fit into the {size} bytes that TLS gives it; shorten the input.") from None


def vector(data: bytes, size: int) -> bytes:
    """Data with its length in size bytes before it (RFC 8446, section 3.4). Raises UsageError if it is too long."""
    return number(len(data), size) + data


def vectors(items: t.Iterable[bytes], *, inner: int, outer: int) -> bytes:
    """A vector of vectors, their lengths taking inner bytes and that of the whole outer bytes. Raises UsageError."""
    return vector(b"".join(vector(item, inner) for item in items), outer)


def numbers(values: t.Iterable[int], size: int, *, length: int = 2) -> bytes:
    """A vector of numbers of size bytes each. Raises UsageError."""
    return vector(b"".join(number(value, size) for value in values), length)


__all__ = ("Reader", "number", "numbers", "read_all", "vector", "vectors")
