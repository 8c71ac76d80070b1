# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user who owns the parent of a destination cannot lead root out of it by exchanging entries."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._destination import lock
from ansible_collections.attested.registry.plugins.module_utils._destination.destination import Destination
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    DestinationError,
    UnpackError,
)
from ansible_collections.attested.registry.tests.support.images.trees import (
    make_stamp,
    make_tree,
    publish,
    record,
    snapshot,
    state_directory,
)
from ansible_collections.attested.registry.tests.support.processes import children
from ansible_collections.attested.registry.tests.support.processes.swapper import Swapper

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def home() -> t.Iterator[Path]:
    """A directory of another user, on the file system of one that is root's alone."""
    base = Path(tempfile.mkdtemp(prefix="unpack-", dir="/dev/shm"))
    base.chmod(0o755)
    home = base / "home"
    home.mkdir()
    os.chown(home, children.NOBODY, children.NOBODY)
    (base / "roots").mkdir()
    (base / "roots/file").write_text("root's")
    yield home
    shutil.rmtree(base)


def ignored(message: str) -> None:
    """The warning about the parent."""


def entries(path: Path) -> dict[str, t.Any]:
    """Everything below a directory, with owners and modes."""
    return {str(found): (found.lstat().st_uid, found.lstat().st_mode) for found in sorted(path.rglob("*"))}


def evil_directory(home: Path) -> Path:
    """Put directories and links to files of root in the place of the state directory."""
    evil = home / "evil"
    evil.mkdir(mode=0o700)
    (evil / "generations").symlink_to(home.parent / "roots")
    (evil / "state.json").symlink_to(home.parent / "roots/file")
    (evil / "lock").symlink_to(home.parent / "roots/new")
    os.chown(evil, children.NOBODY, children.NOBODY)
    return evil


def test_a_state_directory_that_is_exchanged_at_any_moment_leads_nowhere(home: Path) -> None:
    evil_directory(home)
    roots = entries(home.parent / "roots")
    with Swapper(home, ".app.oci", "evil") as swapper:
        while swapper.swapped < 200:
            with contextlib.suppress(UnpackError), contextlib.ExitStack() as stack:
                destination = stack.enter_context(Destination(str(home / "app"), warn=ignored))
                staging = stack.enter_context(destination.staging())
                os.mkdir("etc", dir_fd=staging.root_fd)
                destination.publish(staging, make_stamp("v1"))
    assert entries(home.parent / "roots") == roots
    evil = next(path for path in (home / "evil", state_directory(home / "app")) if path.lstat().st_uid)
    assert sorted(os.listdir(evil)) == ["generations", "lock", "state.json"]


