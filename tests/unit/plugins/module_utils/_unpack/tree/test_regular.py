# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A regular file is opened inside the root, whatever symbolic links and special files an image puts in its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.confine import DIRECTORY, PathResolver
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.regular import (
    NotRegular,
    TooLong,
    read_regular,
)
from ansible_collections.attested.registry.tests.support.images.layer_maker import RESOLVERS, resolver_named
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors


@pytest.fixture(params=RESOLVERS)
def resolve(request: pytest.FixtureRequest) -> PathResolver:
    return resolver_named(request.param)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a file, and a neighbour of the same name that links try to reach."""
    found = tmp_path / "root"
    (found / "etc").mkdir(parents=True)
    (found / "etc/passwd").write_bytes(b"inside")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_bytes(b"outside")
    (tmp_path / "secret").write_bytes(b"outside")
    return found


def read(root: Path, path: str, resolve: PathResolver, *, limit: int = 100) -> bytes:
    descriptor = os.open(root, DIRECTORY)
    before = open_descriptors()
    try:
        return read_regular(descriptor, path.encode(), limit=limit, resolver=resolve)
    finally:
        assert open_descriptors() <= before
        os.close(descriptor)


@pytest.mark.parametrize(
    "target",
    ["passwd", "/etc/passwd", "../etc/passwd", "../../../../etc/passwd", "/../../etc/./passwd", "../up/etc/passwd"],
)
def test_links_stay_in_the_root(root: Path, resolve: PathResolver, target: str) -> None:
    (root / "etc/link").symlink_to(target)
    (root / "up").symlink_to("../..")
    (root / "second").symlink_to("etc/link")
    assert read(root, "etc/link", resolve) == b"inside"
    assert read(root, "second", resolve) == b"inside"
    assert read(root, "/up/etc/link", resolve) == b"inside"


def test_a_directory_on_the_way_is_a_link_out(root: Path, resolve: PathResolver, tmp_path: Path) -> None:
    (root / "etc/passwd").unlink()
    (root / "etc").rmdir()
    (root / "etc").symlink_to(tmp_path / "etc")
    with pytest.raises(FileNotFoundError):
        read(root, "etc/passwd", resolve)


def test_a_link_to_a_file_of_the_host(root: Path, resolve: PathResolver, tmp_path: Path) -> None:
    (root / "secret").symlink_to(tmp_path / "secret")
    with pytest.raises(FileNotFoundError):
        read(root, "secret", resolve)


def test_a_loop(root: Path, resolve: PathResolver) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        read(root, "a", resolve)


@pytest.mark.parametrize("path", ["", ".", "..", "etc", "etc/", "etc/..", "fifo"])
def test_what_is_not_a_regular_file(root: Path, resolve: PathResolver, path: str) -> None:
    os.mkfifo(root / "fifo")
    with pytest.raises(NotRegular):
        read(root, path, resolve)


def test_a_file_on_the_way(root: Path, resolve: PathResolver) -> None:
    with pytest.raises(NotADirectoryError):
        read(root, "etc/passwd/x", resolve)


def test_the_limit(root: Path, resolve: PathResolver) -> None:
    assert read(root, "etc/passwd", resolve, limit=6) == b"inside"
    with pytest.raises(TooLong):
        read(root, "etc/passwd", resolve, limit=5)
