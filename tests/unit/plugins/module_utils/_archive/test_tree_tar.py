# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tree becomes a tar archive that depends on the tree alone, whatever its names and its size."""

from __future__ import annotations

import io
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._archive import tree_tar
from ansible_collections.attested.registry.plugins.module_utils._archive.tar_header import Header
from ansible_collections.attested.registry.plugins.module_utils._archive.tree_tar import SortedNames, TreeTar
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.confine import DIRECTORY
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.inode_table import Scratch
from ansible_collections.attested.registry.tests.support.images.output_buffer import OutputBuffer
from ansible_collections.attested.registry.tests.support.processes import children
from hypothesis import given
from hypothesis import strategies as st


def archived(root: pathlib.Path) -> bytes:
    buffer = OutputBuffer()
    descriptor = os.open(root, DIRECTORY)
    try:
        tree = TreeTar(descriptor, ownership=True, xattrs=True, scratch=Scratch())
        buffer.write(tree.root_header().to_bytes())
        tree.write(buffer)
    finally:
        os.close(descriptor)
    return bytes(buffer.data)


@pytest.mark.parametrize("most", [1, 2, 7, 100])
def test_names_are_sorted_in_several_passes(tmp_path: pathlib.Path, most: int) -> None:
    names = sorted(os.fsencode(f"{number:b}\udcff") for number in range(20))
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    descriptor = os.open(tmp_path, DIRECTORY)
    try:
        found = SortedNames(descriptor, most=most)
        assert [found.next(descriptor) for dummy in range(21)] == [*names, None]
        assert found.next(descriptor) is None
    finally:
        os.close(descriptor)


def test_an_empty_tree(tmp_path: pathlib.Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(archived(tmp_path))) as archive:
        assert archive.getnames() == ["."]


def test_a_tree_deeper_than_any_path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _level in range(60):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    pathlib.Path("file").touch()
    os.chdir(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(archived(tmp_path))) as archive:
        assert archive.getnames()[-1] == "/".join(["d" * 200] * 60 + ["file"])


@pytest.mark.parametrize("length", [1, 60])
def test_names_that_are_not_utf_8(tmp_path: pathlib.Path, length: int) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    name = os.fsdecode(b"\xff/\xfe" * length).replace("/", "-")
    (root / name).mkdir(parents=True)
    (root / name / "link").symlink_to(name)
    out.mkdir()
    data = archived(root)
    subprocess.run(["tar", "-C", str(out), "-xf", "-"], input=data, check=True, capture_output=True)
    assert os.listdir(out) == [name]
    assert os.readlink(out / name / "link") == name
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == [".", name, f"{name}/link"]


def test_the_first_of_several_names_has_the_content(tmp_path: pathlib.Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").write_bytes(b"content")
    (tmp_path / "c").symlink_to("target")
    os.link(tmp_path / "b" / "file", tmp_path / "a")
    os.link(tmp_path / "c", tmp_path / "d", follow_symlinks=False)
    with tarfile.open(fileobj=io.BytesIO(archived(tmp_path))) as archive:
        found = [(member.name, member.type, member.linkname) for member in archive]
    assert found[1:] == [
        ("a", tarfile.REGTYPE, ""),
        ("b", tarfile.DIRTYPE, ""),
        ("b/file", tarfile.LNKTYPE, "a"),
        ("c", tarfile.SYMTYPE, "target"),
        ("d", tarfile.LNKTYPE, "c"),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_user_without_privileges_archives_files_that_deny_access() -> None:
    base = pathlib.Path(tempfile.mkdtemp())
    base.chmod(0o711)
    root = base / "root"
    root.mkdir()
    os.chown(root, children.NOBODY, children.NOBODY)

    def archive() -> bytes:
        (root / "list").mkdir()
        (root / "list" / "file").write_bytes(b"content")
        os.link(root / "list" / "file", root / "link")
        for path, mode in ((root / "link", 0), (root / "list", 0o400), (root, 0o200)):
            path.chmod(mode)
        root.chmod(0o400)  # open for the test
        descriptor = os.open(root, DIRECTORY)
        root.chmod(0)
        buffer = OutputBuffer()
        tree = TreeTar(descriptor, ownership=False, xattrs=True, scratch=Scratch())
        buffer.write(tree.root_header().to_bytes())
        tree.write(buffer)
        return bytes(buffer.data)

    try:
        data = children.run(archive, uid=children.NOBODY)
    finally:
        shutil.rmtree(base)
    with tarfile.open(fileobj=io.BytesIO(data)) as found:
        assert {member.name: (member.mode, member.uid) for member in found} == {
            ".": (0, 0),
            "link": (0, 0),
            "list": (0o400, 0),
            "list/file": (0, 0),
        }
        assert t.cast(t.Any, found.extractfile("link")).read() == b"content"


def test_a_file_that_became_shorter_is_an_error(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"content")
    unpatched = tree_tar.TreeTar._header

    def shortened(tar: tree_tar.TreeTar, path: bytes, *rest: t.Any) -> Header:
        if path == b"file":
            os.truncate(tmp_path / "file", 3)
        return unpatched(tar, path, *rest)

    monkeypatch.setattr(tree_tar.TreeTar, "_header", shortened)
    with pytest.raises(Exception, match="shorter") as caught:
        archived(tmp_path)
    assert getattr(caught.value, "kind", None) == "unreadable"


@given(
    st.integers(-(2**62), 2**62),
    st.integers(0, 2**32 - 2),
    st.integers(0, 2**40),
    st.binary(min_size=1, max_size=300).map(lambda name: name.replace(b"\0", b"-")),
)
def test_tarfile_reads_any_header(mtime: int, uid: int, size: int, name: bytes) -> None:
    header = Header(name, b"0", 0o644, uid=uid, gid=uid, size=size, mtime=mtime)
    member = tarfile.TarFile(fileobj=io.BytesIO(header.to_bytes())).next()
    assert member is not None
    assert (member.uid, member.gid, member.size) == (uid, uid, size)
    assert member.name.rstrip("/") == os.fsdecode(name).rstrip("/")
    assert abs(member.mtime - mtime / 10**9) < 1e-3


def test_the_name_of_an_attribute_is_escaped_as_gnu_tar_does() -> None:
    data = Header(b"a", b"0", 0o644, xattrs={b"user.b=%": b"=\n"}).to_bytes()
    assert b" SCHILY.xattr.user.b%3D%25==\n\n" in data
