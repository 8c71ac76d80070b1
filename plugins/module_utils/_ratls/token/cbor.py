# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A strict decoder of the CBOR (RFC 8949) of CCA tokens, and the only file of this package that imports cbor2.

cbor2 keeps the last of two equal keys, treats 1, 1.0 and true as one key, builds objects of the tags that it knows,
and ignores trailing bytes. So it only writes, and the decoder here reads: it accepts nothing but what cbor2 would write
for the value. Called by cose.py, keys.py and evidence/signing.py.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import re
import traceback
import typing as t
from dataclasses import dataclass

from ..._base.errors import DependencyMissing

IMPORT_ERROR: str | None = None
try:
    import cbor2
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

# That of Debian 12 is 5.4.6. Hostile bytes kill versions before 5.9 (a string in tag 256, CVE-2026-26209), but here the
# library reads none.
MINIMUM_CBOR2: t.Final = "5.4.0"


@dataclass(frozen=True)
class TaggedValue:
    """A value with a tag, which is not interpreted."""

    tag: int
    value: Cbor


CborKey = t.Union[int, str]
# The values of a token. Arrays are tuples; bool is a subclass of int, so it is tested first.
Cbor = t.Union[int, bytes, str, None, "tuple[Cbor, ...]", "dict[CborKey, Cbor]", TaggedValue]

# a token needs 4
MAX_DEPTH: t.Final = 8
# a token of 32 software components needs about 400
MAX_ITEMS: t.Final = 1024
# COSE_Sign1 (RFC 9052) and the CCA token collection (draft-ffm-rats-cca-token)
TAGS: t.Final = frozenset((18, 399))
# characters; shorter data may as well be broken CBOR
_LEAST_TEXT: t.Final = 8

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)  # RFC 8949, 3.1
_CONSTANTS: t.Final[t.Mapping[int, bool | None]] = {20: False, 21: True, 22: None}
_CUT: t.Final = "it ends before its last value"


class CborInvalid(ValueError):
    """Bytes are not the CBOR that is accepted here; the message is the reason, without a full stop."""


def require_cbor2() -> None:
    """Raise DependencyMissing if cbor2 is absent, too old or cannot be imported."""
    wanted = f"cbor2 >= {MINIMUM_CBOR2}"
    if IMPORT_ERROR is not None:
        error = DependencyMissing(
            f"Remote attestation needs the Python library {wanted}, which cannot be imported; install it.",
            library=wanted,
        )
        error.traceback = IMPORT_ERROR
        raise error
    version = _found_version()
    if _release(version) < _release(MINIMUM_CBOR2):
        raise DependencyMissing(
            f"Remote attestation needs the Python library {wanted} and {version[:20]} was found in {_place()}; "
            "upgrade it.",
            library=wanted,
        )


@functools.cache
def _found_version() -> str:
    # the library does not tell it
    try:
        return importlib.metadata.version("cbor2")
    except importlib.metadata.PackageNotFoundError:
        return "an unknown version"


@functools.cache
def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", version)[:2]))


def _place() -> str:
    return os.path.dirname(os.path.dirname(cbor2.__file__))


def decode(data: bytes) -> Cbor:
    """Decode the one value that fills the bytes: preferred serialization (RFC 8949, 4.1), definite lengths only.

    Accepts integers of 64 bits, byte strings, text, arrays, maps, the tags in TAGS, false, true and null, but no
    floating point numbers and no other simple values. Keys are integers or text, without duplicates. Nesting is limited
    to MAX_DEPTH and the number of values to MAX_ITEMS; the caller limits the size. Raises CborInvalid and
    DependencyMissing, and nothing else.
    """
    require_cbor2()
    try:
        return _read(data)
    except CborInvalid:
        other = _other_format(data)
        if other is None:
            raise
        raise CborInvalid(f"it is {other}, not CBOR") from None


