# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for a Veraison service: it speaks the challenge-response API and lies where told to.

It can be called in this process, as an Http is, or serve HTTP and HTTPS:

with serving(StandInVeraison(), server_context(certificate)) as url:
    ...
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import itertools
import json
import socketserver
import ssl
import threading
import typing as t
import urllib.parse

from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.signing import SigningKey
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.jwk import encode_base64url
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.exchange import HttpAnswer
from ansible_collections.attested.registry.tests.support.attestation.ratls_tokens import platform_key

NOW = 1_800_000_000.0
URL = "https://veraison.example:8443"
OLD = 'application/eat-collection; profile="http://arm.com/CCA-SSD/1.0.0"'
NEW = 'application/eat-collection; profile="tag:arm.com,2023:cca_platform#1.0.0"'


def public_jwk(key: SigningKey) -> dict[str, t.Any]:
    size = key.public.algorithm.size
    x, y = key.public.point[1 : 1 + size], key.public.point[1 + size :]
    return {"kty": "EC", "crv": key.public.algorithm.curve, "x": encode_base64url(x), "y": encode_base64url(y)}


def jws(claims: object, key: SigningKey, header: dict[str, t.Any] | None = None) -> str:
    head = {"alg": key.public.algorithm.name, "typ": "JWT"} if header is None else header
    signed = ".".join(encode_base64url(json.dumps(part).encode()) for part in (head, claims))
    return f"{signed}.{encode_base64url(key.sign(signed.encode()))}"


def unsigned_jws(claims: object, header: dict[str, t.Any], signature: bytes = b"") -> str:
    return ".".join(
        [*(encode_base64url(json.dumps(part).encode()) for part in (header, claims)), encode_base64url(signature)]
    )


class Peer(t.Protocol):
    """The connection to a client, for sending any bytes."""

    def write(self, data: bytes) -> object:
        """Send bytes. Raises OSError when the client has closed the connection."""

    def until_closed(self) -> object:
        """Wait until the client closes the connection."""


Manner = t.Callable[[Peer, bytes], None]


class StandInVeraison:
    """A Veraison service whose answers are set by attributes before it is asked.

    statuses, headers, documents and manners (how the bytes of an answer are sent) have the keys NEW, POST, GET, KEYS
    and DELETE.
    """

    def __init__(self, key: SigningKey | None = None) -> None:
        self.key = key or platform_key("P-256")
        self.requests: list[tuple[str, str]] = []
        self.sent: dict[str, str] = {}
        self.token = b""
        # the Location of a new session; empty for the right one, None for no header
        self.location: str | None = ""
        self.accept: object = [OLD, NEW]
        self.session: dict[str, t.Any] = {}
        self.statuses: dict[str, int] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.documents: dict[str, object] = {}
        self.manners: dict[str, Manner] = {}
        self.now = NOW
        self.polls: list[str] = []
        self.claims: dict[str, t.Any] = {}
        self.result: object = ...
        self.header: dict[str, t.Any] | None = None
        self.keys: object = {"ear-verification-key": public_jwk(self.key)}
        self._nonce = ""
        self._nonces: dict[str, str] = {}
        self._numbers = itertools.count(1234)

    @property
    def methods(self) -> list[str]:
        return [method for method, dummy in self.requests]

    def __call__(
        self, method: str, url: str, *, headers: t.Mapping[str, str], body: bytes | None, timeout: float
    ) -> HttpAnswer:
        assert timeout > 0
        return self.answer(method, url, headers, body)[1]

    def answer(self, method: str, url: str, headers: t.Mapping[str, str], body: bytes | None) -> tuple[str, HttpAnswer]:
        """Return the kind of the request and the answer."""
        self.requests.append((method, url))
        parts = urllib.parse.urlsplit(url)
        if method == "DELETE":
            return self._answer("DELETE", 204, None)
        if parts.path.endswith("/verification"):
            return self._answer("KEYS", 200, self.keys)
        if parts.path.endswith("/newSession"):
            self._nonce = nonce = urllib.parse.parse_qs(parts.query)["nonce"][0]
            session = f"session/{next(self._numbers)}"
            self._nonces[session] = nonce
            location = session if self.location == "" else self.location
            return self._answer("NEW", 201, self._new(nonce), {"location": location} if location else {})
        if method == "POST":
            self.sent, self.token = dict(headers), body or b""
        state = self.polls.pop(0) if self.polls else "complete"
        document = {"status": state}
        if state == "complete":
            document["result"] = self._result(parts.path.partition("/v1/")[2])
        return self._answer(method, 200 if state == "complete" else 202, document)

    def _new(self, nonce: str) -> dict[str, t.Any]:
        return {
            "nonce": nonce,
            "expiry": "2030-01-01T00:00:00Z",
            "accept": self.accept,
            "status": "waiting",
            **self.session,
        }

    def _result(self, session: str = "") -> t.Any:
        claims = {
            "eat_profile": "tag:github.com,2023:veraison/ear",
            "iat": int(self.now),
            "exp": int(self.now) + 60,
            "eat_nonce": self._nonces.get(session, self._nonce),
            "ear.verifier-id": {"build": "1", "developer": "stand-in"},
            "submods": {"CCA_SSD_PLATFORM": {"ear.status": "affirming"}, "CCA_REALM": {"ear.status": "warning"}},
            **self.claims,
        }
        present = {name: value for name, value in claims.items() if value is not ...}
        return jws(present, self.key, self.header) if self.result is ... else self.result

    def _answer(
        self, what: str, status: int, document: object, headers: dict[str, str] | None = None
    ) -> tuple[str, HttpAnswer]:
        document = self.documents.get(what, document)
        body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
        found = {**(headers or {}), **self.headers.get(what, {})}
        return what, HttpAnswer(self.statuses.get(what, status), found, body)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # clients that close early or reject the certificate
            super().handle()

    def setup(self) -> None:
        if self.server.context is not None:
            self.request.settimeout(30)
            try:
                self.request = self.server.context.wrap_socket(self.request, server_side=True)
            except OSError:
                self.request.close()
        super().setup()

    def _reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        sent = {name.title(): value for name, value in self.headers.items()}
        what, answer = self.server.veraison.answer(self.command, self.server.url + self.path, sent, body or None)
        reason = http.client.responses.get(answer.status, "")
        fields = {"content-length": str(len(answer.body)), **answer.headers}
        head = f"HTTP/1.1 {answer.status} {reason}\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in fields.items()
        )
        data = head.encode() + b"\r\n" + answer.body
        self.server.veraison.manners.get(what, _as_it_is)(self, data)

    def write(self, data: bytes) -> object:
        return self.wfile.write(data)

    def until_closed(self) -> object:
        return self.rfile.read()

    do_POST = do_GET = do_DELETE = _reply  # noqa: N815

    def log_message(self, *dummy: object) -> None:
        """Log nothing."""


