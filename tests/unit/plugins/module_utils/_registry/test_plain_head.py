# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way to ask for a digest reads usual answers as http.client does, and nothing else."""

from __future__ import annotations

import http.client
import io
import pathlib
import signal
import socket
import ssl
import threading
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry import plain_head
from ansible_collections.attested.registry.plugins.module_utils._registry.plain_head import (
    PlainHead,
    SentHead,
    stated_digest,
)
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply
from hypothesis import given
from hypothesis import strategies as st

DIGEST = "sha256:" + 64 * "a"
USUAL = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDocker-Content-Digest: {DIGEST}\r\nContent-Length: 7\r\n\r\n"


class FakeSocket:
    """A socket with an answer, as http.client uses one."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def as_http_client_reads(data: bytes) -> tuple[int, str | None, list[str] | None]:
    response = http.client.HTTPResponse(t.cast(socket.socket, FakeSocket(data)), method="HEAD")
    response.begin()
    digest = response.headers.get("Docker-Content-Digest")
    return response.status, None if digest is None else digest.strip(), response.headers.get_all("Warning")


def test_a_usual_answer_has_a_digest() -> None:
    assert stated_digest(USUAL.encode()) == DIGEST


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("HTTP/1.1", "HTTP/1.0"),
        ("200 OK", "200"),
        ("200 OK", "200 Not ~ OK"),
        ("Docker-Content-Digest: ", "docker-content-DIGEST:\t"),
        (DIGEST, f"{DIGEST} \t"),
        ("text/plain", ""),
    ],
)
def test_spellings_of_a_usual_answer(old: str, new: str) -> None:
    assert stated_digest(USUAL.replace(old, new, 1).encode()) == DIGEST


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("200 OK", "201 Created"),
        ("200 OK", "302 Found"),
        ("200 OK", "401 Unauthorized"),
        ("200 OK", "2000"),
        ("HTTP/1.1 200", "HTTP/2 200"),
        ("HTTP/1.1 200 OK", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"),
        ("HTTP/1.1 200 OK", " HTTP/1.1 200 OK"),
        ("\r\n\r\n", "\r\n"),
        ("\r\n\r\n", "\r\n\r\nbody"),
        ("\r\n", "\n"),
        ("text/plain", "text/plain\r\n folded"),
        ("text/plain", "text/plain\nDocker-Content-Digest: x"),
        ("text/plain", "text/pl\0ain"),
        ("text/plain", "text/pläin"),
        ("Content-Type:", "Content-Type :"),
        ("Content-Type", ""),
        ("Content-Type: text/plain", "a line"),
        ("Content-Type: text/plain", 'Warning: 299 - "soon gone"'),
        ("Content-Type: text/plain", "Transfer-Encoding: gzip"),
        ("Content-Type: text/plain", f"Docker-Content-Digest: {DIGEST}"),
        (f"Docker-Content-Digest: {DIGEST}", "Docker-Content: x"),
        ("Content-Type: text/plain", "\r\n".join(f"x-{number}: y" for number in range(100))),
        ("text/plain", "x" * 65536),
    ],
)
def test_an_unusual_answer_has_none(old: str, new: str) -> None:
    assert stated_digest(USUAL.replace(old, new, 1).encode("latin-1")) is None


def test_an_answer_that_is_cut_off_has_none() -> None:
    assert [stated_digest(USUAL.encode()[:end]) for end in range(len(USUAL))] == [None] * len(USUAL)


@pytest.mark.parametrize("value", [" " * 60_000, "\t" * 30_000 + "x" + " " * 30_000])
@pytest.mark.parametrize("end", ["", "\0"])
def test_a_value_of_spaces_takes_no_time(value: str, end: str) -> None:
    def give_up(*dummy: object) -> t.NoReturn:
        pytest.fail("reading the head takes seconds")

    data = USUAL.replace("text/plain", value + end).encode()
    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, 5)  # processor time; 0.001 s is needed
    try:
        assert stated_digest(data) == (None if end else DIGEST)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_none(data: bytes) -> None:
    assert stated_digest(data) is None


PIECES = st.sampled_from(
    [
        "HTTP/1.1 200 OK",
        "HTTP/1.0 200",
        "HTTP/1.1 404 x",
        "\r\n",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        ":",
        "\0",
        "\x85",
        "Docker-Content-Digest: ",
        "docker-content-digest:",
        DIGEST,
        "Warning: 299 - x",
        "Transfer-Encoding: chunked",
        "From x",
        "A: b",
        "ä",
    ]
)


@given(st.lists(PIECES, max_size=12), st.integers(0, len(USUAL)), st.booleans())
def test_what_is_read_is_read_by_http_client_in_the_same_way(pieces: list[str], at: int, alone: bool) -> None:
    text = "".join(pieces)
    data = (text + "\r\n\r\n" if alone else USUAL[:at] + text + USUAL[at:]).encode("latin-1")
    digest = stated_digest(data)
    if digest is not None:
        assert as_http_client_reads(data) == (200, digest, None)


def serve(answer: t.Callable[[socket.socket], None]) -> int:
    """Answer one connection in a thread; return the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with listener, listener.accept()[0] as connection:
            answer(connection)

    threading.Thread(target=run, daemon=True).start()
    return int(listener.getsockname()[1])


