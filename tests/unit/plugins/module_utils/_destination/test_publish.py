# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change that is killed, fails or is interrupted at any system call is completed or undone by the next run."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._destination import destination as destination_module
from ansible_collections.attested.registry.plugins.module_utils._destination import publish as publish_module
from ansible_collections.attested.registry.plugins.module_utils._destination.destination import Destination
from ansible_collections.attested.registry.plugins.module_utils._destination.state import DestinationState, Pending
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    DestinationError,
    FilesystemError,
    UnpackError,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree import syscalls
from ansible_collections.attested.registry.tests.support.images.trees import (
    STATES,
    make_tree,
    no_warning,
    opened,
    publish,
    snapshot,
    state_directory,
)
from ansible_collections.attested.registry.tests.support.processes import children

pytestmark = pytest.mark.slow

CHANGING = ("mkdir", "rmdir", "unlink", "rename", "fsync", "chmod", "fchmod")
WRITING = os.O_WRONLY | os.O_RDWR


class Saboteur:
    """Counts the system calls that change something, and at a given one acts instead of letting it through."""

    paused = False

    def __init__(self, at: int, act: t.Callable[[], None]) -> None:
        self._at = at
        self._act = act
        self.count = 0

    def watch(self, function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def watched(*arguments: t.Any, **options: t.Any) -> t.Any:
            if not Saboteur.paused:
                self.count += 1
                if self.count == self._at:
                    self._act()
            return function(*arguments, **options)

        return watched

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in CHANGING:
            monkeypatch.setattr(os, name, self.watch(getattr(os, name)))
        real_open, watched_open = os.open, self.watch(os.open)

        def open_if_changing(path: t.Any, flags: int, *arguments: t.Any, **options: t.Any) -> int:
            chosen = watched_open if flags & WRITING else real_open
            return t.cast(int, chosen(path, flags, *arguments, **options))

        monkeypatch.setattr(os, "open", open_if_changing)
        monkeypatch.setattr(publish_module, "exchange", self.watch(publish_module.exchange))
        monkeypatch.setattr(destination_module, "sync_filesystem", self.watch(syscalls.sync_filesystem))


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise OSError(errno.EIO, "sabotage")


def interrupt() -> None:
    raise KeyboardInterrupt


def no_exchange(*dummy: object) -> None:
    raise OSError(errno.EINVAL, "this file system cannot exchange")


@dataclass(frozen=True)
class Scenario:
    """A change, what is there before it, and the references before and after: None for nothing at the destination."""

    prepare: t.Callable[[Path], t.Any]
    change: t.Callable[[Path], t.Any]
    before: str | None
    after: str | None
    may_vanish: bool = False


def unhindered(root: Path) -> None:
    """Makes the new tree, which is not what is tested here."""
    Saboteur.paused = True
    make_tree(root, "v2")
    Saboteur.paused = False


def roll_back(path: Path) -> None:
    with opened(path, create=False) as destination:
        destination.roll_back()


def restore(path: Path) -> None:
    with opened(path) as destination:
        destination.restore(1)


def remove(path: Path) -> None:
    with opened(path, create=False) as destination:
        destination.remove()


def two_versions(path: Path) -> None:
    publish(path, "v0", keep=5)
    publish(path, "v1", keep=5)


def foreign(path: Path) -> None:
    path.mkdir()
    make_tree(path, "foreign")


SCENARIOS = {
    "first": Scenario(lambda path: None, lambda path: publish(path, "v2", fill=unhindered), None, "v2"),
    "over empty": Scenario(lambda path: path.mkdir(), lambda path: publish(path, "v2", fill=unhindered), "empty", "v2"),
    "over foreign": Scenario(foreign, lambda path: publish(path, "v2", force=True, fill=unhindered), "foreign", "v2"),
    "second": Scenario(two_versions, lambda path: publish(path, "v2", fill=unhindered), "v1", "v2"),
    "repair": Scenario(two_versions, lambda path: publish(path, "v2", drifted=True, fill=unhindered), "v1", "v2"),
    "roll back": Scenario(two_versions, roll_back, "v1", "v0"),
    "restore": Scenario(two_versions, restore, "v1", "v0"),
    "restore what was deleted": Scenario(lambda path: (two_versions(path), shutil.rmtree(path)), restore, "gone", "v0"),
    "remove": Scenario(two_versions, remove, "v1", None),
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, t.Any]:
    """The tree at the destination for each version."""
    found: dict[str | None, t.Any] = {None: None, "gone": None}
    for version in ("v0", "v1", "v2", "foreign"):
        path = tmp_path_factory.mktemp(version)
        make_tree(path, version)
        found[version] = snapshot(path)
    found["empty"] = {".": 0o755}
    return found


@pytest.fixture
def ground() -> t.Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="unpack-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path)


def check_state_directory(path: Path, expected: str | None) -> None:
    """Nothing is left over, and every generation is what its stamp says."""
    directory = state_directory(path)
    with opened(path, inspect=True) as view:
        assert not view.drift("content") or expected == "gone"
        kept = {generation.number: generation for generation in view.generations}
        current = view.current_generation
        for number, generation in kept.items():
            assert not view.drift("content", generation=number)
            version = "foreign" if generation.stamp is None else generation.stamp.reference
            assert (directory / f"generations/{number}/rootfs/only-{version}").is_dir()
    if current is None:
        assert not directory.exists()
        return
    assert sorted(os.listdir(directory)) == ["generations", "lock", "state.json"]
    assert sorted(os.listdir(directory / "generations")) == sorted(str(number) for number in {*kept, current})
    assert sorted(os.listdir(directory / f"generations/{current}")) == ["stamp.json", "tree"]


def settle_and_check(path: Path, scenario: Scenario, trees: dict[str | None, t.Any], there: t.Any) -> None:
    """Check what the next run finds and what it leaves."""
    with opened(path, inspect=True, force=True) as view:
        seen = view.current and view.current.reference
    with opened(path, create=False, force=True) as destination:
        reference = destination.current and destination.current.reference
        assert reference == seen
    found = snapshot(path)
    assert found in (trees[scenario.before], trees[scenario.after])
    assert there in (found, None) if scenario.may_vanish else there == found
    version = scenario.after if found == trees[scenario.after] else scenario.before
    check_state_directory(path, version)
    if version == "gone":
        version = "v1"
    assert reference == (None if version in ("foreign", "empty") else version)


def exhaustive(name: str) -> t.Any:
    return pytest.param(name, marks=pytest.mark.exhaustive)


def at_every_step(
    scenario: Scenario,
    ground: Path,
    trees: dict[str | None, t.Any],
    attempt: t.Callable[[Path, int], bool],
    *,
    elsewhere: bool = False,
) -> int:
    for step in range(1, 200):
        path = ground / str(step) / "app"
        path.parent.mkdir()
        if elsewhere:
            (path.parent / STATES).mkdir()
        scenario.prepare(path)
        reached = attempt(path, step)
        there = snapshot(path)
        settle_and_check(path, scenario, trees, there)
        shutil.rmtree(path.parent)
        if not reached:
            assert there == trees[scenario.after]
            return step - 1
    raise AssertionError("there is no end of steps")


def killed(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[Path, int], bool]:
    def attempt(path: Path, step: int) -> bool:
        def change() -> bool:
            Saboteur(step, kill).install(monkeypatch)
            scenario.change(path)
            return False

        child = children.start(change)
        reached = child.result() is None
        assert reached == child.was_killed
        return reached

    return attempt


def raising(
    scenario: Scenario, act: t.Callable[[], None], expected: type[BaseException]
) -> t.Callable[[Path, int], bool]:
    def attempt(path: Path, step: int) -> bool:
        saboteur = Saboteur(step, act)
        with pytest.MonkeyPatch.context() as patch:
            saboteur.install(patch)
            with contextlib.suppress(expected):
                change_without_warnings(scenario, path)
        return saboteur.count >= step

    return attempt


def change_without_warnings(scenario: Scenario, path: Path) -> None:
    # Sabotage of what happens after the change is a warning, which no_warning() turns into this.
    with contextlib.suppress(AssertionError):
        scenario.change(path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kill_at_any_step(
    ground: Path, monkeypatch: pytest.MonkeyPatch, trees: dict[str | None, t.Any], name: str
) -> None:
    scenario = SCENARIOS[name]
    assert at_every_step(scenario, ground, trees, killed(scenario, monkeypatch)) >= 8


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["first", "over foreign", "second", "roll back", "remove"])
def test_a_kill_at_any_step_with_the_state_elsewhere(
    ground: Path, monkeypatch: pytest.MonkeyPatch, trees: dict[str | None, t.Any], name: str
) -> None:
    scenario = SCENARIOS[name]
    assert at_every_step(scenario, ground, trees, killed(scenario, monkeypatch), elsewhere=True) >= 8


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["over foreign", "second", "roll back", "restore"])
def test_a_kill_at_any_step_where_nothing_can_be_exchanged(
    ground: Path, monkeypatch: pytest.MonkeyPatch, trees: dict[str | None, t.Any], name: str
) -> None:
    monkeypatch.setattr(publish_module, "exchange", no_exchange)
    scenario = SCENARIOS[name]
    vanishing = Scenario(scenario.prepare, scenario.change, scenario.before, scenario.after, may_vanish=True)
    assert at_every_step(vanishing, ground, trees, killed(scenario, monkeypatch)) >= 8


