# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The files of an image, collected through all its indexes and manifests. Called by plan.py."""

from __future__ import annotations

import collections
import typing as t
from dataclasses import dataclass, field, replace

from ..._base.text import quote
from ..._layout.inspection import MAX_NESTING
from ..._oci.digest import verify
from ..._oci.document import parse_document
from ..._oci.errors import DocumentInvalid, Unsupported
from ..._oci.index import Index
from ..._oci.media_type import is_index, is_manifest, is_nondistributable
from ..._oci.reference import Selector

if t.TYPE_CHECKING:
    from ..._layout.index_file import IndexFile
    from ..._oci.descriptor import Descriptor
    from ..._oci.digest import Digest
    from ..._oci.manifest import Manifest
    from ..registry.sources import ImageSource

MAX_DOCUMENTS: t.Final = 4096
# Of all manifests and indexes of one image together.
MAX_DOCUMENT_BYTES: t.Final = 64 * 1024 * 1024


class TooLarge(Unsupported):
    """All documents of an image together are above a limit."""


@dataclass(frozen=True)
class ImageFile:
    """A file of an image. data is its content if already known; stored tells whether the layout has the file."""

    descriptor: Descriptor
    data: bytes | None = field(repr=False)
    stored: bool


@dataclass(frozen=True)
class Member:
    """A manifest of an image and its descriptor."""

    descriptor: Descriptor
    manifest: Manifest


@dataclass(frozen=True)
class Contents:
    """All files of an image, each once; left_out are the foreign layers, which are not downloaded."""

    root: Manifest | Index
    members: tuple[Member, ...]
    files: tuple[ImageFile, ...]
    left_out: tuple[Descriptor, ...]


class StoredImages(t.Hashable, t.Protocol):
    """What a plan asks of the layout or archive that is to hold an image: a LayoutView or an ExistingArchive."""

    index: IndexFile

    def size_of(self, digest: Digest) -> int | None:
        """See LayoutView."""

    def is_right(self, digest: Digest) -> bool:
        """See LayoutView."""

    def document(self, digest: Digest) -> bytes | None:
        """See LayoutView."""


