# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Examples of the specifications are parsed, verified and written as they state."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.token import cbor
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cbor import CborInvalid, TaggedValue
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cose import to_be_signed
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.jwk import decode_base64url, from_jwk
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.keys import ALGORITHMS, from_coordinates
from ansible_collections.attested.registry.tests.support.attestation import cbor_oracle


def test_the_signed_message_of_rfc_9052_appendix_c_2_1() -> None:
    key = from_coordinates(
        ALGORITHMS[0],
        bytes.fromhex("bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff"),
        bytes.fromhex("20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e"),
    )
    signature = bytes.fromhex(
        "8eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e"
        "2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36"
    )
    protected, payload = bytes.fromhex("a10126"), b"This is the content."
    assert key.verify(signature, to_be_signed(protected, payload))
    assert not key.verify(signature, to_be_signed(protected, payload + b"."))


def test_the_signed_message_of_rfc_7515_appendix_a_3() -> None:
    key = from_jwk(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }
    )
    message = (
        b"eyJhbGciOiJFUzI1NiJ9"
        b".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    )
    signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    assert key.verify(decode_base64url(signature), message)
    assert not key.verify(decode_base64url(signature), message + b"A")


RFC_8949_APPENDIX_A: list[tuple[str, t.Any]] = [
    ("00", 0),
    ("17", 23),
    ("1818", 24),
    ("1903e8", 1000),
    ("1a000f4240", 1000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("3bffffffffffffffff", -18446744073709551616),
    ("20", -1),
    ("3903e7", -1000),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("40", b""),
    ("4401020304", b"\x01\x02\x03\x04"),
    ("60", ""),
    ("6449455446", "IETF"),
    ("62c3bc", "\u00fc"),
    ("64f0908591", "\U00010151"),
    ("80", ()),
    ("8301820203820405", (1, (2, 3), (4, 5))),
    ("a0", {}),
    ("a201020304", {1: 2, 3: 4}),
    ("a26161016162820203", {"a": 1, "b": (2, 3)}),
]
RFC_8949_TAGGED: list[tuple[str, t.Any]] = [
    ("c11a514b67b0", TaggedValue(1, 1363896240)),
    ("d818456449455446", TaggedValue(24, b"dIETF")),
]
RFC_8949_NOT_HERE = [
    "f90000",
    "f93c00",
    "fa47c35000",
    "f97e00",
    "f7",
    "f0",
    "f8ff",
    "5f42010243030405ff",
    "9fff",
    "bf6161019fff",
]


@pytest.mark.parametrize(("data", "value"), RFC_8949_APPENDIX_A)
@pytest.mark.parametrize("codec", [cbor, cbor_oracle], ids=["cbor", "oracle"])
def test_the_examples_of_rfc_8949(codec: t.Any, data: str, value: t.Any) -> None:
    decoded = codec.decode(bytes.fromhex(data))
    assert (decoded, type(decoded)) == (value, type(value))
    assert codec.encode(value).hex() == data


@pytest.mark.parametrize(("data", "value"), RFC_8949_TAGGED)
def test_the_tags_of_rfc_8949_are_written_and_not_read(data: str, value: TaggedValue) -> None:
    assert cbor_oracle.decode(bytes.fromhex(data)) == value
    assert cbor.encode(value).hex() == cbor_oracle.encode(value).hex() == data
    with pytest.raises(CborInvalid, match=f"the tag {value.tag} cannot be in a token"):
        cbor.decode(bytes.fromhex(data))


@pytest.mark.parametrize("data", RFC_8949_NOT_HERE)
@pytest.mark.parametrize("codec", [cbor, cbor_oracle], ids=["cbor", "oracle"])
def test_the_examples_of_rfc_8949_that_no_token_holds(codec: t.Any, data: str) -> None:
    with pytest.raises(CborInvalid):
        codec.decode(bytes.fromhex(data))
