# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_artifact keeps the files of an artifact in a directory, and removes exactly those."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import JsonInvalid
from ansible_collections.attested.registry.plugins.module_utils._module.artifact import record as artifact_record
from ansible_collections.attested.registry.plugins.module_utils._module.artifact import run as artifact_run
from ansible_collections.attested.registry.plugins.module_utils._module.artifact.files import name_problem
from ansible_collections.attested.registry.plugins.module_utils._module.artifact.record import parse_record
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import OciError
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry
from ansible_collections.attested.registry.tests.support.servers.peers import OwnServer
from hypothesis import given
from hypothesis import strategies as st

TITLE = "org.opencontainers.image.title"
RECORD = ".oci_artifact.json"


def part(title: str | None, data: bytes, media_type: str = "text/plain", **annotations: str) -> images.Layer:
    """A layer as oras push makes it: a file as it is, with its name as annotation."""
    named = annotations if title is None else {TITLE: title, **annotations}
    return images.layer(data, compression="none", media_type=media_type, annotations=named)


def artifact(*parts: images.Layer, **more: t.Any) -> images.Image:
    empty = images.Content(b"{}", "application/vnd.oci.empty.v1+json")
    changes = {"artifactType": "application/vnd.example", **more.pop("changes", {})}
    return images.image(parts, config_content=empty, changes=changes, **more)


HOSTS = part("hosts.json", b'{"hosts": []}', "application/json")
README = part("README", b"read me\n")
OLD = artifact(HOSTS, README)
NEW = artifact(part("hosts.json", b'{"hosts": [1]}', "application/json"), part("extra", b"more"))


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "files"


