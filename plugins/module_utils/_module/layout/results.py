# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The return values and the diff of oci_layout. Called by run.py."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..._base.text import path_text
from ..registry.signature_option import signature_results

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json
    from ..._layout.index_file import IndexFile
    from ..._trust.policy import Verified
    from ..stopwatch import Stopwatch
    from .plan import LayoutPlan
    from .pruning import Pruning


@dataclass(frozen=True)
class LayoutOutcome:
    """The outcome of a task, predicted in check mode; publish tells whether index.json must be written.

    cached are the fields of stats about the cache; verified is what was verified of the signatures, if demanded.
    """

    before: IndexFile
    after: IndexFile
    tag: str | None
    pruning: Pruning
    changed: bool
    publish: bool = False
    plan: LayoutPlan | None = None
    downloaded: int = 0
    requests: int = 0
    cached: Json = field(default_factory=dict)
    attestation: Json | None = None
    verified: Verified | None = None
    files: tuple[str, ...] = field(default=("index.json", "oci-layout"))


def layout_results(module: AnsibleModule, outcome: LayoutOutcome, watch: Stopwatch) -> Json:
    """Return the results of oci_layout except changed, with the diff in diff mode."""
    plan, pruning = outcome.plan, outcome.pruning
    missing = len(plan.missing) if plan is not None else 0
    results: Json = {
        "dest": path_text(module.params["dest"]),
        "tag": outcome.tag,
        "digest": None if plan is None else str(plan.entry.digest),
        "image": None if plan is None else plan.image,
        "tags": _tags(outcome.after),
        "blobs": {
            "present": 0 if plan is None else len(plan.files) - missing,
            "downloaded": missing,
            "left_out": 0 if plan is None else len(plan.left_out),
        },
        "referrers": [] if plan is None else plan.describe_attached(),
        "pruned": {"blobs": pruning.removed, "bytes": pruning.bytes},
        "orphans": pruning.orphans,
        "stats": {
            "downloaded_bytes": outcome.downloaded,
            "requests": outcome.requests,
            **outcome.cached,
            "seconds": watch.seconds("resolve", "download", "publish"),
        },
    }
    results.update(signature_results(outcome.verified))
    if outcome.attestation is not None:
        results["ratls"] = outcome.attestation
    if module._diff:
        results["diff"] = _diff(path_text(module.params["dest"]), outcome, referrers=module.params["referrers"])
    return results


def _diff(dest: str, outcome: LayoutOutcome, *, referrers: bool) -> Json:
    missing = [] if outcome.plan is None else [str(file.descriptor.digest) for file in outcome.plan.missing]
    return {
        "before_header": dest,
        "after_header": dest,
        "before": {
            "tags": _tags(outcome.before),
            "missing": missing,
            "orphans": outcome.pruning.removed,
            **({"referrers": _attached(outcome.before)} if referrers else {}),
        },
        "after": {
            "tags": _tags(outcome.after),
            "missing": [],
            "orphans": [],
            **({"referrers": _attached(outcome.after)} if referrers else {}),
            **signature_results(outcome.verified),
        },
    }


def _attached(index: IndexFile) -> list[str]:
    return sorted(str(entry.descriptor.digest) for entry in index.entries if entry.is_attached)


def _tags(index: IndexFile) -> dict[str, str]:
    return {tag: str(digest) for tag, digest in sorted(index.tags.items())}


__all__ = ("LayoutOutcome", "layout_results")
