# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_image_unpack_info shows trees as they are, changes nothing and waits for nobody."""

from __future__ import annotations

import json
import os
import pathlib
import time
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base import lock_file
from ansible_collections.attested.registry.plugins.module_utils._base.lock_file import lock
from ansible_collections.attested.registry.tests.support.images import images

ROOT = os.geteuid() == 0
UNKNOWN = {
    "managed": False,
    "locked": False,
    "image": None,
    "unpacked": None,
    "generation": None,
    "generations": [],
    "rolled_back_from": None,
    "options": None,
    "signature": None,
    "drift": [],
    "drift_total": None,
}


@pytest.fixture
def unpack(run_module: t.Any, tmp_path: pathlib.Path, old: images.Image, new: images.Image) -> t.Any:
    layout = images.write_layout(tmp_path / "layout", {"1.0": old, "2.0": new})

    def run(name: str, tag: str = "1.0", **options: t.Any) -> t.Any:
        settings = {"layout": str(layout), "reference": tag, "ownership": False, "platform": "linux/amd64"}
        done = run_module("oci_image_unpack", dest=str(tmp_path / "trees" / name), **{**settings, **options})
        assert not done.failed, done.results
        return done

    return run


@pytest.fixture
def info(run_module: t.Any, tmp_path: pathlib.Path) -> t.Any:
    def run(*names: str, **options: t.Any) -> t.Any:
        given = {"dest": [str(tmp_path / "trees" / name) for name in names]} if names else {}
        return run_module("oci_image_unpack_info", **{**given, **options})

    return run


def listing(path: pathlib.Path) -> list[tuple[str, int, int]]:
    return sorted((str(entry), entry.lstat().st_ino, entry.lstat().st_mtime_ns) for entry in path.rglob("*"))


def test_a_tree(unpack: t.Any, info: t.Any, tmp_path: pathlib.Path) -> None:
    done = unpack("app", exclude=["etc/none"], mount_points=["/proc"])
    before = listing(tmp_path)
    run = info("app")
    assert run["changed"] is False
    (tree,) = run["trees"]
    stamp = json.loads((tmp_path / "trees/.app.oci/generations/1/stamp.json").read_bytes())
    assert tree == {
        **UNKNOWN,
        "dest": str(tmp_path / "trees/app"),
        "exists": True,
        "managed": True,
        "problem": None,
        "image": done["image"],
        "unpacked": stamp["created"],
        "generation": 1,
        "options": {
            "ownership": False,
            "xattrs": "keep",
            "devices": "skip",
            "include": [],
            "exclude": ["etc/none"],
            "strip": "",
            "mount_points": ["/proc"],
            "mount_files": [],
        },
    }
    assert listing(tmp_path) == before
    assert info("app", check=True)["trees"] == run["trees"]


def test_generations(unpack: t.Any, info: t.Any, run_module: t.Any, old: images.Image, tmp_path: pathlib.Path) -> None:
    first = unpack("app")
    unpack("app", "2.0")
    (tree,) = info("app")["trees"]
    assert (tree["generation"], tree["image"]["tag"], tree["rolled_back_from"]) == (2, "2.0", None)
    (kept,) = tree["generations"]
    assert kept == {
        "generation": 1,
        "repository": first["image"]["repository"],
        "tag": "1.0",
        "digest": old.digest,
        "unpacked": kept["unpacked"],
        "foreign": False,
        "drifted": False,
        "problem": None,
    }
    run_module("oci_image_unpack", dest=str(tmp_path / "trees/app"), state="rolled_back")
    (tree,) = info("app")["trees"]
    assert (tree["generation"], tree["rolled_back_from"]) == (1, 2)


def test_a_tree_that_was_there_before(unpack: t.Any, info: t.Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "trees/app").mkdir(parents=True)
    (tmp_path / "trees/app/file").touch()
    assert info("app")["trees"][0] == {
        **UNKNOWN,
        "dest": str(tmp_path / "trees/app"),
        "exists": True,
        "problem": None,
    }
    unpack("app", force=True)
    (kept,) = info("app")["trees"][0]["generations"]
    assert (kept["foreign"], kept["digest"], kept["repository"], kept["unpacked"]) == (True, None, None, None)


