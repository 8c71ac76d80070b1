# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option layout of oci_image_unpack and oci_image_info: images from layouts and archives, without a registry."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack import limits
from ansible_collections.attested.registry.tests.support.images import archives, images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

FULL = "docker.io/library/app"


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "tree"


@pytest.fixture
def unpack(run_module: t.Any, dest: pathlib.Path) -> t.Any:
    def run(layout: pathlib.Path, **options: t.Any) -> t.Any:
        settings = {"layout": str(layout), "dest": str(dest), "ownership": False, "platform": "linux/amd64"}
        return run_module("oci_image_unpack", **{**settings, **options})

    return run


@pytest.fixture
def info(run_module: t.Any) -> t.Any:
    def run(layout: pathlib.Path, **options: t.Any) -> t.Any:
        return run_module("oci_image_info", **{"layout": str(layout), "platform": "linux/amd64", **options})

    return run


SHAPES = ("directory", "archive", "archive of .", "gzip", "zstd", "docker save, old", "docker save, new", "podman save")


def write(path: pathlib.Path, shape: str, named: dict[str, images.Image]) -> pathlib.Path:
    """Write images with these tags in one of the shapes. Archives of docker and podman call them app:TAG."""
    full = {f"app:{tag}": image for tag, image in named.items()}
    if shape == "directory":
        return images.write_layout(path, named)
    data = {
        "archive": lambda: archives.oci_archive(named),
        "archive of .": lambda: archives.tar_of(archives.layout_files(named), prefix="./"),
        "gzip": lambda: archives.oci_archive(named, compression="gzip"),
        "zstd": lambda: archives.oci_archive(named, compression="zstd"),
        "docker save, old": lambda: archives.docker_save_old(full),
        "docker save, new": lambda: archives.docker_save_new(full),
        "podman save": lambda: archives.podman_save(full),
    }[shape]()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("option", "value"), [("max_unpacked_bytes", 1000), ("max_ratio", 1)])
def test_the_limits_of_the_task_are_those_of_a_compressed_archive(
    unpack: t.Any,
    dest: pathlib.Path,
    tmp_path: pathlib.Path,
    new: images.Image,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    value: int,
) -> None:
    monkeypatch.setattr(limits, "RATIO_FLOOR", 1000)
    path = write(tmp_path / "images", "gzip", {"2": new})
    done = unpack(path, **{option: value})
    assert (done["error"]["kind"], dest.exists()) == ("limit_exceeded", False)
    assert f"it decompresses to more than the limit ({option}: {value})" in done["msg"]


@pytest.mark.parametrize("shape", SHAPES)
def test_check_run_check_run(
    unpack: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path, new: images.Image, shape: str
) -> None:
    path = write(tmp_path / "images", shape, {"2": new})
    assert unpack(path, check=True)["changed"]
    assert not dest.exists()
    done = unpack(path, reference="2")
    assert done["changed"], done
    assert (dest / "etc/motd").read_text() == "good morning\n"
    image = done["image"]
    assert (image["source"], image["registry"], image["repository"], image["tag"]) == ("layout", None, str(path), "2")
    assert image["config_digest"] == new.config.digest
    assert (done["stats"]["requests"], done["stats"]["downloaded_bytes"]) == (0, 0)
    for check in (True, False):
        again = unpack(path, reference="2", check=check)
        assert (again["changed"], again["image"], again["stats"]["requests"]) == (False, image, 0)
    (dest / "etc/motd").write_text("changed\n")
    assert unpack(path)["changed"]
    assert (dest / "etc/motd").read_text() == "good morning\n"


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_from_a_registry_is_the_same_image(
    run_module: t.Any, unpack: t.Any, registry: t.Any, tmp_path: pathlib.Path, new: images.Image, shape: str
) -> None:
    registry.publish("app", {"2": new})
    options = {"dest": str(tmp_path / "tree"), "ownership": False, "platform": "linux/amd64"}
    pulled = run_module("oci_image_unpack", registry=registry.name, repository="app", reference="2", **options)
    assert (pulled["image"]["source"], pulled["image"]["registry"]) == ("registry", registry.name)
    again = unpack(write(tmp_path / "images", shape, {"2": new}))
    assert (again["changed"], again["image"]["source"]) == (False, "layout")


