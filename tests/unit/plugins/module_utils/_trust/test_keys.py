# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Public keys: which files are accepted, which kinds of keys, and which signatures they verify."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._trust.errors import PolicyInvalid, Refused
from ansible_collections.attested.registry.plugins.module_utils._trust.keys import (
    MAX_KEY_FILE,
    MAX_KEYS,
    parse_public_key,
    read_keys,
)
from ansible_collections.attested.registry.tests.support.images.signatures import SigningKey
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from hypothesis import given
from hypothesis import strategies as st

KINDS: list[t.Any] = ["p256", "p384", "ed25519", "rsa", "rsa-pss"]
MESSAGE = b"what is signed"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["pem", "spki"])
def test_a_key_verifies_what_it_has_signed_and_nothing_else(kind: t.Any, form: str) -> None:
    private = SigningKey.make(kind)
    key = parse_public_key(getattr(private, form))
    assert key.fingerprint == private.fingerprint
    assert key.verifies(private.sign(MESSAGE), MESSAGE)
    assert not key.verifies(private.sign(MESSAGE), MESSAGE + b"!")
    assert not key.verifies(SigningKey.make(kind, "another").sign(MESSAGE), MESSAGE)


@pytest.mark.parametrize("kind", KINDS)
@given(signature=st.binary(max_size=600))
def test_any_bytes_are_no_signature(kind: t.Any, signature: bytes) -> None:
    assert not parse_public_key(SigningKey.make(kind).spki).verifies(signature, MESSAGE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_that_is_cut_or_longer_is_none(kind: t.Any) -> None:
    key, signature = parse_public_key(SigningKey.make(kind).spki), SigningKey.make(kind).sign(MESSAGE)
    assert not any(key.verifies(signature[:length], MESSAGE) for length in range(len(signature)))
    assert not key.verifies(signature + b"\0", MESSAGE)


@pytest.mark.parametrize(
    ("hash_name", "valid"), [("SHA384", True), ("SHA256", True), ("SHA512", False), ("SHA1", False)]
)
def test_hashes_of_p384(hash_name: str, valid: bool) -> None:
    private = SigningKey.make("p384")
    signature = private.sign(MESSAGE, algorithm=getattr(hashes, hash_name)())
    assert parse_public_key(private.spki).verifies(signature, MESSAGE) is valid
    assert parse_public_key(private.spki).verifies(signature, MESSAGE, only="SHA384") is (hash_name == "SHA384")


def test_a_short_hash_is_refused_for_rsa() -> None:
    private = SigningKey.make("rsa")
    assert not parse_public_key(private.spki).verifies(private.sign(MESSAGE, algorithm=hashes.SHA1()), MESSAGE)


def other_curve() -> bytes:
    public = ec.generate_private_key(ec.SECP256K1()).public_key()
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def other_kind() -> bytes:
    public = x25519.X25519PrivateKey.generate().public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def request_of_a_certificate() -> bytes:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return made.sign(SigningKey.make("p256").private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: SigningKey.make("p521").pem, "curve secp521r1"),
        (other_curve, "curve secp256k1"),
        (other_kind, "another kind"),
        (lambda: SigningKey.make("rsa-1024").spki, "1024 bits"),
        (lambda: SigningKey.make("p256").private_pem, "private key"),
        (lambda: SigningKey.make("p256").pem * 2, "not a public key"),
        (lambda: SigningKey.make("p256").spki + b"\0", "not a public key"),
        (lambda: SigningKey.make("p256").spki[:-1], "not a public key"),
        (request_of_a_certificate, "not a public key"),
        (lambda: b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n", "private key"),
        (lambda: b"", "not a public key"),
        (lambda: b"ssh-ed25519 AAAA me@example.com", "not a public key"),
    ],
)
def test_what_is_no_usable_key_is_refused(data: t.Callable[[], bytes], why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse_public_key(data())


@given(data=st.binary(max_size=300))
def test_reading_a_key_is_total(data: bytes) -> None:
    with pytest.raises(Refused):
        parse_public_key(data)


def test_a_key_in_two_files_is_one_key(tmp_path: Path) -> None:
    key = SigningKey.make("p256")
    der = tmp_path / "key.der"
    der.write_bytes(key.spki)
    assert [found.fingerprint for found in read_keys([key.write(tmp_path / "a"), str(der)], where="x")] == [
        key.fingerprint
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b"secret", "not a public key"), (b"x" * (MAX_KEY_FILE + 1), "bytes")],
)
def test_a_file_that_cannot_be_used_is_named_with_its_option(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "cosign.pub"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PolicyInvalid, match=f"cosign.pub of the option signature failed: .*{why}") as caught:
        read_keys([str(path)], where="option signature")
    assert caught.value.fields["path"] == str(path)
    assert "secret" not in caught.value.message


def test_a_key_may_be_given_itself(tmp_path: Path) -> None:
    key, other = SigningKey.make("p256"), SigningKey.make("ed25519")
    pem = Path(key.write(tmp_path / "a")).read_text()
    found = read_keys([pem, key.write(tmp_path / "a"), f"\n{pem}", other.write(tmp_path / "b")], where="x")
    assert [item.path for item in found] == [key.fingerprint, str(tmp_path / "b")]
    assert found[0].fingerprint == key.fingerprint


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda pem, private: private, "it is a private key"),
        (lambda pem, private: pem + private, "it is a private key"),
        (lambda pem, private: pem + pem, "not a public key"),
        (lambda pem, private: pem[:-40] + "KEY-----", "not a public key"),
        (lambda pem, private: "ü" + pem, "not a public key"),
        (lambda pem, private: pem + " " * MAX_KEY_FILE, "is the limit"),
    ],
)
def test_a_key_itself_that_cannot_be_used_is_not_shown(
    tmp_path: Path, change: t.Callable[[str, str], str], why: str
) -> None:
    key = SigningKey.make("p256")
    pem, private = Path(key.write(tmp_path / "a")).read_text(), key.private_pem.decode()
    with pytest.raises(PolicyInvalid, match=f"Reading a key of the option signature, .*{why}") as caught:
        read_keys([change(pem, private)], where="option signature")
    lines = {*pem.splitlines(), *private.splitlines()}
    assert not [line for line in lines if line in caught.value.message + str(caught.value.fields)]


@given(st.text().map(lambda text: f"{text}KEY-----"))
def test_reading_a_key_itself_is_total(text: str) -> None:
    with pytest.raises(PolicyInvalid):
        read_keys([text], where="x")


def test_the_number_of_files_is_limited() -> None:
    with pytest.raises(PolicyInvalid, match="give 1 to"):
        read_keys([], where="x")
    with pytest.raises(PolicyInvalid, match="give 1 to"):
        read_keys(["x"] * (MAX_KEYS + 1), where="x")
