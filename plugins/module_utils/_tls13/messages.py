# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The handshake messages after the hellos (RFC 8446, sections 4.3 to 4.6), parsed and encoded."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .errors import DecodeError, ProtocolError
from .extensions import (
    Extensions,
    check_allowed,
    read_authorities,
    read_extensions,
    read_numbers,
    require,
    write_authorities,
    write_extensions,
)
from .hello import message
from .limits import CHAIN
from .names import Alert, Extension, HandshakeType
from .wire import Reader, number, numbers, read_all, vector


def encode_encrypted_extensions(extensions: Extensions) -> bytes:
    """Encode EncryptedExtensions (RFC 8446, section 4.3.1)."""
    return message(HandshakeType.ENCRYPTED_EXTENSIONS, write_extensions(extensions))


def read_encrypted_extensions(body: bytes) -> Extensions:
    """Parse EncryptedExtensions. Raises DecodeError and ProtocolError."""
    return read_all(body, "EncryptedExtensions", read_extensions)


@dataclass(frozen=True)
class CertificateRequest:
    """A CertificateRequest (RFC 8446, section 4.3.2). authorities are opaque bytes in the order of the message."""

    schemes: tuple[int, ...]
    authorities: tuple[bytes, ...] = field(default=(), repr=False)
    context: bytes = b""

    def encode(self) -> bytes:
        """Return the message with its header."""
        extensions: dict[int, bytes] = {Extension.SIGNATURE_ALGORITHMS: numbers(self.schemes)}
        if self.authorities:
            extensions[Extension.CERTIFICATE_AUTHORITIES] = write_authorities(self.authorities)
        return message(HandshakeType.CERTIFICATE_REQUEST, vector(self.context, 1) + write_extensions(extensions))


_REQUEST_EXTENSIONS: t.Final = (
    Extension.STATUS_REQUEST,
    Extension.SIGNATURE_ALGORITHMS,
    Extension.SIGNED_CERTIFICATE_TIMESTAMP,
    Extension.CERTIFICATE_AUTHORITIES,
    Extension.OID_FILTERS,
    Extension.SIGNATURE_ALGORITHMS_CERT,
)


def read_certificate_request(body: bytes) -> CertificateRequest:
    """Parse a CertificateRequest. Raises DecodeError and ProtocolError."""
    what = "CertificateRequest"
    context, extensions = read_all(body, what, lambda reader: (reader.vector(1), read_extensions(reader, least=2)))
    check_allowed(extensions, _REQUEST_EXTENSIONS, what, answers=False)
    schemes = read_numbers(require(extensions, Extension.SIGNATURE_ALGORITHMS, what), "signature_algorithms")
    names = extensions.get(Extension.CERTIFICATE_AUTHORITIES)
    return CertificateRequest(schemes, () if names is None else read_authorities(names), context)


def encode_certificate(chain: t.Iterable[bytes]) -> bytes:
    """Encode a Certificate message of the handshake without extensions (RFC 8446, section 4.4.2)."""
    entries = b"".join(vector(certificate, 3) + write_extensions({}) for certificate in chain)
    return message(HandshakeType.CERTIFICATE, vector(b"", 1) + vector(entries, 3))


def _certificate(reader: Reader) -> tuple[bytes, tuple[bytes, ...]]:
    context = reader.vector(1)
    entries = reader.inner(3)
    chain = []
    while entries:
        chain.append(entries.vector(3, least=1))
        # extensions must answer a request (section 4.4.2), and this end requests none in either role
        check_allowed(read_extensions(entries), (), reader.what, answers=True)
        if len(chain) > CHAIN:
            raise DecodeError(f"The other end sent a chain of more than {CHAIN} certificates.")
    return context, tuple(chain)


def read_certificate(body: bytes) -> tuple[bytes, ...]:
    """Return the chain of a Certificate message of the handshake; empty if the other end has no certificate.

    Raises DecodeError, and ProtocolError for a request context or extensions.
    """
    context, chain = read_all(body, "Certificate", _certificate)
    if context:
        raise ProtocolError(
            "The Certificate message of the other end answers a request that was not made.",
            alert=Alert.ILLEGAL_PARAMETER,
        )
    return chain


def encode_certificate_verify(scheme: int, signature: bytes) -> bytes:
    """Encode a CertificateVerify (RFC 8446, section 4.4.3)."""
    return message(HandshakeType.CERTIFICATE_VERIFY, number(scheme, 2) + vector(signature, 2))


def read_certificate_verify(body: bytes) -> tuple[int, bytes]:
    """Return the scheme and the signature of a CertificateVerify. Raises DecodeError."""
    return read_all(body, "CertificateVerify", lambda reader: (reader.number(2), reader.vector(2)))


def encode_finished(mac: bytes) -> bytes:
    """Encode a Finished (RFC 8446, section 4.4.4)."""
    return message(HandshakeType.FINISHED, mac)


def encode_key_update(*, requested: bool) -> bytes:
    """Encode a KeyUpdate (RFC 8446, section 4.6.3)."""
    return message(HandshakeType.KEY_UPDATE, number(int(requested), 1))


def read_key_update(body: bytes) -> bool:
    """Return whether a KeyUpdate requests one in return. Raises DecodeError, and ProtocolError for an unknown value."""
    requested = read_all(body, "KeyUpdate", lambda reader: reader.number(1))
    if requested > 1:
        raise ProtocolError("The KeyUpdate of the other end has an unknown value.", alert=Alert.ILLEGAL_PARAMETER)
    return bool(requested)


def _ticket(reader: Reader) -> None:
    reader.take(8)
    reader.vector(1)
    reader.vector(2, least=1)
    read_extensions(reader)


def check_new_session_ticket(body: bytes) -> None:
    """Check the syntax of a NewSessionTicket (RFC 8446, section 4.6.1), which is discarded. Raises DecodeError."""
    read_all(body, "NewSessionTicket", _ticket)


__all__ = (
    "CertificateRequest",
    "check_new_session_ticket",
    "encode_certificate",
    "encode_certificate_verify",
    "encode_encrypted_extensions",
    "encode_finished",
    "encode_key_update",
    "read_certificate",
    "read_certificate_request",
    "read_certificate_verify",
    "read_encrypted_extensions",
    "read_key_update",
)
