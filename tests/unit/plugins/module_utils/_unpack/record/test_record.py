# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a tree shows every later change of the tree; a damaged record is a change too."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import tracemalloc
import typing as t
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.attested.registry.plugins.module_utils._destination import drift as drift_module
from ansible_collections.attested.registry.plugins.module_utils._destination.drift import Drift, Level, compare
from ansible_collections.attested.registry.plugins.module_utils._unpack.record import listing
from ansible_collections.attested.registry.plugins.module_utils._unpack.record import reader as reader_module
from ansible_collections.attested.registry.plugins.module_utils._unpack.record import record as record_module
from ansible_collections.attested.registry.plugins.module_utils._unpack.record.probe import digest_file, digest_xattrs
from ansible_collections.attested.registry.plugins.module_utils._unpack.record.reader import (
    RecordInvalid,
    TreeRecordReader,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.record.record import write_record
from ansible_collections.attested.registry.plugins.module_utils._unpack.record.unchanged import is_unchanged
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.descent import Descent
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.images.trees import MTIME, make_tree, no_warning
from ansible_collections.attested.registry.tests.support.processes import children
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Tree:
    """A tree in a directory, and its record beside it."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.record = base / "record"

    def write(
        self, digests: t.Mapping[int, bytes] | None = None, *, xattrs: bool = False, with_digests: bool = True
    ) -> int:
        fd = os.open(self.root, os.O_RDONLY)
        known = digests or {} if with_digests else None
        try:
            with open(self.record, "wb") as file:
                return write_record(fd, file, known, xattrs=self.inodes() if xattrs else None)
        finally:
            os.close(fd)

    def inodes(self) -> set[int]:
        """The inode numbers of all that is in the tree."""
        return {path.lstat().st_ino for path in self.root.rglob("*")} | {self.root.stat().st_ino}

    def drift(
        self, level: Level = "metadata", *, skip: frozenset[bytes] = frozenset(), warn: t.Any = no_warning
    ) -> Drift:
        """Compare the tree; with and without the first step, which only tells whether anything differs."""
        fd = os.open(self.root, os.O_RDONLY)
        try:
            with open(self.record, "rb") as file:
                found = compare(file, fd, level=level, warn=warn, skip=skip)
                if level == "metadata":
                    file.seek(0)
                    with mock.patch.object(drift_module, "is_unchanged", return_value=False):
                        assert compare(file, fd, level=level, warn=warn, skip=skip) == found
                return found
        finally:
            os.close(fd)

    def is_unchanged(self) -> bool:
        fd = os.open(self.root, os.O_RDONLY)
        try:
            with open(self.record, "rb") as file:
                return is_unchanged(file, fd)
        finally:
            os.close(fd)

    def changes(self, level: Level = "metadata", **options: t.Any) -> list[tuple[str, str]]:
        found = self.drift(level, **options)
        assert found.total == len(found.changes)
        return [(change.path, change.what) for change in found.changes]


@pytest.fixture(params=["whole", "split"])
def tree(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A tree, of which each directory is recorded as a whole, or in parts as one with very many names."""
    if request.param == "split":
        monkeypatch.setattr(listing, "MAX_LISTED", 1)
    made = Tree(tmp_path)
    made.root.mkdir()
    make_tree(made.root, "v1")
    return made


@pytest.fixture
def public() -> t.Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="unpack-", dir="/dev/shm"))
    path.chmod(0o755)
    yield path
    subprocess.run(["rm", "-rf", str(path)], check=True)


def test_a_tree_is_as_recorded(tree: Tree) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree.root / "socket"))
    (tree.root / "empty").mkdir()
    entries = sum(len(names) + len(files) for dummy, names, files in os.walk(tree.root)) + 1
    assert tree.write() == entries
    for level in ("none", "metadata", "content"):
        assert not tree.drift(level)


