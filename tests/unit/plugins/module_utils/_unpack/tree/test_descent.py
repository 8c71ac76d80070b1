# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory tree is walked through descriptors, and a directory that was moved away meanwhile is noticed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.descent import (
    DIRECTORY,
    Descent,
    Names,
    visit_directories,
)
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in ("a/b/c", "a/d", "e"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


def listed(here: Descent) -> tuple[list[bytes], list[bytes]]:
    """The names of directories and of all else."""
    directories, others = here.names()
    assert sorted(taken(here.directories())) == sorted(taken(directories))
    directories = here.names()[0]
    return taken(directories), taken(others)


def taken(names: Names) -> list[bytes]:
    found = []
    while names:
        found.append(names.pop())
    return found


def test_names_are_a_stack() -> None:
    names = Names([b"a", b"", b"\xff\n"])
    names.add(b"last")
    assert taken(names) == [b"last", b"\xff\n", b"", b"a"]


def test_down_and_up_again(top: Path) -> None:
    descriptor = os.open(top, DIRECTORY)
    before = open_descriptors()
    with Descent(descriptor) as here:
        names = listed(here)
        assert (sorted(names[0]), sorted(names[1])) == ([b"a", b"e"], [b"fifo", b"file", b"link"])
        here.enter(b"a")
        here.enter(b"b")
        assert listed(here) == ([b"c"], [])
        here.leave()
        left: list[str] = []
        here.leave(lambda open_directory: left.append(os.readlink(f"/proc/self/fd/{open_directory}")))
        assert left == [str(top / "a")]
        assert len(listed(here)[1]) == 3
        with pytest.raises(NotADirectoryError):
            here.enter(b"link")
        with pytest.raises(NotADirectoryError):
            here.enter(b"fifo")
        with pytest.raises(FileNotFoundError):
            here.enter(b"missing")
        assert len(listed(here)[1]) == 3
    assert open_descriptors() <= before
    os.close(descriptor)


def test_a_directory_that_was_moved_away_is_not_left_upwards(
    top: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    descriptor = os.open(top, DIRECTORY)
    before = open_descriptors()
    with Descent(descriptor) as here:
        here.enter(b"a")
        here.enter(b"b")
        os.rename(top / "a" / "b", elsewhere / "b")
        with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
            here.leave(lambda dummy: pytest.fail("it was left"))
    assert open_descriptors() <= before
    os.close(descriptor)


def test_what_is_done_before_leaving_may_take_all_permissions(top: Path) -> None:
    descriptor = os.open(top, DIRECTORY)
    with Descent(descriptor) as here:
        here.enter(b"a")
        here.leave(lambda open_directory: os.fchmod(open_directory, 0))
        assert len(listed(here)[1]) == 3
    os.close(descriptor)
    assert (top / "a").stat().st_mode & 0o7777 == 0


def test_directories_are_visited_after_those_below_them(top: Path) -> None:
    seen: list[str] = []
    descriptor = os.open(top, DIRECTORY)
    visit_directories(
        descriptor, lambda found: seen.append(os.path.relpath(os.readlink(f"/proc/self/fd/{found}"), top))
    )
    os.close(descriptor)
    assert sorted(seen) == [".", "a", "a/b", "a/b/c", "a/d", "e"]
    assert all(seen.index(name) < seen.index(os.path.dirname(name) or ".") for name in seen if name != ".")


def test_an_error_says_where_it_was_met(top: Path) -> None:
    def refuse(found: int) -> None:
        if os.readlink(f"/proc/self/fd/{found}") == str(top / where):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    descriptor = os.open(top, DIRECTORY)
    before = open_descriptors()
    for where, told in (("a/b/c", b"a/b/c"), ("a/b", b"a/b"), ("e", b"e"), ("", b".")):
        with pytest.raises(OSError, match=os.strerror(errno.EIO)) as caught:
            visit_directories(descriptor, refuse)
        assert caught.value.filename == told
    assert open_descriptors() <= before
    os.close(descriptor)


def test_other_file_systems_are_left_alone() -> None:
    assert os.stat("/dev/shm").st_dev != os.stat("/dev").st_dev
    seen: list[int] = []
    descriptor = os.open("/dev", DIRECTORY)
    visit_directories(descriptor, lambda found: seen.append(os.fstat(found).st_dev))
    assert set(seen) == {os.fstat(descriptor).st_dev}
    os.close(descriptor)
