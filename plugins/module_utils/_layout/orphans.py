# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Find the files of a layout that nothing refers to.

_module/layout/pruning.py reports their number, or has them removed.
"""

from __future__ import annotations

import collections
import typing as t
from dataclasses import dataclass

from .._base.errors import CollectionError
from .._base.text import quote
from .._oci.document import parse_document
from .._oci.index import Index
from .._oci.media_type import is_index, is_manifest
from .errors import DocumentRefused, ManifestMissing
from .inspection import MAX_NESTING
from .partial import digest_of_blob

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .._oci.manifest import Manifest
    from .index_file import IndexFile
    from .view import LayoutView

_REPAIR: t.Final = "copy that image into the layout again, or remove its tag"


@dataclass(frozen=True)
class Orphans:
    """The files that nothing in a layout refers to: blobs with their sizes, and the number of others below blobs/."""

    blobs: dict[Digest, int]
    others: int

    @property
    def count(self) -> int:
        """The number of files."""
        return len(self.blobs) + self.others


def find_orphans(view: LayoutView, index: IndexFile, *, document: Callable[[Digest], bytes | None]) -> Orphans:
    """Return the files in view that nothing refers to with this index.json.

    document returns the verified bytes of manifests and indexes, also of those that are not written yet. The file of an
    entry of an index may be missing (image-layout.md, sparse indexes): it then refers to nothing. Raises LayoutError
    when another manifest is missing, or one is invalid, because its references are unknown.
    """
    known = _collect_references(index, document, is_missing=lambda digest: view.size_of(digest) is None)
    blobs, others = {}, 0
    for name in view.blob_names():
        digest = digest_of_blob(name)
        if digest in known:
            continue
        size = None if digest is None else view.size_of(digest)
        if digest is None or size is None:
            others += 1
        else:
            blobs[digest] = size
    return Orphans(blobs, others)


@dataclass(frozen=True)
class _Step:
    """A descriptor to visit. Only entries are read: a config or layer is data, whatever its type."""

    descriptor: Descriptor
    depth: int
    is_entry: bool = True
    optional: bool = False
    in_index: bool = False

    @property
    def is_document(self) -> bool:
        """Whether it is a manifest or an index, which refers to other content."""
        kind = self.descriptor.media_type
        return self.is_entry and (is_manifest(kind) or is_index(kind))

    @property
    def is_unknown(self) -> bool:
        """Whether its type is that of a manifest that this collection cannot read; its references are unknown then."""
        kind = self.descriptor.media_type.lower()
        return self.is_entry and not self.is_document and (".manifest." in kind or ".index." in kind)


def _collect_references(
    index: IndexFile, document: Callable[[Digest], bytes | None], *, is_missing: Callable[[Digest], bool]
) -> set[Digest]:
    queue = collections.deque(_Step(entry.descriptor, 1) for entry in index.entries)
    subjects: collections.deque[_Step] = collections.deque()
    known: set[Digest] = set()
    read: set[Digest] = set()
    while queue or subjects:
        step = (queue or subjects).popleft()
        digest = step.descriptor.digest
        known.add(digest)
        if not (step.is_document or step.is_unknown) or digest in read:
            continue
        data = document(digest)
        if data is None and (step.optional or (step.in_index and is_missing(digest))):
            continue
        if step.is_unknown:
            raise DocumentRefused(
                f"Finding unreferenced blobs failed: the references of {digest} are unknown, because its manifest type "
                f"{quote(step.descriptor.media_type)} is not supported; remove unreferenced blobs with the tool that "
                "made it, or remove its entry from index.json."
            )
        if data is None:
            raise ManifestMissing(
                f"Finding unreferenced blobs failed: the manifest or index {digest} is missing or damaged, so its "
                f"references are unknown; {_REPAIR}.",
                digest=str(digest),
            )
        read.add(digest)
        try:
            found = _parse(data, step)
        except DocumentRefused:
            if step.optional:  # whoever refers to a subject may describe it as anything
                continue
            raise
        queue.extend(_list_references(found, step.depth))
        if found.subject is not None:
            subjects.append(_Step(found.subject, step.depth, optional=True))
    return known


def _list_references(document: Index | Manifest, depth: int) -> t.Iterator[_Step]:
    if isinstance(document, Index):
        yield from (_Step(entry, depth + 1, in_index=True) for entry in document.manifests)
    else:
        yield from (_Step(part, depth, is_entry=False) for part in (document.config, *document.layers))


def _parse(data: bytes, step: _Step) -> Index | Manifest:
    descriptor, depth = step.descriptor, step.depth
    try:
        document = parse_document(data, media_type=descriptor.media_type, what=f"the manifest {descriptor.digest}")
    except CollectionError as exc:
        raise DocumentRefused(f"Finding unreferenced blobs failed: {exc.message}") from None
    if isinstance(document, Index) and depth > MAX_NESTING:
        raise DocumentRefused(
            f"Finding unreferenced blobs failed: the index {descriptor.digest} is nested {depth} indexes deep, and "
            f"{MAX_NESTING} is the limit; {_REPAIR}."
        )
    return document


__all__ = ("Orphans", "find_orphans")
