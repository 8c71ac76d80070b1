# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lock file has one holder at a time, is removed after use, and is refused if another user can open it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.lock_file import (
    LockFileRefused,
    lock_as_older_versions_do,
    lock_file,
    unlock_file,
)
from ansible_collections.attested.registry.tests.support.processes import children

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder(tmp_path: Path) -> t.Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def take(folder: int, *, seconds: float = 0) -> int | None:
    return lock_file(folder, "lock", path="shown/lock", deadline=time.monotonic() + seconds)


def test_a_lock_has_one_holder_and_leaves_no_file(folder: int, tmp_path: Path) -> None:
    first = take(folder)
    assert first is not None
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
    assert take(folder) is None
    unlock_file(folder, "lock", first)
    assert os.listdir(tmp_path) == []
    second = take(folder)
    assert second is not None
    unlock_file(folder, "lock", second)


def test_a_waiter_gets_a_lock_file_that_still_exists(folder: int, tmp_path: Path) -> None:
    first = take(folder)
    assert first is not None
    found: list[bool] = []

    def wait() -> None:
        fd = take(folder, seconds=30)
        assert fd is not None
        found.append(os.path.samestat(os.fstat(fd), os.stat(tmp_path / "lock")))
        unlock_file(folder, "lock", fd)

    others = [threading.Thread(target=wait) for dummy in range(4)]
    for other in others:
        other.start()
    unlock_file(folder, "lock", first)
    for other in others:
        other.join(30)
    assert found == [True] * 4
    assert os.listdir(tmp_path) == []


def test_waiting_for_a_lock_file_that_is_always_removed_ends(
    folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, taken = fcntl.flock, []

    def remove(fd: int, how: int) -> None:
        flock(fd, how)
        (tmp_path / "lock").unlink()
        taken.append(fd)
        assert len(taken) < 10_000

    monkeypatch.setattr(fcntl, "flock", remove)
    assert take(folder) is None
    assert len(taken) > 1


def test_the_lock_file_of_a_killed_run_is_reused(folder: int, tmp_path: Path) -> None:
    (tmp_path / "lock").touch(0o600)
    fd = take(folder)
    assert fd is not None
    unlock_file(folder, "lock", fd)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o606])
def test_a_file_that_others_can_open_is_refused(folder: int, tmp_path: Path, mode: int) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "lock").chmod(mode)
    with pytest.raises(LockFileRefused, match=r"shown/lock.*remove it"):
        take(folder)


@needs_root
def test_a_file_of_another_user_is_refused(folder: int, tmp_path: Path) -> None:
    (tmp_path / "lock").touch(0o600)
    os.chown(tmp_path / "lock", children.NOBODY, -1)
    with pytest.raises(LockFileRefused, match="become_user"):
        take(folder)


def test_a_missing_directory_is_an_error(folder: int, tmp_path: Path) -> None:
    tmp_path.rmdir()
    with pytest.raises(FileNotFoundError):
        take(folder)


@contextlib.contextmanager
def held(path: Path, *, uid: int) -> t.Iterator[None]:
    """Holds the lock on a directory, in a process of its own."""
    ready_read, ready_write = os.pipe()
    done_read, done_write = os.pipe()
    fd = os.open(path, os.O_RDONLY)

    def hold() -> None:
        os.close(done_write)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(ready_write, b"x")
        os.read(done_read, 1)

    child = children.start(hold, uid=uid)
    try:
        os.close(fd)
        os.close(done_read)
        os.read(ready_read, 1)
        yield
    finally:
        os.close(done_write)
        child.result()
        os.close(ready_read)
        os.close(ready_write)


@pytest.mark.parametrize("seconds", [0, 0.1])
def test_an_older_version_of_this_user_is_waited_for(folder: int, tmp_path: Path, seconds: float) -> None:
    with held(tmp_path, uid=0):
        assert not lock_as_older_versions_do(folder, deadline=time.monotonic() + seconds)
    assert lock_as_older_versions_do(folder, deadline=0)


@needs_root
def test_another_user_is_not_waited_for(folder: int, tmp_path: Path) -> None:
    with held(tmp_path, uid=children.NOBODY):
        assert lock_as_older_versions_do(folder, deadline=time.monotonic() + 3600)
