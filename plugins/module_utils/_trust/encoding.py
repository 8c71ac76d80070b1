# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Strict base64, hexadecimal and JSON of signatures: every text has one meaning, and a limit."""

from __future__ import annotations

import binascii
import re
import typing as t

from .._base.errors import JsonInvalid
from .._base.strict_json import load
from .._base.text import describe, quote
from .errors import Refused

if t.TYPE_CHECKING:
    from .._base.strict_json import JsonObject, JsonValue

_T = t.TypeVar("_T")

_HEX: t.Final = re.compile(r"(?:[0-9a-fA-F]{2})+")
_MAX_DEPTH: t.Final = 32


def decode_base64(text: str, *, what: str, limit: int) -> bytes:
    """Return the bytes of canonical base64 (RFC 4648, section 4) of at most limit characters. Raises Refused."""
    if len(text) > limit:
        raise Refused(f"{what} has {len(text)} characters, and {limit} is the limit")
    try:
        data = binascii.a2b_base64(text)
    except ValueError:
        data = b""
    # a2b_base64 skips characters outside of base64, so only its canonical form is accepted
    if not data or binascii.b2a_base64(data, newline=False) != text.encode("utf-8", "surrogatepass"):
        raise Refused(f"{what} is not base64")
    return data


def decode_hex(text: str, *, what: str, limit: int) -> bytes:
    """Return the bytes of hexadecimal digits, at most limit of them. Raises Refused."""
    if len(text) > limit:
        raise Refused(f"{what} has {len(text)} characters, and {limit} is the limit")
    if _HEX.fullmatch(text) is None:
        raise Refused(f"{what} is not hexadecimal")
    return bytes.fromhex(text)


def parse_object(data: bytes, *, what: str, limit: int) -> JsonObject:
    """Parse a JSON object of at most limit bytes. Raises Refused."""
    try:
        return as_object(load(data, what=what, max_bytes=limit, max_depth=_MAX_DEPTH), what=what)
    except JsonInvalid as exc:
        raise Refused(f"{what} cannot be read: {exc.reason}") from None


def as_object(value: JsonValue, *, what: str) -> JsonObject:
    """Return a value that must be an object whose names differ in more than case, as some parsers ignore case.

    Raises Refused.
    """
    found: JsonObject = _typed(value, dict, "an object", what=what)
    if len({name.casefold() for name in found}) != len(found):
        raise Refused(f"{what} has names that differ only in case")
    return found


def as_list(value: JsonValue, *, what: str) -> list[JsonValue]:
    """Return a value that must be an array. Raises Refused."""
    return _typed(value, list, "an array", what=what)


def as_text(value: JsonValue, *, what: str) -> str:
    """Return a value that must be a string. Raises Refused."""
    return _typed(value, str, "a string", what=what)


def require_text(value: JsonValue, *wanted: str, what: str) -> None:
    """Refuse a value that is none of the wanted strings."""
    text = as_text(value, what=what)
    if text not in wanted:
        raise Refused(f"{what} is {quote(text)}, not {' or '.join(map(quote, wanted))}")


def _typed(value: JsonValue, kind: type[_T], words: str, *, what: str) -> _T:
    if isinstance(value, kind):
        return value
    raise Refused(f"{what} is {'missing' if value is None else describe(value) + ', not ' + words}")


__all__ = ("as_list", "as_object", "as_text", "decode_base64", "decode_hex", "parse_object", "require_text")
