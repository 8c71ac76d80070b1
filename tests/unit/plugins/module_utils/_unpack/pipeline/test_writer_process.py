# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The writer in a process of its own returns results, warnings and errors, and ends with its parent."""

from __future__ import annotations

import contextlib
import errno
import gc
import hashlib
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.text import Warn
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._unpack import layers
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    LimitExceeded,
    NoSpace,
    UnpackError,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.layers import LayerSource
from ansible_collections.attested.registry.plugins.module_utils._unpack.limits import Limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline import ahead, ring
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline import fork as forked
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline import writer_process as apart
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline.ring import (
    SLOT_BYTES,
    SLOTS,
    Closed,
    Receiver,
    Ring,
    Sender,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline.writer_process import ProcessWriter
from ansible_collections.attested.registry.plugins.module_utils._unpack.writer import Piece, Unpacked
from ansible_collections.attested.registry.tests.support.images.layer_maker import Box, Content, layer_source
from ansible_collections.attested.registry.tests.support.images.tar_entries import compress, file, tar
from ansible_collections.attested.registry.tests.support.processes import children
from ansible_collections.attested.registry.tests.support.processes.descriptors import child_processes, open_descriptors

# Seconds that no test waits unless it fails.
LONG: t.Final = 30


@pytest.fixture(autouse=True)
def _nothing_stays_behind() -> t.Iterator[None]:
    gc.collect()
    descriptors, processes = open_descriptors(), child_processes()
    yield
    assert open_descriptors() <= descriptors
    assert child_processes() <= processes


class FakeWriter:
    """Writes into a file instead of a tree, and does what the words in a layer tell it to."""

    def __init__(self, place: Path, warn: Warn) -> None:
        self._place = place
        self._warn = warn
        self._size = 0

    def __enter__(self) -> FakeWriter:
        return self

    def __exit__(self, *dummy: object) -> None:
        pass

    def apply(self, pieces: t.Iterator[Piece], hash_piece: t.Callable[[Piece], None]) -> None:
        for piece in pieces:
            hash_piece(piece)
            self._size += len(piece)
            words = bytes(piece[:100]).split()
            if b"warn" in words:
                self._warn("Something is odd.")
            for word in words:
                ACTS.get(word, int)()
            with self._place.open("ab") as out:
                out.write(piece)

    def wait(self) -> None:
        pass

    def finish(self) -> Unpacked:
        return Unpacked(7, self._size)


def refuse() -> t.NoReturn:
    raise LimitExceeded("It is too much.", limit="max_entries", maximum=3)


def fail() -> t.NoReturn:
    raise NoSpace("It is full.", errno="ENOSPC")


def meet_the_system() -> t.NoReturn:
    raise OSError(errno.EIO, os.strerror(errno.EIO), "/some/where")


def err() -> t.NoReturn:
    raise ZeroDivisionError("a mistake")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


ACTS: t.Final[dict[bytes, t.Callable[[], object]]] = {
    b"refuse": refuse,
    b"fail": fail,
    b"system": meet_the_system,
    b"err": err,
    b"die": die,
}


def ignore(piece: Piece) -> None:
    """Hash nothing."""


def writer(place: Path, warnings: list[str] | None = None) -> ProcessWriter:
    return ProcessWriter(
        lambda warn: FakeWriter(place, warn), warn=pytest.fail if warnings is None else warnings.append
    )


def test_layers_and_the_result_come_through(tmp_path: Path) -> None:
    place = tmp_path / "out"
    warnings: list[str] = []
    pieces = [
        random.Random(size).randbytes(size) for size in (1, SLOT_BYTES, SLOT_BYTES + 1, 3 * SLOTS * SLOT_BYTES + 5, 100)
    ]
    hashed = hashlib.sha256()
    with writer(place, warnings) as apart_writer:
        apart_writer.apply(iter(pieces), hashed.update)
        assert place.read_bytes() == b"".join(pieces)  # a layer has been applied when apply returns
        apart_writer.apply(iter(()), hashed.update)
        apart_writer.apply(iter((b"warn ", b"", b"more")), hashed.update)
        result = apart_writer.finish()
    assert place.read_bytes() == b"".join(pieces) + b"warn more"
    assert hashed.digest() == hashlib.sha256(place.read_bytes()).digest()
    assert (result.entries, result.size) == (7, place.stat().st_size)
    assert warnings == ["Something is odd."]


def test_what_there_is_is_written_while_the_network_stalls(tmp_path: Path) -> None:
    place = tmp_path / "out"
    with writer(place) as apart_writer:

        def stalling() -> t.Iterator[bytes]:
            yield b"some"
            apart_writer.wait()
            deadline = time.monotonic() + LONG
            while not (place.exists() and place.stat().st_size) and time.monotonic() < deadline:
                time.sleep(0.001)
            assert place.read_bytes() == b"some"
            apart_writer.wait()
            yield b"more"

        apart_writer.apply(stalling(), ignore)
        assert apart_writer.finish().size == 8
    assert place.read_bytes() == b"somemore"


@pytest.mark.parametrize(("act", "error"), [(b"refuse", LimitExceeded), (b"fail", NoSpace)])
def test_its_errors_are_raised_here(act: bytes, error: type[UnpackError], tmp_path: Path) -> None:
    warnings: list[str] = []
    with writer(tmp_path / "out", warnings) as apart_writer, pytest.raises(error) as caught:
        apart_writer.apply(iter((b"warn ", act + b" ", *[bytes(SLOT_BYTES)] * 20)), ignore)
    with pytest.raises(error) as genuine:
        ACTS[act]()
    assert caught.type is error
    assert (caught.value.message, caught.value.fields) == (genuine.value.message, genuine.value.fields)
    assert warnings == ["Something is odd."]


def test_what_the_system_refuses_is_raised_here(tmp_path: Path) -> None:
    with writer(tmp_path / "out") as apart_writer, pytest.raises(OSError, match="/some/where") as caught:
        apart_writer.apply(iter((b"system",)), ignore)
    assert caught.value.errno == errno.EIO


def test_a_mistake_is_shown_with_its_place(tmp_path: Path) -> None:
    with writer(tmp_path / "out") as apart_writer, pytest.raises(RuntimeError, match=r"in err\n(.|\n)*ZeroDivision"):
        apart_writer.apply(iter((b"err",)), ignore)


def test_a_process_that_is_killed_is_an_error(tmp_path: Path) -> None:
    with writer(tmp_path / "out") as apart_writer, pytest.raises(UnpackError, match=r"signal 9.*short of memory"):
        apart_writer.apply(iter((b"die ", *[bytes(SLOT_BYTES)] * 20)), ignore)


def test_the_process_ends_when_its_writer_is_given_up(tmp_path: Path) -> None:
    def breaking() -> t.Iterator[bytes]:
        yield b"some"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), writer(tmp_path / "out") as apart_writer:
        apart_writer.apply(breaking(), ignore)


