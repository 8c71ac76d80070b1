# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The asyncio server stays usable when clients, judges and applications fail at any moment."""

from __future__ import annotations

import asyncio
import errno
import gc
import typing as t
import weakref

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13 import serving
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import (
    AlertReceived,
    CertificateRejected,
    TimedOut,
    TlsError,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.events import PeerCertificate
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import Alert
from ansible_collections.attested.registry.plugins.module_utils._tls13.state import TlsState
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import certified_key
from ansible_collections.attested.registry.tests.support.tls13.tls13_transports import Connection, Inner

PLAIN = ServerConfig((certified_key(),))
REQUIRED = ServerConfig((certified_key(),), client_certificate="required")
FORGED = b"\x17\x03\x03\x00\x20" + bytes(32)


async def accept_anybody(*dummy: object) -> None:
    """A judge without opinions."""


async def never(*dummy: object) -> None:
    await asyncio.Event().wait()


async def settle() -> None:
    """Lets everything run that can."""
    for dummy in range(5):
        await asyncio.sleep(0)


def run(test: t.Callable[[], t.Coroutine[t.Any, t.Any, None]]) -> None:
    """Runs test, after which no task may be left."""

    async def main() -> None:
        await test()
        await settle()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


@pytest.mark.parametrize("stage", ["start", "hello", "judging", "connected", "closed", "failed", "draining"])
def test_connection_lost_is_called_once(stage: str) -> None:
    """connection_lost after connection_made or not at all, and no task stays, whenever the client goes away."""
    made: list[Inner] = []

    def inner() -> Inner:
        made.append(Inner())
        return made[-1]

    async def test() -> None:
        config = REQUIRED if stage == "judging" else PLAIN
        connection = Connection(config, inner, judge=never)
        if stage == "hello":
            connection.give(connection.client.data_to_send())
        elif stage == "failed":
            connection.give(b"GET / HTTP/1.1\r\n")
        elif stage != "start":
            connection.pump()
            await settle()
        if stage == "closed":
            made[0].transport.close()
        elif stage == "draining":
            connection.give(FORGED)
        connection.lose()
        await settle()
        assert connection.failures == []
        assert connection.protocol._timer is None

    run(test)
    expected = [["made", "lost"]] if stage in ("connected", "closed", "draining") else []
    assert [one.log for one in made] == expected


@pytest.mark.parametrize("stage", ["hello", "judged"])
def test_a_client_that_has_reset_the_connection_gets_no_alert(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transport learns of a reset when it reads next, and it does not while the client is judged."""
    reports: list[TlsError] = []

    async def refuse(*dummy: object) -> None:
        raise CertificateRejected("no", alert=Alert.CERTIFICATE_UNKNOWN)

    async def test() -> None:
        connection = Connection(REQUIRED, Inner, judge=refuse, report=lambda error, dummy: reports.append(error))

        def gone() -> None:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

        monkeypatch.setattr(connection.below, "write_eof", gone)
        if stage == "hello":
            connection.give(b"GET / HTTP/1.1\r\n")
        else:
            connection.pump()
        await settle()
        assert connection.failures == []
        assert connection.below.aborted.is_set()
        connection.lose()

    run(test)
    assert len(reports) == 1


@pytest.mark.parametrize("where", ["factory", "made", "data"])
def test_an_application_that_fails_ends_the_connection(where: str) -> None:
    """After a judgement there is no transport above which would notice."""

    class Broken(Inner):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            if where == "made":
                raise RuntimeError("made")

        def data_received(self, data: bytes) -> None:
            raise RuntimeError("data")

    def factory() -> Inner:
        if where == "factory":
            raise RuntimeError("factory")
        return Broken()

    async def test() -> None:
        connection = Connection(REQUIRED, factory, judge=accept_anybody)
        connection.give(connection.client.data_to_send())
        connection.take()
        connection.client.send(b"a request")
        connection.give(connection.client.data_to_send())
        await settle()
        assert connection.below.aborted.is_set()
        assert [str(context["exception"]) for context in connection.failures] == [where]
        connection.lose()

    run(test)


def test_what_an_application_does_after_an_error_is_dropped() -> None:
    async def test() -> None:
        connection = Connection(PLAIN)
        connection.pump()
        inner = connection.inner
        connection.give(FORGED)
        assert inner.transport.is_closing()
        count = len(connection.below.sent)
        inner.transport.write(b"an answer")
        inner.transport.close()
        assert len(connection.below.sent) == count
        with pytest.raises(AlertReceived) as failure:
            connection.take()
        assert failure.value.alert is Alert.BAD_RECORD_MAC
        connection.give(b"x" * 1000)
        assert not connection.protocol.eof_received()
        connection.lose()
        assert inner.log == ["made", "lost"]

    run(test)


def test_a_judge_that_is_cancelled_rejects_the_client() -> None:
    async def cancelled(*dummy: object) -> None:
        raise asyncio.CancelledError

    async def test() -> None:
        connection = Connection(REQUIRED, judge=cancelled)
        connection.pump()
        await settle()
        with pytest.raises(AlertReceived) as failure:
            connection.pump()
        assert failure.value.alert is Alert.CERTIFICATE_UNKNOWN
        assert isinstance(connection.errors[0], CertificateRejected)
        connection.lose()

    run(test)


def test_nothing_reaches_the_application_while_the_client_is_judged() -> None:
    go: list[asyncio.Event] = []

    async def judge(event: PeerCertificate, dummy_engine: object) -> None:
        assert event.chain
        go.append(asyncio.Event())
        await go[0].wait()

    async def test() -> None:
        connection = Connection(REQUIRED, judge=judge)
        connection.give(connection.client.data_to_send())
        connection.take()
        connection.client.send(b"too early?" * 1000)
        connection.give(connection.client.data_to_send())
        await settle()
        assert connection.below.paused
        assert connection.inner is None
        assert connection.protocol.engine.state is TlsState.JUDGING
        # a client that does not take what was sent does not make it read again either
        connection.protocol.pause_writing()
        connection.protocol.resume_writing()
        assert connection.below.paused
        go[0].set()
        await settle()
        assert not connection.below.paused
        assert connection.inner.log == ["made", b"too early?" * 1000]
        connection.lose()

    run(test)


def test_nothing_is_read_until_every_pause_is_over() -> None:
    async def test() -> None:
        connection = Connection(PLAIN)
        connection.pump()
        transport = connection.inner.transport
        assert transport.is_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        assert connection.below.paused
        connection.protocol.pause_writing()
        transport.resume_reading()
        assert connection.below.paused
        connection.protocol.resume_writing()
        assert not connection.below.paused
        assert transport.is_reading()
        connection.lose()
        transport.pause_reading()
        transport.resume_reading()

    run(test)


def test_another_protocol_takes_over() -> None:
    async def test() -> None:
        connection = Connection(PLAIN)
        connection.pump()
        first, second = connection.inner, Inner()
        first.transport.set_protocol(second)
        assert first.transport.get_protocol() is second
        connection.client.send(b"data")
        connection.give(connection.client.data_to_send())
        first.transport.abort()
        assert connection.below.aborted.is_set()
        connection.lose()
        assert (first.log, second.log) == (["made"], [b"data", "lost"])

    run(test)


def test_a_report_that_fails_keeps_no_connection() -> None:
    def report(*dummy: object) -> None:
        raise RuntimeError("report")

    async def test() -> None:
        connection = Connection(PLAIN, report=report)
        with pytest.raises(RuntimeError):
            connection.give(b"GET / HTTP/1.1\r\n")
        assert connection.below.ended
        assert connection.protocol._timer is not None
        connection.lose()

    run(test)


def test_a_client_that_reads_nothing_holds_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_CLOSE_SECONDS", 0.001)
    monkeypatch.setattr(serving, "_DRAIN_SECONDS", 0.001)

    async def after_close() -> None:
        connection = Connection(PLAIN)
        connection.pump()
        connection.inner.transport.close()
        await asyncio.wait_for(connection.below.aborted.wait(), 10)
        connection.lose()

    async def after_the_deadline() -> None:
        connection = Connection(PLAIN, deadline=0.001)
        connection.give(connection.client.data_to_send())
        await asyncio.wait_for(connection.below.aborted.wait(), 10)
        assert isinstance(connection.errors[0], TimedOut)
        connection.lose()

    run(after_close)
    run(after_the_deadline)


def test_an_application_that_answers_after_half_a_close() -> None:
    """RFC 8446, section 6.1: close_notify closes one direction."""

    class Late(Inner):
        def eof_received(self) -> bool | None:
            super().eof_received()
            return True

    async def test() -> None:
        connection = Connection(PLAIN, Late)
        connection.pump()
        connection.client.close()
        connection.give(connection.client.data_to_send())
        assert connection.protocol.eof_received()
        connection.inner.transport.write(b"an answer")
        connection.inner.transport.close()
        data = bytes(connection.below.sent)
        connection.client.receive_data(data)
        assert connection.client.next_event() == (b"an answer",)
        assert not connection.protocol.eof_received()
        connection.lose()

    run(test)


def test_an_application_hears_that_it_must_wait_from_the_start() -> None:
    class Flow(asyncio.streams.FlowControlMixin, Inner):
        def __init__(self) -> None:
            super().__init__()
            Inner.__init__(self)

    async def test() -> None:
        connection = Connection(PLAIN, Flow)
        connection.give(connection.client.data_to_send())
        connection.take()
        connection.protocol.pause_writing()
        connection.below.paused = False
        connection.give(connection.client.data_to_send())
        assert connection.inner._paused
        connection.protocol.resume_writing()
        assert not connection.inner._paused
        connection.lose()

    run(test)


@pytest.mark.parametrize("how", ["garbage", "forged", "truncated", "refused", "served"])
def test_what_is_over_waits_for_no_garbage_collection(how: str) -> None:
    """Each connection has buffers of more than 100 KiB, and a client can make many that fail."""

    async def refuse(*dummy: object) -> None:
        raise CertificateRejected("No.")

    async def test() -> None:
        connection = Connection(REQUIRED if how == "refused" else PLAIN, judge=refuse)
        there = weakref.ref(connection.protocol.engine)
        if how == "garbage":
            connection.give(b"GET / HTTP/1.1\r\n")
        else:
            connection.pump()
            await settle()
        if how == "forged":
            connection.give(FORGED)
        elif how == "truncated":
            connection.protocol.eof_received()
        assert all(isinstance(error, TlsError) for error in connection.errors)
        assert len(connection.errors) == (how != "served")
        connection.lose()
        await settle()
        kept = connection.errors
        del connection
        assert there() is None, gc.get_referrers(there())
        assert [error.__traceback__ for error in kept] == [None] * len(kept)

    gc.disable()
    try:
        run(test)
    finally:
        gc.enable()
