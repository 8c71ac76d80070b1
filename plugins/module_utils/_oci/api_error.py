# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Error answers of registries (distribution-spec, "Error Codes"). Called by _registry/transport/statuses.py."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from .._base.errors import JsonInvalid
from .._base.strict_json import load
from .._base.text import visible
from .media_type import parse_content_type

if t.TYPE_CHECKING:
    from .._base.strict_json import JsonObject, JsonValue

MAX_BODY: t.Final = 1024 * 1024
MAX_ERRORS: t.Final = 16
_MAX_CODE: t.Final = 64
_MAX_TEXT: t.Final = 300

UNKNOWN: t.Final = "UNKNOWN"

# fields for the message in servers that do not follow distribution-spec (token services, proxies, clouds)
_OTHER_FIELDS: t.Final = ("message", "error_description", "error", "details", "detail")


@dataclass(frozen=True)
class ApiError:
    """One error of a registry's answer (distribution-spec, "Error Codes").

    Each part is short and printable, so no part can forge a log line. If the server gave no code, code is "UNKNOWN".
    message and detail_text may be "".
    """

    code: str
    message: str = ""
    detail_text: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.code, self.message) if part)


def parse_errors(body: bytes, content_type: str | None) -> tuple[ApiError, ...]:
    """Return up to 16 errors from the body of an answer with status 4xx or 5xx; empty if it states none.

    A body that does not follow distribution-spec gives one UNKNOWN error with its text, unless it is a web page. Total:
    never raises.
    """
    try:
        value = load(body, what="the error", max_bytes=MAX_BODY)
    except JsonInvalid:
        return _read_plain_text(body, content_type)
    if not isinstance(value, dict):
        return ()
    errors = value.get("errors")
    if isinstance(errors, list) and errors:
        return tuple(_read_error(item) for item in errors[:MAX_ERRORS])
    return _read_other_fields(value)


def _read_error(item: JsonValue) -> ApiError:
    if not isinstance(item, dict):
        return ApiError(UNKNOWN, _show_value(item))
    code = item.get("code")
    return ApiError(
        visible(code, limit=_MAX_CODE) if isinstance(code, str) and code else UNKNOWN,
        _show_value(item.get("message")),
        _show_value(item.get("detail")),
    )


def _read_other_fields(value: JsonObject) -> tuple[ApiError, ...]:
    for name in _OTHER_FIELDS:
        text = value.get(name)
        if isinstance(text, str) and text:
            return (ApiError(UNKNOWN, _show_value(text)),)
    return ()


def _read_plain_text(body: bytes, content_type: str | None) -> tuple[ApiError, ...]:
    if parse_content_type(content_type) != "text/plain":
        return ()
    text = body[: 4 * _MAX_TEXT].decode("utf-8", "replace").strip()
    return (ApiError(UNKNOWN, _show_value(text)),) if text else ()


def _show_value(value: JsonValue) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return visible(text, limit=_MAX_TEXT)


__all__ = ("MAX_BODY", "MAX_ERRORS", "UNKNOWN", "ApiError", "parse_errors")
