# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The plan of oci_layout and oci_archive: the image that the registry has now, and the files of it that are missing."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ..._base.strict_json import MAX_BYTES, Json
from ..._oci.annotations import REF_NAME
from ..._oci.descriptor import Descriptor
from ..._oci.digest import Digest, verify
from ..._oci.document import parse_document
from ..._oci.errors import Unsupported
from ..._oci.image import Image, parse_config
from ..._oci.index import Index
from ..._oci.platform import rank, suits
from ..._oci.reference import Selector
from .contents import Collector, ImageFile

if t.TYPE_CHECKING:
    from ..._oci.manifest import Manifest
    from ..._oci.platform import Platform
    from ..registry.sources import ImageSource
    from .contents import Contents, Member, StoredImages
    from .referrers import Attached

Document = t.Union["Manifest", Index]

# Annotations of the entry of an image for one platform, so that the next run need not read the index again.
FROM_INDEX: t.Final = "attested.registry.index.digest"
FOR_PLATFORM: t.Final = "attested.registry.platform"


@dataclass(frozen=True)
class LayoutRequest:
    """The request of a task: the image, its platform (None for all) and its tag in the layout (None for no tag).

    host selects the image to return if there are several. With missing_only, a tag that the layout has is not resolved
    again (option pull). With referrers, what refers to the image is copied too, with cosign_tags the tags of cosign for
    it. With signed, signatures of the image are demanded. is_attached says that the tag leads to no image, but to what
    is attached to one.
    """

    repository: str
    selector: Selector
    platform: Platform | None
    tag: str | None
    host: Platform
    foreign: bool
    rehash: bool
    missing_only: bool = False
    referrers: bool = False
    cosign_tags: bool = False
    signed: bool = False
    is_attached: bool = False


@dataclass(frozen=True)
class LayoutPlan:
    """The entry of index.json and the files that a layout needs for an image. image is the return value image.

    attached are the entries of what is attached to the image, members its manifests.
    """

    entry: Descriptor
    files: tuple[ImageFile, ...]
    left_out: tuple[Descriptor, ...]
    image: Json | None
    found: _FoundImage = field(repr=False)
    attached: tuple[Descriptor, ...] = ()
    members: tuple[Member, ...] = field(default=(), repr=False)

    @property
    def index(self) -> Digest | None:
        """The digest of the index that the image was selected from, None if there is none."""
        return self.found.index

    @property
    def missing(self) -> tuple[ImageFile, ...]:
        """The files that the layout lacks."""
        return tuple(file for file in self.files if not file.stored)

    @property
    def documents(self) -> dict[Digest, bytes]:
        """The bytes of all manifests and indexes of the image, and of other files whose content is known, by digest."""
        return {file.descriptor.digest: file.data for file in self.files if file.data is not None}

    def describe_attached(self) -> list[Json]:
        """Return the return value referrers."""
        return [
            {
                "digest": str(item.digest),
                "artifact_type": item.artifact_type,
                "tag": item.annotations.get(REF_NAME),
            }
            for item in self.attached
        ]


@dataclass(frozen=True)
class _FoundImage:
    """The descriptor that a reference resolves to, and the index that it was selected from, None if there is none.

    attached is what is known to be attached to it.
    """

    descriptor: Descriptor
    known: dict[Digest, bytes]
    index: Digest | None = None
    attached: Attached | None = None


def make_plan(
    source: ImageSource,
    view: StoredImages,
    request: LayoutRequest,
    *,
    warn: t.Callable[[str], None],
    earlier: LayoutPlan | None = None,
    known: t.Mapping[Digest, bytes] | None = None,
) -> LayoutPlan:
    """Resolve the image and find out which of its files the layout has.

    Documents in the layout are not fetched again: one HEAD request tells whether the tag still has the same digest. A
    reference with a digest, and with missing_only a tag that the layout has, need no request. Another request lists the
    referrers, if they are wanted. With an earlier plan neither is requested again. known has verified documents of
    other images. Raises what ImageSource raises, LayoutError.
    """
    return _Planner(source, view, request, warn).plan(earlier, known or {})


