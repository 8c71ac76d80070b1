# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The confined tree makes and finds directories, keeps few of them open, and sets their attributes last."""

from __future__ import annotations

import errno
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import FilesystemError
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.metadata import Attributes, Attributor
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.tree import Tree
from ansible_collections.attested.registry.tests.support.images.layer_maker import RESOLVERS, resolver_named
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_below, open_descriptors


@pytest.fixture(params=RESOLVERS)
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> t.Iterator[Tree]:
    before = open_descriptors()
    root = os.open(tmp_path, os.O_RDONLY)
    made = Tree(root, resolver=resolver_named(request.param))
    os.close(root)
    yield made
    made.close()
    assert open_descriptors() <= before


def where(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


def test_directories_are_made_and_found(tree: Tree, tmp_path: Path) -> None:
    made = tree.directory(b"a/b", make=True)
    assert where(made.descriptor) == str(tmp_path / "a" / "b")
    assert made.inode == (tmp_path / "a" / "b").stat().st_ino
    assert tree.directory(b"a/b") == made
    assert where(tree.directory(b"").descriptor) == str(tmp_path)


@pytest.mark.parametrize("path", [b"missing", b"file/x", b"file", b"to_file", b"dangling", b"dangling/x"])
def test_nothing_is_made_without_being_asked_for(tree: Tree, tmp_path: Path, path: bytes) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "to_file").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere/deep")
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        tree.directory(path)
    assert sorted(os.listdir(tmp_path)) == ["dangling", "file", "to_file"]


def test_a_returned_directory_stays_open_until_it_is_released(tree: Tree, tmp_path: Path) -> None:
    before = open_below(tmp_path)
    first = tree.directory(b"first", make=True)
    for number in range(300):
        tree.directory(b"d%d" % number, make=True)
    tree.forget()
    assert where(first.descriptor) == str(tmp_path / "first")
    again = tree.directory(b"first")
    assert again.inode == first.inode
    assert again.descriptor != first.descriptor
    tree.release()
    assert open_below(tmp_path) == before + 1
    assert where(tree.directory(b"first").descriptor) == str(tmp_path / "first")


def test_the_number_of_open_directories_is_bounded(tree: Tree, tmp_path: Path) -> None:
    before = open_below(tmp_path)
    for number in range(500):
        tree.directory(b"d%d/e" % number, make=True)
        tree.release()
    assert open_below(tmp_path) == before + 128


@pytest.mark.parametrize("removed", [b"d", b"link"])
def test_what_a_path_leads_to_is_looked_up_again_after_a_removal(tree: Tree, tmp_path: Path, removed: bytes) -> None:
    tree.directory(b"d/e", make=True)
    (tmp_path / "link").symlink_to("d")
    assert where(tree.directory(b"link/e").descriptor) == str(tmp_path / "d" / "e")
    tree.remove(tree.directory(b""), removed)
    tree.release()
    (tmp_path / "other" / "e").mkdir(parents=True)
    os.symlink(b"other", os.path.join(os.fsencode(tmp_path), removed))
    assert where(tree.directory(removed + b"/e").descriptor) == str(tmp_path / "other" / "e")


def test_attributes_come_at_the_end(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    os.utime(tmp_path / "old", ns=(7, 7))
    root = tree.directory(b"")
    tree.make_directory(root, b"d", Attributes(0o511, 1, 2, 3, {}))
    tree.make_directory(tree.directory(b"d"), b"e", Attributes(0o000, 0, 0, 4, {}))
    tree.directory(b"old/implied", make=True)
    assert (tmp_path / "d").stat().st_mode & 0o7777 == 0o700
    tree.release()
    tree.finish(Attributor(ownership=True, xattrs="keep", warn=pytest.fail))
    found = {name: (tmp_path / name).stat() for name in ("d", "d/e", "old", "old/implied")}
    assert {name: (oct(s.st_mode & 0o7777), s.st_uid, s.st_mtime_ns) for name, s in found.items()} == {
        "d": ("0o511", 1, 3),
        "d/e": ("0o0", 0, 4),
        "old": ("0o755", 0, 7),
        "old/implied": ("0o755", 0, 0),
    }


def test_nothing_is_done_in_another_file_system() -> None:
    assert os.stat("/dev/shm").st_dev != os.stat("/dev").st_dev
    before = open_descriptors()
    root = os.open("/dev", os.O_RDONLY)
    tree = Tree(root, resolver=resolver_named("walk"))
    os.close(root)
    for make in (False, True):
        with pytest.raises(FilesystemError, match="a file system that is mounted in the tree") as caught:
            tree.directory(b"shm/attested-never-made", make=make)
        assert caught.value.fields["errno"] == "EXDEV"
    tree.close()
    assert open_descriptors() <= before
    assert not os.path.exists("/dev/shm/attested-never-made")


def test_the_attributes_of_a_mount_point_are_left_alone(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = os.stat("/proc")
    (tmp_path / "proc").mkdir()
    parent = tree.directory(b"")
    monkeypatch.setattr(tree, "status", lambda *dummy: mounted)
    tree.make_directory(parent, b"proc", Attributes(0o000, 5, 5, 5, {}))
    monkeypatch.undo()
    tree.finish(Attributor(ownership=True, xattrs="skip", warn=pytest.fail))
    assert (tmp_path / "proc").stat().st_mode & 0o7777 == 0o755


def test_a_root_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    descriptor = os.open(path, os.O_RDONLY)
    with pytest.raises(FilesystemError, match="opening the root of the tree .*ENOTDIR") as caught:
        Tree(descriptor, resolver=resolver_named("walk"))
    os.close(descriptor)
    assert caught.value.fields["errno"] == errno.errorcode[errno.ENOTDIR]
