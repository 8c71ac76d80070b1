# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What refers to the images of oci_image_copy, at the source and at the target (option referrers). Called by run.py.

A registry without the referrers API has its lists in indexes under tags, which the client that pushes has to keep
(distribution-spec, "Pushing Manifests with Subject", "Referrers Tag Schema").
"""

from __future__ import annotations

import json
import typing as t

from ..._base.strict_json import Json, load_object
from ..._oci.digest import Digest
from ..._oci.index import Index
from ..._oci.media_type import OCI_INDEX
from ..._oci.reference import Selector
from ..._registry.cosign_tags import list_cosign_tags
from ..._registry.errors import NotFound
from ..._registry.referrers import list_referrers, referrers_tag
from ..registry.layout_referrers import LayoutReferrers
from .documents import ImageDocument
from .request import CopyRequest

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..registry.layout_source import LayoutSource
    from ..registry.sources import ImageSource, RegistrySource
    from .documents import CopiedReferrer
    from .target import Target


def cosign_requests(source: ImageSource, repository: str, digest: Digest, *, warn: Warn) -> list[CopyRequest]:
    """Return requests for what has the tags of cosign for an image, such as sha256-HEX.sig. Raises as the source does.

    These are the signatures, attestations and SBOMs that cosign wrote before there were referrers.
    """
    if source.name:
        found = list_cosign_tags(t.cast("RegistrySource", source), repository, digest)
    else:
        found = LayoutReferrers(t.cast("LayoutSource", source), warn=warn).list_cosign(digest)
    return [CopyRequest(Selector(None, item.descriptor.digest), (item.tag,), is_attached=True) for item in found]


class TargetReferrers:
    """The lists of referrers at the target."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def digests(self, subject: Digest) -> set[Digest]:
        """Return the digests of what refers to a manifest. Raises RegistryError."""
        listed = list_referrers(self._target.registry, self._target.repository, subject)
        return {descriptor.digest for descriptor in listed.descriptors}

    def record(self, referrer: CopiedReferrer) -> None:
        """Add a referrer to the index under the referrers tag of its subject, unless it is in it. Raises RegistryError.

        Two tasks that do so at the same time for one subject may lose an entry, which the next run adds.
        """
        tag, entry = referrers_tag(referrer.subject), referrer.entry
        index = self._read(tag)
        entries = t.cast("list[Json]", index["manifests"])
        if any(found.get("digest") == str(entry.digest) for found in entries):
            return
        entries.append(t.cast(Json, entry.as_dict()))
        content = json.dumps(index, ensure_ascii=False, separators=(",", ":")).encode()
        self._target.send_document(ImageDocument(Digest.of(content), OCI_INDEX, content), tag)

    def _read(self, tag: str) -> Json:
        """Return the index that a tag leads to; an empty one if it leads to nothing or to something else."""
        try:
            document = self._target.registry.manifest(self._target.repository, Selector(tag, None)).document
        except NotFound:
            document = None
        if isinstance(document, Index):
            return load_object(document.raw, what=f"the index {tag}")
        return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}


__all__ = ("TargetReferrers", "cosign_requests")
