# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names are read from a JSON list while it arrives, with bounded memory and work."""

from __future__ import annotations

import itertools
import json

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry import name_scanner as module
from ansible_collections.attested.registry.plugins.module_utils._registry.name_scanner import (
    MAX_TOKEN,
    Effort,
    NameListInvalid,
    NameScanner,
    scan_names,
)
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
OTHERS = st.dictionaries(st.text().filter(lambda key: key != "tags"), VALUES, max_size=3)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def scanned(data: bytes, size: int) -> list[str]:
    scanner = NameScanner("tags")
    found = [name for piece in pieces(data, size) for name in scanner.feed(piece)]
    return [*found, *scanner.feed(b"", final=True)]


@given(OTHERS, st.lists(st.text(), max_size=5) | st.none(), st.integers(1, 9), st.booleans(), st.booleans())
def test_any_list_in_any_pieces(others, tags, size, ascii_only, indented) -> None:
    text = json.dumps({**others, "tags": tags}, ensure_ascii=ascii_only, indent=1 if indented else None)
    assert scanned(text.encode("utf-8", "surrogatepass"), size) == (tags or [])


def test_the_names_are_those_of_the_wanted_member() -> None:
    body = b'{"tags": ["a"], "repositories": ["b", "c"], "x": ["d"]}'
    assert list(scan_names("repositories", pieces(body, 3))) == ["b", "c"]
    assert list(scan_names("tags", [body])) == ["a"]


@given(st.binary() | st.text('{}[]",:tags\\u0 1e-.nul').map(str.encode), st.integers(1, 5))
def test_total_and_no_kinder_than_json(data: bytes, size: int) -> None:
    try:
        found = scanned(data, size)
    except NameListInvalid:
        return
    value = json.loads(data)
    assert found == (value.get("tags") or [])


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"[]", b"1", b'"tags"', b"null", b"{", b'{"tags"', b'{"tags":', b'{"tags": [', b'{"tags": ["a"'),
        *(b'{"tags": ["a"]', b'{"tags": ["a",]}', b'{"tags": ["a"],}', b'{"tags": ["a" "b"]}', b'{"tags": ["a"]} x'),
        *(
            b'{"tags": ["a"]}{}',
            b'{"tags": "a"}',
            b'{"tags": 1}',
            b'{"tags": {}}',
            b'{"tags": [1]}',
            b'{"tags": [null]}',
        ),
        *(b'{"tags": [["a"]]}', b'{"tags": [{}]}', b'{"tags": ["a\n"]}', b'{"tags": ["\\x"]}', b'{"tags": ["\xff"]}'),
        *(
            b'{"tags": [], "tags": []}',
            b'{"tags": null, "t\\u0061gs": []}',
            b"{1: 2}",
            b'{"a" 1}',
            b'{"a": 01}',
            b"<html>",
        ),
        *(b'{"a": NaN}', b'{"a": tru}', b'{"a": -}', b'{"tags": ]}', b"{]", b'{"tags": ["a"}', b"\xef\xbb\xbf{}"),
    ],
)
def test_an_invalid_list_is_refused(body: bytes) -> None:
    with pytest.raises(NameListInvalid):
        list(scan_names("tags", [body]))


LONG = MAX_TOKEN + 100_000


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "body", [b'{"x": [' * 70, b'{"x": "' + b"a" * LONG, b" " * LONG], ids=["deep", "text", "blank"]
)
def test_memory_is_bounded(body: bytes) -> None:
    """The body goes on, and nothing waits for its end."""
    with pytest.raises(NameListInvalid, match=r"not JSON$|levels deep"):
        list(scan_names("tags", itertools.chain(pieces(body, 65536), itertools.repeat(b" "))))


def test_a_list_that_arrives_byte_by_byte_is_scanned_in_large_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scan begins with the unfinished token, so a scan for each byte of a long one would be quadratic."""
    fed: list[int] = []
    feed = NameScanner.feed

    def watched(self: NameScanner, piece: bytes, *, final: bool = False):
        fed.append(len(piece))
        return feed(self, piece, final=final)

    monkeypatch.setattr(NameScanner, "feed", watched)
    body = b'{"x": "' + b"a" * 200_000 + b'", "tags": ["one"]}'
    assert list(scan_names("tags", pieces(body, 1))) == ["one"]
    assert sum(fed) == len(body)
    assert len(fed) <= 4


def test_an_unfinished_token_is_not_scanned_again_for_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    scanned: list[int] = []
    feed = NameScanner.feed

    def watched(self: NameScanner, piece: bytes, *, final: bool = False):
        scanned.append(self.waiting + len(piece))
        return feed(self, piece, final=final)

    monkeypatch.setattr(NameScanner, "feed", watched)
    body = b'{"x": ["' + b'", "'.join([b"a" * 1_000_000] * 4) + b'"], "tags": ["one"]}'
    assert list(scan_names("tags", pieces(body, 65536))) == ["one"]
    assert sum(scanned) <= 3 * len(body)


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"tags": [%s"a"]}' % (b'"a", ' * 50_000), b'{"tags": [%s""]}' % (b'"", ' * 50_000)),
        *(b'{"tags": [%s""]}' % (rb'"\u0061", ' * 50_000), b'{"x": [%s1]}' % (b"1," * 50_000)),
        *(b'{"x": [%s[]]}' % (b"[]," * 50_000), b'{"x": [%s{}]}' % (b'{"": 1},' * 50_000)),
        *(b"{%s%s}" % (b'"": [1], ' * 50_000, b'"": 1'), b'{"x": {%s%s}}' % (b'"": {"": []}, ' * 50_000, b'"": 1')),
    ],
)
def test_repeated_tokens_are_scanned_in_bulk(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """A step for each of them would take minutes for a list that is as long as it may be."""
    monkeypatch.setattr(module, "MAX_STEPS", 200)
    assert list(scan_names("tags", pieces(body, 65536))) == (json.loads(body).get("tags") or [])


@pytest.mark.parametrize("item", [b"[[]]", b'{"": {"": {}}}', b"[{}, [{}]]"])
def test_the_effort_for_nested_values_is_bounded(monkeypatch: pytest.MonkeyPatch, item: bytes) -> None:
    monkeypatch.setattr(module, "MAX_STEPS", 1000)
    body = b'{"x": [%s], "tags": ["a"]}' % b",".join([item] * 20)
    effort = Effort()
    assert list(scan_names("tags", [body], effort)) == ["a"]
    lists = itertools.chain.from_iterable(scan_names("tags", [body], effort) for dummy in range(30))
    with pytest.raises(NameListInvalid, match="more than 1000 JSON tokens"):
        list(lists)
