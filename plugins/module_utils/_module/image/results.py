# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The return values of oci_image_unpack. Called by unpack.py."""

from __future__ import annotations

import typing as t

from ..._base.text import path_text
from ..registry.attestation import attestation_results
from ..registry.downloads import cache_stats
from .diff import image_diff

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json
    from ..registry.downloads import Downloads
    from ..registry.sources import ImageSource
    from ..stopwatch import Stopwatch
    from .tree import Report


def image_results(
    module: AnsibleModule,
    report: Report,
    *,
    source: ImageSource | None,
    watch: Stopwatch,
    downloads: Downloads | None = None,
) -> dict[str, t.Any]:
    """Return the results of oci_image_unpack, with the diff in diff mode.

    source and downloads are None if no request was sent.
    """
    dest = path_text(module.params["dest"])
    drift = report.drift
    results: dict[str, t.Any] = {
        "changed": report.changed,
        "dest": dest,
        "image": report.image,
        "generation": report.generation,
        "previous_digest": report.previous_digest,
        "drift": [{"path": change.path, "change": change.what} for change in (drift.changes if drift else ())],
        "drift_total": drift.total if drift else 0,
        "stats": {
            "entries": report.entries,
            "bytes": report.bytes,
            "downloaded_bytes": report.downloaded,
            "requests": 0 if source is None else source.requests,
            "seconds": watch.seconds("resolve", "download", "unpack", "publish"),
            **({} if downloads is None else cache_stats(module, downloads)),
        },
    }
    if report.signature is not None:
        results["signature"] = report.signature
    if source is not None:
        results.update(attestation_results(source))
    if module._diff:
        results["diff"] = report_diff(module, report)
    return results


def report_diff(module: AnsibleModule, report: Report) -> Json:
    """Return the diff of oci_image_unpack."""
    dest = path_text(module.params["dest"])
    return image_diff(dest, before=report.before, after=report.after, drift=report.drift)


__all__ = ("image_results", "report_diff")
