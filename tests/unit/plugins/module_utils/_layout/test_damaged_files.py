# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inspecting a layout with damaged files returns a result, and offers only content with the right digest."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._layout.checker import Checker
from ansible_collections.attested.registry.plugins.module_utils._layout.errors import LayoutError
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.images import images, layout_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

TAGGED = {"1.0": layout_corpus.NESTED, "signature": layout_corpus.SIGNATURE}
NAMES = ["oci-layout", "index.json", "blobs", "blobs/sha256"]
with tempfile.TemporaryDirectory() as _folder:
    _layout = images.write_layout(_folder, TAGGED)
    NAMES += sorted(f"blobs/sha256/{name}" for name in os.listdir(_layout / "blobs" / "sha256"))

Damage = t.Callable[[pathlib.Path, int, bytes], object]


def _flip(path: pathlib.Path, number: int, data: bytes) -> None:
    found = bytearray(path.read_bytes())
    if found:
        found[number % len(found)] ^= 1 << number % 8
    path.write_bytes(bytes(found))


def _cut(path: pathlib.Path, number: int, data: bytes) -> None:
    os.truncate(path, number % (path.stat().st_size + 1))


def _write(path: pathlib.Path, number: int, data: bytes) -> None:
    path.write_bytes(data)


def _insert(path: pathlib.Path, number: int, data: bytes) -> None:
    found = path.read_bytes()
    where = number % (len(found) + 1)
    path.write_bytes(found[:where] + data + found[where:])


def _remove(path: pathlib.Path, number: int, data: bytes) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _link(path: pathlib.Path, number: int, data: bytes) -> None:
    _remove(path, number, data)
    path.symlink_to(NAMES[number % len(NAMES)])


def _swap(path: pathlib.Path, number: int, data: bytes) -> None:
    _remove(path, number, data)
    path.mkdir()


DAMAGES: list[Damage] = [_flip, _cut, _write, _insert, _remove, _link, _swap]
damages = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(DAMAGES), st.integers(0, 5000), st.binary(max_size=40)),
    min_size=1,
    max_size=3,
)


def _damage(layout: pathlib.Path, name: str, damage: Damage, number: int, data: bytes) -> None:
    path = layout / name
    # what an earlier damage took away, or put in its place, stays so; a link is never written through
    if path.is_symlink() or not path.exists() or layout.resolve() / name != path.resolve():
        return
    if path.is_dir() and damage not in (_remove, _link, _swap):
        return
    damage(path, number, data)


@settings(deadline=None, max_examples=examples(150))
@given(steps=damages)
def test_any_damage(steps: list[tuple[str, Damage, int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder, Checker(threads=1) as checker:
        layout = images.write_layout(pathlib.Path(folder) / "layout", TAGGED)
        for step in steps:
            _damage(layout, *step)
        inspection = inspect_layout(str(layout), checker=checker)
        for stored in (*inspection.layout.manifests.values(), *inspection.layout.blobs.values()):
            path = layout / stored.path
            assert path.resolve() == layout.resolve() / stored.path
            assert Digest.of(path.read_bytes(), stored.digest.algorithm) == stored.digest
    assert all(isinstance(problem, LayoutError) for problem in inspection.problems)
    assert set(inspection.layout.tags.values()) <= set(inspection.layout.manifests)
