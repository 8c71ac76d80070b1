# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Walk through an OCI layout from index.json to the last layer and verify all of it: image-spec, image-layout.md.

inspection.py runs one Walk for each layout.
"""

from __future__ import annotations

import collections
import os
import types
import typing as t

from .._base.errors import CollectionError
from .._oci.document import parse_document
from .._oci.index import Index
from .._oci.media_type import OCI_INDEX, is_nondistributable
from .content import check_digest, read_document
from .errors import DocumentRefused, IndexMissing, LayoutError, LayoutInvalid, WrongSize
from .faults import Faults
from .layout import Inspection, Layout, SparseEntry
from .referrers import as_referrer
from .sparse import describe_sparse
from .step import COPY_AGAIN, Step
from .stored import StoredContents
from .tags import read_tags
from .version import check_version

if t.TYPE_CHECKING:
    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .._oci.manifest import Manifest
    from .checker import Check, Checker
    from .directory import LayoutDirectory, OpenFile
    from .stored import FileIdentity

# How deep indexes may be nested.
MAX_NESTING: t.Final = 8


class Walk:
    """A walk through one layout. Each file is read once, however many documents refer to it.

    run() reads all documents and passes other content to the checker; finish() waits for it and returns the result.
    """

    def __init__(self, directory: LayoutDirectory, checker: Checker) -> None:
        self._directory = directory
        self._checker = checker
        self._documents: collections.deque[Step] = collections.deque()
        self._subjects: collections.deque[Step] = collections.deque()
        self._checks: collections.deque[tuple[int, Check]] = collections.deque()
        self._seen: set[str] = set()
        self._bad: set[str] = set()
        self._manifests = StoredContents()
        self._blobs = StoredContents()
        self._referrers: dict[Digest, list[Descriptor]] = {}
        self._absent: dict[str, Descriptor] = {}
        self._sparse: dict[SparseEntry, None] = {}
        self._faults = Faults(directory.path)
        self._steps = 0
        self._tags: dict[str, Digest] = {}
        self._warnings: tuple[str, ...] = ()
        self._orphans: tuple[str, ...] = ()

    def run(self) -> None:
        """Read all documents. Raises LayoutError if oci-layout, index.json or the directory blobs cannot be used."""
        self._check_version()
        self._read_top()
        # in order of depth, so that content at several depths counts as being at the least deep one
        while self._documents or self._subjects:
            # subjects last: their descriptors do not decide what is valid otherwise
            self._visit((self._documents or self._subjects).popleft())
        self._orphans = tuple(
            name for name in self._directory.blob_names() if name.replace("/", ":", 1) not in self._seen
        )
        self._seen.clear()

    def finish(self) -> Inspection:
        """Wait for all checks and return the inspection."""
        while self._checks:
            self._finish_check(*self._checks.popleft())
        for digest in self._faults.digests():
            self._blobs.discard(digest)
        tags = {tag: digest for tag, digest in self._tags.items() if str(digest) in self._manifests.raw}
        referrers = {subject: tuple(found) for subject, found in self._referrers.items()}
        return Inspection(
            layout=Layout(
                path=self._directory.path,
                tags=types.MappingProxyType(tags),
                manifests=self._manifests,
                blobs=self._blobs,
                referrers=types.MappingProxyType(referrers),
            ),
            problems=self._faults.problems(),
            warnings=(*self._warnings, *describe_sparse(self._sparse)),
            absent=tuple(self._absent.values()),
            orphans=self._orphans,
            sparse=tuple(self._sparse),
        )

    def _check_version(self) -> None:
        data = self._read_top_file("oci-layout")
        if data is None:
            raise LayoutInvalid("There is no file oci-layout, so this is not an OCI layout; check the path.")
        check_version(data, use="read")

    def _read_top(self) -> None:
        data = self._read_top_file("index.json")
        if data is None:
            raise IndexMissing(f"There is no file index.json, so nothing in the layout can be found; {COPY_AGAIN}.")
        document = _parse(data, OCI_INDEX, what="index.json")
        if not isinstance(document, Index):
            raise DocumentRefused("Reading index.json failed: it is not an image index.")
        self._tags, self._warnings = read_tags(document)
        self._follow(document, "index.json", None, depth=0)

    def _read_top_file(self, name: t.Literal["index.json", "oci-layout"]) -> bytes | None:
        file = self._directory.open_top(name)
        if file is None:
            return None
        try:
            return read_document(file, what=name)
        finally:
            os.close(file.fd)

    def _follow(self, document: Index | Manifest, name: str, digest: Digest | None, *, depth: int) -> None:
        if isinstance(document, Index):
            self._documents.extend(Step(entry, "entry", name, depth + 1, parent=digest) for entry in document.manifests)
        else:
            # visited at once, so that the descriptors of a large layout are not all in memory
            self._visit(Step(document.config, "config", name, depth))
            for layer in document.layers:
                self._visit(Step(layer, "layer", name, depth, optional=is_nondistributable(layer.media_type)))
        if document.subject is not None:
            self._subjects.append(Step(document.subject, "entry", name, depth, optional=True))

    def _visit(self, step: Step) -> None:
        self._steps += 1
        number, digest = self._steps, str(step.descriptor.digest)
        try:
            if digest not in self._bad:
                self._read_content(step, number, digest)
        except LayoutError as exc:
            if step.is_subject and isinstance(exc, (WrongSize, DocumentRefused)):
                return
            self._faults.add(number, digest, exc)
            if not isinstance(exc, WrongSize):
                self._bad.add(digest)

    def _read_content(self, step: Step, number: int, digest: str) -> None:
        self._seen.add(digest)
        if step.is_subject and (digest in self._manifests.raw or digest in self._blobs.raw):
            return None
        found = self._manifests if step.is_document else self._blobs
        if digest in found.raw:
            return _check_again(step, *found.raw[digest])
        file = self._directory.open_blob(step.descriptor.digest)
        if file is None:
            return self._report_missing(step, digest)
        try:
            step.check_size(file.identity)
        except WrongSize:
            os.close(file.fd)
            raise
        if step.is_document:
            self._descend(step, file)
        else:
            self._check(number, self._checker.start(file, step.descriptor.digest, what=step.what))
        found.add(digest, step.descriptor.media_type, file.identity)
        return None

    def _report_missing(self, step: Step, digest: str) -> None:
        if step.parent is not None:
            self._sparse.setdefault(SparseEntry(step.parent, step.descriptor))
        elif step.optional:
            self._absent.setdefault(digest, step.descriptor)
        else:
            raise step.missing()

    def _descend(self, step: Step, file: OpenFile) -> None:
        try:
            data = check_digest(file, step.descriptor.digest, what=step.what, keep=True)
        finally:
            os.close(file.fd)
        document = _parse(data, step.descriptor.media_type, what=step.what)
        if isinstance(document, Index) and step.depth > MAX_NESTING:
            raise DocumentRefused(
                f"Reading {step.what} failed: it is nested {step.depth} indexes deep, and {MAX_NESTING} is the limit."
            )
        if document.subject is not None:
            self._referrers.setdefault(document.subject.digest, []).append(as_referrer(document, step.descriptor))
        self._follow(document, step.what, step.descriptor.digest, depth=step.depth)

    def _check(self, number: int, check: Check | None) -> None:
        if check is not None:
            self._checks.append((number, check))
        while self._checks and self._checks[0][1].outcome.done():
            self._finish_check(*self._checks.popleft())

    def _finish_check(self, number: int, check: Check) -> None:
        try:
            self._checker.finish(check)
        except LayoutError as exc:
            self._faults.add(number, str(check.digest), exc)


def _parse(data: bytes, media_type: str, *, what: str) -> Index | Manifest:
    try:
        return parse_document(data, media_type=media_type, what=what)
    except CollectionError as exc:
        raise DocumentRefused(exc.message) from None


def _check_again(step: Step, media_type: str, identity: FileIdentity) -> None:
    step.check_size(identity)
    stated = step.descriptor.media_type
    if step.is_document and stated != media_type:
        raise DocumentRefused(
            f"Reading {step.what} failed: {step.referrer} states the type {stated}, "
            f"and another descriptor {media_type}; {COPY_AGAIN}."
        )


__all__ = ("MAX_NESTING", "Walk")