def test_check_notices_a_failure_while_there_is_nothing_to_send(tmp_path: Path) -> None:
    with writer(tmp_path / "out") as apart_writer:

        def stalled() -> t.Iterator[bytes]:
            apart_writer.wait()
            yield b"fail"
            deadline = time.monotonic() + LONG
            while time.monotonic() < deadline:
                apart_writer.wait()
                time.sleep(0.01)

        with pytest.raises(NoSpace):
            apart_writer.apply(stalled(), ignore)


def test_its_sudden_end_while_it_reports_is_told_too(tmp_path: Path) -> None:
    class CutOff(FakeWriter):
        """Makes a report that is longer than a pipe, so that it cannot end before all of it is read."""

        def finish(self) -> Unpacked:
            for dummy in range(5000):
                self._warn("Something is odd, and it takes some words to say so.")
            return super().finish()

    place = tmp_path / "out"
    with ProcessWriter(lambda warn: CutOff(place, warn), warn=pytest.fail) as apart_writer:
        apart_writer.apply(iter((b"some",)), ignore)
        apart_writer._sender.close()
        assert select.select([apart_writer._answer], [], [], LONG)[0]
        os.kill(apart_writer._pid, signal.SIGKILL)
        with pytest.raises(UnpackError, match=r"signal 9.*short of memory"):
            apart_writer.finish()


def test_the_key_that_interrupts_is_for_the_first_process(tmp_path: Path) -> None:
    place = tmp_path / "out"
    with writer(place) as apart_writer:
        apart_writer.apply(iter((b"some",)), ignore)
        os.kill(apart_writer._pid, signal.SIGINT)
        apart_writer.apply(iter((b"more",)), ignore)
        assert apart_writer.finish().size == 8
    assert place.read_bytes() == b"somemore"


