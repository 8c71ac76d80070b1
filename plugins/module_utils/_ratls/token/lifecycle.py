# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The lifecycle states of a CCA platform (Arm CCA Security Model; draft-ffm-rats-cca-token)."""

from __future__ import annotations

import typing as t

LifecycleState = t.Literal[
    "unknown",
    "assembly_and_test",
    "platform_rot_provisioning",
    "secured",
    "non_platform_rot_debug",
    "recoverable_platform_rot_debug",
    "decommissioned",
    "invalid",
]

# the high byte is the state; the low byte is defined by the implementation
_STATES: t.Final[t.Mapping[int, LifecycleState]] = {
    0x00: "unknown",
    0x10: "assembly_and_test",
    0x20: "platform_rot_provisioning",
    0x30: "secured",
    0x40: "non_platform_rot_debug",
    0x50: "recoverable_platform_rot_debug",
    0x60: "decommissioned",
}
LIFECYCLE_STATES: t.Final[tuple[LifecycleState, ...]] = tuple(_STATES.values())
MAX_LIFECYCLE: t.Final = 0xFFFF


def lifecycle_state(value: int) -> LifecycleState:
    """Return the state of a lifecycle claim; for example, 0x3000 to 0x30ff is "secured"."""
    return _STATES.get(value >> 8, "invalid")


__all__ = ("LIFECYCLE_STATES", "MAX_LIFECYCLE", "LifecycleState", "lifecycle_state")
