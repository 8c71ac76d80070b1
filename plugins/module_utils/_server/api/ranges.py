# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import re
import typing as t

# as many as containers/storage asks for at once, to get the parts of a zstd:chunked layer that it lacks
MAX_RANGES: t.Final = 1024

_SPEC: t.Final = re.compile(r"([0-9]*)-([0-9]*)")
_BEYOND: t.Final = 10**19  # no file is this long


class Span(t.NamedTuple):
    """Some bytes of a file: length of them, from start on; never empty."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        """The value of Content-Range for these bytes of a file of this size."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def parse_range(header: str, size: int) -> tuple[Span, ...] | None:
    """What a Range header asks for of a file of this size (RFC 9110, 14.1.2 and 14.2).

    None: the header is to be ignored, because its unit is not bytes or it wants more than 1,024 ranges. An empty tuple:
    the answer is 416, because no range can be satisfied or one is malformed. Otherwise the ranges in the order asked
    for, cut to the size; if any overlap or touch, these are joined, and all are in ascending order. Never raises.
    """
    unit, equals, text = header.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes":
        return None
    specs = [spec for spec in (part.strip(" \t") for part in text.split(",")) if spec]
    if len(specs) > MAX_RANGES:
        return None
    spans = []
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None or spec == "-":
            return ()
        first, last = match.groups()
        if first and last and _number(last) < _number(first):
            return ()
        spans.append(_span(first, last, size))
    return _join([span for span in spans if span.length > 0])


def _span(first: str, last: str, size: int) -> Span:
    if not first:
        length = min(_number(last), size)
        return Span(size - length, length)
    start = _number(first)
    end = min(_number(last) if last else _BEYOND, size - 1)
    return Span(start, end - start + 1)


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) < 20 else _BEYOND


def _join(spans: list[Span]) -> tuple[Span, ...]:
    joined: list[Span] = []
    for span in sorted(spans):
        before = joined[-1] if joined else None
        if before is not None and span.start <= before.start + before.length:
            end = max(before.start + before.length, span.start + span.length)
            joined[-1] = Span(before.start, end - before.start)
        else:
            joined.append(span)
    return tuple(spans if len(joined) == len(spans) else joined)


__all__ = ("MAX_RANGES", "Span", "parse_range")
