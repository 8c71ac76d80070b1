# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The order of steps of oci_layout: plan without a lock, then lock, plan again, download, publish, prune."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import replace

from ..._base.lock_file import LockFileRefused
from ..._base.parents import ParentRefused, Parents, risk_warning
from ..._base.text import ignore, visible
from ..._layout.errors import LayoutError, write_errors
from ..._layout.store import opened_store
from ..._layout.view import LayoutView
from ..._oci.annotations import REF_NAME
from ..._oci.errors import ReferenceInvalid
from ..._oci.names import check_tag
from ..._oci.reference import Selector
from ..options.image_options import host_platform, platform_or_all
from ..options.ranges import check_downloads, check_seconds
from ..progress import ProgressFile
from ..registry.downloads import cache_stats, check_cache_option, opened_downloads
from ..registry.image_source import opened_image
from ..registry.signature_option import signature_check
from ..stopwatch import Stopwatch
from .attributes import FileAttributes
from .fill import fill
from .plan import LayoutPlan, LayoutRequest, make_plan
from .pruning import plan_pruning
from .results import LayoutOutcome, layout_results

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json
    from ..._layout.index_file import IndexFile
    from ..._layout.store import LayoutStore
    from ..._oci.descriptor import Descriptor
    from ..._oci.digest import Digest
    from ..._trust.policy import Verified
    from ..registry.signatures import SignatureCheck
    from ..registry.sources import ImageSource


def run_layout(module: AnsibleModule) -> Json:
    """Bring the layout to the requested state and return the results of oci_layout."""
    dest = _check_dest(module)
    attributes = FileAttributes(module)
    watch = Stopwatch(ProgressFile.from_environment())
    run = _ensure_present if module.params["state"] == "present" else _ensure_absent
    outcome = run(module, dest, attributes, watch)
    changed = _set_attributes(dest, attributes, outcome) or outcome.changed

    return {"changed": changed, **layout_results(module, outcome, watch)}


def _check_dest(module: AnsibleModule) -> str:
    """Return dest with symbolic links resolved, and warn if another user can replace it.

    Raises ParentRefused for a symbolic link of another user on the path, and for missing directories that must not be
    created; WriteFailed.
    """
    check_seconds(module.params, "lock_timeout", allow_zero=True)
    check_downloads(module.params)
    dest: str = module.params["dest"]
    with write_errors("Opening the layout", dest), Parents(dest) as parents:
        if module.params["state"] == "present":
            parents.check()
        # not the owner of the layout itself, who may replace its files: the task sets the owner
        warning = risk_warning(f"the layout {visible(dest)}", parents.risk_above)
        if warning is not None:
            module.warn(warning)
        return parents.path


def _set_attributes(dest: str, attributes: FileAttributes, outcome: LayoutOutcome) -> bool:
    with write_errors("Setting the attributes of the layout", dest), Parents(dest, follow=False) as parents:
        return not parents.missing and attributes.update(parents.fd, outcome.files)


def _ensure_present(module: AnsibleModule, dest: str, attributes: FileAttributes, watch: Stopwatch) -> LayoutOutcome:
    check_cache_option(module)
    check = signature_check(module)
    with contextlib.ExitStack() as stack:
        source, selector = stack.enter_context(opened_image(module))
        downloads = stack.enter_context(opened_downloads(module, source, watch))
        request = replace(_make_request(module, selector), signed=check is not None)
        with LayoutView(dest) as view:
            with watch.stage("resolve"):
                outcome = _plan_present(module, source, view, request)
                plan = t.cast("LayoutPlan", outcome.plan)
                # the plan under the lock is for the same digests
                verified = None if check is None else _verify(check, plan, source, view, request)
            is_unfinished = view.is_unfinished
        if outcome.changed and not module.check_mode:
            with _open_store(module, dest, attributes) as store:
                with watch.stage("resolve"):
                    outcome = _plan_present(module, source, store.view, request, earlier=outcome.plan)
                missing = t.cast("LayoutPlan", outcome.plan).missing
                with watch.stage("download"):
                    fill(store, downloads, missing, parallel=_parallel(module))
                with watch.stage("publish"):
                    _carry_out(store, outcome)
        elif is_unfinished and not module.check_mode:
            _remove_left_over(dest)
        return replace(
            outcome,
            downloaded=source.downloaded,
            requests=source.requests,
            cached=cache_stats(module, downloads),
            attestation=source.attestation,
            verified=verified,
        )


def _verify(
    check: SignatureCheck, plan: LayoutPlan, source: ImageSource, view: LayoutView, request: LayoutRequest
) -> Verified:
    from .signed import verify_plan

    return verify_plan(check, plan, source, view, request)


def _parallel(module: AnsibleModule) -> int:
    """Return the number of downloads at once; files are read one after the other."""
    return module.params["parallel"] if module.params["layout"] is None else 1


