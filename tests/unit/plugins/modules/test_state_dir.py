# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a tree is in the directory that the option state_dir names, and all is as with one beside the tree."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import typing as t
from dataclasses import dataclass

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.processes import children
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_mounts = pytest.mark.skipif(not children.may_mount(), reason="needs mounts of its own")


@dataclass
class Place:
    """A tree in one directory, and its state in another one."""

    root: pathlib.Path
    run_module: t.Any
    registry: FaultyRegistry

    @property
    def dest(self) -> pathlib.Path:
        return self.root / "trees/app"

    @property
    def state(self) -> pathlib.Path:
        return self.root / "states/deep/app"

    def unpack(self, reference: str | None = "1", **options: t.Any) -> t.Any:
        given = {"registry": self.registry.name, "repository": "team/app", "retries": 0, "reference": reference}
        given |= {"ownership": False, "platform": "linux/amd64", "lock_timeout": 0}
        return self._run("oci_image_unpack", {**given, **options})

    def back(self, state: str = "rolled_back", **options: t.Any) -> t.Any:
        return self._run("oci_image_unpack", {"state": state, **options})

    def probe(self, **options: t.Any) -> t.Any:
        given = {"registry": self.registry.name, "repository": "team/app", "retries": 0, "reference": "1"}
        given |= {"ownership": False, "platform": "linux/amd64", "lock_timeout": 0}
        return self._run("oci_image_unpack_probe", {**given, **options})

    def _run(self, name: str, options: dict[str, t.Any]) -> t.Any:
        """Run a module; None stands for an option that is not given."""
        self.registry.clear()
        given = {"dest": str(self.dest), "state_dir": str(self.state), **options}
        return self.run_module(name, **{name: value for name, value in given.items() if value is not None})


@pytest.fixture
def place(
    run_module: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, old: images.Image, new: images.Image
) -> Place:
    registry.publish("team/app", {"1": old, "2": new})
    return Place(tmp_path, run_module, registry)


def names(path: pathlib.Path) -> list[str]:
    return sorted(os.listdir(path))


def everything(path: pathlib.Path) -> list[tuple[str, int, int]]:
    """Everything below a directory, but for the lock, which names its last holder."""
    found = (entry for entry in path.rglob("*") if entry.name != "lock")
    return sorted((str(entry), entry.lstat().st_ino, entry.lstat().st_mtime_ns) for entry in found)


def motd(place: Place) -> str:
    return (place.dest / "etc/motd").read_text()


def refused(place: Place, **options: t.Any) -> str:
    """The message of a task that is refused before it sends a request, in check mode too, and that changes nothing."""
    before = everything(place.root)
    runs = [place.unpack(**options, check=check) for check in (True, False)]
    assert [(run.failed, run.results.get("error", {}).get("kind")) for run in runs] == [(True, "destination")] * 2
    assert not place.registry.requests
    assert everything(place.root) == before
    assert runs[0]["msg"] == runs[1]["msg"]
    return str(runs[1]["msg"])


# --- what a task does ---


def test_the_whole_life_of_a_tree(place: Place) -> None:
    assert place.unpack(check=True)["changed"] is True
    assert names(place.root) == []
    assert place.unpack()["changed"] is True
    assert names(place.dest.parent) == ["app"]
    assert place.state.stat().st_mode & 0o7777 == 0o700
    assert {"generations", "lock", "state.json"} <= set(names(place.state))
    for check in (True, False):
        assert place.unpack(check=check)["changed"] is False
        assert [request.method for request in place.registry.requests] == ["HEAD"]
    assert place.unpack("2", check=True)["changed"] is True
    assert place.unpack("2")["generation"] == 2
    assert motd(place) == "good morning\n"
    assert place.back(check=True)["changed"] is True
    assert place.back()["generation"] == 1
    assert motd(place) == "hello\n"
    (place.dest / "etc/motd").write_text("changed")
    assert [one["path"] for one in place.unpack()["drift"]] == ["etc/motd"]
    assert names(place.dest.parent) == ["app"]
    assert place.back("absent", check=True)["changed"] is True
    assert place.back("absent")["changed"] is True
    assert (names(place.dest.parent), names(place.state.parent)) == ([], [])
    for check in (True, False):
        assert place.back("absent", check=check)["changed"] is False


