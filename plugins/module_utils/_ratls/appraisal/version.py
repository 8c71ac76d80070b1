# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Compares versions of software components for policies."""

from __future__ import annotations

import re
import typing as t

Version = tuple[int, ...]

_VERSION: t.Final = re.compile(r"[vV]?([0-9]{1,9}(?:\.[0-9]{1,9}){0,7})")


def parse_version(text: str) -> Version | None:
    """Return the numbers of a version such as 1.2.3 or v1.2, without zeros at the end; None for any other text.

    A suffix makes the text unreadable, because the order of 1.0-rc1 and 1.0 is not defined.
    """
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    numbers = [int(part) for part in match.group(1).split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


__all__ = ("Version", "parse_version")