def _plan_present(
    module: AnsibleModule,
    source: ImageSource,
    view: LayoutView,
    request: LayoutRequest,
    *,
    earlier: LayoutPlan | None = None,
) -> LayoutOutcome:
    """Find out what has to change. earlier is the plan from before the lock, which saves its requests."""
    warn = module.warn if earlier is None else ignore
    plan = make_plan(source, view, request, warn=warn, earlier=earlier)
    after = _with_entries(view, plan, request)
    pruning = plan_pruning(
        view,
        after,
        document=plan.documents.get,
        wanted=[file.descriptor.digest for file in plan.missing],
        prune=module.params["prune"],
    )
    publish = after is not view.index or not view.is_complete
    return LayoutOutcome(
        before=view.index,
        after=after,
        tag=request.tag,
        pruning=pruning,
        changed=publish or bool(plan.missing or pruning.removed),
        publish=publish,
        plan=plan,
        files=("index.json", "oci-layout", *(_blob_path(file.descriptor.digest) for file in plan.files)),
    )


def _ensure_absent(module: AnsibleModule, dest: str, attributes: FileAttributes, watch: Stopwatch) -> LayoutOutcome:
    with LayoutView(dest) as view:
        outcome = _plan_absent(module, view)
        is_unfinished = view.is_unfinished
    if outcome.changed and not module.check_mode:
        with _open_store(module, dest, attributes) as store:
            outcome = _plan_absent(module, store.view)
            with watch.stage("publish"):
                _carry_out(store, outcome)
    elif is_unfinished and not module.check_mode:
        _remove_left_over(dest)
    return outcome


def _plan_absent(module: AnsibleModule, view: LayoutView) -> LayoutOutcome:
    selector, tag = _parse_names(module)
    if tag is not None:
        gone = view.index.digest_of(tag)
        after = view.index.without_tag(tag, digest=None if selector is None else selector.digest)
    else:
        gone = t.cast(Selector, selector).digest
        after = view.index.without_untagged(t.cast("Digest", gone))
    copied = module.params["referrers"] or module.params["cosign_tags"]
    if copied and gone is not None and after is not view.index:
        from .referrers import without_attached

        after = without_attached(after, gone, document=view.document)
    pruning = plan_pruning(view, after, document=lambda dummy: None, wanted=(), prune=module.params["prune"])
    publish = after is not view.index
    return LayoutOutcome(view.index, after, tag, pruning, changed=publish or bool(pruning.removed), publish=publish)


def _carry_out(store: LayoutStore, outcome: LayoutOutcome) -> None:
    if outcome.publish:
        store.publish(outcome.after)
    outcome.pruning.carry_out(store)


def _open_store(module: AnsibleModule, dest: str, attributes: FileAttributes) -> t.ContextManager[LayoutStore]:
    return opened_store(dest, timeout=module.params["lock_timeout"], prepare=attributes.prepare)


def _remove_left_over(dest: str) -> None:
    """Remove unneeded files of ended runs, unless another run is active or this user lacks permission."""
    with contextlib.suppress(LayoutError, LockFileRefused, ParentRefused), opened_store(dest, timeout=0):
        pass


def _with_entries(view: LayoutView, plan: LayoutPlan, request: LayoutRequest) -> IndexFile:
    """Return index.json with the image and what is attached to it, and without what was attached to the one before."""
    if request.tag is None:
        gone, index = None, view.index.with_untagged(plan.entry)
    else:
        gone, index = view.index.digest_of(request.tag), view.index.with_tag(request.tag, plan.entry)
    for attached in plan.attached:
        index = _with_attached(index, attached)
    if not (request.referrers or request.cosign_tags) or gone is None or gone == plan.entry.digest:
        return index
    from .referrers import without_attached

    known = plan.documents
    return without_attached(index, gone, document=lambda digest: known.get(digest) or view.document(digest))


def _with_attached(index: IndexFile, descriptor: Descriptor) -> IndexFile:
    tag = descriptor.annotations.get(REF_NAME)
    return index.with_untagged(descriptor) if tag is None else index.with_tag(tag, descriptor)


def _parse_names(module: AnsibleModule) -> tuple[Selector | None, str | None]:
    """Return the reference and the tag in the layout, either of which may be None. Raises ReferenceInvalid."""
    reference, tag = module.params["reference"], module.params["dest_tag"]
    selector = None if reference is None else Selector.parse(reference)
    if tag is not None:
        # without the digest of the reference, which need not be that of the tag in the layout
        return None, check_tag(tag)
    if selector is None:
        raise ReferenceInvalid("Removing a tag needs its name: give reference or dest_tag.")
    return selector, selector.tag


def _make_request(module: AnsibleModule, selector: Selector) -> LayoutRequest:
    params = module.params
    host = host_platform()
    return LayoutRequest(
        repository=params["repository"] or "",
        selector=selector,
        platform=platform_or_all(params["platform"], host),
        tag=selector.tag if params["dest_tag"] is None else check_tag(params["dest_tag"]),
        host=host,
        foreign=params["foreign_layers"],
        rehash=params["validate"],
        missing_only=params["pull"] == "missing",
        referrers=params["referrers"],
        cosign_tags=params["cosign_tags"],
    )


def _blob_path(digest: t.Any) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"


__all__ = ("run_layout",)
