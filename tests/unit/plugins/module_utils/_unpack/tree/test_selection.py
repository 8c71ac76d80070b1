# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Patterns are matched against paths name by name, and in time that grows with the length of the path alone."""

from __future__ import annotations

import re

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.selection import PathPatterns
from hypothesis import given
from hypothesis import strategies as st


def matches(pattern: str, path: str) -> bool:
    """Whether the pattern matches exactly this path, and not only a directory above it."""
    patterns = PathPatterns([pattern])
    states, matched = patterns.start, False
    for name in path.split("/"):
        matched, states = patterns.advance(states, name)
    assert not matched or patterns.unused() == []
    return matched


@pytest.mark.parametrize(
    ("pattern", "same", "other"),
    [
        ("etc", ["etc"], ["etc/motd", "etcetera", "usr/etc", "ETC"]),
        ("etc/motd", ["etc/motd"], ["etc", "motd", "etc/motd/x"]),
        ("etc/*", ["etc/motd", "etc/.hidden"], ["etc", "etc/a/b"]),
        ("*", ["etc", ".hidden", "\udcff"], ["etc/motd"]),
        ("et?", ["etc"], ["et", "etcc"]),
        ("[a-e]*", ["etc", "a"], ["usr"]),
        ("[!a-e]*", ["usr"], ["etc"]),
        ("**", ["etc", "etc/motd", "a/b/c/d"], []),
        ("**/motd", ["motd", "etc/motd", "a/b/motd"], ["motd/x", "xmotd"]),
        ("**/a/**/b", ["a/b", "x/a/b", "a/y/z/b", "a/a/b/b"], ["a", "b", "b/a"]),
        ("etc/**", ["etc/motd", "etc/a/b"], ["etc", "usr"]),
        ("etc/**/motd", ["etc/motd", "etc/a/motd"], ["motd", "etc"]),
        ("**/**/a", ["a", "x/a", "x/y/a"], ["b"]),
        ("**a", ["a", "ba"], ["x/a"]),
    ],
)
def test_patterns(pattern: str, same: list[str], other: list[str]) -> None:
    assert [path for path in same + other if matches(pattern, path)] == same


def reference(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression for paths with a slash at the end."""
    parts = pattern.split("/")
    if parts[-1] == "**":
        parts.append("*")
    known = {"**": "(?:[^/]+/)*", "*": "[^/]*/"}
    return re.compile("".join(known.get(part, re.escape(part) + "/") for part in parts))


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=6).map("/".join)
PATTERNS = st.lists(NAMES | st.sampled_from(["*", "**"]), min_size=1, max_size=5).map("/".join)


@given(pattern=PATTERNS, path=PATHS)
def test_patterns_are_those_of_a_regular_expression(pattern: str, path: str) -> None:
    assert matches(pattern, path) is (reference(pattern).fullmatch(path + "/") is not None)


@given(pattern=st.text(st.characters(blacklist_characters="/\0"), min_size=1), name=st.text(min_size=1))
def test_any_pattern_and_any_name(pattern: str, name: str) -> None:
    assert matches(pattern, name.replace("/", "x")) in (True, False)


def test_the_states_do_not_multiply() -> None:
    patterns = PathPatterns(["/".join(["**", "a"] * 50), "/".join(["**"] * 50) + "/b"])
    states = patterns.start
    for dummy in range(1000):
        matched, states = patterns.advance(states, "a")
        assert len(states) <= 50 + 100 + 51
    assert matched


def test_all_patterns_are_matched_at_once_and_the_unused_are_known() -> None:
    patterns = PathPatterns(["etc/motd", "usr", "var"])
    matched, below = patterns.advance(patterns.start, "etc")
    assert not matched
    assert patterns.advance(below, "motd")[0]
    assert patterns.advance(patterns.start, "usr") == (True, frozenset())
    assert patterns.unused() == ["var"]