def test_it_does_not_outlive_the_first_process(tmp_path: Path) -> None:
    place = tmp_path / "out"

    def first() -> None:
        apart_writer = writer(place)
        apart_writer.apply(iter((b"%d" % apart_writer._pid,)), ignore)
        os.kill(os.getpid(), signal.SIGKILL)

    child = children.start(first)
    assert child.result() is None
    pid = int(place.read_bytes())
    deadline = time.monotonic() + LONG
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_without_another_process_the_work_is_done_here(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_process(run: t.Callable[[], None]) -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(apart, "fork", no_process)
    box.apart = True
    box.unpack([file("f", b"content")])
    assert box.tree() == {"f": b"content"}


@pytest.mark.parametrize(("threads", "cores", "expected"), [(1, 2, True), (2, 2, False), (1, 1, False)])
def test_another_process_is_used_where_it_is_safe_and_faster(
    threads: int, cores: int, expected: bool, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forked.threading, "active_count", lambda: threads)
    monkeypatch.setattr(forked.os, "sched_getaffinity", lambda pid: set(range(cores)))
    forks = []
    monkeypatch.setattr(layers, "ProcessWriter", lambda *rest, **more: forks.append(1) or ProcessWriter(*rest, **more))
    box.apart = None
    box.unpack([file("f", b"content")])
    assert (bool(forks), box.tree()) == (expected, {"f": b"content"})


def test_a_failure_is_noticed_while_the_network_stalls(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "PATIENCE", 0.1)
    source = layer_source([file("f", bytes(1_000_000))])
    over = threading.Event()
    threads: list[threading.Thread] = []

    @contextlib.contextmanager
    def opened() -> t.Iterator[t.Iterator[bytes]]:
        with source.open() as pieces:
            yield stalling(pieces)

    def stalling(pieces: t.Iterator[bytes]) -> t.Iterator[bytes]:
        threads.append(threading.current_thread())
        yield from pieces
        over.wait(LONG)

    begin = time.monotonic()
    with pytest.raises(LimitExceeded):
        box.unpack_sources(
            [LayerSource(source.name, "none", source.diff_id, opened)], limits=Limits(unpacked_bytes=1000)
        )
    assert time.monotonic() - begin < LONG
    over.set()
    for thread in threads:
        thread.join(LONG)


class TestRing:
    def test_the_receiver_that_ends_closes_it(self) -> None:
        ring = Ring()
        pid = forked.fork(lambda: Receiver(ring).close())
        sender = Sender(ring)
        os.waitpid(pid, 0)
        with pytest.raises(Closed):
            sender.check()
        with pytest.raises(Closed):
            sender.send(bytes(SLOT_BYTES), ignore)
        with pytest.raises(Closed):
            sender.end()
        sender.close()
        sender.close()

    def test_a_sender_that_is_closed_keeps_the_slots_that_are_hashed(self) -> None:
        kept: list[memoryview] = []

        def receive(ends: Ring) -> None:
            list(next(Receiver(ends).groups()))

        def send(ends: Ring) -> None:
            sender = Sender(ends)
            for number in range(SLOTS):
                sender.send(b"%d" % number * SLOT_BYTES, kept.append)
            sender.close()

        shared = Ring()
        pid = forked.fork(lambda: receive(shared))
        send(shared)
        os.waitpid(pid, 0)
        assert [bytes(view) for view in kept] == [b"%d" % number * SLOT_BYTES for number in range(SLOTS)]

    def test_an_unused_ring_can_be_closed(self) -> None:
        Ring().close()


class RandomSource:
    """A layer in pieces of random sizes, with breaks between them."""

    def __init__(self, content: Content, seed: int) -> None:
        self._data = compress(content if isinstance(content, bytes) else tar(content), "gzip")
        self._random = random.Random(seed)

    @contextlib.contextmanager
    def open(self) -> t.Iterator[t.Iterator[bytes]]:
        yield self._pieces()

    def _pieces(self) -> t.Iterator[bytes]:
        begin = 0
        while begin < len(self._data):
            end = begin + self._random.choice((1, 100, 700, 5000, 70_000))
            yield self._data[begin:end]
            begin = end
            if self._random.random() < 0.02:
                time.sleep(0.002)


SOME_FILES: t.Final = [
    entry
    for number in range(150)
    for entry in (
        file(f"d{number % 7}/{'long' * (number % 40)}{number}", random.Random(number).randbytes(number * number)),
        file(f"x{number}", b"x" * number, xattrs={"user.x": b"y" * number * 10}),
    )
]


@pytest.mark.parametrize(
    "slot_bytes",
    [pytest.param(512, marks=pytest.mark.exhaustive), 4096, pytest.param(100_003, marks=pytest.mark.exhaustive)],
)
def test_small_slots_and_partial_slots_change_nothing(
    slot_bytes: int, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer reads slots in place, which are then overwritten: no byte may be used too late."""
    box.apart = False
    box.unpack(SOME_FILES)
    expected = box.tree()
    monkeypatch.setattr(ring, "SLOT_BYTES", slot_bytes)
    monkeypatch.setattr(ahead, "BATCH_BYTES", 3000)
    monkeypatch.setattr(ahead, "_CHECK_SECONDS", 0.0005)
    box.apart = True
    for seed in range(5):
        box.ground.clear()
        source = RandomSource(SOME_FILES, seed)
        box.unpack_sources([LayerSource("layer", "gzip", Digest.of(tar(SOME_FILES)), source.open)])
        assert box.tree() == expected


def test_nothing_is_printed_or_flushed_twice(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        f"sys.path.insert(0, {os.fspath(Path(forked.__file__).parent)!r})\n"
        "import fork\n"
        "sys.stdout.write('once')\n"
        "os.waitpid(fork.fork(lambda: 1 / 0), 0)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"once", b"")
