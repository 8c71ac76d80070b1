# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The option manifests of oci_index: read, and resolved to entries of an index. Called by run.py."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.strict_json import MAX_BYTES
from ..._base.text import describe, quote
from ..._oci.descriptor import Descriptor
from ..._oci.errors import ReferenceInvalid, Unsupported
from ..._oci.image import parse_config
from ..._oci.index import Index, select
from ..._oci.media_type import is_index
from ..._oci.platform import Platform
from ..._oci.reference import Selector
from ..._registry.errors import NotFound, RegistryError
from .document import Entry, IndexDocument

if t.TYPE_CHECKING:
    from ..._oci.digest import Digest
    from ..._oci.manifest import Manifest
    from ..._registry.fetched import Fetched
    from ..registry.sources import ImageSource


@dataclass(frozen=True)
class Member:
    """An element of the option manifests; place names it in messages. None stands for what it does not set."""

    place: str
    selector: Selector | None
    platform: Platform | None
    annotations: t.Mapping[str, str] | None


def parse_members(elements: t.Sequence[t.Mapping[str, t.Any]], *, removing: bool) -> list[Member]:
    """Read the option. With removing, a platform is enough. Raises ReferenceInvalid, which names the element."""
    if not elements:
        raise ReferenceInvalid("The option manifests is empty; list the manifests by tag or digest.")
    return [_parse(f"manifests[{number}]", element, removing) for number, element in enumerate(elements)]


def _parse(place: str, element: t.Mapping[str, t.Any], removing: bool) -> Member:
    reference, platform, annotations = element["reference"], element["platform"], element["annotations"]
    if reference is None and not (removing and platform is not None):
        options = "reference or platform" if removing else "reference"
        raise ReferenceInvalid(f"{place} lacks {options}; give the tag or the digest of a manifest.")
    for name, value in (annotations or {}).items():
        if not isinstance(value, str):
            raise ReferenceInvalid(
                f"{place}.annotations[{quote(name)}] is {describe(value)}, not a string; put it in quotes."
            )
    try:
        return Member(
            place,
            None if reference is None else _parse_reference(reference),
            None if platform is None else Platform.parse(platform),
            annotations,
        )
    except ReferenceInvalid as exc:
        raise ReferenceInvalid(f"{place}: {exc.message}") from None


def _parse_reference(text: str) -> Selector:
    if "/" in text:
        raise ReferenceInvalid(
            f"The reference {quote(text)} is the name of an image, not a tag or a digest: an index lists manifests of "
            "its own repository only; copy the image there by oci_image_copy, and give its tag or digest."
        )
    return Selector.parse(text)


class MemberResolver:
    """Finds the entries that elements of manifests stand for. index is the present index.

    A manifest that the index has already is only asked for by HEAD, and by its digest not at all.
    """

    def __init__(self, source: ImageSource, repository: str, index: IndexDocument, *, exact: bool) -> None:
        self._source, self._repository, self._index, self._exact = source, repository, index, exact

    def entries_to_add(self, members: t.Sequence[Member]) -> list[Entry]:
        """Return the entries of all members, each once. Raises RegistryError, OciError, JsonInvalid."""
        found: dict[tuple[Digest, Platform | None], Entry] = {}
        for member in members:
            for entry in self._find(member):
                changed = entry.with_changes(platform=None, annotations=member.annotations, exact=self._exact)
                found[(entry.digest, entry.platform)] = changed
        return list(found.values())

    def entries_to_remove(self, members: t.Sequence[Member]) -> list[Entry]:
        """Return the entries of the index that the members stand for. Raises as entries_to_add()."""
        found: list[Entry] = []
        for member in members:
            wanted = None if member.platform is None else member.platform.normalised()
            digests = None if member.selector is None else self._digests(member.place, member.selector)
            found += [
                entry
                for entry in self._index.entries
                if (digests is None or entry.digest in digests) and wanted in (None, entry.platform)
            ]
        return found

    def _digests(self, place: str, selector: Selector) -> set[Digest]:
        """Return the digest of a manifest, or those of the manifests of an index."""
        digest = self._look_up(place, selector)[0]
        if digest is not None and self._index.find(digest) is not None:
            return {digest}
        try:
            fetched = self._get(place, selector)
        except NotFound:
            if selector.tag is not None:  # what the tag led to may be in the index
                raise
            return set()
        document = fetched.document
        return {fetched.digest, *(entry.digest for entry in getattr(document, "manifests", ()))}

    def _find(self, member: Member) -> list[Entry]:
        selector = t.cast(Selector, member.selector)
        digest, media_type = self._look_up(member.place, selector)
        known = None if digest is None or is_index(media_type or "") else self._index.find(digest, member.platform)
        if known is not None and not is_index(known.descriptor.media_type):
            return [known.with_changes(platform=member.platform, annotations=None, exact=self._exact)]
        fetched = self._get(member.place, selector)
        if not isinstance(fetched.document, Index):
            return [Entry.of(self._describe(fetched, fetched.document, member.platform))]
        listed = IndexDocument.of(fetched.document)
        if member.platform is None:
            return list(listed.entries)
        chosen = select(fetched.document, member.platform)
        return [t.cast(Entry, listed.find(chosen.digest, chosen.platform))]

    def _describe(self, fetched: Fetched, manifest: Manifest, platform: Platform | None) -> Descriptor:
        return Descriptor(
            media_type=manifest.media_type,
            digest=fetched.digest,
            size=len(manifest.raw),
            platform=self._platform_of(manifest) if platform is None else platform,
            artifact_type=manifest.artifact,
        )

    def _platform_of(self, manifest: Manifest) -> Platform | None:
        """Return the platform in the config of an image; None for an artifact, or if the config has none."""
        if not manifest.is_image:
            return None
        raw = manifest.config.data
        if manifest.config.size > MAX_BYTES:
            raise Unsupported(
                f"Reading the config {manifest.config.digest} failed: it has {manifest.config.size} bytes, and "
                f"{MAX_BYTES} is the limit; give the platform of the manifest."
            )
        if raw is None:
            with self._source.blob(self._repository, manifest.config) as pieces:
                raw = b"".join(pieces)
        config = parse_config(manifest, raw)
        return None if config is None or config.platform.is_unknown() else config.platform

    def _look_up(self, place: str, selector: Selector) -> tuple[Digest | None, str | None]:
        if selector.tag is None:
            return selector.digest, None
        try:
            head = self._source.head_manifest(self._repository, selector)
        except RegistryError as exc:
            raise _named(exc, place) from None
        return head.digest, head.media_type

    def _get(self, place: str, selector: Selector) -> Fetched:
        try:
            return self._source.manifest(self._repository, selector)
        except RegistryError as exc:
            raise _named(exc, place) from None


def _named(error: RegistryError, place: str) -> RegistryError:
    """Return an error with the name of the element in its message."""
    error.message = f"{place}: {error.message}"
    if isinstance(error, NotFound):
        error.message += " An index lists manifests of its own repository; oci_image_copy copies others there."
    return error


__all__ = ("Member", "MemberResolver", "parse_members")
