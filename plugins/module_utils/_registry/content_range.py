# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Content-Range headers of byte ranges (RFC 9110, section 14.4). Called by blobs.py."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

_RANGE: t.Final = re.compile(r"bytes[ \t]+([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.IGNORECASE)


@dataclass(frozen=True)
class ContentRange:
    """The part of a body that an answer 206 holds: first byte, last byte, and the total length if stated."""

    first: int
    last: int
    total: int | None


def parse_content_range(value: str | None) -> ContentRange | None:
    """Read a Content-Range header of bytes (RFC 9110, 14.4); None if it is not valid. Total."""
    match = _RANGE.fullmatch((value or "").strip())
    if match is None:
        return None
    first, last = int(match.group(1)), int(match.group(2))
    total = None if match.group(3) == "*" else int(match.group(3))
    if first > last or (total is not None and last >= total):
        return None
    return ContentRange(first, last, total)


__all__ = ("ContentRange", "parse_content_range")
