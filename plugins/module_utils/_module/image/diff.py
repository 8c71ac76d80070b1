# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The diff of oci_image_unpack. Called by results.py, tree.py and absent.py."""

from __future__ import annotations

import typing as t
from dataclasses import asdict

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._destination.drift import Drift
    from ..._destination.stamp import Stamp
    from ..._unpack.tree.mount_points import MountPoints
    from ..._unpack.tree.selection import Selection


_SHOWN_CHANGES: t.Final = 20
# Fields of a config that describe its layers, which the diff shows by their digests.
_LAYER_FIELDS: t.Final = ("rootfs", "history")


def image_diff(dest: str, *, before: Json | None, after: Json | None, drift: Drift | None = None) -> Json:
    """Return the diff between two descriptions of describe_image, describe_stamp or describe_foreign, None for no tree.

    Drift is a part of the state before.
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


def describe_image(
    image: Json,
    *,
    ownership: bool,
    xattrs: str,
    devices: str,
    selection: Selection,
    mount_points: MountPoints,
    signature: Json | None,
) -> Json:
    """Return the description of a tree: its image, given as the return value image, and the options used to unpack.

    signature is what was verified of its signatures, None if nothing was.
    """
    config = image["config"] or {}
    options = {"ownership": ownership, "xattrs": xattrs, "devices": devices}
    added = {"mount_points": mount_points.directories, "mount_files": mount_points.files}
    given = {name: value for name, value in {**asdict(selection), **added}.items() if value}
    return {
        "state": "present",
        "tag": image["tag"],
        "digest": image["digest"],
        "download_size": sum(layer["size"] for layer in image["layers"]),
        "platform": image["platform"],
        "annotations": image["annotations"],
        "config": {name: value for name, value in config.items() if name not in _LAYER_FIELDS},
        "config_digest": image["config_digest"],
        "layers": [layer["diff_id"] for layer in image["layers"]],
        "options": {**options, **given},
        **({} if signature is None else {"signature": signature}),
    }


def describe_stamp(stamp: Stamp) -> Json:
    """Return the description of a tree that this collection unpacked."""
    return describe_image(
        stamp.image,
        ownership=stamp.ownership,
        xattrs=stamp.xattrs,
        devices=stamp.devices,
        selection=stamp.selection,
        mount_points=stamp.mount_points,
        signature=stamp.signature,
    )


def describe_foreign() -> Json:
    """Return the description of a tree that this collection did not unpack."""
    return {"state": "present", "digest": None}


def _changes(drift: Drift) -> list[str]:
    shown = [f"{change.path}: {change.what}" for change in drift.changes[:_SHOWN_CHANGES]]
    more = drift.total - len(shown)
    return [*shown, f"and {more} more"] if more else shown


__all__ = ("describe_foreign", "describe_image", "describe_stamp", "image_diff")
