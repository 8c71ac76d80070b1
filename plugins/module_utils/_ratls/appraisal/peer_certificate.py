# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Reads the certificate of an attested client (X.509 v3, RFC 5280); called by RelyingParty.judge."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field

from ..._base import crypto
from ..errors import CertificateInvalid
from ..evidence.certificate import EXTENSION_OID
from .extensions import extensions_of

if t.TYPE_CHECKING:
    from cryptography.x509 import Certificate

_TOKEN_OID: t.Final = bytes.fromhex("2b030307")  # EXTENSION_OID in DER
MAX_CERTIFICATE: t.Final = 32 * 1024
MIN_RSA: t.Final = 2048  # bits
MAX_RSA: t.Final = 8192  # bits
# a longer exponent makes verifying a signature as expensive as signing
MAX_RSA_EXPONENT: t.Final = 2**64


@dataclass(frozen=True)
class AttestedCertificate:
    """The public key and the token of a client's certificate. TLS verifies that the client has the key."""

    # the SubjectPublicKeyInfo in DER, encoded again from the parsed key
    public_key: bytes
    # the bytes of the token, not parsed
    token: bytes = field(repr=False)


def read_certificate(data: bytes, *, now: datetime.datetime) -> AttestedCertificate:
    """Read a client certificate in DER.

    It must be valid at now (a time with a time zone), self-signed, without duplicate or critical extensions, and have
    the token extension. Raises CertificateInvalid and DependencyMissing.
    """
    crypto.require_cryptography()
    if len(data) > MAX_CERTIFICATE:
        raise _certificate_error(f"it has {len(data)} bytes, and {MAX_CERTIFICATE} is the limit")
    certificate = _load_certificate(data)
    if not _is_valid(certificate, now):
        raise _certificate_error("it is not valid now")
    public_key = _encode_public_key(certificate)
    token = _find_token(certificate)
    try:
        _check_own_signature(certificate)
    except (ValueError, TypeError, crypto.InvalidSignature, crypto.UnsupportedAlgorithm):
        raise _certificate_error("it is not self-signed") from None
    return AttestedCertificate(public_key, token)


def _load_certificate(data: bytes) -> Certificate:
    try:
        certificate = crypto.x509.load_der_x509_certificate(data)
        if certificate.version is not crypto.x509.Version.v3:
            raise _certificate_error("it is not of version 3")
    except (ValueError, TypeError, crypto.UnsupportedAlgorithm, crypto.x509.InvalidVersion):
        raise _certificate_error("it is not an X.509 certificate in DER") from None
    return certificate


def _is_valid(certificate: Certificate, now: datetime.datetime) -> bool:
    try:
        if hasattr(certificate, "not_valid_before_utc"):
            return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        # cryptography before 42 has naive times in UTC
        start, end = certificate.not_valid_before, certificate.not_valid_after
        return start <= now.astimezone(datetime.timezone.utc).replace(tzinfo=None) <= end
    except ValueError:  # X.509 permits times in the year 0, datetime does not
        return False


def _check_own_signature(certificate: Certificate) -> None:
    """Check the self-signature. Raises ValueError, TypeError, InvalidSignature and UnsupportedAlgorithm."""
    if hasattr(certificate, "verify_directly_issued_by"):
        certificate.verify_directly_issued_by(certificate)
        return
    # cryptography before 40
    if certificate.issuer != certificate.subject:
        raise ValueError("it has another issuer")
    key, signature, signed = certificate.public_key(), certificate.signature, certificate.tbs_certificate_bytes
    digest = t.cast(t.Any, certificate.signature_hash_algorithm)
    if isinstance(key, crypto.rsa.RSAPublicKey):
        key.verify(signature, signed, crypto.padding.PKCS1v15(), digest)
    elif isinstance(key, crypto.ec.EllipticCurvePublicKey):
        key.verify(signature, signed, crypto.ec.ECDSA(digest))
    else:
        t.cast(t.Any, key).verify(signature, signed)


def _encode_public_key(certificate: Certificate) -> bytes:
    try:
        key = certificate.public_key()
    except (ValueError, crypto.UnsupportedAlgorithm):
        raise _certificate_error("its key type is unknown") from None
    if isinstance(key, crypto.rsa.RSAPublicKey):
        accepted = MIN_RSA <= key.key_size <= MAX_RSA and key.public_numbers().e < MAX_RSA_EXPONENT
    elif isinstance(key, crypto.ec.EllipticCurvePublicKey):
        accepted = isinstance(key.curve, (crypto.ec.SECP256R1, crypto.ec.SECP384R1))
    else:
        accepted = isinstance(key, crypto.ed25519.Ed25519PublicKey)
    if not accepted:
        raise _certificate_error(f"its key is not RSA of {MIN_RSA} to {MAX_RSA} bits, P-256, P-384 or Ed25519")
    serialization = crypto.serialization
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _find_token(certificate: Certificate) -> bytes:
    extensions = extensions_of(certificate.tbs_certificate_bytes)
    if len({extension.oid for extension in extensions}) != len(extensions):
        raise _certificate_error("it has a duplicate extension")
    if any(extension.critical for extension in extensions):
        raise _certificate_error("it has a critical extension")
    for extension in extensions:
        if extension.oid == _TOKEN_OID:
            return extension.value
    raise _certificate_error(f"it has no token extension ({EXTENSION_OID})")


def _certificate_error(why: str) -> CertificateInvalid:
    return CertificateInvalid(
        f"Reading the client certificate failed: {why}; connect with a client that speaks RA-TLS."
    )


__all__ = ("MAX_CERTIFICATE", "MAX_RSA", "MIN_RSA", "AttestedCertificate", "read_certificate")
