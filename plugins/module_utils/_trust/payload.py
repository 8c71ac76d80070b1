# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The payload of a signature: cosign, SIGNATURE_SPEC.md, "Simple Signing"; containers-signature(5) of podman.

A JSON document with the digest of the image and its name. cosign.py parses it after its signature was verified.
"""

from __future__ import annotations

import typing as t

from .._base.text import quote
from .._oci.digest import Digest
from .._oci.errors import DigestError, ReferenceInvalid
from .._oci.reference import Reference
from .encoding import as_object, as_text, parse_object, require_text
from .errors import Refused

if t.TYPE_CHECKING:
    from .policy import SignedImage

MAX_PAYLOAD: t.Final = 64 * 1024
# containers-signature(5): a verifier refuses a signature with critical members that it does not know
_CRITICAL: t.Final = {"type", "image", "identity"}
_TYPE: t.Final = "cosign container image signature"


class Payload(t.NamedTuple):
    """What was signed: the digest of the manifest or index, and the name of the image (docker-reference)."""

    digest: Digest
    reference: str

    def check_identity(self, image: SignedImage) -> None:
        """Refuse a name other than that of the image; a tag and a digest in it must be equal, too."""
        try:
            signed = Reference.parse(self.reference, default_tag=None)
        except ReferenceInvalid:
            raise Refused(f"it names the image {quote(self.reference)}, which is not a valid name") from None
        if f"{signed.registry}/{signed.repository}" != image.name:
            raise Refused(f"it is for the image {quote(self.reference)}, not for {image.name}")
        if signed.tag is not None and image.tag is not None and signed.tag != image.tag:
            raise Refused(f"it is for the tag {signed.tag}, not for {image.tag}")
        if signed.digest is not None and signed.digest != self.digest:
            raise Refused(f"it names {quote(self.reference)} and is for {self.digest}, which contradict each other")


def parse_payload(data: bytes) -> Payload:
    """Read a payload. Raises Refused and nothing else."""
    document = parse_object(data, what="its payload", limit=MAX_PAYLOAD)
    critical = as_object(document.get("critical"), what="critical in its payload")
    unknown = sorted(set(critical) - _CRITICAL)
    if unknown:
        raise Refused(f"its payload has the critical member {quote(unknown[0])}, which is not known")
    require_text(critical.get("type"), _TYPE, what="the type of its payload")
    image = as_object(critical.get("image"), what="the image in its payload")
    identity = as_object(critical.get("identity"), what="the identity in its payload")
    text = as_text(image.get("docker-manifest-digest"), what="the digest in its payload")
    reference = as_text(identity.get("docker-reference"), what="the name in its payload")
    try:
        return Payload(Digest.parse(text), reference)
    except DigestError:
        raise Refused("the digest in its payload is not a digest") from None


__all__ = ("MAX_PAYLOAD", "Payload", "parse_payload")
