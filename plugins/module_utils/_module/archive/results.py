# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The return values and the diff of oci_archive. Called by run.py."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..._base.text import path_text
from ..registry.signature_option import signature_results

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._archive.existing import ArchiveSummary
    from ..._base.strict_json import Json
    from ..._trust.policy import Verified
    from ..layout.plan import LayoutPlan
    from ..stopwatch import Stopwatch
    from .image import ArchiveImage, ImageNames


@dataclass(frozen=True)
class ArchiveOutcome:
    """The outcome of a task, predicted in check mode; before is the archive that was there.

    cached are the fields of stats about the cache; verified is what was verified of the signatures, if demanded.
    """

    image: ArchiveImage
    names: ImageNames
    plan: LayoutPlan
    before: ArchiveSummary
    changed: bool
    downloaded: int = 0
    requests: int = 0
    cached: Json = field(default_factory=dict)
    attestation: Json | None = None
    verified: Verified | None = None


def archive_results(module: AnsibleModule, outcome: ArchiveOutcome, watch: Stopwatch) -> Json:
    """Return the results of oci_archive except changed and diff."""
    plan = outcome.plan
    missing = len(plan.missing)
    results: Json = {
        "dest": path_text(module.params["dest"]),
        "tag": outcome.names.tag,
        "full_name": outcome.names.full,
        "digest": str(plan.entry.digest),
        "before": outcome.before.digest,
        "image": plan.image,
        "blobs": {
            "present": len(plan.files) - missing,
            "downloaded": missing,
            "left_out": len(plan.left_out),
        },
        "referrers": plan.describe_attached(),
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
    return results


def archive_diff(module: AnsibleModule, outcome: ArchiveOutcome) -> Json:
    """Return the diff: digest, names, format and compression of the archive before and after the task."""
    dest = path_text(module.params["dest"])
    before = outcome.before
    names = {name for name in (outcome.names.tag, outcome.names.full) if name is not None}
    referrers = sorted({str(item.digest) for item in outcome.plan.attached})
    is_shown = module.params["referrers"] or module.params["cosign_tags"] or before.attached
    return {
        "before_header": dest,
        "after_header": dest,
        "before": {
            "digest": before.digest,
            "names": before.names,
            "format": before.form,
            "compression": before.compression,
            **({"referrers": list(before.attached)} if is_shown else {}),
        },
        "after": {
            "digest": str(outcome.plan.entry.digest),
            "names": sorted(names),
            "format": module.params["format"],
            "compression": module.params["compression"],
            **({"referrers": referrers} if is_shown else {}),
            **signature_results(outcome.verified),
        },
    }


__all__ = ("ArchiveOutcome", "archive_diff", "archive_results")
