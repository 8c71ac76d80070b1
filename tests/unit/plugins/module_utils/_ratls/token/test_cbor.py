# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CBOR (RFC 8949) is read in its only deterministic encoding, bounded in depth and number, whatever cbor2 accepts."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import random
import typing as t

import cbor2
import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import DependencyMissing
from ansible_collections.attested.registry.plugins.module_utils._ratls.token import cbor
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cbor import CborInvalid, TaggedValue
from ansible_collections.attested.registry.tests.support.attestation import cbor_oracle, ratls_tokens
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.integers(-(2**64), 2**64 - 1) | st.text(max_size=5)
TAGS = st.sampled_from(sorted(cbor.TAGS))
VALUES: st.SearchStrategy[t.Any] = st.recursive(
    st.none() | st.booleans() | KEYS | st.binary(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.builds(TaggedValue, TAGS, inner)
    ),
    max_leaves=12,
)


def depth(value: t.Any) -> int:
    if isinstance(value, TaggedValue):
        value = (value.value,)
    if isinstance(value, dict):
        value = tuple(value.values())
    return max((1 + depth(item) for item in value), default=0) if isinstance(value, tuple) else 0


def tags(value: t.Any) -> set[int]:
    if isinstance(value, TaggedValue):
        return {value.tag} | tags(value.value)
    if isinstance(value, dict):
        value = tuple(value.values())
    return set().union(*map(tags, value)) if isinstance(value, tuple) else set()


def refusal(decode: t.Callable[[bytes], t.Any], data: bytes) -> str | None:
    try:
        decode(data)
    except CborInvalid as exc:
        return str(exc)
    return None


def compare(data: bytes) -> bool:
    """Check that the decoder and the oracle agree about the bytes, and tell whether they accept them."""
    wanted = refusal(cbor_oracle.decode, data)
    if wanted is None and not tags(cbor_oracle.decode(data)) <= cbor.TAGS:
        wanted = "a tag"
    found = refusal(cbor.decode, data)
    assert (found is None) == (wanted is None), (data.hex(), found, wanted)
    if found is None:
        # repr tells 1 from True
        assert repr(cbor.decode(data)) == repr(cbor_oracle.decode(data)), data.hex()
        assert cbor.encode(cbor.decode(data)) == cbor_oracle.encode(cbor_oracle.decode(data)) == data
    return found is None


@given(VALUES)
def test_reads_what_the_oracle_writes_and_the_other_way_round(value: t.Any) -> None:
    data = cbor_oracle.encode(value)
    assert cbor.encode(value) == data
    if depth(value) > cbor.MAX_DEPTH:
        with pytest.raises(CborInvalid, match="levels deep"):
            cbor.decode(data)
    else:
        assert repr(cbor.decode(data)) == repr(value)
    compare(data)


@given(st.binary(max_size=200))
def test_decoding_is_total_and_the_encoding_is_the_only_one(data: bytes) -> None:
    compare(data)


@given(VALUES, st.data())
def test_a_cut_value_is_never_another_one(value: t.Any, data: st.DataObject) -> None:
    whole = cbor.encode(value)
    with pytest.raises(CborInvalid):
        cbor.decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_all_short_inputs_are_as_the_oracle_has_them() -> None:
    accepted = sum(compare(bytes(data)) for size in range(3) for data in itertools.product(range(256), repeat=size))
    # a decoder that refuses everything would agree about most of them
    assert accepted > 600


# what opens the values that fuzzing should try: heads of every form, tags that cbor2 knows, and a few of their contents
HEADS = (
    *(bytes([byte]) for byte in range(256)),
    *(bytes([major << 5 | 24, 24]) for major in range(8)),
    *(bytes([major << 5 | 25, 1, 0]) for major in range(8)),
    *(bytes([major << 5 | 27]) + b"\xff" * 8 for major in range(8)),
    *(cbor_oracle.head(6, tag) for tag in (25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000)),
    *(cbor_oracle.head(6, tag) for tag in (18, 399, 398, 55799, 2**63)),
    b"\xf9\x7e\x00",
    b"\xfa\x3f\x80\x00\x00",
    b"\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00",
    b"\x62\xff\x00",
    b"\x63\xed\xa0\x80",
    b"\xa2\x01\x00\x01\x00",
    b"\xa2\x01\x00\xf5\x00",
    b"\xa1\x80\x00",
    b"\x61a",
)


