# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The index.json of a layout, changed entry by entry: image-spec, image-layout.md, "index.json file".

view.py reads it, _module/layout/run.py changes it, store.py writes it.
"""

from __future__ import annotations

import functools
import json
import typing as t
from dataclasses import dataclass, replace

from .._base.errors import CollectionError
from .._base.strict_json import MAX_BYTES, load_object
from .._oci.annotations import REF_NAME
from .._oci.document import parse_document
from .._oci.index import Index
from .._oci.media_type import OCI_INDEX
from .errors import DocumentRefused
from .tags import is_attached_tag, read_tags, tag_of

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._base.strict_json import JsonObject
    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest

# The index.json of a new layout.
_EMPTY: t.Final = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'


@dataclass(frozen=True)
class IndexEntry:
    """One element of manifests: its descriptor, and the element as it stands in the file."""

    descriptor: Descriptor
    value: JsonObject

    @functools.cached_property
    def tag(self) -> str | None:
        """The tag in its annotation org.opencontainers.image.ref.name, None if there is none."""
        name = self.descriptor.annotations.get(REF_NAME)
        return None if name is None else tag_of(name)

    @property
    def is_named(self) -> bool:
        """Whether it has an annotation org.opencontainers.image.ref.name, whatever the value."""
        return REF_NAME in self.descriptor.annotations

    @property
    def is_attached(self) -> bool:
        """Whether it has no name and an artifact type, as a referrer has, or a tag for what is attached."""
        if self.is_named:
            return self.tag is not None and is_attached_tag(self.tag)
        return self.descriptor.artifact_type is not None


@dataclass(frozen=True)
class IndexFile:
    """The index.json of a layout.

    Fields that this collection does not know stay as they are, in entries too. Each change returns a new object, or the
    same one if there is nothing to change.
    """

    document: JsonObject
    entries: tuple[IndexEntry, ...]

    @classmethod
    def parse(cls, data: bytes) -> IndexFile:
        """Parse the bytes of the file. Raises DocumentRefused and nothing else."""
        try:
            index = parse_document(data, media_type=OCI_INDEX, what="index.json")
            document = load_object(data, what="index.json")
        except CollectionError as exc:
            raise DocumentRefused(exc.message) from None
        if not isinstance(index, Index):
            raise DocumentRefused("Reading index.json failed: it is not an image index.")
        values = t.cast("list[JsonObject]", document["manifests"] or [])
        return cls(document, tuple(IndexEntry(*pair) for pair in zip(index.manifests, values)))

    @classmethod
    def empty(cls) -> IndexFile:
        """Return the index.json of an empty layout."""
        return cls.parse(_EMPTY)

    @property
    def tags(self) -> dict[str, Digest]:
        """The digest that each tag leads to, as readers of the layout understand them."""
        return read_tags(Index(b"", OCI_INDEX, tuple(entry.descriptor for entry in self.entries)))[0]

    def tagged(self, tag: str) -> Descriptor | None:
        """Return the descriptor that a tag leads to: the last one if there are several."""
        found = [entry.descriptor for entry in self.entries if entry.tag == tag]
        return found[-1] if found else None

    def digest_of(self, tag: str) -> Digest | None:
        """Return the digest that a tag leads to, None if there is no such tag."""
        found = self.tagged(tag)
        return None if found is None else found.digest

    def with_tag(self, tag: str, descriptor: Descriptor) -> IndexFile:
        """Make a tag lead to this descriptor and to nothing else; add its annotations to the entry."""
        named = replace(descriptor, annotations={**descriptor.annotations, REF_NAME: tag})
        return self._put_entry(lambda entry: entry.tag == tag, named)

    def with_untagged(self, descriptor: Descriptor) -> IndexFile:
        """Make sure that there is an entry for this content; a tagged one is enough."""
        if any(_is_same(entry, descriptor) for entry in self.entries):
            return self
        return self._put_entry(
            lambda entry: not entry.is_named and entry.descriptor.digest == descriptor.digest,
            descriptor,
        )

    def without_tag(self, tag: str, *, digest: Digest | None = None) -> IndexFile:
        """Remove a tag; with a digest, only if the tag leads to that digest."""
        return self._remove_entries(lambda entry: entry.tag == tag and digest in (None, entry.descriptor.digest))

    def without_untagged(self, digest: Digest) -> IndexFile:
        """Remove the entries of this digest that have no name."""
        return self._remove_entries(lambda entry: not entry.is_named and entry.descriptor.digest == digest)

    def to_bytes(self) -> bytes:
        """Return the bytes of the file. Raises DocumentRefused if it is larger than readers accept."""
        data = json.dumps(self.document, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
        if len(data) > MAX_BYTES:
            raise DocumentRefused(
                f"Writing index.json failed: it would have {len(data)} bytes, and {MAX_BYTES} is the limit; "
                "remove tags, or use another layout."
            )
        return data

    def _put_entry(self, fits: Callable[[IndexEntry], bool], descriptor: Descriptor) -> IndexFile:
        same = [entry for entry in self.entries if fits(entry)]
        if len(same) == 1 and _is_same(same[0], descriptor):
            return self
        old = next((entry.value for entry in same if entry.descriptor.digest == descriptor.digest), {})
        new = IndexEntry(descriptor, _merge_value(old, descriptor))
        place = self.entries.index(same[0]) if same else len(self.entries)
        before = [entry for entry in self.entries[:place] if not fits(entry)]
        after = [entry for entry in self.entries[place:] if not fits(entry)]
        return self._replace_entries([*before, new, *after])

    def _remove_entries(self, fits: Callable[[IndexEntry], bool]) -> IndexFile:
        kept = [entry for entry in self.entries if not fits(entry)]
        return self if len(kept) == len(self.entries) else self._replace_entries(kept)

    def _replace_entries(self, entries: t.Sequence[IndexEntry]) -> IndexFile:
        document: JsonObject = {**self.document, "manifests": [entry.value for entry in entries]}
        return IndexFile(document, tuple(entries))


def _is_same(entry: IndexEntry, wanted: Descriptor) -> bool:
    """Return whether an entry needs no change: it has the same content, and all wanted annotations except the name."""
    found = entry.descriptor
    same = (found.media_type, found.digest, found.size) == (wanted.media_type, wanted.digest, wanted.size)
    return same and _drop_name(wanted.annotations).items() <= found.annotations.items()


def _drop_name(annotations: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in annotations.items() if name != REF_NAME}


def _merge_value(old: JsonObject, descriptor: Descriptor) -> JsonObject:
    new = descriptor.as_dict()
    annotations = old.get("annotations")
    if isinstance(annotations, dict):
        new["annotations"] = {**annotations, **descriptor.annotations}
    return {**old, **new}


__all__ = ("IndexEntry", "IndexFile")
