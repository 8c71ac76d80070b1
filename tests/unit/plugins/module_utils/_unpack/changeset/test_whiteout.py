# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whiteouts (image-spec, layer.md, "Whiteouts") remove files of lower layers and none of their own layer."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.changeset import whiteout
from ansible_collections.attested.registry.plugins.module_utils._unpack.changeset.whiteout import (
    OPAQUE,
    Pruner,
    Whiteout,
    is_aufs_metadata,
    parse_whiteout,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LayerInvalid
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"file", None),
        (b"wh.file", None),
        (b"a.wh.file", None),
        (b".wh", None),
        (b".WH.file", None),
        (b"", None),
        (b".wh.file", Whiteout(b"file", False)),
        (b".wh..hidden", Whiteout(b".hidden", False)),
        (b".wh....", Whiteout(b"...", False)),
        (b".wh. ", Whiteout(b" ", False)),
        (b".wh.\xff\n", Whiteout(b"\xff\n", False)),
        (OPAQUE, Whiteout(b"", True)),
    ],
)
def test_what_a_name_hides(name: bytes, expected: Whiteout | None) -> None:
    assert parse_whiteout(name) == expected


@pytest.mark.parametrize("name", [b".wh.", b".wh..", b".wh..."])
def test_a_whiteout_hides_something(name: bytes) -> None:
    with pytest.raises(LayerInvalid, match="names no file"):
        parse_whiteout(name)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([b"a", b"b", b"c", b"1/a"]))))
def test_all_names_that_a_layer_made_are_remembered(made: list[tuple[int, bytes]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whiteout, "RECENT_ENTRIES", 3)
        pruner = Pruner(touch=lambda directory: None, imply=lambda inode: None)
        for directory, name in made:
            pruner.add(directory, name)
        for directory in range(5):
            for name in (b"a", b"b", b"c", b"1/a", b"d"):
                assert pruner.has(directory, name) == ((directory, name) in made)


@given(st.binary(max_size=30))
def test_no_name_hides_its_own_directory_or_the_one_above(name: bytes) -> None:
    try:
        found = parse_whiteout(b".wh." + name)
    except LayerInvalid:
        assert name in (b"", b".", b"..")
    else:
        assert found == (Whiteout(b"", True) if name == b".wh..opq" else Whiteout(name, False))


@pytest.mark.parametrize("name", [b".wh..wh.plnk", b".wh..wh.aufs", b".wh..wh.orph", b".wh..wh.", b".wh..wh..opq2"])
def test_names_of_aufs_metadata(name: bytes) -> None:
    assert is_aufs_metadata(name)


@pytest.mark.parametrize("name", [OPAQUE, b".wh.plnk", b".wh..wh", b"x.wh..wh.plnk", b""])
def test_other_names_are_no_aufs_metadata(name: bytes) -> None:
    assert not is_aufs_metadata(name)


class Pruned:
    """A pruner with a record of what it says."""

    def __init__(self, top: Path) -> None:
        self.touched: list[str] = []
        self.implied: list[int] = []
        self.pruner = Pruner(touch=self._touch, imply=self.implied.append)
        self._top = top

    def empty(self, name: str = "") -> None:
        descriptor = os.open(self._top / name, os.O_RDONLY)
        try:
            self.pruner.empty(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        descriptor = os.open(self._top, os.O_RDONLY)
        try:
            self.pruner.remove_directory(descriptor, os.fsencode(name))
        finally:
            os.close(descriptor)

    def make(self, name: str) -> None:
        (self._top / name).touch()
        self.add(name)

    def add(self, name: str) -> None:
        path = self._top / name
        self.pruner.add(path.parent.stat().st_ino, os.fsencode(path.name))

    def left(self) -> set[str]:
        return {str(path.relative_to(self._top)) for path in self._top.rglob("*")}

    def _touch(self, descriptor: int) -> None:
        self.touched.append(os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), self._top))


@pytest.fixture
def pruned(tmp_path: Path) -> Pruned:
    for name in ("d/e/f", "d/g", "h"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("d/x", "d/e/x", "d/e/f/x", "x"):
        (tmp_path / name).touch()
    (tmp_path / "d" / "link").symlink_to(tmp_path / "h")
    (tmp_path / "h" / "kept").touch()
    return Pruned(tmp_path)


def test_emptying_keeps_the_directory_itself(pruned: Pruned) -> None:
    pruned.empty("d")
    assert pruned.left() == {"d", "h", "h/kept", "x"}
    assert sorted(pruned.touched) == ["d", "d/e", "d/e/f", "d/g"]
    assert pruned.implied == []


def test_files_of_the_same_layer_stay_with_their_parents(pruned: Pruned, tmp_path: Path) -> None:
    pruned.make("d/e/f/new")
    pruned.add("d/g")
    pruned.remove("d")
    assert pruned.left() == {"d", "d/e", "d/e/f", "d/e/f/new", "d/g", "h", "h/kept", "x"}
    assert pruned.implied == [(tmp_path / name).stat().st_ino for name in ("d/e/f", "d/e", "d")]


def test_a_directory_is_looked_into_once_for_each_layer(pruned: Pruned) -> None:
    pruned.make("d/e/f/new")
    pruned.empty("d/e")
    pruned.touched.clear()
    for dummy in range(3):
        pruned.empty("d/e")
        pruned.remove("h") if dummy == 0 else None
    assert pruned.touched == ["h"]
    pruned.empty("")
    assert sorted(pruned.touched) == [".", "d", "d/g", "h"]
    assert pruned.left() == {"d", "d/e", "d/e/f", "d/e/f/new"}


def test_nothing_is_taken_from_a_directory_that_is_refused(pruned: Pruned, tmp_path: Path) -> None:
    def refuse(dummy: int) -> t.NoReturn:
        raise PermissionError("refused")

    before = pruned.left()
    descriptors = open_descriptors()
    pruned.pruner = Pruner(touch=refuse, imply=pruned.implied.append)
    for remove, name in ((pruned.remove, "d"), (pruned.empty, "h")):
        with pytest.raises(PermissionError):
            remove(name)
    assert pruned.left() == before
    assert open_descriptors() <= descriptors