def changed(data: bytes, rng: random.Random) -> bytes:
    result = bytearray(data)
    for dummy in range(rng.randrange(1, 4)):
        at = rng.randrange(len(result) + 1)
        result[at : at + rng.choice((0, 0, 1, 1, 2, 9))] = rng.choice(HEADS)
    return bytes(result)


def test_changed_tokens_are_as_the_oracle_has_them() -> None:
    rng = random.Random(8949)
    token = ratls_tokens.token()
    payload = cbor.encode({**ratls_tokens.PLATFORM, "x": (None, True, -1)})
    accepted = sum(compare(changed(rng.choice((token, payload)), rng)) for dummy in range(4000))
    assert accepted > 40


def test_heads_one_after_the_other_are_as_the_oracle_has_them() -> None:
    rng = random.Random(1)
    accepted = sum(compare(b"".join(rng.choices(HEADS, k=rng.randrange(1, 9)))) for dummy in range(8000))
    assert accepted > 200


REFUSED = [
    ("", "ends before"),
    ("0000", "1 byte follows the end"),
    ("000000", "2 bytes follow the end"),
    ("a2010a010b", "key occurs more than once"),
    ("a2616100616100", "key occurs more than once"),
    ("a1f501", "neither an integer nor text"),
    ("a1f9380001", "does not start a value"),
    ("a1410000", "neither an integer nor text"),
    ("a1d20100", "neither an integer nor text"),
    ("a18000", "neither an integer nor text"),
    ("a1a000", "neither an integer nor text"),
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
]


@pytest.mark.parametrize(("data", "reason"), REFUSED)
def test_what_is_refused(data: str, reason: str) -> None:
    with pytest.raises(CborInvalid, match=reason):
        cbor.decode(bytes.fromhex(data))
    assert refusal(cbor_oracle.decode, bytes.fromhex(data)) is not None


@pytest.mark.parametrize(
    "data",
    [
        "f94000",
        "a201000100f93c00",
        "a2010001fa3f800000",
        "a201000100f500",
        "a20100f500",
        "a3010002000100",
    ],
)
def test_one_and_true_are_never_the_same_key(data: str) -> None:
    with pytest.raises(CborInvalid):
        cbor.decode(bytes.fromhex(data))


