# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Conversion of a verified layout to a repository of the snapshot. Called by loading.py."""

from __future__ import annotations

import types
import typing as t

from .snapshot import Referrer, Repository, ServedFile

if t.TYPE_CHECKING:
    from ..._layout.layout import Layout
    from ..._layout.stored import StoredContents
    from ..._oci.descriptor import Descriptor


def as_repository(name: str, layout: Layout) -> Repository:
    """Make the repository with this name of all content of a layout."""
    manifests, blobs = _served_files(layout.path, layout.manifests), _served_files(layout.path, layout.blobs)
    blobs.update(manifests)
    referrers = {str(subject): tuple(map(_referrer, found)) for subject, found in layout.referrers.items()}
    return Repository(
        name=name,
        tags=types.MappingProxyType({tag: manifests[str(digest)] for tag, digest in layout.tags.items()}),
        tag_names=tuple(sorted(layout.tags)),
        manifests=types.MappingProxyType(manifests),
        blobs=types.MappingProxyType(blobs),
        referrers=types.MappingProxyType(referrers),
    )


def _served_files(path: str, stored: StoredContents) -> dict[str, ServedFile]:
    return {
        digest: ServedFile(digest, path, media_type, identity) for digest, (media_type, identity) in stored.raw.items()
    }


def _referrer(descriptor: Descriptor) -> Referrer:
    return Referrer(
        digest=str(descriptor.digest),
        media_type=descriptor.media_type,
        size=descriptor.size,
        artifact_type=descriptor.artifact_type,
        annotations=types.MappingProxyType(dict(descriptor.annotations)),
    )


__all__ = ("as_repository",)
