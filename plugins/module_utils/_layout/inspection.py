# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import collections
import os
import types
import typing as t
from dataclasses import dataclass

from .._oci.document import parse_document
from .._oci.errors import OciError
from .._oci.index import Index
from .._oci.media_type import OCI_INDEX, is_index, is_manifest, is_nondistributable
from .._oci.strict_json import load_object
from .._oci.text import quote
from .content import check_digest, read_document
from .directory import LayoutDirectory
from .errors import (
    BlobMissing,
    ConfigMissing,
    DocumentRefused,
    IndexMissing,
    LayoutError,
    LayoutInvalid,
    ManifestMissing,
    WrongSize,
)
from .layout import Inspection, Layout, StoredContent
from .tags import read_tags

if t.TYPE_CHECKING:  # pragma: no cover
    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .._oci.manifest import Manifest
    from .layout import Identity

LAYOUT_VERSION: t.Final = "1.0.0"
MAX_NESTING: t.Final = 8

_AGAIN: t.Final = "copy the image into the layout again"
_Role = t.Literal["entry", "config", "layer"]


@dataclass(frozen=True)
class _Reference:
    """A descriptor on the way: who refers to it, as what, and how many indexes are above it."""

    descriptor: Descriptor
    role: _Role
    referrer: str
    depth: int
    optional: bool = False

    @property
    def is_document(self) -> bool:
        kind = self.descriptor.media_type
        return self.role == "entry" and (is_manifest(kind) or is_index(kind))

    @property
    def what(self) -> str:
        return f"the {self._noun} {self.descriptor.digest}"

    @property
    def missing(self) -> type[LayoutError]:
        """The error for content that is not there."""
        kinds = {"index": IndexMissing, "manifest": ManifestMissing, "config": ConfigMissing}
        return kinds.get(self._noun, BlobMissing)

    @property
    def _noun(self) -> str:
        if self.role != "entry":
            return self.role
        if is_index(self.descriptor.media_type):
            return "index"
        return "manifest" if is_manifest(self.descriptor.media_type) else "blob"


def inspect_layout(path: str, *, follow: bool = True) -> Inspection:
    """Read an OCI layout directory (image-spec, image-layout.md) and verify size and digest of all that it leads to.

    Goes from index.json through nested indexes (at most 8 deep) to manifests, configs and layers. Nothing outside the
    directory is read; only path itself may be a symbolic link, unless follow is false. What is wrong is found in the
    result, not raised: whether the layout is sound is whether it has no problems.
    """
    try:
        with LayoutDirectory(path, follow=follow) as directory:
            return _Walk(directory).run()
    except LayoutError as exc:
        layout = Layout(path, *(types.MappingProxyType({}) for dummy in range(3)))
        return Inspection(layout, problems=(exc.add_context(path=path),))


def load_layout(path: str) -> Layout:
    """As inspect_layout, for those who need a sound layout. Raises the first problem, a LayoutError."""
    inspection = inspect_layout(path)
    if inspection.problems:
        raise inspection.problems[0]
    return inspection.layout


