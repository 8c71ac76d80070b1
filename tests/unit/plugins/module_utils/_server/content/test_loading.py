# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loading serves all valid layouts below the root, reports the invalid ones, and follows no link out of the root."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout import inspection
from ansible_collections.attested.registry.plugins.module_utils._server.api.content_file import ContentFile
from ansible_collections.attested.registry.plugins.module_utils._server.content import (
    directories,
    load_progress,
    loading,
)
from ansible_collections.attested.registry.plugins.module_utils._server.content.loading import load_snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import Snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.errors import RootError
from ansible_collections.attested.registry.tests.support.images import images, layout_corpus
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors

IMAGE = images.image([images.layer([images.file("a", b"1")])])
MANY = images.index([IMAGE])


def load(root: pathlib.Path) -> Snapshot:
    return load_snapshot(str(root))


def left_out(snapshot: Snapshot) -> dict[str, str]:
    return {left.name: left.kind for left in snapshot.left_out}


def test_a_directory_of_layouts(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "com.example.app", {"b": IMAGE, "B": IMAGE, "a": MANY, "1.0": IMAGE})
    images.write_layout(tmp_path / "other", {})
    snapshot = load(tmp_path)
    assert (snapshot.root, snapshot.left_out, snapshot.warnings) == (str(tmp_path), (), ())
    assert list(snapshot.repositories) == ["com.example.app", "other"]
    app = snapshot.repositories["com.example.app"]
    assert app.tag_names == ("1.0", "B", "a", "b")
    assert app.tags["a"].digest == MANY.digest
    assert app.manifests.keys() == {IMAGE.digest, MANY.digest}
    assert app.blobs.keys() == {IMAGE.digest, MANY.digest, IMAGE.config.digest, IMAGE.layers[0].digest}
    layer = app.blobs[IMAGE.layers[0].digest]
    assert pathlib.Path(layer.path).read_bytes() == IMAGE.layers[0].data
    assert layer.size == IMAGE.layers[0].size


def test_content_belongs_to_its_repository_alone(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "one", {"1": IMAGE})
    images.write_layout(tmp_path / "two", {})
    assert load(tmp_path).repositories["two"].blobs == {}


def test_names_of_several_parts(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "team" / "app", {"1": IMAGE})
    images.write_layout(tmp_path / "team" / "app2" / "web", {"1": IMAGE})
    (tmp_path / "team" / "README").write_bytes(b"")
    snapshot = load(tmp_path)
    assert set(snapshot.repositories) == {"team/app", "team/app2/web"}
    assert left_out(snapshot) == {"team/README": "no_directory"}


def test_a_layout_is_not_searched_for_others(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "app", {"1": IMAGE})
    images.write_layout(tmp_path / "app" / "inner", {"1": IMAGE})
    assert set(load(tmp_path).repositories) == {"app"}


@pytest.mark.parametrize("part", ["oci-layout", "index.json", "blobs"])
def test_part_of_a_layout_is_a_bad_layout(tmp_path: pathlib.Path, part: str) -> None:
    layout = images.write_layout(tmp_path / "app", {"1": IMAGE})
    for path in layout.iterdir():
        if path.name != part:
            path.rename(tmp_path / f".{path.name}")
    (layout / "directory").mkdir()
    assert set(left_out(load(tmp_path))) == {"app"}


def test_invalid_layouts_are_left_out_and_the_others_served(tmp_path: pathlib.Path) -> None:
    good = images.write_layout(tmp_path / "good", {"1": IMAGE})
    for digest in (IMAGE.config.digest, IMAGE.layers[0].digest):
        images.blob_path(images.write_layout(tmp_path / "two-problems", {"1": IMAGE}), digest).unlink()
    images.blob_path(tmp_path / "two-problems", IMAGE.config.digest).unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / "UpperCase").mkdir()
    (tmp_path / "line\nend").mkdir()
    (tmp_path / "README").write_bytes(b"")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "link").symlink_to(good)
    snapshot = load(tmp_path)
    assert set(snapshot.repositories) == {"good"}
    assert left_out(snapshot) == {
        "README": "no_directory",
        "UpperCase": "reference_invalid",
        "empty": "layout_invalid",
        "line\\nend": "reference_invalid",
        "link": "file_refused",
        "two-problems": "config_missing",
    }
    reasons = {left.name: left.reason for left in snapshot.left_out}
    assert IMAGE.config.digest in reasons["two-problems"]
    assert "1 more problem" in reasons["two-problems"]
    assert all("\n" not in reason for reason in reasons.values())


def test_warnings_name_the_repository(tmp_path: pathlib.Path) -> None:
    layout = images.write_layout(tmp_path / "app", {"not a tag": IMAGE})
    images.write_blob(layout, images.digest_of(b"orphan"), b"orphan")
    (layout / "blobs" / "sha256" / "evil\nname").write_bytes(b"")
    warnings = load(tmp_path).warnings
    assert len(warnings) == 2
    assert all(warning.startswith("app: ") and "\n" not in warning for warning in warnings)
    assert "not a tag" in warnings[0]
    assert "2 files" in warnings[1]


def test_the_root_may_be_a_link(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "root" / "app", {"1": IMAGE})
    (tmp_path / "link").symlink_to(tmp_path / "root")
    assert set(load(tmp_path / "link").repositories) == {"app"}


def test_an_empty_root(tmp_path: pathlib.Path) -> None:
    assert load(tmp_path).repositories == {}