@pytest.mark.parametrize("shape", SHAPES)
def test_all_is_verified(
    unpack: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path, new: images.Image, shape: str
) -> None:
    """One changed byte of a layer, in whichever shape it is stored."""
    path = write(tmp_path / "images", shape if shape not in ("gzip", "zstd") else "archive", {"2": new})
    file = path / images.blob_path("", new.layers[0].digest) if path.is_dir() else path
    data = file.read_bytes()
    plain = shape in ("docker save, old", "docker save, new", "podman save")
    stored = new.layers[0].tar if plain else new.layers[0].data
    at = data.index(stored) + (len(stored) // 2 if not plain else 1500)
    file.write_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
    done = unpack(path)
    assert done.failed
    assert done["error"]["kind"] in ("digest_mismatch", "layer_invalid", "diff_id_mismatch"), done["msg"]
    assert not dest.exists()


def test_the_platform_is_selected(info: t.Any, tmp_path: pathlib.Path, base: images.Layer) -> None:
    arm, amd = images.image([base], platform="linux/arm64"), images.image([base])
    many = images.index([arm, amd])
    path = write(tmp_path / "images", "archive", {"1": many})  # type: ignore[dict-item]
    found = info(path)["image"]
    assert (found["digest"], found["index_digest"]) == (amd.digest, many.digest)
    assert info(path, platform="linux/arm64")["image"]["digest"] == arm.digest
    assert info(path, reference=arm.digest, platform="linux/arm64")["image"]["digest"] == arm.digest
    missing = info(path, platform="linux/s390x")
    assert missing["error"]["kind"] == "platform_not_found"
    assert missing["error"]["layout"] == str(path)


def test_a_sparse_index_has_the_platforms_that_are_there(
    info: t.Any, tmp_path: pathlib.Path, base: images.Layer
) -> None:
    arm, amd = images.image([base], platform="linux/arm64"), images.image([base])
    files = archives.layout_files({"1": images.index([arm, amd])})
    del files[f"blobs/{arm.digest.replace(':', '/')}"]
    path = tmp_path / "images.tar"
    path.write_bytes(archives.tar_of(files))
    assert info(path)["image"]["digest"] == amd.digest
    missing = info(path, platform="linux/arm64")
    assert missing["error"]["kind"] == "not_found"
    assert arm.digest in missing["msg"]


@pytest.mark.parametrize("reference", ["2", "app:2", "docker.io/library/app:2", "localhost/app:2"])
@pytest.mark.parametrize("shape", ["docker save, old", "docker save, new", "podman save"])
def test_an_image_has_a_tag_and_a_full_name(
    info: t.Any, tmp_path: pathlib.Path, old: images.Image, new: images.Image, shape: str, reference: str
) -> None:
    path = write(tmp_path / "images", shape, {"1": old, "2": new})
    found = info(path, reference=reference)
    if (shape == "podman save") == (reference.startswith("localhost")) or reference == "2":
        assert (found["image"]["config_digest"], found["image"]["tag"]) == (new.config.digest, "2")
    else:
        assert found["error"]["kind"] == "not_found"
        assert "app:1" in found["msg"]


@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_reference_there_must_be_one_image(
    info: t.Any, tmp_path: pathlib.Path, old: images.Image, new: images.Image, shape: str
) -> None:
    path = write(tmp_path / "images", shape, {"1": old, "2": new})
    found = info(path)
    assert found["error"]["kind"] == "ambiguous"
    assert all(tag in found["msg"] for tag in ("1", "2"))
    wrong = info(path, reference="3")
    assert (wrong["error"]["kind"], wrong["error"]["reference"]) == ("not_found", "3")


def test_the_only_image_may_have_no_tag_or_several(info: t.Any, tmp_path: pathlib.Path, old: images.Image) -> None:
    one = images.write_layout(tmp_path / "one", {}, untagged=[old])
    assert (info(one)["image"]["tag"], info(one)["image"]["digest"]) == (None, old.digest)
    two = images.write_layout(tmp_path / "two", {"1": old, "1.0": old})
    assert (info(two)["image"]["tag"], info(two)["image"]["digest"]) == (None, old.digest)
    assert info(two, tag="1.0")["image"]["tag"] == "1.0"


def test_the_same_tag_of_two_names_is_ambiguous(
    info: t.Any, tmp_path: pathlib.Path, old: images.Image, new: images.Image
) -> None:
    for shape in (archives.docker_save_old, archives.docker_save_new):
        path = tmp_path / "images.tar"
        path.write_bytes(shape({"a:latest": old, "b:latest": new}))
        found = info(path, reference="latest")
        assert (found["error"]["kind"], "b:latest" in found["msg"]) == ("ambiguous", True)
        assert info(path, reference="b:latest")["image"]["config_digest"] == new.config.digest
        assert info(path, reference="b")["error"]["kind"] == "not_found"


def test_a_digest_is_checked(info: t.Any, tmp_path: pathlib.Path, old: images.Image, new: images.Image) -> None:
    path = write(tmp_path / "images", "archive", {"1": old, "2": new})
    assert info(path, digest=new.digest)["image"]["digest"] == new.digest
    assert info(path, tag="2", digest=new.digest)["image"]["tag"] == "2"
    wrong = info(path, reference=f"1@{new.digest}")
    assert wrong["error"]["kind"] == "digest_mismatch"
    assert old.digest in wrong["msg"]
    missing = info(path, digest="sha256:" + "0" * 64)
    assert missing["error"]["kind"] == "not_found"
    assert info(path, reference="sha256:1")["error"]["kind"] == "reference_invalid"


def test_a_digest_that_is_there_reads_nothing(unpack: t.Any, tmp_path: pathlib.Path, old: images.Image) -> None:
    path = write(tmp_path / "images", "archive", {"1": old})
    assert unpack(path, digest=old.digest)["changed"]
    path.unlink()
    assert not unpack(path, digest=old.digest)["changed"]
    assert not unpack(path, reference=f"1@{old.digest}")["changed"]
    gone = unpack(path, reference="1")
    assert (gone["error"]["kind"], str(path) in gone["msg"]) == ("layout_invalid", True)


@pytest.mark.parametrize(
    "options",
    [{"name": "app"}, {"image": "app"}, {"foreign_layers": True}],
    ids=lambda options: next(iter(options)),
)
def test_options_for_another_image_are_refused(
    info: t.Any, tmp_path: pathlib.Path, old: images.Image, options: dict[str, t.Any]
) -> None:
    path = write(tmp_path / "images", "archive", {"1": old})
    found = info(path, **options)
    assert (found["error"]["kind"], next(iter(options)) in found["msg"]) == ("reference_invalid", True)


def test_options_of_the_connection_to_a_registry_are_not_used(
    unpack: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, old: images.Image
) -> None:
    """As module_defaults sets them for tasks with a registry. The files that they name need not exist."""
    path = write(tmp_path / "images", "archive", {"1": old})
    connection = {
        "registry": registry.name,
        "tls": "tls",
        "ca_path": str(tmp_path / "absent.pem"),
        "client_cert": str(tmp_path / "absent.crt"),
        "username": "me",
        "password": "s3cret",
        "auth_file": str(tmp_path / "absent.json"),
        "mirrors": [registry.name, {"registry": registry.name, "repository_prefix": "hub", "token": "t0ken"}],
        "retries": 0,
    }
    for check in (True, False):
        run = unpack(path, check=check, **connection)
        assert (run["changed"], run.warnings) == (True, [])
        assert "s3cret" not in run.output
    assert (run["image"]["source"], run["image"]["registry"]) == ("layout", None)
    assert not unpack(path, **connection)["changed"]
    assert registry.requests == []


@pytest.mark.parametrize("options", [{"username": "me"}, {"retries": "x"}, {"mirrors": [{}]}])
def test_options_of_the_connection_are_still_checked(
    info: t.Any, tmp_path: pathlib.Path, old: images.Image, options: dict[str, t.Any]
) -> None:
    run = info(write(tmp_path / "images", "archive", {"1": old}), **options)
    assert run.failed
    assert next(iter(options)) in run["msg"]


def test_a_compressed_archive_leaves_no_file(unpack: t.Any, tmp_path: pathlib.Path, old: images.Image) -> None:
    path = write(tmp_path / "images", "gzip", {"1": old})
    before = set(tmp_path.iterdir())
    assert unpack(path, check=True)["changed"]
    assert set(tmp_path.iterdir()) == before


def test_an_artifact_is_shown_and_not_unpacked(info: t.Any, unpack: t.Any, tmp_path: pathlib.Path) -> None:
    signature = images.artifact("application/vnd.example", [images.Content(b"signed", "text/plain")])
    path = write(tmp_path / "images", "archive", {"1": signature})
    assert info(path)["image"]["artifact_type"] == "application/vnd.example"
    assert unpack(path)["error"]["kind"] == "unsupported"


def test_the_path_may_be_a_link_and_blobs_may_not(info: t.Any, tmp_path: pathlib.Path, old: images.Image) -> None:
    layout = write(tmp_path / "images", "directory", {"1": old})
    link = tmp_path / "link"
    link.symlink_to(layout)
    assert info(link)["image"]["digest"] == old.digest
    blob = images.blob_path(layout, old.config.digest)
    blob.rename(tmp_path / "config")
    blob.symlink_to(tmp_path / "config")
    assert info(link)["error"]["kind"] == "file_refused"


def test_what_is_no_layout(info: t.Any, tmp_path: pathlib.Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    text = tmp_path / "text"
    text.write_text("hello" * 1000)
    for path, kind in ((empty, "layout_invalid"), (fifo, "archive_invalid"), (text, "archive_invalid")):
        found = info(path)
        assert (found["error"]["kind"], str(path) in found["msg"]) == (kind, True)
