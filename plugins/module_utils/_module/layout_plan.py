# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .._base.strict_json import MAX_BYTES
from .._oci.descriptor import Descriptor
from .._oci.digest import Digest, verify
from .._oci.document import parse_document
from .._oci.errors import Unsupported
from .._oci.image import Image, parse_config
from .._oci.index import Index
from .._oci.platform import rank, suits
from .layout_contents import Collector, ImageFile

if t.TYPE_CHECKING:
    from .._layout.view import LayoutView
    from .._oci.manifest import Manifest
    from .._oci.platform import Platform
    from .._oci.reference import Selector
    from .layout_contents import Contents, Member
    from .sources import ImageSource

Json = dict[str, t.Any]
Document = t.Union["Manifest", Index]

# What the entry of an image for one platform remembers, so that the next run need not read the index again.
FROM_INDEX: t.Final = "attested.registry.index.digest"
FOR_PLATFORM: t.Final = "attested.registry.platform"


@dataclass(frozen=True)
class Wanted:
    """What a task wants: which image, for which platform (None: all of them), under which tag of the layout (or none).

    host is the platform to show an image for, where there are several.
    """

    repository: str
    selector: Selector
    platform: Platform | None
    tag: str | None
    host: Platform
    foreign: bool
    rehash: bool


@dataclass(frozen=True)
class LayoutPlan:
    """What a layout has to hold for an image: the entry of its index.json, and all files. image is what to return."""

    entry: Descriptor
    files: tuple[ImageFile, ...]
    left_out: tuple[Descriptor, ...]
    image: Json | None
    found: _Found = field(repr=False)

    @property
    def missing(self) -> tuple[ImageFile, ...]:
        """The files that the layout does not have."""
        return tuple(file for file in self.files if not file.stored)

    @property
    def documents(self) -> dict[Digest, bytes]:
        """The bytes of all manifests and indexes of the image, and of whatever else is known of it already."""
        return {file.descriptor.digest: file.data for file in self.files if file.data is not None}


@dataclass(frozen=True)
class _Found:
    """Where a reference leads: the descriptor for index.json, and the index that it was chosen from, if it was."""

    descriptor: Descriptor
    known: dict[Digest, bytes]
    index: Digest | None = None


def make_plan(
    source: ImageSource,
    view: LayoutView,
    wanted: Wanted,
    *,
    warn: t.Callable[[str], None],
    earlier: LayoutPlan | None = None,
) -> LayoutPlan:
    """Find out what the registry has now and what of it the layout has.

    What the layout has already is not asked for: one HEAD request tells whether the tag still leads to it, and a digest
    needs no request at all. With an earlier plan the registry is not asked again. Raises what ImageSource raises,
    LayoutError.
    """
    return _Planner(source, view, wanted, warn).plan(earlier)


