# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Range requests (RFC 9110, 14) return the exact bytes, sent by sendfile on plain sockets and copied over TLS."""

from __future__ import annotations

import email.parser
import email.policy
import pathlib
import random

import pytest
from ansible_collections.attested.registry.tests.support.images import images

from .conftest import Answer, Certificate, RunningServer, Serve

# One that goes out together with its headers, one that is streamed in more than one slice of sendfile
SMALL = images.Content(random.Random(1).randbytes(2048), "text/plain")
LARGE = images.Content(random.Random(2).randbytes(1000) * 20_000, "text/plain")
EMPTY = images.Content(b"", "text/plain")
ARTIFACT = images.artifact("application/vnd.example", [SMALL, LARGE, EMPTY])
CONTENTS = pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])


@pytest.fixture(params=["plain", "tls"])
def server(request: pytest.FixtureRequest, root: pathlib.Path, serve: Serve, certificate: Certificate) -> RunningServer:
    return serve(root, certificate if request.param == "tls" else None)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("root")
    images.write_layout(root / "app", {"1.0": ARTIFACT})
    return root


def get(server: RunningServer, content: images.Content, **headers: str) -> Answer:
    return server.get(f"/v2/app/blobs/{content.digest}", **headers)


@CONTENTS
def test_the_whole(server: RunningServer, content: images.Content) -> None:
    answer = get(server, content)
    assert (answer.status, answer.headers["content-length"]) == (200, str(content.size))
    assert answer.body == content.data
    assert "content-range" not in answer.headers


@CONTENTS
@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=500-1499", 500, 1499),
        ("bytes=500-", 500, -1),
        ("bytes=-500", -500, -1),
        ("bytes=2000-50000000", 2000, -1),
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, -1),
        ("bytes=-1", -1, -1),
        ("bytes=-50000000", 0, -1),
        ("bytes=0-99,50-199", 0, 199),
        ("bytes=0-99,100-199,60000000-", 0, 199),
    ],
)
def test_one_range(server: RunningServer, content: images.Content, header: str, first: int, last: int) -> None:
    first, last = first % content.size, last % content.size
    answer = get(server, content, Range=header)
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{content.size}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["docker-content-digest"] == content.digest
    assert answer.headers["etag"] == f'"{content.digest}"'
    assert answer.body == content.data[first : last + 1]


@CONTENTS
@pytest.mark.parametrize(
    "header", ["bytes=50000000-", "bytes=50000000-60000000", "bytes=-0", "bytes=500-0", "bytes=x", "bytes=-"]
)
def test_no_range_to_give(server: RunningServer, content: images.Content, header: str) -> None:
    answer = get(server, content, Range=header)
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{content.size}"
    assert answer.headers["content-type"] == "application/json"


def test_an_offset_at_the_end_is_not_a_range(server: RunningServer) -> None:
    assert get(server, SMALL, Range=f"bytes={SMALL.size}-").status == 416
    assert get(server, SMALL, Range=f"bytes={SMALL.size - 1}-").body == SMALL.data[-1:]
    assert get(server, EMPTY, Range="bytes=0-").status == 416
    assert get(server, EMPTY).status == 200


@pytest.mark.parametrize("width", [1, 8, 28], ids=["short", "usual", "64 kB"])
def test_1024_ranges(server: RunningServer, width: int) -> None:
    step = LARGE.size // 1024
    asked = [(number * step, number * step + 1) for number in range(1024)]
    header = "bytes=" + ",".join(f"{first:0{width}}-{last:0{width}}" for first, last in asked)
    assert len(header) <= 65536
    answer = get(server, LARGE, Range=header)
    assert answer.status == 206
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode() + answer.body
    )
    found = [part.get_content() for part in message.iter_parts()]
    assert [text[:2] if isinstance(text, bytes) else text.encode()[:2] for text in found] == [
        LARGE.data[first : last + 1] for first, last in asked
    ]


@CONTENTS
@pytest.mark.parametrize(
    "header",
    ["items=0-1", "bytes 0-1", "bytes=" + ",".join(["0-0"] * 1025), "bytes=0-1" + "," * 65536],
    ids=["unit", "no unit", "too many", "too long"],
)
def test_ranges_to_ignore(server: RunningServer, content: images.Content, header: str) -> None:
    answer = get(server, content, Range=header)
    assert (answer.status, answer.body) == (200, content.data)


@CONTENTS
def test_several_ranges(server: RunningServer, content: images.Content) -> None:
    spans = [(1000, 1099), (0, 0), (content.size - 10, content.size - 1)]
    answer = get(server, content, Range="bytes=1000-1099, 0-0, -10, 90000000-")
    assert answer.status == 206
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "content-range" not in answer.headers
    assert answer.headers["docker-content-digest"] == content.digest
    parts = _parts(answer)
    assert [headers["content-range"] for headers, dummy in parts] == [
        f"bytes {first}-{last}/{content.size}" for first, last in spans
    ]
    assert [headers["content-type"] for headers, dummy in parts] == ["application/octet-stream"] * 3
    assert [body for dummy, body in parts] == [content.data[first : last + 1] for first, last in spans]


def test_several_long_ranges(server: RunningServer) -> None:
    answer = get(server, LARGE, Range="bytes=0-9999999,10000001-")
    assert answer.headers["content-length"] == str(len(answer.body))
    assert [body for dummy, body in _parts(answer)] == [LARGE.data[:10_000_000], LARGE.data[10_000_001:]]


def _parts(answer: Answer) -> list[tuple[dict[str, str], bytes]]:
    kind, dummy, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    pieces = (b"\r\n" + answer.body).split(b"\r\n--" + boundary.encode())
    assert (pieces[0], pieces[-1]) == (b"", b"--\r\n")
    found = []
    for piece in pieces[1:-1]:
        head, dummy_bytes, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + b"\r\n\r\n")
        found.append(({name.lower(): value for name, value in headers.items()}, body))
    return found


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        (f'"{SMALL.digest}"', 206),
        (f'W/"{SMALL.digest}"', 200),
        (f'"{LARGE.digest}"', 200),
        ("Fri, 19 Jul 2024 13:44:56 GMT", 200),
    ],
)
def test_if_range(server: RunningServer, if_range: str, status: int) -> None:
    answer = get(server, SMALL, Range="bytes=0-9", If_Range=if_range)
    assert (answer.status, answer.body) == (status, SMALL.data[:10] if status == 206 else SMALL.data)


def test_if_range_comes_before_416(server: RunningServer) -> None:
    assert get(server, SMALL, Range="bytes=99999-", If_Range='"other"').status == 200


def test_range_of_a_manifest(server: RunningServer) -> None:
    answer = server.get("/v2/app/manifests/1.0", Range="bytes=10-19")
    assert (answer.status, answer.body) == (206, ARTIFACT.data[10:20])
    assert answer.headers["content-type"] == images.OCI_MANIFEST


def test_head_knows_no_ranges(server: RunningServer) -> None:
    for header in ("bytes=0-1", "bytes=99999999-"):
        answer = server.get(f"/v2/app/blobs/{SMALL.digest}", method="HEAD", Range=header)
        assert (answer.status, answer.headers["content-length"]) == (200, str(SMALL.size))


def test_two_range_headers_are_ignored(root: pathlib.Path, serve: Serve) -> None:
    request = f"GET /v2/app/blobs/{SMALL.digest} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\nRange: bytes=2-3\r\n"
    answer = serve(root).raw(request.encode() + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(SMALL.data)
