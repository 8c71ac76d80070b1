# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A destination publishes, keeps, restores, rolls back and removes trees, one run at a time."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._destination import lock
from ansible_collections.attested.registry.plugins.module_utils._destination.destination import Destination
from ansible_collections.attested.registry.plugins.module_utils._destination.state import DestinationState, Pending
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    DestinationError,
    FilesystemError,
    Locked,
    NoSpace,
)
from ansible_collections.attested.registry.tests.support.images.trees import (
    make_stamp,
    make_tree,
    no_warning,
    publish,
    record,
    snapshot,
    state_directory,
)
from ansible_collections.attested.registry.tests.support.processes import children
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_mounts = pytest.mark.skipif(not children.may_mount(), reason="needs mounts of its own")


@pytest.fixture
def ground() -> t.Iterator[Path]:
    """A directory in memory that every user may reach."""
    path = Path(tempfile.mkdtemp(prefix="unpack-", dir="/dev/shm"))
    path.chmod(0o755)
    yield path
    subprocess.run(["chattr", "-R", "-f", "-i", str(path)], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(path)


@pytest.fixture
def app(ground: Path) -> Path:
    return ground / "app"


def opened(path: Path, **options: t.Any) -> Destination:
    return Destination(str(path), **{"warn": no_warning, **options})


def references(path: Path) -> list[str | None]:
    """The references of the current generation and the kept ones."""
    with Destination.inspect(str(path), warn=no_warning) as view:
        stamps = [view.current, *(generation.stamp for generation in view.generations)]
    return [stamp and stamp.reference for stamp in stamps]


def everything(path: Path) -> t.Any:
    """Every byte and every time below a directory, access times apart."""
    found = {}
    for file in [path, *sorted(path.rglob("*"))]:
        status = file.lstat()
        content = file.read_bytes() if stat.S_ISREG(status.st_mode) else None
        found[str(file)] = (status.st_ino, status.st_mode, status.st_mtime_ns, status.st_ctime_ns, content)
    return found


@pytest.mark.parametrize("base", ["tmp_path", "shm"])
def test_a_tree_is_published_and_replaced(tmp_path: Path, ground: Path, base: str) -> None:
    app = (tmp_path if base == "tmp_path" else ground) / "app"
    first = publish(app, "v1")
    assert (first.changed, first.generation, first.previous) == (True, 1, None)
    tree = snapshot(app)
    second = publish(app, "v2")
    assert (second.generation, second.stamp, second.previous) == (2, make_stamp("v2"), make_stamp("v1"))
    assert references(app) == ["v2", "v1"]
    assert snapshot(state_directory(app) / "generations/1/rootfs") == tree
    assert stat.S_IMODE(state_directory(app).stat().st_mode) == 0o700
    assert sorted(os.listdir(app.parent)) == [".app.oci", "app"]


def test_looking_leaves_no_state_directory(app: Path) -> None:
    with opened(app) as destination:
        assert destination.current is None
        assert destination.generations == ()
        assert not destination.drift("content")
        assert not destination.exists
        assert state_directory(app).is_dir()
    assert os.listdir(app.parent) == []


def test_a_staging_tree_that_is_not_published_is_removed(app: Path) -> None:
    publish(app, "v1")
    before = everything(app)
    with opened(app) as destination:
        with contextlib.suppress(ZeroDivisionError), destination.staging() as staging:
            make_tree(staging.path, "v2")
            assert sorted(os.listdir(staging.root_fd)) == sorted(os.listdir(staging.path))
            raise ZeroDivisionError
        assert sorted(os.listdir(state_directory(app))) == ["generations", "lock", "state.json"]
    assert everything(app) == before
    with opened(app.with_name("other")) as destination, destination.staging():
        pass
    assert sorted(os.listdir(app.parent)) == [".app.oci", "app"]


@pytest.mark.parametrize(("keep", "kept"), [(0, []), (1, ["v3"]), (2, ["v3", "v2"]), (9, ["v3", "v2", "v1"])])
def test_as_many_generations_stay_as_are_asked_for(app: Path, keep: int, kept: list[str]) -> None:
    for version in ("v1", "v2", "v3"):
        publish(app, version, keep=9)
    publish(app, "v4", keep=keep)
    assert references(app) == ["v4", *kept]
    assert len(os.listdir(state_directory(app) / "generations")) == 1 + len(kept)


def test_a_generation_that_cannot_be_removed_is_a_warning(app: Path) -> None:
    publish(app, "v1")
    publish(app, "v2")
    file = state_directory(app) / "generations/1/rootfs/etc/common"
    if subprocess.run(["chattr", "+i", str(file)], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("the file system has no immutable files")
    warnings: list[str] = []
    publish(app, "v3", warn=warnings.append)
    assert references(app) == ["v3", "v2"]
    (warning,) = warnings
    assert "could not be removed; the next run tries again" in warning
    assert "etc/common" in warning
    (left,) = state_directory(app).glob("trash-*/rootfs/etc/common")
    subprocess.run(["chattr", "-i", str(left)], check=True)
    with opened(app):
        assert sorted(os.listdir(state_directory(app))) == ["generations", "lock", "state.json"]


def test_a_foreign_directory_needs_force_and_is_kept(app: Path) -> None:
    app.mkdir()
    make_tree(app, "mine")
    before, mine = everything(app.parent), snapshot(app)
    with pytest.raises(DestinationError, match="not unpacked by this collection; .* set force: true"):
        publish(app, "v1")
    assert everything(app) == {name: value for name, value in before.items() if name.startswith(str(app))}
    assert os.listdir(app.parent) == ["app"]
    outcome = publish(app, "v1", force=True)
    assert outcome.previous is None
    with opened(app) as destination:
        (generation,) = destination.generations
        assert (generation.foreign, generation.stamp, generation.problem) == (True, None, None)
        back = destination.roll_back()
        assert (back.stamp, back.previous) == (None, make_stamp("v1"))
        assert snapshot(app) == mine
        assert destination.current is None
        assert destination.current_generation == generation.number
        assert not destination.drift("content")
    assert publish(app, "v2").previous is None  # what was brought back is managed, and kept once more
    assert references(app) == ["v2", None]


def test_an_empty_directory_needs_no_force(app: Path) -> None:
    app.mkdir()
    assert publish(app, "v1").previous is None
    assert references(app) == ["v1"]


def test_force_does_not_swallow_another_destination(app: Path) -> None:
    publish(app, "v1")
    outer = app.parent / "outer"
    outer.mkdir()
    os.rename(app, outer / "app")
    os.rename(state_directory(app), outer / ".app.oci")
    with pytest.raises(DestinationError, match="it holds the destination"):
        publish(outer, "v2", force=True)
    with pytest.raises(DestinationError, match="inside the destination"):
        publish_inside(app)


def publish_inside(app: Path) -> None:
    publish(app, "v1")
    publish(app / "etc/inner", "v2")


def test_an_image_without_files_can_be_replaced_and_brought_back(app: Path) -> None:
    publish(app, "v1", fill=lambda root: None)
    publish(app, "v2")
    assert references(app) == ["v2", "v1"]
    with opened(app) as destination:
        destination.roll_back()
    assert os.listdir(app) == []


def test_a_deleted_tree_is_drift_and_is_unpacked_again(app: Path) -> None:
    publish(app, "v1")
    publish(app, "v2")
    shutil.rmtree(app)
    with opened(app) as destination:
        assert [(change.path, change.what) for change in destination.drift("metadata").changes] == [(".", "removed")]
        assert not destination.exists
    assert publish(app, "v2").previous == make_stamp("v2")
    assert references(app) == ["v2", "v1"]


def test_a_repaired_tree_is_kept_beside_the_others(app: Path) -> None:
    publish(app, "v1")
    publish(app, "v2")
    (app / "etc/version").write_text("changed")
    publish(app, "v2", drifted=True)
    with opened(app) as destination:
        kept = [(generation.number, generation.drifted) for generation in destination.generations]
        assert kept == [(2, True), (1, False)]
        assert destination.drift("metadata", generation=2)
        outcome = destination.roll_back()
        assert outcome.stamp == make_stamp("v1")
        assert destination.restore(2).generation == 2
    assert (app / "etc/version").read_text() == "changed"


def test_rolling_back_twice_is_rolling_back_once(app: Path) -> None:
    publish(app, "v1")
    tree = snapshot(app)
    publish(app, "v2")
    with opened(app, create=False) as destination:
        found = destination.check_roll_back()
        assert found is not None
        assert found.stamp == make_stamp("v1")
        outcome = destination.roll_back()
    assert (outcome.changed, outcome.generation, outcome.previous) == (True, 1, make_stamp("v2"))
    assert snapshot(app) == tree
    before = everything(app)
    with opened(app, create=False) as destination:
        assert destination.rolled_back_from == 2
        assert destination.check_roll_back() is None
        outcome = destination.roll_back()
    assert (outcome.changed, outcome.generation, outcome.stamp) == (False, 1, make_stamp("v1"))
    assert everything(app) == before
    publish(app, "v3", keep=1)
    assert references(app) == ["v3", "v1"]
    with opened(app) as destination:
        assert destination.rolled_back_from is None


def test_without_an_earlier_generation_nothing_is_rolled_back(app: Path) -> None:
    with opened(app, create=False) as destination, pytest.raises(DestinationError, match="unpack an image first"):
        destination.roll_back()
    assert os.listdir(app.parent) == []
    publish(app, "v1", keep=0)
    with opened(app) as destination, pytest.raises(DestinationError, match="no earlier generation .*keep_generations"):
        destination.roll_back()


def test_a_kept_generation_is_restored(app: Path) -> None:
    publish(app, "v1")
    publish(app, "v2")
    with opened(app) as destination:
        assert not destination.drift("content", generation=1)
        assert destination.restore(1).previous == make_stamp("v2")
        assert not destination.restore(1).changed
        assert not destination.drift("content")
        with pytest.raises(DestinationError, match="generation 7 is not kept"):
            destination.restore(7)
        with pytest.raises(DestinationError, match="generation 7 is not kept"):
            destination.drift("metadata", generation=7)
    assert references(app) == ["v1", "v2"]
    with opened(app) as destination:
        assert destination.rolled_back_from is None


def test_a_kept_tree_that_is_gone_is_named(app: Path) -> None:
    publish(app, "v1")
    publish(app, "v2")
    shutil.rmtree(state_directory(app) / "generations/1/rootfs")
    with opened(app) as destination:
        assert destination.drift("metadata", generation=1).changes[0].what == "removed"
        with pytest.raises(DestinationError, match="its tree is missing"):
            destination.roll_back()
    assert references(app) == ["v2", "v1"]


def test_removing_removes_everything(app: Path) -> None:
    (app.parent / "neighbour").write_text("stays")
    publish(app, "v1")
    publish(app, "v2")
    with opened(app, create=False) as destination:
        assert destination.check_remove()
        assert destination.remove()
        assert not destination.remove()
        assert not destination.exists
    assert os.listdir(app.parent) == ["neighbour"]
    before = everything(app.parent)
    with opened(app, create=False) as destination:
        assert not destination.check_remove()
        assert not destination.remove()
    assert everything(app.parent) == before


def test_removing_what_is_gone_already_removes_the_rest(app: Path) -> None:
    publish(app, "v1")
    shutil.rmtree(app)
    with opened(app, create=False) as destination:
        assert destination.remove()
    assert os.listdir(app.parent) == []


def test_removing_a_foreign_directory_needs_force(app: Path) -> None:
    app.mkdir()
    make_tree(app, "mine")
    with opened(app, create=False) as destination, pytest.raises(DestinationError, match="set force: true to remove"):
        destination.remove()
    assert os.listdir(app.parent) == ["app"]
    with opened(app, create=False, force=True) as destination:
        assert destination.remove()
    assert os.listdir(app.parent) == []
    app.mkdir()
    with opened(app, create=False) as destination:
        assert destination.remove()
    assert os.listdir(app.parent) == []


def test_unknown_files_in_the_state_directory_stay(app: Path) -> None:
    publish(app, "v1")
    (state_directory(app) / "notes").write_text("mine")
    with opened(app, create=False) as destination:
        assert destination.remove()
    assert sorted(os.listdir(state_directory(app))) == ["lock", "notes"]
    publish(app, "v2")
    assert (state_directory(app) / "notes").read_text() == "mine"


@needs_root
def test_the_state_directory_must_be_private(app: Path) -> None:
    publish(app, "v1")
    directory = state_directory(app)
    for mode in (0o750, 0o701, 0o707):
        directory.chmod(mode)
        with pytest.raises(DestinationError, match=rf"other users have access .*\(mode 0{mode:o}\).*0700"):
            publish(app, "v2")
    directory.chmod(0o700)
    os.chown(directory, 12345, 0)
    with pytest.raises(DestinationError, match=r"belongs to the user id 12345, not 0; .*become_user"):
        publish(app, "v2")


@pytest.mark.parametrize("kind", ["link", "file"])
def test_the_state_directory_must_be_a_directory(app: Path, kind: str) -> None:
    publish(app, "v1")
    directory = state_directory(app)
    moved = app.parent / "moved"
    directory.rename(moved)
    if kind == "link":
        directory.symlink_to(moved)
    else:
        directory.write_text("")
    before = everything(moved)
    with pytest.raises(DestinationError, match="where its state is kept, is not a directory"):
        publish(app, "v2")
    assert everything(moved) == before


def test_files_in_the_state_directory_are_not_followed(app: Path) -> None:
    publish(app, "v1")
    directory = state_directory(app)
    victim = app.parent / "victim"
    (directory / "state.json").rename(victim)
    (directory / "state.json").symlink_to(victim)
    with pytest.raises(FilesystemError, match="ELOOP"):
        publish(app, "v2")
    (directory / "state.json").unlink()
    os.mkfifo(directory / "state.json")
    with pytest.raises(FilesystemError, match="EINVAL"):
        publish(app, "v2")
    (directory / "lock").unlink()
    (directory / "lock").symlink_to(victim)
    with pytest.raises(FilesystemError, match="ELOOP"):
        publish(app, "v2")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 2}', None])
def test_a_broken_state_is_an_error_with_a_remedy_that_works(app: Path, content: bytes | None) -> None:
    publish(app, "v1")
    state = state_directory(app) / "state.json"
    state.unlink()
    if content is not None:
        state.write_bytes(content)
    before = everything(app.parent)
    for look in (opened, Destination.inspect):
        with pytest.raises(DestinationError) as caught, look(str(app), warn=no_warning):  # type: ignore[operator]
            pass
        assert f"move {state_directory(app)} away and run the task again with force: true" in caught.value.message
    changed = {name for name, value in everything(app.parent).items() if value != before[name]}
    assert changed <= {str(state_directory(app) / "lock")}
    state_directory(app).rename(app.parent / "moved")
    publish(app, "v2", force=True)
    assert references(app) == ["v2", None]


@pytest.mark.parametrize("damage", [b"", b"{}", None])
def test_a_broken_stamp_is_an_error_unless_forced(app: Path, damage: bytes | None) -> None:
    publish(app, "v1")
    stamp = state_directory(app) / "generations/1/stamp.json"
    stamp.unlink()
    if damage is not None:
        stamp.write_bytes(damage)
    with opened(app) as destination, pytest.raises(DestinationError, match="run the task with force: true"):
        assert destination.current
    warnings: list[str] = []
    with opened(app, force=True, warn=warnings.append) as destination:
        assert destination.current is None
        assert destination.current_generation == 1
    assert "treated as that of an unknown image" in warnings[0]
    publish(app, "v2", force=True)
    with opened(app) as destination:
        (generation,) = destination.generations
        assert generation.stamp is None
        assert generation.problem
        assert destination.roll_back().stamp is None


def test_a_missing_record_is_drift(app: Path) -> None:
    publish(app, "v1")
    (state_directory(app) / "generations/1/tree").unlink()
    with opened(app) as destination:
        assert [change.what for change in destination.drift("metadata").changes] == ["record"]
        assert not destination.drift("none")


def test_a_stamp_that_cannot_be_stored_fails_before_anything_changes(app: Path) -> None:
    publish(app, "v1")
    tree = snapshot(app)
    with (
        opened(app) as destination,
        destination.staging() as staging,
        pytest.raises(DestinationError, match="cannot be stored"),
    ):
        destination.publish(staging, make_stamp("v2", image={"half": "\udcff"}))
    assert snapshot(app) == tree
    assert references(app) == ["v1"]


def test_unknown_generations_are_removed(app: Path) -> None:
    publish(app, "v1")
    directory = state_directory(app)
    for name in ("generations/9/rootfs/x", "generations/junk", "staging-1/rootfs", "trash-2/etc"):
        (directory / name).mkdir(parents=True)
    with opened(app):
        assert sorted(os.listdir(directory)) == ["generations", "lock", "state.json"]
        assert os.listdir(directory / "generations") == ["1"]


def hold(app: Path, *, uid: int = 0) -> tuple[children.Child, t.Callable[[], None]]:
    """A second process that has the lock, and what makes it give it back."""
    held_read, held_write = os.pipe()
    release_read, release_write = os.pipe()

    def holder() -> None:
        os.close(release_write)
        with opened(app):
            os.write(held_write, b"x")
            os.read(release_read, 1)

    child = children.start(holder, uid=uid)
    os.close(release_read)
    assert os.read(held_read, 1)
    os.close(held_read)
    os.close(held_write)

    def release() -> None:
        os.write(release_write, b"x")
        os.close(release_write)

    return child, release


def test_a_second_run_waits_and_then_names_the_holder_of_the_lock(app: Path) -> None:
    publish(app, "v1")
    child, release = hold(app)
    with pytest.raises(Locked) as caught, opened(app, lock_timeout=0.12):
        pass
    with pytest.raises(Locked), Destination.inspect(str(app), warn=no_warning, lock_timeout=0):
        pass
    release()
    child.result()
    error = caught.value
    assert f"process {child.pid} on {os.uname().nodename}, running since 20" in error.message
    assert (error.fields["pid"], error.fields["path"]) == (str(child.pid), str(app))
    with opened(app, lock_timeout=0):
        pass


def test_a_second_run_gets_the_lock_when_the_first_ends(app: Path) -> None:
    child, release = hold(app)

    def wait_and_publish() -> None:
        publish(app, "v2")

    waiting = children.start(wait_and_publish)
    release()
    child.result()
    waiting.result()
    assert references(app) == ["v2"]


@pytest.mark.parametrize("again", [False, True])
def test_a_lock_whose_directory_was_removed_meanwhile_counts_for_nothing(
    app: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    publish(app, "v1")
    real_lock, calls = lock.lock, []

    def lock_too_late(fd: int, **options: t.Any) -> bool:
        calls.append(fd)
        if len(calls) == 1:
            shutil.rmtree(app)
            shutil.rmtree(state_directory(app))
            if again:
                monkeypatch.setattr(lock, "lock", real_lock)
                publish(app, "v2")
        return real_lock(fd, **options)

    monkeypatch.setattr(lock, "lock", lock_too_late)
    with opened(app) as destination:
        assert destination.current == (make_stamp("v2") if again else None)
        with pytest.raises(Locked), opened(app, lock_timeout=0):
            pass


@pytest.mark.parametrize("how", ["exchanged", "removed"])
def test_waiting_for_a_state_directory_that_is_always_replaced_ends(
    app: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def removed(place: object, name: str) -> int:
        os.rmdir(app.parent / name)
        raise FileNotFoundError(2, "No such file or directory")

    if how == "exchanged":
        monkeypatch.setattr(lock.StateDirectory, "is_there", lambda directory, place: False)
    else:
        monkeypatch.setattr(lock, "_put_in_place", removed)
    with (
        pytest.raises(DestinationError, match="keeps being replaced; check who can write to"),
        opened(app, lock_timeout=0),
    ):
        pass


def test_a_state_directory_that_another_run_makes_first_is_used(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_mkdir, made = os.mkdir, []

    def mkdir_too_late(path: str, mode: int, *, dir_fd: int) -> None:
        if not made:
            made.append(real_mkdir(state_directory(app), 0o700))
        real_mkdir(path, mode, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", mkdir_too_late)
        with opened(app) as destination:
            assert destination.current is None
    assert os.listdir(app.parent) == []


def test_the_lock_of_a_killed_run_is_free(app: Path) -> None:
    publish(app, "v1")
    child, dummy = hold(app)
    os.kill(child.pid, 9)
    child.result()
    with opened(app, lock_timeout=0) as destination:
        assert destination.current == make_stamp("v1")


def test_an_unreadable_lock_file_names_no_holder(app: Path) -> None:
    publish(app, "v1")
    with opened(app):
        for content in (b"", b"[]", b"{", b'{"pid": 1}', b"\xff" * 5000):
            (state_directory(app) / "lock").write_bytes(content)
            with pytest.raises(Locked, match="another run still held its lock"), opened(app, lock_timeout=0):
                pass


def test_readers_do_not_exclude_each_other(app: Path) -> None:
    publish(app, "v1")
    with (
        Destination.inspect(str(app), warn=no_warning, lock_timeout=0),
        Destination.inspect(str(app), warn=no_warning, lock_timeout=0) as view,
    ):
        assert view.current == make_stamp("v1")
        with pytest.raises(Locked), opened(app, lock_timeout=0):
            pass


def test_inspecting_changes_nothing(app: Path) -> None:
    with Destination.inspect(str(app), warn=no_warning) as view:
        assert (view.exists, view.current, view.generations, view.current_generation) == (False, None, (), None)
        view.check_replaceable()
        assert not view.check_remove()
        with pytest.raises(DestinationError, match="unpack an image first"):
            view.check_roll_back()
    assert os.listdir(app.parent) == []
    publish(app, "v1")
    publish(app, "v2")
    before = everything(app.parent)
    with Destination.inspect(str(app), warn=no_warning) as view:
        assert view.current == make_stamp("v2")
        assert [generation.stamp for generation in view.generations] == [make_stamp("v1")]
        assert not view.drift("content")
        assert not view.drift("content", generation=1)
        view.check_replaceable()
        assert view.check_remove()
        found = view.check_roll_back()
        assert found is not None
        assert found.number == 1
    assert everything(app.parent) == before


def test_inspecting_refuses_what_a_run_would_refuse(app: Path) -> None:
    app.mkdir()
    (app / "file").write_text("")
    with Destination.inspect(str(app), warn=no_warning) as view:
        with pytest.raises(DestinationError, match="force: true"):
            view.check_replaceable()
        with pytest.raises(DestinationError, match="force: true"):
            view.check_remove()
    with Destination.inspect(str(app), warn=no_warning, force=True) as view:
        view.check_replaceable()
        assert view.check_remove()


def test_inspecting_without_a_lock_file_is_possible(app: Path) -> None:
    publish(app, "v1")
    (state_directory(app) / "lock").unlink()
    before = everything(app.parent)
    with Destination.inspect(str(app), warn=no_warning) as view:
        assert view.current == make_stamp("v1")
    assert everything(app.parent) == before


@pytest.mark.parametrize("happened", [False, True])
def test_inspecting_an_interrupted_change_shows_the_settled_state(app: Path, happened: bool) -> None:
    publish(app, "v1")
    publish(app, "v2")
    directory = state_directory(app)
    state = DestinationState(next=3, current=2, kept=(1,))
    pending = Pending("roll_back", (directory / "generations/1/rootfs").stat().st_ino, 1, 2)
    if happened:
        app.rename(app.parent / "old")
        (directory / "generations/1/rootfs").rename(app)
        (app.parent / "old").rename(directory / "generations/1/rootfs")
    (directory / "state.json").write_bytes(DestinationState(next=3, current=2, kept=(1,), pending=pending).to_json())
    before = everything(app.parent)
    with Destination.inspect(str(app), warn=no_warning) as view:
        assert view.current_generation == (1 if happened else 2)
        assert not view.drift("content")
        assert not view.drift("content", generation=2 if happened else 1)
    assert everything(app.parent) == before
    with opened(app) as destination:
        assert destination.current_generation == (1 if happened else 2)
        assert destination.rolled_back_from == (2 if happened else None)
        assert not destination.drift("content")
    assert state.current == 2


@needs_root
@pytest.mark.parametrize("mode", [0o555, 0o500, 0o755])
def test_an_ordinary_user_publishes_trees_without_write_permission(app: Path, mode: int) -> None:
    os.chown(app.parent, children.NOBODY, children.NOBODY)

    def change() -> list[t.Any]:
        publish(app, "v1", mode=mode)
        publish(app, "v2", mode=mode)
        publish(app, "v3", mode=mode)
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (app, state_directory(app))]
        with opened(app) as destination:
            kept = destination.roll_back().generation
        modes.append(stat.S_IMODE(app.stat().st_mode))
        found = references(app)
        with opened(app, create=False) as destination:
            destination.remove()
        return [modes, kept, found, os.listdir(app.parent)]

    assert children.run(change, uid=children.NOBODY) == [[mode, 0o700, mode], 2, ["v2", "v3"], []]


@needs_root
def test_a_missing_permission_is_an_error_that_names_the_path(ground: Path) -> None:
    def fail() -> list[t.Any]:
        with pytest.raises(FilesystemError) as caught:
            publish(ground / "app", "v1")
        return [caught.value.fields["errno"], caught.value.message]

    name, message = children.run(fail, uid=children.NOBODY)
    assert name == "EACCES"
    assert f"{ground}/.app.oci: Permission denied" in message
    assert os.listdir(ground) == []


@needs_root
def test_another_users_destination_is_refused_with_the_remedy(app: Path) -> None:
    publish(app, "v1")

    def fail() -> str:
        with pytest.raises(DestinationError) as caught, Destination.inspect(str(app), warn=no_warning):
            pass
        return caught.value.message

    assert "become_user" in children.run(fail, uid=children.NOBODY)


@needs_root
def test_permissions_of_the_parent_are_not_inherited(ground: Path) -> None:
    os.chown(ground, 0, 4321)
    ground.chmod(0o2775)
    warnings: list[str] = []
    access = b"\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x07\x00\x39\x30\x00\x00"
    access += b"\x04\x00\x07\x00\xff\xff\xff\xff\x10\x00\x07\x00\xff\xff\xff\xff\x20\x00\x05\x00\xff\xff\xff\xff"
    with contextlib.suppress(OSError):  # not every file system has such lists
        os.setxattr(ground, "system.posix_acl_default", access)
    publish(ground / "app", "v1", warn=warnings.append)
    assert len(warnings) == 1
    assert f"because the group id 4321 can write to {ground};" in warnings[0]
    assert stat.S_IMODE(state_directory(ground / "app").stat().st_mode) == 0o700
    assert os.listxattr(ground / "app") == []
    assert os.listxattr(state_directory(ground / "app")) == []


@needs_mounts
def test_a_full_file_system_is_named_and_leaves_the_old_tree(ground: Path) -> None:
    def fill() -> list[t.Any]:
        children.mount_tmpfs(ground, "size=1m,mode=755")
        app = ground / "app"
        publish(app, "v1")
        tree = snapshot(app)
        with pytest.raises(NoSpace) as caught:
            publish_too_much(app)
        with pytest.raises(NoSpace) as other:
            publish(app, "v2", fill=lambda root: too_much(root, limit=True))
        names = sorted(os.listdir(state_directory(app)))
        return [caught.value.as_result(), other.value.message, snapshot(app) == tree, references(app), names]

    result, message, same, found, names = children.run(fill, own_mounts=True)
    assert same
    assert found == ["v1"]
    assert names == ["generations", "lock", "state.json"]
    assert result["kind"] == "no_space"
    assert (result["filesystem"], result["dest"], result["errno"]) == (str(ground), f"{ground}/app", "ENOSPC")
    assert f"full file system is the one mounted at {ground}, which" in message


def publish_too_much(app: Path) -> None:
    with opened(app) as destination, destination.staging() as staging:
        try:
            too_much(Path(staging.path))
        except OSError as exc:
            raise NoSpace("While writing x: no space.", errno=errno.errorcode[exc.errno or 0]) from exc


def too_much(root: Path, *, limit: bool = False) -> None:
    """Writes until the disk is full, or with limit so much that only the record does not fit."""
    try:
        with open(root / "large", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        if not limit:
            raise


@needs_mounts
def test_mounts_in_the_tree_are_left_alone(ground: Path) -> None:
    app = ground / "app"
    publish(app, "v1")
    publish(app, "v2")

    def use() -> list[str]:
        children.bind("/proc", app / "etc")
        messages = []
        with opened(app) as destination:
            assert not destination.drift("content")
            for forbidden in (destination.check_replaceable, destination.roll_back, destination.remove):
                with pytest.raises(DestinationError) as caught:
                    forbidden()
                messages.append(caught.value.message)
            with pytest.raises(DestinationError) as caught:
                destination.restore(1)
            messages.append(caught.value.message)
            with pytest.raises(DestinationError), destination.staging():
                raise AssertionError("no staging")
        return messages

    messages = children.run(use, own_mounts=True)
    assert all(f"mounted at {app}/etc: unmount it first" in message for message in messages)
    assert [message.split(" ")[0] for message in messages] == ["Replacing", "Rolling", "Removing", "Replacing"]
    assert references(app) == ["v2", "v1"]


@needs_mounts
def test_a_state_directory_on_another_file_system_is_refused(ground: Path) -> None:
    def look() -> str:
        state_directory(ground / "app").mkdir()
        children.mount_tmpfs(state_directory(ground / "app"), "mode=700")
        with pytest.raises(DestinationError) as caught, opened(ground / "app"):
            pass
        return caught.value.message

    assert "is on another file system" in children.run(look, own_mounts=True)


def test_names_may_be_any_bytes(ground: Path) -> None:
    app = Path(os.fsdecode(os.fsencode(ground) + b"/\xff app\n"))
    publish(app, "v1")
    publish(app, "v2")
    assert references(app) == ["v2", "v1"]
    app.joinpath("new").write_text("")
    with opened(app) as destination:
        assert [change.path for change in destination.drift("metadata").changes] == ["new"]
        destination.remove()
    assert os.listdir(ground) == []


def test_a_destination_that_turned_into_something_else_is_refused(app: Path) -> None:
    publish(app, "v1")
    moved = app.parent / "moved"
    app.rename(moved)
    app.symlink_to(moved)
    tree = snapshot(moved)
    for attempt in (lambda: publish(app, "v2"), lambda: publish(app, "v2", force=True)):
        with pytest.raises(DestinationError, match="it is a symbolic link"):
            attempt()
    assert snapshot(moved) == tree


def test_no_descriptor_is_left_open(app: Path) -> None:
    publish(app, "v1")
    before = open_descriptors()
    publish(app, "v2")
    with opened(app) as destination:
        destination.drift("content")
        destination.roll_back()
    with pytest.raises(DestinationError), opened(app / "etc/inner"):
        pass
    with Destination.inspect(str(app), warn=no_warning) as view:
        view.drift("metadata", generation=2)
    with opened(app) as destination:
        destination.remove()
    assert open_descriptors() <= before


def test_a_staged_tree_is_recorded_with_the_digests_given(app: Path) -> None:
    with opened(app) as destination, destination.staging() as staging:
        make_tree(staging.path, "v1")
        inode = os.stat("etc/common", dir_fd=staging.root_fd).st_ino
        record(staging, {inode: bytes(32)})
        destination.publish(staging, make_stamp("v1"))
        changes = destination.drift("content").changes
    assert [(change.path, change.what) for change in changes] == [("etc/common", "content")]
    os.setxattr(app / "etc/version", "user.x", b"1")
    with opened(app) as destination:
        assert {change.what for change in destination.drift("content").changes} == {"content", "xattrs"}


def test_the_lock_file_names_its_holder(app: Path) -> None:
    with opened(app):
        holder = json.loads((state_directory(app) / "lock").read_bytes())
    assert holder["pid"] == os.getpid()