def test_the_probe_answers(place: Place) -> None:
    assert place.probe()["unchanged"] is False
    place.unpack()
    found = place.probe()
    assert (found["unchanged"], found["generation"]) == (True, 1)
    assert place.probe(state_dir=None)["unchanged"] is False
    assert place.probe(state_dir=f"{place.state}/")["unchanged"] is False
    (place.dest / "more").touch()
    assert place.probe()["unchanged"] is False


def test_the_probe_does_not_answer_for_another_destination(place: Place) -> None:
    """The path above the tree leads elsewhere now, where there is an equal tree."""
    (place.root / "trees").symlink_to("one")
    (place.root / "one").mkdir()
    place.unpack()
    assert place.probe()["unchanged"] is True
    shutil.copytree(place.root / "one", place.root / "other", symlinks=True)
    (place.root / "trees").unlink()
    (place.root / "trees").symlink_to("other")
    assert place.probe()["unchanged"] is False
    assert f"belongs to the destination {place.root}/one/app" in place.unpack()["msg"]


def test_a_task_with_other_options_for_the_state_knows_no_tree(place: Place) -> None:
    place.unpack()
    for state_dir in (None, f"{place.root}/states/other"):
        run = place.unpack("2", state_dir=state_dir)
        assert "its content was not unpacked by this collection" in run["msg"]
        assert "nothing there was unpacked by this collection" in place.back(state_dir=state_dir)["msg"]
        assert "set force: true to remove it anyway" in place.back("absent", state_dir=state_dir)["msg"]
    assert names(place.dest.parent) == ["app"]
    assert names(place.state.parent.parent) == ["deep"]
    assert place.unpack()["changed"] is False


def test_a_foreign_tree_is_kept_there_and_comes_back(place: Place) -> None:
    place.dest.mkdir(parents=True)
    (place.dest / "mine").touch()
    assert place.unpack(force=True)["changed"] is True
    assert (place.state / "generations/1/rootfs/mine").exists()
    place.back()
    assert names(place.dest) == ["mine"]


def test_a_foreign_tree_is_removed_by_force(place: Place) -> None:
    place.dest.mkdir(parents=True)
    (place.dest / "mine").touch()
    assert place.back("absent", force=True)["changed"] is True
    assert names(place.root) == ["trees"]
    assert names(place.dest.parent) == []


def test_a_tree_whose_parent_is_gone(place: Place) -> None:
    place.unpack()
    place.unpack("2")
    shutil.rmtree(place.dest.parent)
    predicted = place.unpack("2", check=True)
    assert (predicted["changed"], [one["change"] for one in predicted["drift"]]) == (True, ["removed"])
    assert place.back(check=True)["generation"] == 1
    assert not place.dest.parent.exists()
    assert place.back()["generation"] == 1
    assert motd(place) == "hello\n"
    shutil.rmtree(place.dest.parent)
    assert place.unpack()["changed"] is True
    shutil.rmtree(place.dest.parent)
    assert place.back("absent")["changed"] is True
    assert (names(place.root), names(place.state.parent)) == (["states"], [])


def test_a_link_above_the_tree_that_leads_nowhere_is_the_same_error_in_check_mode(place: Place) -> None:
    place.unpack()
    shutil.rmtree(place.dest.parent)
    place.dest.parent.symlink_to("gone")
    runs = [place.unpack(check=True), place.unpack()]
    runs += [place.back(state, check=check) for state in ("absent", "rolled_back") for check in (True, False)]
    assert {run["msg"].partition(": ")[2] for run in runs} == {
        f"a symbolic link leads to {place.root}/gone, which does not exist; create that directory."
    }


def test_parents_of_a_failed_task_are_removed(place: Place) -> None:
    assert place.unpack("none").failed
    assert names(place.root) == []


def test_other_files_in_the_directory_above_stay(place: Place) -> None:
    place.state.parent.mkdir(parents=True)
    (place.state.parent / "file").touch()
    place.unpack()
    place.back("absent")
    assert names(place.state.parent) == ["file"]


