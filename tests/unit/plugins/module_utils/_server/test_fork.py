# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server survives a loader or worker process that cannot be started, ends early or keeps failing."""

from __future__ import annotations

import asyncio
import errno
import os
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.config.settings import Settings
from ansible_collections.attested.registry.plugins.module_utils._server.content import loader as loader_module
from ansible_collections.attested.registry.plugins.module_utils._server.content.loader import Loader
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import Snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.errors import RootError, ServerError
from ansible_collections.attested.registry.plugins.module_utils._server.metrics.counters import Board
from ansible_collections.attested.registry.plugins.module_utils._server.metrics.metrics import State
from ansible_collections.attested.registry.plugins.module_utils._server.processes import fleet as fleet_module
from ansible_collections.attested.registry.plugins.module_utils._server.processes.credentials import AccessFiles
from ansible_collections.attested.registry.plugins.module_utils._server.processes.fleet import WorkerPool
from ansible_collections.attested.registry.plugins.module_utils._server.processes.worker import RETIRE, Serving

CONTENT = Serving(Snapshot("/", {}), AccessFiles(None, None))


def fails(*dummy: object, **dummies: object) -> t.NoReturn:
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


@pytest.fixture
def settings(tmp_path: pathlib.Path) -> Settings:
    return Settings(root=str(tmp_path))


@pytest.fixture
def fleet(settings: Settings) -> WorkerPool:
    return WorkerPool(settings, [], board=Board(4), state=State())


@pytest.mark.parametrize("name", ["fork", "pipe"])
def test_loading_that_cannot_begin_is_an_error_that_a_reload_survives(
    settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*((loader_module, "fork") if name == "fork" else (loader_module.os, "pipe")), fails)
    with pytest.raises(ServerError, match="Starting the loader process failed: Resource temp"):
        asyncio.run(Loader(settings).load(None))


def test_a_loading_process_that_ends_at_once_is_noticed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fork(*dummy: object, **dummies: object) -> int:
        pid = os.posix_spawn("/bin/true", ["true"], {})
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return pid

    monkeypatch.setattr(loader_module, "fork", fork)
    with pytest.raises(RootError, match="was killed"):
        asyncio.run(asyncio.wait_for(Loader(settings).load(None), 30))


@pytest.mark.parametrize("name", ["fork", "socketpair"])
def test_a_worker_that_cannot_be_started_is_an_error_that_a_reload_survives(
    fleet: WorkerPool, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def serve() -> None:
        monkeypatch.setattr(*((fleet_module, "fork") if name == "fork" else (fleet_module.socket, "socketpair")), fails)
        await fleet.serve(CONTENT)

    with pytest.raises(ServerError, match="Starting a worker process failed: Resource temp"):
        asyncio.run(serve())


def test_a_worker_started_during_a_reload_is_retired(fleet: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = fleet_module._Generation(CONTENT)
    ends: list[socket.socket] = []

    def fork(run: object, *, keep: t.Sequence[int]) -> int:
        ends.append(socket.socket(fileno=os.dup(keep[0])))
        # a reload comes to its end while this one begins
        fleet._retire(generation, RETIRE)
        return os.posix_spawn("/bin/true", ["true"], {})

    async def start() -> None:
        fleet._generations.append(generation)
        await fleet._start(generation)
        while generation.members:
            fleet.check()
            await asyncio.sleep(0)

    monkeypatch.setattr(fleet_module, "fork", fork)
    asyncio.run(start())
    with ends[0] as end:
        assert end.recv(16) == RETIRE


def test_failing_workers_are_always_replaced(fleet: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    delays = []

    async def replace(dummy: object, delay: float) -> None:
        delays.append(delay)

    async def end(count: int) -> None:
        fleet._current = generation = fleet_module._Generation(CONTENT)
        for dummy in range(count):
            ours, theirs = socket.socketpair()
            theirs.close()
            member = fleet_module._Member(1, ours, fleet._board.take())
            generation.members.append(member)
            fleet._handle_exit(generation, member, 256)
        await asyncio.gather(*fleet._tasks)

    monkeypatch.setattr(fleet, "_start_replacement", replace)
    asyncio.run(end(1100))
    assert len(delays) == 1100
    assert delays[-1] == 30
