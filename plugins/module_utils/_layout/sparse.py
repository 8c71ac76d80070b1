# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Warnings about sparse indexes, some of whose manifests a layout does not have: image-spec, image-layout.md.

walk.py makes them; the server logs them.
"""

from __future__ import annotations

import typing as t

from .._base.text import visible

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from .._oci.digest import Digest
    from .layout import SparseEntry

# How many platforms a warning names.
_SHOWN: t.Final = 5


def describe_sparse(entries: Iterable[SparseEntry]) -> tuple[str, ...]:
    """Return one sentence for each index with missing entries, which names the first platforms."""
    missing: dict[Digest, list[str]] = {}
    for entry in entries:
        missing.setdefault(entry.parent, []).append(visible(entry.platform, limit=80))
    return tuple(
        f"the index {index} is sparse: the layout has no manifest for {_join_names(names)}; "
        "copy the image with all platforms if they are needed."
        for index, names in missing.items()
    )


def _join_names(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


__all__ = ("describe_sparse",)
