# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A complete decoder and encoder of the CBOR of CCA tokens (RFC 8949): the oracle for _ratls/token/cbor.py.

It shares no code with cbor2. It accepts every tag and interprets none.
"""

from __future__ import annotations

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cbor import (
    Cbor,
    CborInvalid,
    CborKey,
    TaggedValue,
)

MAX_DEPTH: t.Final = 8
MAX_ITEMS: t.Final = 1024

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)  # RFC 8949, 3.1
_CONSTANTS: t.Final[t.Mapping[int, bool | None]] = {20: False, 21: True, 22: None}


def decode(data: bytes) -> Cbor:
    """Decode the one value that fills the bytes: preferred serialization (RFC 8949, 4.1), definite lengths only.

    Accepts integers of 64 bits, byte strings, text, arrays, maps, tags, false, true and null. Keys are integers or
    text, without duplicates. Raises CborInvalid and nothing else.
    """
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        left = len(data) - reader.at
        raise CborInvalid(f"{left} {'byte follows' if left == 1 else 'bytes follow'} the end of the CBOR value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0
        self._items = 0

    def value(self, depth: int) -> Cbor:
        """Read the next value. Raises CborInvalid."""
        self._items += 1
        if self._items > MAX_ITEMS:
            raise CborInvalid(f"it has more than {MAX_ITEMS} values")
        if depth > MAX_DEPTH:
            raise CborInvalid(f"it is nested more than {MAX_DEPTH} levels deep")
        major, argument = self._head()
        if major == _UNSIGNED:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _BYTES:
            return self._take(argument)
        if major == _TEXT:
            return self._text(argument)
        if major == _SIMPLE:
            return self._constant(argument)
        return self._compound(major, argument, depth)

    def _compound(self, major: int, argument: int, depth: int) -> Cbor:
        if major == _TAG:
            return TaggedValue(argument, self.value(depth + 1))
        if argument > len(self._data) - self.at:
            raise CborInvalid("it ends before its last value")
        if major == _ARRAY:
            return tuple(self.value(depth + 1) for dummy in range(argument))
        return self._map(argument, depth + 1)

    def _map(self, count: int, depth: int) -> dict[CborKey, Cbor]:
        result: dict[CborKey, Cbor] = {}
        for dummy in range(count):
            key = self.value(depth)
            if not isinstance(key, (int, str)) or isinstance(key, bool):
                raise CborInvalid("the key of a map is neither an integer nor text")
            if key in result:
                raise CborInvalid(
                    f"{'a text key' if isinstance(key, str) else f'the key {key}'} occurs more than once in a map"
                )
            result[key] = self.value(depth)
        return result

    def _head(self) -> tuple[int, int]:
        first = self._take(1)[0]
        major, short = first >> 5, first & 31
        if short < 24:
            return major, short
        if major == _SIMPLE or short > 27:
            raise CborInvalid(f"the byte {first:#04x} does not start a value that a token may contain")
        argument = int.from_bytes(self._take(1 << (short - 24)), "big")
        if argument < (24, 1 << 8, 1 << 16, 1 << 32)[short - 24]:
            raise CborInvalid("a number or a length is not in its shortest form")
        return major, argument

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._data):
            raise CborInvalid("it ends before its last value")
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def _text(self, count: int) -> str:
        try:
            return self._take(count).decode("utf-8")
        except UnicodeDecodeError:
            raise CborInvalid("a text is not UTF-8") from None

    def _constant(self, number: int) -> bool | None:
        if number not in _CONSTANTS:
            raise CborInvalid(f"the simple value {number} cannot be in a token")
        return _CONSTANTS[number]


def encode(value: Cbor) -> bytes:
    """Return the preferred serialization of a value; the order of maps is kept."""
    if value is None or isinstance(value, bool):
        return bytes([0xF6 if value is None else 0xF5 if value else 0xF4])
    if isinstance(value, int):
        return head(_UNSIGNED, value) if value >= 0 else head(_NEGATIVE, -1 - value)
    if isinstance(value, bytes):
        return head(_BYTES, len(value)) + value
    if isinstance(value, str):
        data = value.encode("utf-8")
        return head(_TEXT, len(data)) + data
    if isinstance(value, tuple):
        return head(_ARRAY, len(value)) + b"".join(map(encode, value))
    if isinstance(value, TaggedValue):
        return head(_TAG, value.tag) + encode(value.value)
    return head(_MAP, len(value)) + b"".join(encode(key) + encode(item) for key, item in value.items())


def head(major: int, argument: int) -> bytes:
    """Encode a major type and the shortest form of its argument (RFC 8949, 3)."""
    if argument < 24:
        return bytes([major << 5 | argument])
    size = next(size for size in (1, 2, 4, 8) if argument < 1 << 8 * size)
    return bytes([major << 5 | 23 + size.bit_length()]) + argument.to_bytes(size, "big")
