# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The states absent and rolled_back of oci_image_unpack. Called by unpack.py."""

from __future__ import annotations

import typing as t

from ..._destination.destination import Destination
from .diff import describe_foreign, describe_stamp
from .tree import Report, describe_current, digest_of

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._destination.stamp import Stamp
    from .tree import TreePlace


def ensure_absent(place: TreePlace) -> Report:
    """Remove the tree, all kept generations and the state directory. Raises UnpackError."""
    with place.open(create=False) as view:
        stamp = view.current
        report = Report(
            changed=view.check_remove(), before=describe_current(view, stamp), previous_digest=digest_of(stamp)
        )
        if isinstance(view, Destination):
            view.remove()
        return report


def ensure_rolled_back(place: TreePlace) -> Report:
    """Restore the tree from before the last change, unless that change was a roll-back. Raises UnpackError."""
    with place.open(create=False) as view:
        stamp, before, current = view.current, describe_current(view, view.current), view.current_generation
        target = view.check_roll_back()
        if target is None:
            return Report(changed=False, before=before, after=before, generation=current, **_image_fields(stamp, stamp))
        if isinstance(view, Destination):
            view.roll_back()
        return Report(
            changed=True,
            before=before,
            after=describe_foreign() if target.stamp is None else describe_stamp(target.stamp),
            generation=target.number,
            **_image_fields(target.stamp, stamp),
        )


def _image_fields(stamp: Stamp | None, previous: Stamp | None) -> Json:
    return {"image": None if stamp is None else stamp.image, "previous_digest": digest_of(previous)}


__all__ = ("ensure_absent", "ensure_rolled_back")