# --- one directory for each destination ---


def test_the_state_of_another_destination_is_refused(place: Place) -> None:
    place.unpack()
    message = refused(place, dest=f"{place.root}/trees/other")
    assert f"its state directory {place.state} belongs to the destination {place.dest}" in message
    assert "state_dir of its own" in message
    for state in ("rolled_back", "absent"):
        assert "belongs to the destination" in place.back(state, dest=f"{place.root}/trees/other", force=True)["msg"]
    assert place.unpack()["changed"] is False


def test_a_directory_that_another_destination_has_left_is_used(place: Place) -> None:
    place.unpack()
    place.back("absent")
    place.state.mkdir(mode=0o700)
    assert place.unpack(dest=f"{place.root}/trees/other")["changed"] is True


def test_both_may_be_moved_together(place: Place) -> None:
    place.unpack()
    moved = Place(place.root / "moved", place.run_module, place.registry)
    moved.root.mkdir()
    for name in ("trees", "states"):
        (place.root / name).rename(moved.root / name)
    assert moved.unpack()["changed"] is False
    assert moved.unpack("2")["generation"] == 2


def test_the_state_is_moved_from_beside_the_tree_and_back(place: Place) -> None:
    beside = place.dest.parent / ".app.oci"
    place.unpack(state_dir=None)
    place.unpack("2", state_dir=None)
    message = refused(place)
    assert f"is in {beside}; leave the option state_dir out, or move {beside} to {place.state} first" in message
    place.state.parent.mkdir(parents=True)
    beside.rename(place.state)
    assert place.unpack("2")["changed"] is False
    assert place.back()["generation"] == 1
    assert json.loads((place.state / "state.json").read_bytes())["dest"] == "../../../trees/app"
    place.state.rename(beside)
    assert place.unpack(state_dir=None)["changed"] is False
    assert place.unpack("2", state_dir=None)["generation"] == 2
    assert json.loads((beside / "state.json").read_bytes())["dest"] is None


# --- directories that cannot be used ---


@pytest.mark.parametrize(
    ("state_dir", "why"),
    [
        ("states/app", "not an absolute path"),
        ("/", "does not end in the name"),
        ("{root}/states/..", "does not end in the name"),
        ("{root}/" + "n" * 256, "its name is too long"),
        ("{root}/trees/app", "is the destination"),
        ("{root}/trees/app/state", "is inside the destination"),
        ("{root}/trees/app/usr/../state", "is inside the destination"),
        ("{root}/trees/link/state", "is inside the destination"),
        ("{root}/trees", "is inside it"),
        ("{root}", "is inside it"),
        ("{root}/.other.oci", "is the name of a state directory"),
        ("{root}/.other.oci/app", "is the name of a state directory"),
        ("{root}/other/state", "is inside the destination"),
        ("{root}/public/app", "every local user can replace"),
    ],
)
def test_paths_that_no_state_can_have(place: Place, state_dir: str, why: str) -> None:
    (place.dest / "usr").mkdir(parents=True)
    (place.dest.parent / "link").symlink_to("app")
    for name in (".other.oci", "other", "public"):
        (place.root / name).mkdir()
    (place.root / "public").chmod(0o777)
    message = refused(place, state_dir=state_dir.format(root=place.root))
    assert why in message
    assert message.startswith("The state directory")


def test_a_directory_with_other_files_is_refused(place: Place) -> None:
    place.state.mkdir(parents=True, mode=0o700)
    (place.state / "data").touch()
    assert "has other files, such as data" in refused(place)
    assert "has other files" in place.back("absent")["msg"]


def test_a_lock_of_another_program_is_not_ours(place: Place) -> None:
    place.state.mkdir(parents=True, mode=0o700)
    (place.state / "data").touch()
    (place.state / "lock").write_text("precious")
    assert "has other files, such as data" in refused(place)
    assert (place.state / "lock").read_text() == "precious"


