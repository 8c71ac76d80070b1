# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Range headers (RFC 9110, 14.2) become spans of a file, or are refused or ignored."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.api.ranges import Span, parse_range
from hypothesis import example, given
from hypothesis import strategies as st

HUGE = "9" * 5000


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-99", [(0, 100)]),
        ("bytes=0-100", [(0, 100)]),
        (f"bytes=0-{HUGE}", [(0, 100)]),
        ("bytes=50-", [(50, 50)]),
        ("bytes=99-", [(99, 1)]),
        ("bytes=-1", [(99, 1)]),
        ("bytes=-100", [(0, 100)]),
        ("bytes=-101", [(0, 100)]),
        (f"bytes=-{HUGE}", [(0, 100)]),
        ("bytes=00000000000000000000000000000001-2", [(1, 2)]),
        ("BYTES=1-2", [(1, 2)]),
        ("bytes= 1-2\t", [(1, 2)]),
        ("bytes=1-2,", [(1, 2)]),
        ("bytes=,,1-2", [(1, 2)]),
        ("bytes=1-2, 50-60", [(1, 2), (50, 11)]),
        ("bytes=50-60,1-2", [(50, 11), (1, 2)]),
        ("bytes=1-2,-1,100-", [(1, 2), (99, 1)]),
        ("bytes=10-20,15-30,0-5", [(0, 6), (10, 21)]),
        ("bytes=0-9,10-19", [(0, 20)]),
        ("bytes=0-,5-6,-3", [(0, 100)]),
        ("bytes=" + ",".join(f"{n}-{n}" for n in range(0, 32, 2)), [(n, 1) for n in range(0, 32, 2)]),
    ],
)
def test_ranges_of_100_bytes(header: str, spans: list[tuple[int, int]]) -> None:
    assert parse_range(header, 100) == tuple(Span(*span) for span in spans)


@pytest.mark.parametrize(
    "header",
    [
        "bytes=100-",
        "bytes=100-200",
        f"bytes={HUGE}-",
        f"bytes={HUGE}-{HUGE}",
        "bytes=-0",
        "bytes=-00",
        "bytes=100-,-0",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=--1",
        "bytes=1",
        "bytes=a-b",
        "bytes=0x1-2",
        "bytes=1-2-3",
        "bytes=1 - 2",
        "bytes=+1-2",
        "bytes=1-2;3-4",
        "bytes=50-0",
        "bytes=0-1,50-0",
        "bytes=0-1,x",
        "bytes=\u0661-\u0662",
        "bytes==0-1",
    ],
)
def test_ranges_that_cannot_be_satisfied(header: str) -> None:
    assert parse_range(header, 100) == ()


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes 0-1", "items=0-1", "byte=0-1", "=0-1", "0-1", "bytes=" + ",".join(["0-0"] * 1025)],
    ids=["empty", "no equals", "blank", "items", "byte", "no unit", "bare", "too many"],
)
def test_headers_to_ignore(header: str) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"])
def test_nothing_of_an_empty_file_is_in_any_range(header: str) -> None:
    assert parse_range(header, 0) == ()


def test_content_range() -> None:
    assert Span(0, 1).content_range(10) == "bytes 0-0/10"
    assert Span(5, 5).content_range(10) == "bytes 5-9/10"


number = st.integers(0, 40).map(str) | st.just("")
spec = st.tuples(number, number).map("-".join)
headers = st.text(max_size=30) | st.lists(spec | st.text("0123456789-, x", max_size=6), max_size=20).map(
    lambda specs: "bytes=" + ",".join(specs)
)


@given(headers, st.integers(0, 40))
@example("bytes=0-1,2-3", 4)
def test_any_header(header: str, size: int) -> None:
    spans = parse_range(header, size)
    if not spans:
        return
    covered = [set(range(span.start, span.start + span.length)) for span in spans]
    assert all(covered)
    assert set().union(*covered) <= set(range(size))
    assert sum(map(len, covered)) == len(set().union(*covered))
    assert len(spans) <= 1024


def test_as_many_ranges_as_containers_storage_asks_for() -> None:
    spans = parse_range("bytes=" + ",".join(f"{10 * number}-{10 * number + 3}" for number in range(1024)), 20_000)
    assert spans == tuple(Span(10 * number, 4) for number in range(1024))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted), min_size=1, max_size=16))
def test_exactly_the_bytes_asked_for(pairs: list[list[int]]) -> None:
    spans = parse_range("bytes=" + ",".join(f"{first}-{last}" for first, last in pairs), 25)
    asked = {n for first, last in pairs for n in range(first, last + 1) if n < 25}
    assert spans is not None
    assert {n for span in spans for n in range(span.start, span.start + span.length)} == asked
