# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables by inode number keep all values, in memory or in a file, at a few bytes of memory per entry."""

from __future__ import annotations

import tempfile
import tracemalloc
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree import inode_table
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.directory_attributes import (
    DirectoryAttributes,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.inode_table import InodeTable, Scratch
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.metadata import Attributes
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.integers(0, 50) | st.integers(0, 2**64 - 1)


@pytest.fixture(params=["memory", "file"])
def scratch(request: pytest.FixtureRequest) -> t.Iterator[Scratch]:
    with tempfile.TemporaryFile() as file:
        yield Scratch(file.fileno() if request.param == "file" else None)


@given(st.lists(st.tuples(KEYS, st.binary(min_size=3, max_size=3))), st.booleans())
def test_it_is_a_mapping(pairs: list[tuple[int, bytes]], in_file: bool) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryFile() as file:
        patch.setattr(inode_table, "RECENT_ENTRIES", 4)
        table = InodeTable(3, Scratch(file.fileno() if in_file else None))
        model: dict[int, bytes] = {}
        for key, value in pairs:
            table[key] = model[key] = value
        for key in (*model, 0, 7, 2**64 - 1):
            assert table.get(key) == model.get(key)
            assert (key in table) == (key in model)
        assert bool(table) == bool(model)


def test_two_tables_share_a_scratch_file(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inode_table, "RECENT_ENTRIES", 2)
    one, other = InodeTable(1, scratch), InodeTable(2, scratch)
    for key in range(9):
        one[key], other[8 - key] = bytes([key]), bytes([key, key])
    assert [one.get(key) for key in range(10)] == [*(bytes([key]) for key in range(9)), None]
    assert [other.get(key) for key in range(10)] == [*(bytes([8 - key] * 2) for key in range(9)), None]


def test_marks_without_values(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inode_table, "RECENT_ENTRIES", 2)
    marks = InodeTable(0, scratch)
    for key in range(5):
        marks[key] = b""
    assert [key in marks for key in range(6)] == [True] * 5 + [False]


@pytest.mark.exhaustive
def test_memory_for_an_entry() -> None:
    count = 300_000
    with tempfile.TemporaryFile() as file:
        tracemalloc.start()
        try:
            table = InodeTable(32, Scratch(file.fileno()))
            for key in range(count):
                table[key] = key.to_bytes(32, "big")
            current, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert table.get(5) == (5).to_bytes(32, "big")
    assert peak < 25_000_000
    assert current < 16 * count + 15_000_000


@pytest.mark.parametrize("young", [1, 100])
def test_attributes_of_directories(scratch: Scratch, monkeypatch: pytest.MonkeyPatch, young: int) -> None:
    monkeypatch.setattr(inode_table, "RECENT_ENTRIES", young)
    found = DirectoryAttributes(scratch)
    wanted = Attributes(0o2755, 2**32 - 2, 7, -1, {"user.x": b"1"})
    found.keep_time(1, -5)
    found.keep_time(1, 6)
    found.keep_time(2, 10**18 + 1)
    found.set(2, wanted)
    found.keep_time(2, 3)
    found.set(3, wanted)
    found.set(3, wanted._replace(xattrs={}))
    found.set(4, wanted._replace(mtime=10**40))
    assert (found.get(1), found.get(2), found.get(5)) == (-5, wanted, None)
    assert found.get(3) == wanted._replace(xattrs={})
    assert found.get(4) == wanted._replace(mtime=2**55 * 10**9)
