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
from ..._layout.tags import is_attached_tag
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
from .entries import documents_of, files_of, plan_again, plan_images, with_images
from .fill import fill
from .plan import LayoutRequest
from .pruning import plan_pruning
from .results import LayoutOutcome, layout_results

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json
    from ..._layout.store import LayoutStore
    from ..._oci.digest import Digest
    from ..options.tags_from import TagSelection
    from ..registry.signatures import SignatureCheck
    from ..registry.sources import ImageSource, RegistrySource
    from .entries import PlannedImage


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
    selection = _tag_selection(module)
    with contextlib.ExitStack() as stack:
        source, selector = stack.enter_context(opened_image(module))
        downloads = stack.enter_context(opened_downloads(module, source, watch))
        with LayoutView(dest) as view:
            with watch.stage("resolve"):
                requests = _requests(module, source, selector, selection)
                images = plan_images(source, view, requests, warn=module.warn)
                # the plans under the lock are for the same digests
                images = images if check is None else _verify(check, images, source, view)
                outcome = _outcome(module, view, images, selection)
            is_unfinished = view.is_unfinished
        if outcome.changed and not module.check_mode:
            with _open_store(module, dest, attributes) as store:
                with watch.stage("resolve"):
                    images = plan_again(source, store.view, images, warn=ignore)
                    outcome = _outcome(module, store.view, images, selection)
                with watch.stage("download"):
                    fill(store, downloads, outcome.missing, parallel=_parallel(module))
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
        )


def _parallel(module: AnsibleModule) -> int:
    """Return the number of downloads at once; files are read one after the other."""
    return module.params["parallel"] if module.params["layout"] is None else 1


def _tag_selection(module: AnsibleModule) -> TagSelection | None:
    """Return the option tags_from, None without it. Raises OptionInvalid, PatternInvalid."""
    if module.params["tags_from"] is None:
        return None
    from ..options.tags_from import TagSelection

    return TagSelection(module)


def _requests(
    module: AnsibleModule, source: ImageSource, selector: Selector, selection: TagSelection | None
) -> list[LayoutRequest]:
    """Return the requests of a task, one for each image. Raises RegistryError, TooManyTags, ReferenceInvalid."""
    if selection is None:
        return [_make_request(module, selector)]
    repository = module.params["repository"]
    present = t.cast("RegistrySource", source).tags(repository).names
    first = _make_request(module, selector)
    return [_request_of(tag, first) for tag in selection.select(present, repository)]


def _request_of(tag: str, first: LayoutRequest) -> LayoutRequest:
    request = replace(first, selector=Selector(tag, None), tag=tag)
    return replace(request, is_attached=True, cosign_tags=False) if is_attached_tag(tag) else request


def _verify(
    check: SignatureCheck, images: t.Sequence[PlannedImage], source: ImageSource, view: LayoutView
) -> tuple[PlannedImage, ...]:
    """Verify the signatures of all images. Raises SignatureInvalid."""
    from .signed import verify_plan

    return tuple(
        replace(image, verified=verify_plan(check, image.plan, source, view, image.request)) for image in images
    )


def _outcome(
    module: AnsibleModule, view: LayoutView, images: tuple[PlannedImage, ...], selection: TagSelection | None
) -> LayoutOutcome:
    """Find out what has to change for planned images."""
    surplus: tuple[str, ...] = ()
    if selection is not None and selection.prunes:
        surplus = tuple(sorted(selection.surplus(tuple(view.index.tags), _wanted_tags(images))))
    after = with_images(
        view,
        images,
        surplus=surplus,
        prune_attached=module.params["referrers"] or module.params["cosign_tags"],
    )
    files = files_of(images)
    missing = [file.descriptor.digest for file in files if not file.stored]
    pruning = plan_pruning(view, after, document=documents_of(images).get, wanted=missing, prune=module.params["prune"])
    # without an image, no layout is made
    publish = after is not view.index or (bool(images) and not view.is_complete)
    return LayoutOutcome(
        before=view.index,
        after=after,
        tag=images[0].request.tag if selection is None else None,
        pruning=pruning,
        changed=publish or bool(missing or pruning.removed),
        publish=publish,
        images=images,
        is_many=selection is not None,
        surplus=surplus,
        files=("index.json", "oci-layout", *(_blob_path(file.descriptor.digest) for file in files)),
    )


def _wanted_tags(images: t.Sequence[PlannedImage]) -> set[str]:
    """Return the tags of the images, and those of what is attached to them."""
    attached = {item.annotations.get(REF_NAME) for image in images for item in image.plan.attached}
    return {tag for tag in (*attached, *(image.request.tag for image in images)) if tag is not None}


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
        signed=params["signature"] is not None,
    )


def _blob_path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"


__all__ = ("run_layout",)
