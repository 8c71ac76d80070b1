# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client verifies certificates of servers (RFC 5280, RFC 6125): chain, names, validity, key usage, algorithms."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.crypto import MINIMUM_CRYPTOGRAPHY
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.verify import ServerVerifier
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import CertificateRejected, UsageError
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import Alert
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import private_key
from cryptography import __version__, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.skipif(
    int(__version__.partition(".")[0]) < int(MINIMUM_CRYPTOGRAPHY.partition(".")[0]),
    reason="cryptography is too old for the check of servers",
)

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)
YEAR = datetime.timedelta(days=365)
Extensions = t.Sequence[tuple[x509.ExtensionType, bool]]


def usage(**which: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: which.get(name, False) for name in names})


def ca(depth: int | None = None) -> tuple[x509.ExtensionType, bool]:
    return x509.BasicConstraints(ca=True, path_length=depth), True


def names(*given: str) -> tuple[x509.ExtensionType, bool]:
    found: list[x509.GeneralName] = []
    for name in given:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(found), False


class Made:
    """A certificate, and what it takes to sign others with it."""

    def __init__(
        self,
        name: str,
        extensions: Extensions,
        *,
        issuer: Made | None = None,
        key: str = "ec-p256",
        start: datetime.datetime = NOW - YEAR,
        end: datetime.datetime = NOW + YEAR,
        empty: bool = False,
    ) -> None:
        self.key = private_key(key)
        self.name = x509.Name([] if empty else [x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = issuer or self
        builder = x509.CertificateBuilder().subject_name(self.name).issuer_name(signer.name)
        builder = builder.public_key(self.key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(start).not_valid_after(end)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        self.cert = builder.sign(signer.key, hashes.SHA256())

    @property
    def der(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.PEM)


ROOT = Made("root", [ca()])
LEAF = Made("leaf", [names("localhost", "127.0.0.1", "::1", "*.example.org")], issuer=ROOT, key="ec-p384")
SERVER_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
CLIENT_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def check(
    chain: t.Sequence[Made], name: str = "localhost", *, root: Made = ROOT, time: datetime.datetime = NOW
) -> None:
    ServerVerifier(root.pem).verify([made.der for made in chain], name, time=time)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "host.example.org", "LOCALHOST"])
def test_names_that_match(name: str) -> None:
    check([LEAF], name)


@pytest.mark.parametrize("name", ["example.org", "a.b.example.org", "127.0.0.2", "::2", "other"])
def test_names_that_do_not(name: str) -> None:
    with pytest.raises(CertificateRejected, match="check ca_path, the name and the clocks"):
        check([LEAF], name)


@pytest.mark.parametrize("name", ["", "under_score.example.org", "a b", "bücher.example", "x" * 300])
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check([LEAF], name)


@pytest.mark.parametrize(
    "extensions",
    [
        [],
        [(SERVER_AUTH, False)],
        [(usage(digital_signature=True), True)],
        [(x509.BasicConstraints(ca=False, path_length=None), True)],
        [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.3.3.7"), b"x"), False)],
    ],
)
def test_leaves_of_private_authorities(extensions: list[tuple[x509.ExtensionType, bool]]) -> None:
    check([Made("leaf", [names("localhost"), *extensions], issuer=ROOT, key="ec-p384")])


def test_an_authority_with_key_usage_and_an_intermediate() -> None:
    root = Made("root", [ca(), (usage(key_cert_sign=True), True)])
    middle = Made("middle", [ca(0), (usage(key_cert_sign=True), True)], issuer=root, key="rsa-2048")
    leaf = Made("leaf", [names("localhost")], issuer=middle, key="ec-p384")
    check([leaf, middle], root=root)
    with pytest.raises(CertificateRejected):
        check([leaf], root=root)


def test_a_certificate_that_is_its_own_root() -> None:
    own = Made("own", [names("localhost")])
    check([own], root=own)
    with pytest.raises(CertificateRejected):
        check([own], "other", root=own)
    with pytest.raises(CertificateRejected):
        check([own])


def test_no_subject_and_a_long_life() -> None:
    end = datetime.datetime(4096, 1, 1, tzinfo=datetime.timezone.utc)
    check([Made("", [(names("localhost")[0], True)], issuer=ROOT, key="ec-p384", end=end, empty=True)])


@pytest.mark.parametrize(
    "extensions",
    [
        [],
        [names("localhost"), (CLIENT_AUTH, False)],
        [names("localhost"), (usage(key_encipherment=True), True)],
        [names("localhost"), (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"x"), True)],
    ],
    ids=["no names", "for clients", "not for signatures", "unknown critical"],
)
def test_leaves_that_are_not_taken(extensions: list[tuple[x509.ExtensionType, bool]]) -> None:
    with pytest.raises(CertificateRejected) as failure:
        check([Made("localhost", extensions, issuer=ROOT, key="ec-p384")])
    assert failure.value.alert is Alert.UNKNOWN_CA


@pytest.mark.parametrize(
    "extensions",
    [
        [],
        [(x509.BasicConstraints(ca=False, path_length=None), True)],
        [ca(), (usage(digital_signature=True), True)],
        [ca(), (x509.NameConstraints([x509.DNSName("example.org")], None), True)],
        [ca(), (CLIENT_AUTH, False)],
    ],
    ids=["no constraints", "no authority", "not for certificates", "other names", "for clients"],
)
def test_intermediates_that_are_not_taken(extensions: list[tuple[x509.ExtensionType, bool]]) -> None:
    middle = Made("middle", extensions, issuer=ROOT, key="rsa-2048")
    leaf = Made("leaf", [names("localhost")], issuer=middle, key="ec-p384")
    with pytest.raises(CertificateRejected):
        check([leaf, middle])


@pytest.mark.parametrize("usages", [SERVER_AUTH, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])])
def test_intermediates_for_servers(usages: x509.ExtendedKeyUsage) -> None:
    middle = Made("middle", [ca(), (usages, False)], issuer=ROOT, key="rsa-2048")
    check([Made("leaf", [names("localhost")], issuer=middle, key="ec-p384"), middle])


