# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The presentation language of TLS (RFC 8446, section 3): reads and writes numbers and vectors."""

from __future__ import annotations

import typing as t

from .errors import DecodeError, UsageError

_T = t.TypeVar("_T")


class Reader:
    """Reads the presentation language of RFC 8446, section 3, and never beyond the end of its bytes.

    what names the message in errors. Every method raises DecodeError if the bytes do not match.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self.what = what

    def __bool__(self) -> bool:
        """Tell whether bytes are left."""
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """Return the next count bytes."""
        end = self._at + count
        if end > len(self._data):
            raise DecodeError(f"The {self.what} of the other end stops in the middle of a field.")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        """Return the next unsigned number of size bytes."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int, *, least: int = 0, most: int | None = None) -> bytes:
        """Return the next vector (section 3.4) with a length field of size bytes; it must have least to most bytes."""
        count = self.number(size)
        if count < least or (most is not None and count > most):
            raise DecodeError(f"The {self.what} of the other end has a field of {count} bytes, which is not allowed.")
        return self.take(count)

    def inner(self, size: int, *, least: int = 0) -> Reader:
        """Return a reader of the next vector."""
        return Reader(self.vector(size, least=least), self.what)

    def numbers(self, size: int, *, length: int = 2) -> tuple[int, ...]:
        """Return the numbers of size bytes in the next vector, at least one; its length field has length bytes."""
        data = self.vector(length, least=size)
        if len(data) % size:
            raise DecodeError(f"The {self.what} of the other end has a list that stops in the middle of an entry.")
        return tuple(int.from_bytes(data[at : at + size], "big") for at in range(0, len(data), size))

    def end(self) -> None:
        """Raise DecodeError if bytes are left."""
        if self:
            raise DecodeError(f"The {self.what} of the other end has bytes after its end.")


def read_all(data: bytes, what: str, parse: t.Callable[[Reader], _T]) -> _T:
    """Return the result of parse for data, which it must read entirely. Raises DecodeError."""
    reader = Reader(data, what)
    parsed = parse(reader)
    reader.end()
    return parsed


def number(value: int, size: int) -> bytes:
    """Encode an unsigned number in size bytes. Raises UsageError if it does not fit."""
    try:
        return value.to_bytes(size, "big")
    except OverflowError:
        raise UsageError(f"A number does not fit into the {size} bytes that TLS gives it; shorten the input.") from None


def vector(data: bytes, size: int) -> bytes:
    """Encode data with a length field of size bytes (RFC 8446, section 3.4). Raises UsageError if data is too long."""
    return number(len(data), size) + data


def vectors(items: t.Iterable[bytes], *, inner: int, outer: int) -> bytes:
    """Encode a vector of vectors with length fields of inner bytes, its own of outer bytes. Raises UsageError."""
    return vector(b"".join(vector(item, inner) for item in items), outer)


def numbers(values: t.Iterable[int], size: int, *, length: int = 2) -> bytes:
    """Encode a vector of numbers of size bytes each. Raises UsageError."""
    return vector(b"".join(number(value, size) for value in values), length)


__all__ = ("Reader", "number", "numbers", "read_all", "vector", "vectors")
