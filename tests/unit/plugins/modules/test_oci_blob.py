# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_blob downloads a blob once, resumes it, and replaces a file only with verified content."""

from __future__ import annotations

import base64
import errno
import os
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.blob_file import BlobFile
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply

DATA = bytes(range(256)) * 4000
OTHER = b"something else"


@pytest.fixture
def digest(registry: FaultyRegistry) -> str:
    return registry.add_blob("team/app", DATA)


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "blob"


@pytest.fixture
def blob(run_module: t.Any, registry: FaultyRegistry, digest: str, dest: pathlib.Path) -> t.Any:
    def run(**options: t.Any) -> t.Any:
        settings = {"registry": registry.name, "repository": "team/app", "digest": digest, "dest": str(dest)}
        return run_module("oci_blob", **{**settings, "retries": 0, **options})

    return run


def bind(path: pathlib.Path) -> None:
    """Make a socket, whose path may be longer than bind(2) takes."""
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def partial(dest: pathlib.Path, digest: str) -> pathlib.Path:
    return dest.parent / f".oci_blob.{digest.replace(':', '-')}"


def test_check_run_check_run(blob: t.Any, dest: pathlib.Path, digest: str, registry: FaultyRegistry) -> None:
    first = blob(check=True)
    assert (first["changed"], first["size"], first["digest"]) == (True, len(DATA), digest)
    assert not list(dest.parent.iterdir())
    assert not registry.sent("/blobs/", method="GET")

    second = blob()
    assert (second["changed"], second["size"], second["resumed_from"]) == (True, len(DATA), 0)
    assert dest.read_bytes() == DATA
    assert list(dest.parent.iterdir()) == [dest]

    registry.clear()
    for check in (True, False):
        again = blob(check=check)
        assert (again["changed"], again["size"]) == (False, len(DATA))
    assert registry.requests == []


def test_replaces_other_content_and_shows_the_difference(blob: t.Any, dest: pathlib.Path, digest: str) -> None:
    dest.write_bytes(OTHER)
    dest.chmod(0o600)
    run = blob(diff=True)
    assert run["changed"] is True
    assert run["diff"]["before"]["size"] == len(OTHER)
    assert run["diff"]["after"] == {"digest": digest, "size": len(DATA)}
    assert dest.read_bytes() == DATA
    assert dest.stat().st_mode & 0o777 == 0o600


def test_sets_file_attributes(blob: t.Any, dest: pathlib.Path) -> None:
    assert blob(mode="0640")["changed"] is True
    assert dest.stat().st_mode & 0o777 == 0o640
    assert blob(mode="0640")["changed"] is False
    assert blob(mode="0600", check=True)["changed"] is True
    assert dest.stat().st_mode & 0o777 == 0o640
    assert blob(mode="0600")["changed"] is True


def test_carries_on_where_it_broke_off(blob: t.Any, dest: pathlib.Path, digest: str, registry: FaultyRegistry) -> None:
    registry.on("/blobs/", Reply(cut=300_000), times=1)
    assert blob().failed
    rest = partial(dest, digest)
    kept = rest.stat()
    assert 0 < kept.st_size <= 300_000
    assert kept.st_mode & 0o777 == 0o600
    assert not dest.exists()

    run = blob()
    assert (run["changed"], run["resumed_from"]) == (True, kept.st_size)
    assert registry.requests[-1].header("Range") == f"bytes={kept.st_size}-"
    assert dest.read_bytes() == DATA
    assert not rest.exists()


def test_a_wrong_beginning_is_thrown_away(blob: t.Any, dest: pathlib.Path, digest: str) -> None:
    rest = partial(dest, digest)
    rest.write_bytes(b"x" * 1000)
    rest.chmod(0o600)
    run = blob()
    assert (run["changed"], run["resumed_from"]) == (True, 0)
    assert dest.read_bytes() == DATA


def test_a_complete_partial_file_is_only_verified(blob: t.Any, dest: pathlib.Path, digest: str) -> None:
    rest = partial(dest, digest)
    rest.write_bytes(DATA)
    rest.chmod(0o600)
    assert blob()["resumed_from"] == len(DATA)
    assert dest.read_bytes() == DATA


def test_wrong_content_never_gets_to_its_place(
    blob: t.Any, dest: pathlib.Path, digest: str, registry: FaultyRegistry
) -> None:
    dest.write_bytes(OTHER)
    registry.on("/blobs/", Reply(body=DATA[::-1]))
    run = blob()
    assert run.failed
    assert run["error"]["kind"] == "digest_mismatch"
    assert dest.read_bytes() == OTHER
    assert list(dest.parent.iterdir()) == [dest]


