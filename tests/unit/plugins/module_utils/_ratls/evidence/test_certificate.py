# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client certificate of RA-TLS carries a token as servers expect it; the reader refuses every other certificate."""

from __future__ import annotations

import datetime
import hashlib
import threading
import typing as t
from unittest import mock

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.extensions import extensions_of
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.peer_certificate import (
    MAX_CERTIFICATE,
    read_certificate,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import CertificateInvalid
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence import client_key
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.certificate import make_certificate
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.client_key import KEY_TYPES, ClientKey
from cryptography import __version__ as cryptography_version
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)
TOKEN = b"\xd9\x01\x8f" + bytes(1083)
every_type = pytest.mark.parametrize("key_type", KEY_TYPES)


@every_type
def test_the_certificate_is_what_the_servers_expect(key_type: t.Any) -> None:
    key = client_key.process_key(key_type)
    data = make_certificate(key, TOKEN)
    certificate = x509.load_der_x509_certificate(data)
    assert certificate.version is x509.Version.v3
    assert certificate.subject.public_bytes() == certificate.issuer.public_bytes() == b"\x30\x00"
    assert certificate.signature_algorithm_oid in (
        x509.SignatureAlgorithmOID.RSA_WITH_SHA256,
        x509.SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    )
    # the period as it has to be encoded: UTCTime, GeneralizedTime
    assert b"\x17\x0d210519000000Z\x18\x0f40960101000000Z" in data
    # one extension: its OID, no BOOLEAN for critical, the bytes of the token in one OCTET STRING
    length = len(TOKEN).to_bytes(2, "big")
    assert b"\x06\x04\x2b\x03\x03\x07\x04\x82" + length + TOKEN in data
    assert len(certificate.extensions) == 1


def built(key: ClientKey, token: bytes) -> x509.Certificate:
    """The same certificate by the builder of cryptography."""
    number = x509.load_der_x509_certificate(make_certificate(key, token)).serial_number
    start, end = (datetime.datetime(*day, tzinfo=datetime.timezone.utc) for day in ((2021, 5, 19), (4096, 1, 1)))
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.private.public_key(), number, start, end)
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.3.3.7"), token)
    return builder.add_extension(extension, critical=False).sign(key.private, hashes.SHA256())


@every_type
@pytest.mark.parametrize("size", [0, 1, 100, 117, 118, 119, 127, 128, 200, 255, 256, 1083, 16384])
def test_the_certificate_is_that_of_the_builder(key_type: t.Any, size: int) -> None:
    # the lengths of DER change their form at 128 and 256 bytes; the signature of RSA is always the same
    for key in (client_key.process_key(key_type), client_key.make_client_key("ec-p256")):
        made, wanted = make_certificate(key, bytes(size)), built(key, bytes(size))
        certificate = x509.load_der_x509_certificate(made)
        assert certificate.tbs_certificate_bytes == wanted.tbs_certificate_bytes
        assert certificate.signature_algorithm_oid == wanted.signature_algorithm_oid
        certificate.verify_directly_issued_by(certificate)
        if isinstance(key.private, rsa.RSAPrivateKey):
            assert made == wanted.public_bytes(serialization.Encoding.DER)


def test_small_serial_numbers_are_in_their_shortest_form(monkeypatch: pytest.MonkeyPatch) -> None:
    key = client_key.process_key("ec-p256")
    for start in ("00007f", "000080", "8000ff", "ffffff", "7f0000"):
        digest = bytes.fromhex(start) + bytes(range(1, 30))
        monkeypatch.setattr(hashlib, "sha256", lambda dummy, digest=digest: mock.Mock(digest=lambda: digest))
        data = make_certificate(key, TOKEN)
        monkeypatch.undo()
        found = x509.load_der_x509_certificate(data)
        assert found.serial_number == int.from_bytes(digest[:20], "big") & ~(1 << 159)


@every_type
def test_the_serial_number_is_the_hash_of_the_key(key_type: t.Any) -> None:
    key = client_key.process_key(key_type)
    bits = key.public_key[{"rsa-2048": 24, "ec-p256": 26}[key_type] :]
    number = int.from_bytes(hashlib.sha256(bits).digest()[:20], "big") & ~(1 << 159)
    assert x509.load_der_x509_certificate(make_certificate(key, TOKEN)).serial_number == number


def test_the_public_key_has_the_bytes_that_the_challenge_covers() -> None:
    start = "30820122300d06092a864886f70d01010105000382010f00"
    assert client_key.process_key("rsa-2048").public_key.hex().startswith(start)
    assert len(client_key.process_key("rsa-2048").public_key) == 294
    start = "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
    assert client_key.process_key("ec-p256").public_key.hex().startswith(start)


