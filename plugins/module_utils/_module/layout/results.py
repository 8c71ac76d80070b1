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
from .entries import files_of

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json
    from ..._layout.index_file import IndexFile
    from ..stopwatch import Stopwatch
    from .contents import ImageFile
    from .entries import PlannedImage
    from .pruning import Pruning


@dataclass(frozen=True)
class LayoutOutcome:
    """The outcome of a task, predicted in check mode; publish tells whether index.json must be written.

    is_many tells that tags_from named the images; surplus are tags that are removed because of it. cached are the
    fields of stats about the cache.
    """

    before: IndexFile
    after: IndexFile
    tag: str | None
    pruning: Pruning
    changed: bool
    publish: bool = False
    images: tuple[PlannedImage, ...] = ()
    is_many: bool = False
    surplus: tuple[str, ...] = ()
    downloaded: int = 0
    requests: int = 0
    cached: Json = field(default_factory=dict)
    attestation: Json | None = None
    files: tuple[str, ...] = field(default=("index.json", "oci-layout"))

    @property
    def single(self) -> PlannedImage | None:
        """The image of a task that names one, None otherwise."""
        return self.images[0] if self.images and not self.is_many else None

    @property
    def wanted(self) -> tuple[ImageFile, ...]:
        """The files of all images, each once."""
        return files_of(self.images)

    @property
    def missing(self) -> tuple[ImageFile, ...]:
        """The files that the layout lacks, each once."""
        return tuple(file for file in self.wanted if not file.stored)


def layout_results(module: AnsibleModule, outcome: LayoutOutcome, watch: Stopwatch) -> Json:
    """Return the results of oci_layout except changed, with the diff in diff mode."""
    pruning, single, missing = outcome.pruning, outcome.single, len(outcome.missing)
    results: Json = {
        "dest": path_text(module.params["dest"]),
        "tag": outcome.tag,
        "digest": None if single is None else str(single.plan.entry.digest),
        "image": None if single is None else single.plan.image,
        "tags": _tags(outcome.after),
        "blobs": {
            "present": len(outcome.wanted) - missing,
            "downloaded": missing,
            "left_out": len({part.digest for image in outcome.images for part in image.plan.left_out}),
        },
        "referrers": _referrers(outcome),
        "pruned": {"tags": list(outcome.surplus), "blobs": pruning.removed, "bytes": pruning.bytes},
        "orphans": pruning.orphans,
        "stats": {
            "downloaded_bytes": outcome.downloaded,
            "requests": outcome.requests,
            **outcome.cached,
            "seconds": watch.seconds("resolve", "download", "publish"),
        },
    }
    results.update(_tag_results(outcome), **_signature_results(outcome))
    if outcome.attestation is not None:
        results["ratls"] = outcome.attestation
    if module._diff:
        results["diff"] = _diff(path_text(module.params["dest"]), outcome, referrers=module.params["referrers"])
    return results


def _referrers(outcome: LayoutOutcome) -> list[Json]:
    """Return the return value referrers, each referrer once."""
    described = [item for image in outcome.images for item in image.plan.describe_attached()]
    return list({(item["digest"], item["tag"]): item for item in described}.values())


def _tag_results(outcome: LayoutOutcome) -> Json:
    """Return the return values digests and before, which only a task with tags_from has."""
    if not outcome.is_many:
        return {}
    after = {str(image.request.tag): image.plan.entry.digest for image in outcome.images}
    before = {tag: outcome.before.digest_of(tag) for tag in after}
    return {
        "digests": {tag: str(digest) for tag, digest in after.items()},
        "before": {tag: None if digest is None else str(digest) for tag, digest in before.items()},
    }


def _signature_results(outcome: LayoutOutcome) -> Json:
    """Return the return value signature, for a task with tags_from the return value signatures."""
    if not outcome.is_many:
        return signature_results(None if outcome.single is None else outcome.single.verified)
    signatures = {str(image.request.tag): image.verified for image in outcome.images if image.verified is not None}
    return {"signatures": {tag: found.as_dict() for tag, found in signatures.items()}} if signatures else {}


def _diff(dest: str, outcome: LayoutOutcome, *, referrers: bool) -> Json:
    missing = [str(file.descriptor.digest) for file in outcome.missing]
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
            **_signature_results(outcome),
        },
    }


def _attached(index: IndexFile) -> list[str]:
    return sorted(str(entry.descriptor.digest) for entry in index.entries if entry.is_attached)


def _tags(index: IndexFile) -> dict[str, str]:
    return {tag: str(digest) for tag, digest in sorted(index.tags.items())}


__all__ = ("LayoutOutcome", "layout_results")