@pytest.mark.parametrize("name", [name if name == "second" else exhaustive(name) for name in SCENARIOS])
def test_an_error_at_any_step(ground: Path, trees: dict[str | None, t.Any], name: str) -> None:
    scenario = SCENARIOS[name]
    assert at_every_step(scenario, ground, trees, raising(scenario, fail, UnpackError)) >= 8


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["first", "second", "remove"])
def test_an_error_at_any_step_with_the_state_elsewhere(ground: Path, trees: dict[str | None, t.Any], name: str) -> None:
    scenario = SCENARIOS[name]
    assert at_every_step(scenario, ground, trees, raising(scenario, fail, UnpackError), elsewhere=True) >= 8


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["over foreign", "second", "roll back", "restore"])
def test_an_error_at_any_step_where_nothing_can_be_exchanged(
    ground: Path, monkeypatch: pytest.MonkeyPatch, trees: dict[str | None, t.Any], name: str
) -> None:
    monkeypatch.setattr(publish_module, "exchange", no_exchange)
    scenario = SCENARIOS[name]
    assert at_every_step(scenario, ground, trees, raising(scenario, fail, UnpackError)) >= 8


@pytest.mark.parametrize("name", [exhaustive("first"), "second", exhaustive("roll back"), exhaustive("remove")])
def test_an_interrupt_at_any_step(ground: Path, trees: dict[str | None, t.Any], name: str) -> None:
    scenario = SCENARIOS[name]
    assert at_every_step(scenario, ground, trees, raising(scenario, interrupt, KeyboardInterrupt)) >= 8