def test_an_empty_tree_is_as_recorded(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.root.mkdir()
    assert tree.write() == 1
    assert not tree.drift("content")
    (tree.root / "a").mkdir()
    assert tree.changes() == [("a", "added")]


@pytest.mark.parametrize("xattrs", [False, True])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda root: (root / "etc/new").write_text(""), [("etc/new", "added")]),
        (lambda root: (root / "etc/new").mkdir(), [("etc/new", "added")]),
        (lambda root: (root / "etc/common").unlink(), [("etc/common", "removed")]),
        (lambda root: shutil.rmtree(root / "only-v1"), [("only-v1", "removed")]),
        (lambda root: shutil.rmtree(root / "etc"), [("etc", "removed")]),
        (lambda root: os.chmod(root, 0o700), [(".", "mode")]),
        (lambda root: os.chmod(root / "etc", 0o700), [("etc", "mode")]),
        (lambda root: os.chmod(root / "etc/common", 0o4755), [("etc/common", "mode")]),
        (lambda root: os.utime(root / "etc/common", ns=(1, MTIME + 1)), [("etc/common", "mtime")]),
        (lambda root: os.utime(root / "link", ns=(1, 5), follow_symlinks=False), [("link", "mtime")]),
        (lambda root: os.utime(root / "etc/common", ns=(5, MTIME)), []),
        (lambda root: os.utime(root / "etc", ns=(5, 5)), []),
        (lambda root: os.utime(root, ns=(5, 5)), []),
        (lambda root: (root / "etc/temporary").touch() or (root / "etc/temporary").unlink(), []),
        (lambda root: (root / "fifo").unlink() or (root / "fifo").mkdir(), [("fifo", "type")]),
        (lambda root: shutil.rmtree(root / "etc") or (root / "etc").symlink_to("only-v1"), [("etc", "type")]),
        (lambda root: shutil.rmtree(root / "etc") or (root / "etc").write_text(""), [("etc", "type")]),
        (lambda root: os.rename(root / "etc", root / "a"), [("etc", "removed"), ("a", "added")]),
    ],
)
def test_every_change_of_metadata_is_found_and_nothing_else(
    tree: Tree, change: t.Callable[[Path], t.Any], expected: list[tuple[str, str]], xattrs: bool
) -> None:
    tree.write(xattrs=xattrs)
    change(tree.root)
    assert sorted(tree.changes("metadata")) == sorted(expected)
    assert sorted(tree.changes("content")) == sorted(expected)
    assert tree.is_unchanged() == (not expected)


def test_both_ways_to_pack_a_directory_give_the_same_bytes(tree: Tree) -> None:
    (tree.root / "empty").mkdir()
    for directory, dummy, dummy in os.walk(os.fsencode(tree.root)):
        fd = os.open(directory, os.O_RDONLY)
        try:
            entries = listing.list_part(fd, b"".join(name + b"\0" for name in os.listdir(os.fsencode(directory))))
            packed = listing.pack_part(fd, b"".join(name + b"\0" for name in os.listdir(os.fsencode(directory))))
            assert packed[0] == listing.pack(entries)
            assert packed[1] == [entry.name for entry in entries]
            assert packed[2] == [entry.name for entry in entries if entry.is_directory]
            assert listing.pack_directory(fd) == (packed if len(entries) <= listing.MAX_LISTED else None)
        finally:
            os.close(fd)


def test_a_directory_that_may_not_be_listed_is_left_to_the_whole_comparison(public: Path) -> None:
    tree = Tree(public)
    os.chown(public, children.NOBODY, children.NOBODY)

    def make() -> list[bool]:
        tree.root.mkdir()
        tree.write()
        found = [tree.is_unchanged()]
        (tree.root / "closed").mkdir(mode=0o000)
        tree.write()
        return [*found, tree.is_unchanged()]

    assert children.run(make, uid=children.NOBODY) == [True, False]