class _Decoder:
    """Reads one value and checks in the same pass that it is made only of what decode accepts.

    cbor2 must not read the bytes of others: a fraction of "1e999999999" (tag 30) keeps 5.9.0 busy for hours, and shared
    values in a set (tags 28, 29, 258) every version. To check the bytes before cbor2, and its values afterwards, takes
    0.15 ms for the parts of a token; this takes 0.05 ms.
    """

    __slots__ = ("at", "data", "values")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.values = 0

    def read(self, depth: int) -> Cbor:
        """Read the value at the position, depth levels deep (RFC 8949, appendix C). Raises CborInvalid."""
        self.values += 1
        if self.values > MAX_ITEMS or depth > MAX_DEPTH:
            raise self._limit_error()
        if self.at >= len(self.data):
            raise CborInvalid(_CUT)
        first = self.data[self.at]
        self.at += 1
        major, argument = first >> 5, first & 31
        if argument >= 24:
            argument = self._argument(first)
        if major == _BYTES:
            return self._string(argument)
        if major == _TEXT:
            return self._text(argument)
        if major == _UNSIGNED:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _ARRAY:
            return tuple([self.read(depth + 1) for dummy in range(argument)])
        if major == _MAP:
            return self._map(argument, depth + 1)
        return self._tagged(argument, depth) if major == _TAG else _constant(argument)

    def _limit_error(self) -> CborInvalid:
        if self.values > MAX_ITEMS:
            return CborInvalid(f"it has more than {MAX_ITEMS} values")
        return CborInvalid(f"it is nested more than {MAX_DEPTH} levels deep")

    def _argument(self, first: int) -> int:
        """Return the argument of a head that is longer than its first byte (RFC 8949, section 3)."""
        length = first & 31
        if first >> 5 == _SIMPLE or length > 27:
            raise CborInvalid(f"the byte {first:#04x} does not start a value that a token may contain")
        start = self.at
        self.at = end = start + (1 << (length - 24))
        argument = int.from_bytes(self.data[start:end], "big")
        if end > len(self.data):
            raise CborInvalid(_CUT)
        if argument < (24, 1 << 8, 1 << 16, 1 << 32)[length - 24]:
            raise CborInvalid("a number or a length is not in its shortest form")
        return argument

    def _string(self, size: int) -> bytes:
        start = self.at
        self.at = end = start + size
        if end > len(self.data):
            raise CborInvalid(_CUT)
        return self.data[start:end]

    def _text(self, size: int) -> str:
        try:
            return self._string(size).decode("utf-8")
        except UnicodeDecodeError:
            raise CborInvalid("a text is not UTF-8") from None

    def _map(self, size: int, depth: int) -> dict[CborKey, Cbor]:
        found: dict[CborKey, Cbor] = {}
        for dummy in range(size):
            key = self.read(depth)
            if not isinstance(key, (int, str)) or isinstance(key, bool):
                raise CborInvalid("the key of a map is neither an integer nor text")
            if key in found:
                raise CborInvalid("a key occurs more than once in a map")
            found[key] = self.read(depth)
        return found

    def _tagged(self, tag: int, depth: int) -> TaggedValue:
        if tag not in TAGS:
            raise CborInvalid(f"the tag {tag} cannot be in a token")
        return TaggedValue(tag, self.read(depth + 1))


def _constant(number: int) -> Cbor:
    if number not in _CONSTANTS:
        raise CborInvalid(f"the simple value {number} cannot be in a token")
    return _CONSTANTS[number]


def _read(data: bytes) -> Cbor:
    """Read the one value that fills the bytes."""
    decoder = _Decoder(data)
    value = decoder.read(0)
    left = len(data) - decoder.at
    if left:
        raise CborInvalid(f"{left} {'byte follows' if left == 1 else 'bytes follow'} the end of the CBOR value")
    return value


def _other_format(data: bytes) -> str | None:
    """Name a format that is mistaken for CBOR. Almost every byte starts a CBOR value, so the decoder cannot tell."""
    if data.lstrip().startswith(b"-----BEGIN "):
        return "PEM"
    with contextlib.suppress(UnicodeDecodeError):
        text = data.decode("utf-8")
        if len(text.strip()) >= _LEAST_TEXT and all(char.isprintable() or char.isspace() for char in text):
            return "text"
    return "DER" if _is_der(data) else None


def _is_der(data: bytes) -> bool:
    """Tell whether the bytes are a SEQUENCE of the right length, as keys and certificates are."""
    if data[:1] != b"0" or len(data) < 2:
        return False
    count = data[1] & 0x7F if data[1] & 0x80 else 0
    size = int.from_bytes(data[2 : 2 + count], "big") if count else data[1]
    return len(data) == 2 + count + size


def encode(value: Cbor) -> bytes:
    """Return the preferred serialization of a value; the order of maps is kept. Raises DependencyMissing."""
    require_cbor2()
    return cbor2.dumps(value, default=_encode_tagged)


def _encode_tagged(encoder: cbor2.CBOREncoder, value: TaggedValue) -> None:
    encoder.encode(cbor2.CBORTag(value.tag, value.value))


__all__ = (
    "IMPORT_ERROR",
    "MAX_DEPTH",
    "MAX_ITEMS",
    "MINIMUM_CBOR2",
    "TAGS",
    "Cbor",
    "CborInvalid",
    "CborKey",
    "TaggedValue",
    "decode",
    "encode",
    "require_cbor2",
)
