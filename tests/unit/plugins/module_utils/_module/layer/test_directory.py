# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record file of a layered directory lists applied and unfinished layers; any other bytes are refused."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.layer.directory import LayeredDirectory, _parse
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import DestinationError, Locked
from hypothesis import given
from hypothesis import strategies as st

FIRST, SECOND = (Digest.of(data) for data in (b"1", b"2"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=80) | st.just(str(FIRST)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_remembers_layers_in_their_order(tmp_path: pathlib.Path) -> None:
    with LayeredDirectory(str(tmp_path / "tree")) as directory:
        assert directory.applied() == ()
        with directory.opened(lock_timeout=0) as root:
            (tmp_path / "tree/file").touch()
            directory.note(root, [FIRST, SECOND])
    with LayeredDirectory(str(tmp_path / "tree")) as directory:
        assert directory.applied() == (FIRST, SECOND)


def test_an_empty_directory_has_no_layers(tmp_path: pathlib.Path) -> None:
    with LayeredDirectory(str(tmp_path / "tree")) as directory:
        with directory.opened(lock_timeout=0) as root:
            directory.note(root, [FIRST])
        assert directory.applied() == ()


@pytest.mark.parametrize("length", [221, 222, 223, 239, 243])
def test_a_long_name_leaves_room_for_the_files_beside_it(tmp_path: pathlib.Path, length: int) -> None:
    name = "ä" * (length // 2) + "a" * (length % 2)
    with LayeredDirectory(str(tmp_path / name)) as directory:
        with directory.opened(lock_timeout=0) as root:
            (tmp_path / name / "file").touch()
            directory.note(root, [FIRST])
        assert directory.applied() == (FIRST,)
    assert {path.name for path in tmp_path.iterdir()} == {name, f".{name}.oci-layers"}


def test_a_name_without_room_for_the_note_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DestinationError, match=r"too long for the record file beside it; use at most 243 bytes\.$"):
        LayeredDirectory(str(tmp_path / ("n" * 244)))
    assert not list(tmp_path.iterdir())


def test_only_notes_that_were_not_finished_are_left_over(tmp_path: pathlib.Path) -> None:
    left = {".tree.oci-layers.new", f".tree.oci-layers.new-{'0a' * 8}"}
    kept = {".tree.oci-layers.newer", ".tree.oci-layers.new-1.oci-layers"}
    for name in left | kept:
        (tmp_path / name).touch()
    with LayeredDirectory(str(tmp_path / "tree")) as directory, directory.opened(lock_timeout=0):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"tree", *kept}


def test_looking_makes_nothing(tmp_path: pathlib.Path) -> None:
    with LayeredDirectory(str(tmp_path / "tree")) as directory:
        directory.applied()
        directory.is_managed()
    assert not list(tmp_path.iterdir())


def test_another_task_at_work_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "tree").mkdir()
    other = os.open(tmp_path / "tree", os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with (
            LayeredDirectory(str(tmp_path / "tree")) as directory,
            pytest.raises(Locked, match="another task"),
            directory.opened(lock_timeout=0),
        ):
            pass
    finally:
        os.close(other)


def checked(data: bytes) -> None:
    try:
        inode, applied, begun = _parse(data)
    except ValueError:
        return
    assert isinstance(inode, int)
    assert all(isinstance(diff_id, Digest) for diff_id in (*applied, *begun))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_note_or_are_not(data: bytes) -> None:
    checked(data)


@given(st.fixed_dictionaries({}, optional={"format": st.just(1), "inode": VALUES, "diff_ids": VALUES, "begun": VALUES}))
def test_any_json_is_a_note_or_is_not(value: dict[str, t.Any]) -> None:
    checked(json.dumps(value).encode())
