# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Makes the client certificate of RA-TLS, which carries a token in an extension; called by Attester."""

from __future__ import annotations

import hashlib
import typing as t

from ..._base import crypto
from ..errors import CertificateInvalid
from ..token.cca_token import MAX_TOKEN

if t.TYPE_CHECKING:
    from .client_key import ClientKey

EXTENSION_OID: t.Final = "1.3.3.3.7"
_INTEGER, _BIT_STRING, _OCTET_STRING, _SEQUENCE, _EXTENSIONS = 0x02, 0x03, 0x04, 0x30, 0xA3

# parts that all certificates have, in DER
_VERSION_3: t.Final = bytes.fromhex("a003020102")
_NO_NAME: t.Final = bytes.fromhex("3000")
# from 2021-05-19, as UTCTime, until 4096-01-01, as GeneralizedTime
_VALIDITY: t.Final = b"\x30\x20\x17\x0d210519000000Z\x18\x0f40960101000000Z"
_EXTENSION_ID: t.Final = bytes.fromhex("06042b030307")
_RSA_WITH_SHA256: t.Final = bytes.fromhex("300d06092a864886f70d01010b0500")
_ECDSA_WITH_SHA256: t.Final = bytes.fromhex("300a06082a8648ce3d040302")


def make_certificate(key: ClientKey, token: bytes) -> bytes:
    """Return a certificate in DER that carries a token: X.509 v3, self-signed with SHA-256, without names.

    Its one extension, 1.3.3.3.7 and not critical, has the unchanged bytes of the token. The DER is composed here,
    because the builder of cryptography takes 0.05 ms longer for each connection. Raises CertificateInvalid for a token
    of more than 16 KiB, and DependencyMissing.
    """
    crypto.require_cryptography()
    if len(token) > MAX_TOKEN:
        raise CertificateInvalid(
            f"Making the client certificate failed: the token has {len(token)} bytes, and {MAX_TOKEN} is the limit; "
            "check that the source of evidence gives a CCA token."
        )
    is_rsa = isinstance(key.private, crypto.rsa.RSAPrivateKey)
    algorithm = _RSA_WITH_SHA256 if is_rsa else _ECDSA_WITH_SHA256
    extension = _element(_SEQUENCE, _EXTENSION_ID + _element(_OCTET_STRING, token))
    content = (
        _VERSION_3,
        _element(_INTEGER, _serial_number(key)),
        algorithm,
        _NO_NAME,
        _VALIDITY,
        _NO_NAME,
        key.public_key,
        _element(_EXTENSIONS, _element(_SEQUENCE, extension)),
    )
    to_be_signed = _element(_SEQUENCE, b"".join(content))
    signature = _element(_BIT_STRING, b"\0" + _sign(key, to_be_signed))
    return _element(_SEQUENCE, to_be_signed + algorithm + signature)


def _sign(key: ClientKey, data: bytes) -> bytes:
    if isinstance(key.private, crypto.rsa.RSAPrivateKey):
        return key.private.sign(data, crypto.padding.PKCS1v15(), crypto.hashes.SHA256())
    return key.private.sign(data, crypto.ec.ECDSA(crypto.hashes.SHA256()))


def _element(tag: int, content: bytes) -> bytes:
    """Return an element in DER."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def _serial_number(key: ClientKey) -> bytes:
    """Return the first 159 bits of the hash of the public key, as the content of an INTEGER."""
    serialization = crypto.serialization
    public = key.private.public_key()
    if isinstance(public, crypto.rsa.RSAPublicKey):
        bits = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    else:
        bits = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    number = int.from_bytes(hashlib.sha256(bits).digest()[:20], "big") & ~(1 << 159)
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


__all__ = ("EXTENSION_OID", "make_certificate")
