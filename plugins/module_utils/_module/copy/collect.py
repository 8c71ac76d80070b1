# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Collect what an image to copy consists of: its documents, children first, its blobs, and what refers to it.

Called by image.py and run.py, when something is to be copied.
"""

from __future__ import annotations

import typing as t

from ..._base.strict_json import MAX_BYTES
from ..._layout.index_file import IndexFile
from ..._layout.referrers import as_referrer
from ..._oci.descriptor import Descriptor
from ..._oci.document import parse_document
from ..._oci.errors import Unsupported
from ..._oci.image import parse_config
from ..._oci.index import Index
from ..._oci.media_type import is_index, is_manifest
from ..._trust.policy import SignedManifest
from ..layout.contents import Collector
from ..layout.referrers import ReferrerLister, find_referrers
from .documents import CopiedImage, CopiedReferrer, ImageDocument

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..._oci.digest import Digest
    from ..layout.contents import ImageFile
    from ..registry.sources import ImageSource


class _NothingStored:
    """The StoredImages of a registry: its blobs are looked up when they are copied."""

    def __init__(self) -> None:
        self.index = IndexFile.empty()

    def size_of(self, digest: Digest) -> int | None:
        """Return None."""
        return None

    def is_right(self, digest: Digest) -> bool:
        """Return False."""
        return False

    def document(self, digest: Digest) -> bytes | None:
        """Return None."""
        return None


def make_lister(source: ImageSource, repository: str, *, warn: Warn) -> ReferrerLister:
    """Return the lister of what refers to images of a source."""
    return ReferrerLister(source, _NothingStored(), repository=repository, warn=warn)


def collect(
    source: ImageSource,
    repository: str,
    root: ImageDocument,
    *,
    lister: ReferrerLister | None,
    foreign: bool,
    warn: Warn,
) -> CopiedImage:
    """Return the image of a document with all that it refers to, and with lister all that refers to it.

    Raises as the source and Collector do.
    """
    collector = Collector(
        source,
        _NothingStored(),
        repository=repository,
        known={root.digest: root.content},
        foreign=foreign,
        rehash=False,
        warn=warn,
    )
    entry = Descriptor(root.media_type, root.digest, len(root.content))
    contents = collector.collect(entry)
    entries: tuple[Descriptor, ...] = ()
    if lister is not None:
        entries = find_referrers(lister, collector, contents, entry)
    documents = _children_first([*(found.digest for found in entries), root.digest], collector.files)
    digests = {document.digest for document in documents} - _blob_digests(documents)
    blobs = tuple(file for file in collector.files if file.descriptor.digest not in digests)
    return CopiedImage(documents, blobs, collector.left_out, _referrers(documents, entries))


def _blob_digests(documents: t.Sequence[ImageDocument]) -> set[Digest]:
    """Return the digests of all configs and layers: a document may be a layer of another one, too."""
    found: set[Digest] = set()
    for document in documents:
        what = f"the manifest {document.digest}"
        parsed = parse_document(document.content, media_type=document.media_type, what=what)
        if not isinstance(parsed, Index):
            found.update(part.digest for part in (parsed.config, *parsed.layers))
    return found


def manifests_with_configs(source: ImageSource, repository: str, image: CopiedImage) -> t.Iterator[SignedManifest]:
    """Yield the manifests of an image that was read, with their configs; those of artifacts have none.

    Raises as the source does, Unsupported for a config that is too large.
    """
    for document in image.documents:
        what = f"the manifest {document.digest}"
        manifest = parse_document(document.content, media_type=document.media_type, what=what)
        if isinstance(manifest, Index):
            continue
        data = _config(source, repository, manifest.config, image) if manifest.is_image else None
        config = None if data is None else parse_config(manifest, data)
        yield SignedManifest(document.digest, manifest, None if config is None else config.raw)


def _config(source: ImageSource, repository: str, descriptor: Descriptor, image: CopiedImage) -> bytes:
    data = next((blob.data for blob in image.blobs if blob.descriptor.digest == descriptor.digest), None)
    if data is not None:
        return data
    if descriptor.size > MAX_BYTES:
        raise Unsupported(
            f"Reading the config {descriptor.digest} failed: it has {descriptor.size} bytes, and the limit is "
            f"{MAX_BYTES}; use another image."
        )
    with source.blob(repository, descriptor) as pieces:
        return b"".join(pieces)


def _referrers(documents: t.Sequence[ImageDocument], entries: t.Sequence[Descriptor]) -> tuple[CopiedReferrer, ...]:
    by_digest = {document.digest: document for document in documents}
    found = []
    for entry in entries:
        document = by_digest[entry.digest]
        parsed = parse_document(document.content, media_type=document.media_type, what=f"the manifest {entry.digest}")
        subject = t.cast(Descriptor, parsed.subject).digest  # the lister has compared it
        found.append(CopiedReferrer(as_referrer(parsed, entry), subject))
    return tuple(found)


def _children_first(roots: t.Iterable[Digest], files: t.Sequence[ImageFile]) -> tuple[ImageDocument, ...]:
    documents = {file.descriptor.digest: file for file in files if _is_document(file)}
    order: dict[Digest, ImageDocument] = {}

    def add(digest: Digest) -> None:
        file = documents[digest]
        content, media_type = t.cast(bytes, file.data), file.descriptor.media_type
        if is_index(media_type):
            index = t.cast(Index, parse_document(content, media_type=media_type, what=f"the index {digest}"))
            for entry in index.manifests:
                if entry.digest in documents and entry.digest not in order:
                    add(entry.digest)
        order[digest] = ImageDocument(digest, media_type, content)

    for root in roots:
        add(root)
    return tuple(order.values())


def _is_document(file: ImageFile) -> bool:
    media_type = file.descriptor.media_type
    return file.data is not None and (is_manifest(media_type) or is_index(media_type))


__all__ = ("collect", "make_lister", "manifests_with_configs")
