# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The layouts at a path or below it, and what is in each: the work of oci_layout_info.

A layout is read as the registry server reads it (_layout/inspection.py).
"""

from __future__ import annotations

import os
import typing as t

from ..._base.errors import CollectionError
from ..._base.text import path_text, visible
from ..._layout.checker import Checker
from ..._layout.errors import LayoutError, LayoutInvalid
from ..._layout.inspection import MAX_NESTING, inspect_layout
from ..._layout.view import LayoutView
from ..._oci.document import parse_document
from ..._oci.image import parse_config
from ..._oci.index import Index
from ..._oci.media_type import is_index, is_manifest

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._layout.index_file import IndexEntry
    from ..._layout.layout import Inspection
    from ..._layout.stored import FileIdentity
    from ..._oci.descriptor import Descriptor
    from ..._oci.digest import Digest

# How deep below the path layouts are looked for: repositories of the server are rarely deeper than five.
MAX_DEPTH: t.Final = 32


def describe_layouts(path: str, *, recurse: bool, validate: bool) -> list[Json]:
    """Return the return value layouts, in the order of their paths. Raises LayoutInvalid if there is no such path."""
    if not os.path.isdir(path):
        raise LayoutInvalid(
            f"Opening {visible(path)} failed: it is not a directory that this user may read; check the path.",
            path=visible(path),
        )
    paths = find_layouts(path) if recurse else [path]
    return [_describe(found, os.path.relpath(found, path), validate=validate) for found in paths]


def find_layouts(top: str) -> list[str]:
    """Return the directories at top and below that have a file oci-layout. No symbolic link below top is followed."""
    found = []
    for folder, folders, files in os.walk(top):
        depth = os.path.relpath(folder, top).count(os.sep)
        if "oci-layout" in files:
            found.append(folder)
        if "oci-layout" in files or depth >= MAX_DEPTH:
            folders.clear()
        folders.sort()
    return found


class _Trusting:
    """A Ledger that knows every file, so that only documents are hashed."""

    def knows(self, digest: Digest, identity: FileIdentity) -> bool:
        """Return True."""
        return True

    def record(self, digest: Digest, identity: FileIdentity, *, began_ns: int) -> None:
        """Record nothing."""


def _describe(path: str, name: str, *, validate: bool) -> Json:
    with Checker(ledger=None if validate else _Trusting()) as checker:
        inspection = inspect_layout(path, checker=checker)
    contents = [*inspection.layout.manifests.values(), *inspection.layout.blobs.values()]
    return {
        "path": path_text(path),
        "name": None if name == "." else path_text(name),
        "sound": not inspection.problems,
        "tags": {tag: str(digest) for tag, digest in sorted(inspection.layout.tags.items())},
        "images": _describe_entries(path, inspection),
        "blobs": len(contents),
        "size": sum(content.size for content in contents),
        "orphans": list(inspection.orphans),
        "warnings": list(inspection.warnings),
        "faults": [{"msg": problem.message, **problem.as_result()} for problem in inspection.problems],
    }


def _describe_entries(path: str, inspection: Inspection) -> list[Json]:
    """Return the entries of index.json that could be read; the problems of the others are in the inspection."""
    try:
        with LayoutView(path) as view:
            entries = [entry for entry in view.index.entries if entry.descriptor.digest in inspection.layout.manifests]
            attached = {
                referrer.digest: (subject, referrer)
                for subject, referrers in inspection.layout.referrers.items()
                for referrer in referrers
            }
            return [
                {**_describe_entry(view, entry.descriptor, entry.tag), **_describe_subject(entry, attached)}
                for entry in entries
            ]
    except LayoutError:
        return []


def _describe_subject(entry: IndexEntry, attached: t.Mapping[Digest, tuple[Digest, Descriptor]]) -> Json:
    """Return what an entry refers to, and what it is then; None for an entry that refers to nothing."""
    subject, referrer = attached.get(entry.descriptor.digest, (None, None))
    return {
        "subject": None if subject is None else str(subject),
        "artifact_type": None if referrer is None else referrer.artifact_type,
    }


def _describe_entry(view: LayoutView, descriptor: Descriptor, tag: str | None) -> Json:
    sizes: dict[Digest, int] = {}
    platforms: dict[str, None] = {}
    _collect(view, descriptor, sizes, platforms, depth=0)
    return {
        "tag": tag,
        "digest": str(descriptor.digest),
        "media_type": descriptor.media_type,
        "platforms": list(platforms),
        "size": sum(sizes.values()),
    }


def _collect(
    view: LayoutView, descriptor: Descriptor, sizes: dict[Digest, int], platforms: dict[str, None], *, depth: int
) -> None:
    """Add the sizes of all content below a descriptor that is there, and the platforms of its images."""
    is_document = is_index(descriptor.media_type) or is_manifest(descriptor.media_type)
    if descriptor.digest in sizes or depth > MAX_NESTING or not is_document:
        return
    data = view.document(descriptor.digest)
    if data is None:
        return
    sizes[descriptor.digest] = len(data)
    try:
        document = parse_document(data, media_type=descriptor.media_type)
        if isinstance(document, Index):
            for entry in document.manifests:
                _collect(view, entry, sizes, platforms, depth=depth + 1)
            return
        sizes.update({part.digest: part.size for part in (document.config, *document.layers)})
        raw = view.document(document.config.digest) if document.is_image else None
        config = None if raw is None else parse_config(document, raw)
    except CollectionError:
        # the inspection has the fault
        return
    stated = descriptor.platform or (None if config is None else config.platform)
    if document.is_image and stated is not None and not stated.is_unknown():
        platforms[str(stated)] = None


__all__ = ("MAX_DEPTH", "describe_layouts", "find_layouts")
