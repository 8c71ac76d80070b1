# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A strict wrapper of cbor2 for the CBOR (RFC 8949) of CCA tokens, and the only file of this package that imports it.

cbor2 keeps the last of two equal keys, treats 1, 1.0 and true as one key, builds objects of the tags that it knows,
and ignores trailing bytes. So the form of the bytes is checked before cbor2 reads them, and the value that it read is
encoded again and compared with them. Called by cose.py, keys.py and evidence/signing.py.
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

# Hostile bytes kill older versions: Debian 12's 5.4.6 dies of a string in tag 256, and those before 5.9 recurse without
# a limit (CVE-2026-26209).
MINIMUM_CBOR2: t.Final = "5.9.0"


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

_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(2, 8)  # RFC 8949, 3.1
# false, true and null
_CONSTANTS: t.Final = frozenset((20, 21, 22))
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
            f"Remote attestation needs the Python library {wanted} and {version[:20]} was found in {_place()}, which "
            "malformed tokens can crash; upgrade it.",
            library=wanted,
        )


@functools.cache
def _found_version() -> str:
    # the library does not tell it
    try:
        return importlib.metadata.version("cbor2")
    except importlib.metadata.PackageNotFoundError:
        return "an unknown version"


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
        _check_form(data)
        return _read(data)
    except CborInvalid:
        other = _other_format(data)
        if other is None:
            raise
        raise CborInvalid(f"it is {other}, not CBOR") from None


def _check_form(data: bytes) -> None:
    """Check that the bytes are one well-formed value (RFC 8949, appendix C) made only of what decode accepts.

    No version of cbor2 may see anything else: a fraction of "1e999999999" (tag 30) keeps 5.9.0 busy for hours, and
    shared values in a set (tags 28, 29, 258) every version. 5.9.0, the last one for Python 3.9, has no option for that.
    """
    at = values = 0
    # how many values are still to come, for each level of nesting
    missing = [1]
    while missing:
        if not missing[-1]:
            missing.pop()
            continue
        missing[-1] -= 1
        values += 1
        if values > MAX_ITEMS:
            raise CborInvalid(f"it has more than {MAX_ITEMS} values")
        if len(missing) > MAX_DEPTH + 1:
            raise CborInvalid(f"it is nested more than {MAX_DEPTH} levels deep")
        major, argument, at = _head(data, at)
        if major in (_BYTES, _TEXT):
            at = _end_of_string(data, at, argument, is_text=major == _TEXT)
        elif major in (_ARRAY, _MAP, _TAG):
            missing.append({_ARRAY: argument, _MAP: 2 * argument, _TAG: 1}[major])
    left = len(data) - at
    if left:
        raise CborInvalid(f"{left} {'byte follows' if left == 1 else 'bytes follow'} the end of the CBOR value")


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the major type of the value at a position, its argument, and the position after them (RFC 8949, 3)."""
    if at >= len(data):
        raise CborInvalid(_CUT)
    major, argument = data[at] >> 5, data[at] & 31
    end = at + 1
    if argument >= 24:
        if major == _SIMPLE or argument > 27:
            raise CborInvalid(f"the byte {data[at]:#04x} does not start a value that a token may contain")
        least = (24, 1 << 8, 1 << 16, 1 << 32)[argument - 24]
        end += 1 << (argument - 24)
        argument = int.from_bytes(data[at + 1 : end], "big")
        if end > len(data):
            raise CborInvalid(_CUT)
        if argument < least:
            raise CborInvalid("a number or a length is not in its shortest form")
    if major == _TAG and argument not in TAGS:
        raise CborInvalid(f"the tag {argument} cannot be in a token")
    if major == _SIMPLE and argument not in _CONSTANTS:
        raise CborInvalid(f"the simple value {argument} cannot be in a token")
    return major, argument, end


def _end_of_string(data: bytes, at: int, size: int, *, is_text: bool) -> int:
    """Return the position after a string. Text is decoded here, because 5.9.0 never frees text that is not UTF-8."""
    end = at + size
    if end > len(data):
        raise CborInvalid(_CUT)
    if is_text:
        try:
            data[at:end].decode("utf-8")
        except UnicodeDecodeError:
            raise CborInvalid("a text is not UTF-8") from None
    return end


def _read(data: bytes) -> Cbor:
    """Read bytes whose form is checked."""
    try:
        value = _plain(cbor2.loads(data, max_depth=MAX_DEPTH + 1))
        again = encode(value)
    except CborInvalid:
        raise
    except Exception:
        raise CborInvalid("one of its values cannot be read") from None
    if again != data:
        # nothing else that passes _check_form has two encodings
        raise CborInvalid("a key occurs more than once in a map")
    return value


def _plain(value: object) -> Cbor:
    """Return a value of cbor2 in the types of Cbor. Inside of tags cbor2 has its own immutable maps, and tuples."""
    if value is None or isinstance(value, (bool, int, bytes, str)):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    if isinstance(value, t.Mapping):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, cbor2.CBORTag):
        return TaggedValue(value.tag, _plain(value.value))
    raise CborInvalid("one of its values cannot be in a token")


def _plain_key(key: object) -> CborKey:
    if not isinstance(key, (int, str)) or isinstance(key, bool):
        raise CborInvalid("the key of a map is neither an integer nor text")
    return key


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
