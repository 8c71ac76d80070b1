# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Verify the signatures that ir-sign of the project islet writes to the annotations of a manifest.

All are in hexadecimal, and ECDSA on P-384 with SHA-384: the key of the vendor (SubjectPublicKeyInfo), its signature by
the key of a root authority, and the signature of the image config by the key of the vendor. The layers are authentic
through the diff_ids in the config, and the manifest itself is not signed. verify.py calls this.
"""

from __future__ import annotations

import typing as t

from .encoding import decode_hex
from .errors import Refused
from .keys import parse_public_key

if t.TYPE_CHECKING:
    from .findings import Findings
    from .keys import PublicKey
    from .policy import Policy, SignedManifest

_SIGNATURE: t.Final = "com.samsung.islet.image.signature"
_VENDOR: t.Final = "com.samsung.islet.image.vendorpub"
_VENDOR_SIGNATURE: t.Final = "com.samsung.islet.image.vendorpub.signature"
# a key on P-384 has 120 bytes, a signature at most 104
_MAX_HEX: t.Final = 1024
_HASH: t.Final = "SHA384"


def verify_manifests(policy: Policy, manifests: t.Sequence[SignedManifest], findings: Findings) -> None:
    """Verify the annotations of every manifest of an image; one root key must vouch for all of them."""
    if not manifests:
        findings.refuse("the reference", "it leads to no image, and such signatures cover images alone")
        return
    roots: set[PublicKey] = set(policy.keys)
    for signed in manifests:
        findings.examined += 1
        try:
            roots.intersection_update({_verify(policy, signed)})
        except Refused as exc:
            findings.refuse(str(signed.digest), exc)
            return
    for key in policy.keys:
        if key in roots:
            findings.accept(key, manifests[0].digest)
            return
    findings.refuse("the manifests", "not all of them have the same root key")


def _verify(policy: Policy, signed: SignedManifest) -> PublicKey:
    """Return the root key that vouches for a manifest. Raises Refused."""
    if signed.config is None:
        raise Refused("it is not an image, so its files are not covered by such a signature")
    annotations = signed.manifest.annotations
    vendor_data = _annotation(annotations, _VENDOR)
    vendor_signature = _annotation(annotations, _VENDOR_SIGNATURE)
    signature = _annotation(annotations, _SIGNATURE)
    root = next((key for key in policy.keys if key.verifies(vendor_signature, vendor_data, only=_HASH)), None)
    if root is None:
        raise Refused("the key of its vendor was signed by another root key")
    try:
        vendor = parse_public_key(vendor_data)
    except Refused as exc:
        raise Refused(f"the key of its vendor cannot be used: {exc}") from None
    if vendor.algorithm != "ECDSA P-384":
        raise Refused(f"the key of its vendor has the algorithm {vendor.algorithm}, not ECDSA P-384")
    if not vendor.verifies(signature, signed.config, only=_HASH):
        raise Refused("its config was signed with another key than that of its vendor")
    return root


def _annotation(annotations: t.Mapping[str, str], name: str) -> bytes:
    text = annotations.get(name)
    if text is None:
        raise Refused(f"it has no annotation {name}")
    return decode_hex(text, what=f"its annotation {name}", limit=_MAX_HEX)


__all__ = ("verify_manifests",)