def test_drift_on_request(unpack: t.Any, info: t.Any, tmp_path: pathlib.Path) -> None:
    unpack("app", drift="content")
    unpack("other")
    for name in ("app", "other"):
        motd = tmp_path / "trees" / name / "etc/motd"
        status = motd.stat()
        motd.write_bytes(b"HELLO\n")
        os.utime(motd, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [(tree["drift"], tree["drift_total"]) for tree in info("app", "other")["trees"]] == [([], None)] * 2
    assert [tree["drift_total"] for tree in info("app", "other", drift="metadata")["trees"]] == [0, 0]
    first, second = info("app", "other", drift="content")["trees"]
    assert (first["drift"], first["drift_total"]) == ([{"path": "etc/motd", "change": "content"}], 1)
    assert second["drift"][0]["change"] == "record"


def test_all_trees_of_a_directory(unpack: t.Any, info: t.Any, tmp_path: pathlib.Path) -> None:
    for name in ("b", "a", ".hidden"):
        unpack(name)
    trees = tmp_path / "trees"
    for name in ("plain", ".oci", "..oci", "c.oci"):
        (trees / name).mkdir()
    (trees / ".file.oci").touch()
    (trees / ".link.oci").symlink_to(".a.oci")
    expected = [str(trees / name) for name in (".hidden", "a", "b")]
    assert [tree["dest"] for tree in info(below=str(trees))["trees"]] == expected
    run = info("b", below=str(trees))
    assert [tree["dest"] for tree in run["trees"]] == [expected[2], expected[0], expected[1]]
    assert info(below=str(trees), query="trees[].image.tag")["query_result"] == ["1.0"] * 3


def test_a_tree_that_is_missing(unpack: t.Any, info: t.Any, tmp_path: pathlib.Path) -> None:
    unpack("app")
    (tmp_path / "trees/app").rename(tmp_path / "away")
    (tree,) = info(below=str(tmp_path / "trees"), drift="metadata")["trees"]
    assert (tree["exists"], tree["managed"], tree["image"]["tag"]) == (False, True, "1.0")
    assert tree["drift"] == [{"path": ".", "change": "removed"}]
    for path in ("none", "no/such/directory"):
        assert info(path)["trees"] == [
            {**UNKNOWN, "dest": str(tmp_path / "trees" / path), "exists": False, "problem": None}
        ]


def test_one_that_cannot_be_read_does_not_hide_the_others(unpack: t.Any, info: t.Any, tmp_path: pathlib.Path) -> None:
    for name in ("a", "b", "c"):
        unpack(name)
    (tmp_path / "trees/.a.oci/state.json").write_text("{")
    (tmp_path / "trees/.b.oci/generations/1/stamp.json").write_text('{"format": 99}')
    (tmp_path / "trees/link").symlink_to("c")
    first, second, third, link = info("a", "b", "c", "link")["trees"]
    assert "state.json is invalid" in first["problem"]
    assert (first["exists"], first["managed"]) == (True, False)
    assert "format 99" in second["problem"]
    assert (second["managed"], second["generation"], second["image"]) == (True, 1, None)
    assert (third["problem"], third["image"]["tag"]) == (None, "1.0")
    assert "symbolic link" in link["problem"]
    assert link["exists"] is False


@pytest.mark.parametrize("path", ["relative", "/", "/tmp/.."])  # noqa: S108
def test_paths_that_cannot_be_trees(info: t.Any, path: str) -> None:
    # Ansible makes no absolute path of it
    (tree,) = info(dest=[path])["trees"]
    assert "cannot be used" in tree["problem"]


@pytest.mark.parametrize("below", ["relative", "/no/such/directory", "/etc/passwd"])
def test_directories_that_cannot_be_listed(info: t.Any, below: str) -> None:
    run = info(below=below)
    assert run["error"]["kind"] in ("destination", "filesystem")
    assert below in run["msg"]


def test_one_of_two_options_is_needed(info: t.Any) -> None:
    assert "one of the following is required: dest, below" in info()["msg"]


def test_a_tree_that_another_task_changes(
    unpack: t.Any, info: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack("app")
    unpack("other")
    descriptor = os.open(tmp_path / "trees/.app.oci/lock", os.O_RDWR)
    try:
        assert lock(descriptor, deadline=time.monotonic())
        monkeypatch.setattr(lock_file.time, "sleep", pytest.fail)  # nothing waits for the lock
        first, second = info(below=str(tmp_path / "trees"))["trees"]
    finally:
        os.close(descriptor)
    expected = {**UNKNOWN, "dest": str(tmp_path / "trees/app"), "exists": True, "managed": True, "problem": None}
    assert first == {**expected, "locked": True}
    assert second["image"]["tag"] == "1.0"
