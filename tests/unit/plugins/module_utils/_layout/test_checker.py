# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files are hashed by a bounded number of threads, and only those with the right digest are recorded."""

from __future__ import annotations

import os
import pathlib
import threading
import time

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.checker import Checker
from ansible_collections.attested.registry.plugins.module_utils._layout.directory import OpenFile
from ansible_collections.attested.registry.plugins.module_utils._layout.errors import WrongDigest
from ansible_collections.attested.registry.plugins.module_utils._layout.stored import FileIdentity
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors

DATA = b"x" * 100_000
RIGHT = Digest.of(DATA)


class Book:
    """A ledger that knows nothing and keeps what it is told."""

    def __init__(self) -> None:
        self.entries: list[tuple[Digest, FileIdentity, int]] = []

    def knows(self, digest: Digest, identity: FileIdentity) -> bool:
        return any(entry[:2] == (digest, identity) for entry in self.entries)

    def record(self, digest: Digest, identity: FileIdentity, *, began_ns: int) -> None:
        self.entries.append((digest, identity, began_ns))


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "file").write_bytes(DATA)
    return tmp_path / "file"


def open_file(path: pathlib.Path) -> OpenFile:
    fd = os.open(path, os.O_RDONLY)
    return OpenFile(fd, FileIdentity.of(os.fstat(fd)))


def compare(checker: Checker, path: pathlib.Path, digest: Digest) -> None:
    check = checker.start(open_file(path), digest, what="it")
    if check is not None:
        checker.finish(check)


@pytest.mark.parametrize("threads", [0, 2])
def test_a_matching_file_is_recorded_and_not_checked_again(path: pathlib.Path, threads: int) -> None:
    book, before = Book(), open_descriptors()
    with Checker(threads=threads, ledger=book) as checker:
        start = time.time_ns()
        compare(checker, path, RIGHT)
        ((digest, identity, began_ns),) = book.entries
        assert (digest, identity) == (RIGHT, FileIdentity.of(path.stat()))
        assert start <= began_ns <= time.time_ns()
        assert checker.start(open_file(path), RIGHT, what="it") is None
    assert open_descriptors() <= before


@pytest.mark.parametrize("threads", [0, 2])
def test_a_wrong_file_is_an_error_and_not_recorded(path: pathlib.Path, threads: int) -> None:
    book, before = Book(), open_descriptors()
    with Checker(threads=threads, ledger=book) as checker, pytest.raises(WrongDigest):
        compare(checker, path, Digest.of(b""))
    assert book.entries == []
    assert open_descriptors() <= before


def test_files_under_way_are_bounded(path: pathlib.Path) -> None:
    held, started = threading.Event(), []

    def advance(count: int) -> None:
        held.wait(30)

    def begin_all() -> None:
        for dummy in range(20):
            started.append(checker.start(open_file(path), RIGHT, what="it"))

    with Checker(threads=2, advance=advance) as checker:
        starter = threading.Thread(target=begin_all)
        starter.start()
        starter.join(0.2)
        assert starter.is_alive()
        assert len(started) <= 10
        held.set()
        starter.join()
        for check in started:
            assert check is not None
            checker.finish(check)


def test_closing_the_checker_stops_running_checks(path: pathlib.Path) -> None:
    os.truncate(path, 1 << 40)
    before, reading = open_descriptors(), threading.Event()

    def interrupt() -> None:
        for dummy in range(3):
            checker.start(open_file(path), RIGHT, what="it")
        assert reading.wait(30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Checker(threads=1, advance=lambda count: reading.set()) as checker:
        interrupt()
    assert open_descriptors() <= before
