# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate authorities, and certificates of servers and clients, minted for a test.

    authority = Authority(tmp_path, "root")
    server = authority.server("registry", names=["localhost", "127.0.0.1"])
    client = authority.client("host1")
    context = server_context(server, client_ca=authority.path)     # for the server side of a test
    TlsOptions(ca_path=str(authority.path), client_cert=str(client.cert), client_key=str(client.key))

Everything is PEM, in files of the given directory.
"""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
import ssl
import typing as t
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key."""

    cert: pathlib.Path
    key: pathlib.Path


class Authority:
    """A certificate authority. ``path`` is its own certificate."""

    def __init__(self, directory: pathlib.Path, name: str = "authority") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        builder = _builder(self._name, self._name, self._key.public_key(), _now() - DAY, _now() + 30 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs=True), critical=True)
        self._cert = builder.sign(self._key, hashes.SHA256())
        self.path = directory / f"{name}.pem"
        self.path.write_bytes(self._cert.public_bytes(serialization.Encoding.PEM))

    def server(
        self,
        name: str = "server",
        *,
        names: t.Sequence[str] = ("localhost", "127.0.0.1"),
        expired: bool = False,
    ) -> Certificate:
        """A certificate for a server with these host names and addresses."""
        alternatives = x509.SubjectAlternativeName([_general_name(text) for text in names])
        return self._issue(name, [alternatives], ExtendedKeyUsageOID.SERVER_AUTH, expired=expired)

    def client(self, name: str = "client", *, password: str | None = None) -> Certificate:
        """A certificate for a client; its key is encrypted if there is a password."""
        return self._issue(name, [], ExtendedKeyUsageOID.CLIENT_AUTH, password=password)

    def _issue(
        self,
        name: str,
        extensions: t.Sequence[x509.ExtensionType],
        usage: x509.ObjectIdentifier,
        *,
        expired: bool = False,
        password: str | None = None,
    ) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        start = _now() - (60 * DAY if expired else DAY)
        builder = _builder(_name(name), self._name, key.public_key(), start, start + 30 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        made = Certificate(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        made.cert.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(_pem(key, password))
        return made


def server_context(certificate: Certificate, *, client_ca: pathlib.Path | None = None) -> ssl.SSLContext:
    """The TLS configuration of a server; with client_ca it wants certificates of that authority from its clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    start: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey, password: str | None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


__all__ = ("Authority", "Certificate", "server_context")
