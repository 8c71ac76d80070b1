# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key files in the forms PEM, JWK (RFC 7517) and COSE_Key (RFC 9052) give the same key; others are refused."""

from __future__ import annotations

import hashlib
import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import ConfigurationInvalid
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence import signing
from ansible_collections.attested.registry.plugins.module_utils._ratls.token import jwk
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.key_file import MAX_KEY_FILE, read_keys
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.keys import ALGORITHMS, KeyInvalid
from ansible_collections.attested.registry.tests.support.attestation.ratls_stand_in_veraison import public_jwk
from ansible_collections.attested.registry.tests.support.attestation.ratls_tokens import platform_key
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

CURVES = [algorithm.curve for algorithm in ALGORITHMS]


@pytest.mark.parametrize("curve", CURVES)
def test_every_form_of_a_key_gives_the_same_key(curve: str) -> None:
    key = platform_key(curve)
    one, two = public_jwk(key), public_jwk(platform_key("P-256"))
    for data in (
        key.public_pem(),
        b"\n" + key.public_pem(),
        json.dumps(one).encode(),
        json.dumps({**one, "alg": key.public.algorithm.name, "kid": "x", "use": "sig"}).encode(),
        signing.cose_key(key.public),
        key.public.point,
    ):
        assert read_keys(data, what="key") == (key.public,)
    both = json.dumps({"keys": [one, two]}).encode()
    assert read_keys(both, what="keys") == (key.public, platform_key("P-256").public)


def pem(key: t.Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return t.cast(bytes, key.public_key().public_bytes(serialization.Encoding.PEM, form))


JWK = public_jwk(platform_key("P-256"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a COSE_Key"),
        (b"{", "not JSON"),
        (b"[]", "not a COSE_Key"),
        (b"\x04" + bytes(64), "not a point on P-256"),
        (b"\x04", "are not a point on"),
        (platform_key("P-256").to_pem(), "contains a private key"),
        (platform_key("P-256").public_pem() * 2, "more than one PEM block"),
        (b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "not a public key"),
        (b"-----BEGIN CERTIFICATE-----\n", "not a public key"),
        (pem(rsa.generate_private_key(65537, 2048)), "not a key on P-256"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "not a key on P-256"),
        (json.dumps({**JWK, "d": "AA"}).encode(), "contains a private key"),
        (json.dumps({**JWK, "kty": "RSA"}).encode(), "type EC"),
        (json.dumps({**JWK, "crv": "secp256k1"}).encode(), "curve is not"),
        (json.dumps({**JWK, "crv": "P-384"}).encode(), "48 bytes"),
        (json.dumps({**JWK, "alg": "ES384"}).encode(), "alg is not ES256"),
        (json.dumps({**JWK, "x": None}).encode(), "x is missing"),
        (json.dumps({**JWK, "y": JWK["y"] + "="}).encode(), "y is not base64url"),
        (json.dumps({**JWK, "y": "é"}).encode(), "y is not base64url"),
        (json.dumps({**JWK, "x": "AA"}).encode(), "32 bytes"),
        (json.dumps({"keys": []}).encode(), "not have 1 to"),
        (json.dumps({"keys": [1]}).encode(), "not a JSON Web Key"),
        (bytes(MAX_KEY_FILE + 1), "is the limit"),
    ],
)
def test_files_that_hold_no_key(data: bytes, reason: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=f"Reading the key file key.pem failed: .*{reason}") as caught:
        read_keys(data, what="key.pem")
    assert "MIG" not in caught.value.message


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    key = platform_key("P-256").public
    text = f'{{"crv":"P-256","kty":"EC","x":"{JWK["x"]}","y":"{JWK["y"]}"}}'
    assert jwk.thumbprint(key) == jwk.encode_base64url(hashlib.sha256(text.encode()).digest())


@given(st.binary(max_size=150) | st.binary(max_size=50).map(lambda tail: b"-----BEGIN PUBLIC KEY-----\n" + tail))
def test_reading_key_files_is_total(data: bytes) -> None:
    with pytest.raises(ConfigurationInvalid):
        read_keys(data, what="key")


ODD = st.none() | st.integers() | st.text(max_size=50)


@given(st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "alg"]), ODD))
def test_reading_jwks_is_total(changes: dict[str, t.Any]) -> None:
    try:
        key = jwk.from_jwk({**JWK, **changes})
    except KeyInvalid:
        return
    assert key == platform_key("P-256").public


@given(st.binary(max_size=100), st.text(max_size=20))
def test_base64url_has_one_form(data: bytes, text: str) -> None:
    assert jwk.decode_base64url(jwk.encode_base64url(data)) == data
    try:
        decoded = jwk.decode_base64url(text)
    except ValueError:
        return
    assert jwk.encode_base64url(decoded) == text
