# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any request and any bytes get well-formed HTTP (RFC 9112) or the end of the connection, and no internal error."""

from __future__ import annotations

import contextlib
import re
import socket
import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import RunningServer

LARGE = images.layer([images.file("a", b"1" * 100_000)], compression="none")
IMAGE = images.image([LARGE])
BLOBS = IMAGE.blobs()
STATUSES = {200, 206, 304, 400, 401, 404, 405, 412, 416, 431, 505}
# five bytes, and an empty body in chunks
BODY = b"0\r\n\r\n"

tokens = st.text("!#$%&'*+-.^_`|~0123456789abcXYZ", min_size=1, max_size=8).map(str.encode)
methods = st.sampled_from([b"GET", b"GET", b"GET", b"HEAD", b"HEAD", b"PUT", b"OPTIONS", b"TRACE", b"CONNECT"])
pieces = st.sampled_from(
    [
        "/",
        "/v2",
        "/v2/",
        "app",
        "manifests",
        "blobs",
        "tags/list",
        "referrers",
        "_catalog",
        "..",
        "%2f",
        "%00",
        "?n=1",
        "&",
        "#",
    ]
)
known = st.sampled_from(
    [
        "/v2/",
        "/v2/_catalog?n=1",
        "/v2/app/tags/list",
        "/v2/app/manifests/1",
        f"/v2/app/blobs/{LARGE.digest}",
        f"/v2/app/blobs/{IMAGE.config.digest}",
        f"/v2/app/referrers/{IMAGE.digest}?artifactType=a",
        "http://x/v2/app/manifests/1",
    ]
)
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)
hosts = st.lists(
    st.sampled_from(["x", ":", "aa", "80", "99999", "[", "]", "::1", "@", "%", "xn--", ".", "*", "?", "#", "v1."]),
    max_size=5,
).map("".join)
urls = st.tuples(st.sampled_from(["http://", "https://", "//", "ftp://", ""]), hosts, pieces).map("".join)
targets = (known | urls | st.lists(pieces | visible, min_size=1, max_size=8).map("".join)).map(str.encode)
words = st.sampled_from(
    ["bytes=", "0-0", "5-1", "-1", "1-", ",", ";", "=", "*", "W/", '"x"', "close", "keep-alive", "upgrade", "h2c"]
    + ["websocket", "chunked", "5", "0", "-5", "gzip", "Basic", "abc", "100-continue"]
)
phrases = st.lists(words, max_size=6).map("".join).map(str.encode)
values = phrases | phrases | phrases | st.binary(max_size=30)
names = tokens | st.sampled_from(
    ["Host", "Range", "If-Range", "If-None-Match", "If-Match", "Authorization", "Content-Length", "Transfer-Encoding"]
    + ["Connection", "Upgrade", "Expect", "Accept", "Cookie", "TE", "Trailer", "Via", "X-Forwarded-For"]
    + ["X-Accel-Redirect", "Content-Encoding", "Sec-WebSocket-Key"]
).map(str.encode)
fields = st.tuples(names, values.map(lambda value: re.sub(rb"[\r\n\0]", b"", value)))
number = st.sampled_from(["", "0", "1", "5", "99", "100", "99999", "999999"])
ranges = st.lists(st.tuples(number, number).map("-".join), min_size=1, max_size=4)
tags = st.sampled_from(["*", f'"{LARGE.digest}"', f'W/"{IMAGE.digest}"', IMAGE.digest, "x"])
useful = st.tuples(st.just(b"Range"), ranges.map(lambda specs: f"bytes={','.join(specs)}".encode())) | st.tuples(
    st.sampled_from([b"If-Range", b"If-None-Match", b"If-Match"]),
    st.lists(tags, max_size=2).map(",".join).map(str.encode),
)
versions = st.sampled_from([b"HTTP/1.1"] * 9 + [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"RTSP/1.0"])
heads = st.tuples(methods, targets, versions, st.lists(useful | fields, max_size=3))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[RunningServer]:
    root = tmp_path_factory.mktemp("root")
    images.write_layout(root / "app", {"1": IMAGE})
    with contextlib.closing(RunningServer(root, None, None)) as server:
        yield server


