# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A strict JSON parser (I-JSON, RFC 7493) for documents of registries, layouts and auth files.

image-spec requires I-JSON. Python's parser accepts duplicate names, NaN, lone surrogates and any depth.
"""

from __future__ import annotations

import json
import math
import typing as t

from .errors import JsonInvalid
from .text import quote

JsonValue = t.Union[None, bool, int, float, str, "list[JsonValue]", "dict[str, JsonValue]"]
# an object whose values are not examined, such as a result of a module
Json = dict[str, t.Any]
JsonObject = dict[str, JsonValue]

# distribution-spec: registries should accept manifests of up to 4 MiB
MAX_BYTES: t.Final = 4 * 1024 * 1024
MAX_DEPTH: t.Final = 64
# characters; int64 needs 20, and converting long numbers takes quadratic time on older Pythons
_MAX_NUMBER: t.Final = 64


def load(data: bytes, *, what: str, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Parse I-JSON (RFC 7493) of at most max_bytes bytes and max_depth levels.

    Refuses what Python's parser accepts: encodings other than UTF-8, a byte order mark, duplicate names, NaN, infinity
    and lone surrogates. what names the content in messages. Raises JsonInvalid and nothing else.
    """
    if len(data) > max_bytes:
        raise _error(what, f"it has {len(data)} bytes, and {max_bytes} is the limit")
    try:
        value: JsonValue = _DECODER.decode(data.decode("utf-8"))
        _check(value, max_depth)
    except UnicodeDecodeError as exc:
        raise _error(what, f"it is not UTF-8 at byte {exc.start}") from None
    except RecursionError:
        raise _error(what, f"it is nested more than {max_depth} levels deep") from None
    except json.JSONDecodeError as exc:
        raise _error(what, f"it is not JSON ({exc.msg}, character {exc.pos})") from None
    except _Refused as exc:
        raise _error(what, str(exc)) from None
    return value


def load_object(data: bytes, *, what: str, max_bytes: int = MAX_BYTES) -> JsonObject:
    """Parse a document that must be a JSON object. Raises JsonInvalid, as load() does."""
    value = load(data, what=what, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise _error(what, "it is not a JSON object")
    return value


def _error(what: str, reason: str) -> JsonInvalid:
    error = JsonInvalid(f"Reading {what} failed: {reason}.")
    error.reason = reason
    return error


class _Refused(Exception):
    """The text is not I-JSON; load() turns this into JsonInvalid."""


def _unique(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    result: JsonObject = {}
    for name, value in pairs:
        if name in result:
            raise _Refused(f"the name {quote(name)} is given twice in one object")
        result[name] = value
    return result


def _integer(text: str) -> int:
    if len(text) > _MAX_NUMBER:
        raise _Refused(f"it holds a number of {len(text)} digits")
    return int(text)


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Refused("it holds a number that is too large")
    return value


def _constant(text: str) -> t.NoReturn:
    raise _Refused(f"{text} is not a JSON value")


def _check(root: JsonValue, max_depth: int) -> None:
    level: list[JsonValue] = [root]
    depth = 0
    while level:
        below: list[JsonValue] = []
        for value in level:
            if isinstance(value, str):
                _check_text(value)
            elif isinstance(value, (dict, list)):
                if depth == max_depth:
                    raise _Refused(f"it is nested more than {max_depth} levels deep")
                below.extend(value)
                if isinstance(value, dict):
                    below.extend(value.values())
        level = below
        depth += 1


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _Refused(f"the text {quote(text)} holds half of a surrogate pair") from None


_DECODER: t.Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_real, parse_constant=_constant
)

__all__ = ("MAX_BYTES", "MAX_DEPTH", "Json", "JsonObject", "JsonValue", "load", "load_object")