@pytest.fixture
def pull(run_module: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> t.Any:
    registry.publish("team/app", {"1": OLD, "2": NEW})

    def run(reference: str = "1", **options: t.Any) -> t.Any:
        settings = {"registry": registry.name, "repository": "team/app", "reference": reference, "retries": 0}
        registry.clear()
        return run_module("oci_artifact", **{**settings, "dest": str(dest), **options})

    return run


@pytest.fixture
def remove(run_module: t.Any, dest: pathlib.Path) -> t.Any:
    return lambda **options: run_module("oci_artifact", dest=str(dest), state="absent", **options)


def contents(dest: pathlib.Path) -> dict[str, bytes]:
    """The files in the directory, without the record, which must be there."""
    found = {path.name: path.read_bytes() for path in dest.iterdir()}
    assert found.pop(RECORD)
    return found


def test_check_run_check_run(pull: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    first = pull(check=True, diff=True)
    assert first["changed"] is True
    assert not dest.exists()
    assert not registry.sent(HOSTS.digest)

    second = pull(diff=True)
    assert (second["changed"], second["digest"], second["removed"]) == (True, OLD.digest, [])
    assert second["artifact_type"] == "application/vnd.example"
    assert second["files"] == first["files"]
    assert second["files"][0] == {
        "name": "hosts.json",
        "path": str(dest / "hosts.json"),
        "digest": HOSTS.digest,
        "size": len(HOSTS.data),
        "media_type": "application/json",
    }
    assert (second["stats"]["written"], second["stats"]["downloaded_bytes"]) == (2, len(HOSTS.data + README.data))
    for run in (first, second):
        assert [one["after"]["digest"] for one in run["diff"]] == [HOSTS.digest, README.digest]
        assert [one["before"]["digest"] for one in run["diff"]] == [None, None]
    assert contents(dest) == {"hosts.json": HOSTS.data, "README": README.data}

    before = sorted((path.name, path.lstat().st_ino, path.lstat().st_mtime_ns) for path in (dest, *dest.iterdir()))
    for check in (True, False):
        again = pull(check=check, diff=True)
        assert (again["changed"], again["files"], again["diff"]) == (False, second["files"], [])
        assert again["stats"] == {"written": 0, "downloaded_bytes": 0, "requests": 1}
        assert [request.method for request in registry.requests] == ["HEAD"]
    assert pull(reference=OLD.digest)["stats"]["requests"] == 0
    assert before == sorted((p.name, p.lstat().st_ino, p.lstat().st_mtime_ns) for p in (dest, *dest.iterdir()))


def test_an_upgrade_removes_what_is_gone_and_nothing_else(
    pull: t.Any, dest: pathlib.Path, registry: FaultyRegistry
) -> None:
    pull()
    (dest / "mine").write_text("mine")
    predicted = pull("2", check=True, diff=True)
    assert (predicted["changed"], predicted["removed"]) == (True, ["README"])
    assert (dest / "README").exists()
    run = pull("2", diff=True)
    assert (run["changed"], run["removed"], run["diff"]) == (True, ["README"], predicted["diff"])
    assert run["diff"][-1]["after"] == {"state": "absent"}
    assert contents(dest) == {"hosts.json": b'{"hosts": [1]}', "extra": b"more", "mine": b"mine"}
    assert pull("2")["changed"] is False


def test_what_others_changed_is_written_again(pull: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    pull()
    (dest / "hosts.json").write_text("changed")
    (dest / "README").unlink()
    run = pull()
    assert (run["changed"], run["stats"]["written"]) == (True, 2)
    assert contents(dest) == {"hosts.json": HOSTS.data, "README": README.data}


def test_only_what_differs_is_fetched(pull: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    dest.mkdir()
    (dest / "README").write_bytes(README.data)
    run = pull()
    assert (run["changed"], run["stats"]["written"]) == (True, 1)
    assert registry.sent(HOSTS.digest)
    assert not registry.sent(README.digest)


def test_files_that_are_there_already_are_recorded(pull: t.Any, remove: t.Any, dest: pathlib.Path) -> None:
    dest.mkdir()
    for one in (HOSTS, README):
        (dest / one.annotations[TITLE]).write_bytes(one.data)
    run = pull()
    assert (run["changed"], run["stats"]["written"]) == (True, 0)
    assert pull()["changed"] is False
    assert remove()["removed"] == ["README", "hosts.json"]
    assert list(dest.iterdir()) == []


def test_a_file_to_remove_that_others_changed_stays_with_a_warning(
    pull: t.Any, remove: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    pull()
    (dest / "README").write_text("changed")
    predicted = pull("2", check=True)
    run = pull("2")
    for one in (predicted, run):
        assert one["removed"] == []
        assert any("README is not removed" in text for text in one.warnings)
    assert pull("2")["changed"] is False
    (dest / "extra").unlink()
    (dest / "extra").symlink_to(tmp_path)
    gone = remove()
    assert (gone["changed"], gone["removed"]) == (True, ["hosts.json"])
    assert sorted(path.name for path in dest.iterdir()) == ["README", "extra"]


def test_absent_removes_exactly_what_was_written(pull: t.Any, remove: t.Any, dest: pathlib.Path) -> None:
    assert remove()["changed"] is False
    pull()
    (dest / "mine").touch()
    predicted = remove(check=True, diff=True)
    assert (dest / "README").exists()
    run = remove(diff=True)
    assert (run["changed"], run["removed"], run["files"]) == (True, ["README", "hosts.json"], [])
    assert (predicted["removed"], predicted["diff"]) == (run["removed"], run["diff"])
    assert [path.name for path in dest.iterdir()] == ["mine"]
    assert remove()["changed"] is False


@pytest.mark.parametrize("made", [True, False])
def test_absent_removes_the_directory_that_the_module_made(
    pull: t.Any, remove: t.Any, dest: pathlib.Path, made: bool
) -> None:
    if not made:
        dest.mkdir()
    pull()
    pull("2")
    remove()
    assert dest.exists() is not made


def test_missing_parents_are_made(pull: t.Any, dest: pathlib.Path) -> None:
    assert pull(dest=str(dest / "a/b"))["changed"] is True
    assert contents(dest / "a/b")


def test_mode_is_that_of_the_files(pull: t.Any, dest: pathlib.Path) -> None:
    pull(mode="0600")
    assert {stat.S_IMODE((dest / name).stat().st_mode) for name in ("README", "hosts.json")} == {0o600}
    assert pull(mode="0600")["changed"] is False
    assert pull(mode="0640", check=True)["changed"] is True
    run = pull(mode="0640", diff=True)
    assert (run["changed"], run["stats"]["written"], len(run["diff"])) == (True, 0, 2)
    pull("2")
    assert stat.S_IMODE((dest / "hosts.json").stat().st_mode) == 0o640


def test_media_types_select_files(pull: t.Any, dest: pathlib.Path) -> None:
    pull()
    run = pull(media_types=["application/*", "none/none"])
    assert (run["changed"], run["removed"], [one["name"] for one in run["files"]]) == (
        True,
        ["README"],
        ["hosts.json"],
    )
    assert pull(media_types=["none/none", "application/*"])["stats"]["requests"] == 1
    failed = pull(media_types=["none/none"])
    assert (failed.failed, failed["error"]["kind"]) == (True, "artifact_invalid")
    assert "text/plain" in failed["msg"]
    assert list(contents(dest)) == ["hosts.json"]


def test_files_of_a_layout(run_module: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path) -> None:
    layout = images.write_layout(tmp_path / "layout", {"1": OLD})
    options = {"layout": str(layout), "reference": "1", "dest": str(dest)}
    assert run_module("oci_artifact", **options)["changed"] is True
    assert contents(dest) == {"hosts.json": HOSTS.data, "README": README.data}
    again = run_module("oci_artifact", **options)
    assert (again["changed"], again["stats"]["requests"]) == (False, 0)


def test_files_of_our_own_server(run_module: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "served/team/app", {"1": OLD})
    with OwnServer(tmp_path / "served", tmp_path / "server").running() as address:
        options = {"image": f"{address}/team/app:1", "tls": "no-tls", "dest": str(dest)}
        assert run_module("oci_artifact", **options)["changed"] is True
        assert contents(dest) == {"hosts.json": HOSTS.data, "README": README.data}
        assert run_module("oci_artifact", **options)["stats"]["requests"] == 1


def test_layers_without_a_name_are_left_out(pull: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> None:
    registry.publish("team/app", {"3": artifact(README, part(None, b"nameless"))})
    run = pull("3")
    assert run["changed"] is True
    assert any("1 of 2 layers of the artifact were left out" in text for text in run.warnings)
    assert list(contents(dest)) == ["README"]


def test_a_file_in_the_manifest_is_not_fetched(pull: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> None:
    layer = {**README.descriptor(annotations={TITLE: "README"}), "data": base64.b64encode(README.data).decode()}
    registry.publish("team/app", {"3": artifact(README, changes={"layers": [layer]})})
    assert pull("3")["changed"] is True
    assert not registry.sent(README.digest)
    assert contents(dest) == {"README": README.data}
    (dest / "README").write_text("changed")
    assert pull("3")["changed"] is True
    assert contents(dest) == {"README": README.data}


@pytest.mark.parametrize(
    "title",
    ["", ".", "..", "a/b", "/etc/passwd", "../x", ".hidden", RECORD, "a\nb", "a\0b", "\u202etxt", "é" * 128],
)
def test_titles_that_are_no_plain_name_are_refused(
    pull: t.Any, registry: FaultyRegistry, dest: pathlib.Path, title: str
) -> None:
    registry.publish("team/app", {"3": artifact(part(title, b"evil"), README)})
    run = pull("3")
    assert run.failed
    assert run["error"]["kind"] in ("artifact_invalid", "document_invalid")
    assert not dest.exists()


@given(st.text(st.characters() | st.sampled_from("/.\0\ud800"), max_size=300))
def test_a_name_is_that_of_a_visible_file_or_refused(name: str) -> None:
    if name_problem(name) is None:
        assert os.path.basename(name) == name
        assert not name.startswith(".")
        assert 0 < len(os.fsencode(name)) <= 255


@given(st.binary(max_size=300) | st.from_type(dict).map(lambda value: json.dumps(str(value)).encode()))
def test_any_bytes_are_a_record_or_refused(data: bytes) -> None:
    with contextlib.suppress(OciError, JsonInvalid):
        parse_record(data)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((README, part("README", b"other")), "Two files of the artifact have the name"),
        ((part("d", b"x", **{"io.deis.oras.content.unpack": "true"}),), "oci_layer_unpack"),
        ((part(None, b"x"),), "no layer with a file name"),
        ((), "no layer with a file name"),
    ],
)
def test_artifacts_that_have_no_files(
    pull: t.Any, registry: FaultyRegistry, dest: pathlib.Path, parts: t.Any, said: str
) -> None:
    registry.publish("team/app", {"3": artifact(*parts)})
    for check in (True, False):
        run = pull("3", check=check)
        assert (run.failed, run["error"]["kind"]) == (True, "artifact_invalid")
        assert said in run["msg"]
    assert not dest.exists()


def test_an_image_is_no_artifact(pull: t.Any, registry: FaultyRegistry, old: images.Image) -> None:
    registry.publish("team/app", {"3": old})
    run = pull("3")
    assert run.failed
    assert "oci_image_unpack" in run["msg"]


def test_an_index_needs_a_platform(pull: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> None:
    arm = artifact(part("tool", b"arm"), platform="linux/arm64")
    registry.publish("team/app", {"multi": images.index([artifact(part("tool", b"amd")), arm])})
    run = pull("multi")
    assert (run.failed, run["error"]["kind"]) == (True, "unsupported")
    assert "platform" in run["msg"]
    run = pull("multi", platform="linux/arm64")
    assert (run["changed"], run["digest"], contents(dest)) == (True, arm.digest, {"tool": b"arm"})
    assert pull("multi", platform="linux/arm64")["stats"]["requests"] == 1
    assert pull("multi", platform="linux/amd64")["changed"] is True


def test_a_wrong_file_is_never_put_in_place(pull: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> None:
    pull()
    wrong = part("extra", b"more")
    registry.repositories["team/app"].blobs[wrong.digest] = b"evil"
    run = pull("2")
    assert run.failed
    assert run["error"]["kind"] == "digest_mismatch"
    assert "extra" not in contents(dest)
    registry.publish("team/app", {"2": NEW})
    assert pull("2")["changed"] is True
    assert contents(dest) == {"hosts.json": b'{"hosts": [1]}', "extra": b"more"}
    assert pull("2")["changed"] is False


@pytest.mark.parametrize("stop", ["write", "remove", "end"])
def test_a_run_that_is_killed_is_completed_by_the_next_one(
    pull: t.Any, remove: t.Any, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    """Whatever the next one is: the same, the earlier version, or the removal."""

    class Killed(BaseException):
        """The end of the process."""

    def kill(*args: t.Any, **kwargs: t.Any) -> t.Any:
        raise Killed

    for after in ("same", "earlier", "absent"):
        pull()
        with monkeypatch.context() as patch:
            if stop == "end":
                patch.setattr(artifact_run, "_remove_partials", kill)
            else:
                patch.setattr(*{"write": (artifact_run, "place"), "remove": (artifact_run, "_remove")}[stop], kill)
            with pytest.raises(Killed):
                pull("2")
        if after == "absent":
            remove()
            assert not dest.exists()
        else:
            assert pull("2" if after == "same" else "1")["changed"] is True
            assert sorted(contents(dest)) == (["extra", "hosts.json"] if after == "same" else ["README", "hosts.json"])
            assert pull("2" if after == "same" else "1")["changed"] is False


def test_the_record_does_not_grow_with_failures(pull: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> None:
    pull()
    for number in range(5):
        bad = artifact(part(f"file{number}", b"%d" % number))
        registry.publish("team/app", {"bad": bad})
        registry.repositories["team/app"].blobs[bad.layers[0].digest] = b"!"
        assert pull("bad").failed
    record = json.loads((dest / RECORD).read_bytes())
    assert {one["name"] for one in record["earlier"]} == {"README", "hosts.json"}


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"{}", b'{"format": 2}', b'{"format": 1, "earlier": [{"name": "../x"}]}']
)
def test_a_damaged_record_is_named(pull: t.Any, remove: t.Any, dest: pathlib.Path, damage: bytes) -> None:
    pull()
    (dest / RECORD).write_bytes(damage)
    for run in (pull(), pull(check=True), remove()):
        assert (run.failed, run["error"]["kind"], run["error"]["path"]) == (True, "destination", str(dest / RECORD))
    assert (dest / "README").exists()


def test_a_record_that_others_can_write_is_not_trusted(pull: t.Any, remove: t.Any, dest: pathlib.Path) -> None:
    pull()
    (dest / RECORD).chmod(0o644)
    for run in (pull(), remove()):
        assert (run.failed, run["error"]["kind"]) == (True, "destination")


def test_a_directory_that_cannot_be_used(pull: t.Any, dest: pathlib.Path) -> None:
    dest.touch()
    run = pull()
    assert (run.failed, run["error"]["kind"]) == (True, "destination")
    dest.unlink()
    (dest / "README").mkdir(parents=True)
    run = pull()
    assert (run.failed, run["error"]["kind"], run["error"]["path"]) == (True, "destination", str(dest / "README"))


def test_a_link_is_replaced_and_its_target_stays(pull: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path) -> None:
    dest.mkdir()
    (tmp_path / "target").write_text("target")
    (dest / "README").symlink_to(tmp_path / "target")
    pull()
    assert not (dest / "README").is_symlink()
    assert (tmp_path / "target").read_text() == "target"


def test_a_busy_directory(pull: t.Any, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pull()
    monkeypatch.setattr(artifact_record, "lock_file", lambda *args, **kwargs: None)
    run = pull("2")
    assert (run.failed, run["error"]["kind"], run["error"]["path"]) == (True, "locked", str(dest))
    assert pull()["changed"] is False


def test_nothing_but_files_and_the_record_is_left(pull: t.Any, remove: t.Any, dest: pathlib.Path) -> None:
    pull()
    (dest / f"{RECORD}.new-0123").touch()
    pull("2")
    assert sorted(os.listdir(dest)) == [RECORD, "extra", "hosts.json"]
    assert stat.S_IMODE((dest / RECORD).stat().st_mode) == 0o600


def test_the_repository_is_needed(run_module: t.Any, dest: pathlib.Path) -> None:
    run = run_module("oci_artifact", dest=str(dest))
    assert run.failed
    assert "repository" in run["msg"]
