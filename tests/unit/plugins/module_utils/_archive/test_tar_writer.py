# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tar archives that are written are read by tarfile, by tar and by the reader of archives."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import subprocess
import tarfile
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._archive.content import FileRange
from ansible_collections.attested.registry.plugins.module_utils._archive.tar_file import TarFile
from ansible_collections.attested.registry.plugins.module_utils._archive.tar_writer import (
    TarMember,
    with_directories,
    write_tar,
)
from ansible_collections.attested.registry.plugins.module_utils._layout.errors import Unreadable
from ansible_collections.attested.registry.tests.support.images.output_buffer import OutputBuffer
from hypothesis import given
from hypothesis import strategies as st

SHA512 = f"blobs/sha512/{'0123456789abcdef' * 8}"
LARGE = 9 << 30


class Buffer(OutputBuffer):
    """An output in memory, which copies nothing of contents larger than a MiB."""

    def copy(self, content: FileRange) -> None:
        if content.size < 1 << 20:
            super().copy(content)


def written(members: t.Iterable[TarMember]) -> bytes:
    output = Buffer()
    write_tar(members, output)
    return bytes(output.data)


names = st.text("abcdefghij0123456789-", min_size=1, max_size=60)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


@given(st.dictionaries(paths, st.binary(max_size=2000), max_size=6))
def test_any_files_are_read_back(files: dict[str, bytes]) -> None:
    files = {name: data for name, data in files.items() if not any(other.startswith(f"{name}/") for other in files)}
    data = written(with_directories(TarMember.of(name, content) for name, content in files.items()))
    assert len(data) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        found = {member.name: member for member in opened}
        assert list(found) == sorted(found, key=lambda name: name + "/" if found[name].isdir() else name)
        for name, content in files.items():
            file = opened.extractfile(found[name])
            assert file is not None
            assert file.read() == content
        assert {name for name, member in found.items() if member.isfile()} == set(files)


def test_long_names_are_read_by_tar_and_by_the_reader_of_archives(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(written(with_directories([TarMember.of(SHA512, b"long"), TarMember.of("short", b"")])))
    listed = subprocess.run(["tar", "-tf", path], check=True, capture_output=True, text=True).stdout.splitlines()
    assert listed == ["blobs/", "blobs/sha512/", SHA512, "short"]
    fd = os.open(path, os.O_RDONLY)
    try:
        content = TarFile(fd, path=str(path)).file(SHA512)
        assert content is not None
        assert b"".join(content.pieces()) == b"long"
    finally:
        os.close(fd)


def test_a_size_that_does_not_fit_in_a_ustar_header() -> None:
    content = FileRange(-1, 0, LARGE, "large")
    data = written([TarMember("large", LARGE, lambda: contextlib.nullcontext(content))])
    member = tarfile.TarInfo.frombuf(data[1024:1536], "utf-8", "strict")
    assert (member.name, member.size) == ("large", 0)
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        first = opened.next()
        assert first is not None
        assert (first.name, first.size) == ("large", LARGE)


@pytest.mark.parametrize("pieces", [(b"123",), (b"12345", b"6"), ()])
def test_content_of_another_size_is_refused(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(Unreadable, match="name does not have 5 bytes"):
        written([TarMember("name", 5, lambda: contextlib.nullcontext(pieces))])
    with pytest.raises(Unreadable):
        written([TarMember("name", 5, lambda: contextlib.nullcontext(FileRange(-1, 0, 4, "x")))])
