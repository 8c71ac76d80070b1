# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass, field, replace

from .._layout.store import opened_store
from .._layout.view import LayoutView
from .._oci.errors import ReferenceInvalid
from .._oci.names import check_tag
from .._oci.platform import Platform
from .._oci.reference import DEFAULT_TAG, Selector
from .connection import opened_source
from .host import host_platform
from .layout_attributes import FileAttributes
from .layout_fill import fill
from .layout_plan import Plan, Wanted, make_plan
from .layout_pruning import Pruning, plan_pruning

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from .._layout.index_file import IndexFile
    from .._layout.store import LayoutStore

Json = dict[str, t.Any]


@dataclass(frozen=True)
class Outcome:
    """What was, or in check mode would be, done to a layout."""

    before: IndexFile
    after: IndexFile
    tag: t.Optional[str]
    pruning: Pruning
    changed: bool
    plan: t.Optional[Plan] = None
    downloaded: int = 0
    requests: int = 0
    attestation: t.Optional[Json] = None
    files: tuple[str, ...] = field(default=("index.json", "oci-layout"))


def run_layout(module: AnsibleModule) -> Json:
    """Brings a layout to the state that the options want, and returns what oci_layout returns."""
    dest = os.path.realpath(module.params["dest"])
    attributes = FileAttributes(module)
    run = _ensure_present if module.params["state"] == "present" else _ensure_absent
    outcome = run(module, dest, attributes)
    changed = outcome.changed
    if os.path.isdir(dest):
        changed = attributes.bring_in_line(dest, outcome.files) or changed
    from .layout_results import layout_results

    return {"changed": changed, **layout_results(module, outcome)}


def _ensure_present(module: AnsibleModule, dest: str, attributes: FileAttributes) -> Outcome:
    wanted = _wanted(module)
    with opened_source(module) as source, _opened(module, dest, attributes) as (view, store):
        plan = make_plan(source, view, wanted, warn=module.warn)
        after = _with_entry(view.index, plan, wanted)
        pruning = plan_pruning(
            view,
            after,
            document=plan.documents.get,
            wanted=[file.descriptor.digest for file in plan.missing],
            prune=module.params["prune"],
        )
        is_new = after is not view.index or not view.is_complete
        if store is not None:
            fill(store, source, wanted.repository, plan.missing)
            if is_new:
                store.publish(after)
            pruning.carry_out(store)
        return Outcome(
            before=view.index,
            after=after,
            tag=wanted.tag,
            pruning=pruning,
            changed=is_new or bool(plan.missing or pruning.removed),
            plan=plan,
            downloaded=source.downloaded,
            requests=source.requests,
            attestation=source.attestation,
            files=("index.json", "oci-layout", *(_path(file.descriptor.digest) for file in plan.files)),
        )


def _ensure_absent(module: AnsibleModule, dest: str, attributes: FileAttributes) -> Outcome:
    selector, tag = _named(module)
    if not os.path.lexists(dest):
        with LayoutView(dest) as nothing:
            return Outcome(nothing.index, nothing.index, tag, Pruning(), changed=False)
    with LayoutView(dest):
        pass  # what is no layout is not opened for writing, which would leave a directory in it
    with _opened(module, dest, attributes) as (view, store):
        if tag is not None:
            after = view.index.without_tag(tag, digest=None if selector is None else selector.digest)
        else:
            after = view.index.without_untagged(t.cast("t.Any", selector).digest)
        pruning = plan_pruning(view, after, document=lambda dummy: None, wanted=(), prune=module.params["prune"])
        if store is not None:
            if after is not view.index:
                store.publish(after)
            pruning.carry_out(store)
        changed = after is not view.index or bool(pruning.removed)
        return Outcome(view.index, after, tag, pruning, changed=changed)


@contextlib.contextmanager
def _opened(
    module: AnsibleModule, dest: str, attributes: FileAttributes
) -> t.Iterator[tuple[LayoutView, t.Optional[LayoutStore]]]:
    """Yields what the layout holds, and, outside of check mode, the layout itself, locked."""
    if module.check_mode:
        with LayoutView(dest) as view:
            yield view, None
        return
    with LayoutView(dest):
        pass  # refused before anything is made
    with opened_store(dest, timeout=module.params["lock_timeout"], prepare=attributes.prepare) as store:
        yield store.view, store


def _with_entry(index: IndexFile, plan: Plan, wanted: Wanted) -> IndexFile:
    if wanted.tag is None:
        return index.with_untagged(plan.entry)
    return index.with_tag(wanted.tag, plan.entry)


def _named(module: AnsibleModule) -> tuple[t.Optional[Selector], t.Optional[str]]:
    """The reference, and the tag in the layout. Raises ReferenceInvalid."""
    reference, tag = module.params["reference"], module.params["dest_tag"]
    selector = None if reference is None else Selector.parse(reference)
    if tag is not None:
        # the digest of a reference says what to bring, and need not be what the tag of the layout leads to
        return None, check_tag(tag)
    if selector is None:
        raise ReferenceInvalid("Removing a tag needs its name: give reference or dest_tag.")
    return selector, selector.tag


def _wanted(module: AnsibleModule) -> Wanted:
    params = module.params
    selector = Selector.parse(params["reference"] if params["reference"] is not None else DEFAULT_TAG)
    host = host_platform()
    return Wanted(
        repository=params["repository"],
        selector=selector,
        platform=_platform(params["platform"], host),
        tag=selector.tag if params["dest_tag"] is None else check_tag(params["dest_tag"]),
        host=host,
        foreign=params["foreign_layers"],
        rehash=params["validate"],
    )


def _platform(text: str, host: Platform) -> t.Optional[Platform]:
    if text == "all":
        return None
    return replace(host, is_default=False) if text == "host" else Platform.parse(text)


def _path(digest: t.Any) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"


__all__ = ("Outcome", "run_layout")
