# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The image of oci_image_copy as it is to be at the target: its documents, children first, and its blobs.

With platforms, an index is reduced to some of its manifests, which makes it another index. Called by run.py.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ..._base.strict_json import MAX_BYTES, Json, load_object
from ..._base.text import visible
from ..._layout.index_file import IndexFile
from ..._layout.referrers import as_referrer
from ..._oci.descriptor import Descriptor
from ..._oci.digest import Digest
from ..._oci.document import parse_document
from ..._oci.errors import PlatformNotFound, Unsupported
from ..._oci.image import parse_config
from ..._oci.index import Index
from ..._oci.media_type import is_index, is_manifest
from ..._oci.platform import Platform, matches
from ..._oci.reference import Selector
from ..._trust.policy import SignedManifest
from ..layout.contents import Collector
from ..layout.referrers import find_referrers

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..._registry.fetched import Fetched
    from ..layout.contents import ImageFile
    from ..layout.referrers import ReferrerLister
    from ..registry.sources import ImageSource

# docker's builder marks the attestations of a manifest so; they have the platform unknown/unknown
_ATTESTATION_OF: t.Final = "vnd.docker.reference.digest"


@dataclass(frozen=True)
class ImageDocument:
    """A manifest or index, with the bytes that its digest covers."""

    digest: Digest
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class CopiedReferrer:
    """A manifest that refers to the image or to a part of it: its entry in the list of referrers of its subject."""

    entry: Descriptor
    subject: Digest


@dataclass(frozen=True)
class CopiedImage:
    """An image to copy. The last of documents is the image itself; before each one are those that it refers to.

    left_out are the layers outside of the registry, which the target does not need either. referrers are among the
    documents, too.
    """

    documents: tuple[ImageDocument, ...]
    blobs: tuple[ImageFile, ...]
    left_out: tuple[Descriptor, ...]
    referrers: tuple[CopiedReferrer, ...] = ()

    @property
    def digest(self) -> Digest:
        """The digest of the image."""
        return self.documents[-1].digest


class NothingStored:
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


