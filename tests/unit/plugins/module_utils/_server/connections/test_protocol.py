# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each request writes one line to the access log; connections without progress are cut."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import pathlib
import random
import re
import socket
import typing as t

import bcrypt
import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.access.htpasswd import PasswordFile
from ansible_collections.attested.registry.plugins.module_utils._server.access.passwords import Passwords
from ansible_collections.attested.registry.plugins.module_utils._server.api import app
from ansible_collections.attested.registry.plugins.module_utils._server.connections.pace import Delivery, Progress
from ansible_collections.attested.registry.plugins.module_utils._server.connections.protocol import plain_address
from ansible_collections.attested.registry.plugins.module_utils._server.libraries import web
from ansible_collections.attested.registry.tests.support.images import images

from ..conftest import Certificate, RunningServer, Serve

IMAGE = images.image([images.layer([images.file("a", b"1")])])


@pytest.fixture
def server(tmp_path: pathlib.Path, serve: Serve, caplog: pytest.LogCaptureFixture) -> RunningServer:
    caplog.set_level(logging.INFO, "attested.registry.access")
    images.write_layout(tmp_path / "app", {"1.0": IMAGE})
    return serve(tmp_path)


def lines(server: RunningServer, caplog: pytest.LogCaptureFixture) -> list[str]:
    server.close_listener()
    return [record.getMessage() for record in caplog.records if record.name == "attested.registry.access"]