@pytest.mark.parametrize(("start", "end"), [(-1.0, -0.5), (0.5, 1.0)], ids=["expired", "not yet"])
def test_an_intermediate_of_another_time(start: float, end: float) -> None:
    middle = Made("middle", [ca()], issuer=ROOT, key="rsa-2048", start=NOW + start * YEAR, end=NOW + end * YEAR)
    with pytest.raises(CertificateRejected):
        check([Made("leaf", [names("localhost")], issuer=middle, key="ec-p384"), middle])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (x509.DNSName("127.0.0.1"), "127.0.0.1"),
        (x509.UniformResourceIdentifier("https://localhost"), "localhost"),
        (x509.RFC822Name("a@localhost"), "localhost"),
        (x509.DNSName("f*.example.org"), "foo.example.org"),
        (x509.DNSName("*.*.org"), "a.b.org"),
        (x509.DNSName("*"), "localhost"),
        (x509.DNSName("localhost\0.example.org"), "localhost"),
        (x509.DNSName(".example.org"), "a.example.org"),
    ],
    ids=repr,
)
def test_names_that_only_look_alike(given: x509.GeneralName, wanted: str) -> None:
    """RFC 6125, section 6.4, and RFC 9525: addresses only as addresses, wildcards only as a whole first label."""
    leaf = Made("localhost", [(x509.SubjectAlternativeName([given]), False)], issuer=ROOT, key="ec-p384")
    with pytest.raises(CertificateRejected):
        check([leaf], wanted)


def test_what_a_certificate_says_is_not_in_the_message() -> None:
    leaf = Made("x\n\x1b[31mok: [localhost]", [names("other")], issuer=ROOT, key="ec-p384")
    with pytest.raises(CertificateRejected) as failure:
        check([leaf])
    assert str(failure.value).isprintable()
    assert "ok: [" not in str(failure.value)


MIDDLE = Made("middle", [ca(1), (SERVER_AUTH, False)], issuer=ROOT, key="rsa-2048")
CHAIN = (Made("leaf", [names("localhost"), (SERVER_AUTH, False)], issuer=MIDDLE, key="ec-p384").der, MIDDLE.der)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(st.integers(0, 1), st.floats(0, 1), st.integers(1, 255), st.booleans())
@settings(max_examples=examples(300), deadline=None)
def test_any_changed_certificate(which: int, where: float, value: int, longer: bool) -> None:
    """Any exception of the library during verification becomes a typed error."""
    chain = list(CHAIN)
    changed = bytearray(chain[which])
    at = min(int(where * len(changed)), len(changed) - 1)
    if longer:
        changed.insert(at, value)
    else:
        changed[at] ^= value
    chain[which] = bytes(changed)
    with contextlib.suppress(CertificateRejected):
        ServerVerifier(ROOT.pem).verify(chain, "localhost", time=NOW)


def test_a_certificate_that_breaks_late() -> None:
    """Its subject is no string, which the library only finds when it names the certificate in an error."""
    broken = Made("odd", [names("localhost")], issuer=ROOT, key="ec-p384").der.replace(b"\x0c\x03odd", b"\x8c\x03odd")
    with pytest.raises(CertificateRejected):
        ServerVerifier(ROOT.pem).verify([broken], "other", time=NOW)


def test_a_path_that_is_too_long() -> None:
    first = Made("first", [ca(0)], issuer=ROOT, key="rsa-2048")
    second = Made("second", [ca()], issuer=first, key="ec-p384")
    leaf = Made("leaf", [names("localhost")], issuer=second, key="ed25519")
    with pytest.raises(CertificateRejected):
        check([leaf, second, first])


def test_another_root_of_the_same_name() -> None:
    other = Made("root", [ca()], key="rsa-2048")
    with pytest.raises(CertificateRejected) as failure:
        check([LEAF], root=other)
    assert failure.value.alert is Alert.UNKNOWN_CA


@pytest.mark.parametrize("years", [-2, 2])
def test_times(years: int) -> None:
    with pytest.raises(CertificateRejected) as failure:
        check([LEAF], time=NOW + years * YEAR)
    assert failure.value.alert is (Alert.CERTIFICATE_EXPIRED if years > 0 else Alert.UNKNOWN_CA)
    assert ("it has expired" in str(failure.value)) is (years > 0)


@pytest.mark.parametrize(
    "roots", [b"", b"no PEM", ROOT.pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_roots_that_cannot_be_read(roots: bytes) -> None:
    with pytest.raises(UsageError, match="each of them valid"):
        ServerVerifier(roots)


def test_a_chain_that_cannot_be_read() -> None:
    with pytest.raises(CertificateRejected):
        ServerVerifier(ROOT.pem).verify([LEAF.der, b"garbage"], "localhost")