def test_a_relative_root_is_made_absolute(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images.write_layout(tmp_path / "app", {"1": IMAGE})
    monkeypatch.chdir(tmp_path)
    content = load_snapshot(".").repositories["app"].tags["1"]
    monkeypatch.chdir("/")
    assert pathlib.Path(content.path).read_bytes() == IMAGE.data


@pytest.mark.parametrize("name", ["nowhere", "file", "layout", "nul\0"])
def test_bad_roots(tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    images.write_layout(tmp_path / "layout", {"1": IMAGE})
    with pytest.raises(RootError) as caught:
        load(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message


def test_a_directory_that_cannot_be_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images.write_layout(tmp_path / "app", {"1": IMAGE})
    (tmp_path / "secret").mkdir()
    real_open = os.open

    def refuse(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == "secret":
            raise PermissionError(13, "Permission denied")
        return real_open(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
    snapshot = load(tmp_path)
    assert set(snapshot.repositories) == {"app"}
    assert left_out(snapshot) == {"secret": "unreadable"}


def test_a_root_that_cannot_be_listed(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(RootError, match="Permission denied"):
        load(tmp_path)


def test_links_among_the_directories_of_layouts(tmp_path: pathlib.Path) -> None:
    outside = images.write_layout(tmp_path / "outside" / "app", {"1": IMAGE})
    images.write_layout(tmp_path / "root" / "team" / "app", {"1": IMAGE})
    (tmp_path / "root" / "team" / "link").symlink_to(outside)
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "nowhere").symlink_to("nothing")
    snapshot = load(tmp_path / "root")
    assert set(snapshot.repositories) == {"team/app"}
    assert left_out(snapshot) == dict.fromkeys(["loop", "nowhere", "team/link"], "file_refused")


@pytest.mark.parametrize("swapped", ["team", "team/app"])
def test_a_directory_swapped_for_a_link_between_listing_and_opening(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    images.write_layout(tmp_path / "outside" / "app", {"evil": IMAGE})
    images.write_layout(tmp_path / "outside" / "evil", {"evil": IMAGE})
    root = tmp_path / "root"
    images.write_layout(root / "team" / "app", {"1": IMAGE})
    images.write_layout(root / "good", {"1": IMAGE})
    listing = directories.list_directory

    def list_and_swap(fd: int) -> object:
        entries = listing(fd)
        if swapped.rpartition("/")[2] in entries:
            (root / swapped).rename(tmp_path / "away")
            (root / swapped).symlink_to(tmp_path / "outside")
        return entries

    monkeypatch.setattr(loading, "list_directory", list_and_swap)
    snapshot = load(root)
    assert set(snapshot.repositories) == {"good"}
    assert left_out(snapshot) == {swapped: "file_refused"}


def test_a_layout_swapped_while_it_is_inspected(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = images.write_layout(tmp_path / "outside", {"evil": IMAGE})
    app = images.write_layout(tmp_path / "root" / "app", {"1": IMAGE})
    begin = inspection.begin_inspection

    def swap_and_begin(*args: t.Any, **more: t.Any) -> object:
        app.rename(tmp_path / "away")
        app.symlink_to(outside)
        return begin(*args, **more)

    monkeypatch.setattr(loading, "begin_inspection", swap_and_begin)
    app_then = load(tmp_path / "root").repositories["app"]
    assert app_then.tag_names == ("1",)
    # the same bytes, but another file: not the one that was verified
    assert ContentFile.open(app_then.tags["1"]) is None


def test_no_file_stays_open(tmp_path: pathlib.Path) -> None:
    layout_corpus.write_corpus(tmp_path)
    load(tmp_path)
    before = open_descriptors()
    load(tmp_path)
    assert open_descriptors() <= before


@pytest.mark.parametrize("workers", [0, 1, 5])
def test_the_number_of_threads_changes_nothing(tmp_path: pathlib.Path, workers: int) -> None:
    large = [images.layer([images.file("a", bytes([n]) * 100_000)], compression="none") for n in range(12)]
    for number in range(40):
        images.write_layout(tmp_path / f"app{number}", {"1": images.image(large)})
    layout_corpus.flip(large[7].digest)(tmp_path / "app3")
    layout_corpus.flip(large[2].digest)(tmp_path / "app3")
    layout_corpus.append(large[1].digest)(tmp_path / "app3")
    snapshot = load_snapshot(str(tmp_path), workers=workers)
    assert list(snapshot.repositories) == [name for name in sorted(os.listdir(tmp_path)) if name != "app3"]
    (left,) = snapshot.left_out
    assert (left.name, left.kind) == ("app3", "wrong_size")
    assert left.reason.endswith("(2 more problems.)")
    assert len(snapshot.repositories["app0"].blobs) == 14


def test_progress_is_reported_by_the_bytes_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_progress, "_STEP", 300_000)
    large = [images.layer([images.file("a", bytes([n]) * 100_000)], compression="none") for n in range(10)]
    images.write_layout(tmp_path / "app", {"1": images.image(large)})
    told: list[str] = []
    load_snapshot(str(tmp_path), progress=told.append)
    read = sum(layer.size for layer in large)
    assert len(told) == read // 300_000
    assert "3 GiB" in told[-1]


def test_loading_a_small_registry_reports_no_progress(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "app", {"1": IMAGE})
    told: list[str] = []
    load_snapshot(str(tmp_path), progress=told.append)
    assert told == []


@pytest.mark.parametrize("workers", [0, 2])
def test_progress_can_end_the_loading(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    class Stopped(Exception):
        pass

    def stop(text: str) -> None:
        raise Stopped

    monkeypatch.setattr(load_progress, "_STEP", 100_000)
    large = [images.layer([images.file("a", bytes([n]) * 300_000)], compression="none") for n in range(30)]
    images.write_layout(tmp_path / "app", {"1": images.image(large)})
    before = open_descriptors()
    with pytest.raises(Stopped):
        load_snapshot(str(tmp_path), progress=stop, workers=workers)
    assert open_descriptors() <= before
