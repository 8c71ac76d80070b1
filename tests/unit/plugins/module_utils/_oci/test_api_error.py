# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Error documents (distribution-spec, "Error Codes") of any form are parsed, made printable and bounded."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.api_error import MAX_BODY, ApiError, parse_errors
from hypothesis import given
from hypothesis import strategies as st

JSON = "application/json; charset=utf-8"


def parse(value: t.Any, content_type: str | None = JSON) -> tuple[ApiError, ...]:
    return parse_errors(json.dumps(value).encode(), content_type)


def test_the_form_of_the_specification() -> None:
    errors = parse(
        {
            "errors": [
                {"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": {"Tag": "1.0"}},
                {"code": "DENIED"},
                {"code": "X", "message": None, "detail": "plain words"},
            ]
        }
    )
    assert errors == (
        ApiError("MANIFEST_UNKNOWN", "manifest unknown", '{"Tag": "1.0"}'),
        ApiError("DENIED"),
        ApiError("X", "", "plain words"),
    )
    assert [str(error) for error in errors] == ["MANIFEST_UNKNOWN: manifest unknown", "DENIED", "X"]


@pytest.mark.parametrize(
    ("value", "errors"),
    [
        ({"errors": [{"message": "no code"}]}, (ApiError("UNKNOWN", "no code"),)),
        ({"errors": [{"code": 5, "message": ["x"]}]}, (ApiError("UNKNOWN", '["x"]'),)),
        (
            {"errors": [{"code": ""}, "words", None]},
            (ApiError("UNKNOWN"), ApiError("UNKNOWN", "words"), ApiError("UNKNOWN")),
        ),
        ({"errors": []}, ()),
        ({"errors": "words"}, ()),
        ({"errors": None, "message": "words"}, (ApiError("UNKNOWN", "words"),)),
        ({"errors": [], "message": "words"}, (ApiError("UNKNOWN", "words"),)),
        ({"message": "", "error": "words"}, (ApiError("UNKNOWN", "words"),)),
        ({"details": "incorrect username or password"}, (ApiError("UNKNOWN", "incorrect username or password"),)),
        ({"error": "invalid_grant", "error_description": "why"}, (ApiError("UNKNOWN", "why"),)),
        ({"error": {"code": 1}}, ()),
        ({}, ()),
        ([], ()),
        ("words", ()),
        (None, ()),
    ],
)
def test_other_forms(value: t.Any, errors: tuple[ApiError, ...]) -> None:
    assert parse(value) == errors


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"404 page not found\n", "text/plain; charset=utf-8", "404 page not found"),
        (b"line\nline", "text/plain", "line\\nline"),
        (b"\xff\xfe", "text/plain", "\ufffd\ufffd"),
        (b"  \n", "text/plain", None),
        (b"", "text/plain", None),
        (b"<html>502</html>", "text/html", None),
        (b"not JSON", "application/json", None),
        (b"not JSON", None, None),
    ],
)
def test_bodies_that_are_not_json(body: bytes, content_type: str | None, message: str | None) -> None:
    assert parse_errors(body, content_type) == (() if message is None else (ApiError("UNKNOWN", message),))


def test_nothing_can_forge_a_log_line() -> None:
    forged = "x\n2026-01-01 all is well\x1b[2K\u202e"
    (error,) = parse({"errors": [{"code": forged, "message": forged, "detail": {forged: forged}}]})
    for part in (error.code, error.message, error.detail_text, str(error)):
        assert part.isprintable()
        assert "\\n" in part


def test_bounds() -> None:
    errors = parse({"errors": [{"code": "c" * 1000, "message": "m" * 1000, "detail": ["d" * 1000]}] * 100})
    assert len(errors) == 16
    assert all(len(text) < 310 for error in errors for text in (error.code, error.message, error.detail_text))
    assert parse_errors(b'{"errors": [{"code": "X"}]}' + b" " * MAX_BODY, JSON) == ()


@given(st.binary(max_size=100), st.sampled_from([None, "text/plain", "application/json", "\x00"]))
def test_any_bytes(body: bytes, content_type: str | None) -> None:
    for error in parse_errors(body, content_type):
        assert str(error).isprintable()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["errors", "code", "message", "detail"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(VALUES)
def test_any_json(value: t.Any) -> None:
    for error in parse(value) + parse({"errors": [value]}):
        assert error.code
        assert (error.code + error.message + error.detail_text).isprintable()
