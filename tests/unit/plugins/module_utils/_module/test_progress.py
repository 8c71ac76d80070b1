# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The progress file: modules write it, and whatever a host puts there, the reader gets a record or nothing."""

from __future__ import annotations

import os
import pathlib
import random
import threading

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.progress import (
    ENVIRONMENT,
    RECORD_BYTES,
    STAGES,
    ProgressFile,
    Record,
    parse_record,
)


@pytest.fixture
def path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "progress"))
    return tmp_path / "progress"


def shown(path: pathlib.Path) -> Record | None:
    return parse_record(path.read_bytes())


@pytest.mark.parametrize("stage", STAGES)
def test_a_record_has_a_fixed_size_and_is_read_back(stage: str) -> None:
    for record in (Record(stage), Record(stage, 999_999, 999_999, 10**18 - 1, 10**18 - 1)):  # type: ignore[arg-type]
        assert len(record.to_bytes()) == RECORD_BYTES
        assert parse_record(record.to_bytes()) == record


@pytest.mark.parametrize(
    "line",
    [
        "",
        "download",
        "download 0 0 0",
        "download 0 0 0 0 0",
        "download 2 1 0 0",
        "download 0 1 11 10",
        "download -1 1 0 0",
        "download 0 1 0 9999999999999999999",
        "download 0 1 0 \u0661",
        "download 0 1 0 1\x1b[2J",
        "\x1b[2Jdownload 0 1 0 1",
        "download 0 1 0 1\nother",
        "reboot 0 1 0 1",
        "Download 0 1 0 1",
    ],
)
def test_other_lines_are_no_records(line: str) -> None:
    data = line.encode()
    for content in (data, data + b"\n", data.ljust(RECORD_BYTES - 1) + b"\n", data.ljust(RECORD_BYTES)):
        assert parse_record(content) is None


def test_any_bytes_give_a_valid_record_or_none() -> None:
    generator = random.Random(7)
    valid = Record("download", 1, 3, 1000, 5000).to_bytes()
    accepted = 0
    for _dummy in range(20_000):
        data = bytearray(valid)
        for _other in range(generator.randrange(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        if generator.random() < 0.1:
            data += generator.randbytes(generator.randrange(5))
        record = parse_record(bytes(data))
        if record is not None:
            accepted += 1
            assert record.stage in STAGES
            assert 0 <= record.complete <= record.layers < 10**6
            assert 0 <= record.arrived <= record.size < 10**18
    assert accepted  # changed digits are another valid record


def test_the_stages_of_an_unpack(path: pathlib.Path) -> None:
    progress = ProgressFile.from_environment()
    assert path.read_bytes() == b""
    progress.begin("resolve")
    assert shown(path) == Record("resolve")
    progress.expect([100, 200])
    progress.begin("unpack")
    assert shown(path) == Record("download", 0, 2, 0, 300)
    progress.add(100)
    progress.end_layer()
    assert shown(path) == Record("download", 1, 2, 100, 300)
    progress.add(200)
    progress.end_layer()
    assert shown(path) == Record("unpack", 2, 2, 300, 300)
    progress.begin("publish")
    assert shown(path) == Record("publish", 2, 2, 300, 300)


def test_the_bytes_of_an_earlier_run_are_not_expected(path: pathlib.Path) -> None:
    progress = ProgressFile.from_environment()
    progress.expect([100])
    progress.resume(60)
    progress.begin("download")
    assert shown(path) == Record("download", 0, 1, 0, 40)
    progress.add(100)  # the part was damaged: all of it has arrived again
    progress.end_layer()
    assert shown(path) == Record("download", 1, 1, 40, 40)


def test_pieces_of_several_threads_are_all_counted(path: pathlib.Path) -> None:
    progress = ProgressFile.from_environment()
    progress.expect([20_000] * 4)
    progress.begin("download")

    def download() -> None:
        for _dummy in range(20_000):
            progress.add(1)
        progress.end_layer()

    threads = [threading.Thread(target=download) for _dummy in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown(path) == Record("download", 4, 4, 80_000, 80_000)


def test_without_a_name_in_the_environment_nothing_is_written(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.chdir(tmp_path)
    progress = ProgressFile.from_environment()
    progress.begin("download")
    progress.add(1)
    assert list(tmp_path.iterdir()) == []


def test_child_processes_do_not_get_the_name(path: pathlib.Path) -> None:
    ProgressFile.from_environment()
    assert path.exists()
    assert ENVIRONMENT not in os.environ


def test_the_user_of_the_connection_can_read_the_file(path: pathlib.Path) -> None:
    before = os.umask(0o077)
    try:
        ProgressFile.from_environment().begin("resolve")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("how", ["full", "hard link", "symlink", "fifo", "directory", "no directory"])
def test_only_an_empty_file_is_written_to(path: pathlib.Path, tmp_path: pathlib.Path, how: str) -> None:
    other = tmp_path / "other"
    other.write_text("kept" if how == "full" else "")
    if how == "full":
        other.rename(path)
        other = path
    elif how == "hard link":
        os.link(other, path)
    elif how == "symlink":
        path.symlink_to(other)
    elif how == "fifo":
        os.mkfifo(path)
    elif how == "directory":
        path.mkdir()
    else:
        os.environ[ENVIRONMENT] = str(tmp_path / "none" / "progress")
    before = other.read_bytes()
    progress = ProgressFile.from_environment()
    progress.begin("download")
    progress.add(1)
    assert other.read_bytes() == before


def test_an_error_of_the_file_ends_the_progress_alone() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    progress = ProgressFile(writing)  # pwrite on a pipe fails
    progress.begin("download")
    progress.add(1)
    progress.end_layer()
    os.close(writing)
