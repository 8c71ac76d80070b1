# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_layout_info shows what is in layouts, and every fault that the registry server would report."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.tests.support.images import images, layout_corpus

BASE = images.layer([images.file("base", b"b" * 5000)])
AMD64 = images.image([BASE, images.layer([images.file("arch", b"amd64")])])
ARM64 = images.image([BASE], platform="linux/arm64")
MANY = images.index([AMD64, ARM64])


@pytest.fixture
def info(run_module: t.Any) -> t.Any:
    def run(path: pathlib.Path, **options: t.Any) -> t.Any:
        found = run_module("oci_layout_info", path=str(path), **options)
        assert found["changed"] is False
        return found["layouts"]

    return run


def size_of(*contents: images.Content) -> int:
    blobs = {digest: data for content in contents for digest, data in content.blobs().items()}
    return sum(map(len, blobs.values()))


def test_shows_a_layout(info: t.Any, tmp_path: pathlib.Path) -> None:
    path = images.write_layout(tmp_path / "app", {"1.0": AMD64, "many": MANY}, untagged=[ARM64])
    images.write_blob(path, "sha256:" + "0" * 64, b"orphan")
    (found,) = info(path)
    blobs = {**MANY.blobs()}
    assert found["images"] == [
        {
            "tag": tag,
            "digest": content.digest,
            "media_type": content.media_type,
            "platforms": platforms,
            "size": size_of(content),
            "subject": None,
            "artifact_type": None,
        }
        for tag, content, platforms in (
            ("1.0", AMD64, ["linux/amd64"]),
            ("many", MANY, ["linux/amd64", "linux/arm64"]),
            (None, ARM64, ["linux/arm64"]),
        )
    ]
    del found["images"]
    assert found == {
        "path": str(path),
        "name": None,
        "sound": True,
        "tags": {"1.0": AMD64.digest, "many": MANY.digest},
        "blobs": len(blobs),
        "size": size_of(MANY),
        "orphans": ["sha256/" + "0" * 64],
        "warnings": [],
        "faults": [],
    }


def test_says_what_refers_to_an_image(info: t.Any, tmp_path: pathlib.Path) -> None:
    sbom = images.artifact("application/spdx+json", [], changes={"subject": AMD64.descriptor()})
    around = images.index([ARM64], changes={"subject": sbom.descriptor()})
    (found,) = info(images.write_layout(tmp_path / "app", {"1.0": AMD64}, untagged=[sbom, around]))
    assert [(entry["tag"], entry["subject"], entry["artifact_type"]) for entry in found["images"]] == [
        ("1.0", None, None),
        (None, AMD64.digest, "application/spdx+json"),
        (None, sbom.digest, None),
    ]


def test_finds_all_layouts_below(info: t.Any, tmp_path: pathlib.Path) -> None:
    for name in ("b", "team/app", "team/app/inside", "a/deep/down"):
        images.write_layout(tmp_path / name, {"1": ARM64})
    (tmp_path / "link").symlink_to(tmp_path / "b")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "team" / "fifo")
    assert [found["name"] for found in info(tmp_path, recurse=True)] == ["a/deep/down", "b", "team/app"]
    assert [found["name"] for found in info(tmp_path / "b", recurse=True)] == [None]
    assert info(tmp_path / "empty", recurse=True) == []


def test_content_is_hashed_on_demand(info: t.Any, tmp_path: pathlib.Path) -> None:
    path = images.write_layout(tmp_path / "app", {"1": ARM64})
    images.write_blob(path, BASE.digest, BASE.data[:-1] + b"x")
    assert info(path)[0]["sound"]
    (found,) = info(path, validate=True)
    assert (found["sound"], [fault["kind"] for fault in found["faults"]]) == (False, ["wrong_digest"])
    assert found["faults"][0]["digest"] == BASE.digest
    assert BASE.digest in found["faults"][0]["msg"]


@pytest.mark.parametrize("case", layout_corpus.CORPUS, ids=lambda case: case.name)
def test_faults_are_those_of_the_server(info: t.Any, tmp_path: pathlib.Path, case: layout_corpus.Case) -> None:
    path = tmp_path / case.name
    case.write(path)
    (found,) = info(path, validate=True)
    inspection = inspect_layout(str(path))
    assert [fault["kind"] for fault in found["faults"]] == [problem.kind for problem in inspection.problems]
    assert found["sound"] is (case.kind is None)
    assert found["tags"] == {tag: str(digest) for tag, digest in inspection.layout.tags.items()}
    assert found["orphans"] == list(inspection.orphans)


def test_a_sparse_index_has_the_platforms_that_are_there(info: t.Any, tmp_path: pathlib.Path) -> None:
    path = images.write_layout(tmp_path / "app", {"many": MANY})
    images.blob_path(path, ARM64.digest).unlink()
    (found,) = info(path)
    assert (found["sound"], found["images"][0]["platforms"]) == (True, ["linux/amd64"])
    assert len(found["warnings"]) == 1


def test_no_directory_is_an_error(run_module: t.Any, tmp_path: pathlib.Path) -> None:
    failed = run_module("oci_layout_info", path=str(tmp_path / "none"), recurse=True)
    assert failed["error"]["kind"] == "layout_invalid"
