# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CBOR (RFC 8949) is read in its only deterministic encoding, bounded in depth and number of values."""

from __future__ import annotations

import typing as t

import cbor2
import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.token import cbor
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cbor import CborInvalid, TaggedValue
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.integers(-(2**64), 2**64 - 1) | st.text(max_size=5)
VALUES: st.SearchStrategy[t.Any] = st.recursive(
    st.none() | st.booleans() | KEYS | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def as_lists(value: t.Any) -> t.Any:
    if isinstance(value, tuple):
        return [as_lists(item) for item in value]
    if isinstance(value, dict):
        return {key: as_lists(item) for key, item in value.items()}
    return value


def depth(value: t.Any) -> int:
    if isinstance(value, dict):
        value = tuple(value.values())
    return max((1 + depth(item) for item in value), default=0) if isinstance(value, tuple) else 0


@given(VALUES)
def test_reads_what_cbor2_writes_and_the_other_way_round(value: t.Any) -> None:
    data = cbor2.dumps(as_lists(value))
    assert cbor.encode(value) == data
    if depth(value) > cbor.MAX_DEPTH:
        with pytest.raises(CborInvalid, match="levels deep"):
            cbor.decode(data)
    else:
        assert cbor.decode(data) == value


@given(st.binary(max_size=200))
def test_decoding_is_total_and_the_encoding_is_the_only_one(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except CborInvalid:
        return
    assert cbor.encode(value) == data


@given(VALUES, st.data())
def test_a_cut_value_is_never_another_one(value: t.Any, data: st.DataObject) -> None:
    whole = cbor.encode(value)
    with pytest.raises(CborInvalid):
        cbor.decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "ends before"),
        ("0000", "1 byte follows the end"),
        ("a2010a010b", "the key 1 occurs more than once"),
        ("a2616100616100", "a text key occurs more than once"),
        ("a1f501", "neither an integer nor text"),
        ("a1f9380001", "does not start a value"),
        ("a1410000", "neither an integer nor text"),
        ("a1c10100", "neither an integer nor text"),
        ("f93c00", "does not start a value"),
        ("fb3ff0000000000000", "does not start a value"),
        ("f7", "simple value 23"),
        ("f820", "does not start a value"),
        ("1c", "does not start a value"),
        ("5f4100ff", "does not start a value"),
        ("9f01ff", "does not start a value"),
        ("bf0102ff", "does not start a value"),
        ("ff", "does not start a value"),
        ("1817", "shortest form"),
        ("1900ff", "shortest form"),
        ("1a0000ffff", "shortest form"),
        ("1b00000000ffffffff", "shortest form"),
        ("5801", "shortest form"),
        ("5bffffffffffffffff", "ends before"),
        ("9bffffffffffffffff", "ends before"),
        ("bbffffffffffffffff", "ends before"),
        ("9a00100000" + "00" * 10, "ends before"),
        ("62ff00", "not UTF-8"),
        ("63eda080", "not UTF-8"),
    ],
)
def test_what_is_refused(data: str, reason: str) -> None:
    with pytest.raises(CborInvalid, match=reason):
        cbor.decode(bytes.fromhex(data))


def test_tags_are_never_acted_upon() -> None:
    # a shared reference to itself, a regular expression, a big integer: each an object if cbor2 reads it
    for tag, value in ((28, (1,)), (29, 0), (35, "(a+)+"), (2, b"\x01" * 9), (4, (1, 2)), (0, "2020")):
        assert cbor.decode(cbor.encode(TaggedValue(tag, value))) == TaggedValue(tag, value)


def test_depth_is_bounded() -> None:
    assert cbor.decode(b"\x81" * cbor.MAX_DEPTH + b"\x00")
    with pytest.raises(CborInvalid, match="nested more than 8 levels"):
        cbor.decode(b"\x81" * (cbor.MAX_DEPTH + 1) + b"\x00")
    with pytest.raises(CborInvalid, match="nested more than 8 levels"):
        cbor.decode(b"\xc6" * 10000 + b"\x00")


def test_the_number_of_values_is_bounded() -> None:
    full = cbor.encode((0,) * (cbor.MAX_ITEMS - 1))
    assert cbor.decode(full)
    with pytest.raises(CborInvalid, match="more than 1024 values"):
        cbor.decode(cbor.encode((0,) * cbor.MAX_ITEMS))
