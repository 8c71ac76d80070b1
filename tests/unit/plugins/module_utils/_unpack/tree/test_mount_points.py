# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which paths mount points can have, and what becomes of the volumes of an image."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.mount_points import (
    MAX_POINTS,
    PathRefused,
    path_of_point,
    paths_of_volumes,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("text", ["/a/b", "/a/b/", "//a///b", "/./a/./b/."])
def test_a_path_has_one_form(text: str) -> None:
    assert path_of_point(text) == "/a/b"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begin with /"),
        ("proc", "begin with /"),
        ("/", "root"),
        ("//.", "root"),
        ("/a/../b", r"\.\."),
        ("/a\0b", "NUL"),
        ("/\udcff", "UTF-8"),
        ("/" + "n" * 256, "longer"),
        ("/n" * 2048, "longer"),
    ],
)
def test_a_path_that_cannot_be_used(text: str, why: str) -> None:
    with pytest.raises(PathRefused, match=why):
        path_of_point(text)


@given(st.text())
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = path_of_point(text)
    except PathRefused:
        return
    assert path.startswith("/")
    assert path_of_point(path) == path
    assert not {"", ".", ".."}.intersection(path[1:].split("/"))


def test_volumes_are_paths_in_the_tree() -> None:
    names = ["/data", "/data/", "relative", "/../../up", "/", "//x//y", "/a/../b"]
    assert paths_of_volumes(names, warn=pytest.fail) == ("/b", "/data", "/relative", "/up", "/x/y")


def test_volumes_that_cannot_be_used_are_left_out() -> None:
    warnings: list[str] = []
    assert paths_of_volumes(["/a\0", "/" + "n" * 300, "/ok"], warn=warnings.append) == ("/ok",)
    assert len(warnings) == 2
    assert all("gets no directory in the tree" in text for text in warnings)


def test_too_many_volumes_are_left_out() -> None:
    warnings: list[str] = []
    names = [f"/{number}" for number in range(MAX_POINTS + 1)]
    assert paths_of_volumes(names, warn=warnings.append) == ()
    assert len(warnings) == 1
    assert len(paths_of_volumes(names[1:], warn=pytest.fail)) == MAX_POINTS


@given(st.lists(st.text()))
def test_any_names_of_volumes_are_paths_or_left_out(names: list[str]) -> None:
    for path in paths_of_volumes(names, warn=lambda text: None):
        assert path_of_point(path) == path
