# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options include, exclude and strip, as one value. Called by image/unpack.py."""

from __future__ import annotations

import typing as t

from ..._base.text import visible
from ..._unpack.tree.selection import Selection
from .ranges import OptionInvalid


def wanted_selection(params: t.Mapping[str, t.Any]) -> Selection:
    """Return the options include, exclude and strip. Raises OptionInvalid.

    The order of patterns has no meaning, so they are sorted: another order is no change.
    """
    strip = params["strip"]
    return Selection(
        include=_patterns(params, "include"),
        exclude=_patterns(params, "exclude"),
        strip="" if strip is None else _path(strip, option="strip"),
    )


def _patterns(params: t.Mapping[str, t.Any], option: str) -> tuple[str, ...]:
    return tuple(sorted({_path(pattern, option=option) for pattern in params[option] or ()}))


def _path(text: str, *, option: str) -> str:
    """Return a path or pattern without slashes at its ends, doubled slashes and dots that mean nothing."""
    names = [name for name in text.split("/") if name not in ("", ".")]
    if not names or ".." in names or "\0" in text:
        raise OptionInvalid(
            f'The option {option} has "{visible(text)}": it must be a path below the root of the image, without ..; '
            "correct it in the task.",
            option=option,
        )
    return "/".join(names)


__all__ = ("wanted_selection",)
