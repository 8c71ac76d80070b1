# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repository names and tags follow the grammar of the distribution-spec; messages about others show no password."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import ReferenceInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.names import (
    check_repository,
    check_tag,
    is_tag,
    natural_key,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "debian",
        "com.example.app",
        "library/debian",
        "a/b/c/d/e/f/g",
        "a.b_c__d-e---f/0.1",
        "dock__er/docker",
        "docker---rules/docker",
        "/".join(["a"] * 128),
        "a" * 255,
    ],
)
def test_repository_names(name: str) -> None:
    assert check_repository(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("Debian", "lower case"),
        ("debian:12", "tag, digest or port"),
        ("debian@sha256:0", "tag, digest or port"),
        ("user@debian", "tag, digest or port"),
        ("https://example.com/debian", "URL"),
        ("/debian", "slash"),
        ("debian/", "slash"),
        ("a//b", "slash"),
        ("..", "parts"),
        ("a/../b", "part"),
        ("./a", "part"),
        (".a", "part"),
        ("a.", "part"),
        ("a..b", "part"),
        ("a___b", "part"),
        ("a_.b", "part"),
        ("-a", "part"),
        ("a-", "part"),
        ("a b", "part"),
        ("a\n", "part"),
        ("a%2fb", "part"),
        ("a?n=1", "part"),
        ("a#b", "part"),
        ("a\\b", "part"),
        ("ä", "part"),
        ("a" * 256, "256 characters"),
        pytest.param("a" * 1_000_000 + "!", "1000001 characters", id="huge"),
        (None, "null"),
        (7, "the number 7"),
    ],
)
def test_repository_names_that_break_the_grammar(name: object, reason: str) -> None:
    with pytest.raises(ReferenceInvalid) as caught:
        check_repository(name)  # type: ignore[arg-type]
    assert reason.rstrip("s") in caught.value.message
    assert caught.value.message.isprintable()


def test_a_password_is_not_shown() -> None:
    with pytest.raises(ReferenceInvalid) as caught:
        check_repository("https://user:hunter2@example.com/debian")
    assert "hunter2" not in caught.value.message
    assert "it is a URL" in caught.value.message


def test_the_grammar_takes_no_exponential_time() -> None:
    with pytest.raises(ReferenceInvalid):
        check_repository("a" * 254 + "!")
    with pytest.raises(ReferenceInvalid):
        check_repository("a-" * 127 + "!")


@pytest.mark.parametrize("tag", ["latest", "1.0", "_", "A", "v1.2.3-rc.1_x", "a" * 128, "5000"])
def test_tags(tag: str) -> None:
    assert is_tag(tag)
    assert check_tag(tag) == tag


@pytest.mark.parametrize(
    "tag",
    ["", ".a", "-a", "a:b", "a/b", "a b", "a\n", "a" * 129, "sha256:" + "0" * 64, "a@b", "ä", "a+b", None, 1, b"a"],
)
def test_tags_that_break_the_grammar(tag: object) -> None:
    assert not is_tag(tag)
    with pytest.raises(ReferenceInvalid):
        check_tag(tag)  # type: ignore[arg-type]


@given(st.text(max_size=300) | st.text("ab-_./:A0 ", max_size=12))
def test_total(text: str) -> None:
    for check in (check_repository, check_tag):
        try:
            assert check(text) == text
        except ReferenceInvalid:
            continue
        assert ".." not in text.split("/")
        assert not set(text) & set("?#%:@\\ \n")


def test_the_order_of_words_and_numbers() -> None:
    ordered = ["", "a", "v1", "1", "1.9", "1.10", "9" * 5000]
    assert sorted(reversed(ordered), key=natural_key) == ordered
    assert natural_key("1²") == [*natural_key("1"), (0, 0, "²")]  # str.isdigit() is true of it, and int() refuses it
