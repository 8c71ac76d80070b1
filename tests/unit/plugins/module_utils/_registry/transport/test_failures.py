# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Failures of DNS, TCP, TLS and HTTP become errors of one kind each, with a remedy and without secrets."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import threading
import tracemalloc

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    ConnectionFailed,
    Operation,
    ProtocolBroken,
    RegistryError,
    TimedOut,
    TlsFailed,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import RetryPolicy, Timeouts
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.failures import translate
from ansible_collections.attested.registry.plugins.module_utils._registry.url import Origin
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply

ONCE = RetryPolicy(retries=0)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nothing_listens(connect, world) -> None:
    with pytest.raises(ConnectionFailed, match="nothing listens at 127.0.0.1:.*connection refused") as raised:
        connect(f"127.0.0.1:{unused_port()}").ping()
    assert raised.value.kind == "connection"
    assert world.pauses == []


def test_a_name_that_does_not_exist(connect, monkeypatch) -> None:
    def fail(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConnectionFailed, match="the name nowhere.invalid cannot be resolved"):
        connect("nowhere.invalid").ping()


def test_dns_that_is_busy_is_asked_again(connect, monkeypatch, world) -> None:
    def fail(*args, **kwargs):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConnectionFailed, match="Temporary failure"):
        connect("nowhere.invalid").ping()
    assert len(world.pauses) == 4


def test_no_connection_in_time(connect) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for dummy in range(4):  # until the backlog is full and connecting hangs
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        with pytest.raises(TimedOut, match="did not answer in time.*connect_timeout"):
            connect(f"127.0.0.1:{listener.getsockname()[1]}", timeouts=Timeouts(connect=0.1), retry=ONCE).ping()
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", ConnectionFailed),
        (b"hello\r\n\r\n", ProtocolBroken),
        (b"HTTP/1.1 abc Status\r\n\r\n", ProtocolBroken),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", ProtocolBroken),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000 + b"\r\n\r\n", ProtocolBroken),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 60000, ProtocolBroken),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nHELLO!", ProtocolBroken),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nHELLO!", ProtocolBroken),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\nHELLO!", ProtocolBroken),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n", ProtocolBroken),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", ProtocolBroken),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ConnectionFailed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", ConnectionFailed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 2_000_000, ProtocolBroken),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked \r\n\r\n2\r\n{}\r\n0\r\n\r\n", ProtocolBroken),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 60000, ProtocolBroken),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", ProtocolBroken),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nHELLO!", ConnectionFailed),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", ProtocolBroken),
    ],
)
def test_what_is_not_http(serve, connect, raw, kind) -> None:
    server = serve()
    server.on("", Reply(raw=raw))
    with pytest.raises(kind) as raised:
        connect(server, retry=ONCE).ping()
    assert raised.value.message.startswith(f"Cannot reach the registry {server.name}: ")


def test_content_encoding_identity_is_fine(serve, connect) -> None:
    server = serve()
    server.on("", Reply(headers={"Content-Encoding": "identity"}))
    assert connect(server).ping()


def test_content_length_twice_the_same(serve, connect) -> None:
    server = serve()
    server.on("", Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}"))
    assert connect(server).ping() is None


def test_http_1_0(serve, connect) -> None:
    server = serve()
    server.on("", Reply(raw=b"HTTP/1.0 200 OK\r\n\r\n{}"))
    assert connect(server).ping() is None


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_interim_answers_are_passed_over(serve, connect, status) -> None:
    """Taken for the answer, an interim one would leave the real one to be that of the next request."""
    server = serve()
    final = b"HTTP/1.1 200 OK\r\nDocker-Distribution-API-Version: 9\r\nContent-Length: 2\r\n\r\n{}"
    server.on("", Reply(raw=b"HTTP/1.1 " + status + b"\r\nLink: </x>; rel=preload\r\n\r\n" + final))
    assert connect(server, retry=ONCE).ping() == "9"


@pytest.mark.exhaustive
def test_a_body_in_tiny_pieces_takes_no_more_memory(serve, connect) -> None:
    server = serve()
    size = 100_000
    server.on("", Reply(200, b"x" * size, chunked=2))
    client = connect(server, retry=ONCE)
    client.ping()
    tracemalloc.start()
    try:
        client.ping()
        assert tracemalloc.get_traced_memory()[1] < 10 * size
    finally:
        tracemalloc.stop()


