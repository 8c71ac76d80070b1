# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_layout fills, repairs, prunes and empties a layout that readers see whole at every moment."""

from __future__ import annotations

import json
import os
import pathlib
import random
import socket
import threading
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout import partial as partial_file
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._module.progress import (
    ENVIRONMENT,
    Record,
    parse_record,
)
from ansible_collections.attested.registry.tests.support.images import archives, images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply

NOISE = random.Random(1).randbytes(400_000)
AMD64 = images.image([images.layer([images.file("etc/arch", b"amd64\n")])], platform="linux/amd64")
ARM64 = images.image([images.layer([images.file("etc/arch", b"arm64\n")])], platform="linux/arm64")
MANY = images.index([AMD64, ARM64])
LARGE = images.image([images.layer([images.file("noise", NOISE)], compression="none")])
LAYER = LARGE.layers[0]


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "registry" / "team" / "app"


@pytest.fixture
def layout(run_module: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> t.Any:
    registry.publish("team/app", {"1.0": AMD64, "2.0": LARGE, "many": MANY})

    def run(**options: t.Any) -> t.Any:
        settings = {"registry": registry.name, "repository": "team/app", "dest": str(dest), "retries": 0}
        result = run_module("oci_layout", **{**settings, **options})
        # no test expects an internal error
        assert result.results.get("error", {}).get("kind") != "internal", result["msg"]
        return result

    return run


def files(dest: pathlib.Path) -> set[str]:
    return {str(path.relative_to(dest)) for path in dest.rglob("*") if not path.is_dir()}


def files_of(*contents: images.Content) -> set[str]:
    digests = {digest for content in contents for digest in content.blobs()}
    return {"index.json", "oci-layout", *("blobs/" + digest.replace(":", "/") for digest in digests)}


def sound(dest: pathlib.Path) -> dict[str, str]:
    """The tags of a layout, after a check that all of it is right."""
    inspection = inspect_layout(str(dest))
    assert [problem.message for problem in inspection.problems] == []
    return {tag: str(digest) for tag, digest in inspection.layout.tags.items()}


def plant(path: pathlib.Path, how: str, other: pathlib.Path) -> None:
    """Put something at path that is not a private file of this user."""
    if how == "hard link":
        os.link(other, path)
    elif how == "symlink":
        path.symlink_to(other)
    elif how == "fifo":
        os.mkfifo(path)
    elif how == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            # the path itself may be longer than sockets take
            folder = os.open(path.parent, os.O_RDONLY)
            bound.bind(f"/proc/self/fd/{folder}/{path.name}")
            os.close(folder)
    else:
        path.write_bytes(b"")
        if how == "mode":
            path.chmod(0o644)
        elif os.geteuid() == 0:
            os.chown(path, 65534, 65534)


def partial(dest: pathlib.Path, digest: str) -> pathlib.Path:
    return dest / ".oci_layout" / digest.replace(":", "-")


def test_check_run_check_run(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    first = layout(reference="many", check=True, diff=True)
    assert (first["changed"], first["digest"]) == (True, MANY.digest)
    assert first["blobs"] == {"present": 0, "downloaded": 7, "left_out": 0}
    assert not dest.parent.parent.exists()
    assert not [request for request in registry.sent("/blobs/", method="GET") if AMD64.layers[0].digest in request.path]

    second = layout(reference="many", diff=True)
    assert second["changed"] is True
    assert second["diff"] == first["diff"]
    assert second["diff"]["before"]["tags"] == {}
    assert second["diff"]["after"]["tags"] == {"many": MANY.digest}
    assert len(second["diff"]["before"]["missing"]) == 7
    assert sound(dest) == {"many": MANY.digest} == second["tags"]
    assert files(dest) == files_of(MANY)
    assert not (dest / ".oci_layout").exists()

    registry.clear()
    for check in (True, False):
        again = layout(reference="many", check=check)
        assert (again["changed"], again["stats"]["downloaded_bytes"], again["stats"]["requests"]) == (False, 0, 1)
        assert again["blobs"] == {"present": 7, "downloaded": 0, "left_out": 0}
        assert again["image"] == second["image"]
    assert [request.method for request in registry.requests] == ["HEAD", "HEAD"]


def test_the_image_is_what_oci_image_info_says(layout: t.Any, run_module: t.Any, registry: FaultyRegistry) -> None:
    for reference, platform in (("1.0", "linux/amd64"), ("many", "linux/arm64")):
        info = run_module(
            "oci_image_info",
            registry=registry.name,
            repository="team/app",
            reference=reference,
            platform=platform,
        )["image"]
        run = layout(reference=reference, platform=platform)
        assert {**run["image"], "platforms": None} == {**info, "platforms": None}
        assert run["digest"] == info["digest"]


def test_the_bytes_of_documents_stay(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    base = images.layer([images.file("a")], docker=True)
    odd = images.image([base], docker=True)
    odd = images.Image(odd.data + b"\n  ", odd.media_type, children=odd.children, platform=odd.platform)
    index = images.index([odd], docker=True)
    registry.publish("team/app", {"docker": index})
    assert layout(reference="docker")["digest"] == index.digest
    assert images.blob_path(dest, odd.digest).read_bytes() == odd.data
    assert sound(dest) == {"docker": index.digest}
    entry = json.loads((dest / "index.json").read_text())["manifests"][0]
    assert (entry["mediaType"], entry["size"]) == (images.DOCKER_INDEX, index.size)


def test_only_what_is_missing_is_downloaded(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    layout(reference="many")
    registry.clear()
    run = layout(reference="1.0")
    assert run["blobs"] == {"present": 3, "downloaded": 0, "left_out": 0}
    assert run["changed"] is True
    assert not registry.sent("/blobs/")
    assert sound(dest) == {"many": MANY.digest, "1.0": AMD64.digest}


def test_a_tag_moves(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    layout(reference="1.0")
    registry.add_tag("team/app", "1.0", ARM64.digest)
    run = layout(reference="1.0", diff=True)
    assert run["diff"]["before"]["tags"] == {"1.0": AMD64.digest}
    assert sound(dest) == {"1.0": ARM64.digest}
    assert run["orphans"] == 3
    assert files(dest) == files_of(AMD64, ARM64)


def test_dest_tag(layout: t.Any, dest: pathlib.Path) -> None:
    assert layout(reference="1.0", dest_tag="stable")["tag"] == "stable"
    assert sound(dest) == {"stable": AMD64.digest}
    assert layout(reference="1.0", dest_tag="stable")["stats"]["requests"] == 1
    assert layout(reference="1.0", dest_tag="not a tag")["error"]["kind"] == "reference_invalid"


@pytest.mark.parametrize("platform", ["linux/arm64", "host"])
def test_one_platform(
    layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((host[0], host[1], host[2], host[3], "aarch64")))
    run = layout(reference="many", platform=platform)
    assert (run["digest"], run["image"]["index_digest"]) == (ARM64.digest, MANY.digest)
    assert files(dest) == files_of(ARM64)
    assert sound(dest) == {"many": ARM64.digest}
    registry.clear()
    again = layout(reference="many", platform=platform)
    assert (again["changed"], again["image"]) == (False, run["image"])
    assert [request.method for request in registry.requests] == ["HEAD"]
    other = layout(reference="many", platform="linux/amd64")
    assert (other["changed"], sound(dest)) == (True, {"many": AMD64.digest})
    whole = layout(reference="many")
    assert (whole["changed"], sound(dest)) == (True, {"many": MANY.digest})


def test_a_platform_that_is_not_there(layout: t.Any, dest: pathlib.Path) -> None:
    assert layout(reference="many", platform="linux/s390x")["error"]["kind"] == "platform_not_found"
    assert not dest.parent.parent.exists()


def test_an_explicit_platform_has_to_suit_a_single_manifest(layout: t.Any, dest: pathlib.Path) -> None:
    layout(reference="1.0")
    for platform in ("linux/arm64", "linux/s390x"):
        assert layout(reference="1.0", platform=platform)["error"]["kind"] == "platform_not_found"
    assert layout(reference="1.0", platform="linux/amd64")["changed"] is False
    assert sound(dest) == {"1.0": AMD64.digest}


def test_a_digest_needs_no_tag_and_no_second_request(layout: t.Any, dest: pathlib.Path) -> None:
    run = layout(reference=MANY.digest)
    assert (run["tag"], run["tags"]) == (None, {})
    assert sound(dest) == {}
    assert files(dest) == files_of(MANY)
    again = layout(reference=MANY.digest)
    assert (again["changed"], again["stats"]["requests"]) == (False, 0)
    absent = layout(reference=MANY.digest, state="absent", prune=True)
    assert (absent["changed"], len(absent["pruned"]["blobs"])) == (True, 7)
    assert files(dest) == {"index.json", "oci-layout"}


def test_tag_and_digest(layout: t.Any, dest: pathlib.Path) -> None:
    assert layout(reference=f"1.0@{MANY.digest}")["error"]["kind"] == "digest_mismatch"
    assert not dest.exists()
    assert layout(reference=f"1.0@{AMD64.digest}")["changed"] is True
    assert layout(reference=f"1.0@{AMD64.digest}")["stats"]["requests"] == 0
    assert layout(reference=f"1.0@{MANY.digest}", state="absent")["changed"] is False
    assert layout(reference=f"1.0@{AMD64.digest}", state="absent")["changed"] is True


def test_an_artifact(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    thing = images.artifact("application/vnd.example", [images.Content(b"bill", "text/plain")])
    subject = images.artifact(
        "application/vnd.example",
        [images.Content(b"of material", "text/plain")],
        changes={"subject": AMD64.descriptor()},
    )
    registry.publish("team/app", {"sbom": thing, "signature": subject})
    run = layout(reference="sbom")
    assert (run["image"]["artifact_type"], run["image"]["config"]) == ("application/vnd.example", None)
    layout(reference="signature")
    assert files(dest) == files_of(thing, subject)
    assert sound(dest) == {"sbom": thing.digest, "signature": subject.digest}
    assert layout(reference="signature")["orphans"] == 0


def test_foreign_layers(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    foreign = images.layer([images.file("b")], nondistributable=True, urls=("https://example.com/layer",))
    image = images.image([images.layer([images.file("a")]), foreign])
    registry.publish("team/app", {"foreign": image})
    run = layout(reference="foreign")
    assert run["blobs"] == {"present": 0, "downloaded": 3, "left_out": 1}
    assert sound(dest) == {"foreign": image.digest}
    assert not images.blob_path(dest, foreign.digest).exists()
    assert layout(reference="foreign")["changed"] is False
    assert layout(reference="foreign", foreign_layers=True)["blobs"] == {"present": 3, "downloaded": 1, "left_out": 0}
    assert images.blob_path(dest, foreign.digest).read_bytes() == foreign.data


# --- what can go wrong on the way ---


def test_carries_on_where_it_broke_off(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    layout(reference="1.0")
    before = files(dest)
    registry.on(LAYER.digest, Reply(cut=150_000), times=1)
    assert layout(reference="2.0")["error"]["kind"] == "connection"
    rest = partial(dest, LAYER.digest)
    kept = rest.stat()
    assert 0 < kept.st_size <= 150_000
    assert rest.parent.stat().st_mode & 0o777 == 0o700
    assert sound(dest) == {"1.0": AMD64.digest}
    assert before <= files(dest)

    run = layout(reference="2.0")
    assert registry.sent(LAYER.digest)[-1].header("Range") == f"bytes={kept.st_size}-"
    assert run["stats"]["downloaded_bytes"] < LAYER.size
    assert sound(dest) == {"1.0": AMD64.digest, "2.0": LARGE.digest}
    assert not rest.parent.exists()


def test_a_new_layout_is_not_there_before_it_is_complete(
    layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry
) -> None:
    registry.on(LAYER.digest, Reply(cut=150_000), times=1)
    assert layout(reference="2.0").failed
    assert os.listdir(dest) == [".oci_layout"]
    run = layout(reference="2.0")
    assert run["blobs"] == {"present": 2, "downloaded": 1, "left_out": 0}
    assert sound(dest) == {"2.0": LARGE.digest}
    assert files(dest) == files_of(LARGE)


@pytest.mark.parametrize(
    "rest", [b"x" * 1000, LAYER.data, LAYER.data + b"more", b""], ids=["wrong", "all", "more", "none"]
)
def test_any_partial_file_of_an_earlier_run_is_completed(layout: t.Any, dest: pathlib.Path, rest: bytes) -> None:
    place = partial(dest, LAYER.digest)
    place.parent.mkdir(parents=True)
    place.parent.chmod(0o700)
    place.write_bytes(rest)
    assert layout(reference="2.0")["changed"] is True
    assert sound(dest) == {"2.0": LARGE.digest}
    assert files(dest) == files_of(LARGE)


def test_wrong_content_never_gets_a_name(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    registry.on(LAYER.digest, Reply(body=LAYER.data[::-1]))
    assert layout(reference="2.0")["error"]["kind"] == "digest_mismatch"
    assert not [name for name in files(dest) if LAYER.digest[7:] in name]


@pytest.mark.parametrize("reference", ["nosuch", f"sha256:{'0' * 64}"])
def test_a_missing_image_leaves_nothing_behind(layout: t.Any, dest: pathlib.Path, reference: str) -> None:
    for check in (True, False):
        assert layout(reference=reference, check=check)["error"]["kind"] == "not_found"
    assert not dest.parent.parent.exists()


def test_a_full_disk_leaves_the_old_state(layout: t.Any, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout(reference="1.0")
    before = {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()}
    write = partial_file._write_all

    def full(fd: int, piece: bytes) -> None:
        if len(piece) > 50_000:
            raise OSError(28, "No space left on device")
        write(fd, piece)

    with monkeypatch.context() as patch:
        patch.setattr(partial_file, "_write_all", full)
        run = layout(reference="2.0")
    assert run["error"]["kind"] == "no_space"
    assert {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()} == before
    assert not (dest / ".oci_layout").exists()


def test_two_runs_at_once(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry, run_module: t.Any) -> None:
    from ansible_collections.attested.registry.plugins.module_utils._layout.lock import locked_directory

    with locked_directory(str(dest), timeout=1):
        run = layout(reference="1.0", lock_timeout=0)
        assert run["error"]["kind"] == "locked"
        assert layout(reference="1.0", check=True)["changed"] is True
    assert not dest.parent.parent.exists()
    assert layout(reference="1.0", lock_timeout=0)["changed"] is True


def test_a_lock_on_a_removed_directory_is_taken_again(dest: pathlib.Path) -> None:
    from ansible_collections.attested.registry.plugins.module_utils._layout.lock import locked_directory

    entered = threading.Event()

    def wait() -> None:
        with locked_directory(str(dest), timeout=30) as locked:
            (dest / "file").write_text("x")
            assert sorted(os.listdir(locked.root)) == [".oci_layout", "file"]
            entered.set()

    with locked_directory(str(dest), timeout=1):
        other = threading.Thread(target=wait)
        other.start()
    other.join(30)
    assert entered.is_set()
    assert (dest / "file").exists()


# --- what is on disk already ---


@pytest.mark.parametrize("options", [{}, {"state": "absent"}])
@pytest.mark.parametrize("check", [True, False])
def test_a_foreign_directory_is_refused(
    layout: t.Any, dest: pathlib.Path, options: dict[str, t.Any], check: bool
) -> None:
    dest.mkdir(parents=True)
    (dest / "precious").write_text("data")
    run = layout(reference="1.0", check=check, **options)
    assert run["error"]["kind"] == "destination"
    assert "not empty" in run["msg"]
    assert files(dest) == {"precious"}
    assert os.listdir(dest) == ["precious"]


def test_an_empty_directory_and_an_existing_layout_are_taken(layout: t.Any, dest: pathlib.Path) -> None:
    dest.mkdir(parents=True)
    (dest / "lost+found").mkdir()
    dest.chmod(0o711)
    layout(reference="1.0")
    assert sound(dest) == {"1.0": AMD64.digest}
    assert dest.stat().st_mode & 0o777 == 0o711


def test_another_tools_layout(layout: t.Any, dest: pathlib.Path) -> None:
    images.write_layout(dest, {"old": ARM64}, changes={"annotations": {"a": "b"}, "com.example": [1.5, None]})
    (dest / "notes.txt").write_text("mine")
    entry = json.loads((dest / "index.json").read_text())["manifests"][0]
    layout(reference="1.0")
    document = json.loads((dest / "index.json").read_text())
    assert (document["annotations"], document["com.example"]) == ({"a": "b"}, [1.5, None])
    assert document["manifests"][0] == entry
    assert sound(dest) == {"old": ARM64.digest, "1.0": AMD64.digest}
    assert (dest / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("where", ["blob", "algorithm", "blobs", "index.json", "oci-layout", ".oci_layout"])
def test_links_inside_are_never_followed(layout: t.Any, dest: pathlib.Path, where: str, tmp_path: pathlib.Path) -> None:
    layout(reference="1.0")
    outside = tmp_path / "outside"
    inside = {
        "blob": images.blob_path(dest, AMD64.layers[0].digest),
        "algorithm": dest / "blobs/sha256",
        "blobs": dest / "blobs",
    }.get(where, dest / where)
    if inside.exists():
        inside.rename(outside)
    else:
        outside.mkdir()
    inside.symlink_to(outside)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()}
    run = layout(reference="2.0" if where != "blob" else "1.0")
    assert run["error"]["kind"] in ("file_refused", "filesystem", "layout_invalid")
    assert "link" in run["msg"]
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()}
    assert {path: data for path, data in after.items() if ".oci_layout" not in str(path)} == before
    assert not [path for path in after if str(outside) in str(path) and path not in before]


@pytest.mark.parametrize("how", ["mode", "directory"])
def test_a_partial_file_that_others_could_change_is_refused(layout: t.Any, dest: pathlib.Path, how: str) -> None:
    rest = partial(dest, LAYER.digest)
    rest.parent.mkdir(parents=True)
    rest.parent.chmod(0o777 if how == "mode" else 0o700)
    if how == "directory":
        rest.mkdir()
    else:
        rest.write_bytes(b"")
    run = layout(reference="2.0")
    assert run["error"]["kind"] in ("destination", "filesystem")
    assert LAYER.digest[7:] not in "".join(name for name in files(dest) if name.startswith("blobs"))


@pytest.mark.parametrize("how", ["hard link", "symlink", "fifo", "socket", "owner"])
def test_a_partial_file_of_another_kind_or_user_is_replaced(
    layout: t.Any, dest: pathlib.Path, how: str, tmp_path: pathlib.Path
) -> None:
    rest = partial(dest, LAYER.digest)
    rest.parent.mkdir(parents=True)
    rest.parent.chmod(0o700)
    other = tmp_path / "other"
    other.write_bytes(b"")
    plant(rest, how, other)
    assert layout(reference="2.0")["changed"] is True
    assert sound(dest) == {"2.0": LARGE.digest}
    assert other.read_bytes() == b""
    assert not rest.parent.exists()


@pytest.mark.parametrize("name", ["index.json.new", "oci-layout.new"])
@pytest.mark.parametrize("how", ["hard link", "symlink", "fifo", "socket", "owner"])
def test_what_is_in_the_way_of_a_new_file_gives_way(
    layout: t.Any, dest: pathlib.Path, name: str, how: str, tmp_path: pathlib.Path
) -> None:
    (dest / ".oci_layout").mkdir(parents=True)
    (dest / ".oci_layout").chmod(0o700)
    other = tmp_path / "other"
    other.write_bytes(b"")
    plant(dest / ".oci_layout" / name, how, other)
    assert layout(reference="1.0")["changed"] is True
    assert sound(dest) == {"1.0": AMD64.digest}
    assert other.read_bytes() == b""


@pytest.mark.parametrize("how", ["hard link", "symlink", "fifo", "socket", "mode"])
def test_a_lock_file_that_others_could_open_is_refused(
    layout: t.Any, dest: pathlib.Path, how: str, tmp_path: pathlib.Path
) -> None:
    (dest / ".oci_layout").mkdir(parents=True)
    (dest / ".oci_layout").chmod(0o700)
    other = tmp_path / "other"
    other.write_bytes(b"")
    plant(dest / ".oci_layout/lock", how, other)
    run = layout(reference="1.0")
    assert run["error"]["kind"] == "destination"
    assert "is not a private file of this user" in run["msg"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"schemaVersion":2,"manifests":{}}', b"\xff", b'{"a":1,"a":2}'])
def test_an_index_that_cannot_be_understood_is_left_alone(layout: t.Any, dest: pathlib.Path, content: bytes) -> None:
    layout(reference="1.0")
    (dest / "index.json").write_bytes(content)
    assert layout(reference="2.0")["error"]["kind"] == "document_invalid"
    assert (dest / "index.json").read_bytes() == content


def test_another_version_of_layouts_is_refused(layout: t.Any, dest: pathlib.Path) -> None:
    layout(reference="1.0")
    (dest / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')
    assert layout(reference="2.0")["error"]["kind"] == "layout_invalid"


def test_a_missing_index_is_written(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    layout(reference="1.0")
    (dest / "index.json").unlink()
    registry.clear()
    assert layout(reference="1.0")["changed"] is True
    assert not registry.sent("/blobs/")
    assert sound(dest) == {"1.0": AMD64.digest}


# --- validate, prune, absent, attributes ---


def test_validate_repairs(layout: t.Any, dest: pathlib.Path) -> None:
    layout(reference="2.0")
    damaged = images.blob_path(dest, LAYER.digest)
    data = bytearray(damaged.read_bytes())
    data[7] ^= 1
    damaged.write_bytes(data)
    assert layout(reference="2.0")["changed"] is False
    assert layout(reference="2.0", validate=True, check=True)["blobs"]["downloaded"] == 1
    run = layout(reference="2.0", validate=True, diff=True)
    assert (run["changed"], run["diff"]["before"]["missing"]) == (True, [LAYER.digest])
    assert sound(dest) == {"2.0": LARGE.digest}
    assert layout(reference="2.0", validate=True)["changed"] is False


@pytest.mark.parametrize(
    "digest", [LAYER.digest, LARGE.config.digest, LARGE.digest], ids=["layer", "config", "manifest"]
)
def test_a_wrong_size_and_a_wrong_document_are_repaired_always(layout: t.Any, dest: pathlib.Path, digest: str) -> None:
    layout(reference="2.0")
    for content in (b"short", None):
        place = images.blob_path(dest, digest)
        place.unlink()
        if content is not None:
            place.write_bytes(content)
        run = layout(reference="2.0")
        assert (run["changed"], run["blobs"]["downloaded"]) == (True, 1)
        assert sound(dest) == {"2.0": LARGE.digest}


def test_absent_and_prune(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    layout(reference="1.0")
    layout(reference="many")
    registry.clear()
    options = {"repository": None, "state": "absent"}
    for check in (True, False):
        run = layout(**options, tag="many", check=check, diff=True)
        assert (run["changed"], run["tags"], run["orphans"]) == (True, {"1.0": AMD64.digest}, 4)
        assert run["diff"]["before"]["tags"] == {"1.0": AMD64.digest, "many": MANY.digest}
    assert files(dest) == files_of(MANY)
    assert layout(**options, tag="many")["changed"] is False

    wanted = sorted([MANY.digest, *ARM64.blobs()])
    for check in (True, False):
        run = layout(**options, tag="many", prune=True, check=check)
        assert (run["changed"], run["pruned"]["blobs"]) == (True, wanted)
        assert run["pruned"]["bytes"] == MANY.size + sum(map(len, ARM64.blobs().values()))
        assert run["orphans"] == 0
    assert files(dest) == files_of(AMD64)
    assert layout(**options, tag="many", prune=True)["changed"] is False
    assert registry.requests == []


def test_absent_without_a_layout(layout: t.Any, dest: pathlib.Path) -> None:
    run = layout(reference="1.0", state="absent")
    assert (run["changed"], run["tags"]) == (False, {})
    assert not dest.parent.parent.exists()
    dest.mkdir(parents=True)
    assert layout(reference="1.0", state="absent", prune=True)["changed"] is False
    assert os.listdir(dest) == []
    assert "required" in layout(state="absent")["msg"] or "following" in layout(state="absent")["msg"]


def test_prune_spares_what_it_does_not_know(layout: t.Any, dest: pathlib.Path) -> None:
    layout(reference="1.0")
    odd = [dest / "blobs/sha256/tmp-1", dest / "blobs/other/x", dest / "blobs/sha256" / ("a" * 64)]
    odd[1].parent.mkdir()
    for path in odd:
        path.write_text("odd")
    stale = partial(dest, LAYER.digest)
    stale.parent.mkdir()
    stale.parent.chmod(0o700)
    stale.write_bytes(b"123")
    run = layout(reference="1.0", prune=True)
    assert run["pruned"] == {"tags": [], "blobs": sorted([f"sha256:{'a' * 64}", LAYER.digest]), "bytes": 6}
    assert run["orphans"] == 2
    assert [path.exists() for path in odd] == [True, True, False]
    assert not stale.parent.exists()


def test_prune_refuses_to_guess(layout: t.Any, dest: pathlib.Path) -> None:
    layout(reference="1.0")
    layout(reference="2.0")
    images.blob_path(dest, LARGE.digest).unlink()
    before = files(dest)
    run = layout(reference="1.0", prune=True)
    assert run["error"]["kind"] == "manifest_missing"
    assert LARGE.digest in run["msg"]
    assert files(dest) == before
    assert layout(reference="1.0")["orphans"] is None
    assert layout(reference="2.0", prune=True)["pruned"]["blobs"] == []


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.oci.artifact.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.example.thing",
    ],
)
def test_entries_of_other_types_are_brought_as_blobs_or_left_out(
    layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry, media_type: str
) -> None:
    thing = images.Content(b'{"a": 1}', media_type)
    many = images.index([AMD64], changes={"manifests": [thing.descriptor(), AMD64.descriptor()]})
    registry.publish("team/app", {"odd": many})
    for check in (True, False):
        run = layout(reference="odd", check=check)
        (warning,) = run.warnings
        assert thing.digest in warning
        assert media_type in warning
    assert (run["changed"], sound(dest)) == (True, {"odd": many.digest})
    assert layout(reference="odd", prune=True)["changed"] is False
    registry.add_blob("team/app", thing.data)
    run = layout(reference="odd")
    assert (run["blobs"]["downloaded"], run.warnings) == (1, [])


@pytest.mark.parametrize("tag", ["many", "nested"])
def test_prune_and_repair_with_a_sparse_index(
    layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry, tag: str
) -> None:
    registry.publish("team/app", {"nested": images.index([MANY])})
    layout(reference=tag)
    images.blob_path(dest, ARM64.digest).unlink()
    only_there = {ARM64.config.digest, ARM64.layers[0].digest}
    run = layout(reference="1.0")
    assert (run["changed"], run["orphans"]) == (True, len(only_there))
    run = layout(reference="1.0", prune=True)
    assert (run["changed"], run["pruned"]["blobs"], run["orphans"]) == (True, sorted(only_there), 0)
    assert layout(reference="1.0", prune=True)["changed"] is False
    assert layout(reference=tag, validate=True)["blobs"]["downloaded"] == 3
    assert set(sound(dest)) == {"1.0", tag}
    assert layout(reference=tag, validate=True)["changed"] is False
    images.blob_path(dest, ARM64.digest).unlink()
    assert layout(reference="1.0", state="absent", prune=True)["changed"] is True


def test_prune_refuses_to_guess_about_a_damaged_entry_of_an_index(layout: t.Any, dest: pathlib.Path) -> None:
    layout(reference="many")
    images.write_blob(dest, ARM64.digest, b"?" * ARM64.size)
    before = files(dest)
    assert layout(reference="1.0", prune=True)["error"]["kind"] == "manifest_missing"
    assert files(dest) - before == files_of(AMD64) - before


def test_modes(layout: t.Any, dest: pathlib.Path) -> None:
    umask = os.umask(0o077)
    try:
        layout(reference="1.0")
    finally:
        os.umask(umask)
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (dest, *dest.rglob("*"))}
    assert modes == {True: 0o755, False: 0o644}
    assert dest.parent.stat().st_mode & 0o777 == 0o755

    assert layout(reference="1.0", mode="0640", check=True)["changed"] is True
    assert layout(reference="1.0", mode="0640")["changed"] is True
    assert layout(reference="1.0", mode="0640")["changed"] is False
    assert layout(reference="many", mode="0640")["changed"] is True
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (dest, *dest.rglob("*"))}
    assert modes == {True: 0o750, False: 0o640}
    assert layout(reference="many", mode="u=rwX,go=rX")["changed"] is True
    assert {path.stat().st_mode & 0o777 for path in dest.rglob("*") if path.is_file()} == {0o644}


def test_a_link_to_the_layout_is_a_name_of_it(layout: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path) -> None:
    dest.mkdir(parents=True)
    (tmp_path / "link").symlink_to(dest)
    assert layout(reference="1.0", dest=str(tmp_path / "link"))["dest"] == str(tmp_path / "link")
    assert sound(dest) == {"1.0": AMD64.digest}


def test_readers_see_the_old_or_the_new_layout(
    layout: t.Any, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every change of a name in the layout."""
    layout(reference="1.0")
    seen = []
    rename = os.rename

    def watched(*args: t.Any, **options: t.Any) -> None:
        rename(*args, **options)
        seen.append(sound(dest))

    monkeypatch.setattr(os, "rename", watched)
    layout(reference="many")
    old = {"1.0": AMD64.digest}
    assert seen[-1] == {**old, "many": MANY.digest}
    assert len(seen) > 4
    assert all(state == old for state in seen[:-1])


# --- images that are not as they should be ---


def test_an_index_may_hold_anything(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    other = images.Content(b"anything", "application/x-anything")
    mixed = images.index([other, images.index([AMD64]), AMD64])
    registry.publish("team/app", {"mixed": mixed})
    run = layout(reference="mixed")
    assert run["image"]["digest"] == AMD64.digest
    assert sound(dest) == {"mixed": mixed.digest}
    assert files(dest) == files_of(mixed)


def test_an_index_without_an_image(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    registry.publish("team/app", {"empty": images.index([])})
    run = layout(reference="empty")
    assert (run["changed"], run["image"], run["blobs"]["downloaded"]) == (True, None, 1)
    assert sound(dest) == {"empty": run["digest"]}
    assert layout(reference="empty")["changed"] is False


@pytest.mark.parametrize(("depth", "kind"), [(8, None), (9, "unsupported")])
def test_nesting(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry, depth: int, kind: str | None) -> None:
    content: images.Content = AMD64
    for dummy in range(depth):
        content = images.index([content])
    registry.publish("team/app", {"deep": content})
    run = layout(reference="deep")
    assert run.results.get("error", {}).get("kind") == kind
    if kind is None:
        assert sound(dest) == {"deep": content.digest}


def test_an_image_that_contradicts_itself(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    base = AMD64.layers[0]
    twice = images.image([base, base], changes={"layers": [base.descriptor(), base.descriptor(size=1)]})
    registry.publish("team/app", {"twice": twice})
    assert layout(reference="twice")["error"]["kind"] == "manifest_invalid"
    assert not dest.exists()


def test_a_layer_that_comes_twice(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    twice = images.image([AMD64.layers[0], AMD64.layers[0]])
    registry.publish("team/app", {"twice": twice})
    assert layout(reference="twice")["blobs"]["downloaded"] == 3
    assert sound(dest) == {"twice": twice.digest}


def test_too_many_manifests(layout: t.Any, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.attested.registry.plugins.module_utils._module.layout import contents as layout_contents

    monkeypatch.setattr(layout_contents, "MAX_DOCUMENTS", 2)
    assert layout(reference="many")["error"]["kind"] == "unsupported"
    assert layout(reference="many", platform="linux/amd64")["changed"] is True


@pytest.mark.parametrize("child", [AMD64, ARM64.config], ids=["manifest", "config"])
def test_a_child_that_the_registry_does_not_have(
    layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry, child: images.Content
) -> None:
    registry.on(child.digest, Reply(404, b"{}"))
    assert layout(reference="many")["error"]["kind"] == "not_found"
    assert "index.json" not in files(dest)


def test_a_child_of_another_size(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    wrong = images.index([AMD64], changes={"manifests": [AMD64.descriptor(size=AMD64.size + 1)]})
    registry.publish("team/app", {"wrong": wrong})
    assert layout(reference="wrong")["error"]["kind"] == "size_mismatch"


def test_a_registry_that_states_no_digest(layout: t.Any, registry: FaultyRegistry) -> None:
    layout(reference="many")
    registry.on("/manifests/", Reply(drop=("Docker-Content-Digest",)))
    run = layout(reference="many")
    assert (run["changed"], run["stats"]["requests"]) == (False, 2)


def test_one_platform_by_digest(layout: t.Any, dest: pathlib.Path) -> None:
    first = layout(reference=MANY.digest, platform="linux/arm64")
    assert (first["digest"], first["tags"]) == (ARM64.digest, {})
    again = layout(reference=MANY.digest, platform="linux/arm64")
    assert (again["changed"], again["stats"]["requests"], again["image"]) == (False, 0, first["image"])
    direct = layout(reference=ARM64.digest, platform="linux/arm64")
    assert (direct["changed"], direct["stats"]["requests"]) == (False, 0)
    assert files(dest) == files_of(ARM64)


def test_an_invalid_config_is_refused(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    bad = images.image([AMD64.layers[0]], config_content=images.Content(b"[]", images.OCI_CONFIG))
    registry.publish("team/app", {"bad": bad})
    for check in (True, False):
        assert layout(reference="bad", check=check)["error"]["kind"] == "json_invalid"
    assert not dest.exists()


def test_mirrors(layout: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    with FaultyRegistry() as mirror:
        mirror.publish("team/app", {"2.0": LARGE})
        mirror.on(LAYER.digest, Reply(cut=200_000))
        run = layout(reference="2.0", mirrors=[mirror.name])
    assert run["image"]["registry"] == registry.name
    assert sound(dest) == {"2.0": LARGE.digest}
    assert registry.requests[-1].header("Range") is not None


# --- from a layout or an archive ---


SHAPES: dict[str, t.Callable[[], bytes]] = {
    "archive": lambda: archives.oci_archive({"many": MANY, "2.0": LARGE}),
    "gzip": lambda: archives.oci_archive({"many": MANY, "2.0": LARGE}, compression="gzip"),
    "docker save, old": lambda: archives.docker_save_old({"app:many": AMD64, "app:2.0": LARGE}),
    "docker save, new": lambda: archives.docker_save_new({"app:many": AMD64, "app:2.0": LARGE}),
    "podman save": lambda: archives.podman_save({"app:many": AMD64, "app:2.0": LARGE}),
}


@pytest.fixture
def copy(run_module: t.Any, dest: pathlib.Path) -> t.Any:
    def run(source: pathlib.Path, **options: t.Any) -> t.Any:
        return run_module("oci_layout", **{"layout": str(source), "dest": str(dest), **options})

    return run


@pytest.mark.parametrize("shape", SHAPES)
def test_check_copy_check_copy(copy: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path, shape: str) -> None:
    source = tmp_path / "images.tar"
    source.write_bytes(SHAPES[shape]())
    assert copy(source, reference="many", check=True)["changed"]
    assert not dest.exists()
    done = copy(source, reference="many", platform="all")
    assert done["changed"]
    assert (done["tag"], done["image"]["source"], done["image"]["registry"]) == ("many", "layout", None)
    assert sound(dest) == {"many": done["digest"]}
    if shape in ("archive", "gzip"):
        assert (done["digest"], files(dest)) == (MANY.digest, files_of(MANY))
    for check in (True, False):
        again = copy(source, reference="many", check=check)
        assert (again["changed"], again["stats"]["requests"], again["blobs"]["downloaded"]) == (False, 0, 0)
    assert copy(source, reference="2.0", dest_tag="next")["changed"]
    assert set(sound(dest)) == {"many", "next"}


def test_a_layout_is_copied_to_another(copy: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path) -> None:
    source = images.write_layout(tmp_path / "source", {"many": MANY})
    assert copy(source, platform="linux/arm64")["digest"] == ARM64.digest
    assert files(dest) == files_of(ARM64)
    assert not copy(source, platform="linux/arm64")["changed"]
    assert not copy(dest, reference="many")["changed"]


def test_an_untagged_image_is_copied_without_a_tag(copy: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path) -> None:
    source = images.write_layout(tmp_path / "source", {}, untagged=[AMD64])
    done = copy(source)
    assert (done["changed"], done["tag"], done["digest"]) == (True, None, AMD64.digest)
    assert not copy(source)["changed"]


def test_a_damaged_blob_of_the_source_is_not_copied(copy: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path) -> None:
    source = images.write_layout(tmp_path / "source", {"2.0": LARGE})
    images.write_blob(source, LAYER.digest, LAYER.data[:-1] + b"x")
    failed = copy(source)
    assert failed["error"]["kind"] == "digest_mismatch"
    assert not (dest / "index.json").exists()
    images.blob_path(source, LAYER.digest).unlink()
    assert copy(source)["error"]["kind"] == "blob_missing"


# --- pull: missing ---


@pytest.mark.parametrize("platform", ["all", "linux/amd64"])
@pytest.mark.parametrize("tag", ["1.0", "many"])
def test_a_tag_that_the_layout_has_is_not_asked_for(
    layout: t.Any, registry: FaultyRegistry, dest: pathlib.Path, tag: str, platform: str
) -> None:
    first = layout(reference=tag, platform=platform, pull="missing")
    assert first["changed"]
    registry.publish("team/app", {tag: LARGE, "kept": images.index([AMD64, MANY])})
    registry.clear()
    for check in (True, False):
        again = layout(reference=tag, platform=platform, pull="missing", check=check)
        assert (again["changed"], again["digest"], registry.requests) == (False, first["digest"], [])
    images.blob_path(dest, AMD64.layers[0].digest).unlink()
    repaired = layout(reference=tag, platform=platform, pull="missing")
    assert (repaired["changed"], repaired["digest"]) == (True, first["digest"])
    assert layout(reference=tag, platform=platform)["changed"]
    assert sound(dest) == {tag: LARGE.digest}


def test_the_progress_file_has_the_sizes_of_the_layers(
    layout: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "progress"))
    result = layout(reference="2.0")
    assert parse_record((tmp_path / "progress").read_bytes()) == Record("publish", 1, 1, LAYER.size, LAYER.size)
    seconds = result["stats"]["seconds"]
    assert list(seconds) == ["resolve", "download", "publish"]
    assert max(seconds.values()) > 0
    assert layout(reference="2.0")["stats"]["seconds"]["download"] == 0


def test_a_config_is_copied_whatever_its_type(
    run_module: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path
) -> None:
    """Only layers may stay elsewhere; a layout without a config is not served."""
    odd = images.Content(b"{}", images.OCI_NONDISTRIBUTABLE_LAYER)
    content = images.image([images.layer([images.file("a")])], config_content=odd)
    registry.publish("team/app", {"1": content})
    run = run_module(
        "oci_layout", registry=registry.name, repository="team/app", reference="1", dest=str(tmp_path / "layout")
    )
    assert not run.failed, run["msg"]
    assert images.blob_path(tmp_path / "layout", odd.digest).read_bytes() == odd.data
