# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Parser of the Range header (RFC 9110, 14.1.2 and 14.2). Called by app.py."""

from __future__ import annotations

import re
import typing as t

# containers/storage requests so many at once, for the missing parts of a zstd:chunked layer
MAX_RANGES: t.Final = 1024

_SPEC: t.Final = re.compile(r"([0-9]*)-([0-9]*)")
# longer than any file
_BEYOND: t.Final = 10**19


class Span(t.NamedTuple):
    """A range of bytes of a file: length bytes from start; length is positive."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        """Return the value of Content-Range for this range of a file of this size."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def parse_range(header: str, size: int) -> tuple[Span, ...] | None:
    """Parse a Range header for a file of this size (RFC 9110, 14.1.2 and 14.2). Never raises.

    Returns None if the header must be ignored, because its unit is not bytes or it has more than 1,024 ranges. Returns
    an empty tuple if the answer is 416, because no range can be satisfied or one is malformed. Otherwise returns the
    ranges in the requested order, truncated to the size; if any overlap or touch, all are sorted and those joined.
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
        if first and last and _parse_number(last) < _parse_number(first):
            return ()
        spans.append(_make_span(first, last, size))
    return _join_spans([span for span in spans if span.length > 0])


def _make_span(first: str, last: str, size: int) -> Span:
    if not first:
        length = min(_parse_number(last), size)
        return Span(size - length, length)
    start = _parse_number(first)
    end = min(_parse_number(last) if last else _BEYOND, size - 1)
    return Span(start, end - start + 1)


def _parse_number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) < 20 else _BEYOND


def _join_spans(spans: list[Span]) -> tuple[Span, ...]:
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
