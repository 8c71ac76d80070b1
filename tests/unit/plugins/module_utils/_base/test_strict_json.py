# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON is read strictly (I-JSON, RFC 7493): duplicate keys, NaN, lone surrogates and deep nesting are refused."""

from __future__ import annotations

import json

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import JsonInvalid
from ansible_collections.attested.registry.plugins.module_utils._base.strict_json import MAX_BYTES, load, load_object
from hypothesis import given
from hypothesis import strategies as st

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_the_typed_error(data: bytes) -> None:
    try:
        load(data, what="the document")
    except JsonInvalid as exc:
        assert exc.message.isprintable()  # noqa: PT017


@given(st.text('[]{}",:0123456789eE+-.truefalsn\\u dD8', max_size=60))
def test_anything_like_json_gives_a_value_or_the_typed_error(text: str) -> None:
    try:
        value = load(text.encode(), what="the document")
    except JsonInvalid:
        return
    assert value == json.loads(text)


@given(VALUES)
def test_what_is_json_reads_back(value: object) -> None:
    assert load(json.dumps(value).encode(), what="the document") == value
    assert load(json.dumps(value, ensure_ascii=False).encode(), what="the document") == value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'"\x01"', "not JSON"),
        (b'{"a": 1, "b": 2, "a": 3}', '"a" is given twice'),
        (b'{"a": {"b": [{"c": 1, "\\u0063": 1}]}}', '"c" is given twice'),
        (b"NaN", "NaN"),
        (b'{"a": [Infinity]}', "Infinity"),
        (b"[-Infinity]", "-Infinity"),
        (b"1e400", "too large"),
        (b"-1e400", "too large"),
        pytest.param(b"1" * 5000, "5000 digits", id="huge"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "not JSON"),
        ('{"a": 1}'.encode("utf-32"), "not UTF-8"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'"\\ud800"', "surrogate"),
        (b'["\\udc00\\ud800"]', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"\\ud83d": 1, "\\ude00": 2}', "surrogate"),
    ],
)
def test_invalid_json_that_other_parsers_accept_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(JsonInvalid) as caught:
        load(data, what="the document")
    assert reason in caught.value.message
    assert caught.value.message.startswith("Reading the document failed: ")


def test_a_surrogate_pair_is_a_character() -> None:
    assert load(b'"\\ud83d\\ude00"', what="x") == "\U0001f600"


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("count", [65, 1000, 100_000])
def test_deep_nesting_is_refused(opening: bytes, count: int) -> None:
    closing = bytes(reversed(opening.replace(b'"a":', b"").translate(bytes.maketrans(b"[{", b"]}"))))
    data = opening * count + b"0" + closing * count
    with pytest.raises(JsonInvalid, match="levels deep"):
        load(data, what="the document")


@pytest.mark.parametrize("depth", [1, 64])
def test_depth_up_to_the_limit_is_fine(depth: int) -> None:
    data = b"[" * depth + b"]" * depth
    load(data, what="x", max_depth=depth)
    with pytest.raises(JsonInvalid, match=f"more than {depth} levels"):
        load(b"[" + data + b"]", what="x", max_depth=depth)


def test_size_limit() -> None:
    data = b'"' + b"a" * (MAX_BYTES - 2) + b'"'
    assert load(data, what="x") == "a" * (MAX_BYTES - 2)
    with pytest.raises(JsonInvalid, match=str(MAX_BYTES)):
        load(data + b" ", what="x")


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 2**64, 10**40])
def test_integers_are_exact(number: int) -> None:
    assert load(str(number).encode(), what="x") == number


@pytest.mark.parametrize("data", [b"[]", b"null", b'"a"', b"1", b"true"])
def test_load_object_wants_an_object(data: bytes) -> None:
    with pytest.raises(JsonInvalid, match="not a JSON object"):
        load_object(data, what="x")


def test_load_object() -> None:
    assert load_object(b'{"a": [1, 2.5, null, true]}', what="x") == {"a": [1, 2.5, None, True]}
