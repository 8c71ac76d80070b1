# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_archive keeps an image as one file, always with the same bytes, and replaces it in one step."""

from __future__ import annotations

import errno
import io
import json
import os
import pathlib
import random
import tarfile
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._archive.pending import pending_archive
from ansible_collections.attested.registry.tests.support.images import archives, images
from ansible_collections.attested.registry.tests.support.images.written_files import identity, left
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply

NOISE = random.Random(1).randbytes(400_000)
AMD64 = images.image([images.layer([images.file("etc/arch", b"amd64\n")])], platform="linux/amd64")
ARM64 = images.image([images.layer([images.file("etc/arch", b"arm64\n")])], platform="linux/arm64")
MANY = images.index([AMD64, ARM64])
BASE = images.layer([images.file("noise", NOISE)], compression="none")
LARGE = images.image([BASE])
LARGER = images.image([BASE, images.layer([images.file("etc/new", b"new\n")])])
ZSTD = images.image([images.layer([images.file("z")], compression="zstd")])


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "images" / "app.tar"


@pytest.fixture
def archive(run_module: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> t.Any:
    contents = {"1.0": AMD64, "2.0": LARGE, "3.0": LARGER, "many": MANY, "zstd": ZSTD}
    registry.publish("team/app", contents)

    def run(**options: t.Any) -> t.Any:
        settings = {"registry": registry.name, "repository": "team/app", "dest": str(dest), "retries": 0}
        if "layout" in options:
            settings = {"dest": str(dest)}
        result = run_module("oci_archive", **{**settings, **options})
        # no test expects an internal error
        assert result.results.get("error", {}).get("kind") != "internal", result["msg"]
        return result

    return run


def done(result: t.Any) -> t.Any:
    assert not result.failed, result["msg"]
    return result


def members(data: bytes) -> dict[str, bytes | None]:
    """The members of an archive, None for directories."""
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        found = {}
        for member in opened:
            file = opened.extractfile(member)
            found[member.name] = None if file is None else file.read()
        return found


def blobs_of(*contents: images.Content) -> dict[str, bytes]:
    return {
        "blobs/" + digest.replace(":", "/"): data for content in contents for digest, data in content.blobs().items()
    }


def entry_of(data: bytes) -> t.Any:
    (entry,) = json.loads(members(data)["index.json"] or b"")["manifests"]
    return entry


def test_check_run_check_run(archive: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    first = done(archive(reference="many", check=True, diff=True))
    assert (first["changed"], first["digest"], first["before"]) == (True, MANY.digest, None)
    assert first["blobs"] == {"present": 0, "downloaded": 7, "left_out": 0}
    assert not dest.parent.exists()
    assert not [request for request in registry.sent("/blobs/", method="GET") if AMD64.layers[0].digest in request.path]

    second = done(archive(reference="many", diff=True))
    assert second["changed"] is True
    assert second["diff"] == first["diff"]
    assert second["diff"]["before"] == {"digest": None, "names": [], "format": None, "compression": None}
    name = f"{registry.name}/team/app:many"
    assert second["diff"]["after"] == {
        "digest": MANY.digest,
        "names": sorted([name, "many"]),
        "format": "oci",
        "compression": "none",
    }
    assert (second["tag"], second["full_name"], second["size"]) == ("many", name, dest.stat().st_size)
    assert left(dest) == []
    assert dest.stat().st_mode & 0o7777 == 0o666 & ~current_umask()

    registry.clear()
    before = identity(dest)
    for check in (True, False):
        again = done(archive(reference="many", check=check))
        assert (again["changed"], again["before"]) == (False, MANY.digest)
        assert (again["stats"]["downloaded_bytes"], again["stats"]["requests"]) == (0, 1)
        assert again["blobs"] == {"present": 7, "downloaded": 0, "left_out": 0}
        assert again["image"] == second["image"]
    assert [request.method for request in registry.requests] == ["HEAD", "HEAD"]
    assert identity(dest) == before


def current_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_the_members_of_an_oci_archive(archive: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    done(archive(reference="1.0"))
    found = members(dest.read_bytes())
    assert list(found) == sorted(found)
    files = {name: data for name, data in found.items() if data is not None}
    index, version = files.pop("index.json"), files.pop("oci-layout")
    assert json.loads(version) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads(index)["manifests"] == [
        {
            "mediaType": AMD64.media_type,
            "digest": AMD64.digest,
            "size": AMD64.size,
            "annotations": {
                archives.CONTAINERD_NAME: f"{registry.name}/team/app:1.0",
                images.REF_NAME: "1.0",
            },
        }
    ]
    assert files == blobs_of(AMD64)
    with tarfile.open(dest) as opened:
        for member in opened:
            assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 0)
            assert member.mode == (0o755 if member.isdir() else 0o644)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("form", ["oci", "docker"])
def test_the_same_image_is_the_same_file(
    archive: t.Any, run_module: t.Any, tmp_path: pathlib.Path, form: str, compression: str
) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    options = {"reference": "3.0", "format": form, "compression": compression}
    done(archive(dest=str(first), **options))
    # from another state, and from another source
    done(archive(dest=str(second), **{**options, "reference": "2.0"}))
    assert done(archive(dest=str(second), **options))["before"] == LARGE.digest
    done(run_module("oci_archive", layout=str(first), dest=str(third), format=form, compression=compression))
    assert first.read_bytes() == second.read_bytes() == third.read_bytes()
    again = done(archive(dest=str(first), **options))
    assert (again["changed"], again["stats"]["downloaded_bytes"]) == (False, 0)


def test_what_the_archive_has_is_not_downloaded_again(
    archive: t.Any, dest: pathlib.Path, registry: FaultyRegistry
) -> None:
    done(archive(reference="2.0"))
    registry.clear()
    run = done(archive(reference="3.0"))
    assert run["blobs"] == {"present": 1, "downloaded": 3, "left_out": 0}
    assert registry.sent(BASE.digest) == []
    assert entry_of(dest.read_bytes())["digest"] == LARGER.digest


def test_an_archive_for_docker(archive: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    run = done(archive(reference="3.0", format="docker"))
    found = members(dest.read_bytes())
    assert json.loads(found["manifest.json"] or b"") == [
        {
            "Config": "blobs/" + LARGER.config.digest.replace(":", "/"),
            "RepoTags": [f"{registry.name}/team/app:3.0"],
            "Layers": ["blobs/" + layer.digest.replace(":", "/") for layer in LARGER.layers],
        }
    ]
    assert run["digest"] == LARGER.digest
    assert done(archive(reference="3.0", format="docker"))["changed"] is False
    other = done(archive(reference="3.0", diff=True))
    assert (other["changed"], other["stats"]["downloaded_bytes"]) == (True, 0)
    assert (other["diff"]["before"]["format"], other["diff"]["after"]["format"]) == ("docker", "oci")
    assert "manifest.json" not in members(dest.read_bytes())


def test_one_platform(archive: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    for form in ("oci", "docker"):
        run = done(archive(reference="many", platform="linux/arm64", format=form))
        assert run["digest"] == ARM64.digest
        assert run["image"]["index_digest"] == MANY.digest
        assert set(blobs_of(ARM64)) <= set(members(dest.read_bytes()))
        assert not set(blobs_of(AMD64)) & set(members(dest.read_bytes()))
        registry.clear()
        again = done(archive(reference="many", platform="linux/arm64", format=form))
        assert (again["changed"], again["stats"]["requests"]) == (False, 1)


def test_docker_takes_neither_all_platforms_nor_artifacts(
    archive: t.Any, dest: pathlib.Path, registry: FaultyRegistry
) -> None:
    run = archive(reference="many", format="docker", platform="all")
    assert run["error"]["kind"] == "configuration"
    assert "platform" in run["msg"]
    registry.publish("team/app", {"artifact": images.artifact("application/x", [images.layer([])])})
    run = archive(reference="artifact", format="docker")
    assert run["error"]["kind"] == "unsupported", run["msg"]
    assert not dest.parent.exists()


def test_docker_takes_no_layer_with_another_diff_id(
    archive: t.Any, dest: pathlib.Path, registry: FaultyRegistry
) -> None:
    layer = images.layer([images.file("a")])
    other = images.layer([images.file("b")])
    config = images.config([other])
    registry.publish("team/app", {"wrong": images.image([layer], config_content=config)})
    run = archive(reference="wrong", format="docker")
    assert run["error"]["kind"] == "digest_mismatch", run["msg"]
    assert layer.digest in run["msg"]
    assert not dest.exists()
    assert done(archive(reference="wrong"))["changed"] is True


@pytest.mark.parametrize(
    ("options", "tag", "full"),
    [
        ({"reference": "1.0", "dest_name": "stable"}, "stable", "{registry}/team/app:stable"),
        ({"reference": "1.0", "dest_name": "quay.io/org/app:2"}, "2", "quay.io/org/app:2"),
        ({"reference": "1.0", "dest_name": "app:2"}, "2", "docker.io/library/app:2"),
        ({"digest": AMD64.digest}, None, None),
        ({"reference": f"1.0@{AMD64.digest}"}, "1.0", "{registry}/team/app:1.0"),
    ],
)
def test_names(
    archive: t.Any, dest: pathlib.Path, registry: FaultyRegistry, options: t.Any, tag: str | None, full: str | None
) -> None:
    full = None if full is None else full.format(registry=registry.name)
    run = done(archive(**options, format="docker", platform="linux/amd64"))
    assert (run["tag"], run["full_name"]) == (tag, full)
    annotations = entry_of(dest.read_bytes()).get("annotations", {})
    assert (annotations.get(images.REF_NAME), annotations.get(archives.CONTAINERD_NAME)) == (tag, full)
    (listed,) = json.loads(members(dest.read_bytes())["manifest.json"] or b"")
    assert listed["RepoTags"] == (None if full is None else [full])
    again = done(archive(**options, format="docker", platform="linux/amd64"))
    assert again["changed"] is False


def test_another_name_is_a_change_without_a_download(archive: t.Any, registry: FaultyRegistry) -> None:
    done(archive(reference="2.0"))
    registry.clear()
    run = done(archive(reference="2.0", dest_name="stable", diff=True))
    assert (run["changed"], run["stats"]["downloaded_bytes"]) == (True, 0)
    assert run["diff"]["before"]["digest"] == run["diff"]["after"]["digest"] == LARGE.digest
    assert "2.0" in run["diff"]["before"]["names"]
    assert "stable" in run["diff"]["after"]["names"]


def test_a_name_with_a_digest_is_refused(archive: t.Any) -> None:
    run = archive(reference="1.0", dest_name=f"app@{AMD64.digest}")
    assert run["error"]["kind"] == "reference_invalid"
    assert "dest_name" in run["msg"]


@pytest.mark.parametrize("make", ["layout", "oci", "docker_save_old", "docker_save_new", "podman_save"])
def test_from_a_layout_or_archive(archive: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path, make: str) -> None:
    source = tmp_path / "source"
    if make == "layout":
        images.write_layout(source, {"1.0": LARGER})
    elif make == "oci":
        source.write_bytes(archives.oci_archive({"1.0": LARGER}))
    else:
        source.write_bytes(getattr(archives, make)({"team/app:1.0": LARGER}))
    run = done(archive(layout=str(source), reference="1.0"))
    assert (run["stats"]["downloaded_bytes"], run["stats"]["requests"]) == (0, 0)
    assert run["stats"]["seconds"]["download"] == 0 < run["stats"]["seconds"]["publish"]
    assert run["image"]["config_digest"] == LARGER.config.digest
    assert run["image"]["source"] == "layout"
    assert (run["full_name"] is not None) == make.startswith(("docker", "podman"))
    assert archive(layout=str(source), reference="1.0")["changed"] is False
    assert left(dest) == []


def test_the_source_may_be_gone_if_the_digest_is_there(archive: t.Any, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "source.tar"
    source.write_bytes(archives.oci_archive({"1.0": LARGER}))
    done(archive(layout=str(source), digest=LARGER.digest))
    source.unlink()
    assert done(archive(layout=str(source), digest=LARGER.digest))["changed"] is False


def test_a_damaged_source_is_noticed(archive: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "source.tar"
    data = bytearray(archives.oci_archive({"1.0": LARGER}))
    position = data.index(NOISE[:100])
    data[position] ^= 1
    source.write_bytes(bytes(data))
    run = archive(layout=str(source))
    assert run["error"]["kind"] == "digest_mismatch"
    assert not dest.parent.exists()


def test_the_archive_itself_as_the_source(archive: t.Any, dest: pathlib.Path) -> None:
    done(archive(reference="3.0"))
    run = done(archive(layout=str(dest), format="docker", platform="linux/amd64"))
    assert (run["changed"], run["digest"]) == (True, LARGER.digest)


def test_archives_are_read_by_the_other_modules(archive: t.Any, run_module: t.Any, dest: pathlib.Path) -> None:
    for options in ({}, {"compression": "gzip"}, {"format": "docker"}):
        run = done(archive(reference="3.0", **options))
        info = run_module("oci_image_info", layout=str(dest), reference=run["full_name"], platform="linux/amd64")
        assert done(info)["image"]["digest"] == LARGER.digest


@pytest.mark.parametrize("validate", [False, True])
def test_a_damaged_layer_is_found_by_validate(
    archive: t.Any, dest: pathlib.Path, registry: FaultyRegistry, validate: bool
) -> None:
    done(archive(reference="3.0"))
    good = dest.read_bytes()
    data = bytearray(good)
    data[data.index(NOISE[:100])] ^= 1
    dest.write_bytes(bytes(data))
    run = done(archive(reference="3.0", validate=validate))
    assert run["changed"] is validate
    assert (dest.read_bytes() == good) is validate


def test_a_damaged_layer_is_not_taken_over(archive: t.Any, dest: pathlib.Path) -> None:
    done(archive(reference="3.0"))
    good = dest.read_bytes()
    done(archive(reference="2.0"))
    data = bytearray(dest.read_bytes())
    data[data.index(NOISE[:100])] ^= 1
    dest.write_bytes(bytes(data))
    assert done(archive(reference="3.0"))["changed"] is True
    assert dest.read_bytes() == good


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("keep", [600, 100_000])
def test_a_truncated_archive_is_replaced(archive: t.Any, dest: pathlib.Path, keep: int, compression: str) -> None:
    done(archive(reference="3.0", compression=compression))
    good = dest.read_bytes()
    dest.write_bytes(good[:keep])
    run = done(archive(reference="3.0", compression=compression))
    assert run["changed"] is True
    assert dest.read_bytes() == good
    assert ["damaged" in warning for warning in run.warnings] == [True]


@pytest.mark.parametrize(
    "data",
    [
        b"important",
        b"\0" * 20000,
        archives.tar_of({"etc/passwd": b"root"}),
        archives.gzipped(archives.tar_of({"./": b"", "backup": b"x"})),
        archives.gzipped(b"text"),
        archives.tar_of({"docs/manifest.json": b"[]"}),
    ],
)
def test_a_file_that_is_no_archive_of_images_is_kept(archive: t.Any, dest: pathlib.Path, data: bytes) -> None:
    dest.parent.mkdir()
    dest.write_bytes(data)
    for check in (True, False):
        run = archive(reference="1.0", check=check)
        assert run["error"]["kind"] == "destination", run["msg"]
        assert "force" in run["msg"]
        assert dest.read_bytes() == data
        assert left(dest) == []
    forced = done(archive(reference="1.0", force=True))
    assert (forced["changed"], forced["before"]) == (True, None)
    assert entry_of(dest.read_bytes())["digest"] == AMD64.digest
    assert done(archive(reference="1.0", force=True))["changed"] is False


def test_an_empty_file_is_replaced(archive: t.Any, dest: pathlib.Path) -> None:
    dest.parent.mkdir()
    dest.touch(mode=0o600)
    assert done(archive(reference="1.0"))["changed"] is True
    assert dest.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "data", [archives.oci_archive({"a": LARGE, "b": LARGER}), archives.podman_save({"a:1": LARGE})]
)
def test_archives_of_other_tools_are_replaced(archive: t.Any, dest: pathlib.Path, data: bytes) -> None:
    dest.parent.mkdir()
    dest.write_bytes(data)
    run = done(archive(reference="3.0"))
    assert run["changed"] is True
    assert archive(reference="3.0")["changed"] is False


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_a_destination_that_is_no_file_is_refused(archive: t.Any, dest: pathlib.Path, kind: str) -> None:
    dest.parent.mkdir()
    if kind == "directory":
        dest.mkdir()
    else:
        os.mkfifo(dest)
    for force in (False, True):
        run = archive(reference="1.0", force=force)
        assert run["error"]["kind"] == "destination", run["msg"]
        assert not dest.is_file()


@pytest.mark.parametrize("path", ["{}/", "{}/.", "{}/.."])
def test_a_path_of_a_directory_is_refused(archive: t.Any, tmp_path: pathlib.Path, path: str) -> None:
    assert archive(reference="1.0", dest=path.format(tmp_path))["error"]["kind"] == "destination"


def test_a_symbolic_link(archive: t.Any, dest: pathlib.Path) -> None:
    target = dest.parent / "target.tar"
    done(archive(reference="1.0", dest=str(target)))
    before = target.read_bytes()
    dest.symlink_to("target.tar")
    assert done(archive(reference="1.0"))["changed"] is False
    assert dest.is_symlink()
    assert done(archive(reference="3.0"))["changed"] is True
    assert not dest.is_symlink()
    assert target.read_bytes() == before


def test_owner_and_mode(archive: t.Any, dest: pathlib.Path) -> None:
    assert done(archive(reference="1.0", mode="0600"))["mode"] == "0600"
    assert done(archive(reference="1.0", mode="0600"))["changed"] is False
    for check in (True, False):
        run = done(archive(reference="1.0", mode="0640", check=check, diff=True))
        assert (run["changed"], run["blobs"]["downloaded"]) == (True, 0)
        assert (run["diff"]["before"]["mode"], run["diff"]["after"]["mode"]) == ("0600", "0640")
    assert dest.stat().st_mode & 0o777 == 0o640
    done(archive(reference="2.0"))
    assert dest.stat().st_mode & 0o777 == 0o640


def test_pull_missing_does_not_ask_for_a_tag_that_is_there(archive: t.Any, registry: FaultyRegistry) -> None:
    done(archive(reference="1.0", pull="missing"))
    registry.publish("team/app", {"1.0": LARGE})
    registry.clear()
    assert done(archive(reference="1.0", pull="missing"))["changed"] is False
    assert registry.requests == []
    assert done(archive(reference="1.0"))["digest"] == LARGE.digest


def test_a_download_that_broke_off_is_resumed(archive: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    registry.on(f"/blobs/{BASE.digest}", Reply(200, BASE.data, cut=250_000), times=1)
    assert archive(reference="3.0").failed
    assert not dest.exists()
    assert left(dest) == [".app.tar.oci_archive"]
    assert dest.with_name(".app.tar.oci_archive").stat().st_mode & 0o7777 == 0o700
    registry.clear()
    run = done(archive(reference="3.0"))
    assert run["stats"]["downloaded_bytes"] < len(NOISE) - 200_000
    ranges = [request.headers.get("Range") for request in registry.sent(BASE.digest)]
    assert ranges == ["bytes=250000-"]
    assert left(dest) == []
    assert members(dest.read_bytes())["blobs/" + BASE.digest.replace(":", "/")] == BASE.data


def test_what_an_ended_run_left_is_removed_by_a_run_that_changes_nothing(archive: t.Any, dest: pathlib.Path) -> None:
    done(archive(reference="1.0"))
    state = dest.with_name(".app.tar.oci_archive")
    state.mkdir(mode=0o700)
    (state / BASE.digest.replace(":", "-")).write_bytes(b"part")
    (state / "archive").write_bytes(b"part")
    (state / "lock").touch(mode=0o600)
    assert done(archive(reference="1.0", check=True))["changed"] is False
    assert left(dest) == [state.name]
    assert done(archive(reference="1.0"))["changed"] is False
    assert left(dest) == []


def test_a_private_directory_of_others_is_refused(archive: t.Any, dest: pathlib.Path) -> None:
    state = dest.with_name(".app.tar.oci_archive")
    state.mkdir(parents=True)
    state.chmod(0o755)
    run = archive(reference="1.0")
    assert run["error"]["kind"] == "destination", run["msg"]
    assert not dest.exists()


@pytest.mark.parametrize("call", ["write", "sendfile"], ids=["downloading", "writing the archive"])
def test_a_full_disk_leaves_the_old_archive(
    archive: t.Any, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    done(archive(reference="1.0"))
    before = dest.read_bytes()
    unpatched = getattr(os, call)

    def full(fd: int, *rest: t.Any) -> int:
        if call == "sendfile" or len(rest[0]) > 50_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return t.cast(int, unpatched(fd, *rest))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        run = archive(reference="2.0")
    assert run["error"]["kind"] == "no_space", run["msg"]
    assert dest.read_bytes() == before
    assert left(dest) == []


def test_two_runs_at_once(archive: t.Any, dest: pathlib.Path) -> None:
    with pending_archive(str(dest), timeout=1):
        run = archive(reference="1.0", lock_timeout=0)
        assert run["error"]["kind"] == "locked"
        assert archive(reference="1.0", check=True)["changed"] is True
    assert not dest.parent.exists()