def ask(port: int, *, seconds: float = 5.0) -> str | None:
    head = PlainHead("http", "127.0.0.1", port, "/v2/a/manifests/1", (("Host", "a"), ("Accept", "b")))
    with SentHead(head, ca_path=None, seconds=seconds) as sent:
        return sent.digest()


def test_the_request_is_what_it_says_and_the_answer_may_come_in_pieces() -> None:
    received: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        received.append(connection.recv(1000))
        for at in range(len(USUAL)):
            connection.sendall(USUAL[at : at + 1].encode())

    assert ask(serve(answer)) == DIGEST
    assert received == [b"HEAD /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\nAccept: b\r\n\r\n"]


def test_an_answer_that_ends_early_has_none() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(USUAL[:40].encode())

    assert ask(serve(answer)) is None


def test_an_endless_head_is_not_read() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(1000)
        for dummy in range(1000):
            try:
                connection.sendall(b"x" * 1000)
            except OSError:
                return

    assert ask(serve(answer)) is None


def test_silence_and_drips_end_at_the_deadline() -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        while not stop.wait(0.01):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    def stay_silent(connection: socket.socket) -> None:
        stop.wait(5)

    for answer in (drip, stay_silent):
        with pytest.raises(socket.timeout):
            ask(serve(answer), seconds=0.1)
    stop.set()


def test_nobody_waits_longer_than_for_a_usual_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def stay_silent(connection: socket.socket) -> None:
        stop.wait(5)

    monkeypatch.setattr(plain_head, "_PATIENCE", 0.05)
    with pytest.raises(socket.timeout):
        ask(serve(stay_silent), seconds=3600)
    stop.set()


class Addresses:
    """Replaces the addresses of all hosts, and counts those that were tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
        self.tried = 0
        self._ports = ports
        monkeypatch.setattr(plain_head.socket, "getaddrinfo", self._find)

    def _find(self, *dummy: object, **options: object) -> t.Iterator[tuple[object, ...]]:
        for port in self._ports:
            self.tried += 1
            yield socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as live, socket.create_server(("127.0.0.1", 0)) as dead:
        ports = (dead.getsockname()[1], live.getsockname()[1])
        dead.close()
        addresses = Addresses(monkeypatch, *ports)
        with SentHead(PlainHead("http", "registry.example", 80, "/", ()), ca_path=None, seconds=30):
            assert addresses.tried == 2


def test_all_addresses_have_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux does not answer to a client while as many wait as the server allows."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            addresses = Addresses(monkeypatch, port, port, port)
            with pytest.raises(OSError, match="timed out"):
                SentHead(PlainHead("http", "registry.example", 80, "/", ()), ca_path=None, seconds=0.05)
            assert addresses.tried == 1


def test_a_host_without_address(monkeypatch: pytest.MonkeyPatch) -> None:
    Addresses(monkeypatch)
    with pytest.raises(OSError, match="no address"):
        SentHead(PlainHead("http", "registry.example", 80, "/", ()), ca_path=None, seconds=30)


@pytest.mark.parametrize("name", ["registry.example", "other.example", "localhost"])
def test_the_certificate_must_be_for_the_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, name: str
) -> None:
    authority = Authority(tmp_path)
    with FaultyRegistry(tls=server_context(authority.server(names=(name,)))) as registry:
        registry.on("/v2/", Reply(headers={"Docker-Content-Digest": DIGEST}), method="HEAD")
        Addresses(monkeypatch, int(registry.name.rpartition(":")[2]))
        head = PlainHead("https", "registry.example", 443, "/v2/", (("Host", "registry.example"),))
        if name == "registry.example":
            with SentHead(head, ca_path=str(authority.path), seconds=30) as sent:
                assert sent.digest() == DIGEST
        else:
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                SentHead(head, ca_path=str(authority.path), seconds=30)
