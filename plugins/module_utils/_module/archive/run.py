# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The order of steps of oci_archive: plan without a lock, then lock, plan again, download, compose, publish."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import replace

from ..._archive.diff_ids import check_diff_id
from ..._archive.existing import ExistingArchive, opened_existing
from ..._archive.image_files import top_files
from ..._archive.layouts import blob_path
from ..._archive.tar_writer import TarMember, with_directories, write_tar
from ..._base.text import ignore
from ..layout.fill import fill
from ..layout.plan import make_plan
from ..options.ranges import check_downloads, check_seconds
from ..progress import ProgressFile
from ..registry.downloads import cache_stats, check_cache_option, opened_downloads
from ..registry.image_source import opened_image
from ..registry.signature_option import signature_check
from ..stopwatch import Stopwatch
from .image import find_names, make_image, make_request
from .place import ArchivePlace
from .results import ArchiveOutcome, archive_diff, archive_results

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._archive.pending import PendingArchive
    from ..._base.strict_json import Json
    from ..._layout.index_file import IndexEntry
    from ..._trust.policy import Verified
    from ..layout.contents import ImageFile
    from ..layout.plan import LayoutPlan, LayoutRequest
    from ..registry.downloads import Downloads
    from ..registry.signatures import SignatureCheck
    from ..registry.sources import ImageSource
    from .image import ArchiveImage, ImageNames


def run_archive(module: AnsibleModule) -> Json:
    """Bring the archive to the requested state and return the results of oci_archive."""
    check_seconds(module.params, "lock_timeout", allow_zero=True)
    check_downloads(module.params)
    place = ArchivePlace(module)
    check_cache_option(module)
    check = signature_check(module)
    watch = Stopwatch(ProgressFile.from_environment())
    with contextlib.ExitStack() as stack:
        source, selector = stack.enter_context(opened_image(module))
        downloads = stack.enter_context(opened_downloads(module, source, watch))
        names = find_names(module, source, selector)
        request = replace(make_request(module, selector, names), signed=check is not None)
        task = _Task(module, place, source, request, names, downloads, watch, check)
        outcome = task.run()
        outcome = replace(
            outcome,
            downloaded=source.downloaded,
            requests=source.requests,
            cached=cache_stats(module, downloads),
            attestation=source.attestation,
            verified=task.verified,
        )
    diff = archive_diff(module, outcome)
    changed = place.update_attributes(changed=outcome.changed, diff=diff)
    results = {"changed": changed, **archive_results(module, outcome, watch)}
    return {**results, "diff": diff} if module._diff else results


