# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The referrers of a manifest in a layout or archive: the manifests in it that name it as their subject.

A layout has no list of referrers, so all manifests that index.json leads to are read, as the server does.
"""

from __future__ import annotations

import collections
import typing as t

from ..._base.errors import CollectionError
from ..._layout.inspection import MAX_NESTING
from ..._layout.referrers import as_referrer
from ..._oci.errors import Unsupported
from ..._oci.index import Index
from ..._oci.media_type import is_index, is_manifest
from ..._registry.cosign_tags import CosignTag, cosign_tags, describe_cosign
from ..._registry.errors import NotFound

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..._oci.descriptor import Descriptor
    from ..._oci.digest import Digest
    from ..._registry.fetched import Fetched
    from .layout_source import LayoutSource

MAX_DOCUMENTS: t.Final = 10_000
# Of all manifests and indexes together.
MAX_DOCUMENT_BYTES: t.Final = 64 * 1024 * 1024


class LayoutReferrers:
    """The documents of a layout, read once, to find those that refer to a manifest.

    A document that cannot be used is left out with a warning. Raises Unsupported above the limits, LayoutError.
    """

    def __init__(self, source: LayoutSource, *, warn: Warn) -> None:
        self._source, self._warn = source, warn
        self._found: dict[Digest, tuple[Descriptor, Fetched]] = {}
        self._read: set[Digest] = set()
        self._bytes = 0
        self._collect()

    def list(self, subject: Digest, *, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """Return the referrers of a manifest, all or those of an artifact type."""
        documents = [(item, fetched.document) for item, fetched in self._found.values()]
        found = [
            as_referrer(document, item)
            for item, document in documents
            if document.subject is not None and document.subject.digest == subject
        ]
        return tuple(item for item in found if artifact_type in (None, item.artifact_type))

    def list_cosign(self, subject: Digest, *, artifact_type: str | None = None) -> tuple[CosignTag, ...]:
        """Return what has the tags of cosign for a manifest."""
        wanted = cosign_tags(subject, artifact_type=artifact_type)
        by_tag = {tag: image.descriptor.digest for image in self._source.images for tag in image.tags}
        return tuple(
            CosignTag(tag, describe_cosign(self._found[by_tag[tag]][1], kind))
            for tag, kind in wanted.items()
            if by_tag.get(tag) in self._found
        )

    def _collect(self) -> None:
        queue = collections.deque((image.descriptor, 1) for image in self._source.images)
        while queue:
            descriptor, depth = queue.popleft()
            fetched = self._fetch(descriptor)
            if fetched is None:
                continue
            self._found[descriptor.digest] = descriptor, fetched
            if isinstance(fetched.document, Index) and depth < MAX_NESTING:
                queue.extend((entry, depth + 1) for entry in fetched.document.manifests)

    def _fetch(self, descriptor: Descriptor) -> Fetched | None:
        """Return a document that has not been read yet; None if it is not there or cannot be used."""
        kind = descriptor.media_type
        if descriptor.digest in self._read or not (is_manifest(kind) or is_index(kind)):
            return None
        self._read.add(descriptor.digest)
        self._bytes += descriptor.size
        if len(self._read) > MAX_DOCUMENTS or self._bytes > MAX_DOCUMENT_BYTES:
            raise Unsupported(
                f"Listing the referrers in {self._source.repository('')} failed: it has more than {MAX_DOCUMENTS} "
                f"manifests, or {MAX_DOCUMENT_BYTES} bytes of them; list those of a smaller layout."
            )
        try:
            return self._source.child(descriptor)
        except NotFound:  # an index may list images that were not copied
            return None
        except CollectionError as exc:
            self._warn(f"A manifest is left out. {exc.message}")
            return None


__all__ = ("MAX_DOCUMENTS", "MAX_DOCUMENT_BYTES", "LayoutReferrers")