class _Planner:
    def __init__(self, source: ImageSource, view: LayoutView, wanted: Wanted, warn: t.Callable[[str], None]) -> None:
        self._source, self._view, self._wanted, self._warn = source, view, wanted, warn

    def plan(self, earlier: LayoutPlan | None) -> LayoutPlan:
        """See make_plan."""
        wanted = self._wanted
        found = self._find() if earlier is None else earlier.found
        collector = Collector(
            self._source,
            self._view,
            repository=wanted.repository,
            known=found.known,
            foreign=wanted.foreign,
            rehash=wanted.rehash,
            warn=self._warn,
        )
        contents = collector.collect(found.descriptor)
        shown, config = self._shown(contents, found)
        files = contents.files if config is None else tuple(_with_data(file, config) for file in contents.files)
        plan = LayoutPlan(found.descriptor, files, contents.left_out, shown, found)
        return replace(plan, found=replace(found, known={**found.known, **plan.documents}))

    def _find(self) -> _Found:
        return self._all_platforms() if self._wanted.platform is None else self._one_platform()

    def _all_platforms(self) -> _Found:
        # a tag that the layout does not know has to be fetched in any case
        is_worth_it = self._wanted.selector.tag is None or self._entry() is not None
        digest = self._current_digest() if is_worth_it else None
        data = None if digest is None else self._view.document(digest)
        if digest is not None and data is not None:
            document = parse_document(data, media_type=None, what=f"the manifest {digest}")
        else:
            fetched = self._source.manifest(self._wanted.repository, self._wanted.selector)
            digest, document = fetched.digest, fetched.document
        return _Found(_describe(digest, document), {digest: document.raw})

    def _one_platform(self) -> _Found:
        remembered = self._remembered()
        if remembered is not None:
            return remembered
        wanted = self._wanted
        fetched = self._source.manifest(wanted.repository, wanted.selector)
        image = self._source.resolve(
            wanted.repository, wanted.selector, platform=t.cast("Platform", wanted.platform), fetched=fetched
        )
        known = {image.digest: image.manifest.raw}
        if image.config is not None:
            known[image.manifest.config.digest] = image.config.raw
        return self._chosen(image.digest, image.manifest, known, index=image.index_digest)

    def _remembered(self) -> _Found | None:
        """The manifest of the layout, if that is still the one for the platform."""
        entry = self._entry()
        data = None if entry is None else self._view.document(entry.digest)
        if entry is None or data is None:
            return None
        document = parse_document(data, media_type=entry.media_type, what=f"the manifest {entry.digest}")
        if isinstance(document, Index):
            return None
        index = entry.annotations.get(FROM_INDEX)
        same = index is not None and entry.annotations.get(FOR_PLATFORM) == str(self._wanted.platform)
        current = self._current_digest()
        if current == entry.digest and self._suits(document):
            return self._chosen(entry.digest, document, {}, index=None)
        if current is not None and same and str(current) == index:
            return self._chosen(entry.digest, document, {}, index=current)
        return None

    def _suits(self, manifest: Manifest) -> bool:
        """Whether the layout has the config of a manifest, and it is for the platform that is wanted."""
        if not manifest.is_image:
            return True
        data = self._view.document(manifest.config.digest)
        config = None if data is None else parse_config(manifest, data)
        return config is not None and suits(t.cast("Platform", self._wanted.platform), config.platform)

    def _chosen(
        self, digest: Digest, manifest: Manifest, known: dict[Digest, bytes], *, index: Digest | None
    ) -> _Found:
        marks = {} if index is None else {FROM_INDEX: str(index), FOR_PLATFORM: str(self._wanted.platform)}
        return _Found(_describe(digest, manifest, marks), known, index)

    def _entry(self) -> Descriptor | None:
        """What index.json says of the image now."""
        index, wanted = self._view.index, self._wanted
        if wanted.tag is not None:
            return index.tagged(wanted.tag)
        texts = {str(wanted.selector.digest)}
        for entry in index.entries:
            descriptor = entry.descriptor
            if texts & {str(descriptor.digest), descriptor.annotations.get(FROM_INDEX)}:
                return descriptor
        return None

    def _current_digest(self) -> Digest | None:
        """What the reference leads to, None if the registry does not say. A digest leads to itself."""
        selector = self._wanted.selector
        if selector.digest is not None:
            return selector.digest
        return self._source.head_manifest(self._wanted.repository, selector).digest

    def _shown(self, contents: Contents, found: _Found) -> tuple[Json | None, ImageFile | None]:
        """The result image, and the file of its config with its bytes."""
        member = _most_useful(contents.members, self._wanted.platform or self._wanted.host)
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
            repository=self._source.repository(self._wanted.repository),
            selector=self._wanted.selector,
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
                f"Reading the config {descriptor.digest} failed: it has {descriptor.size} bytes, and {MAX_BYTES} is "
                "the limit; take another image."
            )
        data = self._view.document(descriptor.digest) if file.stored else None
        stored = data is not None
        if data is None:
            with self._source.blob(self._wanted.repository, descriptor) as pieces:
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


def _most_useful(members: t.Sequence[Member], host: Platform) -> Member | None:
    """The image for the host, else the first image, else the first of anything."""
    best: tuple[tuple[int, ...], Member] | None = None
    for member in members:
        platform = member.descriptor.platform
        level = None if platform is None else rank(host, platform)
        is_image = member.manifest.is_image and not (platform is not None and platform.is_unknown())
        score = (2, *level) if is_image and level is not None else (int(is_image), 0, 0, 0)
        if best is None or score > best[0]:
            best = (score, member)
    return None if best is None else best[1]


__all__ = ("FOR_PLATFORM", "FROM_INDEX", "LayoutPlan", "Wanted", "make_plan")
