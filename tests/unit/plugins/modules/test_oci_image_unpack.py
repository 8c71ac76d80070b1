# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_image_unpack unpacks, repairs, rolls back and removes a tree, and predicts it in check mode."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.image import present as image_present
from ansible_collections.attested.registry.plugins.module_utils._module.options import image_options
from ansible_collections.attested.registry.plugins.module_utils._module.progress import (
    ENVIRONMENT,
    Record,
    parse_record,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline import fork as forked
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply

ROOT = os.geteuid() == 0


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "tree"


@pytest.fixture(params=[pytest.param("one process", marks=pytest.mark.exhaustive), "two processes"])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the module look for changes by itself, or with a second process at the same time."""
    threads = 1 if request.param == "two processes" else 2
    monkeypatch.setattr(forked.threading, "active_count", lambda: threads)
    monkeypatch.setattr(forked.os, "sched_getaffinity", lambda pid: {0, 1})


@pytest.fixture
def unpack(
    processes: None, run_module: t.Any, registry: FaultyRegistry, dest: pathlib.Path, old: t.Any, new: t.Any
) -> t.Any:
    registry.publish("team/app", {"1": old, "2": new})

    def run(reference: str | None = None, **options: t.Any) -> t.Any:
        settings = {"registry": registry.name, "repository": "team/app", "dest": str(dest)}
        settings.update({"ownership": False, "platform": "linux/amd64", "retries": 0})
        if reference is not None:
            settings["reference"] = reference
        registry.clear()
        return run_module("oci_image_unpack", **{**settings, **options})

    return run


@pytest.fixture
def back(run_module: t.Any, dest: pathlib.Path) -> t.Any:
    def run(state: str = "rolled_back", **options: t.Any) -> t.Any:
        return run_module("oci_image_unpack", **{"dest": str(dest), "state": state, **options})

    return run


def listing(path: pathlib.Path) -> list[tuple[str, int, int]]:
    """Everything below a directory, hidden state included, so that any change shows."""
    return sorted(
        (str(entry), entry.lstat().st_ino, entry.lstat().st_mtime_ns)
        for entry in path.rglob("*")
        if entry.name not in ("lock", ".tree.oci")
    )


def motd(dest: pathlib.Path) -> str:
    return (dest / "etc/motd").read_text()


# --- present ---


def test_check_run_check_run(unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, old: images.Image) -> None:
    first = unpack("1", check=True)
    assert (first["changed"], first["generation"], first["previous_digest"]) == (True, None, None)
    assert first["image"]["digest"] == old.digest
    assert not list(dest.parent.iterdir())
    assert not registry.sent(old.children[1].digest)

    second = unpack("1")
    assert (second["changed"], second["generation"], second["previous_digest"]) == (True, 1, None)
    assert second["image"] == first["image"]
    assert second["stats"]["entries"] == 2
    assert second["stats"]["downloaded_bytes"] == old.children[1].size
    assert motd(dest) == "hello\n"

    before = listing(dest.parent)
    for check in (True, False):
        again = unpack("1", check=check)
        assert (again["changed"], again["generation"], again["drift"]) == (False, 1, [])
        assert again["image"] == first["image"]
        seconds = again["stats"].pop("seconds")
        assert again["stats"] == {"entries": 0, "bytes": 0, "downloaded_bytes": 0, "requests": 1}
        assert set(seconds) == {"resolve", "download", "unpack", "publish"}
        assert seconds["download"] == seconds["unpack"] == seconds["publish"] == 0
        assert [request.method for request in registry.requests] == ["HEAD"]
    assert listing(dest.parent) == before


def test_two_processes_need_nothing_more_to_see_that_all_is_well(
    unpack: t.Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*args: t.Any, **kwargs: t.Any) -> None:
        raise AssertionError("called")

    unpack("1", drift="content")
    monkeypatch.setattr(image_present, "ensure_present", surprise)
    alone = "one process" in request.node.name
    assert unpack("1").failed is alone
    assert unpack("1", drift="content").failed is alone
    assert unpack("1", drift="content", check=True).failed is alone


def test_upgrade_with_prediction_and_diff(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, old: images.Image, new: images.Image, top: images.Layer
) -> None:
    unpack("1")
    before = listing(dest.parent)
    predicted = unpack("2", check=True, diff=True)
    assert listing(dest.parent) == before
    assert not registry.sent(top.digest)
    done = unpack("2", diff=True)
    for name in ("changed", "image", "previous_digest", "drift", "diff"):
        assert predicted[name] == done[name]
    assert (done["changed"], done["generation"], done["previous_digest"]) == (True, 2, old.digest)
    shown = done["diff"]
    assert (shown["before"]["digest"], shown["after"]["digest"]) == (old.digest, new.digest)
    assert (shown["before"]["tag"], shown["after"]["tag"]) == ("1", "2")
    assert shown["after"]["download_size"] == done["stats"]["downloaded_bytes"]
    assert shown["after"]["layers"] == [layer["diff_id"] for layer in done["image"]["layers"]]
    assert shown["before"]["annotations"] == {"org.example.version": "1"}
    assert motd(dest) == "good morning\n"


def test_the_diff_of_the_first_time(unpack: t.Any) -> None:
    shown = unpack("1", diff=True)["diff"]
    assert shown["before"] == {"state": "absent"}
    assert shown["after"]["config"]["architecture"] == "amd64"


def test_a_registry_that_does_not_answer_head_gets_one_request_more(unpack: t.Any, registry: FaultyRegistry) -> None:
    unpack("1")
    registry.clear()
    registry.on("/manifests/", Reply(drop=("Docker-Content-Digest",)))
    run = unpack_again(unpack, registry)
    assert run["changed"] is False
    assert [request.method for request in registry.requests] == ["HEAD", "GET"]


def unpack_again(unpack: t.Any, registry: FaultyRegistry) -> t.Any:
    """Unpack without clearing the rules of the registry."""
    rules = registry._rules[:]
    original = registry.clear

    def keep() -> None:
        original()
        registry._rules[:] = rules

    registry.clear = keep  # type: ignore[method-assign]
    return unpack("1")


def test_a_digest_that_is_there_already_asks_no_registry(
    unpack: t.Any, registry: FaultyRegistry, dest: pathlib.Path, old: images.Image
) -> None:
    unpack("1", drift="content")
    for reference in (old.digest, f"1@{old.digest}", f"another@{old.digest}"):
        for check in (True, False):
            run = unpack(reference, check=check, registry="localhost:1")
            assert (run["changed"], run["stats"]["requests"]) == (False, 0)
            assert run["image"]["tag"] == (reference.partition("@")[0] if "@" in reference else None)
    assert unpack(old.digest, registry="localhost:1", drift="content")["changed"] is False
    (dest / "etc/motd").write_text("changed")
    assert unpack(old.digest, registry="localhost:1").failed
    assert unpack(old.digest)["changed"] is True
    for options in ({"xattrs": "skip"}, {"platform": "linux/s390x"}):
        assert unpack(old.digest, registry="localhost:1", **options).failed


def test_the_digest_of_an_index_asks_no_registry(unpack: t.Any, registry: FaultyRegistry, old: images.Image) -> None:
    index = images.index([old])
    registry.publish("team/app", {"multi": index})
    unpack("multi")
    run = unpack(index.digest, registry="localhost:1")
    assert (run["changed"], run["image"]["index_digest"]) == (False, index.digest)


def test_another_tag_of_the_same_image_changes_nothing(
    unpack: t.Any, registry: FaultyRegistry, old: images.Image
) -> None:
    unpack("1")
    registry.add_tag("team/app", "stable", old.digest)
    run = unpack("stable")
    assert (run["changed"], run["image"]["tag"]) == (False, "stable")


def test_the_same_layers_under_another_manifest_change_nothing(
    unpack: t.Any, registry: FaultyRegistry, base: images.Layer
) -> None:
    unpack("1")
    again = images.image([base], annotations={"org.example.version": "1, signed"})
    registry.publish("team/app", {"1": again})
    run = unpack("1")
    assert (run["changed"], run["image"]["digest"]) == (False, again.digest)
    assert not registry.sent(base.digest)


def test_another_config_of_the_same_layers_is_a_change(
    unpack: t.Any, registry: FaultyRegistry, base: images.Layer
) -> None:
    unpack("1")
    registry.publish("team/app", {"1": images.image([base], config_members={"author": "somebody else"})})
    assert unpack("1")["changed"] is True


def test_an_index_is_remembered_by_its_digest(
    unpack: t.Any, registry: FaultyRegistry, old: images.Image, new: images.Image
) -> None:
    arm = images.image([images.layer([images.file("arm", b"")])], platform="linux/arm64")
    both = images.index([old, arm])
    registry.publish("team/app", {"both": both})
    first = unpack("both")
    assert first["image"]["index_digest"] == both.digest
    second = unpack("both")
    assert (second["changed"], second["stats"]["requests"]) == (False, 1)
    assert second["image"] == first["image"]
    directly = unpack("1")
    assert (directly["changed"], directly["stats"]["requests"]) == (False, 1)
    assert (directly["image"]["index_digest"], directly["image"]["platforms"]) == (None, ["linux/amd64"])
    other = unpack("both", platform="linux/arm64")
    assert (other["changed"], other["image"]["digest"]) == (True, arm.digest)


def test_drift_is_repaired(unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    unpack("1")
    (dest / "etc/motd").write_text("tampered with\n")
    predicted = unpack("1", check=True, diff=True)
    assert motd(dest) == "tampered with\n"
    run = unpack("1", diff=True)
    assert run["changed"] is predicted["changed"] is True
    assert run["drift"] == predicted["drift"]
    assert {"path": "etc/motd", "change": "size, mtime"} in run["drift"]
    assert run["drift_total"] == len(run["drift"])
    assert "etc/motd: size, mtime" in run["diff"]["before"]["drift"]
    assert motd(dest) == "hello\n"
    assert unpack("1")["changed"] is False


NO_DIGESTS = {
    "path": "the record of the tree has no digests of files; they are recorded when the image is unpacked with"
    " drift: content",
    "change": "record",
}


def test_the_first_task_that_compares_content_unpacks_again(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, base: images.Layer
) -> None:
    unpack("1")
    assert unpack("1")["changed"] is False
    before = listing(dest.parent)
    predicted = unpack("1", drift="content", check=True, diff=True)
    assert listing(dest.parent) == before
    run = unpack("1", drift="content", diff=True)
    for result in (predicted, run):
        assert (result["changed"], result["drift"], result["drift_total"]) == (True, [NO_DIGESTS], 1)
        assert result["diff"]["before"]["drift"] == [f"{NO_DIGESTS['path']}: record"]
        assert "drift" not in result["diff"]["after"]
    assert (run["generation"], predicted.warnings, run.warnings) == (2, [], [])
    assert registry.sent(base.digest)
    for drift in ("content", "metadata", "none", "content"):
        for check in (True, False):
            again = unpack("1", drift=drift, check=check)
            assert (again["changed"], again["generation"], again["drift"]) == (False, 2, [])


def test_other_changes_are_reported_beside_missing_digests(unpack: t.Any, dest: pathlib.Path) -> None:
    unpack("1")
    (dest / "etc/new").touch()
    run = unpack("1", drift="content")
    assert run["drift"] == [NO_DIGESTS, {"path": "etc/new", "change": "added"}]
    assert not (dest / "etc/new").exists()


def test_a_kept_tree_comes_back_only_if_it_can_be_compared_as_closely_as_wanted(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, base: images.Layer
) -> None:
    unpack("1")
    unpack("2")
    run = unpack("1", drift="content")
    assert (run["changed"], run["generation"]) == (True, 3)
    assert registry.sent(base.digest)
    assert unpack("2")["generation"] == 2
    again = unpack("1", drift="content")
    assert (again["changed"], again["generation"], again["stats"]["downloaded_bytes"]) == (True, 3, 0)
    assert motd(dest) == "hello\n"


def test_drift_of_content_alone(unpack: t.Any, dest: pathlib.Path) -> None:
    unpack("1", drift="content")
    path = dest / "etc/motd"
    status = path.stat()
    path.write_text("HELLO\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert unpack("1")["changed"] is False
    run = unpack("1", drift="content")
    assert (run["changed"], run["drift"]) == (True, [{"path": "etc/motd", "change": "content"}])


def test_no_drift_is_looked_for(unpack: t.Any, dest: pathlib.Path) -> None:
    unpack("1")
    (dest / "etc/motd").unlink()
    run = unpack("1", drift="none")
    assert (run["changed"], run["drift"]) == (False, [])


@pytest.mark.parametrize("drift", ["none", "metadata"])
def test_a_tree_that_is_gone_is_made_again(unpack: t.Any, dest: pathlib.Path, drift: str) -> None:
    unpack("1")
    dest.rename(dest.parent / "elsewhere")
    assert unpack("1", drift=drift, check=True)["changed"] is True
    assert unpack("1", drift=drift)["changed"] is True
    assert motd(dest) == "hello\n"


def test_a_much_changed_tree_is_listed_in_bounds(unpack: t.Any, dest: pathlib.Path) -> None:
    unpack("1")
    for number in range(300):
        (dest / f"new{number}").touch()
    run = unpack("1", check=True, diff=True)
    assert run["drift_total"] == 300
    assert len(run["drift"]) == 100
    assert run["diff"]["before"]["drift"][-1] == "and 280 more"


@pytest.mark.parametrize(
    "options",
    [
        {"xattrs": "skip"},
        {"devices": "fail"},
        {"include": ["etc"]},
        {"strip": "etc"},
        {"mount_points": ["/proc"]},
        {"mount_files": ["/x"]},
    ],
)
def test_other_options_for_the_tree_unpack_again(unpack: t.Any, options: dict[str, t.Any]) -> None:
    unpack("1")
    assert unpack("1", check=True, **options)["changed"] is True
    assert unpack("1", **options)["changed"] is True
    assert unpack("1", **options)["changed"] is False


# --- a part of an image ---


def paths(dest: pathlib.Path) -> list[str]:
    return sorted(str(path.relative_to(dest)) for path in dest.rglob("*"))


def test_a_part_is_kept_and_a_second_run_pulls_nothing(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry
) -> None:
    options = {"strip": "/etc/", "exclude": ["etc/new"]}
    assert unpack("2", check=True, **options)["changed"] is True
    assert not dest.exists()
    run = unpack("2", diff=True, **options)
    assert (run["changed"], run["stats"]["entries"], paths(dest)) == (True, 4, ["motd"])
    assert run["diff"]["after"]["options"]["exclude"] == ["etc/new"]
    assert run["diff"]["after"]["options"]["strip"] == "etc"
    for check in (True, False):
        again = unpack("2", check=check, strip="etc", exclude=["./etc//new", "/etc/new"])
        assert (again["changed"], again["drift"], again["stats"]["downloaded_bytes"]) == (False, [], 0)
        assert [request.method for request in registry.requests] == ["HEAD"]
    assert unpack("2", pull="missing", **options)["stats"]["requests"] == 0


def test_only_what_was_kept_can_drift(unpack: t.Any, dest: pathlib.Path) -> None:
    options = {"include": ["etc/motd"], "drift": "content"}
    unpack("2", **options)
    (dest / "etc/motd").write_text("tampered with\n")
    (dest / "etc/new").touch()
    run = unpack("2", **options)
    assert [one["path"] for one in run["drift"]] == ["etc/motd", "etc/new"]
    assert (run["changed"], paths(dest)) == (True, ["etc", "etc/motd"])
    assert unpack("2", **options)["changed"] is False


def test_another_part_is_unpacked_anew_and_the_kept_one_comes_back(
    unpack: t.Any, back: t.Any, dest: pathlib.Path, registry: FaultyRegistry, top: images.Layer
) -> None:
    unpack("2", include=["etc/new"])
    run = unpack("2", include=["etc/motd"], diff=True)
    assert (run["changed"], run["generation"], paths(dest)) == (True, 2, ["etc", "etc/motd"])
    assert run["diff"]["before"]["options"]["include"] == ["etc/new"]
    assert registry.sent(top.digest)
    assert unpack("2", include=["etc/new"])["generation"] == 1
    assert not registry.sent(top.digest)
    assert paths(dest) == ["etc", "etc/new"]
    assert back()["generation"] == 2
    assert paths(dest) == ["etc", "etc/motd"]
    assert unpack("2")["generation"] == 3
    assert paths(dest) == ["etc", "etc/motd", "etc/new"]


def test_a_pattern_that_keeps_nothing_is_named(unpack: t.Any, dest: pathlib.Path) -> None:
    run = unpack("2", include=["etc/motd", "srv"])
    assert run["changed"] is True
    assert [text for text in run.warnings if "srv" in text and "include kept nothing" in text]
    again = unpack("2", include=["etc/motd", "srv"])
    assert (again["changed"], again.warnings) == (False, [])


@pytest.mark.parametrize(
    ("options", "named"), [({"include": ["srv"]}, "srv"), ({"exclude": ["**"]}, "**"), ({"strip": "srv"}, "srv")]
)
def test_nothing_selected_leaves_the_old_tree(
    unpack: t.Any, dest: pathlib.Path, options: dict[str, t.Any], named: str
) -> None:
    unpack("1")
    before = listing(dest)
    run = unpack("2", **options)
    assert (run.failed, run["error"]["kind"], run["error"]["option"]) == (True, "nothing_selected", next(iter(options)))
    assert named in run["msg"]
    assert listing(dest) == before
    assert unpack("1")["changed"] is False


def test_all_layers_of_a_part_are_verified(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, base: images.Layer, top: images.Layer
) -> None:
    """Those that have nothing of it, too."""
    other = images.layer([images.file("srv/x", b"")])
    registry.publish("team/app", {"lie": images.image([base, top], config_content=images.config([base, other]))})
    run = unpack("lie", include=["etc/motd"])
    assert (run.failed, run["error"]["kind"], run["error"]["layer"]) == (True, "diff_id_mismatch", top.digest)
    assert not dest.exists()


def test_a_part_of_an_image_in_a_layout(
    run_module: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path, new: images.Image
) -> None:
    layout = images.write_layout(tmp_path / "layout", {"2": new})
    options = {"layout": str(layout), "dest": str(dest), "ownership": False, "platform": "linux/amd64", "strip": "etc"}
    assert run_module("oci_image_unpack", **options)["changed"] is True
    assert paths(dest) == ["motd", "new"]
    assert run_module("oci_image_unpack", **options)["changed"] is False


# --- mount points ---


def test_mount_points_are_parts_of_the_tree(unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    points = {"mount_points": ["/proc/", "//data//in/it", "/etc"], "mount_files": ["/etc/resolv.conf", "/etc/motd"]}
    assert unpack("1", check=True, **points)["changed"] is True
    assert not dest.exists()
    run = unpack("1", diff=True, **points)
    assert (run["changed"], run["stats"]["entries"]) == (True, 2)
    assert paths(dest) == ["data", "data/in", "data/in/it", "etc", "etc/motd", "etc/resolv.conf", "proc"]
    assert motd(dest) == "hello\n"
    options = run["diff"]["after"]["options"]
    assert options["mount_points"] == ["/data/in/it", "/etc", "/proc"]
    assert options["mount_files"] == ["/etc/motd", "/etc/resolv.conf"]
    files = [*reversed(points["mount_files"])]
    same = {"mount_points": ["/proc", "/proc", "/etc", "/data/./in/it"], "mount_files": files}
    for check in (True, False):
        again = unpack("1", check=check, **same)
        assert (again["changed"], again["drift"], again["stats"]["downloaded_bytes"]) == (False, [], 0)
        assert [request.method for request in registry.requests] == ["HEAD"]
    assert unpack("1", pull="missing", **points)["stats"]["requests"] == 0


@pytest.mark.parametrize("drift", ["metadata", "content"])
def test_what_is_added_to_a_mount_point_is_drift(unpack: t.Any, dest: pathlib.Path, drift: str) -> None:
    points = {"mount_points": ["/proc"], "mount_files": ["/etc/resolv.conf"], "drift": drift}
    unpack("1", **points)
    (dest / "proc").chmod(0o700)
    (dest / "etc/resolv.conf").write_text("nameserver ::1\n")
    (dest / "sys").mkdir()
    run = unpack("1", **points)
    assert sorted(one["path"] for one in run["drift"]) == ["etc/resolv.conf", "proc", "sys"]
    assert paths(dest) == ["etc", "etc/motd", "etc/resolv.conf", "proc"]
    assert unpack("1", **points)["changed"] is False


def test_files_that_are_made_after_others_were_removed_are_no_drift(
    unpack: t.Any, registry: FaultyRegistry, dest: pathlib.Path
) -> None:
    """File systems such as ext4 give them the inode numbers of those, which the record has digests for."""
    files = images.layer([images.file(f"etc/{number}", str(number).encode()) for number in range(50)])
    registry.publish("team/app", {"many": images.image([files])})
    options = {"exclude": ["etc/*"], "mount_files": [f"/file{number}" for number in range(50)], "drift": "content"}
    assert unpack("many", **options)["changed"] is True
    assert unpack("many", **options)["drift"] == []


def test_a_tree_with_other_mount_points_is_kept_and_comes_back(unpack: t.Any, back: t.Any, dest: pathlib.Path) -> None:
    unpack("1", mount_points=["/proc"])
    assert unpack("1", mount_points=["/sys"])["generation"] == 2
    assert not (dest / "proc").exists()
    run = unpack("1", mount_points=["/proc"], diff=True)
    assert (run["changed"], run["generation"], run["stats"]["downloaded_bytes"]) == (True, 1, 0)
    assert run["diff"]["before"]["options"]["mount_points"] == ["/sys"]
    assert back()["generation"] == 2
    assert (dest / "sys").is_dir()
    assert unpack("1")["generation"] == 3


def test_a_tree_of_an_earlier_version_has_no_mount_points(unpack: t.Any, dest: pathlib.Path) -> None:
    unpack("1")
    stamp = dest.parent / ".tree.oci/generations/1/stamp.json"
    fields = json.loads(stamp.read_bytes())
    assert fields.pop("mount_points") == {"directories": [], "files": []}
    stamp.write_text(json.dumps(fields))
    assert unpack("1")["changed"] is False
    assert unpack("1", mount_points=["/proc"])["changed"] is True


def test_volumes_become_directories_with_mount_points(
    unpack: t.Any, registry: FaultyRegistry, dest: pathlib.Path, base: images.Layer
) -> None:
    volumes = {name: {} for name in ("/data", "../../up/", "/etc/motd/x", "/" + "n" * 300)}
    registry.publish("team/app", {"1": images.image([base], config_members={"config": {"Volumes": volumes}})})
    assert unpack("1", mount_files=["/x"]).warnings == []
    assert paths(dest) == ["etc", "etc/motd", "x"]
    run = unpack("1", mount_points=["/proc"])
    assert paths(dest) == ["data", "etc", "etc/motd", "proc", "up"]
    assert (run.failed, len(run.warnings)) == (False, 2)
    assert all("volume" in text for text in run.warnings)
    again = unpack("1", mount_points=["/proc"])
    assert (again["changed"], again.warnings) == (False, [])
    unpack("1", mount_points=["/proc"], strip="etc")
    assert paths(dest) == ["motd", "proc"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"mount_points": ["/etc/motd/x"]}, "/etc/motd in the tree is not a directory"),
        ({"mount_files": ["/link"]}, "add /none to the option mount_files"),
    ],
)
def test_a_mount_point_that_cannot_be_made_leaves_the_old_tree(
    unpack: t.Any,
    registry: FaultyRegistry,
    dest: pathlib.Path,
    base: images.Layer,
    options: dict[str, t.Any],
    named: str,
) -> None:
    link = images.layer([images.symlink("link", "none")])
    registry.publish("team/app", {"link": images.image([base, link])})
    unpack("1")
    before = listing(dest)
    run = unpack("link", **options)
    assert (run.failed, run["error"]["kind"]) == (True, "mount_point_invalid")
    assert run["error"]["option"] == next(iter(options))
    assert named in run["msg"]
    assert listing(dest) == before
    assert unpack("1")["changed"] is False


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"mount_points": ["proc"]}, "begin with /"),
        ({"mount_points": ["/"]}, "root of the tree"),
        ({"mount_points": [""]}, "begin with /"),
        ({"mount_files": ["/a/../b"]}, "has .."),
        ({"mount_points": ["/a\0b"]}, "NUL"),
        ({"mount_points": ["/" + "n" * 256]}, "longer than"),
        ({"mount_points": [f"/{number}" for number in range(1001)]}, "at most 1000"),
        ({"mount_points": ["/a"], "mount_files": ["/a/"]}, "mount_files has it too"),
        ({"mount_points": ["/a/b/c"], "mount_files": ["/a"]}, "below /a"),
        ({"mount_files": ["/a", "/a/b"]}, "below /a"),
    ],
)
def test_mount_points_that_no_tree_can_have(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, options: dict[str, t.Any], why: str
) -> None:
    for check in (True, False):
        run = unpack("1", check=check, **options)
        assert (run.failed, run["error"]["kind"]) == (True, "option_invalid")
        assert run["error"]["option"] in options
        assert why in run["msg"]
        assert not registry.requests
    assert not list(dest.parent.iterdir())


# --- kept trees ---


def test_a_kept_tree_comes_back_without_a_download(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, base: images.Layer
) -> None:
    unpack("1")
    unpack("2")
    assert unpack("1", check=True)["generation"] == 1
    run = unpack("1")
    assert (run["changed"], run["generation"], run["stats"]["downloaded_bytes"]) == (True, 1, 0)
    assert not registry.sent(base.digest)
    assert motd(dest) == "hello\n"
    assert unpack("1")["changed"] is False


def test_a_kept_tree_that_was_changed_is_not_trusted(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, base: images.Layer
) -> None:
    unpack("1")
    unpack("2")
    kept = next(dest.parent.glob(".tree.oci/**/etc/motd"))
    kept.write_text("tampered with\n")
    run = unpack("1")
    assert run["generation"] == 3
    assert registry.sent(base.digest)
    assert motd(dest) == "hello\n"


def test_keep_generations_0_keeps_no_tree(unpack: t.Any, back: t.Any) -> None:
    unpack("1")
    unpack("2", keep_generations=0)
    assert back().failed


def test_a_foreign_directory_is_refused_unless_forced(unpack: t.Any, back: t.Any, dest: pathlib.Path) -> None:
    dest.mkdir()
    (dest / "precious").touch()
    for check in (True, False):
        run = unpack("1", check=check)
        assert run.failed
        assert run["error"]["kind"] == "destination"
        assert "force" in run["msg"]
    assert (dest / "precious").exists()
    assert unpack("1", force=True)["changed"] is True
    assert back()["image"] is None
    assert (dest / "precious").exists()


@pytest.mark.parametrize("where", ["/", "relative/path"])
def test_impossible_destinations(unpack: t.Any, where: str) -> None:
    run = unpack("1", dest=where)
    assert run.failed
    assert run["error"]["kind"] == "destination"


def test_missing_parents_are_made(unpack: t.Any, back: t.Any, tmp_path: pathlib.Path) -> None:
    dest = tmp_path / "a/b/tree"
    first = unpack("1", dest=str(dest), check=True, diff=True)
    assert first["changed"] is True
    assert not (tmp_path / "a").exists()
    second = unpack("1", dest=str(dest), diff=True)
    assert (second["changed"], second["diff"]) == (True, first["diff"])
    assert (dest / "etc/motd").exists()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a/b")} == {0o755}
    for check in (True, False):
        assert unpack("1", dest=str(dest), check=check)["changed"] is False


@pytest.mark.parametrize("check", [True, False])
def test_without_a_parent_there_is_nothing_to_remove_or_bring_back(
    back: t.Any, run_module: t.Any, tmp_path: pathlib.Path, check: bool
) -> None:
    options = {"repository": "team/app", "dest": str(tmp_path / "a/b/tree"), "check": check}
    assert run_module("oci_image_unpack", state="absent", **options)["changed"] is False
    run = run_module("oci_image_unpack", state="rolled_back", **options)
    assert run["error"]["kind"] == "destination"
    assert "unpack an image first" in run["msg"]
    assert not (tmp_path / "a").exists()


def test_parents_created_by_a_failed_task_are_removed(unpack: t.Any, tmp_path: pathlib.Path) -> None:
    assert unpack("nosuch", dest=str(tmp_path / "a/b/tree")).failed
    assert not (tmp_path / "a").exists()


def test_a_parent_that_another_task_removes_is_made_again(
    unpack: t.Any, tmp_path: pathlib.Path, removed_once: t.Any
) -> None:
    removed_once(tmp_path / "a")
    assert unpack("1", dest=str(tmp_path / "a/tree"))["changed"] is True
    assert (tmp_path / "a/tree/etc/motd").exists()


@pytest.mark.parametrize("check", [True, False])
def test_absent_below_a_missing_directory_changes_nothing(back: t.Any, tmp_path: pathlib.Path, check: bool) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    for path in ("missing/../x/new", "dangling/new"):
        assert back("absent", dest=str(tmp_path / path), check=check)["changed"] is False


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_check_mode_warns_of_another_user_above_missing_parents(unpack: t.Any, tmp_path: pathlib.Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12345, 12345)
    for check in (True, False):
        run = unpack("1", dest=str(home / "a/tree"), check=check)
        (warning,) = (text for text in run.warnings if "Another user" in text)
        assert f"because {home} belongs to the user id 12345;" in warning


@pytest.mark.parametrize("check", [True, False])
def test_missing_parents_inside_of_another_destination_are_refused(
    unpack: t.Any, dest: pathlib.Path, check: bool
) -> None:
    unpack("1")
    run = unpack("1", dest=str(dest / "etc/a/b"), check=check)
    assert run["error"]["kind"] == "destination"
    assert f"inside the destination {dest}" in run["msg"]
    assert not (dest / "etc/a").exists()


def test_an_artifact_has_no_tree(unpack: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> None:
    registry.publish("team/app", {"sbom": images.artifact("application/vnd.example.sbom", [images.layer([])])})
    run = unpack("sbom")
    assert run.failed
    assert run["error"]["kind"] == "unsupported"
    assert not dest.exists()


def _on(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    host = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*host[:4], machine)))


def test_an_image_of_another_platform_is_taken_by_default_with_a_warning_each_time(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    _on(monkeypatch, "aarch64")
    options = {"platform": None}
    runs = [unpack("1", check=True, **options), *(unpack("1", **options) for dummy in range(3))]
    assert [run["changed"] for run in runs] == [True, True, False, False]
    for run in runs:
        (warning,) = run.warnings
        assert "is for linux/amd64, not for this host's linux/arm64/v8" in warning
        assert "set platform to linux/amd64" in warning
    assert [request.method for request in registry.requests] == ["HEAD"]
    digest = runs[0]["image"]["digest"]
    pinned = unpack(digest, **options)
    assert (pinned["changed"], len(pinned.warnings), registry.requests) == (False, 1, [])
    (dest / "etc/motd").write_bytes(b"drift")
    assert (len((drifted := unpack("1", **options)).warnings), drifted["changed"]) == (1, True)
    silent = unpack("1", platform="linux/amd64")
    assert (silent["changed"], silent.warnings) == (False, [])
    assert unpack("1", platform="linux/amd64")["stats"]["requests"] <= 3


def test_an_explicit_platform_has_to_suit(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = unpack("1", platform="linux/arm64")
    assert run["error"]["kind"] == "platform_not_found"
    assert "is only for linux/amd64, not for linux/arm64/v8" in run["msg"]
    assert not dest.exists()
    _on(monkeypatch, "aarch64")
    unpack("1", platform=None)
    before = listing(dest)
    for check in (True, False):
        assert unpack("1", platform="linux/arm64", check=check)["error"]["kind"] == "platform_not_found"
    assert listing(dest) == before


def test_an_image_for_a_level_of_the_processor(
    unpack: t.Any, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch, old: images.Image, tmp_path: pathlib.Path
) -> None:
    entry = old.descriptor(platform={"os": "linux", "architecture": "amd64", "variant": "v3"})
    registry.publish("team/app", {"v3": images.index([old], changes={"manifests": [entry]})})
    _on(monkeypatch, "x86_64")
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(image_options, "_CPUINFO", str(cpuinfo))
    v2 = "cx16 lahf_lm pni popcnt sse4_1 sse4_2 ssse3"
    for features in ("", v2, "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"):
        cpuinfo.write_text(f"processor\t: 0\nflags\t\t: fpu {features}\n\nprocessor\t: 1\nflags\t\t: {v2}\n")
        assert unpack("v3", platform=None)["error"]["kind"] == "platform_not_found"
    cpuinfo.write_text(f"flags\t\t: {v2} abm avx avx2 bmi1 bmi2 f16c fma movbe xsave avx512f\n")
    run = unpack("v3", platform=None)
    assert (run["changed"], run["image"]["platform"], run.warnings) == (True, "linux/amd64/v3", [])
    assert unpack("v3", platform=None)["changed"] is False
    assert unpack("v3", platform="linux/amd64")["error"]["kind"] == "platform_not_found"


GENERIC = ["application/octet-stream", "text/html; charset=utf-8", "text/html", "application/json", "", None]


def _retyped(config_type: str | None, *, docker: bool = True, **more: t.Any) -> images.Image:
    layer = images.layer([images.file("etc/motd", b"old\n")], docker=docker)
    config = images.config([layer], docker=docker).descriptor(mediaType=config_type)
    return images.image([layer], docker=docker, changes={"config": config, **more})


@pytest.mark.parametrize("config_type", GENERIC)
def test_an_old_docker_image_with_a_generic_config_type_is_unpacked(
    unpack: t.Any, registry: FaultyRegistry, dest: pathlib.Path, config_type: str | None
) -> None:
    image = _retyped(config_type)
    registry.publish("team/app", {"1": image, "many": images.index([image], docker=True)})
    assert unpack("1", check=True)["changed"] is True
    run = unpack("1")
    assert (run["changed"], run["image"]["artifact_type"], run["image"]["platform"]) == (True, None, "linux/amd64")
    assert motd(dest) == "old\n"
    assert unpack("many")["changed"] is False


@pytest.mark.parametrize(
    "artifact",
    [
        *(_retyped(config_type, docker=False) for config_type in ("application/octet-stream", "application/json")),
        _retyped("application/vnd.docker.plugin.v1+json"),
        _retyped("application/json", artifactType="application/vnd.example.sbom"),
        _retyped("application/json", layers=[images.Content(b"x", "application/vnd.example.sbom").descriptor()]),
        images.image([], docker=True, config_content=images.Content(b"{}", "application/json")),
        images.image([], docker=True, config_content=images.Content(b"no JSON", "application/octet-stream")),
    ],
)
def test_an_artifact_with_a_generic_config_type_is_refused(
    unpack: t.Any, registry: FaultyRegistry, dest: pathlib.Path, artifact: images.Image
) -> None:
    registry.publish("team/app", {"thing": artifact})
    run = unpack("thing")
    assert run["error"]["kind"] == "unsupported"
    assert "it is an artifact with a config of type" in run["msg"]
    assert not dest.exists()


def test_a_wrong_layer_changes_nothing(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, top: images.Layer, run_module: t.Any
) -> None:
    unpack("1")
    before = listing(dest.parent)
    registry.repositories["team/app"].blobs[top.digest] = images.layer([images.file("etc/evil", b"!")]).data
    run = unpack("2")
    assert run.failed
    assert run["error"]["kind"] in ("digest_mismatch", "size_mismatch")
    assert run["error"]["layer"] == top.digest
    assert listing(dest.parent) == before


def test_a_diff_id_that_is_wrong(
    unpack: t.Any, registry: FaultyRegistry, base: images.Layer, top: images.Layer
) -> None:
    lying = images.image([base], config_content=images.config([top]))
    registry.publish("team/app", {"lie": lying})
    run = unpack("lie")
    assert run.failed
    assert run["error"]["kind"] == "diff_id_mismatch"


def test_limits(unpack: t.Any) -> None:
    for option, value in (("max_entries", 1), ("max_unpacked_bytes", 1000)):
        run = unpack("1", **{option: value})
        assert run.failed
        assert (run["error"]["kind"], run["error"]["limit"]) == ("limit_exceeded", option)


@pytest.mark.parametrize(
    "options",
    [
        {"keep_generations": -1},
        {"max_entries": 0},
        {"max_unpacked_bytes": "0"},
        {"lock_timeout": -1},
        {"lock_timeout": "nan"},
        {"include": ["etc", ""]},
        {"exclude": ["/"]},
        {"include": ["../etc"]},
        {"exclude": ["usr/../../etc"]},
        {"strip": "."},
        {"strip": "usr/.."},
    ],
)
def test_values_out_of_range(unpack: t.Any, options: dict[str, t.Any]) -> None:
    run = unpack("1", **options)
    assert run.failed
    assert run["error"]["kind"] == "option_invalid"
    assert run["error"]["option"] in run["msg"]


def test_units_are_understood(unpack: t.Any) -> None:
    assert unpack("1", max_unpacked_bytes="1M")["changed"] is True


def test_the_repository_is_needed_to_unpack(run_module: t.Any, dest: pathlib.Path) -> None:
    run = run_module("oci_image_unpack", dest=str(dest))
    assert run.failed
    assert "repository" in run["msg"]


def test_mirrors_come_first(unpack: t.Any, registry: FaultyRegistry, old: images.Image, base: images.Layer) -> None:
    with FaultyRegistry() as mirror, FaultyRegistry() as gone:
        dead = gone.name
        gone.__exit__()
        mirror.publish("team/app", {"1": old})
        run = unpack("1", mirrors=[dead, mirror.name], retries=0)
    assert run["changed"] is True
    assert registry.requests == []
    assert mirror.sent(base.digest)
    assert run["image"]["registry"] == registry.name
    assert any(dead in text and "was skipped" in text for text in run.warnings)


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_owners_are_those_of_the_image(unpack: t.Any, registry: FaultyRegistry, dest: pathlib.Path) -> None:
    owned = images.image([images.layer([images.file("mine", b"", uid=12, gid=34)])])
    registry.publish("team/app", {"owned": owned})
    unpack("owned", ownership=True)
    assert ((dest / "mine").stat().st_uid, (dest / "mine").stat().st_gid) == (12, 34)


# --- rolled_back and absent ---


def test_roll_back(unpack: t.Any, back: t.Any, dest: pathlib.Path, old: images.Image, new: images.Image) -> None:
    unpack("1")
    unpack("2")
    predicted, done = back(check=True, diff=True), None
    assert motd(dest) == "good morning\n"
    done = back(diff=True)
    for name in ("changed", "image", "generation", "previous_digest", "diff"):
        assert predicted[name] == done[name]
    assert (done["changed"], done["generation"], done["stats"]["requests"]) == (True, 1, 0)
    assert (done["previous_digest"], done["image"]["digest"]) == (new.digest, old.digest)
    assert motd(dest) == "hello\n"
    for check in (True, False):
        assert back(check=check)["changed"] is False
    assert unpack("2")["stats"]["downloaded_bytes"] == 0
    assert motd(dest) == "good morning\n"


def test_nothing_to_roll_back_to(unpack: t.Any, back: t.Any) -> None:
    for check in (True, False):
        assert back(check=check).failed
    unpack("1")
    for check in (True, False):
        run = back(check=check)
        assert run.failed
        assert run["error"]["kind"] == "destination"


def test_remove(unpack: t.Any, back: t.Any, dest: pathlib.Path, old: images.Image) -> None:
    unpack("1")
    predicted = back("absent", check=True, diff=True)
    assert (predicted["changed"], predicted["previous_digest"]) == (True, old.digest)
    assert dest.exists()
    done = back("absent", diff=True)
    assert done["diff"] == predicted["diff"]
    assert done["diff"]["after"] == {"state": "absent"}
    assert (done["changed"], done["image"], done["generation"]) == (True, None, None)
    assert not list(dest.parent.iterdir())
    for check in (True, False):
        assert back("absent", check=check)["changed"] is False


def test_a_foreign_directory_is_not_removed(back: t.Any, dest: pathlib.Path) -> None:
    dest.mkdir()
    (dest / "precious").touch()
    for check in (True, False):
        assert back("absent", check=check).failed
    assert (dest / "precious").exists()
    assert back("absent", force=True)["changed"] is True
    assert not dest.exists()


# --- pull: missing ---


def test_a_tag_that_is_there_is_not_asked_for(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, new: images.Image
) -> None:
    first = unpack("1", pull="missing")
    assert first["changed"]
    registry.publish("team/app", {"1": new})
    for check in (True, False):
        again = unpack("1", pull="missing", check=check)
        assert (again["changed"], again["image"], registry.requests) == (False, first["image"], [])
    assert unpack("1", pull="always")["changed"]
    assert motd(dest) == "good morning\n"


def test_another_tag_repository_or_platform_is_asked_for(
    unpack: t.Any, registry: FaultyRegistry, old: images.Image
) -> None:
    registry.publish("team/other", {"1": old})
    unpack("1")
    for options in ({"reference": "2"}, {"repository": "team/other"}, {"platform": "linux/amd64/v2"}):
        unpack(**{"reference": "1", **options}, pull="missing", check=True)
        assert registry.requests


def test_a_tree_that_drifted_is_repaired_with_the_same_image(
    unpack: t.Any, dest: pathlib.Path, registry: FaultyRegistry, old: images.Image, new: images.Image
) -> None:
    unpack("1")
    registry.publish("team/app", {"1": new, "kept": old})
    (dest / "etc/motd").write_text("changed\n")
    for check in (True, False):
        repaired = unpack("1", pull="missing", check=check)
        assert (repaired["changed"], repaired["image"]["digest"], repaired["image"]["tag"]) == (True, old.digest, "1")
    assert motd(dest) == "hello\n"
    assert unpack("1", pull="missing")["changed"] is False


def test_the_platform_of_an_index_is_not_asked_for_again(
    unpack: t.Any, registry: FaultyRegistry, old: images.Image
) -> None:
    registry.publish("team/app", {"many": images.index([old])})
    unpack("many")
    again = unpack("many", pull="missing")
    assert (again["changed"], registry.requests) == (False, [])
    assert again["image"]["index_digest"] is not None


def test_the_progress_file_has_the_sizes_of_the_layers(
    unpack: t.Any, new: images.Image, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "progress"))
    result = unpack("2")
    assert "ATTESTED" not in result.output
    size = sum(layer.size for layer in new.layers)
    assert parse_record((tmp_path / "progress").read_bytes()) == Record("publish", 2, 2, size, size)
