# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Find and verify the signatures that cosign and podman keep beside an image in its repository (cosign, specs/).

In this order: documents that refer to the image (BUNDLE_SPEC.md, and signatures of the older format), then the tag
sha256-HEX.sig (SIGNATURE_SPEC.md, "Tag-based Discovery"). verify.py calls this.
"""

from __future__ import annotations

import typing as t

from .._base.errors import CollectionError, JsonInvalid
from .._base.text import visible
from .._oci.document import parse_document
from .._oci.errors import OciError
from .._oci.manifest import Manifest
from .._oci.names import is_tag
from .bundle import MAX_BUNDLE, is_bundle_type, parse_bundle
from .encoding import decode_base64
from .errors import Refused
from .payload import MAX_PAYLOAD, parse_payload

if t.TYPE_CHECKING:
    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .findings import Findings
    from .keys import PublicKey
    from .policy import Policy, SignatureStore, SignedImage

# of one image, so that nobody can make a task read without end
MAX_EXAMINED: t.Final = 128

_OLD_FORMAT: t.Final = "application/vnd.dev.cosign.artifact.sig.v1+json"
_PAYLOAD_TYPE: t.Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_SIGNATURE: t.Final = "dev.cosignproject.cosign/signature"
_CERTIFICATE: t.Final = "dev.sigstore.cosign/certificate"
_NAMELESS: t.Final = "a bundle contains no name of the image, so it needs signature.identity=none"
# base64 of the longest RSA signature is much shorter
_MAX_SIGNATURE: t.Final = 8 * 1024


def find_signatures(store: SignatureStore, policy: Policy, image: SignedImage, findings: Findings) -> None:
    """Look for signatures of the digests of an image until enough keys are found to have signed.

    Raises CollectionError if the store fails after something was found there.
    """
    _Search(store, policy, image, findings).run()


def is_signature_type(media_type: str) -> bool:
    """Tell whether layers of a media type contain signatures."""
    return media_type == _PAYLOAD_TYPE or is_bundle_type(media_type)


class _Full(Exception):
    """Enough keys have signed, or too much was examined."""


class _Search:
    def __init__(self, store: SignatureStore, policy: Policy, image: SignedImage, findings: Findings) -> None:
        self._store, self._policy, self._image, self._findings = store, policy, image, findings
        self._seen: set[Digest] = set()
        self._counted = 0

    def run(self) -> None:
        """See find_signatures."""
        try:
            for digest in self._image.digests:
                self._examine_referrers(digest)
                self._examine_tag(digest)
        except _Full:
            pass

    def _examine_referrers(self, digest: Digest) -> None:
        for descriptor in self._ask(lambda: self._store.referrers(digest)) or ():
            kind = descriptor.artifact_type or ""
            if kind and kind != _OLD_FORMAT and not is_bundle_type(kind):
                continue  # an SBOM, for example
            if descriptor.digest in self._seen:
                continue
            self._seen.add(descriptor.digest)
            self._count()
            if self._policy.identity == "exact" and is_bundle_type(kind):
                self._findings.refuse(str(descriptor.digest), _NAMELESS)
                continue
            try:
                self._examine_manifest(self._store.manifest(descriptor.digest), digest, str(descriptor.digest))
            except Refused as exc:
                self._findings.refuse(str(descriptor.digest), exc)

    def _examine_tag(self, digest: Digest) -> None:
        tag = f"{digest.algorithm}-{digest.encoded}.sig"
        if not is_tag(tag):
            return
        seen = set[bytes]()
        for read in self._store.tagged(tag):
            data = self._ask(read)
            if data is not None and data not in seen:
                seen.add(data)
                self._examine_manifest(data, digest, tag)

    def _ask(self, ask: t.Callable[[], t.Any]) -> t.Any:
        """Return the answer of the store, None if it fails, as signatures may be in the other place."""
        try:
            return ask()
        except Refused as exc:
            self._findings.refuse("the list of signatures", exc)
        except CollectionError as exc:
            self._findings.failure = self._findings.failure or exc
        return None

    def _examine_manifest(self, data: bytes, digest: Digest, where: str) -> None:
        try:
            document = parse_document(data, media_type=None, what="it")
        except (OciError, JsonInvalid) as exc:
            self._findings.refuse(where, f"it is not a manifest of signatures ({exc.message.rstrip('.')})")
            return
        if not isinstance(document, Manifest):
            self._findings.refuse(where, "it is an index, not a manifest of signatures")
            return
        for number, layer in enumerate(document.layers, 1):
            examine = self._examiner(layer)
            if examine is None:
                continue
            self._count()
            self._findings.examined += 1
            try:
                self._findings.accept(examine(layer, digest), digest)
            except Refused as exc:
                self._findings.refuse(where if len(document.layers) == 1 else f"{where}, layer {number}", exc)
            if self._findings.is_satisfied:
                raise _Full

    def _count(self) -> None:
        self._counted += 1
        if self._counted > MAX_EXAMINED:
            self._findings.refuse("more", f"only the first {MAX_EXAMINED} are examined")
            raise _Full

    def _examiner(self, layer: Descriptor) -> t.Callable[[Descriptor, Digest], PublicKey] | None:
        if layer.media_type == _PAYLOAD_TYPE:
            return self._verify_payload
        return self._verify_bundle if is_bundle_type(layer.media_type) else None

    def _verify_payload(self, layer: Descriptor, digest: Digest) -> PublicKey:
        if _CERTIFICATE in layer.annotations:
            raise Refused("it is keyless: it has a certificate in place of a key, which is not supported")
        text = layer.annotations.get(_SIGNATURE)
        if text is None:
            raise Refused(f"it has no annotation {_SIGNATURE}")
        signature = decode_base64(text, what=f"its annotation {_SIGNATURE}", limit=_MAX_SIGNATURE)
        data = self._content(layer, MAX_PAYLOAD)
        key = self._signer(signature, data)
        payload = parse_payload(data)
        _check_digest(payload.digest, digest)
        if self._policy.identity == "exact":
            payload.check_identity(self._image)
        return key

    def _verify_bundle(self, layer: Descriptor, digest: Digest) -> PublicKey:
        bundle = parse_bundle(self._content(layer, MAX_BUNDLE))
        message = bundle.message
        if message is None:
            _check_digest(bundle.signed_digest(), digest)
            message = self._store.manifest(digest)
        key = self._signer(bundle.signature, message, hint=bundle.hint)
        if bundle.hint not in (None, key.fingerprint):
            raise Refused(f"the bundle names the key {bundle.hint}, and was signed with {key.fingerprint}")
        _check_digest(bundle.signed_digest(), digest)
        if self._policy.identity == "exact":
            raise Refused(_NAMELESS)
        return key

    def _content(self, layer: Descriptor, limit: int) -> bytes:
        if layer.size > limit:
            raise Refused(f"it has {layer.size} bytes, and {limit} is the limit")
        return self._store.blob(layer) if layer.data is None else layer.data

    def _signer(self, signature: bytes, message: bytes, *, hint: str | None = None) -> PublicKey:
        for key in self._policy.keys:
            if key.verifies(signature, message):
                return key
        named = next((key for key in self._policy.keys if key.fingerprint == hint), None)
        if named is None:
            raise Refused("it was made with another key")
        if named.algorithm == "Ed25519":
            raise Refused("it is not a signature of Ed25519, but may be one of Ed25519ph, which is not supported")
        raise Refused(f"it names the key {visible(named.path)}, and was not made with it")


def _check_digest(signed: Digest, digest: Digest) -> None:
    if signed != digest:
        raise Refused(f"it is a signature of {signed}, not of {digest}")


__all__ = ("MAX_EXAMINED", "find_signatures", "is_signature_type")
