# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Makes the client certificate of RA-TLS, which carries a token in an extension; called by Attester."""

from __future__ import annotations

import datetime
import hashlib
import typing as t

from ..._base import crypto
from ..errors import CertificateInvalid
from ..token.cca_token import MAX_TOKEN

if t.TYPE_CHECKING:
    from .client_key import ClientKey

EXTENSION_OID: t.Final = "1.3.3.3.7"
NOT_BEFORE: t.Final = datetime.datetime(2021, 5, 19, tzinfo=datetime.timezone.utc)
NOT_AFTER: t.Final = datetime.datetime(4096, 1, 1, tzinfo=datetime.timezone.utc)


def make_certificate(key: ClientKey, token: bytes) -> bytes:
    """Return a certificate in DER that carries a token: X.509 v3, self-signed with SHA-256, without names.

    Its one extension, 1.3.3.3.7 and not critical, has the unchanged bytes of the token. Raises CertificateInvalid for a
    token of more than 16 KiB, and DependencyMissing.
    """
    crypto.require_cryptography()
    if len(token) > MAX_TOKEN:
        raise CertificateInvalid(
            f"Making the client certificate failed: the token has {len(token)} bytes, and {MAX_TOKEN} is the limit; "
            "check that the source of evidence gives a CCA token."
        )
    x509 = crypto.x509
    no_name = x509.Name([])
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(EXTENSION_OID), token)
    builder = (
        x509.CertificateBuilder()
        .subject_name(no_name)
        .issuer_name(no_name)
        .public_key(key.private.public_key())
        .serial_number(_serial_number(key))
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(extension, critical=False)
    )
    certificate = builder.sign(key.private, crypto.hashes.SHA256())
    return certificate.public_bytes(crypto.serialization.Encoding.DER)


def _serial_number(key: ClientKey) -> int:
    serialization = crypto.serialization
    public = key.private.public_key()
    if isinstance(public, crypto.rsa.RSAPublicKey):
        bits = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    else:
        bits = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    number = bytearray(hashlib.sha256(bits).digest()[:20])
    number[0] &= 0x7F
    return int.from_bytes(number, "big")


__all__ = ("EXTENSION_OID", "NOT_AFTER", "NOT_BEFORE", "make_certificate")
