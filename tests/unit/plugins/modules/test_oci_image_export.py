# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_image_export writes the tree of an image to one tar archive, always the same, that tools extract."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import pathlib
import random
import subprocess
import tarfile
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._archive import compress
from ansible_collections.attested.registry.plugins.module_utils._archive.mark import MarkedOutput, NewMark, read_mark
from ansible_collections.attested.registry.plugins.module_utils._archive.pending import pending_archive
from ansible_collections.attested.registry.plugins.module_utils._archive.tar_header import Header
from ansible_collections.attested.registry.tests.support.images import archives, images
from ansible_collections.attested.registry.tests.support.images.compare_trees import inventory
from ansible_collections.attested.registry.tests.support.images.written_files import identity, left
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOISE = random.Random(1).randbytes(400_000)
LONG = "long/" + "/".join(["directory" * 5] * 4)
BASE = images.layer(
    [
        images.directory("etc", mode=0o2750, uid=3, gid=4, mtime=1_700_000_000.25),
        images.file("etc/first", b"first\n", uid=70_000, gid=3_000_000, mode=0o4755),
        images.hardlink("etc/second", "etc/first"),
        images.file("etc/removed", b"removed\n"),
        images.hardlink("kept", "etc/removed"),
        images.file("old/below/file", b"old"),
        images.file("opaque/old", b"old"),
        images.symlink("link", "etc/first"),
        images.symlink("dangling", "/" + "far/" * 60 + "away"),
        images.fifo("fifo", mode=0o640),
        images.file(f"{LONG}/file", b"deep"),
        images.file("gr\u00fc\u00dfe", b"text", mtime=-5),
        images.file("noise", NOISE),
        images.file("empty", b""),
    ]
)
TOP = images.layer(
    [
        # the opaque marker comes after a file that it must not hide
        images.file("opaque/new", b"new"),
        images.opaque("opaque"),
        images.whiteout("etc/removed"),
        images.hardlink("third", "etc/first"),
        images.whiteout("old"),
        images.file("etc.d", b"sorted after the content of etc"),
    ]
)
SMALL = images.image([images.layer([images.file("etc/arch", b"amd64\n")])])
FULL = images.image([BASE, TOP])
OTHER = images.image([BASE, TOP], annotations={"org.example": "another manifest"})
AMD64 = images.image([images.layer([images.file("etc/arch", b"amd64\n")])], platform="linux/amd64")
ARM64 = images.image([images.layer([images.file("etc/arch", b"arm64\n")])], platform="linux/arm64")
MANY = images.index([AMD64, ARM64])
TAGS = {"1.0": SMALL, "2.0": FULL, "other": OTHER, "many": MANY}


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "images" / "app.tar"


@pytest.fixture
def export(run_module: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> t.Any:
    registry.publish("team/app", TAGS)

    def run(**options: t.Any) -> t.Any:
        settings: dict[str, t.Any] = {"registry": registry.name, "repository": "team/app", "retries": 0}
        if "layout" in options:
            settings = {}
        owned = {} if os.geteuid() == 0 else {"ownership": False}
        result = run_module("oci_image_export", **{"dest": str(dest), **owned, **settings, **options})
        # no test expects an internal error
        assert result.results.get("error", {}).get("kind") != "internal", result["msg"]
        return result

    return run


def done(result: t.Any) -> t.Any:
    assert not result.failed, result["msg"]
    return result


def opened(dest: pathlib.Path) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(dest.read_bytes()))


def names(dest: pathlib.Path) -> list[str]:
    with opened(dest) as archive:
        return archive.getnames()


def extract(dest: pathlib.Path, root: pathlib.Path, *options: str) -> None:
    root.mkdir()
    subprocess.run(["tar", "-C", str(root), *options, "-xpf", str(dest)], check=True)


