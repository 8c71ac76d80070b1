# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .._destination.drift import Drift
    from .._destination.stamp import Stamp

Json = dict[str, t.Any]

_SHOWN_CHANGES: t.Final = 20
_APART: t.Final = ("rootfs", "history")
"""What a config says of its layers: they are shown by their digests."""


def image_diff(dest: str, *, before: Json | None, after: Json | None, drift: Drift | None = None) -> Json:
    """Return the diff of a tree that was, and will be, what describe_image or describe_stamp made; None for no tree.

    Drift is shown as what has to go.
    """
    shown_before = {"state": "absent"} if before is None else before
    if drift:
        shown_before = {**shown_before, "drift": _changes(drift)}
    return {
        "before_header": dest,
        "after_header": dest,
        "before": shown_before,
        "after": {"state": "absent"} if after is None else after,
    }


def describe_image(image: Json, *, ownership: bool, xattrs: str, devices: str) -> Json:
    """Return what is shown of an image, given as the result image, and of the options that its tree was made with."""
    config = image["config"] or {}
    return {
        "state": "present",
        "tag": image["tag"],
        "digest": image["digest"],
        "download_size": sum(layer["size"] for layer in image["layers"]),
        "platform": image["platform"],
        "annotations": image["annotations"],
        "config": {name: value for name, value in config.items() if name not in _APART},
        "config_digest": image["config_digest"],
        "layers": [layer["diff_id"] for layer in image["layers"]],
        "options": {"ownership": ownership, "xattrs": xattrs, "devices": devices},
    }


def describe_stamp(stamp: Stamp) -> Json:
    """Return what is shown of a tree that was unpacked before."""
    return describe_image(stamp.image, ownership=stamp.ownership, xattrs=stamp.xattrs, devices=stamp.devices)


def describe_foreign() -> Json:
    """Return what is shown of a tree that this collection did not unpack."""
    return {"state": "present", "digest": None}


def _changes(drift: Drift) -> list[str]:
    shown = [f"{change.path}: {change.what}" for change in drift.changes[:_SHOWN_CHANGES]]
    more = drift.total - len(shown)
    return [*shown, f"and {more} more"] if more else shown


__all__ = ("describe_foreign", "describe_image", "describe_stamp", "image_diff")