def _as_it_is(peer: Peer, data: bytes) -> None:
    peer.write(data)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, veraison: StandInVeraison, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.veraison, self.context = veraison, context
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def serving(veraison: StandInVeraison, context: ssl.SSLContext | None = None) -> t.Iterator[str]:
    """Serve HTTP, or HTTPS with a context, on a port of the loopback interface; yield the URL."""
    with _Server(veraison, context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def drip(peer: Peer, data: bytes) -> None:
    """Send a byte every 0.1 seconds until the client closes the connection."""
    never = threading.Event()
    for number in range(100_000):
        peer.write(data[number : number + 1] or b" ")
        never.wait(0.1)


def cut(peer: Peer, data: bytes) -> None:
    """Send all but the last 7 bytes."""
    peer.write(data[: len(data) - 7])


def nothing(peer: Peer, data: bytes) -> None:
    """Close the connection without an answer."""


def exactly(sent: bytes) -> Manner:
    """Return a manner that sends these bytes instead."""

    def send(peer: Peer, data: bytes) -> None:
        peer.write(sent)

    return send


def in_pieces(*pieces: bytes) -> Manner:
    """Return a manner that sends these bytes with a pause between the pieces, and keeps the connection open."""

    def send(peer: Peer, data: bytes) -> None:
        for piece in pieces:
            peer.write(piece)
            threading.Event().wait(0.05)
        peer.until_closed()

    return send


def and_stays(peer: Peer, data: bytes) -> None:
    """Send the answer and keep the connection open."""
    peer.write(data)
    peer.until_closed()


def headers_without_end(peer: Peer, data: bytes) -> None:
    """Send an answer whose headers never end."""
    peer.write(b"HTTP/1.1 201 Created\r\n")
    while True:
        peer.write(b"A: a\r\n" * 10_000)


def without_end(peer: Peer, data: bytes) -> None:
    """Send an answer in chunks that never ends."""
    peer.write(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        peer.write(b"10000\r\n" + b"a" * 65536 + b"\r\n")


def nonce(challenge: bytes) -> str:
    """Encode a nonce as Veraison does."""
    return base64.urlsafe_b64encode(challenge).decode()
