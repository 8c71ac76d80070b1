# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Certificates, private keys and the signatures of CertificateVerify (RFC 8446, section 4.4.3)."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ..._base.crypto import (
    InvalidSignature,
    UnsupportedAlgorithm,
    ec,
    ed25519,
    hashes,
    padding,
    require_cryptography,
    rsa,
    serialization,
    x509,
)
from ..errors import CertificateRejected, ProtocolError, UsageError
from ..names import Alert, Scheme

if t.TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
    from cryptography.x509 import Certificate

    PrivateKey = t.Union[RSAPrivateKey, EllipticCurvePrivateKey, Ed25519PrivateKey]
    PublicKey = t.Union[RSAPublicKey, EllipticCurvePublicKey, Ed25519PublicKey]

# minimum and maximum size of RSA keys: smaller ones are weak, larger ones make verification expensive
RSA_BITS: t.Final = (2048, 8192)

# a larger public exponent makes verifying a signature as expensive as signing
RSA_EXPONENT: t.Final = 2**64

SERVER_CONTEXT: t.Final = b"TLS 1.3, server CertificateVerify"
CLIENT_CONTEXT: t.Final = b"TLS 1.3, client CertificateVerify"

# one certificate in a PEM text
_CERTIFICATE: t.Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\s*")

_RSA_ENCRYPTION: t.Final = "1.2.840.113549.1.1.1"

_RSA: t.Final = (Scheme.RSA_PSS_RSAE_SHA256, Scheme.RSA_PSS_RSAE_SHA384, Scheme.RSA_PSS_RSAE_SHA512)

# the schemes of CertificateVerify: neither PKCS #1 v1.5 nor SHA-1 (RFC 8446, section 4.4.3)
SCHEMES: t.Final = (Scheme.ECDSA_SECP384R1_SHA384, Scheme.ECDSA_SECP256R1_SHA256, Scheme.ED25519, *reversed(_RSA))

# the offer in signature_algorithms; the last three are for signatures in certificates only (RFC 8446, section 4.2.3)
OFFERED: t.Final = (*SCHEMES, Scheme.RSA_PKCS1_SHA512, Scheme.RSA_PKCS1_SHA384, Scheme.RSA_PKCS1_SHA256)


