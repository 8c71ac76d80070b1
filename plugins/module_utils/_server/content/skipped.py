# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Reasons why layouts are left out of the snapshot, as text for logs. Called by loading.py."""

from __future__ import annotations

import typing as t

from ..._base.text import quote
from .snapshot import LeftOut

if t.TYPE_CHECKING:
    from ..._layout.errors import LayoutError

_ABSENT: t.Final = "The requested digest doesn't exist:"
# prefixes of the messages of the server that this server replaces, for log filters
_CLASSES: t.Final = {
    "index_missing": _ABSENT,
    "manifest_missing": _ABSENT,
    "config_missing": _ABSENT,
    "blob_missing": _ABSENT,
    "wrong_size": "Wrong file length:",
    "wrong_digest": "SHA failed for:",
}


def left_out(name: str, kind: str, reason: str) -> LeftOut:
    """Describe an entry of the root that is not served; name can be any file name and is escaped."""
    return LeftOut(quote(name)[1:-1], kind, reason)


def unsound(name: str, problems: t.Sequence[LayoutError]) -> LeftOut:
    """Describe a layout with problems; the reason is the first problem and the number of further ones."""
    first, *others = problems
    more = f" ({len(others)} more problems.)" if others else ""
    return left_out(name, first.kind, f"{_legacy_prefix(first)}{first.message}{more}")


def _legacy_prefix(problem: LayoutError) -> str:
    digest = problem.fields.get("digest")
    if digest is None:
        return "Error importing: index.json. " if problem.kind == "index_missing" else ""
    return f"{_CLASSES[problem.kind]} {digest}. " if problem.kind in _CLASSES else ""


__all__ = ("left_out", "unsound")