class _Planner:
    def __init__(
        self, source: ImageSource, view: StoredImages, request: LayoutRequest, warn: t.Callable[[str], None]
    ) -> None:
        self._source, self._view, self._request, self._warn = source, view, request, warn

    def plan(self, earlier: LayoutPlan | None, known: t.Mapping[Digest, bytes]) -> LayoutPlan:
        """See make_plan."""
        request = self._request
        found = self._find() if earlier is None else earlier.found
        collector = Collector(
            self._source,
            self._view,
            repository=request.repository,
            known={**known, **found.known},
            foreign=request.foreign,
            rehash=request.rehash,
            warn=self._warn,
        )
        contents = collector.collect(found.descriptor)
        shown, config = (None, None) if request.is_attached else self._show_image(contents, found)
        attached = self._find_attached(collector, contents, found)
        files = collector.files if config is None else tuple(_with_data(file, config) for file in collector.files)
        plan = LayoutPlan(found.descriptor, files, collector.left_out, shown, found, members=contents.members)
        if attached is not None:
            found = replace(found, attached=attached)
            plan = replace(plan, entry=attached.entry, attached=attached.entries)
        return replace(plan, found=replace(found, known={**found.known, **plan.documents}))

    def _find_attached(self, collector: Collector, contents: Contents, found: _FoundImage) -> Attached | None:
        request = self._request
        if not (request.referrers or request.cosign_tags):
            return None
        from .referrers import ReferrerLister, find_attached

        lister = ReferrerLister(
            self._source, self._view, repository=request.repository, earlier=found.attached, warn=self._warn
        )
        return find_attached(
            lister,
            collector,
            contents,
            found.descriptor,
            known=None if request.rehash else self._find_entry(),
            ask=not request.missing_only,
            referrers=request.referrers,
            cosign_tags=request.cosign_tags,
        )

    def _find(self) -> _FoundImage:
        return self._find_all_platforms() if self._request.platform is None else self._find_one_platform()

    def _find_all_platforms(self) -> _FoundImage:
        # the document of a tag that the layout does not have must be fetched in any case
        is_worth_it = self._request.selector.tag is None or self._find_entry() is not None
        digest = self._current_digest() if is_worth_it else None
        data = None if digest is None else self._view.document(digest)
        if digest is not None and data is not None:
            document = parse_document(data, media_type=None, what=f"the manifest {digest}")
        else:
            fetched = self._source.manifest(self._request.repository, self._request.selector)
            digest, document = fetched.digest, fetched.document
        return _FoundImage(_describe(digest, document), {digest: document.raw})

    def _find_one_platform(self) -> _FoundImage:
        request = self._request
        # only the index itself proves that a signature of it covers the manifest, not the annotation in the layout
        remembered = None if request.signed else self._find_in_layout()
        if remembered is not None:
            return remembered
        fetched = self._source.manifest(request.repository, self._selector())
        image = self._source.resolve(
            request.repository, request.selector, platform=t.cast("Platform", request.platform), fetched=fetched
        )
        known = {image.digest: image.manifest.raw}
        if image.config is not None:
            known[image.manifest.config.digest] = image.config.raw
        return self._make_found(image.digest, image.manifest, known, index=image.index_digest)

    def _selector(self) -> Selector:
        """Return the selector to fetch: with missing_only, that of the digest that the layout has for the tag."""
        request = self._request
        if request.selector.digest is not None or not request.missing_only or self._find_entry() is None:
            return request.selector
        return Selector(None, self._current_digest())

    def _find_in_layout(self) -> _FoundImage | None:
        """Return the manifest in the layout if it is still the one for the platform, else None."""
        entry = self._find_entry()
        data = None if entry is None else self._view.document(entry.digest)
        if entry is None or data is None:
            return None
        document = parse_document(data, media_type=entry.media_type, what=f"the manifest {entry.digest}")
        if isinstance(document, Index):
            return None
        index = entry.annotations.get(FROM_INDEX)
        same = index is not None and entry.annotations.get(FOR_PLATFORM) == str(self._request.platform)
        current = self._current_digest()
        if current == entry.digest and self._is_for_platform(document):
            return self._make_found(entry.digest, document, {}, index=None)
        if current is not None and same and str(current) == index:
            return self._make_found(entry.digest, document, {}, index=current)
        return None

    def _is_for_platform(self, manifest: Manifest) -> bool:
        """Tell whether the layout has the config of a manifest, and the config is for the requested platform."""
        if not manifest.is_image:
            return True
        data = self._view.document(manifest.config.digest)
        config = None if data is None else parse_config(manifest, data)
        return config is not None and suits(t.cast("Platform", self._request.platform), config.platform)

    def _make_found(
        self, digest: Digest, manifest: Manifest, known: dict[Digest, bytes], *, index: Digest | None
    ) -> _FoundImage:
        marks = {} if index is None else {FROM_INDEX: str(index), FOR_PLATFORM: str(self._request.platform)}
        return _FoundImage(_describe(digest, manifest, marks), known, index)

    def _find_entry(self) -> Descriptor | None:
        """Return the current entry of the image in index.json, None if there is none."""
        index, request = self._view.index, self._request
        if request.tag is not None:
            return index.tagged(request.tag)
        texts = {str(request.selector.digest)}
        for entry in index.entries:
            descriptor = entry.descriptor
            if texts & {str(descriptor.digest), descriptor.annotations.get(FROM_INDEX)}:
                return descriptor
        return None

    def _current_digest(self) -> Digest | None:
        """Return the digest that the reference resolves to, None if the response to HEAD has no digest.

        Raises DigestError for a malformed annotation.
        """
        selector = self._request.selector
        if selector.digest is not None:
            return selector.digest
        entry = self._find_entry() if self._request.missing_only else None
        if entry is not None:
            index = entry.annotations.get(FROM_INDEX)
            return entry.digest if index is None else Digest.parse(index)
        return self._source.head_manifest(self._request.repository, selector).digest

    def _show_image(self, contents: Contents, found: _FoundImage) -> tuple[Json | None, ImageFile | None]:
        """Return the return value image, and the file of its config with its content."""
        member = _choose_shown(contents.members, self._request.platform or self._request.host)
        if member is None:
            return None, None
        manifest, config, parsed = member.manifest, None, None
        if manifest.is_image:
            config = self._config(contents, manifest.config)
            parsed = parse_config(manifest, t.cast(bytes, config.data))
        top = contents.root
        is_index = isinstance(top, Index)
        image = Image(
            registry=self._source.name,
            repository=self._source.repository(self._request.repository),
            selector=self._request.selector,
            digest=member.descriptor.digest,
            manifest=manifest,
            config=parsed,
            platform=member.descriptor.platform or (None if parsed is None else parsed.platform),
            index_digest=found.descriptor.digest if is_index else found.index,
            platforms=top.platforms if isinstance(top, Index) else (),
        )
        return image.as_dict(), config

    def _config(self, contents: Contents, descriptor: Descriptor) -> ImageFile:
        file = next(file for file in contents.files if file.descriptor.digest == descriptor.digest)
        if file.data is not None:
            return file
        if descriptor.size > MAX_BYTES:
            raise Unsupported(
                f"Reading the config {descriptor.digest} failed: it has {descriptor.size} bytes, and the limit is "
                f"{MAX_BYTES}; use another image."
            )
        data = self._view.document(descriptor.digest) if file.stored else None
        stored = data is not None
        if data is None:
            with self._source.blob(self._request.repository, descriptor) as pieces:
                data = b"".join(pieces)
        verify(data, descriptor.digest, descriptor.size, what=f"the config {descriptor.digest}")
        return ImageFile(file.descriptor, data, stored)


def _with_data(file: ImageFile, better: ImageFile) -> ImageFile:
    return better if file.descriptor.digest == better.descriptor.digest else file


def _describe(digest: Digest, document: Document, marks: t.Mapping[str, str] | None = None) -> Descriptor:
    return Descriptor(
        media_type=document.media_type,
        digest=digest,
        size=len(document.raw),
        annotations=dict(marks or {}),
        artifact_type=document.artifact_type,
    )


def _choose_shown(members: t.Sequence[Member], host: Platform) -> Member | None:
    """Return the image for the platform host, else the first image, else the first manifest."""
    best: tuple[tuple[int, ...], Member] | None = None
    for member in members:
        platform = member.descriptor.platform
        level = None if platform is None else rank(host, platform)
        is_image = member.manifest.is_image and not (platform is not None and platform.is_unknown())
        score = (2, *level) if is_image and level is not None else (int(is_image), 0, 0, 0)
        if best is None or score > best[0]:
            best = (score, member)
    return None if best is None else best[1]


__all__ = ("FOR_PLATFORM", "FROM_INDEX", "LayoutPlan", "LayoutRequest", "make_plan")
