# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mark of an exported archive is found by this collection and skipped by others; no bytes make its parser fail."""

from __future__ import annotations

import io
import os
import pathlib
import subprocess
import tarfile
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._archive.compress import make_compressor
from ansible_collections.attested.registry.plugins.module_utils._archive.content import FileRange
from ansible_collections.attested.registry.plugins.module_utils._archive.mark import (
    MAX_TEXT,
    Mark,
    MarkedOutput,
    NewMark,
    read_mark,
)
from ansible_collections.attested.registry.plugins.module_utils._archive.tar_header import Header
from ansible_collections.attested.registry.plugins.module_utils._archive.tar_writer import END
from ansible_collections.attested.registry.tests.support.images.output_buffer import OutputBuffer
from hypothesis import given
from hypothesis import strategies as st

ROOT = Header(b"./", b"5", 0o755, mtime=5, xattrs={b"user.a": b"b"})
FILE = Header(b"file", b"0", 0o644, size=3).to_bytes() + b"abc".ljust(512, b"\0")
COMPRESSIONS = pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])


class Buffer(OutputBuffer):
    """An output in memory that copies no part of a file."""

    def copy(self, content: FileRange) -> None:
        raise AssertionError("a part of a file must be hashed")


def marked(text: bytes, compression: str, content: bytes = FILE + END) -> bytes:
    buffer = Buffer()
    output = MarkedOutput(buffer, NewMark(ROOT, text), compression=compression)
    compressor = make_compressor(compression)
    output.write(content if compressor is None else compressor.compress(content) + compressor.flush())
    start = output.start()
    return start + bytes(buffer.data[len(start) :])


def read(data: bytes) -> tuple[Mark | None, str | None]:
    """The mark of a file with these bytes, and what is wrong with the file if all of it is read."""
    with open(os.memfd_create("archive"), "w+b") as file:
        file.write(data)
        file.flush()
        mark = read_mark(file.fileno(), path="archive")
        return mark, None if mark is None else mark.fault(file.fileno(), path="archive", hashed=True)


@COMPRESSIONS
@pytest.mark.parametrize("text", [b"", b"text", b"two\nlines =", b"\xff\0", b"x" * 70_000, b"x" * MAX_TEXT])
def test_what_was_written_is_read(text: bytes, compression: str) -> None:
    data = marked(text, compression)
    mark, fault = read(data)
    assert fault is None
    assert mark is not None
    assert (mark.text, mark.size, mark.compression) == (text, len(data), compression)


def test_a_longer_text_is_none_of_a_mark() -> None:
    assert read(marked(b"x" * (MAX_TEXT + 1), "none")) == (None, None)


@COMPRESSIONS
def test_other_tools_skip_it(tmp_path: pathlib.Path, compression: str) -> None:
    path = tmp_path / "archive"
    path.write_bytes(marked(b"x" * 200_000, compression))
    option = [] if compression == "none" else [f"--{compression}"]
    done = subprocess.run(["tar", *option, "-tf", str(path)], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("./\nfile\n", "")
    if compression != "zstd":
        with tarfile.open(path) as archive:
            assert archive.getnames() == [".", "file"]


@COMPRESSIONS
def test_every_changed_byte_is_noticed(compression: str) -> None:
    data = marked(b"text", compression)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        mark, fault = read(bytes(changed))
        assert mark is None or fault is not None, place


@COMPRESSIONS
def test_every_other_length_is_noticed_without_hashing(compression: str, tmp_path: pathlib.Path) -> None:
    data = marked(b"text", compression)
    path = tmp_path / "archive"
    for other in (*(data[:length] for length in range(0, len(data), 7)), data + b"\0"):
        path.write_bytes(other)
        with path.open("rb") as file:
            mark = read_mark(file.fileno(), path=str(path))
            assert mark is None or f"{len(other)} bytes" in str(mark.fault(file.fileno(), path="x", hashed=False))


def test_an_archive_that_was_compressed_again_is_not_as_it_was_written() -> None:
    import gzip

    data = marked(b"text", "none")
    mark, fault = read(gzip.compress(data))
    assert mark is not None
    assert fault is not None


@pytest.mark.parametrize("comment", [b"", b"0123456789abcdef", b"attested.registry.oci_image_export 1 2 3 "])
def test_other_comments_are_no_marks(comment: bytes) -> None:
    assert read(ROOT._replace(comment=comment).to_bytes() + FILE + END) == (None, None)


def test_a_global_header_is_no_mark() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x"}):
        pass
    assert read(buffer.getvalue()) == (None, None)


@given(st.binary(max_size=3000))
def test_any_bytes_are_read(data: bytes) -> None:
    read(data)


@given(st.data(), st.sampled_from(["none", "gzip", "zstd"]))
def test_any_change_of_a_mark_is_read(data: t.Any, compression: str) -> None:
    content = bytearray(marked(b"text", compression))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place : place + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    read(bytes(content))
