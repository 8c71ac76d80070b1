# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""An image index, changed entry by entry (image-spec, image-index.md). Nothing that does not change is lost.

run.py reads and pushes it; members.py makes the entries.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, replace

from ..._base.strict_json import MAX_BYTES, load_object
from ..._oci.descriptor import Descriptor
from ..._oci.errors import DocumentInvalid
from ..._oci.media_type import OCI_INDEX

if t.TYPE_CHECKING:
    from ..._base.strict_json import JsonObject, JsonValue
    from ..._oci.digest import Digest
    from ..._oci.index import Index
    from ..._oci.platform import Platform

# What BuildKit writes to the entry of an attestation: the digest of the image that it is about.
_ATTESTED: t.Final = "vnd.docker.reference.digest"


@dataclass(frozen=True)
class Entry:
    """One element of manifests: its descriptor, and the element as it stands in the document."""

    descriptor: Descriptor
    value: JsonObject

    @classmethod
    def of(cls, descriptor: Descriptor) -> Entry:
        """Return a new entry."""
        return cls(descriptor, descriptor.as_dict())

    @property
    def digest(self) -> Digest:
        """The digest of the manifest."""
        return self.descriptor.digest

    @property
    def platform(self) -> Platform | None:
        """The platform in its canonical form; None if there is none, or if it marks what is not an image."""
        platform = self.descriptor.platform
        return None if platform is None or platform.is_unknown() else platform.normalised()

    def with_changes(self, *, platform: Platform | None, annotations: t.Mapping[str, str] | None, exact: bool) -> Entry:
        """Return the entry with this platform and these annotations; None leaves them as they are.

        Other annotations stay, unless exact is set. All other fields stay.
        """
        descriptor, value = self.descriptor, self.value
        if platform is not None and platform.normalised() != self.platform:
            descriptor = replace(descriptor, platform=platform)
            value = {**value, "platform": descriptor.as_dict()["platform"]}
        if annotations is not None:
            merged = dict(annotations) if exact else {**descriptor.annotations, **annotations}
            if merged != descriptor.annotations:
                descriptor = replace(descriptor, annotations=merged)
                value = {**value, "annotations": dict(merged)}
        return self if value is self.value else Entry(descriptor, value)


@dataclass(frozen=True)
class IndexDocument:
    """An index. A change returns a new object, or the same one if there is nothing to change."""

    value: JsonObject
    entries: tuple[Entry, ...]
    media_type: str = OCI_INDEX

    @classmethod
    def empty(cls) -> IndexDocument:
        """Return an index without manifests."""
        return cls({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}, ())

    @classmethod
    def of(cls, index: Index) -> IndexDocument:
        """Return an index that was parsed. Raises JsonInvalid."""
        value = load_object(index.raw, what="the index")
        elements = t.cast("list[JsonObject]", value.get("manifests") or [])
        return cls(value, tuple(Entry(*pair) for pair in zip(index.manifests, elements)), index.media_type)

    def find(self, digest: Digest, platform: Platform | None = None) -> Entry | None:
        """Return the entry of a digest, the one for this platform if there are several; None if there is none."""
        found = [entry for entry in self.entries if entry.digest == digest]
        fits = [entry for entry in found if platform is not None and entry.platform == platform.normalised()]
        return next(iter(fits or found), None)

    def with_entries(self, wanted: t.Sequence[Entry], *, exact: bool) -> IndexDocument:
        """Put these entries into the index; with exact, remove all others.

        An entry takes the place of that of the same digest and platform, or else of that for the same platform, and
        comes last if there is none. One manifest may be there for several platforms. Other entries for the same
        platform, and the attestations of the replaced images, are removed.
        """
        placed = _place(self.entries, wanted)
        platforms = {entry.platform for entry in wanted} - {None}
        kept: list[Entry] = []
        for number, entry in enumerate(self.entries):
            if number in placed:
                kept.append(placed.pop(number))
            elif not exact and entry.platform not in platforms:
                kept.append(entry)
        kept += placed.values()
        return self._replace(kept)

    def without(self, unwanted: t.Collection[Entry]) -> IndexDocument:
        """Remove these entries of the index, and the attestations of the images that go with them."""
        return self._replace([entry for entry in self.entries if entry not in unwanted])

    def to_bytes(self) -> bytes:
        """Return the bytes of the document. Raises DocumentInvalid if it is larger than registries accept."""
        data = json.dumps(self.value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
        if len(data) > MAX_BYTES:
            raise DocumentInvalid(
                f"Changing the index failed: it would have {len(data)} bytes, and {MAX_BYTES} is the limit; "
                "spread the manifests over several."
            )
        return data

    def _replace(self, entries: t.Sequence[Entry]) -> IndexDocument:
        left = {str(entry.digest) for entry in entries}
        gone = {str(entry.digest) for entry in self.entries} - left
        entries = [entry for entry in entries if entry.descriptor.annotations.get(_ATTESTED) not in gone]
        values: list[JsonValue] = [entry.value for entry in entries]
        if values == [entry.value for entry in self.entries]:
            return self
        return replace(self, value={**self.value, "manifests": values}, entries=tuple(entries))


def _place(entries: t.Sequence[Entry], wanted: t.Sequence[Entry]) -> dict[int, Entry]:
    """Return which entry comes to which place; those without an old entry come to places behind all others."""
    rules: tuple[t.Callable[[Entry, Entry], bool], ...] = (
        lambda old, new: old.digest == new.digest and old.platform == new.platform,
        lambda old, new: old.digest == new.digest and None in (old.platform, new.platform),
        lambda old, new: old.platform is not None and old.platform == new.platform,
    )
    placed: dict[int, Entry] = {}
    left = list(wanted)
    for fits in rules:
        for new in list(left):
            place = next((n for n, old in enumerate(entries) if n not in placed and fits(old, new)), None)
            if place is not None:
                placed[place] = new
                left.remove(new)
    placed.update(enumerate(left, len(entries)))
    return placed


__all__ = ("Entry", "IndexDocument")
