# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The order of steps of oci_image_copy: compare digests, then for each image that differs copy blobs, manifests, tags.

A tag is written last, after all that it leads to, so that an interrupted run leaves each tag as it was or complete.
"""

from __future__ import annotations

import contextlib
import re
import typing as t
from collections import Counter
from dataclasses import replace
from functools import partial as bound

from ..._registry.errors import NotFound
from ..options.ranges import check_downloads, check_minimum
from ..options.tags_from import TagSelection
from ..progress import ProgressFile
from ..registry.attestation import attestation_results
from ..registry.connection import opened_target
from ..registry.downloads import cache_stats, check_cache_option, opened_downloads
from ..registry.image_source import opened_image
from ..registry.signature_option import signature_check, signature_results
from ..stopwatch import Stopwatch
from .image import ImageReader
from .request import settle_target, single_request, tag_requests, wanted_platforms
from .results import CopyOutcome, CopyPlan, copy_diff, copy_results
from .target import Target

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json
    from ..._oci.digest import Digest
    from ..._oci.reference import Selector
    from ..._trust.policy import SignedManifest, Verified
    from ..layout.referrers import ReferrerLister
    from ..registry.downloads import Downloads
    from ..registry.signatures import SignatureCheck
    from ..registry.sources import ImageSource, RegistrySource
    from .documents import CopiedImage
    from .request import CopyRequest

# distribution-spec, "Referrers Tag Schema"
_REFERRERS_TAG: t.Final = re.compile(r"sha(?:256|512)-[0-9a-f]{64}")


def run_copy(module: AnsibleModule) -> Json:
    """Bring the tags at the target to the images of the source and return the results of oci_image_copy.

    Raises CollectionError.
    """
    check_downloads(module.params)
    check_minimum(module.params, 1, "chunk_size")
    check_cache_option(module)
    settle_target(module.params)
    check = signature_check(module)
    watch = Stopwatch(ProgressFile.from_environment())
    with contextlib.ExitStack() as stack:
        source, selector = stack.enter_context(opened_image(module))
        target = stack.enter_context(_opened_target(module, source))
        downloads = stack.enter_context(opened_downloads(module, source, watch))
        task = _Task(module, source, target, downloads, check)
        outcome = task.run(selector)
        results = copy_results(outcome, target, watch)
        results["stats"].update(
            downloaded_bytes=source.downloaded,
            requests=source.requests + target.registry.requests,
            **cache_stats(module, downloads),
        )
    is_single = module.params["tags_from"] is None
    results.update(signature_results(task.verified if is_single else None))
    diff = {"diff": copy_diff(outcome, target)} if module._diff else {}
    return {"changed": outcome.changed, **results, **attestation_results(source), **diff}


@contextlib.contextmanager
def _opened_target(module: AnsibleModule, source: ImageSource) -> t.Iterator[Target]:
    params = module.params
    repository = params["target"]["repository"]
    with opened_target(module) as registry:
        mount_from = params["mount_from"]
        if mount_from is None and params["layout"] is None and registry.name == source.name:
            mount_from = [params["repository"]]
        others = [name for name in mount_from or () if registry.repository(name) != registry.repository(repository)]
        with Target(registry, repository, mount_from=others, chunk_size=params["chunk_size"]) as target:
            yield target


class _Task:
    """One task: copies images of source to target. verified is set once signatures are verified."""

    def __init__(
        self,
        module: AnsibleModule,
        source: ImageSource,
        target: Target,
        downloads: Downloads,
        check: SignatureCheck | None,
    ) -> None:
        self._module, self._source, self._target, self._downloads = module, source, target, downloads
        self._check = check
        self._repository: str = module.params["repository"] or ""
        self._lister = self._make_lister() if module.params["referrers"] else None
        self._copies_tags: bool = module.params["cosign_tags"]
        reader = bound(ImageReader, source, self._repository, foreign=module.params["foreign_layers"], warn=module.warn)
        self._reader = reader(platforms=wanted_platforms(module.params), lister=self._lister)
        self._attached_reader = reader()
        self._sent: set[Digest] = set()
        self._left_out: set[Digest] = set()
        self.verified: Verified | None = None

    def run(self, selector: Selector) -> CopyOutcome:
        """Return the outcome, predicted in check mode."""
        selection = None if self._module.params["tags_from"] is None else TagSelection(self._module)
        with self._downloads.watch.stage("resolve"):
            requests = self._requests(selection, selector)
            self._verify(requests)
            plans = [plan for request in requests for plan in self._plans(request)]
            surplus = self._find_surplus(selection, plans) if selection is not None and selection.prunes else {}
        for plan in plans:
            if plan.is_changed:
                self._copy(plan)
        if surplus and not self._module.check_mode:
            from .prune import remove_tags

            remove_tags(self._target, surplus)
        return CopyOutcome(tuple(plans), surplus, Counter(self._target.fates.values()), len(self._left_out))

    def _make_lister(self) -> ReferrerLister:
        from .collect import make_lister

        return make_lister(self._source, self._repository, warn=self._module.warn)

    def _requests(self, selection: TagSelection | None, selector: Selector) -> list[CopyRequest]:
        if selection is None:
            return [single_request(self._module.params, selector)]
        present = t.cast("RegistrySource", self._source).tags(self._repository).names
        return tag_requests(selection.select(present, self._repository))

    def _verify(self, requests: t.Sequence[CopyRequest]) -> None:
        """Verify the signatures of all images before anything is written. Raises SignatureInvalid."""
        for request in requests if self._check is not None else ():
            digest = self._reader.source_digest(request.selector)
            check = t.cast("SignatureCheck", self._check)
            manifests: list[SignedManifest] = []
            if check.policy.format == "islet":
                from .collect import manifests_with_configs

                image = self._reader.read(request.selector, digest=self._reader.digest_of(request.selector))
                manifests = list(manifests_with_configs(self._source, self._repository, image))
            self.verified = check.verify(
                self._source, self._repository, request.selector, digests=[digest], manifests=manifests
            )

    def _plans(self, request: CopyRequest) -> t.Iterator[CopyPlan]:
        """Yield the plan of an image, then those of what has the tags of cosign for it."""
        yield self._plan(request)
        if self._copies_tags:
            from .referrers import cosign_requests

            digest = self._reader.source_digest(request.selector)
            for attached in cosign_requests(self._source, self._repository, digest, warn=self._module.warn):
                yield self._plan(attached)

    def _plan(self, request: CopyRequest) -> CopyPlan:
        reader = self._reader_of(request.is_attached)
        digest = reader.digest_of(request.selector)
        references = request.tags or (str(digest),)
        before = {reference: self._target.digest_of(reference) for reference in references}
        plan = CopyPlan(request.selector, digest, before, is_attached=request.is_attached)
        return plan if self._lister is None or request.is_attached else self._with_referrers(plan, self._lister)

    def _reader_of(self, is_attached: bool) -> ImageReader:
        return self._attached_reader if is_attached else self._reader

    def _with_referrers(self, plan: CopyPlan, lister: ReferrerLister) -> CopyPlan:
        """Add the referrers of the image that the target does not list.

        If it lists all that refer to the image itself, those of its parts and of other referrers are not compared.
        """
        from .referrers import TargetReferrers

        present = TargetReferrers(self._target).digests(plan.digest)
        if not plan.stale and {descriptor.digest for descriptor in lister.list(plan.digest)} <= present:
            return plan
        image = self._reader.read(plan.selector, digest=plan.digest)
        # a referrer that is listed but not there is left out
        lacking = [item.entry.digest for item in image.referrers if item.entry.digest not in present]
        return replace(plan, lacking=tuple(lacking))

    def _find_surplus(self, selection: TagSelection, plans: t.Sequence[CopyPlan]) -> dict[str, Digest | None]:
        """Return the tags to remove at the target, with their digests."""
        try:
            present = self._target.registry.tags(self._target.repository).names
        except NotFound:
            return {}
        copied = [tag for plan in plans for tag in plan.before]
        # indexes of referrers, which belong to images, see TargetReferrers
        present = tuple(tag for tag in present if _REFERRERS_TAG.fullmatch(tag) is None)
        return {tag: self._target.digest_of(tag) for tag in selection.surplus(present, copied)}

    def _copy(self, plan: CopyPlan) -> None:
        """Copy an image that some of its tags do not lead to. In check mode, look for its blobs only."""
        watch, parallel = self._downloads.watch, self._module.params["parallel"]
        with watch.stage("resolve"):
            image = self._reader_of(plan.is_attached).read(plan.selector, digest=plan.digest)
            self._left_out.update(layer.digest for layer in image.left_out)
            missing = self._target.look_for(image.blobs, parallel=parallel)
        if self._module.check_mode:
            return
        with watch.stage("upload"):
            self._target.send(missing, self._downloads, parallel=parallel)
        with watch.stage("publish"):
            self._publish(plan, image)

    def _publish(self, plan: CopyPlan, image: CopiedImage) -> None:
        """Write the manifests and indexes of an image whose blobs are there, and its tags last."""
        referrers = {item.entry.digest: item for item in image.referrers}
        for document in image.documents[:-1]:
            if document.digest in self._sent:
                continue
            subject = self._target.send_document(document, document.digest)
            self._sent.add(document.digest)
            referrer = referrers.get(document.digest)
            if referrer is not None and subject != referrer.subject:
                from .referrers import TargetReferrers

                TargetReferrers(self._target).record(referrer)
        for reference in plan.stale:
            is_tag = reference != str(plan.digest)
            self._target.send_document(image.documents[-1], reference if is_tag else plan.digest)


__all__ = ("run_copy",)