def test_a_directory_that_disappears_meanwhile_is_a_difference(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.write()
    monkeypatch.setattr(Descent, "enter", lambda here, name: os.open(b"missing", os.O_RDONLY, dir_fd=here.descriptor))
    assert not tree.is_unchanged()


@pytest.mark.parametrize("level", ["metadata", "content"])
def test_a_file_is_listed_once_whatever_changed(tree: Tree, level: Level) -> None:
    tree.write(xattrs=True)
    common, link = tree.root / "etc/common", tree.root / "link"
    common.write_text("another text in this version")
    common.chmod(0o600)
    link.unlink()
    link.symlink_to("/etc/v2")
    os.setxattr(tree.root / "etc/version", "user.x", b"1")
    (tree.root / "etc/version").chmod(0o600)
    found = dict(tree.changes(level))
    assert found["etc/common"] == "size, mode, mtime"
    assert found["etc/version"] == ("mode, xattrs" if level == "content" else "mode")
    assert found["link"] == ("mtime, target" if level == "content" else "mtime")
    os.utime(common, ns=(MTIME + 1, MTIME + 1))
    common.write_text("THE SAME IN ALL VERSIONS")
    assert dict(tree.changes(level))["etc/common"] == ("mode, mtime, content" if level == "content" else "mode, mtime")


def test_files_that_are_not_listed_any_more_count_once(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.root.mkdir()
    for number in range(200):
        (tree.root / str(number)).write_text("old")
    tree.write()
    for number in range(200):
        (tree.root / str(number)).write_text("new")
    found = tree.drift("content")
    assert (len(found.changes), found.total) == (100, 200)


@needs_root
def test_owners_and_devices_are_compared(tree: Tree) -> None:
    os.mknod(tree.root / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.utime(tree.root / "null", ns=(MTIME, MTIME))
    tree.write()
    os.chown(tree.root / "link", 5, 6, follow_symlinks=False)
    os.chown(tree.root, 0, 7)
    (tree.root / "null").unlink()
    os.mknod(tree.root / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    os.utime(tree.root / "null", ns=(MTIME, MTIME))
    assert sorted(tree.changes()) == [(".", "owner"), ("link", "owner"), ("null", "size")]


def rewrite(path: Path, content: str) -> None:
    status = path.stat()
    path.write_text(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_content_is_compared_only_at_its_level(tree: Tree) -> None:
    tree.write()
    rewrite(tree.root / "etc/common", "THE SAME IN ALL VERSIONS")
    (tree.root / "link").unlink()
    (tree.root / "link").symlink_to("/etc/v2")
    os.utime(tree.root / "link", ns=(MTIME, MTIME), follow_symlinks=False)
    assert tree.changes("metadata") == []
    assert sorted(tree.changes("content")) == [("etc/common", "content"), ("link", "target")]


def test_a_changed_size_is_reported_instead_of_changed_content(tree: Tree) -> None:
    tree.write()
    rewrite(tree.root / "etc/common", "short")
    assert tree.changes("content") == [("etc/common", "size")]


def test_digests_that_are_known_are_not_computed_again(tree: Tree) -> None:
    file = tree.root / "etc/common"
    tree.write({file.stat().st_ino: b"x" * 32})
    assert tree.changes("content") == [("etc/common", "content")]
    tree.write({file.stat().st_ino: hashlib.sha256(file.read_bytes()).digest()})
    assert tree.changes("content") == []


NO_DIGESTS = (
    "the record of the tree has no digests of files; they are recorded when the image is unpacked with drift: content",
    "record",
)


@pytest.mark.parametrize("xattrs", [False, True])
def test_without_digests_everything_else_is_compared(tree: Tree, xattrs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    digested = tree.write(xattrs=xattrs), tree.record.stat().st_size
    monkeypatch.setattr(record_module, "digest_file", lambda *dummy: pytest.fail("a file was read"))
    files = sum(path.is_file() and not path.is_symlink() for path in tree.root.rglob("*"))
    assert tree.write(xattrs=xattrs, with_digests=False) == digested[0]
    assert tree.record.stat().st_size == digested[1] - files * 32
    assert tree.changes("none") == tree.changes("metadata") == []
    assert tree.changes("content") == [NO_DIGESTS]
    rewrite(tree.root / "etc/common", "THE SAME IN ALL VERSIONS")
    (tree.root / "link").unlink()
    (tree.root / "link").symlink_to("/etc/v2")
    os.utime(tree.root / "link", ns=(MTIME, MTIME), follow_symlinks=False)
    os.setxattr(tree.root / "etc/version", "user.x", b"1")
    assert tree.changes("metadata") == []
    found = [("etc/version", "xattrs"), ("hard link", "xattrs")] if xattrs else []
    assert sorted(tree.changes("content")) == sorted([NO_DIGESTS, ("link", "target"), *found])
    (tree.root / "etc/common").unlink()
    assert tree.changes("metadata") == [("etc/common", "removed")]


def test_a_record_without_digests_is_not_one_of_the_first_version(tree: Tree) -> None:
    # earlier versions of this collection accept these two beginnings, and unpack again if there is another
    first = (b"attested.registry tree record 1 -", b"attested.registry tree record 1 x")
    for xattrs in (False, True):
        tree.write(xattrs=xattrs)
        assert records(tree).startswith(first[xattrs])
        tree.write(xattrs=xattrs, with_digests=False)
        assert not records(tree).startswith(first)


def test_extended_attributes_are_compared_when_recorded(tree: Tree) -> None:
    file = tree.root / "etc/common"
    os.setxattr(file, "user.before", b"\x00=\n")
    tree.write(xattrs=True)
    assert tree.changes("content") == []
    os.setxattr(file, "user.before", b"other")
    os.setxattr(tree.root / "etc", "user.new", b"")
    assert tree.changes("metadata") == []
    assert tree.changes("content") == [("etc", "xattrs"), ("etc/common", "xattrs")]
    os.setxattr(tree.root, "user.new", b"")
    assert tree.changes("content") == [(".", "xattrs"), ("etc", "xattrs"), ("etc/common", "xattrs")]
    assert tree.changes("metadata") == []
    tree.write(xattrs=False)
    os.removexattr(file, "user.before")
    assert tree.changes("content") == []


@pytest.mark.parametrize("labelled", ["files", "directories"])
def test_attributes_that_the_file_system_itself_adds_are_recorded(tree: Tree, labelled: str) -> None:
    for path in (tree.root, *tree.root.rglob("*")):
        if path.is_dir() == (labelled == "directories") and not path.is_symlink() and not path.is_fifo():
            os.setxattr(path, "user.label", b"of the file system")
    fd = os.open(tree.root, os.O_RDONLY)
    with open(tree.record, "wb") as file:
        write_record(fd, file, {}, xattrs=set())
    os.close(fd)
    assert tree.changes("content") == []
    path = tree.root / ("etc/common" if labelled == "files" else "etc")
    os.setxattr(path, "user.label", b"of somebody else")
    assert tree.changes("content") == [(str(path.relative_to(tree.root)), "xattrs")]


def test_attributes_of_the_hosts_policy_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    fd = os.open(tmp_path, os.O_RDONLY)
    none = digest_xattrs(fd, "file")
    monkeypatch.setattr(os, "listxattr", lambda *dummy, **dummies: ["security.selinux"])
    assert digest_xattrs(fd, "file") == none
    os.close(fd)


def test_a_file_system_without_attributes_is_no_error_but_a_broken_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    fd = os.open(tmp_path, os.O_RDONLY)
    none = digest_xattrs(fd, "file")
    number = errno.ENOTSUP

    def listxattr(*dummy: object, **dummies: object) -> list[str]:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "listxattr", listxattr)
    assert digest_xattrs(fd, "file") == none
    number = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        digest_xattrs(fd, "file")
    os.close(fd)


@pytest.mark.parametrize("level", ["metadata", "content"])
def test_a_directory_may_have_more_or_fewer_names_than_are_listed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: Level
) -> None:
    monkeypatch.setattr(listing, "MAX_LISTED", 10)
    tree = Tree(tmp_path)
    for name in ("few/a", "few/b", "many/a", *(f"many/{number}" for number in range(20))):
        (tree.root / name).mkdir(parents=True)
        (tree.root / name / "file").write_text(name)
    tree.write()
    assert not tree.drift(level)
    for number in range(20):
        (tree.root / "few" / f"new {number}").write_text("")
        if number:
            (tree.root / f"many/{number}/file").unlink()
            (tree.root / f"many/{number}").rmdir()
    (tree.root / "few/a/file").unlink()
    (tree.root / "few/b/file").write_text("else")
    (tree.root / "many/a/file").write_text("something else")
    expected = {(f"few/new {number}", "added") for number in range(20)}
    expected |= {(f"many/{number}", "removed") for number in range(1, 20)} | {("few/a/file", "removed")}
    found = set(tree.changes(level))
    assert expected <= found
    assert {path for path, dummy in found - expected} == {"few/b/file", "many/a/file"}


def test_names_may_be_any_bytes(tree: Tree) -> None:
    for name in (b"\xff\xfe", b"new\nline", b"esc\x1b[31m", "\u00e4\u20ac".encode(), b"\xee\x80\x80", b"x" * 255):
        os.mkdir(os.fsencode(tree.root) + b"/" + name)
        Path(os.fsdecode(os.fsencode(tree.root) + b"/" + name + b"/f")).write_text("")
    tree.write()
    assert not tree.drift("content")
    os.unlink(os.fsencode(tree.root) + b"/\xff\xfe/f")
    os.unlink(os.fsencode(tree.root) + b"/esc\x1b[31m/f")
    assert sorted(tree.changes()) == [("\\udcff\\udcfe/f", "removed"), ("esc\\x1b[31m/f", "removed")]


def test_a_deep_tree_is_recorded_and_compared(public: Path) -> None:
    tree = Tree(public)
    here = os.getcwd()
    os.mkdir(tree.root)
    os.chdir(tree.root)
    try:
        for dummy in range(1500):
            os.mkdir("d")
            os.chdir("d")
        assert tree.write() == 1501
        assert not tree.drift("content")
        Path("deep").write_text("")
    finally:
        os.chdir(here)
    (change,) = tree.drift().changes
    assert change.what == "added"
    assert change.path.startswith("d/d/d/")
    assert len(change.path) <= 1024


def test_mounts_are_not_recorded(tree: Tree) -> None:
    (tree.root / "proc").mkdir()
    (tree.root / "etc/resolv.conf").write_text("")
    tree.write()
    (tree.root / "proc/1").mkdir()
    (tree.root / "proc").chmod(0o555)
    (tree.root / "etc/resolv.conf").write_text("nameserver")
    (tree.root / "run").mkdir()
    skip = frozenset((b"proc", b"etc/resolv.conf", b"run"))
    assert tree.changes("content", skip=skip) == []
    assert len(tree.changes("content")) == 4
    (tree.root / "proc").chmod(0o755)
    assert ("proc/1", "added") in tree.changes()
    assert tree.changes(skip=skip) == []


def test_only_the_first_changes_are_listed(tree: Tree) -> None:
    tree.write()
    for number in range(250):
        (tree.root / "etc" / f"{number:03}").write_text("")
    found = tree.drift()
    assert (len(found.changes), found.total, found.truncated) == (drift_module.MAX_CHANGES, 250, True)
    assert "etc/000" <= found.changes[0].path <= "etc/249"


def test_many_files_are_hashed(public: Path) -> None:
    tree = Tree(public)
    tree.root.mkdir()
    for number in range(40):
        (tree.root / str(number)).mkdir()
        for name in range(10):
            (tree.root / str(number) / str(name)).write_text(f"{number} {name}")
    (tree.root / "wide").mkdir()
    for name in range(600):
        (tree.root / "wide" / str(name)).write_text(str(name))
    (tree.root / "large").write_bytes(bytes(5 * 1024 * 1024))
    tree.write()
    assert not tree.drift("content")
    rewrite(tree.root / "17/5", "71 5")
    rewrite(tree.root / "wide/599", "995")
    assert sorted(tree.changes("content")) == [("17/5", "content"), ("wide/599", "content")]


def swap_before_hashing(monkeypatch: pytest.MonkeyPatch, act: t.Callable[[], None]) -> None:
    def late(*arguments: t.Any) -> bytes:
        act()
        return digest_file(*arguments)

    monkeypatch.setattr(
        "ansible_collections.attested.registry.plugins.module_utils._unpack.record.hashing.digest_file", late
    )


@pytest.mark.parametrize("kind", ["missing", "link", "fifo", "directory"])
def test_a_file_that_is_swapped_while_it_is_hashed_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    tree = Tree(tmp_path)
    tree.root.mkdir()
    file = tree.root / "file"
    file.write_text("content")
    (tmp_path / "same").write_text("content")
    tree.write()

    def swap() -> None:
        file.unlink()
        if kind == "link":
            file.symlink_to(tmp_path / "same")
        elif kind == "fifo":
            os.mkfifo(file)
        elif kind == "directory":
            file.mkdir()

    swap_before_hashing(monkeypatch, swap)
    assert tree.changes("content") == [("file", "content")]


def test_an_error_of_the_disk_while_hashing_is_raised(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.write()

    def fail() -> None:
        raise OSError(5, "no")

    swap_before_hashing(monkeypatch, fail)
    before = open_descriptors()
    with pytest.raises(OSError, match="no"):
        tree.drift("content")
    assert open_descriptors() <= before


@needs_root
def test_an_ordinary_user_gets_a_warning_for_files_that_cannot_be_read(public: Path) -> None:
    tree = Tree(public)
    os.chown(public, children.NOBODY, children.NOBODY)

    def make() -> list[t.Any]:
        tree.root.mkdir()
        make_tree(tree.root, "v1")
        digest = hashlib.sha256((tree.root / "etc/common").read_bytes()).digest()
        inode = (tree.root / "etc/common").stat().st_ino
        (tree.root / "etc/common").chmod(0o000)
        (tree.root / "closed/inner").mkdir(parents=True)
        (tree.root / "closed").chmod(0o000)
        (tree.root / "listable").mkdir()
        (tree.root / "listable").chmod(0o444)
        tree.write({inode: digest})
        warnings: list[str] = []
        found: list[t.Any] = [tree.changes("metadata"), tree.changes("content", warn=warnings.append), warnings]
        (tree.root / "only-v1").chmod(0o000)
        return [*found, tree.changes("metadata")]

    metadata, content, warnings, closed = children.run(make, uid=children.NOBODY)
    assert (metadata, content) == ([], [])
    assert warnings == ["The content of 1 files was not compared, because this user may not read them."]
    assert closed == [("only-v1", "mode, unreadable")]
    for path in ("only-v1", "listable", "closed"):
        (tree.root / path).chmod(0o755)
    assert tree.changes() == [("closed", "mode"), ("listable", "mode"), ("only-v1", "mode")]


def records(tree: Tree) -> bytes:
    return tree.record.read_bytes()


@pytest.mark.exhaustive
@pytest.mark.parametrize(("xattrs", "digests"), [(False, True), (True, True), (True, False)])
def test_a_record_that_is_cut_off_anywhere_is_one_change(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, xattrs: bool, digests: bool
) -> None:
    for module in (listing, reader_module, record_module):  # of 256 parts most are empty, and alike
        monkeypatch.setattr(module, "PARTS", 8)
    tree.write(xattrs=xattrs, with_digests=digests)
    assert tree.changes("content") in ([], [NO_DIGESTS])
    data = records(tree)
    for length in range(0, len(data), 3):
        tree.record.write_bytes(data[:length])
        (*others, (path, what)) = tree.changes("content")
        assert others in ([], [NO_DIGESTS])
        assert what == "record", length
        assert path.startswith("the record of the tree cannot be used: ")


def test_a_record_with_something_after_its_end_is_refused(tree: Tree) -> None:
    tree.write()
    tree.record.write_bytes(records(tree) + b"x")
    assert tree.changes("metadata")[-1][1] == "record"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(200), deadline=None)
@given(seed=st.integers(0, 2**32), digests=st.booleans())
def test_a_damaged_record_is_a_change_or_harmless(tree: Tree, seed: int, digests: bool) -> None:
    good = tree.record.with_name(f"good {digests}")
    if not good.exists():
        tree.write(xattrs=True, with_digests=digests)
        tree.record.rename(good)
    data = bytearray(good.read_bytes())
    source = random.Random(seed)
    for dummy in range(source.randint(1, 4)):
        data[source.randrange(len(data))] = source.choice((0, 1, 255, source.randrange(256)))
    tree.record.write_bytes(data)
    tree.drift("content")
    tree.drift("metadata")


@given(st.binary(), st.integers(0, 5))
def test_any_bytes_are_entries_or_refused(data: bytes, count: int) -> None:
    try:
        entries = listing.unpack(data, count)
    except ValueError:
        return
    assert len(entries) == count
    assert listing.pack(entries) == data


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"1 -", b"1 x", b"2 -", b"2 x", b"3 -", b"2 y"]))
def test_any_bytes_are_a_record_or_refused(data: bytes, version: bytes) -> None:
    if version:
        data = b"attested.registry tree record " + version + data
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        with pytest.raises(RecordInvalid):
            read_all(file)


def read_all(file: t.Any) -> None:
    reader = TreeRecordReader(file)
    while True:
        block = reader.next(reader.depth)
        block.contents(block.entries(), xattrs=reader.xattrs, digests=reader.digests)


def test_lengths_that_lie_cost_no_memory(tmp_path: Path) -> None:
    data = b"attested.registry tree record 1 -" + struct.pack("<IIQQ", 0, 1, 2**40, 2**40)
    (tmp_path / "record").write_bytes(data)
    tracemalloc.start()
    with open(tmp_path / "record", "rb") as file, pytest.raises(RecordInvalid, match="cut off"):
        TreeRecordReader(file).next(0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1024 * 1024


@pytest.mark.parametrize(
    ("entries", "content"),
    [
        ([], b""),
        ([("file", stat.S_IFREG | 0o644)], bytes(32)),
        ([(".", stat.S_IFDIR | 0o755), ("x", stat.S_IFDIR | 0o755)], b""),
    ],
)
def test_a_record_without_one_root_is_refused(tree: Tree, entries: list[tuple[str, int]], content: bytes) -> None:
    metadata = listing.pack([listing.ListedEntry(name, mode, 0, 0, 0) for name, mode in entries])
    header = struct.pack("<IIQQ", 0, len(entries), len(metadata), len(content))
    end = struct.pack("<IIQQ", 0xFFFFFFFF, len(entries), 0, 0)
    tree.record.write_bytes(b"attested.registry tree record 1 -" + header + metadata + content + end)
    assert tree.changes()[-1][1] == "record"


def test_directories_that_the_root_does_not_have_are_refused(tree: Tree) -> None:
    tree.write()
    data = records(tree)
    extra = struct.pack("<IIQQ", 2, 0, 0, 0)
    tree.record.write_bytes(data[:-24] + extra + data[-24:])
    assert tree.changes()[-1] == ("the record of the tree cannot be used: its directories do not match", "record")


@pytest.mark.exhaustive
def test_memory_does_not_grow_with_the_tree(public: Path) -> None:
    def peak(directories: int) -> int:
        tree = Tree(public / str(directories))
        for number in range(directories):
            (tree.root / f"{number % 10}/{number}").mkdir(parents=True)
            for name in range(20):
                (tree.root / f"{number % 10}/{number}/{name}").write_text("")
        tracemalloc.start()
        tree.write()
        assert not tree.drift("metadata")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(500) < peak(20) + 200_000


def test_only_regular_files_are_hashed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OSError, match="not a regular file"):
        digest_file(fd, "fifo")
    os.close(fd)