def written(method: bytes, target: bytes, version: bytes, extra: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"%b %b %b" % (method, target, version), b"Host: x"]
    lines += [name + b": " + value for name, value in extra]
    head = b"\r\n".join([*lines, b"Connection: close", b"", b""])
    # a body that is announced is waited for; what else would follow would be the next request, and no HTTP
    has_body = any(name.lower() in (b"content-length", b"transfer-encoding") for name, dummy in extra)
    return head + BODY if has_body else head


def check(answer: bytes, *, is_head: bool) -> None:
    """Checks that these bytes are one whole answer."""
    head, end, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("ascii").split("\r\n")
    assert end
    match = re.fullmatch(r"HTTP/([0-9.]+) ([0-9]{3}) [A-Za-z -]+", status_line)
    assert match
    status = int(match[2])
    assert status in STATUSES
    # other versions are refused in their own name
    assert match[1] in ("1.0", "1.1") or status == 505
    assert all(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [ -~]+", line) for line in lines)
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert len(headers) == len(lines)
    if status == 304 or (is_head and not body):
        assert not body
        return
    assert headers["content-length"] == str(len(body))
    # what could not be read as HEAD is answered with a body
    assert not is_head or status == 400
    assert status < 400 or body.startswith(b'{"errors": [{"code": "')
    if "docker-content-digest" in headers:
        check_content(BLOBS[headers["docker-content-digest"]], headers, body)


def check_content(data: bytes, headers: dict[str, str], body: bytes) -> None:
    """Checks that these are the bytes that they are said to be."""
    boundary = headers["content-type"].partition("boundary=")[2].encode()
    if boundary:
        first, *parts, last = body.split(b"--" + boundary)
        assert (first, last) == (b"", b"--\r\n")
        for part in parts:
            assert part.startswith(b"\r\n")
            assert part.endswith(b"\r\n")
            head, dummy, piece = part[2:-2].partition(b"\r\n\r\n")
            check_range(data, head.decode().rpartition("Content-Range: ")[2], piece)
    elif "content-range" in headers:
        check_range(data, headers["content-range"], body)
    else:
        assert body == data


def check_range(data: bytes, content_range: str, piece: bytes) -> None:
    match = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)", content_range)
    assert match
    first, last, size = map(int, match.groups())
    assert (piece, size) == (data[first : last + 1], len(data))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(heads)
def test_any_head(server: RunningServer, head: tuple[bytes, bytes, bytes, list[tuple[bytes, bytes]]]) -> None:
    answer = server.raw(written(*head))
    check(answer, is_head=head[0] == b"HEAD")
    assert server.get("/v2/").status == 200


@settings(max_examples=100, deadline=None)
@given(
    targets,
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0"]),
    st.lists((useful | fields).filter(lambda field: field[0].lower() != b"range"), max_size=3),
)
def test_head_says_what_get_says(
    server: RunningServer, target: bytes, version: bytes, extra: list[tuple[bytes, bytes]]
) -> None:
    get, head = (server.raw(written(method, target, version, extra)) for method in (b"GET", b"HEAD"))
    first, second = (
        [line for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n") if not line.startswith(b"Date: ")]
        for answer in (get, head)
    )
    assert first == second


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_bytes(server: RunningServer, data: st.DataObject) -> None:
    request = data.draw(st.binary(max_size=200) | heads.map(lambda head: written(*head)))
    position = data.draw(st.integers(0, len(request)))
    request = request[:position] + data.draw(st.binary(max_size=3)) + request[position + data.draw(st.integers(0, 3)) :]
    with socket.create_connection(server.address, timeout=30) as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        try:
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        except ConnectionResetError:
            answer = b""
    for status in re.findall(rb"HTTP/[0-9.]+ ([0-9]{3}) ", answer):
        assert int(status) in STATUSES
    assert not answer or answer.startswith(b"HTTP/")
    assert server.get("/v2/").status == 200
