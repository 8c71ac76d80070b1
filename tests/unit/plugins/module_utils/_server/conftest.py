# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for the server: it runs on a real socket in a thread, with TLS or without."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import http.client
import ipaddress
import json
import pathlib
import socket
import ssl
import threading
import typing as t
from dataclasses import dataclass

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.api.app import Application
from ansible_collections.attested.registry.plugins.module_utils._server.attestation.attesting import Attesting
from ansible_collections.attested.registry.plugins.module_utils._server.connections.listeners import (
    Listener,
    bind,
    listen,
    tls_context,
)
from ansible_collections.attested.registry.plugins.module_utils._server.content.loading import load_snapshot
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Answer:
    """An answer as it came: header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class RunningServer:
    """The server on a real socket, in a thread of the test."""

    def __init__(
        self,
        root: pathlib.Path,
        tls: ssl.SSLContext | None,
        trust: ssl.SSLContext | None,
        *,
        attesting: Attesting | None = None,
        **options: t.Any,
    ) -> None:
        self._trust = trust
        self.application = Application(load_snapshot(str(root)), **options)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        sock = bind("127.0.0.1", 0)
        self.listener: Listener = self.call(listen(self.application, sock, tls=tls, attesting=attesting))
        self.url = self.listener.url
        self.address: tuple[str, int] = sock.getsockname()[:2]

    def call(self, coroutine: t.Coroutine[t.Any, t.Any, t.Any]) -> t.Any:
        """Run something in the server's thread and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def close_listener(self) -> None:
        """Let every request end, and its line be written to the log."""
        self.call(self.listener.close(5))

    def close(self) -> None:
        """End the server and its thread."""
        self.close_listener()
        self.call(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def get(self, path: str, *, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
        """One request on a connection of its own; header names are given with underscores."""
        with contextlib.closing(self.connect()) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=named)
            return read_answer(connection.getresponse())

    def pages(self, path: str, name: str) -> list[str]:
        """All items of a list, from the page at path on, by following its links."""
        found: list[str] = []
        following: str | None = path
        while following is not None:
            answer = self.get(following)
            found += json.loads(answer.body)[name]
            link = answer.headers.get("link")
            following = link[1 : link.index(">")] if link else None
        return found

    def connect(self) -> http.client.HTTPConnection:
        """A client for several requests, with TLS if the server has it."""
        if self._trust is None:
            return http.client.HTTPConnection(*self.address, timeout=30)
        return http.client.HTTPSConnection(*self.address, timeout=30, context=self._trust)

    def raw(self, request: bytes) -> bytes:
        """Send bytes and read all that comes until the server closes the connection."""
        with socket.create_connection(self.address, timeout=30) as sock:
            sock.sendall(request)
            return b"".join(iter(lambda: sock.recv(65536), b""))


def read_answer(response: http.client.HTTPResponse) -> Answer:
    """The answer with its body."""
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1 that signs itself, and its key, as files."""

    cert: pathlib.Path
    key: pathlib.Path

    def trust(self) -> ssl.SSLContext:
        """A TLS context that trusts it."""
        return ssl.create_default_context(cafile=str(self.cert))


def mint(folder: pathlib.Path) -> Certificate:
    """Make a key and a certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Certificate(folder / "server.crt", folder / "server.key")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """One certificate for all tests."""
    return mint(tmp_path_factory.mktemp("certificate"))


Serve = t.Callable[..., RunningServer]


@pytest.fixture
def serve() -> t.Iterator[Serve]:
    """Starts servers, which end with the test: plain, or with TLS given a certificate; options are Application's."""
    with contextlib.ExitStack() as stack:

        def start(root: pathlib.Path, certificate: Certificate | None = None, **options: t.Any) -> RunningServer:
            tls = trust = None
            if certificate is not None:
                tls, trust = tls_context(str(certificate.cert), str(certificate.key)), certificate.trust()
            return stack.enter_context(contextlib.closing(RunningServer(root, tls, trust, **options)))

        yield start