@pytest.mark.parametrize("name", ["lock", "staging-1", "trash-1", "state.json.new-1", "answer.json.new-1"])
def test_what_a_killed_task_left_there_is_no_other_file(place: Place, name: str) -> None:
    place.state.mkdir(parents=True, mode=0o700)
    (place.state / name).touch()
    assert place.unpack()["changed"] is True
    assert {name} - {"lock"} - set(names(place.state)) == {name} - {"lock"}


@pytest.mark.parametrize("kind", ["open", "file", "link"])
def test_a_directory_that_is_not_private_is_refused(place: Place, kind: str) -> None:
    place.state.parent.mkdir(parents=True)
    if kind == "open":
        place.state.mkdir(mode=0o755)
    elif kind == "file":
        place.state.touch()
    else:
        (place.root / "real").mkdir(mode=0o700)
        place.state.symlink_to(place.root / "real")
    assert ("set its mode to 0700" if kind == "open" else "is not a directory") in refused(place)


@needs_root
def test_another_user_above_is_a_warning(place: Place) -> None:
    (place.root / "states").mkdir()
    os.chown(place.root / "states", children.NOBODY, children.NOBODY)
    for run in (place.unpack(check=True), place.unpack()):
        (warning,) = run.warnings
        assert f"Another user can replace the state directory {place.state}" in warning
    assert place.probe()["unchanged"] is False


@needs_mounts
@pytest.mark.parametrize("kind", ["other", "bind", "itself"])
def test_another_mount_is_refused_before_a_request(place: Place, kind: str) -> None:
    place.state.mkdir(parents=True, mode=0o700)
    (place.root / "space").mkdir()

    def run() -> str:
        if kind == "other":
            children.mount_tmpfs(place.state.parent)
        elif kind == "bind":
            children.bind(place.root / "space", place.state.parent)
        else:
            children.bind(place.root / "space", place.state)
        return refused(place)

    message = children.run(run, own_mounts=True)
    assert "it is on another file system than the destination" in message
    assert f"{place.root}/states/deep" in message


# --- other modules ---


def test_the_info_of_one_tree(place: Place, run_module: t.Any) -> None:
    done = place.unpack()
    options = {"dest": [str(place.dest)], "state_dir": str(place.state)}
    (tree,) = run_module("oci_image_unpack_info", **options, drift="metadata")["trees"]
    assert (tree["managed"], tree["image"], tree["drift_total"]) == (True, done["image"], 0)
    (tree,) = run_module("oci_image_unpack_info", dest=options["dest"])["trees"]
    assert (tree["exists"], tree["managed"]) == (True, False)
    assert run_module("oci_image_unpack_info", below=str(place.dest.parent))["trees"] == []
    shutil.rmtree(place.dest.parent)
    (tree,) = run_module("oci_image_unpack_info", **options)["trees"]
    assert (tree["exists"], tree["managed"], tree["generation"]) == (False, True, 1)
    (tree,) = run_module("oci_image_unpack_info", **{**options, "dest": [f"{place.root}/other"]})["trees"]
    assert "belongs to the destination" in tree["problem"]


@pytest.mark.parametrize("options", [{"dest": ["/a", "/b"]}, {"dest": ["/a"], "below": "/b"}, {"below": "/b"}])
def test_the_info_of_several_trees_has_no_state_dir(run_module: t.Any, options: dict[str, t.Any]) -> None:
    run = run_module("oci_image_unpack_info", **options, state_dir="/c")
    assert (run.failed, run["error"]) == (True, {"kind": "option_invalid", "option": "state_dir"})


def test_the_runtime_config_of_a_tree(place: Place, run_module: t.Any) -> None:
    layer = images.layer([images.file("app", b"", mode=0o755)])
    found = images.image([layer], config_members={"config": {"Entrypoint": ["/app"]}})
    place.registry.publish("team/app", {"1": found})
    place.unpack()
    options = {"root": str(place.dest), "dest": str(place.root / "config.json")}
    assert "its image is unknown" in run_module("oci_runtime_config", **options)["msg"]
    run = run_module("oci_runtime_config", **options, state_dir=str(place.state))
    assert run["args"] == ["/app"]