# what cbor2 makes objects of, takes for ever to, or dies of
HOSTILE = {
    "a date": "c074323031332d30332d32315432303a30343a30305a",
    "a time": "c11a514b67b0",
    "a time of never": "c11bffffffffffffffff",
    "a big integer": "c249" + "ff" * 9,
    "a decimal that overflows": "c5821b7fffffffffffffff01",
    "a decimal": "c4821b7fffffffffffffff01",
    "a fraction of a huge power of ten": "d81e816b" + b"1e999999999".hex(),
    "a reference to a string": "d81900",
    "a namespace of strings": "d9010067f67368617368612d323536",
    "a list in itself": "d81c81d81d00",
    "a list of shared ones in a set": "d9010284d81c820000d81c82d81d00d81d00d81c82d81d01d81d01d81c82d81d02d81d02",
    "a regular expression": "d823652861 2b292b".replace(" ", ""),
    "a message": "d8246161",
    "a UUID": "d82550" + "00" * 16,
    "days": "d8641b7fffffffffffffff",
    "a set": "d9010281f7",
    "an address": "d9010444c0a80001",
    "a network": "d90105a144c0a800001818",
    "a complex number": "d9a7f8820101",
    "CBOR that says so": "d9d9f7a0",
    "a tag of nobody": "da0000ffff00",
    "encoded CBOR": "d818456449455446",
    "tags in tags": "c6" * 10000 + "00",
    "arrays in arrays": "81" * 10000 + "00",
    "maps in maps": "a100" * 500 + "00",
    "arrays without an end": "9f" * 10000,
    "a string of 2**60 bytes": "5b1000000000000000",
    "a text of 2**60 bytes": "7b1000000000000000" + "61" * 100,
    "an array of 2**60": "9b1000000000000000",
    "a map of 2**60": "bb1000000000000000",
    "a map of 2**63": "bb8000000000000000" + "00" * 100,
    "an array of 65536": "9a00010000" + "00" * 100,
    "a text that is not UTF-8": "62ff00",
    "half a surrogate": "63eda080",
    "not a number": "f97e00",
    "infinity": "f97c00",
    "undefined": "f7",
    "a break": "ff",
    "a simple value": "e0",
    "a simple value in two bytes": "f8ff",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("inside", ["", "81", "a100", "d9018f", "d284"])
def test_what_is_hostile_never_reaches_cbor2(data: str, inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(cbor2, "loads", lambda *args, **options: calls.append(args))
    with pytest.raises(CborInvalid):
        cbor.decode(bytes.fromhex(inside + data))
    assert calls == []


def test_tags_of_others_are_named() -> None:
    with pytest.raises(CborInvalid, match="the tag 30 cannot be in a token"):
        cbor.decode(bytes.fromhex("d81e820102"))


def test_cbor2_reads_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("load", "loads", "CBORDecoder"):
        monkeypatch.setattr(cbor2, name, never)
    token = ratls_tokens.token()
    assert repr(cbor.decode(token)) == repr(cbor_oracle.decode(token))


@pytest.mark.parametrize("keys", [(0, 0), (23, 23), (2**64 - 1, 2**64 - 1), (-1, -1), ("", ""), ("a", "a")])
@pytest.mark.parametrize("between", [0, 1, 30])
def test_no_key_occurs_twice(keys: tuple[cbor.CborKey, cbor.CborKey], between: int) -> None:
    items = (keys[0], *(f"key {number}" for number in range(between)), keys[1])
    data = cbor_oracle.head(5, len(items)) + b"".join(cbor_oracle.encode(key) + b"\x00" for key in items)
    for inside in (b"", b"\x81", b"\xd2", b"\xa1\x00"):
        with pytest.raises(CborInvalid, match="a key occurs more than once in a map"):
            cbor.decode(inside + data)


def test_depth_is_bounded() -> None:
    for deeper in (b"\x81", b"\xd2", b"\xa1\x00"):
        assert compare(deeper * cbor.MAX_DEPTH + b"\x00")
        with pytest.raises(CborInvalid, match="nested more than 8 levels"):
            cbor.decode(deeper * (cbor.MAX_DEPTH + 1) + b"\x00")
    assert compare(b"\x81" * cbor.MAX_DEPTH + b"\x80")
    with pytest.raises(CborInvalid, match="nested more than 8 levels"):
        cbor.decode(b"\x81" * 10000 + b"\x00")


def test_the_number_of_values_is_bounded() -> None:
    full = cbor.encode((0,) * (cbor.MAX_ITEMS - 1))
    assert compare(full)
    assert compare(cbor.encode({key: 0 for key in range((cbor.MAX_ITEMS - 1) // 2)}))
    with pytest.raises(CborInvalid, match="more than 1024 values"):
        cbor.decode(cbor.encode((0,) * cbor.MAX_ITEMS))


def test_the_library_here_will_do() -> None:
    cbor.require_cbor2()


USES: dict[str, t.Callable[[], object]] = {
    "decoding": lambda: cbor.decode(b"\x00"),
    "encoding": lambda: cbor.encode(0),
    "asking": cbor.require_cbor2,
}
every_use = pytest.mark.parametrize("use", USES.values(), ids=USES.keys())


def never(*dummy: object, **options: object) -> t.NoReturn:
    raise AssertionError("called")


@every_use
def test_a_missing_library_is_named(use: t.Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cbor, "IMPORT_ERROR", "Traceback")
    with pytest.raises(DependencyMissing, match="cbor2 >= 5.4.0, which cannot be imported; install it.") as caught:
        use()
    assert caught.value.fields == {"library": "cbor2 >= 5.4.0"}
    assert caught.value.traceback == "Traceback"


@every_use
@pytest.mark.parametrize("version", ["5.3.9", "5.0", "4", "odd"])
def test_an_old_library_is_named_and_never_called(
    use: t.Callable[[], object], version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cbor, "_found_version", lambda: version)
    monkeypatch.setattr(cbor2, "loads", never)
    monkeypatch.setattr(cbor2, "dumps", never)
    with pytest.raises(DependencyMissing) as caught:
        use()
    place = os.path.dirname(os.path.dirname(cbor2.__file__))
    assert caught.value.message == (
        f"Remote attestation needs the Python library cbor2 >= 5.4.0 and {version} was found in {place}; upgrade it."
    )
    assert caught.value.fields == {"library": "cbor2 >= 5.4.0"}


@pytest.mark.parametrize("version", ["5.4.0", "5.4.6", "5.10.1", "6.0.0rc1", "6.3.0", "10.0"])
def test_newer_ones_will_do(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cbor, "_found_version", lambda: version)
    cbor.require_cbor2()


def test_a_library_that_tells_no_version_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> t.NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(cbor, "_found_version", cbor._found_version.__wrapped__)
    monkeypatch.setattr(importlib.metadata, "version", find)
    with pytest.raises(DependencyMissing, match="and an unknown version was found in"):
        cbor.require_cbor2()