def test_an_error_before_the_exchange_leaves_the_old_tree_at_once(
    ground: Path, monkeypatch: pytest.MonkeyPatch, trees: dict[str | None, t.Any]
) -> None:
    path = ground / "app"
    publish(path, "v1")

    def broken(*dummy: object) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(publish_module, "exchange", broken)
    with pytest.raises(FilesystemError, match=f"While publishing {path}: Input/output error"):
        publish(path, "v2")
    monkeypatch.undo()
    assert snapshot(path) == trees["v1"]
    check_state_directory(path, "v1")


def test_a_failed_second_rename_puts_the_old_tree_back_at_once(
    ground: Path, monkeypatch: pytest.MonkeyPatch, trees: dict[str | None, t.Any]
) -> None:
    path = ground / "app"
    publish(path, "v1")
    monkeypatch.setattr(publish_module, "exchange", no_exchange)
    real_rename, failed = os.rename, []

    def rename(source: str, target: str, **options: t.Any) -> None:
        if target == "app" and not failed:
            assert not path.exists()
            failed.append(source)
            raise OSError(errno.EIO, "no")
        real_rename(source, target, **options)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(FilesystemError):
        publish(path, "v2")
    monkeypatch.undo()
    assert snapshot(path) == trees["v1"]
    check_state_directory(path, "v1")


