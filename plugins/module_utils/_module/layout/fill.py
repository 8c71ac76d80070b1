# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The downloads of oci_layout and oci_archive, called with the layout or archive locked."""

from __future__ import annotations

import typing as t
from functools import partial as bound

from ..registry.downloads import resume
from ..registry.parallel import Stop, run_parallel

if t.TYPE_CHECKING:
    from ..._layout.partial import Partial
    from ..._oci.descriptor import Descriptor
    from ..._oci.digest import Digest
    from ..registry.downloads import Downloads
    from .contents import ImageFile


class BlobStore(t.Protocol):
    """Where blobs are downloaded to: a LayoutStore or a PendingArchive."""

    def partial(self, digest: Digest) -> t.ContextManager[Partial]:
        """See LayoutStore."""

    def keep(self, partial: Partial) -> None:
        """See LayoutStore."""

    def write(self, digest: Digest, data: bytes) -> None:
        """See LayoutStore."""


def fill(store: BlobStore, downloads: Downloads, missing: t.Sequence[ImageFile], *, parallel: int) -> None:
    """Write the missing files of an image to a store, resuming the partial downloads of earlier runs.

    parallel is the number of downloads at once. Raises what Downloads.blob() raises, LayoutError. Partial downloads are
    then kept for the next run, unless their content is wrong or the disk is full.
    """
    downloads.watch.expect(content.descriptor.size for content in missing if content.data is None)
    jobs = []
    for content in missing:
        if content.data is not None:
            store.write(content.descriptor.digest, content.data)
        else:
            jobs.append(bound(_download, store, downloads, content.descriptor))
    if jobs:
        downloads.use(content.descriptor.digest for content in missing)
    run_parallel(jobs, workers=parallel)


def _download(store: BlobStore, downloads: Downloads, descriptor: Descriptor, stop: Stop) -> None:
    stop.check()
    with store.partial(descriptor.digest) as partial:
        if downloads.uses_cache:
            _copy(partial, downloads, descriptor, stop)
        else:
            resume(partial, downloads, descriptor, stop.check)
        store.keep(partial)


def _copy(partial: Partial, downloads: Downloads, descriptor: Descriptor, stop: Stop) -> None:
    """Copy a blob from the cache; a part that an earlier run left is not worth hashing."""
    partial.reset()
    with downloads.blob(descriptor, check=stop.check) as pieces:
        for piece in pieces:
            stop.check()
            partial.append(piece)


__all__ = ("BlobStore", "fill")
