# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TLS engine interoperates with OpenSSL (s_client, s_server) and GnuTLS (gnutls-cli, gnutls-serv)."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import subprocess
import threading
import time
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13.blocking import TlsSocket
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.suites import SUITES, Suite
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import (
    AlertReceived,
    NegotiationFailed,
    TlsError,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import Alert, Group
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import (
    KEY_TYPES,
    KeyType,
    certificate,
    certified_key,
)
from ansible_collections.attested.registry.tests.support.tls13.tls13_servers import OwnServer, write_pem

CHALLENGE = base64.b64encode(os.urandom(64))
SECONDS = 20


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    place = tmp_path_factory.mktemp("pem")
    return {kind: t.cast("tuple[str, str]", tuple(map(str, write_pem(place, kind)))) for kind in KEY_TYPES}


class Process:
    """A program that is talked to over its standard input, all of whose output is kept."""

    def __init__(self, *argv: str) -> None:
        self.output = b""
        self._grown = threading.Condition()
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(SECONDS)

    def _read(self) -> None:
        assert self._process.stdout is not None
        data = self._process.stdout.read(65536)
        while data:
            with self._grown:
                self.output += data
                self._grown.notify_all()
            data = self._process.stdout.read(65536)
        with self._grown:
            self._grown.notify_all()

    def say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")

    def expect(self, text: bytes, *, times: int = 1) -> None:
        """Waits until the output has text as many times."""
        with self._grown:
            assert self._grown.wait_for(lambda: self.output.count(text) >= times, SECONDS), self.output.decode(
                errors="replace"
            )

    def ended(self) -> int:
        return self._process.wait(SECONDS)


def server_config(**settings: t.Any) -> t.Callable[[], ServerConfig]:
    return lambda: ServerConfig((certified_key(),), **settings)


def s_client(server: OwnServer, *options: str) -> Process:
    return Process("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-servername", "localhost", *options)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-groups", "P-256"),
        ("-groups", "P-384:X25519"),
        ("-groups", "P-521:X25519"),
        ("-ciphersuites", "TLS_AES_128_GCM_SHA256"),
        ("-ciphersuites", "TLS_AES_256_GCM_SHA384"),
        ("-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
        ("-sigalgs", "ECDSA+SHA256:RSA-PSS+SHA256"),
        ("-alpn", "h2,http/1.1"),
        ("-no_middlebox",),
        ("-max_send_frag", "512"),
        ("-record_padding", "512"),
        ("-no_ticket",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("groups", [tuple(Group), (Group.X25519, Group.SECP256R1)], ids=["all", "two"])
def test_s_client(options: tuple[str, ...], groups: tuple[Group, ...]) -> None:
    config = server_config(groups=groups, protocols=("http/1.1",))
    with OwnServer(config) as server, s_client(server, *options) as client:
        client.expect(b"Verify return code")
        client.say(b"hello")
        client.expect(b"\nhello\n")
        # a KeyUpdate without and with a request for one
        client.say(b"k")
        client.expect(b"KEYUPDATE")
        client.say(b"once more")
        client.expect(b"once more\n")
        client.say(b"K")
        client.expect(b"KEYUPDATE", times=2)
        client.say(b"and again")
        client.expect(b"and again\n")
        assert b"New, TLSv1.3" in client.output
        assert (b"ALPN protocol: http/1.1" in client.output) is ("-alpn" in options)
        client.say(b"Q")
        assert client.ended() == 0
        assert server.errors == []


@pytest.mark.parametrize("key", KEY_TYPES)
def test_s_client_with_a_certificate(key: KeyType, files: dict[str, tuple[str, str]]) -> None:
    cert, private = files[key]
    config = server_config(client_certificate="required")
    with OwnServer(config) as server, s_client(server, "-cert", cert, "-key", private) as client:
        client.say(b"hello")
        client.expect(b"\nhello\n")


def test_s_client_without_a_certificate() -> None:
    with OwnServer(server_config(client_certificate="required")) as server, s_client(server) as client:
        client.expect(b"alert certificate required")
        assert server.reported.wait(SECONDS)
        assert "no certificate" in str(server.errors[0])


@pytest.mark.parametrize(
    ("options", "alert"),
    [
        (("-tls1_2",), b"alert protocol version"),
        (("-alpn", "h2"), b"alert no application protocol"),
        (("-groups", "P-521"), b"alert handshake failure"),
    ],
)
def test_s_client_with_nothing_in_common(options: tuple[str, ...], alert: bytes) -> None:
    with OwnServer(server_config(protocols=("http/1.1",))) as server, s_client(server, *options) as client:
        client.expect(alert)
        assert server.reported.wait(SECONDS)
        assert isinstance(server.errors[0], NegotiationFailed)


def test_openssl_does_not_take_the_challenge() -> None:
    """Why there is an engine: OpenSSL wants DER names in certificate_authorities."""
    config = server_config(client_certificate="optional", authorities=(CHALLENGE,))
    with OwnServer(config) as server, s_client(server):
        assert server.reported.wait(SECONDS)
        [error] = server.errors
        assert isinstance(error, AlertReceived)
        assert error.alert is Alert.DECODE_ERROR


def gnutls_cli(server: OwnServer, *options: str) -> Process:
    where = ("--no-ca-verification", "-p", str(server.port), "127.0.0.1")
    return Process("gnutls-cli", *options, *where)


@pytest.mark.parametrize("key", KEY_TYPES)
def test_gnutls_takes_the_challenge(key: KeyType, files: dict[str, tuple[str, str]]) -> None:
    cert, private = files[key]
    config = server_config(client_certificate="required", authorities=(CHALLENGE,))
    with (
        OwnServer(config) as server,
        gnutls_cli(server, "--x509certfile", cert, "--x509keyfile", private) as client,
    ):
        client.expect(b"Handshake was completed")
        client.say(b"hello")
        client.expect(b"\nhello\n")
        assert b"TLS1.3" in client.output
        assert server.errors == []


@pytest.mark.parametrize("suite", ["AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305"])
@pytest.mark.parametrize("group", ["X25519", "SECP256R1", "SECP384R1"])
def test_gnutls_cli(suite: str, group: str) -> None:
    priority = f"NORMAL:-CIPHER-ALL:+{suite}:-GROUP-ALL:+GROUP-{group}"
    with OwnServer(server_config()) as server, gnutls_cli(server, "--priority", priority) as client:
        client.expect(b"Handshake was completed")
        client.say(b"hello")
        client.expect(b"\nhello\n")


def test_gnutls_cli_without_a_certificate() -> None:
    config = server_config(client_certificate="required", authorities=(CHALLENGE,))
    with OwnServer(config) as server, gnutls_cli(server):
        assert server.reported.wait(SECONDS)
        assert "no certificate" in str(server.errors[0])


@contextlib.contextmanager
def serving(*argv: str, ready: bytes) -> t.Iterator[tuple[int, Process]]:
    """A server program; {port} in its arguments is a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with Process(*(word.replace("{port}", str(port)) for word in argv)) as process:
        process.expect(ready)
        yield port, process


def s_server(cert: str, key: str, *options: str) -> contextlib.AbstractContextManager[tuple[int, Process]]:
    argv = ("openssl", "s_server", "-accept", "127.0.0.1:{port}", "-cert", cert, "-key", key, *options)
    return serving(*argv, ready=b"ACCEPT")


def connect(port: int, config: ClientConfig | None = None, *, key: KeyType | None = None) -> TlsSocket:
    until = time.monotonic() + SECONDS
    while True:
        try:
            sock = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
            break
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
    mine = certified_key(key) if key else None
    connection = TlsSocket(
        sock, ClientEngine(config or ClientConfig()), judge=lambda event: None, choose=lambda event: mine
    )
    connection.handshake(timeout=SECONDS)
    return connection


def reversed_line(connection: TlsSocket, line: bytes) -> None:
    """s_server -rev sends each line back to front."""
    connection.sendall(line + b"\n")
    found = b""
    while not found.endswith(b"\n"):
        data = connection.recv(65536)
        assert data
        found += data
    assert found == line[::-1] + b"\n"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-groups", "P-256"),
        ("-groups", "P-384"),
        ("-ciphersuites", "TLS_AES_128_GCM_SHA256"),
        ("-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
        ("-num_tickets", "4"),
        ("-max_send_frag", "512"),
        ("-record_padding", "512"),
        ("-no_middlebox",),
        ("-alpn", "http/1.1"),
        ("-client_sigalgs", "ECDSA+SHA256", "-verify", "1"),
        ("-stateless",),
        ("-stateless", "-groups", "P-256"),
    ],
    ids=" ".join,
)
def test_s_server(options: tuple[str, ...], files: dict[str, tuple[str, str]]) -> None:
    config = ClientConfig(server_name="localhost", protocols=("h2", "http/1.1"))
    with s_server(*files["ec-p256"], "-rev", *options) as (port, dummy):
        connection = connect(port, config)
        with connection:
            reversed_line(connection, b"hello")
            connection.engine.update_keys(requested=True)
            reversed_line(connection, b"x" * 10000)
            assert connection.engine.protocol == ("http/1.1" if "-alpn" in options else None)


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
@pytest.mark.parametrize("group", Group)
def test_s_server_suites_and_groups(suite: Suite, group: Group, files: dict[str, tuple[str, str]]) -> None:
    config = ClientConfig(suites=(suite,), groups=(group,))
    with s_server(*files["rsa-2048"], "-rev") as (port, dummy):
        connection = connect(port, config)
        with connection:
            reversed_line(connection, b"hello")


@pytest.mark.parametrize("server_key", KEY_TYPES)
@pytest.mark.parametrize("client_key", KEY_TYPES)
def test_s_server_that_wants_a_certificate(
    server_key: KeyType, client_key: KeyType, files: dict[str, tuple[str, str]]
) -> None:
    options = ("-rev", "-Verify", "1", "-verify_return_error", "-CAfile", files[client_key][0])
    with s_server(*files[server_key], *options) as (port, dummy):
        connection = connect(port, key=client_key)
        with connection:
            reversed_line(connection, b"hello")
            assert connection.engine.peer_chain == (certificate(server_key),)


def test_s_server_that_gets_no_certificate(files: dict[str, tuple[str, str]]) -> None:
    with s_server(*files["ec-p256"], "-rev", "-Verify", "1") as (port, dummy):
        connection = connect(port)
        with pytest.raises(AlertReceived) as failure:
            connection.recv(1)
        assert failure.value.alert is Alert.CERTIFICATE_REQUIRED


def test_s_server_with_tls_1_2(files: dict[str, tuple[str, str]]) -> None:
    with s_server(*files["ec-p256"], "-tls1_2") as (port, process):
        with pytest.raises(TlsError) as failure:
            connect(port)
        assert failure.value.alert is Alert.PROTOCOL_VERSION
        process.expect(b"ERROR")


def wait_for_new_keys(connection: TlsSocket, before: bytes) -> None:
    """s_server forgets a line that it reads together with a command."""
    until = time.monotonic() + SECONDS
    connection.settimeout(0.05)
    while connection.engine._read_secret == before and time.monotonic() < until:
        with contextlib.suppress(socket.timeout):
            connection.recv(1)
    connection.settimeout(SECONDS)


def test_s_server_updates_its_keys(files: dict[str, tuple[str, str]]) -> None:
    with s_server(*files["ec-p256"]) as (port, process):
        connection = connect(port)
        with connection:
            process.expect(b"CIPHER is")
            for command in (b"k", b"K"):
                before = connection.engine._read_secret
                process.say(command)
                wait_for_new_keys(connection, before)
                process.say(b"hello " + command)
                assert connection.recv(100) == b"hello " + command + b"\n"
            connection.sendall(b"with new keys\n")
            process.expect(b"with new keys")


@pytest.mark.parametrize("group", ["X25519", "SECP256R1", "SECP384R1"])
@pytest.mark.parametrize("key", KEY_TYPES)
def test_gnutls_serv(group: str, key: KeyType, files: dict[str, tuple[str, str]]) -> None:
    cert, private = files[key]
    argv = (
        "gnutls-serv",
        *("--echo", "-p", "{port}", "--x509certfile", cert, "--x509keyfile", private),
        *("--require-client-cert", "--priority", f"NORMAL:-GROUP-ALL:+GROUP-{group}"),
    )
    with serving(*argv, ready=b"...done") as (port, dummy):
        connection = connect(port, key=key)
        with connection:
            connection.sendall(b"hello\n")
            assert connection.recv(100) == b"hello\n"
            assert connection.engine.peer_chain == (certificate(key),)