@dataclass(frozen=True)
class CertifiedKey:
    """A certificate chain in DER, the certificate of the key first, and the private key.

    Raises UsageError for a key that no signature scheme of the engine supports.
    """

    chain: tuple[bytes, ...]
    key: PrivateKey = field(repr=False)
    # the schemes for a CertificateVerify, best first
    schemes: tuple[Scheme, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_cryptography()
        if not self.chain:
            raise UsageError("A TLS certificate cannot be used: its chain is empty.")
        object.__setattr__(self, "schemes", schemes_of(self.key.public_key()))
        if not self.schemes:
            raise UsageError(
                "A TLS private key cannot be used: it must be RSA with 2048 to 8192 bits, EC with P-256 or P-384, or"
                " Ed25519."
            )


def load_certified_key(chain: bytes, key: bytes, *, password: bytes | None = None) -> CertifiedKey:
    """Load a certificate chain and its private key from PEM. Raises UsageError and DependencyMissing."""
    require_cryptography()
    try:
        certificates = _load_certificates(chain)
        private = serialization.load_pem_private_key(key, password)
        matches = _spki(certificates[0].public_key()) == _spki(private.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise UsageError(
            "A TLS certificate or its key cannot be read; check that both are PEM and that the password is right."
        ) from None
    if not matches:
        raise UsageError("A TLS certificate and its private key do not belong together; give the pair.")
    encoding = serialization.Encoding.DER
    return CertifiedKey(tuple(one.public_bytes(encoding) for one in certificates), key=t.cast("PrivateKey", private))


def _load_certificates(pem: bytes) -> list[x509.Certificate]:
    """Return all certificates of a PEM text in order, at least one. Raises ValueError and x509.InvalidVersion."""
    if hasattr(x509, "load_pem_x509_certificates"):
        return x509.load_pem_x509_certificates(pem)
    # cryptography before 39
    found = [x509.load_pem_x509_certificate(one) for one in _CERTIFICATE.findall(pem)]
    if not found:
        raise ValueError("it holds no certificates")
    return found


def schemes_of(key: object) -> tuple[Scheme, ...]:
    """Return the schemes for a CertificateVerify with this public key, best first; empty for unsupported keys."""
    if isinstance(key, rsa.RSAPublicKey):
        usable = RSA_BITS[0] <= key.key_size <= RSA_BITS[1] and key.public_numbers().e < RSA_EXPONENT
        return _RSA if usable else ()
    if isinstance(key, ec.EllipticCurvePublicKey):
        # in TLS 1.3 a scheme includes the curve (RFC 8446, section 4.2.3)
        if isinstance(key.curve, ec.SECP256R1):
            return (Scheme.ECDSA_SECP256R1_SHA256,)
        return (Scheme.ECDSA_SECP384R1_SHA384,) if isinstance(key.curve, ec.SECP384R1) else ()
    return (Scheme.ED25519,) if isinstance(key, ed25519.Ed25519PublicKey) else ()


def choose_scheme(certified_key: CertifiedKey, offered: t.Collection[int]) -> Scheme | None:
    """Return the best scheme of the key that the other end offered, or None."""
    return next((scheme for scheme in certified_key.schemes if scheme in offered), None)


def _is_rsa_encryption(certificate: Certificate, key: RSAPublicKey) -> bool:
    if hasattr(certificate, "public_key_algorithm_oid"):
        return certificate.public_key_algorithm_oid.dotted_string == _RSA_ENCRYPTION
    # cryptography before 43; it encodes every RSA key as rsaEncryption
    return _spki(key) in certificate.tbs_certificate_bytes


def sign(key: PrivateKey, scheme: Scheme, *, context: bytes, transcript_hash: bytes) -> bytes:
    """Return the signature of a CertificateVerify (RFC 8446, section 4.4.3)."""
    content = _content(context, transcript_hash)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, _pss(scheme), _hash(scheme))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(content, ec.ECDSA(_hash(scheme)))
    return key.sign(content)


def leaf_key(certificate: bytes) -> PublicKey:
    """Return the public key of a certificate in DER. Raises CertificateRejected if it is invalid or unsupported."""
    try:
        loaded = x509.load_der_x509_certificate(certificate)
        key = loaded.public_key()
    except (ValueError, TypeError, x509.InvalidVersion):
        raise CertificateRejected("The certificate of the other end is not a valid X.509 certificate.") from None
    except UnsupportedAlgorithm:
        raise _unusable_key_error() from None
    # the supported schemes are for rsaEncryption, not for keys of RSASSA-PSS (RFC 8446, section 4.2.3)
    is_other_rsa = isinstance(key, rsa.RSAPublicKey) and not _is_rsa_encryption(loaded, key)
    if is_other_rsa or not schemes_of(key):
        raise _unusable_key_error()
    return t.cast("PublicKey", key)


def verify(key: PublicKey, scheme: int, signature: bytes, *, context: bytes, transcript_hash: bytes) -> None:
    """Verify the signature of a CertificateVerify (RFC 8446, section 4.4.3).

    Raises ProtocolError for a scheme that was not offered or does not fit the key, and CertificateRejected with the
    alert decrypt_error for a wrong signature.
    """
    if scheme not in schemes_of(key):
        raise ProtocolError(
            f"The other end signed with the scheme {scheme:#06x}, which was not offered or does not fit its key.",
            alert=Alert.ILLEGAL_PARAMETER,
        )
    try:
        _verify(key, Scheme(scheme), signature, _content(context, transcript_hash))
    except InvalidSignature:
        raise CertificateRejected(
            "The other end did not prove that it holds the key of its certificate: the signature is wrong.",
            alert=Alert.DECRYPT_ERROR,
        ) from None


def _verify(key: PublicKey, scheme: Scheme, signature: bytes, content: bytes) -> None:
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, content, _pss(scheme), _hash(scheme))
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, content, ec.ECDSA(_hash(scheme)))
    else:
        key.verify(signature, content)


def _content(context: bytes, transcript_hash: bytes) -> bytes:
    return b" " * 64 + context + b"\0" + transcript_hash


def _pss(scheme: Scheme) -> padding.PSS:
    """Return PSS padding with a salt as long as the digest (RFC 8446, section 4.2.3)."""
    digest = _hash(scheme)
    return padding.PSS(padding.MGF1(digest), digest.digest_size)


def _hash(scheme: Scheme) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    if scheme in (Scheme.RSA_PSS_RSAE_SHA256, Scheme.ECDSA_SECP256R1_SHA256):
        return hashes.SHA256()
    return hashes.SHA512() if scheme is Scheme.RSA_PSS_RSAE_SHA512 else hashes.SHA384()


def _spki(key: t.Any) -> bytes:
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return t.cast(bytes, key.public_bytes(encoding, form))


def _unusable_key_error() -> CertificateRejected:
    return CertificateRejected(
        "The key of the other end's certificate cannot be used: it must be RSA with 2048 to 8192 bits and an exponent"
        " below 2^64, EC with P-256 or P-384, or Ed25519.",
        alert=Alert.UNSUPPORTED_CERTIFICATE,
    )


__all__ = (
    "CLIENT_CONTEXT",
    "OFFERED",
    "RSA_BITS",
    "RSA_EXPONENT",
    "SCHEMES",
    "SERVER_CONTEXT",
    "CertifiedKey",
    "choose_scheme",
    "leaf_key",
    "load_certified_key",
    "schemes_of",
    "sign",
    "verify",
)