def test_check_run_check_run(export: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    first = done(export(reference="2.0", check=True, diff=True))
    assert (first["changed"], first["digest"], first["before"]) == (True, FULL.digest, None)
    assert not dest.parent.exists()
    assert not registry.sent(BASE.digest)

    second = done(export(reference="2.0", diff=True))
    assert second["changed"] is True
    assert second["diff"] == first["diff"]
    assert second["diff"]["before"] == {}
    assert second["diff"]["after"]["digest"] == FULL.digest
    assert (second["size"], second["stats"]["entries"]) == (dest.stat().st_size, 20)
    assert left(dest) == []

    registry.clear()
    before = identity(dest)
    for check in (True, False):
        again = done(export(reference="2.0", check=check))
        assert (again["changed"], again["before"]) == (False, FULL.digest)
        assert (again["stats"]["downloaded_bytes"], again["stats"]["requests"]) == (0, 1)
        assert again["image"] == second["image"]
    assert [request.method for request in registry.requests] == ["HEAD", "HEAD"]
    assert identity(dest) == before


@ROOT
def test_tar_extracts_the_tree_that_oci_image_unpack_makes(
    export: t.Any, run_module: t.Any, registry: FaultyRegistry, dest: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    done(export(reference="2.0"))
    source = {"registry": registry.name, "repository": "team/app", "reference": "2.0"}
    done(run_module("oci_image_unpack", dest=str(tmp_path / "unpacked"), **source))
    wanted = inventory(str(tmp_path / "unpacked"))
    assert b"etc/removed" not in wanted
    assert {b"etc/first", b"etc/second"} == set(wanted[b"third"].links)
    extract(dest, tmp_path / "gnu")
    assert inventory(str(tmp_path / "gnu")) == wanted
    with opened(dest) as archive:
        archive.extractall(tmp_path / "python", filter="fully_trusted")
    found = inventory(str(tmp_path / "python"))
    assert {path: (entry.type, entry.mode, entry.uid, entry.sha256) for path, entry in found.items()} == {
        path: (entry.type, entry.mode, entry.uid, entry.sha256) for path, entry in wanted.items()
    }


@ROOT
def test_the_archive_as_a_layer_makes_the_same_archive(
    export: t.Any, registry: FaultyRegistry, dest: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    done(export(reference="2.0"))
    registry.publish("team/app", {"flat": images.image([images.layer(dest.read_bytes())])})
    again = tmp_path / "again.tar"
    done(export(reference="flat", dest=str(again)))
    with opened(dest) as first, opened(again) as second:
        wanted, found = ([member.get_info() for member in archive] for archive in (first, second))
    assert found == wanted


def test_the_members_are_sorted_and_below_the_root(export: t.Any, dest: pathlib.Path) -> None:
    done(export(reference="2.0"))
    found = names(dest)
    assert found[0] == "."
    assert found[1:] == sorted(found[1:], key=lambda name: name.encode().split(b"/"))
    assert {"opaque/new", "kept", "etc.d", f"{LONG}/file", "gr\u00fc\u00dfe"} <= set(found)
    assert not {"opaque/old", "etc/removed", "old", "old/below/file"} & set(found)
    assert not [name for name in found if name.startswith("/") or ".." in name.split("/")]


@ROOT
def test_headers_hold_what_does_not_fit_into_ustar(export: t.Any, dest: pathlib.Path) -> None:
    done(export(reference="2.0"))
    with opened(dest) as archive:
        first, second = archive.getmember("etc/first"), archive.getmember("etc/second")
        assert (first.uid, first.gid, first.mode) == (70_000, 3_000_000, 0o4755)
        assert (second.type, second.linkname, second.size) == (tarfile.LNKTYPE, "etc/first", 0)
        assert archive.getmember("etc").mtime == 1_700_000_000.25
        assert archive.getmember("gr\u00fc\u00dfe").mtime == -5
        assert archive.getmember("dangling").linkname == "/" + "far/" * 60 + "away"
        assert {member.uname for member in archive} == {""}


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_the_same_image_is_the_same_file(
    export: t.Any, run_module: t.Any, tmp_path: pathlib.Path, compression: str
) -> None:
    first, second, third, source = (tmp_path / name for name in ("first", "second", "third", "source"))
    options = {"reference": "2.0", "compression": compression, "platform": "linux/amd64"}
    done(export(dest=str(first), **options))
    done(export(dest=str(second), reference="1.0"))
    assert done(export(dest=str(second), **options))["before"] == SMALL.digest
    images.write_layout(source, {"2.0": FULL})
    done(export(layout=str(source), dest=str(third), **options))
    assert first.read_bytes() == second.read_bytes() == third.read_bytes()
    assert done(export(dest=str(first), **options, validate=True))["changed"] is False


@pytest.mark.parametrize(("compression", "tool"), [("gzip", "gzip"), ("zstd", "zstd")])
def test_compressed_archives_are_read_by_other_tools(
    export: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path, compression: str, tool: str
) -> None:
    plain = tmp_path / "plain.tar"
    done(export(reference="2.0", dest=str(plain)))
    done(export(reference="2.0", compression=compression))
    data = subprocess.run([tool, "-dc"], input=dest.read_bytes(), check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == names(plain)
    listed = subprocess.run(["tar", f"--{tool}", "-tf", str(dest)], check=True, capture_output=True, text=True)
    assert listed.stderr == ""
    assert len(listed.stdout.splitlines()) == len(names(plain))
    if compression == "gzip":
        assert gzip.decompress(dest.read_bytes()) == data
        assert dest.read_bytes()[3:8] == bytes(5)


def test_another_option_or_image_is_a_change(export: t.Any, dest: pathlib.Path) -> None:
    done(export(reference="2.0"))
    for options in (
        {"compression": "gzip"},
        {"xattrs": "skip"},
        {"ownership": False, "xattrs": "skip"},
        {"exclude": ["noise"]},
        {"include": ["etc"]},
        {"strip": "etc"},
        {"devices": "fail"},
    ):
        if options == {"ownership": False, "xattrs": "skip"} and os.geteuid() != 0:
            continue
        assert done(export(reference="2.0", **options, check=True))["changed"] is True
        assert done(export(reference="2.0", **options))["changed"] is True
        assert done(export(reference="2.0", **options))["changed"] is False
    assert done(export(reference="1.0"))["before"] == FULL.digest


def test_a_part_of_the_image(export: t.Any, dest: pathlib.Path) -> None:
    done(export(reference="2.0", strip="etc", exclude=["etc/first"]))
    assert names(dest) == [".", "second"]
    run = export(reference="2.0", strip="no/such")
    assert run["error"]["kind"] == "nothing_selected"
    assert names(dest) == [".", "second"]
    assert left(dest) == []


def test_without_ownership_all_belongs_to_root(export: t.Any, dest: pathlib.Path) -> None:
    done(export(reference="2.0", ownership=False))
    with opened(dest) as archive:
        assert {(member.uid, member.gid) for member in archive} == {(0, 0)}
        assert archive.getmember("etc/first").mode == 0o755


def test_another_manifest_of_the_same_files_is_no_change(
    export: t.Any, dest: pathlib.Path, registry: FaultyRegistry
) -> None:
    done(export(reference="2.0"))
    run = done(export(reference="other"))
    assert (run["changed"], run["digest"], run["before"]) == (False, OTHER.digest, FULL.digest)


def test_one_platform_of_an_index(export: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    run = done(export(reference="many", platform="linux/arm64"))
    assert (run["digest"], run["image"]["index_digest"]) == (ARM64.digest, MANY.digest)
    registry.clear()
    again = done(export(reference="many", platform="linux/arm64"))
    assert (again["changed"], again["stats"]["requests"]) == (False, 1)
    assert done(export(reference="many", platform="linux/amd64"))["digest"] == AMD64.digest
    with opened(dest) as archive:
        assert t.cast(t.Any, archive.extractfile("etc/arch")).read() == b"amd64\n"


def test_a_digest_that_is_there_is_not_asked_for(export: t.Any, registry: FaultyRegistry) -> None:
    done(export(digest=FULL.digest))
    registry.clear()
    assert done(export(digest=FULL.digest))["changed"] is False
    assert registry.requests == []


@ROOT
def test_devices_and_extended_attributes(
    export: t.Any, registry: FaultyRegistry, dest: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    capability = bytes.fromhex("0100000202040000000000000000000000000000")
    layer = images.layer(
        [
            images.device("dev/null", "c", 1, 3, mode=0o666),
            images.file("bin/ping", b"x", mode=0o755, xattrs={"security.capability": capability}),
            images.directory("data", xattrs={"trusted.a%b": b"=1\n\0"}),
        ]
    )
    registry.publish("team/app", {"special": images.image([layer])})
    run = done(export(reference="special"))
    assert "dev/null" not in names(dest)
    assert any("device" in warning for warning in run.warnings)
    done(export(reference="special", devices="create"))
    extract(dest, tmp_path / "out", "--xattrs", "--xattrs-include=*")
    found = inventory(str(tmp_path / "out"))
    assert (found[b"dev/null"].device, found[b"dev/null"].mode) == ((1, 3), "0o666")
    assert found[b"bin/ping"].xattrs == (("security.capability", capability),)
    assert found[b"data"].xattrs == (("trusted.a%b", b"=1\n\0"),)
    assert export(reference="special", devices="fail")["error"]["kind"] == "layer_invalid"


def test_files_and_directories_that_deny_access(export: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> None:
    layer = images.layer(
        [
            images.file("secret/key", b"key", mode=0),
            images.hardlink("secret/link", "secret/key"),
            images.directory("secret", mode=0),
            images.directory("list", mode=0o400),
            images.file("list/file", b"", mode=0o200),
        ]
    )
    registry.publish("team/app", {"denied": images.image([layer])})
    done(export(reference="denied", ownership=False))
    with opened(dest) as archive:
        modes = {member.name: member.mode for member in archive}
        assert t.cast(t.Any, archive.extractfile("secret/key")).read() == b"key"
    del modes["."]
    assert modes == {"secret": 0, "secret/key": 0, "secret/link": 0, "list": 0o400, "list/file": 0o200}


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_file_of_another_length_is_replaced(export: t.Any, dest: pathlib.Path, compression: str) -> None:
    done(export(reference="2.0", compression=compression))
    good = dest.read_bytes()
    for data in (good[:-1], good + b"\0", good[: len(good) // 2]):
        dest.write_bytes(data)
        run = done(export(reference="2.0", compression=compression))
        assert run["changed"] is True
        assert f"{len(data)} bytes" in "".join(run.warnings)
        assert dest.read_bytes() == good


@pytest.mark.parametrize("validate", [False, True])
def test_changed_content_is_found_by_validate(export: t.Any, dest: pathlib.Path, validate: bool) -> None:
    done(export(reference="2.0"))
    good = dest.read_bytes()
    data = bytearray(good)
    data[data.index(NOISE[:100])] ^= 1
    dest.write_bytes(bytes(data))
    assert done(export(reference="2.0", validate=validate))["changed"] is validate
    assert (dest.read_bytes() == good) is validate


def rewritten(dest: pathlib.Path, **changes: t.Any) -> None:
    """Change what the comment of an archive says about the image, as someone can who may write to it."""
    with dest.open("rb") as file:
        mark = read_mark(file.fileno(), path=str(dest))
        assert mark is not None
        rest = file.read()[len(mark.header) :]
    fields = {**json.loads(mark.text), **changes}
    with dest.open("r+b", buffering=0) as file:
        file.truncate(0)
        new = NewMark(Header(b"./", b"5", 0o755), json.dumps(fields, sort_keys=True).encode())
        output = MarkedOutput(t.cast(t.Any, file), new, compression="none")
        output.write(rest)
        file.seek(0)
        file.write(output.start())


def test_a_comment_cannot_lie_about_the_config(export: t.Any, dest: pathlib.Path) -> None:
    done(export(reference="1.0"))
    good = dest.read_bytes()
    rewritten(dest)
    assert dest.read_bytes() == good
    other = json.dumps({**json.loads(SMALL.config.data), "config": {"Cmd": ["evil"]}})
    for changes in ({"config": other}, {"manifest": FULL.data.decode()}, {"digest": FULL.digest}):
        rewritten(dest, **changes)
        run = done(export(reference="1.0", validate=True))
        assert (run["changed"], run["before"]) == (True, None)
        assert run["image"]["config"]["config"]["Cmd"] == ["/bin/sh"]
        assert dest.read_bytes() == good


@pytest.mark.parametrize("value", [None, 0, -1, True, "", "x", [], [1], {}, {"include": [1]}])
def test_a_comment_may_say_anything(export: t.Any, dest: pathlib.Path, value: t.Any) -> None:
    done(export(reference="many", platform="linux/amd64"))
    with dest.open("rb") as file:
        fields = json.loads(t.cast(t.Any, read_mark(file.fileno(), path=str(dest))).text)
    assert len(fields) > 10
    for name in fields:
        rewritten(dest, **{**fields, name: value})
        run = done(export(reference="many", platform="linux/amd64", check=True))
        assert run["digest"] == AMD64.digest


@pytest.mark.parametrize("data", [b"important", archives.tar_of({"etc/passwd": b"root"}), archives.gzipped(b"text")])
def test_a_file_of_another_kind_is_kept(export: t.Any, dest: pathlib.Path, data: bytes) -> None:
    dest.parent.mkdir()
    dest.write_bytes(data)
    for check in (True, False):
        run = export(reference="1.0", check=check)
        assert run["error"]["kind"] == "destination", run["msg"]
        assert "force" in run["msg"]
        assert dest.read_bytes() == data
        assert left(dest) == []
    assert done(export(reference="1.0", force=True))["before"] is None
    assert done(export(reference="1.0"))["changed"] is False


def test_an_archive_of_an_image_is_refused(export: t.Any, run_module: t.Any, dest: pathlib.Path) -> None:
    dest.parent.mkdir()
    dest.write_bytes(archives.oci_archive({"1.0": SMALL}))
    assert export(reference="1.0")["error"]["kind"] == "destination"
    done(export(reference="1.0", force=True))
    assert run_module("oci_image_info", layout=str(dest))["error"]["kind"] == "archive_invalid"


def test_an_empty_file_is_replaced_and_keeps_its_mode(export: t.Any, dest: pathlib.Path) -> None:
    dest.parent.mkdir()
    dest.touch(mode=0o600)
    assert done(export(reference="1.0"))["changed"] is True
    assert dest.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["directory", "fifo", "slash"])
def test_a_destination_that_is_no_file_is_refused(export: t.Any, dest: pathlib.Path, kind: str) -> None:
    dest.parent.mkdir()
    if kind == "directory":
        dest.mkdir()
    elif kind == "fifo":
        os.mkfifo(dest)
    run = export(reference="1.0", force=True, dest=f"{dest}/" if kind == "slash" else str(dest))
    assert run["error"]["kind"] == "destination", run["msg"]


def test_mode(export: t.Any, dest: pathlib.Path) -> None:
    assert done(export(reference="1.0", mode="0600"))["mode"] == "0600"
    run = done(export(reference="1.0", mode="0640", diff=True))
    assert (run["changed"], run["diff"]["after"]["mode"]) == (True, "0640")
    done(export(reference="2.0"))
    assert dest.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"reference": "no such"}, "reference_invalid"),
        ({"reference": "missing"}, "not_found"),
        ({"strip": "../etc"}, "option_invalid"),
        ({"parallel": 0}, "option_invalid"),
        ({"lock_timeout": -1}, "option_invalid"),
        ({"max_entries": 2, "reference": "2.0"}, "limit_exceeded"),
        ({"platform": "linux/s390x", "reference": "many"}, "platform_not_found"),
    ],
)
def test_bad_input(export: t.Any, dest: pathlib.Path, options: dict[str, t.Any], kind: str) -> None:
    run = export(**{"reference": "1.0", **options})
    assert run["error"]["kind"] == kind, run["msg"]
    assert not dest.parent.exists()


def test_wrong_layers_and_artifacts_leave_nothing(export: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> None:
    layer = images.layer([images.file("a")])
    config = images.config([images.layer([images.file("b")])])
    wrong = images.image([layer], config_content=config)
    artifact = images.artifact("application/x", [images.layer([])])
    registry.publish("team/app", {"wrong": wrong, "artifact": artifact})
    assert export(reference="wrong")["error"]["kind"] == "diff_id_mismatch"
    assert export(reference="artifact")["error"]["kind"] == "unsupported"
    assert not dest.parent.exists()


def test_a_missing_library_is_an_error_before_anything_is_asked_for(
    export: t.Any, registry: FaultyRegistry, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compress, "zstandard", None)
    monkeypatch.setattr(compress, "standard_zstd", None)
    run = export(reference="1.0", compression="zstd")
    assert (run["error"]["kind"], run["error"]["library"]) == ("dependency_missing", "zstandard")
    assert not registry.requests
    assert not dest.parent.exists()


def test_what_a_killed_run_left_is_removed(export: t.Any, dest: pathlib.Path) -> None:
    done(export(reference="1.0"))
    state = dest.with_name(".app.tar.oci_archive")
    for reference in ("1.0", "2.0"):
        (state / "tree" / "etc").mkdir(mode=0o700, parents=True)
        state.chmod(0o700)
        (state / "tree" / "etc" / "file").write_bytes(b"part")
        (state / "archive").write_bytes(b"part")
        (state / "lock").touch(mode=0o600)
        (state / "tree" / "etc").chmod(0)
        assert done(export(reference=reference))["changed"] is (reference == "2.0")
        assert left(dest) == []


@pytest.mark.parametrize("call", ["write", "pwrite", "fsync"])
def test_a_full_disk_leaves_the_old_archive(
    export: t.Any, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    done(export(reference="1.0"))
    before = dest.read_bytes()
    unpatched = getattr(os, call)

    def full(fd: int, *rest: t.Any) -> t.Any:
        if call != "write" or len(rest[0]) > 50_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return unpatched(fd, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        run = export(reference="2.0")
    assert run["error"]["kind"] == "no_space", run["msg"]
    assert dest.read_bytes() == before
    assert left(dest) == []


def test_two_runs_at_once(export: t.Any, dest: pathlib.Path) -> None:
    with pending_archive(str(dest), timeout=1):
        run = export(reference="1.0", lock_timeout=0)
        assert run["error"]["kind"] == "locked"
        assert export(reference="1.0", check=True)["changed"] is True
    assert not dest.parent.exists()


def test_a_config_too_large_for_the_comment(export: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> None:
    image = images.image(list(SMALL.layers), config_members={"history": [{"created_by": "x" * 600_000}]})
    registry.publish("team/app", {"large": image})
    for _run in range(2):
        run = done(export(reference="large"))
        assert (run["changed"], ["too large" in warning for warning in run.warnings]) == (True, [True])
    assert names(dest) == [".", "etc", "etc/arch"]


def test_the_cache(export: t.Any, dest: pathlib.Path, registry: FaultyRegistry, tmp_path: pathlib.Path) -> None:
    done(export(reference="2.0", cache=str(tmp_path / "cache")))
    dest.unlink()
    registry.clear()
    run = done(export(reference="2.0", cache=str(tmp_path / "cache")))
    assert run["stats"]["cache_hits"] == 2
    assert registry.sent(BASE.digest) == []
