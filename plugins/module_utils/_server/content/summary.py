# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""One-line summaries of a snapshot for standard output, logs and readiness. Called by supervisor.py and admin.py."""

from __future__ import annotations

import typing as t

from ..._base.text import visible

if t.TYPE_CHECKING:
    from .snapshot import Snapshot

_SHOWN: t.Final = 10
LINE: t.Final = 20_000


def summary(snapshot: Snapshot) -> str:
    """Summarize a snapshot in one line: what is served, left out and stale, with reasons."""
    served = [f"{name} ({_count_noun(len(item.tags), 'tag')})" for name, item in snapshot.repositories.items()]
    left = [f"{item.name} ({item.reason})" for item in snapshot.left_out]
    root = visible(snapshot.root, limit=LINE)
    stale = [f"{item.name} ({item.reason})" for item in snapshot.stale]
    text = f"serves {_count_noun(len(served), 'repository', 'repositories')} of {root}{_join_first(served)}"
    for what, items in (("left out", left), ("stale, and served as before,", stale)):
        text += f"; {what} {len(items)}{_join_first(items)}" if items else ""
    return text


def faults(snapshot: Snapshot) -> str:
    """List the layouts that are left out or stale in one line, without reasons; empty if there are none."""
    found = (("left out", snapshot.left_out), ("stale", snapshot.stale))
    return "; ".join(
        f"{what} {len(items)}{_join_first([item.name for item in items])}" for what, items in found if items
    )


def _count_noun(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _join_first(items: list[str]) -> str:
    more = [f"and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return f": {', '.join(items[:_SHOWN] + more)}" if items else ""


__all__ = ("LINE", "faults", "summary")
