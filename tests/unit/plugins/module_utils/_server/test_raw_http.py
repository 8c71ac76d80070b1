# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Malformed, ambiguous and outdated requests (RFC 9112) are refused, and nothing after them is read as a request."""

from __future__ import annotations

import asyncio
import json
import logging
import pathlib
import socket
import threading
import typing as t

import pytest
from aiohttp import web
from ansible_collections.attested.registry.tests.support.images import images

from .conftest import RunningServer, Serve

LARGE = images.layer([images.file("large", bytes(100_000))], compression="none")
IMAGE = images.image([images.layer([images.file("a", b"1")]), LARGE])


@pytest.fixture
def server(tmp_path: pathlib.Path, serve: Serve) -> RunningServer:
    images.write_layout(tmp_path / "app", {"1.0": IMAGE})
    return serve(tmp_path)


def _refused(answer: bytes, status: int) -> None:
    head, dummy, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    # what cannot be read is answered as HTTP/1.0, where connections end anyway
    assert lines[0].startswith(f"HTTP/1.0 {status} ") or "Connection: close" in lines
    assert lines[0].split(" ")[1] == str(status)
    assert "Content-Type: application/json" in lines
    assert f"Content-Length: {len(body)}" in lines
    assert [sorted(error) for error in json.loads(body)["errors"]] == [["code", "message"]]


LAST = b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"FOO /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
        b"GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 90_000 + b"\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_requests_other_than_http_are_refused(server: RunningServer, request_: bytes) -> None:
    _refused(server.raw(request_), 400)
    assert server.get("/v2/").status == 200


