# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text from outside becomes printable and bounded before it appears in a message."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.text import describe, quote, visible
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(st.characters()), st.integers(1, 50))
def test_visible_is_printable_and_bounded(text: str, limit: int) -> None:
    shown = visible(text, limit=limit)
    assert shown.isprintable()
    assert len(shown) <= 10 * limit + 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ünïcode", "plain text, ünïcode"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x7f\x00", "\\x1b[31mred\\x7f\\x00"),
        ("\u202ereversed", "\\u202ereversed"),
        ("\u2028line", "\\u2028line"),
        ("\ud800", "\\ud800"),
        (b"name\n\xff\xc3\xbc", "name\\n\\udcff\u00fc"),
    ],
)
def test_visible(text: str | bytes, shown: str) -> None:
    assert visible(text) == shown


def test_long_text_is_cut() -> None:
    assert visible("a" * 300, limit=5) == "aaaaa..."
    assert quote("a" * 300, limit=5) == '"aaaaa..."'


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (-3, "the number -3"),
        (1.5, "the number 1.5"),
        pytest.param(10**5000, "a huge number", id="huge"),
        (float("nan"), "a huge number"),
        ([], "an array"),
        ({}, "an object"),
        (b"", "a value of type bytes"),
    ],
)
def test_describe(value: object, words: str) -> None:
    assert describe(value) == words
    assert quote(value) == words


def test_strings_are_described_by_their_sort() -> None:
    assert describe("secret") == "a string"
