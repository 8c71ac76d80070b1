# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The open file descriptors and the child processes, so that tests can check that none is left."""

from __future__ import annotations

import os


def open_descriptors() -> frozenset[str]:
    """Return the open descriptors of this process.

    Compare with <=: what earlier tests left to the garbage collector may be closed at any moment.
    """
    return frozenset(os.listdir("/proc/self/fd"))


def child_processes() -> frozenset[int]:
    """Return the children of this process, zombies included. Compare with <=, for the same reason."""
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as children:
            found.update(map(int, children.read().split()))
    return frozenset(found)
