# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of benchmarks/torch_layer.py: always the same archive, and one that compresses like real libraries."""

from __future__ import annotations

import tarfile
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.attested.registry.benchmarks import torch_layer


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The archive made twice, with a hundredth of the bytes, from smaller pools."""
    folder = tmp_path_factory.mktemp("torch")
    first, second = folder / "first.tar", folder / "second.tar"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(torch_layer, "_POOL_BYTES", 3 << 20)
        for path in (first, second):
            assert torch_layer.write(path, scale=0.01) == 412
    return first, second


def test_the_layer_is_the_same_each_time(archives: tuple[Path, Path]) -> None:
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_libraries_and_weights_compress_about_twice(archives: tuple[Path, Path]) -> None:
    with tarfile.open(archives[0]) as archive:
        large = [member for member in archive if member.name.endswith((".so", ".safetensors"))]
        data = b"".join(t.cast("t.IO[bytes]", archive.extractfile(member)).read() for member in large)
    assert len(large) == 19
    assert 1.75 < len(data) / len(zlib.compress(data, 6)) < 2.2


def test_every_entry_is_a_directory_or_a_file_and_stands_once(archives: tuple[Path, Path]) -> None:
    with tarfile.open(archives[0]) as archive:
        members = archive.getmembers()
    assert len({member.name for member in members}) == len(members) == 412
    assert all(member.isdir() or member.isfile() for member in members)
