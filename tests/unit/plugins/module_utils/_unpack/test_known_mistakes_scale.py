# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Known mistakes of unpackers do not occur: races, large images, unusual hosts (classes 44 and 45)."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tarfile
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import CollectionError
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.descent import Descent, Names
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.syscalls import exchange
from ansible_collections.attested.registry.tests.support.images.layer_maker import Box, Ground, Status, survey
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    Entry,
    directory,
    fifo,
    file,
    hardlink,
    opaque,
    symlink,
    whiteout,
)

BLOCK = tarfile.BLOCKSIZE
ROUNDS = 12


class Swapper:
    """A thread that exchanges two names in a directory all the time."""

    def __init__(self, place: Path, one: str, other: str) -> None:
        self._place = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        self._names = (one, other)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.swaps = 0

    def __enter__(self) -> Swapper:
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._place)

    def _run(self) -> None:
        one, other = self._names
        while not self._stop.is_set():
            try:
                exchange(self._place, one, self._place, other)
                self.swaps += 1
            except FileNotFoundError:
                continue


RACED: dict[str, list[Entry]] = {
    "made": [
        entry
        for number in range(40)
        for entry in (
            file(f"d/f{number}", b"new", mode=0o4777, uid=1, xattrs={"user.x": b"y"}),
            symlink(f"d/s{number}", "secret", uid=2),
            directory(f"d/etc/{number}", mode=0o777, uid=3),
            hardlink(f"d/h{number}", f"d/f{number}"),
            fifo(f"d/p{number}", mode=0o777, uid=4),
            directory("d", mode=0o711, uid=5),
        )
    ],
    "replaced": [
        entry for number in range(40) for entry in (file("d/secret"), symlink("d/secret", "a"), file("d/etc/passwd"))
    ],
    "hidden": [
        whiteout("d/secret"),
        opaque("d"),
        whiteout("d/etc"),
        whiteout("d/etc/passwd"),
        file("d/x"),
        whiteout("d"),
    ]
    * 20,
    "linked": [hardlink(f"l{number}", "d/secret", mode=0o777, uid=9) for number in range(80)],
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", RACED)
def test_44_a_race_with_a_link_to_the_host_reaches_nothing(box: Box, kind: str) -> None:
    lower = [file("d/secret"), file("d/etc/passwd"), directory("d/etc/0"), symlink("away", str(box.victim))]
    inside = {status.inode for status in _victims(box)}
    swaps = 0
    for dummy in range(ROUNDS):
        box.ground.clear()
        box.unpack(lower)
        with Swapper(box.root, "d", "away") as swapper, contextlib.suppress(CollectionError):
            box.unpack(RACED[kind], fresh=False)
        swaps += swapper.swaps
        box.ground.check()
        assert not inside & {status.inode for status in box.survey().values()}
    assert swaps


def _victims(box: Box) -> t.Iterable[Status]:
    return survey(box.victim).values()


class Tally:
    """Counts the calls that an unpack makes, and the directory entries that it looks at."""

    CALLS = ("open", "stat", "fstat", "unlink", "rmdir", "mkdir", "close", "dup", "link", "symlink", "listdir", "utime")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.names = 0
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._counting(getattr(os, name)))
        found, found_directories = Descent.names, Descent.directories

        def names(descent: Descent) -> tuple[Names, Names]:
            directories, others = found(descent)
            self.names += len(directories) + len(others)
            return directories, others

        def directories(descent: Descent) -> Names:
            self.names += sum(map(len, found(descent)))
            return found_directories(descent)

        monkeypatch.setattr(Descent, "names", names)
        monkeypatch.setattr(Descent, "directories", directories)

    def _counting(self, function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def counted(*arguments: t.Any, **options: t.Any) -> t.Any:
            self.calls += 1
            return function(*arguments, **options)

        return counted


FILE, DIRECTORY, SYMLINK = b"0", b"5", b"2"


def archive(names: t.Iterable[tuple[str, bytes]]) -> bytes:
    """A tar archive of many empty entries, made faster than tarfile makes it."""
    header = bytearray(directory("x").header.tobuf(tarfile.USTAR_FORMAT))
    blocks = []
    for name, flag in names:
        header[:100] = name.encode().ljust(100, b"\0")
        header[156:257] = (flag + b"to" if flag == SYMLINK else flag).ljust(101, b"\0")
        header[148:156] = b"        "
        header[148:156] = b"%06o\0 " % sum(header)
        blocks.append(bytes(header))
    return b"".join(blocks) + bytes(2 * BLOCK)


def lower_names(count: int) -> t.Iterator[tuple[str, bytes]]:
    yield from ((f"d/f{number}", FILE) for number in range(count))
    yield from ((f"d/s{number}", SYMLINK) for number in range(count // 10))
    yield from ((f"d/sub{number}/x", FILE) for number in range(count // 10))


UPPER: dict[str, t.Callable[[int], t.Iterator[tuple[str, bytes]]]] = {
    "whiteouts": lambda n: ((f"d/.wh.f{number}", FILE) for number in range(n)),
    "whiteouts of links": lambda n: ((f"d/.wh.s{number}", FILE) for number in range(n)),
    "whiteouts of directories": lambda n: ((f"d/.wh.sub{number}", FILE) for number in range(n)),
    "whiteouts of nothing": lambda n: ((f"d/.wh.none{number}", FILE) for number in range(n)),
    "the same whiteout": lambda n: (("d/.wh.f0", FILE) for dummy in range(n)),
    "opaques": lambda n: ((f"d/sub{number}/.wh..wh..opq", FILE) for number in range(n)),
    "the same opaque": lambda n: (("d/.wh..wh..opq", FILE) for dummy in range(n)),
    "opaques and files": lambda n: (
        entry for number in range(n) for entry in ((f"d/n{number}", FILE), ("d/.wh..wh..opq", FILE))
    ),
    "whiteouts and files": lambda n: (
        entry for number in range(n) for entry in ((f"d/n{number}", FILE), (".wh.d", FILE))
    ),
    "replaced files": lambda n: ((f"d/f{number}", FILE) for number in range(n)),
    "replaced links": lambda n: ((f"d/s{number}", SYMLINK) for number in range(n)),
    "files for directories": lambda n: ((f"d/sub{number}", FILE) for number in range(n)),
    "directories for files": lambda n: ((f"d/f{number}/x", FILE) for number in range(n)),
    "to and fro": lambda n: ((f"d/sub0{'/x' * (number % 2)}", FILE) for number in range(n)),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", UPPER)
def test_45_the_work_grows_with_the_layer_and_not_with_its_square(
    box: Box, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    box.apart = False
    calls, names = [], []
    for count in (400, 800):
        box.ground.clear()
        lower, upper = archive(lower_names(count)), archive(UPPER[kind](count // 2))
        with monkeypatch.context() as patch:
            tally = Tally(patch)
            unpacked = box.unpack(lower, upper)
        calls.append(tally.calls)
        names.append(tally.names)
    assert calls[1] < 2.1 * calls[0]
    assert names[1] < 2.1 * names[0]
    assert calls[1] < 25 * unpacked.entries
    assert names[1] < 3 * unpacked.entries


@pytest.mark.exhaustive
def test_45_a_large_directory_takes_a_few_calls_for_each_entry(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(ground, resolver="openat2")
    lower = archive(itertools.chain(((f"d/f{number}", FILE) for number in range(5_000, 50_000)), lower_names(5_000)))
    upper = archive(
        itertools.chain(
            *[UPPER[kind](5_000) for kind in ("whiteouts", "replaced files")],
            *[UPPER[kind](500) for kind in ("opaques", "whiteouts of directories")] * 5,
        )
    )
    with monkeypatch.context() as patch:
        tally = Tally(patch)
        unpacked = box.unpack(lower, upper)
    box.check()
    assert unpacked.entries == (len(lower) + len(upper)) // BLOCK - 4
    assert tally.calls < 10 * unpacked.entries
    assert tally.names < 3 * unpacked.entries


SURROUNDED = [
    directory("d", mode=0o1777, uid=3),
    file("d/implied/f", mode=0o666, uid=4),
    symlink("s", "/dangling"),
    file("s/x", mode=0o640),
    fifo("p", mode=0o666),
]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_45_the_umask_does_not_matter(box: Box, umask: int) -> None:
    before = os.umask(umask)
    try:
        box.unpack(SURROUNDED, [file("d/more", mode=0o666)])
    finally:
        os.umask(before)
    modes = " ".join(f"{name}:{status.mode:o}" for name, status in sorted(box.survey().items()))
    assert modes == (".:755 d:1777 d/implied:755 d/implied/f:666 d/more:666 dangling:755 dangling/x:640 p:666 s:777")


def test_45_the_working_directory_does_not_matter(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box.unpack(SURROUNDED)
    tree = {name: status._replace(inode=0) for name, status in box.survey().items()}
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    shutil.rmtree(gone)
    box.ground.clear()
    box.unpack(SURROUNDED)
    assert {name: status._replace(inode=0) for name, status in box.survey().items()} == tree
