# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of benchmarks/scaling.py, streamed_layout.py and small_image.py: the images, and the room that they need."""

from __future__ import annotations

import io
import json
import tarfile
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.attested.registry.benchmarks import scaling, small_image, streamed_layout, torch_layer
from ansible_collections.attested.registry.benchmarks.measuring import Best
from ansible_collections.attested.registry.tests.support.images import images


def layer_of(layout: Path) -> bytes:
    """Return the archive of the only layer; its digests and size must be those that the documents have."""

    def blob(digest: str) -> bytes:
        data = images.blob_path(layout, digest).read_bytes()
        assert images.digest_of(data) == digest
        return data

    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    assert entry["annotations"][images.REF_NAME] == streamed_layout.TAG
    manifest = json.loads(blob(entry["digest"]))
    (layer,) = manifest["layers"]
    data = blob(layer["digest"])
    assert len(data) == layer["size"]
    archive = zlib.decompress(data, 31)
    assert json.loads(blob(manifest["config"]["digest"]))["rootfs"]["diff_ids"] == [images.digest_of(archive)]
    return archive


def members_of(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return opened.getmembers()


@pytest.mark.parametrize("count", [1, 2, 101, 102, 1_234])
def test_a_layer_has_exactly_so_many_entries(tmp_path: Path, count: int) -> None:
    streamed_layout.many_entries(tmp_path / "layout", count)
    members = members_of(layer_of(tmp_path / "layout"))
    assert len({member.name for member in members}) == len(members) == count
    assert {member.size for member in members if member.isfile()} <= {streamed_layout.SMALL_BYTES}
    assert members[0].isdir()


def test_a_layer_has_so_many_bytes_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_layer, "_POOL_BYTES", 3 << 20)
    monkeypatch.setattr(streamed_layout, "_LARGE_BYTES", 2_000_000)
    streamed_layout.many_bytes(tmp_path / "layout", 5_000_001)
    archive = layer_of(tmp_path / "layout")
    assert [member.size for member in members_of(archive)] == [2_000_000, 2_000_000, 1_000_001]


def test_layouts_are_always_the_same(tmp_path: Path) -> None:
    for name in ("first", "second"):
        streamed_layout.many_entries(tmp_path / name, 500)
    assert (tmp_path / "first/index.json").read_bytes() == (tmp_path / "second/index.json").read_bytes()


def test_a_name_that_does_not_fit_into_a_header_is_refused() -> None:
    header = streamed_layout._Header(tarfile.REGTYPE, 0o644, 0)
    assert tarfile.TarInfo.frombuf(header.named("n" * 100), "utf-8", "strict").name == "n" * 100
    with pytest.raises(ValueError, match="too long"):
        header.named("n" * 101)


PLENTY: t.Final = {"free": 20 * 10**9, "inodes": 3_000_000, "memory": 20 * 10**9}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"free": 5 * 10**9}, "5.0 GB are free"),
        ({"memory": 4 * 10**9}, "4.0 GB are free"),
        ({"inodes": 1_000_000}, "1,000,000 are free"),
    ],
)
def test_too_little_room_is_noticed_before_anything_is_made(changes: dict[str, int], words: str) -> None:
    problem = scaling.lacking([10_000, 1_000_000], [10**8, 10**9], **{**PLENTY, **changes})
    assert words in problem
    assert bool(problem) is bool(words)


def test_large_files_need_room_for_the_layer_and_the_tree() -> None:
    assert "6.9 GB are needed" in scaling.lacking([10], [4 * 10**9], **{**PLENTY, "free": 6 * 10**9})


def test_a_series_has_the_figures_of_each_size_and_the_exponents() -> None:
    series = scaling.Series("small files", (1000, 10_000), streamed_layout.many_entries)
    for size in series.sizes:
        series.best[size] = Best(size / 1000, size / 2000, 40.0)
    rows = {row.what: row.ours for row in series.rows()}
    assert rows["1,000 small files, wall"] == 1.0
    assert rows["10,000 small files, CPU"] == 5.0
    assert rows["exponent of CPU against small files, all points"] == pytest.approx(1.0)
    assert rows["exponent of wall against small files, last two"] == pytest.approx(1.0)


def test_one_size_has_no_exponent() -> None:
    series = scaling.Series("small files", (1000,), streamed_layout.many_entries, {1000: Best(1.0, 1.0, 40.0)})
    assert [row.what for row in series.rows() if "exponent" in row.what] == []


def test_a_small_image_has_its_files_and_its_version() -> None:
    first, second = (small_image.make(files=60, size=100_000, version=version) for version in ("1.0", "2.0"))
    assert first.layers[0].digest == second.layers[0].digest
    assert first.layers[1].digest != second.layers[1].digest
    members = members_of(first.layers[0].tar)
    assert sum(member.isfile() for member in members) == 60
    assert 90_000 < sum(member.size for member in members) <= 100_000
    assert {member.name for member in members if member.islnk() or member.issym()}
    assert 2 < len(first.layers[0].tar) / first.layers[0].size < 6