def test_a_link_in_place_of_the_partial_file_is_not_followed(
    blob: t.Any, dest: pathlib.Path, digest: str, tmp_path_factory: t.Any
) -> None:
    victim = tmp_path_factory.mktemp("else") / "victim"
    victim.write_bytes(OTHER)
    partial(dest, digest).symlink_to(victim)
    assert blob()["changed"] is True
    assert dest.read_bytes() == DATA
    assert victim.read_bytes() == OTHER
    assert list(dest.parent.iterdir()) == [dest]


@pytest.mark.parametrize("how", ["mode 0666", "mode 0644", "link", "owner", "fifo", "socket", "directory"])
def test_a_partial_file_that_others_could_change_is_not_used(
    blob: t.Any, dest: pathlib.Path, digest: str, how: str
) -> None:
    rest = partial(dest, digest)
    if how == "fifo":
        os.mkfifo(rest)
    elif how == "directory":
        rest.mkdir()
    elif how == "socket":
        bind(rest)
    else:
        rest.write_bytes(DATA[:10])
        rest.chmod(int(how.split()[1], 8) if " " in how else 0o600)
    if how == "link":
        os.link(rest, dest.parent / "other")
    elif how == "owner" and os.geteuid() == 0:
        os.chown(rest, 65534, 65534)
    run = blob()
    assert (run["changed"], run["resumed_from"] == 0 or os.geteuid() != 0) == (True, True)
    assert dest.read_bytes() == DATA
    left = {"link": {"other"}, "directory": {rest.name}}.get(how, set())
    assert {path.name for path in dest.parent.iterdir()} == {dest.name, *left}


