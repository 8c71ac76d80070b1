# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ECDSA signatures (RFC 9053, 2.1) and keys on P-256, P-384 and P-521 are accepted in the forms of COSE only."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence import signing
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.signing import SigningKey
from ansible_collections.attested.registry.plugins.module_utils._ratls.token import cbor, keys
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.keys import (
    ALGORITHMS,
    Algorithm,
    KeyInvalid,
)
from ansible_collections.attested.registry.tests.support.attestation.ratls_tokens import platform_key
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

ORDERS = {
    "P-256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "P-384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "P-521": int("1ff" + "f" * 63 + "a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409", 16),
}
every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)


def signer(algorithm: Algorithm) -> SigningKey:
    return platform_key(algorithm.curve)


@every_algorithm
def test_a_signature_of_each_algorithm_verifies_and_no_other_message_does(algorithm: Algorithm) -> None:
    key = signer(algorithm)
    signature = key.sign(b"message")
    assert len(signature) == {"ES256": 64, "ES384": 96, "ES512": 132}[algorithm.name]
    assert key.public.verify(signature, b"message")
    assert not key.public.verify(signature, b"another message")
    assert not signing.SigningKey.generate(algorithm.curve).public.verify(signature, b"message")


@every_algorithm
def test_both_values_of_s_are_right(algorithm: Algorithm) -> None:
    """RFC 9053, 2.1 does not ask for a low s, and firmware makes a high one half of the time."""
    key, size = signer(algorithm), algorithm.size
    signature = key.sign(b"message")
    twin = (ORDERS[algorithm.curve] - int.from_bytes(signature[size:], "big")).to_bytes(size, "big")
    assert twin != signature[size:]
    assert key.public.verify(signature[:size] + twin, b"message")


@every_algorithm
def test_r_and_s_are_below_the_order_and_not_zero(algorithm: Algorithm) -> None:
    key, size = signer(algorithm), algorithm.size
    signature = key.sign(b"message")
    r, s, order = signature[:size], signature[size:], ORDERS[algorithm.curve].to_bytes(size, "big")
    zero, full = bytes(size), b"\xff" * size
    for wrong in (zero + s, r + zero, zero + zero, order + s, r + order, full + full, s + r):
        assert not key.public.verify(wrong, b"message")
    for part in (r, s):
        sum_of_both = int.from_bytes(part, "big") + ORDERS[algorithm.curve]
        if sum_of_both < 1 << 8 * size:
            wide = sum_of_both.to_bytes(size, "big")
            assert not key.public.verify(wide + s if part == r else r + wide, b"message")


@every_algorithm
def test_only_the_raw_form_is_a_signature(algorithm: Algorithm) -> None:
    key = signer(algorithm)
    signature = key.sign(b"message")
    der = key._private.sign(b"message", ec.ECDSA(algorithm.digest()))
    size = algorithm.size
    wide_s = signature[:size] + b"\x00" + signature[size:]
    for wrong in (der, wide_s, signature + b"\x00", b"\x00" + signature, signature[:-1], b""):
        assert not key.public.verify(wrong, b"message")


def test_another_hash_is_another_algorithm() -> None:
    key = platform_key("P-384")
    der = key._private.sign(b"message", ec.ECDSA(hashes.SHA256()))
    r, s = keys.crypto.decode_dss_signature(der)
    assert not key.public.verify(r.to_bytes(48, "big") + s.to_bytes(48, "big"), b"message")


@every_algorithm
def test_a_point_is_read_in_both_forms(algorithm: Algorithm) -> None:
    public = signer(algorithm).public
    size = algorithm.size
    compressed = bytes([2 + (public.point[-1] & 1)]) + public.point[1 : 1 + size]
    assert keys.from_point(public.point) == keys.from_point(compressed) == public
    assert len(public.point) == {"P-256": 65, "P-384": 97, "P-521": 133}[algorithm.curve]


@every_algorithm
def test_a_cose_key_is_read(algorithm: Algorithm) -> None:
    public = signer(algorithm).public
    data = signing.cose_key(public)
    assert len(data) == {"P-256": 75, "P-384": 107, "P-521": 143}[algorithm.curve]
    assert keys.from_cose_key(data) == public


@every_algorithm
def test_a_point_has_to_be_on_its_curve(algorithm: Algorithm) -> None:
    point = bytearray(signer(algorithm).public.point)
    point[-1] ^= 1
    with pytest.raises(KeyInvalid, match="not a point on"):
        keys.from_point(bytes(point))
    for first in (0, 1, 5, 6, 7):
        with pytest.raises(KeyInvalid, match="not a point on"):
            keys.from_point(bytes([first]) + signer(algorithm).public.point[1:])


def cose(**changes: object) -> bytes:
    point = platform_key("P-256").public.point
    fields: dict[object, object] = {1: 2, -1: 1, -2: point[1:33], -3: point[33:]}
    names = {"kty": 1, "crv": -1, "x": -2, "y": -3, "d": -4, "kid": 2, "alg": 3}
    for name, value in changes.items():
        fields[names[name]] = value
    return cbor.encode({key: value for key, value in fields.items() if value is not ...})  # type: ignore[misc]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a COSE_Key"),
        (b"\x01", "not a COSE_Key"),
        (cose(d=bytes(32)), "a public key only"),
        (cose(kty=...), "type EC2"),
        (cose(kty=1), "type EC2"),
        (cose(kty="EC2"), "type EC2"),
        (cose(crv=...), "curve is not"),
        (cose(crv=8), "curve is not"),
        (cose(crv=True), "curve is not"),
        (cose(alg=-35), "alg is not ES256"),
        (cose(alg="ES256"), "alg is not ES256"),
        (cose(alg=None), "alg is not ES256"),
        (cose(crv=2), "coordinates are not of 48 bytes"),
        (cose(x=...), "coordinates"),
        (cose(y=...), "coordinates"),
        (cose(y=True), "coordinates"),
        (cose(y="y" * 32), "coordinates"),
        (cose(x=bytes(31)), "coordinates"),
        (cose(x=bytes(32)), "not a point on P-256"),
        (cose() + b"\x00", "follows the end"),
        (b"\xa5\x01\x02" + cose()[1:], "more than once"),
    ],
)
def test_invalid_cose_keys_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(KeyInvalid, match=reason):
        keys.from_cose_key(data)


def test_a_cose_key_may_have_a_name_and_the_algorithm_of_its_curve() -> None:
    assert keys.from_cose_key(cose(kid=b"name", alg=-7)) == platform_key("P-256").public


SIZES = st.sampled_from([65, 97, 133, 33, 49, 67])


@given(st.binary(max_size=150) | SIZES.flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_reading_keys_is_total(data: bytes) -> None:
    for read in (keys.from_point, keys.from_cose_key):
        try:
            point = read(data).point
        except KeyInvalid:
            continue
        assert point[0] == 4


def test_private_keys_do_not_show_themselves() -> None:
    key = platform_key()
    assert repr(key) == "<SigningKey on P-384>"
    assert "object at" not in str(key)