def test_a_directory_that_is_put_in_the_place_of_the_new_one_is_refused_unchanged(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = evil_directory(home)
    evil.chmod(0o755)
    real_mkdir = os.mkdir

    def mkdir(name: str, mode: int, *, dir_fd: int) -> None:
        real_mkdir(name, mode, dir_fd=dir_fd)
        os.rename(name, "away", src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        os.rename("evil", name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(DestinationError, match=f"belongs to the user id {children.NOBODY}, not 0"):
        publish(home / "app", "v1", warn=ignored)
    (new,) = (path for path in home.iterdir() if path.name not in ("away", "evil"))
    assert (new.stat().st_uid, new.stat().st_mode & 0o777) == (children.NOBODY, 0o755)


@pytest.mark.parametrize("name", ["generations", "generations/1", "generations/1/rootfs"])
def test_no_link_is_followed_in_a_state_directory_that_an_image_made(home: Path, name: str) -> None:
    """A tree of root's with mode 0700 whose content the image chose, moved to where the state directory was."""
    app = home / "app"
    publish(app, "v1", warn=ignored)
    publish(app, "v2", warn=ignored)
    inside = state_directory(app) / name
    shutil.move(inside, home / "away")
    inside.symlink_to(home.parent / "roots")
    roots = entries(home.parent / "roots")
    actions: list[t.Callable[[Destination], t.Any]] = [
        lambda destination: destination.drift("content", generation=1),
        lambda destination: destination.restore(1),
        lambda destination: destination.roll_back(),
        lambda destination: destination.remove(),
    ]
    for action in actions:
        with contextlib.suppress(UnpackError), Destination(str(app), warn=ignored) as destination:
            action(destination)
    with contextlib.suppress(UnpackError):
        publish(app, "v3", warn=ignored)
    assert entries(home.parent / "roots") == roots


def test_a_staging_directory_that_is_exchanged_for_a_link_is_not_followed(home: Path) -> None:
    app = home / "app"
    roots = entries(home.parent / "roots")
    with contextlib.suppress(UnpackError), contextlib.ExitStack() as stack:
        destination = stack.enter_context(Destination(str(app), warn=ignored))
        staging = stack.enter_context(destination.staging())
        make_tree(staging.path, "v1")
        there = state_directory(app) / staging.name
        there.rename(there.with_name("moved"))
        there.symlink_to(home.parent / "roots")
        destination.publish(staging, make_stamp("v1"))
    assert entries(home.parent / "roots") == roots


@pytest.mark.parametrize("change", ["publish", "restore", "remove"])
def test_a_state_directory_that_is_moved_while_a_task_runs_is_an_error(home: Path, change: str) -> None:
    app = home / "app"
    publish(app, "v1", warn=ignored)
    publish(app, "v2", warn=ignored)
    tree = snapshot(app)
    with Destination(str(app), warn=ignored) as destination, destination.staging() as staging:
        record(staging)
        state_directory(app).rename(home / "moved")
        evil_directory(home).rename(state_directory(app))
        actions: dict[str, t.Callable[[], t.Any]] = {
            "publish": lambda: destination.publish(staging, make_stamp("v3")),
            "restore": lambda: destination.restore(1),
            "remove": destination.remove,
        }
        with pytest.raises(DestinationError, match="was moved or replaced while the task ran"):
            actions[change]()
    assert snapshot(app) == tree


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_destination_that_is_exchanged_before_the_publishing_can_be_used_again(home: Path, kind: str) -> None:
    app = home / "app"
    publish(app, "v1", warn=ignored)
    roots = entries(home.parent / "roots")
    with Destination(str(app), warn=ignored) as destination, destination.staging() as staging:
        make_tree(staging.path, "v2")
        real_look = type(destination._place).look

        def look_and_swap(place: t.Any) -> t.Any:
            found = real_look(place)
            if app.is_dir() and not app.is_symlink() and not (home / "moved").exists():
                app.rename(home / "moved")
                if kind == "link":
                    app.symlink_to(home.parent / "roots")
                else:
                    app.write_text("")
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(destination._place), "look", look_and_swap)
            with contextlib.suppress(UnpackError):
                destination.publish(staging, make_stamp("v2"))
    if not app.is_dir() or app.is_symlink():
        app.unlink()
    for version in ("v3", "v4", "v5"):
        publish(app, version, warn=ignored)
    tree = home.parent / "expected"
    tree.mkdir()
    make_tree(tree, "v5")
    assert snapshot(app) == snapshot(tree)
    assert entries(home.parent / "roots") == roots


def test_what_a_killed_run_left_of_a_new_state_directory_is_removed(home: Path) -> None:
    (home / f"{lock._NEW}{'0' * 16}").mkdir()
    publish(home / "app", "v1", warn=ignored)
    assert sorted(os.listdir(home)) == [".app.oci", "app"]


def test_a_directory_like_a_new_one_that_holds_something_stays(home: Path) -> None:
    (home / f"{lock._NEW}{'0' * 16}/mine").mkdir(parents=True)
    publish(home / "app", "v1", warn=ignored)
    assert (home / f"{lock._NEW}{'0' * 16}/mine").is_dir()


def test_a_state_directory_on_the_place_of_a_new_one_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_rename, made = os.rename, []

    def rename(source: str, target: str, **options: t.Any) -> None:
        if not made:
            made.append(state_directory(home / "app"))
            made[0].mkdir(mode=0o700)
            (made[0] / "lock").touch(mode=0o600)
        real_rename(source, target, **options)

    monkeypatch.setattr(os, "rename", rename)
    publish(home / "app", "v1", warn=ignored)
    assert made[0].is_dir()
    assert sorted(os.listdir(home)) == [".app.oci", "app"]


def test_a_new_directory_that_another_run_removes_is_made_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_mkdir, made = os.mkdir, []

    def mkdir(name: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        real_mkdir(name, mode, dir_fd=dir_fd)
        made.append(name)
        if len(made) == 1:
            os.rmdir(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", mkdir)
    publish(home / "app", "v1", warn=ignored)
    assert sorted(os.listdir(home)) == [".app.oci", "app"]


def test_a_parent_in_which_no_directory_can_be_made_is_an_error() -> None:
    with pytest.raises(UnpackError, match="/proc/"):
        publish(Path("/proc/app"), "v1", warn=ignored)