@pytest.mark.parametrize("make", [os.mkfifo, bind, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("check", [True, False])
def test_a_destination_other_than_a_regular_file_is_refused(
    blob: t.Any, dest: pathlib.Path, make: t.Callable[[pathlib.Path], None], check: bool
) -> None:
    make(dest)
    run = blob(check=check)
    assert run["error"]["kind"] == "destination"
    assert "is not a regular file" in run["msg"]
    assert list(dest.parent.iterdir()) == [dest]


@pytest.mark.parametrize("leads_to", ["nothing", "a file"])
def test_a_link_as_destination_is_replaced_and_what_it_leads_to_stays(
    blob: t.Any, dest: pathlib.Path, tmp_path_factory: t.Any, leads_to: str
) -> None:
    other = tmp_path_factory.mktemp("else") / "other"
    if leads_to == "a file":
        other.write_bytes(OTHER)
        other.chmod(0o4711)
    dest.symlink_to(other)
    assert blob()["changed"] is True
    assert not dest.is_symlink()
    assert dest.read_bytes() == DATA
    assert dest.stat().st_mode & 0o7111 == 0
    assert other.exists() == (leads_to == "a file")


def test_a_replaced_file_keeps_what_it_had(blob: t.Any, dest: pathlib.Path) -> None:
    dest.write_bytes(OTHER)
    dest.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(dest, 65534, 65533)
    before = dest.stat()
    blob()
    after = dest.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_mtime > 1e9


def test_a_failed_replacement_is_completed_by_the_next_run(
    blob: t.Any, dest: pathlib.Path, digest: str, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest.write_bytes(OTHER)
    dest.chmod(0o644)

    def refuse(*dummy: t.Any, **also_dummy: t.Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        run = blob()
    assert run["error"]["kind"] == "filesystem"
    assert dest.read_bytes() == OTHER
    assert partial(dest, digest).stat().st_mode & 0o777 == 0o600
    registry.clear()
    assert blob()["resumed_from"] == len(DATA)
    assert dest.read_bytes() == DATA
    assert list(dest.parent.iterdir()) == [dest]


def test_a_directory_as_destination(blob: t.Any, dest: pathlib.Path) -> None:
    dest.mkdir()
    run = blob()
    assert run.failed
    assert "it is a directory" in run["msg"]


def test_a_file_downloaded_by_another_task_is_not_downloaded_again(
    blob: t.Any, dest: pathlib.Path, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest.write_bytes(OTHER)
    download = BlobFile.download

    def overtaken(file: BlobFile, *args: t.Any, **options: t.Any) -> t.Any:
        monkeypatch.setattr(BlobFile, "download", download)
        assert blob()["changed"] is True
        registry.clear()
        return download(file, *args, **options)

    monkeypatch.setattr(BlobFile, "download", overtaken)
    run = blob()
    assert (run["changed"], run["size"], run["resumed_from"]) == (False, len(DATA), 0)
    assert not registry.sent("/blobs/")
    assert list(dest.parent.iterdir()) == [dest]


def test_a_missing_directory_is_made(blob: t.Any, dest: pathlib.Path) -> None:
    below = dest / "a/b"
    assert blob(dest=str(below), check=True, diff=True)["changed"] is True
    assert not dest.exists()
    assert blob(dest=str(below), mode="0600")["changed"] is True
    assert below.read_bytes() == DATA
    assert dest.stat().st_mode & 0o777 == 0o755
    assert blob(dest=str(below), mode="0600")["changed"] is False


def test_a_directory_that_another_task_removes_is_made_again(
    blob: t.Any, dest: pathlib.Path, removed_once: t.Any
) -> None:
    removed_once(dest)
    assert blob(dest=str(dest / "b"))["changed"] is True
    assert (dest / "b").read_bytes() == DATA


def test_directories_created_by_a_failed_task_are_removed(blob: t.Any, dest: pathlib.Path) -> None:
    assert blob(dest=str(dest / "a/b"), digest="sha256:" + "0" * 64).failed
    assert not dest.exists()


def test_a_file_above_the_destination_is_refused(blob: t.Any, dest: pathlib.Path) -> None:
    dest.write_bytes(b"")
    for check in (True, False):
        run = blob(dest=str(dest / "a/b"), check=check)
        assert run["error"]["kind"] == "destination"
        assert f"{dest} is not a directory" in run["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_a_blob_that_is_not_there(blob: t.Any, dest: pathlib.Path, check: bool) -> None:
    run = blob(digest="sha256:" + "0" * 64, check=check)
    assert run.failed
    assert run["error"]["kind"] == "not_found"
    assert not list(dest.parent.iterdir())


def test_sha512(blob: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    digest = registry.add_blob("team/app", DATA, algorithm="sha512")
    assert blob(digest=digest)["digest"] == digest
    assert dest.read_bytes() == DATA


def test_a_full_disk_leaves_nothing_behind(blob: t.Any, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.attested.registry.plugins.module_utils._module import blob_file

    def full(descriptor: int, piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blob_file, "_write_all", full)
    run = blob()
    assert run.failed
    assert run["error"]["kind"] == "no_space"
    assert not list(dest.parent.iterdir())


def test_two_registries_share_the_download(blob: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    with FaultyRegistry() as mirror:
        mirror.add_blob("team/app", DATA)
        mirror.on("/blobs/", Reply(cut=200_000))
        run = blob(mirrors=[mirror.name])
    assert run["changed"] is True
    assert any(f"The mirror {mirror.name} was skipped" in text for text in run.warnings)
    assert registry.requests[-1].header("Range") is not None
    assert dest.read_bytes() == DATA


@pytest.mark.parametrize("check", [False, True])
def test_a_part_is_returned_with_a_warning(
    run_module: t.Any, registry: FaultyRegistry, digest: str, check: bool
) -> None:
    options = {"registry": registry.name, "repository": "team/app", "digest": digest}
    run = run_module("oci_blob", **options, range="10-19", check=check)
    assert (run["changed"], run["digest"], run["size"], run["first"]) == (False, digest, len(DATA), 10)
    assert base64.b64decode(run["content"]) == DATA[10:20]
    (warning,) = run.warnings
    assert f"A part of the blob {digest} is not verified" in warning
    assert len(registry.requests) == 1


@pytest.mark.parametrize(
    ("value", "kind"), [("nonsense", "configuration"), ("99999999-", "range_invalid"), ("0-9999999", "configuration")]
)
def test_a_range_that_cannot_be_read(
    run_module: t.Any, registry: FaultyRegistry, digest: str, value: str, kind: str
) -> None:
    run = run_module("oci_blob", registry=registry.name, repository="team/app", digest=digest, range=value)
    assert run["error"]["kind"] == kind


def test_either_a_part_or_a_file(blob: t.Any, run_module: t.Any, dest: pathlib.Path, digest: str) -> None:
    assert "mutually exclusive" in blob(range="0-1")["msg"]
    assert not dest.exists()
    assert (
        "any of the following are missing: dest, range" in run_module("oci_blob", repository="a", digest=digest)["msg"]
    )


def test_the_first_mirror_that_has_the_blob(run_module: t.Any, registry: FaultyRegistry, digest: str) -> None:
    with FaultyRegistry() as empty:
        run = run_module(
            "oci_blob",
            registry=registry.name,
            repository="team/app",
            digest=digest,
            range="-3",
            mirrors=[empty.name],
        )
    assert base64.b64decode(run["content"]) == DATA[-3:]