class Collector:
    """Collects the files of an image, reading manifests from the layout or, if missing there, from the registry.

    known has verified documents that were already fetched. With rehash a file counts as stored if its digest is right,
    otherwise if its size is right.
    """

    def __init__(
        self,
        source: ImageSource,
        view: StoredImages,
        *,
        repository: str,
        known: t.Mapping[Digest, bytes],
        foreign: bool,
        rehash: bool,
        warn: t.Callable[[str], None],
    ) -> None:
        self._source, self._view, self._repository = source, view, repository
        self._known, self._foreign, self._rehash = dict(known), foreign, rehash
        self._warn = warn
        self._files: dict[Digest, ImageFile] = {}
        self._members: list[Member] = []
        self._left_out: dict[Digest, Descriptor] = {}
        self._read: set[Digest] = set()
        self._others: set[Digest] = set()
        self._counted: set[Digest] = set()
        self._bytes = 0

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """All files so far."""
        return tuple(self._files.values())

    @property
    def left_out(self) -> tuple[Descriptor, ...]:
        """The foreign layers so far, which are not downloaded."""
        return tuple(self._left_out.values())

    def add(self, root: Descriptor) -> None:
        """Add the files of another image or artifact. Raises as collect()."""
        if root.digest not in self._read:
            self.collect(root)

    def collect(self, root: Descriptor) -> Contents:
        """Return the contents of the image that root describes, following all indexes and manifests below it.

        Raises what ImageSource.manifest raises, DocumentInvalid if documents contradict each other, Unsupported above
        the limits, LayoutError if a file of the layout cannot be read.
        """
        queue = collections.deque([(root, 1)])
        top: Manifest | Index | None = None
        while queue:
            descriptor, depth = queue.popleft()
            if not (is_manifest(descriptor.media_type) or is_index(descriptor.media_type)):
                self._add_other(descriptor)
                continue
            if self._is_known(descriptor) and descriptor.digest in self._read:
                self._check_type(descriptor)
                continue
            document = self._read_document(descriptor, depth)
            top = top or document
            if isinstance(document, Index):
                queue.extend((entry, depth + 1) for entry in document.manifests)
            else:
                self._add_manifest(descriptor, document)
        if top is None:
            raise _unsupported(f"{root.digest} is neither a manifest nor an index", "check the reference")
        return Contents(top, tuple(self._members), self.files, self.left_out)

    def document(self, descriptor: Descriptor) -> Manifest | Index:
        """Return the document of a referrer, without adding it to the contents. Raises as collect().

        It counts for the limits, even if it turns out to refer to something else.
        """
        data = self._view.document(descriptor.digest) or self._fetch(descriptor, attached=True)
        verify(data, descriptor.digest, descriptor.size, what=f"the manifest {descriptor.digest}")
        self._count(descriptor.digest, len(data))
        self._known[descriptor.digest] = data
        return parse_document(data, media_type=descriptor.media_type, what=f"the manifest {descriptor.digest}")

    def _read_document(self, descriptor: Descriptor, depth: int) -> Manifest | Index:
        if is_index(descriptor.media_type) and depth > MAX_NESTING:
            raise _unsupported(f"its index is nested more than {MAX_NESTING} levels deep", "use another image")
        stored = self._view.document(descriptor.digest)
        data = stored if stored is not None else self._fetch(descriptor)
        verify(data, descriptor.digest, descriptor.size, what=f"the manifest {descriptor.digest}")
        self._read.add(descriptor.digest)
        self._count(descriptor.digest, len(data))
        self._files[descriptor.digest] = ImageFile(replace(descriptor, data=None), data, stored is not None)
        return parse_document(data, media_type=descriptor.media_type, what=f"the manifest {descriptor.digest}")

    def _count(self, digest: Digest, size: int) -> None:
        if digest not in self._counted:
            self._counted.add(digest)
            self._bytes += size
        if len(self._counted) > MAX_DOCUMENTS or self._bytes > MAX_DOCUMENT_BYTES:
            raise TooLarge(
                f"Listing the files of the image failed: it has more than {MAX_DOCUMENTS} manifests, or "
                f"{MAX_DOCUMENT_BYTES} bytes of them; choose a platform, or leave out the referrers."
            )

    def _fetch(self, descriptor: Descriptor, *, attached: bool = False) -> bytes:
        data = self._known.get(descriptor.digest, descriptor.data)
        if data is not None:
            return data
        selector = Selector(None, descriptor.digest)
        return self._source.manifest(self._repository, selector, attached=attached).document.raw

    def _add_manifest(self, descriptor: Descriptor, manifest: Manifest) -> None:
        self._members.append(Member(descriptor, manifest))
        self._add_blob(manifest.config)
        for part in manifest.layers:
            if is_nondistributable(part.media_type) and not self._foreign:
                self._left_out[part.digest] = part
            else:
                self._add_blob(part)

    def _add_other(self, descriptor: Descriptor) -> None:
        """Add an index entry of another media type as a blob; skip it if the registry has no such blob."""
        digest = descriptor.digest
        if digest in self._others:
            return
        # not in _read: it may be listed as a manifest, too
        self._others.add(digest)
        self._count(digest, 0)
        there = self._view.size_of(digest) is not None or digest in self._known or descriptor.data is not None
        if there or self._source.head_blob(self._repository, digest) is not None:
            self._add_blob(descriptor)
            return
        self._warn(
            f"The index refers to {digest} of the type {quote(descriptor.media_type)}, which is neither a supported "
            "manifest nor a blob of the registry; it is not copied to the layout."
        )

    def _check_type(self, descriptor: Descriptor) -> None:
        seen = self._files[descriptor.digest].descriptor.media_type
        if seen != descriptor.media_type:
            raise DocumentInvalid(
                f"The image is inconsistent: {descriptor.digest} is listed with the types {quote(seen)} and "
                f"{quote(descriptor.media_type)}; rebuild the image."
            )

    def _is_known(self, descriptor: Descriptor) -> bool:
        seen = self._files.get(descriptor.digest)
        if seen is not None and seen.descriptor.size != descriptor.size:
            raise DocumentInvalid(
                f"The image is inconsistent: {descriptor.digest} is listed with {seen.descriptor.size} bytes and with "
                f"{descriptor.size} bytes; rebuild the image."
            )
        return seen is not None

    def _add_blob(self, descriptor: Descriptor) -> None:
        if self._is_known(descriptor):
            return
        digest = descriptor.digest
        stored = self._view.size_of(digest) == descriptor.size and (not self._rehash or self._view.is_right(digest))
        self._files[digest] = ImageFile(descriptor, self._known.get(digest, descriptor.data), stored)


def _unsupported(why: str, advice: str) -> Unsupported:
    return Unsupported(f"Listing the files of the image failed: {why}; {advice}.")


__all__ = (
    "MAX_DOCUMENTS",
    "MAX_DOCUMENT_BYTES",
    "Collector",
    "Contents",
    "ImageFile",
    "Member",
    "StoredImages",
    "TooLarge",
)