class ImageReader:
    """Reads images of a source, with all that their documents refer to.

    platforms are those to keep of an index; empty for all. foreign says whether to copy layers outside of the registry.
    With lister, what refers to the images belongs to them.
    """

    def __init__(
        self,
        source: ImageSource,
        repository: str,
        *,
        platforms: t.Sequence[Platform] = (),
        lister: ReferrerLister | None = None,
        foreign: bool,
        warn: Warn,
    ) -> None:
        self._source, self._repository, self._foreign, self._warn = source, repository, foreign, warn
        self._platforms, self._lister = platforms, lister
        self._digests: dict[Selector, Digest] = {}
        self._fetched: dict[Selector, Fetched] = {}
        self._warned: set[str] = set()
        self._last: CopiedImage | None = None

    def digest_of(self, selector: Selector) -> Digest:
        """Return the digest that the image has at the target. Asks as little as possible. Raises as the source does."""
        return self._reduced(selector).digest if self._platforms else self.source_digest(selector)

    def source_digest(self, selector: Selector) -> Digest:
        """Return the digest that the image has at the source, the same one each time. Raises as the source does.

        It is asked for once: what was verified or compared under it must be what is read later.
        """
        if selector.digest is not None:
            return selector.digest
        if selector not in self._digests:
            head = self._source.head_manifest(self._repository, selector)
            self._digests[selector] = self._fetch(selector).digest if head.digest is None else head.digest
        return self._digests[selector]

    def read(self, selector: Selector, *, digest: Digest) -> CopiedImage:
        """Return the image of a selector, for which digest_of() returned digest.

        Raises as the source and Collector do, PlatformNotFound.
        """
        if self._last is None or self._last.digest != digest:
            self._last = self._collect(self._reduced(selector) if self._platforms else self._document(selector))
        return self._last

    def manifests_with_configs(self, image: CopiedImage) -> t.Iterator[SignedManifest]:
        """Yield the manifests of an image that was read, with their configs; those of artifacts have none.

        Raises as the source does, Unsupported for a config that is too large.
        """
        for document in image.documents:
            what = f"the manifest {document.digest}"
            manifest = parse_document(document.content, media_type=document.media_type, what=what)
            if isinstance(manifest, Index):
                continue
            data = self._config(manifest.config, image) if manifest.is_image else None
            config = None if data is None else parse_config(manifest, data)
            yield SignedManifest(document.digest, manifest, None if config is None else config.raw)

    def _config(self, descriptor: Descriptor, image: CopiedImage) -> bytes:
        data = next((blob.data for blob in image.blobs if blob.descriptor.digest == descriptor.digest), None)
        if data is not None:
            return data
        if descriptor.size > MAX_BYTES:
            raise Unsupported(
                f"Reading the config {descriptor.digest} failed: it has {descriptor.size} bytes, and the limit is "
                f"{MAX_BYTES}; use another image."
            )
        with self._source.blob(self._repository, descriptor) as pieces:
            return b"".join(pieces)

    def _collect(self, root: ImageDocument) -> CopiedImage:
        """Return the image of a document with all that it refers to. Raises as the source and Collector do."""
        collector = Collector(
            self._source,
            NothingStored(),
            repository=self._repository,
            known={root.digest: root.content},
            foreign=self._foreign,
            rehash=False,
            warn=self._warn,
        )
        entry = Descriptor(root.media_type, root.digest, len(root.content))
        contents = collector.collect(entry)
        entries: tuple[Descriptor, ...] = ()
        if self._lister is not None:
            entries = find_referrers(self._lister, collector, contents, entry)
        documents = _children_first([*(found.digest for found in entries), root.digest], collector.files)
        digests = {document.digest for document in documents}
        blobs = tuple(file for file in collector.files if file.descriptor.digest not in digests)
        return CopiedImage(documents, blobs, collector.left_out, _referrers(documents, entries))

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)

    def _fetch(self, selector: Selector) -> Fetched:
        """Return the document of a selector; by its digest if that is known, because a tag may lead elsewhere now."""
        if selector not in self._fetched:
            known = self._digests.get(selector)
            wanted = selector if known is None else Selector(None, known)
            self._fetched[selector] = fetched = self._source.manifest(self._repository, wanted)
            self._digests[selector] = fetched.digest
        return self._fetched[selector]

    def _document(self, selector: Selector) -> ImageDocument:
        fetched = self._fetch(selector)
        return ImageDocument(fetched.digest, fetched.document.media_type, fetched.document.raw)

    def _reduced(self, selector: Selector) -> ImageDocument:
        fetched = self._fetch(selector)
        document = fetched.document
        if isinstance(document, Index):
            content = reduce_index(document, self._platforms)
            digest = Digest.of(content, fetched.digest.algorithm)
            if digest != fetched.digest:
                self._warn_once(
                    f"The index {fetched.digest} has other platforms than those in the option platforms, so the target "
                    f"gets a smaller index, with the digest {digest}."
                )
            return ImageDocument(digest, document.media_type, content)
        if document.is_image:
            for platform in self._platforms:  # raises an error if the image is for another platform
                self._source.resolve(self._repository, selector, platform=platform, fetched=fetched)
        return self._document(selector)


def reduce_index(index: Index, platforms: t.Sequence[Platform]) -> bytes:
    """Return an index without the manifests that are for none of the platforms. All other fields stay.

    Attestations stay with the manifests that they are about. Raises PlatformNotFound for a platform without a manifest.
    """
    kept = {entry.digest for platform in platforms for entry in _entries_for(index, platform)}
    texts = {str(digest) for digest in kept}
    kept |= {entry.digest for entry in index.manifests if entry.annotations.get(_ATTESTATION_OF) in texts}
    if all(entry.digest in kept for entry in index.manifests):
        return index.raw
    fields: Json = load_object(index.raw, what="the index")
    fields["manifests"] = [
        entry for entry, parsed in zip(fields["manifests"], index.manifests) if parsed.digest in kept
    ]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _entries_for(index: Index, platform: Platform) -> list[Descriptor]:
    """Return the manifests for exactly this platform or, if there are none, for those that it can run."""
    found = [entry for entry in index.manifests if entry.platform is not None]
    same = [entry for entry in found if t.cast("Platform", entry.platform).normalised() == platform.normalised()]
    suitable = same or [entry for entry in found if matches(platform, t.cast("Platform", entry.platform))]
    if not suitable:
        offered = ", ".join(visible(str(one), limit=60) for one in index.platforms[:40]) or "nothing"
        raise PlatformNotFound(
            f"Copying the manifests for {visible(str(platform))} failed: the index offers {offered}; correct the "
            "option platforms.",
            platform=visible(str(platform)),
            offered=offered,
        )
    return suitable


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


__all__ = ("CopiedImage", "CopiedReferrer", "ImageDocument", "ImageReader", "NothingStored", "reduce_index")
