# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The writer in a process of its own returns results, warnings and errors, and ends with its parent."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.text import Warn
from ansible_collections.attested.registry.plugins.module_utils._unpack import layers
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    LimitExceeded,
    NoSpace,
    UnpackError,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.layers import LayerSource
from ansible_collections.attested.registry.plugins.module_utils._unpack.limits import Limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline import fork as forked
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline import pipeline
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
from ansible_collections.attested.registry.plugins.module_utils._unpack.writer import Unpacked
from ansible_collections.attested.registry.tests.support.images.layer_maker import Box, layer_source
from ansible_collections.attested.registry.tests.support.images.tar_entries import file
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
    """Writes into a file instead of a tree, and does what a layer tells it to."""

    def __init__(self, place: Path, warn: Warn) -> None:
        self._place = place
        self._warn = warn
        self._size = 0

    def __enter__(self) -> FakeWriter:
        return self

    def __exit__(self, *dummy: object) -> None:
        pass

    def apply(self, pieces: t.Iterator[bytes]) -> None:
        for piece in pieces:
            self._size += len(piece)
            if piece in ACTS:
                ACTS[piece]()
            if piece == b"warn":
                self._warn("Something is odd.")
            with self._place.open("ab") as out:
                out.write(piece)

    def check(self) -> None:
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
    with writer(place, warnings) as apart_writer:
        apart_writer.apply(iter(pieces))
        assert place.read_bytes() == b"".join(pieces)  # a layer has been applied when apply returns
        apart_writer.apply(iter(()))
        apart_writer.apply(iter((b"warn", b"", b"more")))
        result = apart_writer.finish()
    assert place.read_bytes() == b"".join(pieces) + b"warnmore"
    assert (result.entries, result.size) == (7, place.stat().st_size)
    assert warnings == ["Something is odd."]


@pytest.mark.parametrize(("act", "error"), [(b"refuse", LimitExceeded), (b"fail", NoSpace)])
def test_its_errors_are_raised_here(act: bytes, error: type[UnpackError], tmp_path: Path) -> None:
    warnings: list[str] = []
    with writer(tmp_path / "out", warnings) as apart_writer, pytest.raises(error) as caught:
        apart_writer.apply(iter((b"warn", act, *[bytes(SLOT_BYTES)] * 20)))
    with pytest.raises(error) as genuine:
        ACTS[act]()
    assert caught.type is error
    assert (caught.value.message, caught.value.fields) == (genuine.value.message, genuine.value.fields)
    assert warnings == ["Something is odd."]


def test_what_the_system_refuses_is_raised_here(tmp_path: Path) -> None:
    with writer(tmp_path / "out") as apart_writer, pytest.raises(OSError, match="/some/where") as caught:
        apart_writer.apply(iter((b"system",)))
    assert caught.value.errno == errno.EIO


def test_a_mistake_is_shown_with_its_place(tmp_path: Path) -> None:
    with writer(tmp_path / "out") as apart_writer, pytest.raises(RuntimeError, match=r"in err\n(.|\n)*ZeroDivision"):
        apart_writer.apply(iter((b"err",)))


def test_a_process_that_is_killed_is_an_error(tmp_path: Path) -> None:
    with writer(tmp_path / "out") as apart_writer, pytest.raises(UnpackError, match=r"signal 9.*short of memory"):
        apart_writer.apply(iter((b"die", *[bytes(SLOT_BYTES)] * 20)))


def test_the_process_ends_when_its_writer_is_given_up(tmp_path: Path) -> None:
    def breaking() -> t.Iterator[bytes]:
        yield b"some"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), writer(tmp_path / "out") as apart_writer:
        apart_writer.apply(breaking())


def test_check_notices_a_failure_while_there_is_nothing_to_send(tmp_path: Path) -> None:
    with writer(tmp_path / "out") as apart_writer:

        def stalled() -> t.Iterator[bytes]:
            apart_writer.check()
            yield b"fail"
            deadline = time.monotonic() + LONG
            while time.monotonic() < deadline:
                apart_writer.check()
                time.sleep(0.01)

        with pytest.raises(NoSpace):
            apart_writer.apply(stalled())


def test_the_key_that_interrupts_is_for_the_first_process(tmp_path: Path) -> None:
    place = tmp_path / "out"
    with writer(place) as apart_writer:
        apart_writer.apply(iter((b"some",)))
        os.kill(apart_writer._pid, signal.SIGINT)
        apart_writer.apply(iter((b"more",)))
        assert apart_writer.finish().size == 8
    assert place.read_bytes() == b"somemore"


def test_it_does_not_outlive_the_first_process(tmp_path: Path) -> None:
    place = tmp_path / "out"

    def first() -> None:
        apart_writer = writer(place)
        apart_writer.apply(iter((b"%d" % apart_writer._pid,)))
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
    monkeypatch.setattr(pipeline, "PATIENCE", 0.1)
    source = layer_source([file("f", bytes(1_000_000))])
    over = threading.Event()

    @contextlib.contextmanager
    def opened() -> t.Iterator[t.Iterator[bytes]]:
        with source.open() as pieces:
            yield stalling(pieces)

    def stalling(pieces: t.Iterator[bytes]) -> t.Iterator[bytes]:
        yield from pieces
        over.wait(LONG)

    begin = time.monotonic()
    with pytest.raises(LimitExceeded):
        box.unpack_sources(
            [LayerSource(source.name, "none", source.diff_id, opened)], limits=Limits(unpacked_bytes=1000)
        )
    over.set()
    assert time.monotonic() - begin < LONG


class TestRing:
    def test_the_receiver_that_ends_closes_it(self) -> None:
        ring = Ring()
        pid = forked.fork(lambda: Receiver(ring).close())
        sender = Sender(ring)
        os.waitpid(pid, 0)
        with pytest.raises(Closed):
            sender.check()
        with pytest.raises(Closed):
            sender.send(b"x")
        with pytest.raises(Closed):
            sender.end()
        sender.close()
        sender.close()

    def test_an_unused_ring_can_be_closed(self) -> None:
        Ring().close()


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
