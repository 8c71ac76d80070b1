# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The presentation language of TLS (RFC 8446, section 3): reads and writes numbers and vectors."""

from __future__ import annotations

import functools
import struct
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
        self._end = len(data)
        self.what = what

    def __bool__(self) -> bool:
        """Tell whether bytes are left."""
        return self._at < self._end

    def take(self, count: int) -> bytes:
        """Return the next count bytes."""
        start = self._at
        end = start + count
        if end > self._end:
            raise DecodeError(f"The {self.what} of the other end stops in the middle of a field.")
        self._at = end
        return self._data[start:end]

    def number(self, size: int) -> int:
        """Return the next unsigned number of size bytes."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int, *, least: int = 0, most: int | None = None) -> bytes:
        """Return the next vector (section 3.4) with a length field of size bytes; it must have least to most bytes."""
        count = int.from_bytes(self.take(size), "big")
        if count < least or (most is not None and count > most):
            raise DecodeError(f"The {self.what} of the other end has a field of {count} bytes, which is not allowed.")
        return self.take(count)

    def inner(self, size: int, *, least: int = 0) -> Reader:
        """Return a reader of the next vector."""
        return Reader(self.vector(size, least=least), self.what)

    def numbers(self, *, length: int = 2) -> tuple[int, ...]:
        """Return the numbers of two bytes in the next vector, at least one; its length field has length bytes."""
        data = self.vector(length, least=2)
        if len(data) % 2:
            raise DecodeError(f"The {self.what} of the other end has a list that stops in the middle of an entry.")
        return struct.unpack(f">{len(data) // 2}H", data)

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
        raise _size_error(size) from None


def vector(data: bytes, size: int) -> bytes:
    """Encode data with a length field of size bytes (RFC 8446, section 3.4). Raises UsageError if data is too long."""
    try:
        return len(data).to_bytes(size, "big") + data
    except OverflowError:
        raise _size_error(size) from None


def _size_error(size: int) -> UsageError:
    return UsageError(f"A number does not fit into the {size} bytes that TLS gives it; shorten the input.")


def vectors(items: t.Iterable[bytes], *, inner: int, outer: int) -> bytes:
    """Encode a vector of vectors with length fields of inner bytes, its own of outer bytes. Raises UsageError."""
    return vector(b"".join([vector(item, inner) for item in items]), outer)


def numbers(values: t.Iterable[int], *, length: int = 2) -> bytes:
    """Encode a vector of numbers of two bytes each. Raises UsageError."""
    return _numbers(tuple(values), length)


@functools.lru_cache(maxsize=64)
def _numbers(values: tuple[int, ...], length: int) -> bytes:
    # the suites, groups and schemes that this end sends are the same in all its connections
    return vector(b"".join([number(value, 2) for value in values]), length)


__all__ = ("Reader", "number", "numbers", "read_all", "vector", "vectors")