class _Walk:
    """One way through a layout. Each file is read once, however often it is referred to."""

    def __init__(self, directory: LayoutDirectory) -> None:
        self._directory = directory
        self._queue: collections.deque[_Reference] = collections.deque()
        self._seen: set[Digest] = set()
        self._bad: set[Digest] = set()
        self._manifests: dict[Digest, StoredContent] = {}
        self._blobs: dict[Digest, StoredContent] = {}
        self._absent: list[Descriptor] = []
        self._problems: list[LayoutError] = []

    def run(self) -> Inspection:
        """The whole inspection. Raises LayoutError when there is no telling what the layout holds."""
        self._check_version()
        index = self._read_top()
        tags, warnings = read_tags(index)
        self._enqueue(index, "index.json", depth=0)
        # in order of depth, so that what is referred to at several depths counts as being at the least
        while self._queue:
            self._visit(self._queue.popleft())
        return Inspection(
            layout=Layout(
                path=self._directory.path,
                tags=types.MappingProxyType({tag: digest for tag, digest in tags.items() if digest in self._manifests}),
                manifests=types.MappingProxyType(self._manifests),
                blobs=types.MappingProxyType(self._blobs),
            ),
            problems=tuple(self._problems),
            warnings=warnings,
            absent=tuple(self._absent),
            orphans=self._orphans(),
        )

    def _check_version(self) -> None:
        data = self._top("oci-layout")
        if data is None:
            raise LayoutInvalid("There is no file oci-layout, so this is not an OCI layout; check the path.")
        try:
            version = load_object(data, what="oci-layout").get("imageLayoutVersion")
        except OciError as exc:
            raise LayoutInvalid(exc.message) from None
        if version != LAYOUT_VERSION:
            raise LayoutInvalid(
                f"The layout has the version {quote(version)} in oci-layout, and only {LAYOUT_VERSION} can be read."
            )

    def _read_top(self) -> Index:
        data = self._top("index.json")
        if data is None:
            raise IndexMissing(f"There is no file index.json, so nothing in the layout can be found; {_AGAIN}.")
        document = _parse(data, OCI_INDEX, what="index.json")
        if not isinstance(document, Index):
            raise DocumentRefused("Reading index.json failed: it is not an image index.")
        return document

    def _top(self, name: t.Literal["index.json", "oci-layout"]) -> bytes | None:
        file = self._directory.open_top(name)
        if file is None:
            return None
        try:
            return read_document(file, what=name)
        finally:
            os.close(file.fd)

    def _enqueue(self, document: Index | Manifest, name: str, *, depth: int) -> None:
        if isinstance(document, Index):
            self._queue.extend(_Reference(entry, "entry", name, depth + 1) for entry in document.manifests)
        else:
            self._queue.append(_Reference(document.config, "config", name, depth))
            for layer in document.layers:
                optional = is_nondistributable(layer.media_type)
                self._queue.append(_Reference(layer, "layer", name, depth, optional=optional))
        if document.subject is not None:
            self._queue.append(_Reference(document.subject, "entry", name, depth, optional=True))

    def _visit(self, reference: _Reference) -> None:
        digest = reference.descriptor.digest
        try:
            if digest not in self._bad:
                self._take(reference, digest)
        except LayoutError as exc:
            self._problems.append(exc.add_context(path=self._directory.path, digest=str(digest)))
            # a wrong size is the fault of this one descriptor, everything else that of the content
            if not isinstance(exc, WrongSize):
                self._bad.add(digest)

    def _take(self, reference: _Reference, digest: Digest) -> None:
        self._seen.add(digest)
        found = self._manifests if reference.is_document else self._blobs
        if digest in found:
            return _check_again(reference, found[digest])
        file = self._directory.open_blob(digest)
        if file is None:
            return self._miss(reference)
        try:
            _check_size(reference, file.identity)
            data = check_digest(file, digest, what=reference.what, keep=reference.is_document)
        finally:
            os.close(file.fd)
        if reference.is_document:
            self._descend(reference, data)
        found[digest] = StoredContent(digest, reference.descriptor.media_type, file.identity)
        return None

    def _miss(self, reference: _Reference) -> None:
        if not reference.optional:
            raise reference.missing(
                f"Reading the layout failed: {reference.what}, which {reference.referrer} refers to, "
                f"is not there; {_AGAIN}."
            )
        self._absent.append(reference.descriptor)

    def _descend(self, reference: _Reference, data: bytes) -> None:
        document = _parse(data, reference.descriptor.media_type, what=reference.what)
        if isinstance(document, Index) and reference.depth > MAX_NESTING:
            raise DocumentRefused(
                f"Reading {reference.what} failed: it is nested {reference.depth} indexes deep, "
                f"and {MAX_NESTING} is the limit."
            )
        self._enqueue(document, reference.what, depth=reference.depth)

    def _orphans(self) -> tuple[str, ...]:
        known = {f"{digest.algorithm}/{digest.encoded}" for digest in self._seen}
        return tuple(name for name in self._directory.blob_names() if name not in known)


def _parse(data: bytes, media_type: str, *, what: str) -> Index | Manifest:
    try:
        return parse_document(data, media_type=media_type, what=what)
    except OciError as exc:
        raise DocumentRefused(exc.message) from None


def _check_again(reference: _Reference, stored: StoredContent) -> None:
    _check_size(reference, stored.identity)
    media_type = reference.descriptor.media_type
    if reference.is_document and media_type != stored.media_type:
        raise DocumentRefused(
            f"Reading {reference.what} failed: {reference.referrer} states the type {media_type}, "
            f"and another descriptor {stored.media_type}; {_AGAIN}."
        )


def _check_size(reference: _Reference, identity: Identity) -> None:
    stated, actual = reference.descriptor.size, identity.size
    if stated != actual:
        raise WrongSize(
            f"The size of {reference.what} is {actual} bytes, and {reference.referrer} states {stated}; {_AGAIN}.",
            expected=stated,
            actual=actual,
        )


__all__ = ("LAYOUT_VERSION", "MAX_NESTING", "inspect_layout", "load_layout")