def test_rsa_is_the_default() -> None:
    assert client_key.process_key() is client_key.process_key("rsa-2048")


def test_threads_of_a_process_share_one_key_of_each_type() -> None:
    client_key._process_key.cache_clear()
    found: list[ClientKey] = []
    threads = [threading.Thread(target=lambda: found.append(client_key.process_key("ec-p256"))) for dummy in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(key) for key in found}) == 1
    assert client_key.make_client_key("ec-p256").public_key != found[0].public_key


def test_a_client_key_does_not_show_itself() -> None:
    assert repr(client_key.process_key("ec-p256")) == "<ClientKey>"


@every_type
def test_the_server_reads_what_the_client_makes(key_type: t.Any) -> None:
    key = client_key.process_key(key_type)
    read = read_certificate(make_certificate(key, TOKEN), now=NOW)
    assert (read.public_key, read.token) == (key.public_key, TOKEN)


def test_a_token_that_is_too_large_is_not_shown() -> None:
    with pytest.raises(CertificateInvalid, match="the token has 16385 bytes"):
        make_certificate(client_key.process_key("ec-p256"), bytes(16385))


EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.3.3.7"), TOKEN)


def certificate(
    key: t.Any = None,
    *,
    extensions: t.Sequence[tuple[x509.ExtensionType, bool]] = ((EXTENSION, False),),
    signer: t.Any = None,
    algorithm: t.Any = ...,
    start: datetime.datetime = datetime.datetime(2021, 5, 19),
    end: datetime.datetime = datetime.datetime(4096, 1, 1),
) -> bytes:
    key = key or client_key.process_key("ec-p256").private
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), 1, start, end)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    chosen = hashes.SHA256() if algorithm is ... else algorithm
    return builder.sign(signer or key, chosen).public_bytes(serialization.Encoding.DER)


def wrong(data: bytes, reason: str) -> None:
    with pytest.raises(CertificateInvalid, match=reason) as caught:
        read_certificate(data, now=NOW)
    assert caught.value.message.endswith("connect with a client that speaks RA-TLS.")


def test_the_keys_that_other_clients_use_are_read() -> None:
    others = (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 3072))
    for key in others:
        assert read_certificate(certificate(key), now=NOW).token == TOKEN
    edwards = ed25519.Ed25519PrivateKey.generate()
    assert read_certificate(certificate(edwards, algorithm=None), now=NOW).token == TOKEN


def test_other_keys_are_refused() -> None:
    for key in (ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 1024)):
        wrong(certificate(key), "its key is not RSA")
    wrong(certificate(ec.generate_private_key(ec.SECP256K1())), "its key is not RSA")
    wrong(certificate(ed448.Ed448PrivateKey.generate(), algorithm=None), "its key is not RSA")
    wrong(certificate(dsa.generate_private_key(2048)), "its key is not RSA")


def test_an_unknown_curve_is_refused() -> None:
    known, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f")
    wrong(certificate().replace(known, unknown), "its key type is unknown")


def test_the_signature_has_to_be_its_own() -> None:
    wrong(certificate(signer=ec.generate_private_key(ec.SECP256R1())), "not self-signed")


def test_it_has_to_be_valid_now() -> None:
    wrong(certificate(end=datetime.datetime(2026, 5, 31)), "not valid now")
    wrong(certificate(start=datetime.datetime(2026, 6, 2)), "not valid now")


def test_a_time_that_no_calendar_has_is_refused() -> None:
    for start in ("000001010000", "000012312359"):
        odd = GOOD.replace(b"\x18\x0f409601010000", b"\x18\x0f" + start.encode())
        assert odd != GOOD
        wrong(odd, "not valid now")


def test_an_rsa_key_has_a_short_exponent() -> None:
    """Checking a signature with a long one takes the time of making one."""
    numbers = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    accepted, refused = (rsa.RSAPublicNumbers(exponent, numbers.n).public_key() for exponent in (2**64 - 1, 2**64 + 1))
    signer = client_key.process_key("rsa-2048").private
    for public, reason in ((accepted, "not self-signed"), (refused, "its key is not RSA")):
        start, end = datetime.datetime(2021, 5, 19), datetime.datetime(4096, 1, 1)
        builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), public, 1, start, end)
        signed = builder.add_extension(EXTENSION, False).sign(signer, hashes.SHA256())
        wrong(signed.public_bytes(serialization.Encoding.DER), reason)


