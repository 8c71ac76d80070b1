# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inspecting a layout opens regular files only, follows no link in it, and reports what cannot be read."""

from __future__ import annotations

import os
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._layout.layout import Inspection
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors

Build = t.Callable[[pathlib.Path], t.Any]

BASE = images.layer([images.directory("etc"), images.file("etc/motd", b"hello\n")])
IMAGE = images.image([BASE])


def inspect(path: pathlib.Path) -> Inspection:
    return inspect_layout(str(path))


def kinds(inspection: Inspection) -> list[str]:
    return [problem.kind for problem in inspection.problems]


@pytest.fixture
def layout(tmp_path: pathlib.Path) -> pathlib.Path:
    return images.write_layout(tmp_path / "layout", {"1.0": IMAGE})


@pytest.mark.parametrize("name", ["index.json", "oci-layout"])
def test_symbolic_links_at_the_top(layout: pathlib.Path, name: str) -> None:
    (layout / name).rename(layout.parent / name)
    (layout / name).symlink_to(layout.parent / name)
    assert kinds(inspect(layout)) == ["file_refused"]


@pytest.mark.parametrize("name", ["blobs", "blobs/sha256", f"blobs/sha256/{BASE.digest[7:]}"])
def test_symbolic_links_on_the_way_to_content(layout: pathlib.Path, name: str) -> None:
    outside = layout.parent / "outside"
    (layout / name).rename(outside)
    (layout / name).symlink_to(outside)
    assert "file_refused" in kinds(inspect(layout))
    assert Digest.parse(BASE.digest) not in inspect(layout).layout.blobs


def _fifo(path: pathlib.Path) -> None:
    os.mkfifo(path)


def _socket(path: pathlib.Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(path))


@pytest.mark.parametrize("make", [_fifo, _socket, pathlib.Path.mkdir], ids=["fifo", "socket", "directory"])
def test_only_regular_files(layout: pathlib.Path, make: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    path = images.blob_path(layout, BASE.digest)
    path.unlink()
    monkeypatch.chdir(path.parent)
    make(path)
    inspection = inspect(layout)
    assert kinds(inspection) == ["file_refused"]
    assert inspection.problems[0].fields["digest"] == BASE.digest


def test_the_path_itself_may_be_a_link_only_if_allowed(layout: pathlib.Path) -> None:
    link = layout.parent / "link"
    link.symlink_to(layout)
    assert inspect_layout(str(link)).problems == ()
    assert kinds(inspect_layout(str(link), follow=False)) == ["layout_invalid"]


@pytest.mark.parametrize("name", ["index.json", "blobs", "sha256", BASE.digest[7:]])
def test_what_may_not_be_opened(layout: pathlib.Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        if path == name:
            raise PermissionError(13, "Permission denied")
        return real_open(path, flags, dir_fd=dir_fd)

    real_open = os.open
    monkeypatch.setattr(os, "open", refuse)
    inspection = inspect(layout)
    assert set(kinds(inspection)) == {"unreadable"}
    assert "Permission denied" in inspection.problems[0].message


def test_a_directory_that_cannot_be_listed(layout: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> list[str]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "listdir", fail)
    assert kinds(inspect(layout)) == ["unreadable"]


def test_a_file_that_changes_while_it_is_read(layout: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = images.blob_path(layout, BASE.digest)
    read = os.read

    def read_and_touch(fd: int, length: int) -> bytes:
        os.utime(path, ns=(1, 1))
        return read(fd, length)

    monkeypatch.setattr(os, "read", read_and_touch)
    inspection = inspect(layout)
    assert kinds(inspection) == ["unreadable"]
    assert "changed" in inspection.problems[0].message


def test_a_file_that_grows_without_end(layout: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = iter([b" " * 1000] * 10)
    monkeypatch.setattr(os, "read", lambda fd, length: next(chunks))
    inspection = inspect(layout)
    assert kinds(inspection) == ["unreadable"]
    assert "changed" in inspection.problems[0].message


def test_a_file_that_cannot_be_read_to_its_end(layout: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int, length: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    inspection = inspect(layout)
    assert kinds(inspection) == ["unreadable"]
    assert "Input/output error" in inspection.problems[0].message


def test_no_file_stays_open(layout: pathlib.Path) -> None:
    inspect(layout)
    before = open_descriptors()
    for content in (BASE, IMAGE):
        images.write_blob(layout, content.digest, b"?" * content.size)
        assert kinds(inspect(layout)) != []
    (layout / "index.json").unlink()
    assert kinds(inspect(layout)) == ["index_missing"]
    assert open_descriptors() <= before