def test_one_line_a_request(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    server.get("/v2/app/manifests/1.0", User_Agent="skopeo/1.9")
    server.get("/v2/app/manifests/1.0", method="HEAD")
    server.get("/v2/app/manifests/1.0", If_None_Match="*")
    server.get("/v2/app/manifests/1.0", Range="bytes=0-9")
    missing = server.get("/v2/other/manifests/1.0")
    malformed = server.raw(b"nonsense\r\n\r\n").partition(b"\r\n\r\n")[2]
    assert b"The request is not valid HTTP/1.1; check the request line" in malformed
    found = [re.sub(r" \d+\.\d\d\d ", " TIME ", line) for line in lines(server, caplog)]
    assert found == [
        f'127.0.0.1 - GET /v2/app/manifests/1.0 200 {IMAGE.size} TIME "skopeo/1.9"',
        '127.0.0.1 - HEAD /v2/app/manifests/1.0 200 0 TIME "-"',
        '127.0.0.1 - GET /v2/app/manifests/1.0 304 0 TIME "-"',
        '127.0.0.1 - GET /v2/app/manifests/1.0 206 10 TIME "-"',
        f'127.0.0.1 - GET /v2/other/manifests/1.0 404 {len(missing.body)} TIME "-"',
        f'127.0.0.1 - UNKNOWN / 400 {len(malformed)} TIME "-"',
    ]


@pytest.mark.parametrize(
    ("target", "agent", "shown"),
    [
        (b"/v2/a\\nb", b"x", r"/v2/a\\nb 404"),
        (b"/v2/", b'a" 200 1 "b', r'"a\" 200 1 \"b"'),
        (b"/v2/", b"back\\slash", r'"back\\slash"'),
        (b"/v2/", b"a\ttab", r'"a\ttab"'),
        (b"/v2/", b"\xff\xfe", r'"\udcff\udcfe"'),
        (b"/v2/" + b"a" * 2000, b"x", "a..."),
    ],
)
def test_nothing_that_a_client_sends_can_forge_a_line(
    server: RunningServer, caplog: pytest.LogCaptureFixture, target: bytes, agent: bytes, shown: str
) -> None:
    server.raw(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: " + agent + b"\r\nConnection: close\r\n\r\n")
    (line,) = lines(server, caplog)
    assert line.isprintable()
    assert shown in line
    assert len(line.split(" ")[3]) <= 600


def test_an_internal_error_is_status_500_without_details(
    server: RunningServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*dummy: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(app, "find_repository", fail)
    answer = server.get("/v2/app/tags/list")
    assert (answer.status, answer.headers["content-type"]) == (500, "application/json")
    assert b"secret" not in answer.body
    monkeypatch.undo()
    assert server.get("/v2/app/tags/list").status == 200
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error.exc_info is not None
    assert "/v2/app/tags/list" in error.getMessage()


def test_a_server_that_others_take_over_from_answers_once_more(server: RunningServer) -> None:
    with contextlib.closing(server.connect()) as connection:
        connection.request("GET", "/v2/")
        first = connection.getresponse()
        assert (first.read(), first.getheader("Connection")) == (b"{}", None)
        server.loop.call_soon_threadsafe(server.listener._http.retire)
        connection.request("GET", "/v2/app/manifests/1.0")
        last = connection.getresponse()
        assert (last.read(), last.getheader("Connection")) == (IMAGE.data, "close")


def test_the_user_of_a_request_is_shown(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    stored = bcrypt.hashpw(b"secret", bcrypt.gensalt(4))
    http = server.listener._http
    http._passwords = Passwords(PasswordFile({"joe smith": stored}), realm="here")
    for password in ("secret", "wrong"):
        value = base64.b64encode(f"joe smith:{password}".encode()).decode()
        server.get("/v2/", Authorization=f"Basic {value}")
    found = [line.split(" ")[1] for line in lines(server, caplog)]
    assert found == ["joe\\x20smith", "-"]


NOISE = images.image([images.layer([images.file("noise", random.Random(1).randbytes(60_000))])])


@contextlib.contextmanager
def taking_nothing(server: RunningServer) -> t.Iterator[t.Any]:
    """The connection of a client that takes nothing of its only answer, which does not wait for that."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(server.address)

        async def found() -> t.Any:
            while not server.listener._http.connections:
                await asyncio.sleep(0.01)
            (connection,) = server.listener._http.connections
            connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            return connection

        connection = server.call(asyncio.wait_for(found(), 30))
        sock.sendall(f"GET /v2/noise/blobs/{NOISE.layers[0].digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

        async def until_answered() -> None:
            while not connection._used or connection._busy:
                await asyncio.sleep(0.01)
            assert connection.transport.get_write_buffer_size()

        server.call(asyncio.wait_for(until_answered(), 30))
        yield connection


def until_gone(server: RunningServer) -> None:
    async def wait() -> None:
        while server.listener._http.connections:
            await asyncio.sleep(0.01)

    server.call(asyncio.wait_for(wait(), 30))


@pytest.fixture
def noise(tmp_path: pathlib.Path, serve: Serve) -> RunningServer:
    images.write_layout(tmp_path / "noise", {"1.0": NOISE})
    return serve(tmp_path)


def test_closing_a_connection_does_not_wait_for_its_client(noise: RunningServer) -> None:
    http = noise.listener._http
    with taking_nothing(noise) as connection:

        async def close_and_look() -> None:
            # as aiohttp does it when the connection was idle for too long, and the server when others take over
            connection.force_close()
            now = asyncio.get_running_loop().time()
            for later in (0, http.limits.stall_seconds - 1):
                connection.check(now + later)
            assert http.connections
            connection.check(now + http.limits.stall_seconds)

        noise.call(close_and_look())
        until_gone(noise)
    assert http.counters.get("cut", "slow") == 1


def test_a_stopping_server_cuts_clients_that_read_nothing(noise: RunningServer) -> None:
    with taking_nothing(noise):
        noise.call(noise.listener.close(0.1))
        until_gone(noise)
    assert noise.listener._http.counters.get("cut", "drain") == 1


@pytest.mark.parametrize("closed", [1, 2], ids=["closed once", "closed twice"])
@pytest.mark.parametrize("request_", [b"", b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"])
def test_a_client_that_does_not_end_tls_is_not_waited_for(
    tmp_path: pathlib.Path, serve: Serve, certificate: Certificate, request_: bytes, closed: int
) -> None:
    server = serve(tmp_path, certificate)
    http = server.listener._http

    async def close_and_look() -> None:
        while not http.connections or (request_ and not http.connections[0]._used):
            await asyncio.sleep(0.01)
        (connection,) = http.connections
        transport = connection.transport
        for dummy in range(closed):
            transport.close()
        now = asyncio.get_running_loop().time()
        # the kernel may have some of it under way at the first
        for later in (0, 1, 5):
            assert http.connections
            connection.check(now + later)
            await asyncio.sleep(0.1)

    sock = socket.create_connection(server.address, timeout=30)
    # what comes it does not read, and so does not answer
    with certificate.trust().wrap_socket(sock, server_hostname="127.0.0.1") as wrapped:
        wrapped.sendall(request_)
        server.call(asyncio.wait_for(close_and_look(), 30))
        until_gone(server)


def test_a_connection_without_socket_does_not_stop_the_checks_of_others(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    http = server.listener._http

    async def look() -> None:
        while not http.connections:
            await asyncio.sleep(0.01)
        (connection,) = http.connections
        with monkeypatch.context() as patch:
            # as the socket of a transport is between its end and connection_lost
            patch.setattr(connection, "_socket", gone)
            patch.setattr(connection, "_busy", True)
            http.check()
            patch.setattr(connection, "_busy", False)
            patch.setattr(type(connection), "check", lambda *dummy: 1 / 0)
            http.check()
            assert "checking a connection failed" in caplog.text
        with monkeypatch.context() as patch:
            patch.setattr(connection, "_socket", gone)
            connection.cut("head")

    gone = socket.socket()
    gone.close()
    with socket.create_connection(server.address, timeout=30) as sock:
        sock.sendall(b"GET /v2/ HTTP/1.1\r\n")
        server.call(asyncio.wait_for(look(), 30))
        until_gone(server)


@pytest.mark.parametrize("read", [True, False], ids=["reading", "held back"])
def test_a_request_that_makes_no_progress_is_cut_whatever_the_cause(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, read: bool
) -> None:
    http = server.listener._http

    async def hang(*dummy: object, **options: object) -> t.Any:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(server.application, "handle", hang)

    async def look() -> None:
        while not (http.connections and http.connections[0]._busy):
            await asyncio.sleep(0.01)
        (connection,) = http.connections
        if not read:
            connection.transport.pause_reading()
        begin = connection._progress._since
        connection.check(begin + http.limits.stall_seconds - 1)
        assert http.counters.get("cut", "stuck") == 0
        connection.check(begin + http.limits.stall_seconds + 1)
        connection.check(begin + http.limits.stall_seconds + 2)

    with socket.create_connection(server.address, timeout=30) as sock:
        sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        server.call(asyncio.wait_for(look(), 30))
        until_gone(server)
    assert http.counters.get("cut", "stuck") == 1
    assert "aborting the connection of 127.0.0.1: no byte of the response was sent in" in caplog.text


def test_a_client_that_reads_steadily_gets_a_long_answer(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = server.listener._http
    size, part = 4_000_000, 400_000

    async def answer(*dummy: object, **options: object) -> web.Response:
        return web.Response(body=b"x" * size)

    monkeypatch.setattr(server.application, "handle", answer)

    async def narrow() -> None:
        while not http.connections:
            await asyncio.sleep(0.01)
        sock = http.connections[0].transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    async def look(later: float) -> None:
        # each time half of stall_seconds after the last
        for connection in http.connections:
            connection.check(asyncio.get_running_loop().time() + later)

    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(30)
        sock.connect(server.address)
        server.call(asyncio.wait_for(narrow(), 30))
        sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        with sock.makefile("rb") as stream:
            while stream.readline() != b"\r\n":
                pass
            for count in range(size // part):
                assert stream.read(part) == b"x" * part
                server.call(look(count * http.limits.stall_seconds / 2))
    assert http.counters.get("cut", "stuck") == 0


def test_an_answer_makes_progress_while_the_client_reads() -> None:
    progress = Progress(seconds=10)
    assert not progress.is_stuck(None, 100, begun=False)
    progress.begin(100)
    assert not progress.is_stuck(Delivery(0, 0), 109, begun=False)
    assert progress.is_stuck(Delivery(0, 0), 110, begun=False)
    # whether the client is too slow is another question
    assert not progress.is_stuck(Delivery(5, 1), 110, begun=True)
    assert not progress.is_stuck(Delivery(6, 0), 121, begun=True)
    assert progress.is_stuck(Delivery(6, 0), 131, begun=True)
    # the kernel does not tell about a unix socket
    progress.begin(200)
    assert not progress.is_stuck(None, 300, begun=True)


def test_addresses_are_shown_in_plain_form() -> None:
    assert plain_address("::ffff:192.0.2.1") == "192.0.2.1"
    assert plain_address("fe80::1%eth0") == "fe80::1"
    assert plain_address("::ffff:1") == "::ffff:1"
