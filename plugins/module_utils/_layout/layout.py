# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A verified OCI layout as a value, and the result of inspecting one.

walk.py makes both; the server serves a Layout.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .errors import LayoutError
    from .stored import StoredContents


@dataclass(frozen=True)
class Layout:
    """The content of an OCI layout: all that index.json leads to, verified.

    tags name manifests or indexes. manifests holds manifests and indexes at any depth, blobs all other content.
    referrers holds the manifests and indexes that have a subject, by the digest of the subject, which may be missing:
    descriptors as the distribution-spec lists them, with the artifact type and the annotations of the document.
    """

    path: str
    tags: Mapping[str, Digest] = field(hash=False)
    manifests: StoredContents = field(hash=False)
    blobs: StoredContents = field(hash=False)
    referrers: Mapping[Digest, tuple[Descriptor, ...]] = field(default_factory=dict, hash=False)


class SparseEntry(t.NamedTuple):
    """An entry of an index whose file is not in the layout, as image-layout.md allows."""

    parent: Digest
    descriptor: Descriptor

    @property
    def platform(self) -> str:
        """The platform of the entry, or its digest if it states none."""
        platform = self.descriptor.platform
        return str(self.descriptor.digest if platform is None else platform)


@dataclass(frozen=True)
class Inspection:
    """A layout and its problems.

    problems: why the layout is incomplete or invalid, in the order found; empty for a sound layout.
    warnings: one sentence each on content that is ambiguous or was ignored.
    absent: missing content that may be missing: nondistributable layers, and subjects.
    orphans: files below blobs/ that nothing refers to, as "sha256/0123...".
    sparse: entries of indexes whose files are missing. warnings has a sentence for each index with such entries.
    """

    layout: Layout
    problems: tuple[LayoutError, ...] = ()
    warnings: tuple[str, ...] = ()
    absent: tuple[Descriptor, ...] = ()
    orphans: tuple[str, ...] = ()
    sparse: tuple[SparseEntry, ...] = ()


__all__ = ("Inspection", "Layout", "SparseEntry")
