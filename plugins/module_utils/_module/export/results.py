# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The return values and the diff of oci_image_export. Called by run.py."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

from ..._base.text import path_text
from ..registry.attestation import attestation_results
from ..registry.downloads import cache_stats

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json
    from ..._destination.stamp import Stamp
    from ..._unpack.tree.selection import Selection
    from ..image.tree import DesiredTree
    from ..registry.downloads import Downloads
    from ..registry.sources import ImageSource
    from ..stopwatch import Stopwatch


@dataclass(frozen=True)
class ExportOutcome:
    """The outcome of a task, predicted in check mode.

    image is the return value image. before is what the archive said about itself, and compression_before how it was
    compressed, both None if there was none. signature is the return value signature, None without the option.
    """

    image: Json
    changed: bool
    before: Stamp | None
    compression_before: str | None
    entries: int = 0
    bytes: int = 0
    signature: Json | None = None


def export_results(
    module: AnsibleModule, outcome: ExportOutcome, source: ImageSource, downloads: Downloads, watch: Stopwatch
) -> Json:
    """Return the results of oci_image_export except changed and diff."""
    before = outcome.before
    results: Json = {
        "dest": path_text(module.params["dest"]),
        "digest": outcome.image["digest"],
        "before": None if before is None else str(before.digest),
        "image": outcome.image,
        "stats": {
            "entries": outcome.entries,
            "bytes": outcome.bytes,
            "downloaded_bytes": source.downloaded,
            "requests": source.requests,
            **cache_stats(module, downloads),
            "seconds": watch.seconds("resolve", "download", "unpack", "publish"),
        },
        **attestation_results(source),
    }
    if outcome.signature is not None:
        results["signature"] = outcome.signature
    return results


def export_diff(module: AnsibleModule, outcome: ExportOutcome, desired: DesiredTree) -> Json:
    """Return the diff: image and options of the archive before and after the task."""
    dest, options, before = path_text(module.params["dest"]), desired.options, outcome.before
    return {
        "before_header": dest,
        "after_header": dest,
        "before": {}
        if before is None
        else {
            "digest": str(before.digest),
            "config_digest": str(before.config_digest),
            "compression": outcome.compression_before,
            **_options(before.ownership, before.xattrs, before.devices, before.selection),
        },
        "after": {
            "digest": outcome.image["digest"],
            "config_digest": outcome.image["config_digest"],
            "compression": module.params["compression"],
            **_options(options.ownership, options.xattrs, options.devices, desired.selection),
            **({} if outcome.signature is None else {"signature": outcome.signature}),
        },
    }


def _options(ownership: bool, xattrs: str, devices: str, selection: Selection) -> Json:
    chosen = {name: value for name, value in asdict(selection).items() if value}
    return {"ownership": ownership, "xattrs": xattrs, "devices": devices, **chosen}


__all__ = ("ExportOutcome", "export_diff", "export_results")