def test_errors_that_say_nothing_are_not_listed(serve, connect) -> None:
    server = serve()
    server.on("", Reply(418, b'{"errors": [{}, {"message": ""}]}', {"Content-Type": "application/json"}))
    with pytest.raises(ProtocolBroken, match="answers 418; check"):
        connect(server).ping()


def test_a_connection_that_the_server_closed_meanwhile(serve, connect) -> None:
    server = serve()
    server.on("", Reply(close=True))
    client = connect(server)
    for dummy in range(3):
        assert client.ping()


def test_unexpected_statuses_are_an_error(serve, connect) -> None:
    server = serve()
    server.on("", Reply(status=418, body=b""))
    with pytest.raises(ProtocolBroken, match="answers 418.*address of a registry"):
        connect(server).ping()


def test_warnings_are_passed_on_once(serve, connect, warnings) -> None:
    server = serve()
    pairs = (("Warning", '299 - "moving\x1b soon"'), ("Warning", "110 - stale"), ("Warning", "299"), ("Warning", ""))
    server.on("", Reply(headers=pairs))
    client = connect(server)
    client.ping()
    client.ping()
    assert warnings == [f"{server.name} warns: moving\\x1b soon"]


# --- translation of what the libraries raise ---

OPERATION = Operation("get it from r", "r")
PLAIN = Origin("http", "r.example", 80)


def said(exc: BaseException) -> RegistryError:
    return translate(exc, OPERATION, PLAIN)


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("exc", "kind", "words"),
    [
        (ssl_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), TlsFailed, "client certificate"),
        (ssl_error("TLSV1_ALERT_UNKNOWN_CA"), TlsFailed, "client certificate"),
        (ssl_error("UNSUPPORTED_PROTOCOL"), TlsFailed, "unsupported protocol"),
        (ssl_error("HTTP_REQUEST"), TlsFailed, "does not use TLS"),
        (ssl.SSLError(1, "?"), TlsFailed, "no reason given"),
        (ssl.SSLEOFError(8, "EOF"), TlsFailed, "closed the TLS connection"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), ConnectionFailed, "Network is unreachable"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), ConnectionFailed, "closed the connection"),
        (BrokenPipeError(errno.EPIPE, "pipe"), ConnectionFailed, "closed the connection"),
        (socket.timeout("timed out"), TimedOut, "did not answer in time"),
        (http.client.BadStatusLine("x"), ProtocolBroken, "BadStatusLine"),
        (http.client.IncompleteRead(b""), ConnectionFailed, "ended early"),
        (ValueError("http://u:hunter2@p"), ConnectionFailed, "ValueError"),
    ],
)
def test_translation(exc: BaseException, kind: type[RegistryError], words: str) -> None:
    for wrapped in (exc, Exception("outer hunter2", exc), _caused_by(exc)):
        error = said(wrapped)
        assert isinstance(error, kind)
        if kind is not ConnectionFailed or "ValueError" not in words:
            assert words in error.message
        assert "hunter2" not in error.message


def _caused_by(exc: BaseException) -> Exception:
    outer = RuntimeError("hunter2")
    outer.__cause__ = exc
    return outer


def test_an_earlier_error_is_not_taken_for_the_cause() -> None:
    earlier = OPERATION.error(TimedOut, "earlier", "x")
    now = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    now.__context__ = earlier
    assert "nothing listens" in said(now).message


def test_circles_of_causes_end() -> None:
    one, two = RuntimeError(), RuntimeError()
    one.__cause__, two.__cause__ = two, one
    assert isinstance(said(one), ConnectionFailed)


def test_many_threads_have_each_their_own_exchange(serve, connect) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server = serve()
    server.on("", Reply(status=200, body=b"{}"))
    client = connect(server)
    gate = threading.Barrier(8)

    def ping(dummy: int) -> None:
        gate.wait()
        for dummy in range(20):
            client.ping()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ping, range(8)))
    assert client.requests == len(server.requests) == 160
