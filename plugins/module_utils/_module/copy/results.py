# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The return values and the diff of oci_image_copy. Called by run.py."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._oci.digest import Digest
    from ..._oci.reference import Selector
    from ..stopwatch import Stopwatch
    from .target import Fate, Target


@dataclass(frozen=True)
class CopyPlan:
    """An image and what the target has in its place: by tag, or by the digest itself, the digest that is there.

    lacking are referrers of the image that the target does not list. is_attached is that of CopyRequest.
    """

    selector: Selector
    digest: Digest
    before: t.Mapping[str, Digest | None]
    lacking: tuple[Digest, ...] = ()
    is_attached: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether anything at the target changes."""
        return bool(self.stale or self.lacking)

    @property
    def stale(self) -> tuple[str, ...]:
        """The tags (or the digest) that do not lead to the image yet."""
        return tuple(reference for reference, digest in self.before.items() if digest != self.digest)


@dataclass(frozen=True)
class CopyOutcome:
    """The outcome of a task, predicted in check mode.

    pruned are tags that are removed, with their digests. fates counts what has become of the blobs.
    """

    plans: tuple[CopyPlan, ...]
    pruned: t.Mapping[str, Digest | None]
    fates: t.Mapping[Fate, int]
    left_out: int

    @property
    def lacking(self) -> list[str]:
        """The digests of the referrers that are copied."""
        return sorted({str(digest) for plan in self.plans for digest in plan.lacking})

    @property
    def changed(self) -> bool:
        """Whether anything at the target changes."""
        return bool(self.pruned) or any(plan.is_changed for plan in self.plans)


def copy_results(outcome: CopyOutcome, target: Target, watch: Stopwatch) -> Json:
    """Return the results of oci_image_copy except changed, diff, and what other clients count for stats."""
    fates: tuple[Fate, ...] = ("present", "mounted", "copied")
    digests = {str(plan.digest) for plan in outcome.plans if not plan.is_attached}
    return {
        "target": f"{target.registry.name}/{target.repository}",
        "digest": digests.pop() if len(digests) == 1 else None,
        "digests": {reference: str(plan.digest) for plan in outcome.plans for reference in plan.before},
        "before": {reference: _text(digest) for plan in outcome.plans for reference, digest in plan.before.items()},
        "pruned": sorted(outcome.pruned),
        "referrers": outcome.lacking,
        "blobs": {**{fate: outcome.fates.get(fate, 0) for fate in fates}, "left_out": outcome.left_out},
        "stats": {
            "uploaded_bytes": target.uploaded,
            "seconds": watch.seconds("resolve", "upload", "publish"),
        },
    }


def copy_diff(outcome: CopyOutcome, target: Target) -> Json:
    """Return the diff: the digest of each tag at the target before and after the task."""
    name = f"{target.registry.name}/{target.repository}"
    pairs = [(reference, digest, plan.digest) for plan in outcome.plans for reference, digest in plan.before.items()]
    before = {reference: str(digest) for reference, digest, dummy in pairs if digest is not None}
    return {
        "before_header": name,
        "after_header": name,
        "before": {**before, **{tag: _text(digest) for tag, digest in outcome.pruned.items()}},
        "after": {
            **{reference: str(digest) for reference, dummy, digest in pairs},
            **{digest: digest for digest in outcome.lacking},
        },
    }


def _text(digest: Digest | None) -> str | None:
    return None if digest is None else str(digest)


__all__ = ("CopyOutcome", "CopyPlan", "copy_diff", "copy_results")
