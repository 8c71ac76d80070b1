# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The order of steps of oci_image_export: compare without a lock, then lock, compare again, unpack, write, publish."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import replace

from ..._archive.compress import make_compressor
from ..._archive.exported import ExportedArchive, read_exported
from ..._archive.mark import NewMark
from ..._archive.tree_tar import TreeTar
from ..._base.text import visible
from ..._destination.durable import open_anonymous
from ..._destination.os_errors import naming_filesystem
from ..._layout.errors import write_errors
from ..._unpack.layers import unpack_layers
from ..._unpack.tree.inode_table import Scratch
from ..archive.place import ArchivePlace
from ..image.layer_sources import layer_sources
from ..image.lookup import FoundImage, ImageRequest, look_up, resolve_again
from ..image.signed import ensure_signed, verify_image
from ..image.tree import DesiredTree
from ..options.image_options import wanted_platform
from ..options.ranges import check_downloads
from ..options.selection import wanted_selection
from ..options.tree_options import TreeOptions
from ..progress import ProgressFile
from ..registry.downloads import check_cache_option, opened_downloads
from ..registry.image_source import opened_image
from ..registry.signature_option import signature_check
from ..stopwatch import Stopwatch
from .results import ExportOutcome, export_diff, export_results
from .stamp import make_text, stamp_of

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._archive.pending import PendingArchive
    from ..._base.strict_json import Json
    from ..._oci.image import Image
    from ..._unpack.layers import Unpacked
    from ..registry.downloads import Downloads
    from ..registry.sources import ImageSource

# How many layers of a layout are opened at once: they need no download.
_PARALLEL_LOCAL: t.Final = 2


def run_export(module: AnsibleModule) -> Json:
    """Bring the archive to the requested state and return the results of oci_image_export."""
    params = module.params
    desired = DesiredTree(TreeOptions.of(params), wanted_selection(params), drift="none", keep=0)
    check_downloads(params)
    place = ArchivePlace(module)
    check_cache_option(module)
    make_compressor(params["compression"])  # a missing library is an error before anything is downloaded
    check, platform = signature_check(module), wanted_platform(module)
    watch = Stopwatch(ProgressFile.from_environment())
    with contextlib.ExitStack() as stack:
        source, selector = stack.enter_context(opened_image(module))
        downloads = stack.enter_context(opened_downloads(module, source, watch))
        parallel = params["parallel"] if params["layout"] is None else _PARALLEL_LOCAL
        request = ImageRequest(params["repository"] or "", selector, platform, parallel=parallel, signature=check)
        outcome = _Task(module, place, source, request, desired, downloads, watch).run()
        results = export_results(module, outcome, source, downloads, watch)
    diff = export_diff(module, outcome, desired)
    changed = place.update_attributes(changed=outcome.changed, diff=diff)
    return {"changed": changed, **results, **({"diff": diff} if module._diff else {})}


class _Task:
    """One task: brings the archive at place to what request and desired ask for."""

    def __init__(
        self,
        module: AnsibleModule,
        place: ArchivePlace,
        source: ImageSource,
        request: ImageRequest,
        desired: DesiredTree,
        downloads: Downloads,
        watch: Stopwatch,
    ) -> None:
        self._module, self._place, self._source = module, place, source
        self._request, self._desired = request, desired
        self._downloads, self._watch = downloads, watch

    def run(self) -> ExportOutcome:
        """Return the outcome, predicted in check mode."""
        with self._place.folder() as (folder, is_unfinished):
            existing = self._read(folder)
        with self._watch.stage("resolve"):
            known = stamp_of(existing)
            found = look_up(self._source, self._request, known=known, warn=self._module.warn)
            # whoever brings an archive could have written what it says, so every run verifies the signatures
            found, signature = ensure_signed(self._source, self._request, found, None)
        outcome = ExportOutcome(
            image=found.shown,
            changed=not self._is_right(existing, found),
            before=known,
            compression_before=None if existing is None else existing.mark.compression,
            signature=signature,
        )
        if outcome.changed and existing is not None and existing.fault is not None:
            self._module.warn(f"The archive {visible(self._place.path)} is replaced, because {existing.fault}.")
        if self._module.check_mode:
            return outcome
        if outcome.changed:
            with self._place.pending() as pending:
                return self._write(pending, found, outcome)
        if is_unfinished:
            self._place.remove_left_over()
        return outcome

    def _read(self, folder: int | None) -> ExportedArchive | None:
        params = self._module.params
        return read_exported(self._place.path, folder, hashed=params["validate"], force=params["force"])

    def _is_right(self, existing: ExportedArchive | None, found: FoundImage) -> bool:
        """Return whether the archive has the image, with the options of the task, and is as it was written."""
        stamp = stamp_of(existing)
        if existing is None or stamp is None or existing.fault is not None:
            return False
        is_compressed_so = existing.mark.compression == self._module.params["compression"]
        return is_compressed_so and found.is_in(stamp) and self._desired.fits(stamp)

    def _write(self, pending: PendingArchive, found: FoundImage, outcome: ExportOutcome) -> ExportOutcome:
        if self._is_right(self._read(pending.folder), found):  # another task has written it
            pending.clear()
            return replace(outcome, changed=False)
        image, signature = found.image, outcome.signature
        if image is None:
            with self._watch.stage("resolve"):
                image = resolve_again(self._source, self._request, found)
                signature = verify_image(self._source, self._request, image)
        with naming_filesystem(self._place.path):
            unpacked = self._compose(pending, image)
            with self._watch.stage("publish"):
                self._place.publish(pending)
        return replace(
            outcome, image=image.as_dict(), entries=unpacked.entries, bytes=unpacked.size, signature=signature
        )

    def _compose(self, pending: PendingArchive, image: Image) -> Unpacked:
        """Unpack the image beside the archive, and write the new archive from the tree."""
        with pending.tree() as root, self._scratch(pending) as scratch:
            with self._watch.stage("unpack"):
                unpacked = self._unpack(root, image)
            options = self._desired.options
            tree = TreeTar(root, ownership=options.ownership, xattrs=options.xattrs != "skip", scratch=scratch)
            mark = NewMark(tree.root_header(), self._describe(image, unpacked))
            with self._watch.stage("publish"):
                pending.compose(tree.write, compression=self._module.params["compression"], mark=mark)
        return unpacked

    @contextlib.contextmanager
    def _scratch(self, pending: PendingArchive) -> t.Iterator[Scratch]:
        with write_errors("Making a file beside the archive", self._place.path):
            fd = open_anonymous(pending.state)
        try:
            yield Scratch(fd)
        finally:
            os.close(fd)

    def _unpack(self, root: int, image: Image) -> Unpacked:
        layers = layer_sources(image, self._downloads, self._watch)
        options = self._desired.options.for_unpack(self._desired.selection)
        return unpack_layers(root, layers, options=options, warn=self._module.warn, parallel=self._request.parallel)

    def _describe(self, image: Image, unpacked: Unpacked) -> bytes:
        """Return what the archive says about itself."""
        text = make_text(image, self._request, self._desired, unpacked)
        if text is None:
            self._module.warn(
                f"The config of the image {image.digest} is too large to be noted in the archive, so every run writes"
                " it again."
            )
        return text or b""


__all__ = ("run_export",)
