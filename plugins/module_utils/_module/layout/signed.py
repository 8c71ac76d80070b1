# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The signatures of the image of oci_layout and oci_archive, verified before a file of it is downloaded or published.

A layout keeps no record of them, since whoever brings a layout could have written it: every run verifies them.
"""

from __future__ import annotations

import typing as t

from ..._base.strict_json import MAX_BYTES
from ..._oci.errors import Unsupported
from ..._oci.image import parse_config
from ..._trust.policy import SignedManifest

if t.TYPE_CHECKING:
    from ..._oci.descriptor import Descriptor
    from ..._trust.policy import Verified
    from ..registry.signatures import SignatureCheck
    from ..registry.sources import ImageSource
    from .contents import Member, StoredImages
    from .plan import LayoutPlan, LayoutRequest


def verify_plan(
    check: SignatureCheck, plan: LayoutPlan, source: ImageSource, view: StoredImages, request: LayoutRequest
) -> Verified:
    """Verify the signatures of a planned image. Raises SignatureInvalid, PolicyInvalid, and what the source raises."""
    digests = [digest for digest in (plan.index, plan.entry.digest) if digest is not None]
    manifests: list[SignedManifest] = []
    if check.policy.format == "islet":
        manifests = [_with_config(member, plan, source, view, request) for member in plan.members]
    return check.verify(source, request.repository, request.selector, digests=digests, manifests=manifests)


def _with_config(
    member: Member, plan: LayoutPlan, source: ImageSource, view: StoredImages, request: LayoutRequest
) -> SignedManifest:
    manifest, digest = member.manifest, member.descriptor.digest
    if not manifest.is_image:
        return SignedManifest(digest, manifest, None)
    data = _read_config(manifest.config, plan, source, view, request)
    config = parse_config(manifest, data)
    return SignedManifest(digest, manifest, None if config is None else config.raw)


def _read_config(
    descriptor: Descriptor, plan: LayoutPlan, source: ImageSource, view: StoredImages, request: LayoutRequest
) -> bytes:
    known = plan.documents.get(descriptor.digest) or view.document(descriptor.digest)
    if known is not None:
        return known
    if descriptor.size > MAX_BYTES:
        raise Unsupported(
            f"Reading the config {descriptor.digest} failed: it has {descriptor.size} bytes, and the limit is "
            f"{MAX_BYTES}; use another image."
        )
    with source.blob(request.repository, descriptor) as pieces:
        return b"".join(pieces)


__all__ = ("verify_plan",)
