# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The order of tags by the version numbers in them. Called by the lookup oci_tags."""

from __future__ import annotations

import re
import typing as t

from .names import ORDERED_DIGITS, natural_key

_NUMBER: t.Final = r"[0-9]+(?:[._][0-9]+)*"
_VERSION: t.Final = re.compile(rf"[vV]?({_NUMBER})")
_TAG: t.Final = re.compile(rf"([^0-9]*)({_NUMBER})(.*)")

_Key = tuple[tuple[int, ...], bool, list[tuple[int, int, str]], str]


def is_version(tag: str) -> bool:
    """Tell whether a tag is a version number and nothing else, such as 1.2.3 or v1.2."""
    return _VERSION.fullmatch(tag) is not None


def newest(tags: t.Iterable[str], count: int) -> list[str]:
    """Return the tags with the highest versions, highest first, without those that have no number.

    Numbers compare as numbers. A version with something after it, such as 1.2-rc1, is lower than the version itself.
    """
    found = {tag: key for tag, key in ((tag, _key(tag)) for tag in tags) if key is not None}
    return sorted(found, key=found.__getitem__, reverse=True)[:count]


def _key(tag: str) -> _Key | None:
    match = _TAG.fullmatch(tag)
    if match is None:
        return None
    dummy, numbers, rest = match.groups()
    version = tuple(int(number[:ORDERED_DIGITS]) for number in re.split("[._]", numbers))
    # the tag itself decides between 1.0 and v1.0, so that the order is always the same
    return version, not rest, natural_key(rest), tag


__all__ = ("is_version", "newest")
