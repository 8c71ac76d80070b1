# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Sigstore bundles (sigstore/protobuf-specs, sigstore_bundle.proto, as JSON) that were signed with a key.

A bundle contains either a DSSE envelope (secure-systems-lab/dsse, protocol.md) with an in-toto statement about the
digest of an image, as cosign writes it, or a signature of the bytes of a manifest themselves. cosign.py verifies it.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._base.text import quote
from .._oci.digest import Digest
from .._oci.errors import DigestError
from .encoding import as_list, as_object, as_text, decode_base64, parse_object, require_text
from .errors import Refused

if t.TYPE_CHECKING:
    from .._base.strict_json import JsonObject

MAX_BUNDLE: t.Final = 1024 * 1024
# ".v0.3+json" follows, in older bundles "+json;version=0.2"
_MEDIA_TYPE: t.Final = re.compile(
    r"application/vnd\.dev\.sigstore\.bundle(?:\.v[0-9.]+\+json|\+json(?: *; *version=[0-9.]+)?)"
)

_STATEMENT: t.Final = "application/vnd.in-toto+json"
_STATEMENT_TYPES: t.Final = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_PREDICATE: t.Final = "https://sigstore.dev/cosign/sign/v1"
_MAX_SIGNATURE: t.Final = 8 * 1024
_HINT_BYTES: t.Final = 32


def is_bundle_type(media_type: str) -> bool:
    """Tell whether a media type is that of a bundle, of any version."""
    return _MEDIA_TYPE.fullmatch(media_type) is not None


@dataclass(frozen=True)
class Bundle:
    """A signature without a certificate. hint is the fingerprint of its key, if it has one that can be compared.

    message is what was signed; None if that is the manifest whose digest is in digest. payload is the statement.
    """

    signature: bytes
    message: bytes | None
    payload: bytes | None
    digest: Digest | None
    hint: str | None

    def signed_digest(self) -> Digest:
        """Return the digest of the image; to be called once the signature was verified. Raises Refused."""
        if self.digest is not None:
            return self.digest
        return parse_statement(self.payload or b"")


def parse_bundle(data: bytes) -> Bundle:
    """Read a bundle. Raises Refused and nothing else, for a bundle with a certificate, too."""
    document = parse_object(data, what="the bundle", limit=MAX_BUNDLE)
    media_type = as_text(document.get("mediaType"), what="the media type of the bundle")
    if not is_bundle_type(media_type):
        raise Refused(f"the media type of the bundle is {quote(media_type)}")
    hint = _hint(as_object(document.get("verificationMaterial"), what="verificationMaterial of the bundle"))
    envelope, message = document.get("dsseEnvelope"), document.get("messageSignature")
    if (envelope is None) == (message is None):
        raise Refused("the bundle does not have exactly one of dsseEnvelope and messageSignature")
    if envelope is None:
        return _message_signature(as_object(message, what="messageSignature of the bundle"), hint)
    return _envelope(as_object(envelope, what="dsseEnvelope of the bundle"), hint)


def _hint(material: JsonObject) -> str | None:
    if material.get("certificate") is not None or material.get("x509CertificateChain") is not None:
        raise Refused("it is keyless: the bundle has a certificate in place of a key, which is not supported")
    key = as_object(material.get("publicKey"), what="the key of the bundle")
    hint = key.get("hint")
    if hint is None:
        return None
    try:
        data = decode_base64(as_text(hint, what="the hint"), what="the hint", limit=_MAX_SIGNATURE)
    except Refused:
        return None  # the name of a key, in words of the signer
    return f"sha256:{data.hex()}" if len(data) == _HINT_BYTES else None


def _envelope(envelope: JsonObject, hint: str | None) -> Bundle:
    require_text(envelope.get("payloadType"), _STATEMENT, what="the payload type of the bundle")
    text = as_text(envelope.get("payload"), what="the payload of the bundle")
    payload = decode_base64(text, what="the payload of the bundle", limit=MAX_BUNDLE)
    signatures = as_list(envelope.get("signatures"), what="the signatures of the bundle")
    if len(signatures) != 1:
        raise Refused(f"the bundle has {len(signatures)} signatures, and not one")
    one = as_object(signatures[0], what="the signature of the bundle")
    return Bundle(_signature(one.get("sig")), _to_sign(payload), payload, None, hint)


def _to_sign(payload: bytes) -> bytes:
    """Return what DSSE signs: its pre-authentication encoding, which has the lengths of type and payload."""
    kind = _STATEMENT.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _message_signature(message: JsonObject, hint: str | None) -> Bundle:
    stated = as_object(message.get("messageDigest"), what="the digest of the bundle")
    require_text(stated.get("algorithm"), "SHA2_256", what="the hash algorithm of the bundle")
    text = as_text(stated.get("digest"), what="the digest of the bundle")
    data = decode_base64(text, what="the digest of the bundle", limit=_MAX_SIGNATURE)
    try:
        digest = Digest("sha256", data.hex())
    except DigestError:
        raise Refused("the digest of the bundle is not one of SHA-256") from None
    return Bundle(_signature(message.get("signature")), None, None, digest, hint)


def _signature(value: t.Any) -> bytes:
    text = as_text(value, what="the signature of the bundle")
    return decode_base64(text, what="the signature of the bundle", limit=_MAX_SIGNATURE)


def parse_statement(data: bytes) -> Digest:
    """Return the digest of the image that a statement signs. Raises Refused and nothing else.

    An attestation is not a signature: it says something about an image, and that may be that the image is bad.
    """
    statement = parse_object(data, what="the statement", limit=MAX_BUNDLE)
    require_text(statement.get("_type"), *_STATEMENT_TYPES, what="the type of the statement")
    predicate = as_text(statement.get("predicateType"), what="the predicate of the statement")
    if predicate != _PREDICATE:
        raise Refused(f"it is an attestation ({quote(predicate)}), not a signature")
    subjects = as_list(statement.get("subject"), what="the subject of the statement")
    if len(subjects) != 1:
        raise Refused(f"the statement has {len(subjects)} subjects, and not one")
    subject = as_object(subjects[0], what="the subject of the statement")
    digests = as_object(subject.get("digest"), what="the digest of the statement")
    if len(digests) != 1:
        raise Refused(f"the statement has {len(digests)} digests, and not one")
    algorithm, text = next(iter(digests.items()))
    try:
        return Digest(algorithm, as_text(text, what="the digest of the statement"))
    except DigestError:
        raise Refused("the digest of the statement is not a digest") from None


__all__ = ("MAX_BUNDLE", "Bundle", "is_bundle_type", "parse_bundle", "parse_statement")