class _Task:
    """One task: brings the archive at place to what request asks for. verified is set once signatures are verified."""

    def __init__(
        self,
        module: AnsibleModule,
        place: ArchivePlace,
        source: ImageSource,
        request: LayoutRequest,
        names: ImageNames,
        downloads: Downloads,
        watch: Stopwatch,
        check: SignatureCheck | None,
    ) -> None:
        self._module, self._place, self._source, self._downloads = module, place, source, downloads
        self._request, self._names, self._watch, self._check = request, names, watch, check
        self.verified: Verified | None = None
        # a source on this host is read while the archive is written, without a copy in between
        self._is_local = module.params["layout"] is not None

    def run(self) -> ArchiveOutcome:
        """Return the outcome, predicted in check mode."""
        with self._existing() as (existing, is_unfinished), self._watch.stage("resolve"):
            outcome = self._plan(existing)
            if self._check is not None:
                from ..layout.signed import verify_plan

                # the plan under the lock is for the same digests
                self.verified = verify_plan(self._check, outcome.plan, self._source, existing, self._request)
        if self._module.check_mode:
            return outcome
        if outcome.changed:
            with self._place.pending() as pending:
                return self._write(pending, outcome)
        if is_unfinished:
            self._place.remove_left_over()
        return outcome

    @contextlib.contextmanager
    def _existing(self) -> t.Iterator[tuple[ExistingArchive, bool]]:
        """Yield the archive that is there, and whether an ended run may have left something beside it."""
        with contextlib.ExitStack() as stack:
            folder, is_unfinished = stack.enter_context(self._place.folder())
            yield stack.enter_context(self._opened(folder)), is_unfinished

    def _opened(self, folder: int | None) -> t.ContextManager[ExistingArchive]:
        return opened_existing(
            self._place.path, folder, folder=lambda: str(self._module.tmpdir), force=self._module.params["force"]
        )

    def _plan(self, existing: ExistingArchive, *, earlier: LayoutPlan | None = None) -> ArchiveOutcome:
        """Find out what has to change. earlier is the plan from before the lock, which saves its requests.

        Under the lock, what is taken over from the archive is hashed before.
        """
        request = self._request if earlier is None else replace(self._request, rehash=True)
        warn = self._module.warn if earlier is None else ignore
        plan = make_plan(self._source, existing, request, warn=warn, earlier=earlier)
        image = make_image(plan, self._names, docker=self._module.params["format"] == "docker")
        if earlier is None and existing.damage is not None:
            warn(f"The archive is damaged and is replaced. {existing.damage}")
        changed = bool(plan.missing) or not self._is_right(existing, image)
        return ArchiveOutcome(image=image, names=self._names, plan=plan, before=existing.summary, changed=changed)

    def _is_right(self, existing: ExistingArchive, image: ArchiveImage) -> bool:
        """Return whether the archive has the entries and the format of the image; its blobs are not looked at."""
        if existing.compression != self._module.params["compression"] or existing.listing != image.listing:
            return False
        found, wanted = existing.index.entries, image.index.entries
        return len(found) == len(wanted) and all(map(_is_same, found, wanted))

    def _write(self, pending: PendingArchive, outcome: ArchiveOutcome) -> ArchiveOutcome:
        with self._opened(pending.folder) as existing:
            with self._watch.stage("resolve"):
                outcome = self._plan(existing, earlier=outcome.plan)
            if not outcome.changed:  # another task has written it
                pending.clear()
                return outcome
            if not self._is_local:
                missing = [file for file in outcome.plan.missing if file.data is None]
                with self._watch.stage("download"):
                    fill(pending, self._downloads, missing, parallel=self._module.params["parallel"])
            with self._watch.stage("publish"):
                self._compose(pending, existing, outcome)
        return outcome

    def _compose(self, pending: PendingArchive, existing: ExistingArchive, outcome: ArchiveOutcome) -> None:
        """Write the archive and put it in its place. Raises DiffIdMismatch."""
        image = outcome.image
        contents = {file.descriptor.digest: self._member(file, existing, pending) for file in outcome.plan.files}
        for layer, diff_id in image.layers:
            check_diff_id(contents[layer.digest], diff_id, what=f"the decompressed layer {layer.digest}")
        members = [*contents.values(), *top_files(image.index, image.listing)]
        ordered = with_directories(members)
        compression = self._module.params["compression"]
        pending.compose(lambda output: write_tar(ordered, output), compression=compression)
        self._place.publish(pending)

    def _member(self, file: ImageFile, existing: ExistingArchive, pending: PendingArchive) -> TarMember:
        descriptor = file.descriptor
        name, size = blob_path(descriptor.digest), descriptor.size
        if file.data is not None:
            return TarMember.of(name, file.data)
        if file.stored:
            return TarMember(name, size, lambda: existing.opened(descriptor.digest, size))
        if self._is_local:
            return TarMember(name, size, lambda: self._source.blob(self._request.repository, descriptor))
        return TarMember(name, size, lambda: pending.opened(descriptor))


def _is_same(entry: IndexEntry, other: IndexEntry) -> bool:
    found, wanted = entry.descriptor, other.descriptor
    same = (found.media_type, found.digest, found.size) == (wanted.media_type, wanted.digest, wanted.size)
    return same and entry.tag == other.tag and wanted.annotations.items() <= found.annotations.items()


__all__ = ("run_archive",)