class Journal:
    """Notes in which order things reach the disk."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[str] = []
        self._directories = {"parent": path.parent, "state": state_directory(path)}
        self._path = path
        self._fsync, self._exchange, self._sync = os.fsync, publish_module.exchange, syscalls.sync_filesystem
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(publish_module, "exchange", self.exchange)
        monkeypatch.setattr(destination_module, "sync_filesystem", self.sync)

    def fsync(self, fd: int) -> None:
        inode = os.fstat(fd).st_ino
        names = [name for name, path in self._directories.items() if path.exists() and path.stat().st_ino == inode]
        self.events += names
        self._fsync(fd)

    def exchange(self, *arguments: t.Any) -> None:
        self.events.append("exchange")
        self._exchange(*arguments)

    def sync(self, fd: int) -> None:
        (staging,) = state_directory(self._path).glob("staging-*")
        assert sorted(os.listdir(staging)) == ["rootfs", "stamp.json", "tree"]
        assert all((staging / name).stat().st_size for name in ("stamp.json", "tree"))
        self.events.append("sync")
        self._sync(fd)


def test_everything_is_on_the_disk_before_it_is_relied_upon(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ground / "app"
    publish(path, "v1")
    journal = Journal(path, monkeypatch)
    publish(path, "v2")
    assert journal.events == ["sync", "state", "exchange", "parent", "state"]


@pytest.mark.parametrize("base", ["tmp_path", "shm"])
def test_the_kernel_exchanges(tmp_path: Path, ground: Path, base: str) -> None:
    parent = tmp_path if base == "tmp_path" else ground
    (parent / "a/x").mkdir(parents=True)
    (parent / "b").mkdir()
    fd = os.open(parent, os.O_RDONLY)
    syscalls.exchange(fd, "a", fd, "b")
    syscalls.sync_filesystem(fd)
    assert (parent / "b/x").is_dir()
    with pytest.raises(FileNotFoundError):
        syscalls.exchange(fd, "a", fd, "missing")
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        syscalls.sync_filesystem(fd)


def test_an_old_c_library_is_enough(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = syscalls._function
    monkeypatch.setattr(syscalls, "_function", lambda name: None if name in ("renameat2", "syncfs") else found(name))
    syscalls._renameat2.cache_clear()
    try:
        (ground / "a/x").mkdir(parents=True)
        (ground / "b").mkdir()
        fd = os.open(ground, os.O_RDONLY)
        with contextlib.suppress(OSError):  # not every machine's number is known
            syscalls.exchange(fd, "a", fd, "b")
            assert (ground / "b/x").is_dir()
        monkeypatch.setattr(syscalls, "_RENAMEAT2", {})
        syscalls._renameat2.cache_clear()
        with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
            syscalls.exchange(fd, "a", fd, "b")
        synced: list[bool] = []
        monkeypatch.setattr(os, "sync", lambda: synced.append(True))
        syscalls.sync_filesystem(fd)
        assert synced
        os.close(fd)
    finally:
        syscalls._renameat2.cache_clear()


def pending_state(path: Path, pending: Pending) -> None:
    state = DestinationState(next=3, current=1, pending=pending)
    (state_directory(path) / "state.json").write_bytes(state.to_json())


def test_a_copy_made_in_the_middle_of_a_change_is_not_guessed_about(ground: Path) -> None:
    path = ground / "app"
    publish(path, "v1")
    coming = state_directory(path) / "generations/2/rootfs"
    coming.mkdir(parents=True)
    coming.parent.chmod(0o700)
    make_tree(coming, "v2")
    pending_state(path, Pending("publish", 1, 2, 1))
    with (
        pytest.raises(DestinationError, match="it is unknown which tree is the old one"),
        Destination(str(path), warn=no_warning),
    ):
        pass
    assert (coming / "only-v2").is_dir()
    assert (path / "only-v1").is_dir()


def test_a_copy_with_other_inode_numbers_is_trusted_when_nothing_is_pending(
    ground: Path, trees: dict[str | None, t.Any]
) -> None:
    (ground / "old").mkdir()
    two_versions(ground / "old/app")
    shutil.copytree(ground / "old", ground / "new", symlinks=True, copy_function=copy)
    with Destination(str(ground / "new/app"), warn=no_warning) as destination:
        assert destination.current is not None
        assert destination.current.reference == "v1"
        assert destination.roll_back().changed
    assert snapshot(ground / "new/app")["etc/version"] == trees["v0"]["etc/version"]


def copy(source: str, target: str) -> None:
    if Path(source).is_fifo():
        os.mkfifo(target)
        return
    shutil.copy2(source, target, follow_symlinks=False)