def test_a_long_head(server: RunningServer) -> None:
    line = b"X-Long: " + b"a" * 5000 + b"\r\n"
    head = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n"
    assert server.raw(head + line * 3 + LAST).startswith(b"HTTP/1.1 200 ")
    _refused(server.raw(head + line * 4 + LAST), 431)
    _refused(server.raw(head + b"X: " + b"a" * 17_000 + b"\r\n\r\n"), 431)
    # a Range header does not count
    ranges = b"Range: bytes=" + b",".join([b"0-0"] * 16_000) + b"\r\n"
    assert server.raw(head + line * 3 + ranges + LAST).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_bodies(server: RunningServer, method: bytes) -> None:
    head = method + b" /v2/app/manifests/1.0 HTTP/1.1\r\nHost: x\r\n"
    assert server.raw(head + b"Content-Length: 0\r\n" + LAST).startswith(b"HTTP/1.1 200 ")
    for body in (b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"):
        answer = server.raw(head + body)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"Connection: close" in answer


def test_a_body_is_not_waited_for(server: RunningServer) -> None:
    head = b"PUT /v2/app/manifests/1.0 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    _refused(server.raw(head), 405)


def test_a_second_request_in_a_body_is_not_answered(server: RunningServer) -> None:
    inner = b"GET /v2/app/tags/list HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(inner)
    answer = server.raw(head + inner)
    assert answer.count(b"HTTP/1.1 ") == 1
    _refused(answer, 405)


def test_pipelined_requests(server: RunningServer) -> None:
    manifest = b"GET /v2/app/manifests/1.0 HTTP/1.1\r\nHost: x\r\n"
    layer = f"GET /v2/app/blobs/{IMAGE.layers[0].digest} HTTP/1.1\r\nHost: x\r\n".encode()
    answer = server.raw(manifest + b"\r\n" + layer + b"\r\n" + manifest + LAST)
    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert answer.index(IMAGE.data) < answer.index(IMAGE.layers[0].data) < answer.rindex(IMAGE.data)


def test_http_1_0(server: RunningServer) -> None:
    answer = server.raw(b"GET /v2/app/manifests/1.0 HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 200 ")
    assert answer.endswith(b"\r\n\r\n" + IMAGE.data)


def test_absolute_form(server: RunningServer) -> None:
    answer = server.raw(b"GET http://registry.example/v2/app/manifests/1.0 HTTP/1.1\r\nHost: x\r\n" + LAST)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(IMAGE.data)


@pytest.mark.parametrize(
    "request_",
    [
        *(
            b"GET " + scheme + host + b"/v2/ HTTP/1.1\r\nHost: x\r\n" + LAST
            for scheme in (b"http://", b"HTTPS://")
            for host in (b"x:aa", b"x:65536", b"x:-1", b"", b":80", b"[::1", b"[::1]:x", b"[::g]", b"[v1.x]", b"u:p@x")
        ),
        b"GET http://[/v2/ HTTP/1.1\r\nHost: x\r\n" + LAST,
        b"GET http://xn--a/v2/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n" + LAST,
        *(
            b"CONNECT " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n"
            for target in (
                b"x:aa",
                b"x:99999",
                b"[::1",
                b"[::1]:5",
                b"xn--",
                b"a..b",
                b"*",
                b"a" * 300,
                b"u:p@h:1",
                b":",
            )
        ),
        b"CONNECT x:aa HTTP/1.1\r\nHost: x\r\n\r\nzz\r\n",
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n\0\1",
    ],
)
def test_targets_that_are_no_url(server: RunningServer, request_: bytes, caplog: pytest.LogCaptureFixture) -> None:
    _refused(server.raw(request_), 400)
    server.close_listener()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_connect_without_a_target(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    answer = server.raw(b"CONNECT  HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.split(b" ")[1] in (b"400", b"505")
    server.close_listener()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("tail", [b"zz\r\n", b"\0\1\2", b"GET http://x:aa/ HTTP/1.1\r\n" + LAST])
@pytest.mark.parametrize("protocol", [b"websocket", b"foo"])
def test_bytes_after_an_upgrade_request_do_not_prevent_the_answer(
    server: RunningServer, protocol: bytes, tail: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n"
    assert server.raw(head + tail).startswith(b"HTTP/1.1 200 ")
    server.close_listener()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_malformed_body_is_logged_as_no_error(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    head = b"PUT /v2/app/manifests/1.0 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(server.address, timeout=30) as sock:
        sock.sendall(head)
        answer = sock.recv(65536)
        sock.sendall(b"no chunk\r\n" * 3)
        answer += b"".join(iter(lambda: sock.recv(65536), b""))
    _refused(answer, 405)
    server.close_listener()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_any_exception_of_the_parser_is_status_400(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*dummy: object) -> None:
        raise ValueError("no URL")

    monkeypatch.setattr(web.RequestHandler, "data_received", fail)
    _refused(server.raw(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"), 400)
    server.close_listener()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "target",
    [b"/v2/app/../../../../etc/passwd", b"/v2/app/blobs/../../index.json", b"//v2/", b"/v2/\xc3\xa9/tags/list", b"*"],
)
def test_odd_targets(server: RunningServer, target: bytes) -> None:
    answer = server.raw(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n" + LAST)
    assert answer.split(b" ")[1] in (b"400", b"404")
    assert b'{"errors": [' in answer
    assert b"root:" not in answer


def test_upgrades_are_declined(server: RunningServer) -> None:
    head = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
    assert server.raw(head + b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_http_2_is_not_spoken(server: RunningServer) -> None:
    _refused(server.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400)


@pytest.mark.parametrize("version", [b"", b" HTTP/2.0"])
def test_versions_that_are_not_spoken(server: RunningServer, version: bytes) -> None:
    answer = server.raw(b"GET /v2/" + version + b"\r\n\r\n")
    assert answer.split(b" ")[1] == b"505"


def test_a_body_is_not_decoded(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    head = b"PUT /v2/app/manifests/1.0 HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n"
    _refused(server.raw(head + b"abc"), 405)
    server.close_listener()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("hosts", [b"", b"Host: x\r\nHost: x\r\n"])
def test_a_request_has_one_host(server: RunningServer, hosts: bytes) -> None:
    assert server.raw(b"GET /v2/ HTTP/1.1\r\n" + hosts + LAST).split(b" ")[1] == b"400"


INNER = b"GET /v2/app/tags/list HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \r\n\r\n", b"400"),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", b"400"),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", b"200"),
        (b"GET /v2/app/blobs/LARGE HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", b"200"),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"CONNECT /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
    ],
)
def test_nothing_is_read_after_what_may_be_no_head(server: RunningServer, head: bytes, status: bytes) -> None:
    answer = server.raw(head.replace(b"LARGE", LARGE.digest.encode()) + INNER)
    assert answer.split(b" ")[1] == status
    assert answer.count(b"Docker-Distribution-API-Version") == 1
    assert b"Connection: close" in answer or answer.startswith(b"HTTP/1.0 ")


@pytest.mark.parametrize(
    "target", [b"/%762/app/manifests/1.0", b"/v2/app/m%61nifests/1.0", b"http://h/%762/app/tags/list"]
)
def test_no_other_spelling_gets_around_the_methods(server: RunningServer, target: bytes) -> None:
    answer = server.raw(b"DELETE " + target + b" HTTP/1.1\r\nHost: x\r\n" + LAST)
    assert answer.split(b" ")[1] == b"405"


@pytest.mark.parametrize(
    "piece",
    [b"X: " + b"a" * 1000 + b"\r\n", b"a: b\r\n" * 100, b"\r\n" * 500],
    ids=["headers", "short headers", "blank lines"],
)
def test_a_head_without_end_is_not_kept(server: RunningServer, piece: bytes) -> None:
    start = b"" if piece.startswith(b"\r\n") else b"GET /v2/ HTTP/1.1\r\nHost: x\r\n"
    with socket.create_connection(server.address, timeout=30) as sock, pytest.raises(ConnectionError):
        sock.sendall(start + piece * 20_000)


def test_requests_are_not_read_far_ahead_of_their_answers(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def event() -> asyncio.Event:
        # Python 3.9 makes it for the loop that runs
        return asyncio.Event()

    wait, most = server.call(event()), 0
    answer = server.application.handle

    async def handle(request: web.BaseRequest, **options: t.Any) -> web.StreamResponse:
        nonlocal most
        await wait.wait()
        most = max(most, len(request.protocol._messages))
        return await answer(request, **options)

    async def go_on() -> None:
        wait.set()

    monkeypatch.setattr(server.application, "handle", handle)
    number, head = 20_000, b"HEAD /v2/ HTTP/1.1\r\nHost: x\r\n"
    with socket.create_connection(server.address, timeout=30) as sock:
        sender = threading.Thread(target=sock.sendall, args=((head + b"\r\n") * number + head + LAST,))
        sender.start()
        server.call(go_on())
        found = b"".join(iter(lambda: sock.recv(65536), b""))
        sender.join()
    assert found.count(b"HTTP/1.1 200 OK\r\n") == number + 1
    # what comes in at once is not taken apart again
    assert most < 2 * 262_144 // len(head)
