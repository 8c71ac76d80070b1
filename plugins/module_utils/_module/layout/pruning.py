# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The option prune of oci_layout: blobs that nothing refers to. Called by run.py."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..._layout.errors import LayoutError
from ..._layout.orphans import find_orphans

if t.TYPE_CHECKING:
    from ..._layout.index_file import IndexFile
    from ..._layout.orphans import Orphans
    from ..._layout.store import LayoutStore
    from ..._layout.view import LayoutView
    from ..._oci.digest import Digest


@dataclass(frozen=True)
class Pruning:
    """The files to remove with their sizes, and the number of orphans that stay, None if that is unknown."""

    orphans: int | None = 0
    blobs: dict[Digest, int] = field(default_factory=dict)
    partials: dict[Digest, int] = field(default_factory=dict)

    @property
    def removed(self) -> list[str]:
        """The digests of the files to remove, sorted."""
        return sorted({str(digest) for digest in (*self.blobs, *self.partials)})

    @property
    def bytes(self) -> int:
        """The total size of the files to remove, in bytes."""
        return sum(self.blobs.values()) + sum(self.partials.values())

    def carry_out(self, store: LayoutStore) -> None:
        """Remove the files. Raises WriteFailed."""
        for digest in self.blobs:
            store.remove(digest)
        for digest in self.partials:
            store.remove_partial(digest)


def plan_pruning(
    view: LayoutView,
    index: IndexFile,
    *,
    document: t.Callable[[Digest], bytes | None],
    wanted: t.Collection[Digest],
    prune: bool,
) -> Pruning:
    """Find the files that nothing refers to from index; with prune they are to be removed.

    document returns manifests that the layout may not have yet. wanted are the digests that are about to be downloaded.
    With prune, raises LayoutError if a manifest is missing or damaged, because its references are unknown.
    """
    try:
        found: Orphans | None = find_orphans(
            view, index, document=lambda digest: document(digest) or view.document(digest)
        )
    except LayoutError:
        if prune:
            raise
        found = None
    if found is None or not prune:
        return Pruning(None if found is None else found.count)
    partials = {digest: size for digest, size in view.unfinished().items() if digest not in wanted}
    return Pruning(found.others, found.blobs, partials)


__all__ = ("Pruning", "plan_pruning")
