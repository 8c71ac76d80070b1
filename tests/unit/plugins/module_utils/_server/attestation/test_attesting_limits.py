# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that stall, crowd or disconnect, and slow judges, are bounded in time and number."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import gc
import logging
import pathlib
import socket
import threading
import typing as t
import weakref

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.attestation.attestation_log import (
    AttestationLog,
)
from ansible_collections.attested.registry.plugins.module_utils._server.connections import attested_connection
from ansible_collections.attested.registry.plugins.module_utils._server.connections.attested_connection import (
    AttestedConnection,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import (
    DecodeError,
    TlsError,
    alert_received,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import Alert
from ansible_collections.attested.registry.plugins.module_utils._tls13.state import TlsState
from ansible_collections.attested.registry.tests.support.attestation.attested_clients import (
    Answer,
    attested,
    make_realm,
)
from ansible_collections.attested.registry.tests.support.images import images

from ..attested import PATIENCE, AttestedServer, Judge, relying_party
from ..conftest import Certificate

HUGE = images.Content(bytes(20_000_000), "text/plain")
Start = t.Callable[..., AttestedServer]


@pytest.fixture
def realm(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_realm(tmp_path / "realm")


@pytest.fixture
def judge(realm: pathlib.Path) -> Judge:
    """Takes as long as the test wants; lets this realm in."""
    files = {"trust_anchors": [str(realm / "cpak.pem")], "reference_values": [str(realm / "reference.json")]}
    return Judge(relying_party(**files))


@pytest.fixture
def start(tmp_path: pathlib.Path, certificate: Certificate, judge: Judge) -> t.Iterator[Start]:
    """Starts servers with this judge, which end with the test; options are those of Attesting."""
    images.write_layout(tmp_path / "root" / "app", {"1": images.artifact("a/b", [HUGE])})
    with contextlib.ExitStack() as stack:
        # for the threads to end
        stack.callback(judge.may_go_on.set)

        def begin(**options: t.Any) -> AttestedServer:
            made = AttestedServer(tmp_path / "root", certificate, judge, **options)
            return stack.enter_context(contextlib.closing(made))

        yield begin
        judge.may_go_on.set()


async def stall(connection: AttestedConnection) -> None:
    connection._stop_clock()
    connection._handle_timeout()


HELLO = ClientEngine(ClientConfig()).data_to_send()


@pytest.mark.parametrize("length", [0, 1, 50, len(HELLO)])
def test_clients_that_stall(start: Start, length: int) -> None:
    server = start(handshake_seconds=0.1, attestation_seconds=0.1)
    with socket.create_connection(server.address, timeout=PATIENCE) as sock:
        sock.sendall(HELLO[:length])
        # all that the server says, to its end
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(65536):
                pass
    server.until_open(0)
    assert server.counted() == {"handshake_failures": 1}


def test_a_client_may_take_long_to_make_its_evidence(start: Start, judge: Judge, realm: pathlib.Path) -> None:
    server = start(handshake_seconds=PATIENCE)
    judge.may_go_on.set()

    def slow(authorities: t.Sequence[bytes]) -> t.Any:
        (connection,) = server.attesting.handshakes
        server.until(lambda: connection.engine.state is TlsState.WAIT_CERT)
        # as if the time for the handshake were over
        server.running.call(stall(connection))
        return attested(realm)(authorities)

    assert server.get("/v2/", slow).status == 200


def test_a_client_that_makes_no_evidence(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    server = start(handshake_seconds=PATIENCE, attestation_seconds=0.1)

    def never(dummy: t.Sequence[bytes]) -> t.NoReturn:
        (connection,) = server.attesting.handshakes
        server.until(lambda: connection.engine.state is TlsState.WAIT_CERT)
        # as if the time for the handshake were over
        server.running.call(stall(connection))
        server.until_open(0)
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        server.connect(never)
    assert "attestation refused: peer=127.0.0.1: The client sent no evidence within 30.1 s;" in caplog.text
    assert server.counted() == {"handshake_failures": 1}


def test_a_client_that_sends_a_byte_now_and_then_has_no_more_time(start: Start) -> None:
    server = start(handshake_seconds=0.2)
    with socket.create_connection(server.address, timeout=PATIENCE) as sock, contextlib.suppress(ConnectionError):
        for byte in HELLO * 100:
            sock.sendall(bytes([byte]))
            if server.counters.get("handshake_failures"):
                break
            threading.Event().wait(0.01)
        else:
            pytest.fail("it was let go on")
    server.until_open(0)


def test_the_time_of_the_judge_is_not_that_of_the_handshake(start: Start, judge: Judge, realm: pathlib.Path) -> None:
    server = start(handshake_seconds=PATIENCE)
    with concurrent.futures.ThreadPoolExecutor(1) as clients:
        answer = clients.submit(server.get, "/v2/", attested(realm))
        assert judge.begun.acquire(timeout=PATIENCE)
        (connection,) = server.attesting.handshakes
        assert connection._clock is None
        # as if nearly all of it had passed before
        connection._time_left = 0.001
        judge.may_go_on.set()
        assert answer.result(PATIENCE).status == 200
    assert not server.attesting.handshakes


def test_a_judge_that_takes_too_long(
    start: Start, judge: Judge, realm: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(attestation_seconds=1)
    assert server.alert(attested(realm)) == "internal_error"
    server.until_open(0)
    assert "appraisal took longer than 1 s;" in caplog.text
    judge.may_go_on.set()
    # a verdict after the time limit admits no client
    server.until(lambda: server.counters.get("attestation_sum") > 0)
    assert server.counted() == {"failed": 1}
    # the next one may take its time
    server.attesting._judge_pool._seconds = PATIENCE
    assert server.get("/v2/", attested(realm)).status == 200


def test_a_client_that_goes_away_while_it_is_judged(start: Start, judge: Judge, realm: pathlib.Path) -> None:
    server = start(at_once=1)
    connection = server.connect(attested(realm))
    assert judge.begun.acquire(timeout=PATIENCE)
    connection.sendall(b"GET /v2/ HTTP/1.1\r\n")
    connection.close()
    server.until_open(0)
    assert server.counted() == {"handshake_failures": 1}
    # the thread is still at it: another client waits
    with concurrent.futures.ThreadPoolExecutor(1) as clients:
        answer = clients.submit(server.get, "/v2/", attested(realm))
        assert not judge.begun.acquire(timeout=0.2)
        judge.may_go_on.set()
        assert answer.result(PATIENCE).status == 200
    assert server.counted() == {"handshake_failures": 1, "accepted": 1}


def test_refusing_a_client_that_has_disconnected_is_no_error(
    start: Start, judge: Judge, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = start()
    connection = server.connect(attested(make_realm(tmp_path / "other", "--name", "other")))
    assert judge.begun.acquire(timeout=PATIENCE)
    connection.close()
    server.until_open(0)
    judge.may_go_on.set()
    server.until(lambda: server.counters.get("attestation_sum") > 0)
    server.settle()
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_client_that_goes_away_while_it_waits_is_not_judged(start: Start, judge: Judge, realm: pathlib.Path) -> None:
    server = start(at_once=1)
    with contextlib.closing(server.connect(attested(realm))) as first:
        assert judge.begun.acquire(timeout=PATIENCE)
        server.connect(attested(realm)).close()
        server.until_open(1)
        judge.may_go_on.set()
        first.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
        assert first.recv(100).startswith(b"HTTP/1.0 200")
    assert not judge.begun.acquire(timeout=0)
    assert server.counted() == {"handshake_failures": 1, "accepted": 1}


def test_too_many_clients(start: Start, judge: Judge, realm: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    server = start(at_once=1)
    with contextlib.ExitStack() as stack:

        def connect(source: str) -> t.Any:
            return stack.enter_context(contextlib.closing(server.connect(attested(realm), source=source)))

        waiting = [connect("127.0.0.1")]
        assert judge.begun.acquire(timeout=PATIENCE)
        waiting += [connect("127.0.0.1") for dummy in range(16)]
        # more of one address are not waited for
        assert server.alert(attested(realm), source="127.0.0.1") == "internal_error"
        waiting += [connect("127.0.0.2") for dummy in range(16)]
        # nor more of all, but an address that has none yet gets the last place of another
        waiting.append(connect("127.0.0.3"))
        server.until(lambda: server.counted() == {"busy": 2})
        del waiting[16]
        assert caplog.text.count("too many clients wait for attestation") == 1
        judge.may_go_on.set()
        for connection in waiting:
            connection.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.0 200")
    server.until_open(0)
    assert server.counted() == {"busy": 2, "accepted": len(waiting)}


def test_valid_clients_are_served_in_a_crowd_of_invalid_ones(start: Start, judge: Judge, realm: pathlib.Path) -> None:
    server = start()
    judge.may_go_on.set()
    other = make_realm(realm.parent / "other", "--name", "other")
    answers: list[Answer] = [attested(realm), attested(other)] * 100
    together = threading.Barrier(len(answers))

    def client(answer: Answer) -> str:
        together.wait(PATIENCE)
        try:
            return str(server.get("/v2/app/tags/list", answer).status)
        except TlsError as exc:
            return str(exc.fields["alert"])

    with concurrent.futures.ThreadPoolExecutor(len(answers)) as clients:
        found = list(clients.map(client, answers))
    assert found[::2] == ["200"] * 100
    assert collections.Counter(found[1::2]) == {"certificate_unknown": 100}
    server.until_open(0)
    assert server.counted() == {"accepted": 100, "rejected": 100}


def test_a_judge_that_fails_admits_no_client(
    start: Start, judge: Judge, realm: pathlib.Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*dummy: object) -> t.NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(judge, "judge", fail)
    server = start()
    assert server.alert(attested(realm)) == "internal_error"
    assert server.counted() == {"failed": 1}
    assert "a fault in the server (ZeroDivisionError)" in caplog.text


def test_a_slow_reader_is_not_kept_in_memory(start: Start, judge: Judge, realm: pathlib.Path) -> None:
    judge.may_go_on.set()
    server = start()
    with contextlib.closing(server.connect(attested(realm))) as connection:
        connection.sendall(f"GET /v2/app/blobs/{HUGE.digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.recv(1) == b"H"

        async def until_paused() -> int:
            (found,) = server.running.listener._http.connections
            while not found.writing_paused:
                await asyncio.sleep(0.01)
            return int(found.transport.get_write_buffer_size())

        # what the kernel takes is not the server's: all that is read ahead are one piece of the file and one record
        assert server.running.call(asyncio.wait_for(until_paused(), PATIENCE)) < 600_000
        taken = 0
        while taken < HUGE.size:
            taken += len(connection.recv(1_000_000))
    server.until_open(0)


@pytest.mark.parametrize("good", [True, False])
def test_a_closed_connection_is_freed(
    start: Start, judge: Judge, realm: pathlib.Path, monkeypatch: pytest.MonkeyPatch, good: bool
) -> None:
    judge.may_go_on.set()
    server = start()
    made: list[weakref.ref[AttestedConnection]] = []

    class Watched(AttestedConnection):
        def __init__(self, *options: t.Any) -> None:
            super().__init__(*options)
            made.append(weakref.ref(self))

    monkeypatch.setattr(attested_connection, "AttestedConnection", Watched)
    gc.disable()
    try:
        if good:
            assert server.get("/v2/", attested(realm)).status == 200
        else:
            assert server.alert(lambda authorities: None) == "certificate_required"
        server.until(lambda: made[0]() is None)
    finally:
        gc.enable()


def test_closing_cuts_handshakes(start: Start) -> None:
    server = start()
    with socket.create_connection(server.address, timeout=PATIENCE) as sock:
        sock.sendall(HELLO)
        assert sock.recv(1) == b"\x16"
        server.running.close_listener()
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(65536):
                pass
    server.until_open(0)


def test_closing_cuts_clients_that_are_judged(start: Start, judge: Judge, realm: pathlib.Path) -> None:
    server = start()
    with contextlib.closing(server.connect(attested(realm))) as connection:
        assert judge.begun.acquire(timeout=PATIENCE)
        server.running.close_listener()
        with pytest.raises((TlsError, ConnectionError)):
            connection.recv(1)
    server.until_open(0)


def test_repeated_refusals_are_logged_below_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "attested.registry")
    now = 0.0
    log = AttestationLog(lambda: now)
    error = TlsError("It is wrong.", token="a b\n", alert=None)
    for dummy in range(30):
        log.refused("192.0.2.1", error)
    now = 10.0
    log.refused(None, error)
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING] * 10 + [logging.INFO] * 20 + [logging.WARNING]
    first, *dummy, last = (record.getMessage() for record in caplog.records)
    assert first == "attestation refused: peer=192.0.2.1 kind=tls alert=internal_error token=a_b\\n: It is wrong."
    assert last.startswith("attestation refused: peer=- kind=tls")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (alert_received(Alert.DECODE_ERROR, TlsState.WAIT_CERT), True),
        (alert_received(Alert.DECODE_ERROR, TlsState.WAIT_CH), False),
        (alert_received(Alert.DECODE_ERROR, TlsState.WAIT_CV), False),
        (alert_received(Alert.UNKNOWN_CA, TlsState.WAIT_CERT), False),
        (DecodeError("The other end sent a malformed ClientHello."), False),
    ],
)
def test_only_a_client_that_cannot_read_the_challenge_is_said_to_have_openssl(
    error: TlsError, hint: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "attested.registry")
    AttestationLog().handshake_failed("192.0.2.1", error)
    assert ("cannot read the challenge" in caplog.text) is hint


def test_a_judge_for_whom_there_is_no_thread_gives_its_place_back(
    start: Start, judge: Judge, realm: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge.may_go_on.set()
    server = start(at_once=1)

    def fail(thread: threading.Thread) -> t.NoReturn:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        # in this thread, so that no other one is needed
        assert server.alert(attested(realm)) == "internal_error"
    assert server.get("/v2/", attested(realm)).status == 200
    assert server.counted() == {"failed": 1, "accepted": 1}
