# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a tree lacks is found through links, which lead nowhere outside of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.missing import Missing, find_missing
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with links, beside a directory that they try to reach."""
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "file").touch()
    (tmp_path / "outside").mkdir()
    links = {
        "absolute": "/a/b",
        "dangling": "/none/here",
        "dangling_up": "../../outside",
        "loop": "loop",
        "to_dangling": "dangling",
        "to_file": "file",
        "up": "../../../a",
    }
    for name, target in links.items():
        (tree / name).symlink_to(target)
    return tree


def find(root: Path, path: str) -> Missing | None:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return find_missing(fd, path.encode())
    finally:
        os.close(fd)


@pytest.mark.parametrize("path", ["/", "/a", "a//b/", "/file", "/to_file", "/absolute", "/up/b", "/absolute/.."])
def test_what_is_there_is_not_missing(root: Path, path: str) -> None:
    assert find(root, path) is None


@pytest.mark.parametrize(
    ("path", "missing", "link"),
    [
        ("/x", "/x", None),
        ("/a/x/y", "/a/x/y", None),
        ("/absolute/x", "/a/b/x", None),
        ("/up/b/x/y", "/a/b/x/y", None),
        ("/dangling", "/none/here", "dangling"),
        ("/dangling/x", "/none/here/x", "dangling"),
        ("/to_dangling/x", "/none/here/x", "to_dangling"),
        ("/a/../dangling", "/none/here", "dangling"),
        ("/dangling_up", "/outside", "dangling_up"),
    ],
)
def test_what_is_missing_is_named_without_links(root: Path, path: str, missing: str, link: str | None) -> None:
    before = open_descriptors()
    found = find(root, path)
    assert found is not None
    assert (found.path.decode(), found.link) == (missing, None if link is None else link.encode())
    assert open_descriptors() <= before


@pytest.mark.parametrize("path", ["/file/x", "/to_file/x/y", "/a/../file/x"])
def test_a_file_on_the_way_is_named(root: Path, path: str) -> None:
    with pytest.raises(NotADirectoryError) as caught:
        find(root, path)
    assert caught.value.filename == b"/file"


def test_a_loop_ends(root: Path) -> None:
    with pytest.raises(OSError, match="symbolic links"):
        find(root, "/loop/x")
