# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tree of any depth is removed without recursion, without following links and without entering mounts."""

from __future__ import annotations

import errno
import os
import resource
import socket
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import FilesystemError
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree import remove
from ansible_collections.attested.registry.tests.support.processes import children
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_mounts = pytest.mark.skipif(not children.may_mount(), reason="needs mounts of its own")


def remove_from(parent: Path, name: bytes) -> None:
    fd = os.open(parent, os.O_RDONLY)
    try:
        remove.remove_tree(fd, name)
    finally:
        os.close(fd)


@pytest.fixture
def public() -> t.Iterator[Path]:
    """A directory that every user may reach."""
    path = Path(tempfile.mkdtemp(prefix="unpack-", dir="/dev/shm"))
    path.chmod(0o755)
    yield path
    subprocess.run(["chattr", "-R", "-f", "-i", str(path)], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", str(path)], check=True)


def test_removes_every_type_and_nothing_else(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("stays")
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/b/to victim").symlink_to(victim)
    (tree / "up").symlink_to("..")
    (tree / "dangling").symlink_to("/nowhere")
    os.link(victim / "file", tree / "hard link")
    os.mkfifo(tree / "a/fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "a/socket"))
    os.mkdir(os.fsencode(tree) + b"/\xff\n")
    (tree / "a/b" / ("n" * 255)).write_text("")
    remove_from(tmp_path, b"tree")
    assert os.listdir(tmp_path) == ["victim"]
    assert (victim / "file").read_text() == "stays"


@pytest.mark.parametrize("kind", ["file", "link", "fifo", "missing"])
def test_a_name_may_be_anything(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    target.mkdir()
    path = tmp_path / "x"
    if kind == "file":
        path.write_text("")
    elif kind == "link":
        path.symlink_to(target)
    elif kind == "fifo":
        os.mkfifo(path)
    remove_from(tmp_path, b"x")
    assert os.listdir(tmp_path) == ["target"]


def test_depth_needs_neither_recursion_nor_descriptors(public: Path) -> None:
    def build_and_remove() -> list[str]:
        most = len(os.listdir("/proc/self/fd")) + 16
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        os.chdir(public)
        for dummy in range(5000):
            os.mkdir("d")
            os.chdir("d")
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY))
        os.chdir(public)
        remove_from(public, b"d")
        return os.listdir(public)

    assert children.run(build_and_remove) == []


@needs_root
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o500, 0o300, 0o111])
def test_an_ordinary_user_removes_directories_that_deny_everything(public: Path, mode: int) -> None:
    os.chown(public, children.NOBODY, children.NOBODY)

    def build_and_remove() -> list[str]:
        (public / "a/b/c").mkdir(parents=True)
        (public / "a/b/file").write_text("")
        for path in (public / "a/b/c", public / "a/b", public / "a"):
            path.chmod(mode)
        remove_from(public, b"a")
        return os.listdir(public)

    assert children.run(build_and_remove, uid=children.NOBODY) == []


@needs_root
def test_a_file_of_another_user_is_an_error_that_names_it(public: Path) -> None:
    (public / "a/b").mkdir(parents=True)
    (public / "a/b/file").write_text("")

    def fail() -> tuple[str, dict[str, t.Any]]:
        with pytest.raises(FilesystemError) as caught:
            remove_from(public, b"a")
        return caught.value.message, caught.value.fields

    message, fields = children.run(fail, uid=children.NOBODY)
    assert fields == {"path": "a/b/file", "errno": "EACCES"}
    assert message.startswith("While removing a/b/file: Permission denied (EACCES)")


@needs_root
def test_an_immutable_file_is_an_error_that_says_how_to_clear_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("")
    if subprocess.run(["chattr", "+i", str(tmp_path / "a/file")], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("the file system has no immutable files")
    try:
        with pytest.raises(FilesystemError, match=r"While removing a/file: .*EPERM.*chattr -R -i -a"):
            remove_from(tmp_path, b"a")
    finally:
        subprocess.run(["chattr", "-i", str(tmp_path / "a/file")], check=True)


@needs_mounts
def test_mounts_in_the_tree_are_not_removed(tmp_path: Path) -> None:
    (tmp_path / "a/mount").mkdir(parents=True)

    def fail() -> tuple[dict[str, t.Any], list[str]]:
        children.mount_tmpfs(tmp_path / "a/mount")
        (tmp_path / "a/mount/precious").write_text("")
        with pytest.raises(FilesystemError) as caught:
            remove_from(tmp_path, b"a")
        return caught.value.fields, os.listdir(tmp_path / "a/mount")

    fields, names = children.run(fail, own_mounts=True)
    assert (fields["errno"], fields["path"]) == ("EBUSY", "a/mount")
    assert names == ["precious"]


class Intruder:
    """Does something just before the directory of a given name is removed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: t.Callable[[], None]) -> None:
        self._rmdir = os.rmdir
        self._act = act
        monkeypatch.setattr(remove.os, "rmdir", self)

    def __call__(self, name: bytes, *, dir_fd: int) -> None:
        if name == b"inner":
            self._act()
        self._rmdir(name, dir_fd=dir_fd)


def test_files_added_during_the_removal_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "tree/inner"
    inner.mkdir(parents=True)
    visits = iter(range(3))
    Intruder(monkeypatch, lambda: next(visits, None) is not None and (inner / "late").mkdir())
    remove_from(tmp_path, b"tree")
    assert os.listdir(tmp_path) == []


def test_removing_a_directory_that_always_fills_again_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "tree/inner"
    inner.mkdir(parents=True)
    Intruder(monkeypatch, (inner / "late").touch)
    with pytest.raises(FilesystemError, match="ENOTEMPTY"):
        remove_from(tmp_path, b"tree")


def test_a_directory_that_vanishes_is_as_good_as_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "tree/inner"
    inner.mkdir(parents=True)
    Intruder(monkeypatch, lambda: inner.exists() and os.rename(inner, tmp_path / "moved"))
    remove_from(tmp_path, b"tree")
    assert os.listdir(tmp_path) == ["moved"]


def test_a_directory_that_turns_into_a_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("stays")
    (tmp_path / "tree/a").mkdir(parents=True)
    real_open, swapped = os.open, []

    def open_after_swap(path: t.Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == b"a" and not swapped:
            swapped.append(os.rename(tmp_path / "tree/a", tmp_path / "a"))
            (tmp_path / "tree/a").symlink_to(victim)
        return real_open(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", open_after_swap)
    remove_from(tmp_path, b"tree")
    assert swapped
    assert sorted(os.listdir(tmp_path)) == ["a", "victim"]
    assert (victim / "file").read_text() == "stays"


def test_another_error_is_translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()

    def fail(*dummy: object, **dummies: object) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(remove.os, "rmdir", fail)
    with pytest.raises(FilesystemError) as caught:
        remove_from(tmp_path, b"tree")
    assert caught.value.fields == {"path": "tree", "errno": "EIO"}


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    before = open_descriptors()
    remove_from(tmp_path, b"a")
    assert open_descriptors() <= before