def test_the_extension_has_to_be_there_once_and_not_critical() -> None:
    wrong(certificate(extensions=()), "no token extension .1.3.3.3.7")
    other = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.3.3.8"), TOKEN)
    wrong(certificate(extensions=((other, False),)), "no token extension .1.3.3.3.7")
    wrong(certificate(extensions=((EXTENSION, True),)), "critical extension")
    wrong(certificate(extensions=((EXTENSION, False), (other, True))), "critical extension")
    twice = certificate(extensions=((EXTENSION, False), (other, False))).replace(
        bytes.fromhex("06042b030308"), bytes.fromhex("06042b030307")
    )
    wrong(twice, "a duplicate extension")


def test_other_extensions_are_ignored() -> None:
    more = ((EXTENSION, False), (x509.BasicConstraints(False, None), False))
    assert read_certificate(certificate(extensions=more), now=NOW).token == TOKEN


@pytest.mark.filterwarnings("error")
def test_values_of_other_extensions_are_not_parsed() -> None:
    country_of_three_letters = bytes.fromhex("3012a410300e310c300a06035504061303474552")
    for value in (country_of_three_letters, b"nonsense", b"0\x82\x70\x00" + b"\x82\x00" * 0x3800):
        names = x509.UnrecognizedExtension(x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, value)
        assert read_certificate(certificate(extensions=((names, False), (EXTENSION, False))), now=NOW).token == TOKEN


# what older versions of the library cannot read themselves
BIGGEST_ARC = 2**40 if int(cryptography_version.partition(".")[0]) >= 45 else 2**16


@given(
    st.dictionaries(
        st.lists(st.integers(0, BIGGEST_ARC), max_size=6).map(lambda parts: ".".join(map(str, (1, 2, *parts)))),
        st.tuples(st.binary(max_size=300), st.booleans()),
        max_size=5,
    )
)
def test_the_extensions_are_those_that_the_library_sees(wanted: dict[str, tuple[bytes, bool]]) -> None:
    seen = [x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value) for oid, (value, dummy) in wanted.items()]
    data = certificate(extensions=[(item, wanted[item.oid.dotted_string][1]) for item in seen])
    found = extensions_of(x509.load_der_x509_certificate(data).tbs_certificate_bytes)
    assert [(one.value, one.critical) for one in found] == list(wanted.values())
    assert len({one.oid for one in found}) == len(wanted)


def test_it_has_to_be_of_version_3() -> None:
    data = certificate()
    whole, inner = (int.from_bytes(data[at : at + 2], "big") - 5 for at in (2, 6))
    assert data[8:13] == b"\xa0\x03\x02\x01\x02"
    without = data[:2] + whole.to_bytes(2, "big") + data[4:6] + inner.to_bytes(2, "big") + data[13:]
    wrong(without, "not of version 3")
    wrong(data.replace(data[8:13], b"\xa0\x03\x02\x01\x01"), "not an X.509 certificate")


def test_the_size_is_bounded() -> None:
    wrong(bytes(MAX_CERTIFICATE + 1), "32769 bytes, and 32768 is the limit")


@given(st.binary(max_size=200))
def test_reading_is_total(data: bytes) -> None:
    wrong(data, "Reading the client certificate failed")


GOOD = certificate()


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_never_gives_another_key_or_token(at: int, change: int) -> None:
    data = bytearray(GOOD)
    data[at] ^= change
    try:
        read = read_certificate(bytes(data), now=NOW)
    except CertificateInvalid:
        return
    assert (read.public_key, read.token) == (client_key.process_key("ec-p256").public_key, TOKEN)


TBS = x509.load_der_x509_certificate(GOOD).tbs_certificate_bytes
ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def signed_again(tbs: bytes) -> bytes:
    """The certificate of these bytes, signed as it has to be, so that what comes after the signature is reached."""
    signature = client_key.process_key("ec-p256").private.sign(tbs, ec.ECDSA(hashes.SHA256()))  # type: ignore[call-arg, arg-type]
    body = tbs + ECDSA_WITH_SHA256 + bytes((3, 1 + len(signature), 0)) + signature
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


@given(st.lists(st.tuples(st.integers(0, len(TBS) - 1), st.integers(0, 255)), max_size=4))
def test_reading_what_is_signed_as_it_has_to_be_is_total(changes: list[tuple[int, int]]) -> None:
    data = bytearray(TBS)
    for at, value in changes:
        data[at] = value
    try:
        read = read_certificate(signed_again(bytes(data)), now=NOW)
    except CertificateInvalid:
        return
    # neither the key nor where the token begins and ends
    assert (read.public_key, len(read.token)) == (client_key.process_key("ec-p256").public_key, len(TOKEN))
