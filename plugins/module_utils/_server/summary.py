# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from .._oci.text import visible

if t.TYPE_CHECKING:  # pragma: no cover
    from .snapshot import Snapshot

_SHOWN: t.Final = 10
LINE: t.Final = 20_000


def summary(snapshot: Snapshot) -> str:
    """What is served and what was left out and why, in one line."""
    served = [f"{name} ({_count(len(item.tags), 'tag')})" for name, item in snapshot.repositories.items()]
    left = [f"{item.name} ({item.reason})" for item in snapshot.left_out]
    root = visible(snapshot.root, limit=LINE)
    text = f"serves {_count(len(served), 'repository', 'repositories')} of {root}{_some(served)}"
    return f"{text}; left out {len(left)}{_some(left)}" if left else text


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _some(items: list[str]) -> str:
    more = [f"and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return f": {', '.join(items[:_SHOWN] + more)}" if items else ""


__all__ = ("LINE", "summary")
