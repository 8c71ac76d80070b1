# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The blocking socket and the asyncio server interoperate with each other and with Python's ssl."""

from __future__ import annotations

import asyncio
import http.client
import pathlib
import socket
import ssl
import threading
import time
import types
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13 import blocking
from ansible_collections.attested.registry.plugins.module_utils._tls13.blocking import TlsSocket
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.keys import CertifiedKey
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.suites import SUITES, Suite
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import (
    AlertReceived,
    CertificateRejected,
    TimedOut,
    TlsError,
    Truncated,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.events import PeerCertificate
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import Alert, Group
from ansible_collections.attested.registry.plugins.module_utils._tls13.state import TlsState
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import (
    KEY_TYPES,
    KeyType,
    certificate,
    certified_key,
)
from ansible_collections.attested.registry.tests.support.tls13.tls13_servers import (
    OwnServer,
    ssl_echo_server,
    write_pem,
)

BIG = bytes(range(256)) * 4096 * 3


def accept(event: PeerCertificate) -> None:
    assert event.chain


def connect(
    port: int, config: ClientConfig | None = None, *, key: KeyType | None = "ec-p256", timeout: float = 20
) -> TlsSocket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    mine = certified_key(key) if key else None
    connection = TlsSocket(sock, ClientEngine(config or ClientConfig()), judge=accept, choose=lambda event: mine)
    connection.handshake(timeout=timeout)
    return connection


def required() -> ServerConfig:
    return ServerConfig((certified_key(),), client_certificate="required", authorities=(b"not DER",))


def plain() -> ServerConfig:
    return ServerConfig((certified_key(),))


def test_own_client_and_own_server() -> None:
    with OwnServer(required) as server, connect(server.port) as connection:
        connection.sendall(b"hello")
        assert connection.recv(3) == b"hel"
        assert connection.pending() == 2
        buffer = bytearray(10)
        assert connection.recv_into(buffer, 1) == 1
        assert connection.recv_into(buffer) == 1
        assert buffer[:1] == b"o"
        for at in range(0, len(BIG), 100_000):
            connection.sendall(BIG[at : at + 100_000])
            found = b""
            while len(found) < len(BIG[at : at + 100_000]):
                found += connection.recv(65536)
            assert found == BIG[at : at + 100_000]


def test_half_a_close_ends_with_close_notify() -> None:
    with OwnServer(plain) as server, connect(server.port) as connection:
        connection.sendall(b"last")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b"last"
        assert connection.recv(100) == b""
        assert connection.engine.state is TlsState.CLOSED


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
@pytest.mark.parametrize("groups", [(Group.X25519,), (Group.SECP256R1,), (Group.SECP384R1,)])
def test_server_of_python(tmp_path: pathlib.Path, suite: Suite, groups: tuple[Group, ...]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_pem(tmp_path))
    with ssl_echo_server(context) as port, connect(port, ClientConfig(suites=(suite,), groups=groups)) as connection:
        assert connection.engine.suite is suite
        connection.sendall(b"x" * 40000)
        found = b""
        while len(found) < 40000:
            found += connection.recv(1000)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


@pytest.mark.parametrize("server_key", KEY_TYPES)
@pytest.mark.parametrize("client_key", KEY_TYPES)
def test_server_of_python_with_client_certificates(
    tmp_path: pathlib.Path, server_key: KeyType, client_key: KeyType
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_pem(tmp_path, server_key))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(write_pem(tmp_path, client_key)[0])
    with ssl_echo_server(context) as port, connect(port, key=client_key) as connection:
        connection.sendall(b"hello")
        assert connection.recv(10) == b"hello"
        assert connection.engine.peer_chain == (certificate(server_key),)


def test_a_server_that_requires_a_certificate_rejects_a_client_without_one(tmp_path: pathlib.Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_pem(tmp_path))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(write_pem(tmp_path)[0])
    with ssl_echo_server(context) as port:
        connection = connect(port, key=None)
        with pytest.raises(AlertReceived) as failure:
            connection.recv(1)
        assert failure.value.alert is Alert.CERTIFICATE_REQUIRED


def test_server_of_python_with_tls_1_2(tmp_path: pathlib.Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_pem(tmp_path))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with ssl_echo_server(context) as port:
        with pytest.raises(TlsError) as failure:
            connect(port)
        assert failure.value.alert is Alert.PROTOCOL_VERSION


@pytest.mark.parametrize("server_key", KEY_TYPES)
@pytest.mark.parametrize("client_key", KEY_TYPES)
def test_client_of_python(tmp_path: pathlib.Path, server_key: KeyType, client_key: KeyType) -> None:
    def config() -> ServerConfig:
        return ServerConfig((certified_key(server_key),), client_certificate="required", groups=(Group.SECP384R1,))

    context = ssl.create_default_context(cafile=str(write_pem(tmp_path, server_key)[0]))
    context.load_cert_chain(*write_pem(tmp_path, client_key))
    with (
        OwnServer(config) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as connection,
    ):
        for dummy in range(5):
            connection.sendall(BIG[:100_000])
            found = b""
            while len(found) < 100_000:
                found += connection.recv(65536)
            assert found == BIG[:100_000]
        assert connection.version() == "TLSv1.3"
        # it gave no ticket out
        assert not connection.session.has_ticket
        connection.unwrap()
        assert server.errors == []


def test_client_of_python_with_tls_1_2(tmp_path: pathlib.Path) -> None:
    context = ssl.create_default_context(cafile=str(write_pem(tmp_path)[0]))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        OwnServer(plain) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"),
    ):
        context.wrap_socket(sock, server_hostname="localhost")


async def refuse(*dummy: object) -> None:
    raise CertificateRejected("The measurements are not known.", alert=Alert.CERTIFICATE_UNKNOWN)


def test_the_client_hears_why_it_was_refused() -> None:
    with OwnServer(required, judge=refuse) as server:
        connection = connect(server.port)
        with pytest.raises(AlertReceived) as failure:
            # however much it sends, and whether it is sending or reading when the alert comes
            send_and_read(connection)
        assert failure.value.alert is Alert.CERTIFICATE_UNKNOWN
        assert server.reported.wait(10)
        assert [str(error) for error in server.errors] == ["The measurements are not known."]


def send_and_read(connection: TlsSocket) -> None:
    connection.sendall(BIG)
    while connection.recv(65536):
        pass


def test_a_judge_that_fails_rejects_the_client() -> None:
    async def broken(*dummy: object) -> None:
        raise RuntimeError("secret")

    with OwnServer(required, judge=broken) as server:
        connection = connect(server.port)
        with pytest.raises(AlertReceived) as failure:
            send_and_read(connection)
        assert failure.value.alert is Alert.CERTIFICATE_UNKNOWN
        assert "secret" not in str(server.errors)


def test_without_a_judge_every_client_is_rejected() -> None:
    with OwnServer(required, judge=None) as server:  # type: ignore[arg-type]
        connection = connect(server.port)
        with pytest.raises(AlertReceived):
            send_and_read(connection)


@pytest.mark.parametrize("error", [CertificateRejected("No.", alert=Alert.UNKNOWN_CA), RuntimeError("secret")])
def test_the_server_hears_that_it_was_refused(error: Exception) -> None:
    def judge(event: PeerCertificate) -> None:
        raise error

    with OwnServer(plain) as server:
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        connection = TlsSocket(sock, ClientEngine(ClientConfig()), judge=judge)
        with pytest.raises(CertificateRejected) as failure:
            connection.handshake()
        assert "secret" not in str(failure.value)
        assert server.reported.wait(10)
        [heard] = server.errors
        assert isinstance(heard, AlertReceived)
        expected = Alert.UNKNOWN_CA if isinstance(error, TlsError) else Alert.CERTIFICATE_UNKNOWN
        assert heard.alert is expected
        assert sock.fileno() == -1


@pytest.mark.parametrize("data", [b"", b"\x16", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01"])
def test_a_client_that_never_finishes(data: bytes) -> None:
    with (
        OwnServer(plain, deadline=0.05) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock,
    ):
        sock.sendall(data)
        assert sock.recv(100) == b""
        assert server.reported.wait(10)
        assert isinstance(server.errors[0], TimedOut)


def test_a_judge_that_never_finishes() -> None:
    async def forever(*dummy: object) -> None:
        await asyncio.Event().wait()

    with OwnServer(required, judge=forever, deadline=0.3) as server:
        connection = connect(server.port)
        with pytest.raises((Truncated, ConnectionError)):
            connection.recv(1)
        assert isinstance(server.errors[0], TimedOut)


def test_a_server_that_never_finishes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        connection = TlsSocket(sock, ClientEngine(ClientConfig()), judge=accept)
        with pytest.raises(TimedOut):
            connection.handshake(timeout=0.05)
        assert sock.fileno() == -1


def test_the_time_of_the_chooser_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    late = 0.0
    clock = types.SimpleNamespace(monotonic=lambda: time.monotonic() + late)
    monkeypatch.setattr(blocking, "time", clock)

    def choose(dummy: object) -> CertifiedKey:
        nonlocal late
        late = 1000.0
        return certified_key()

    with OwnServer(required) as server:
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        with TlsSocket(sock, ClientEngine(ClientConfig()), judge=accept, choose=choose) as connection:
            connection.handshake(timeout=10)
            connection.sendall(b"still there")
            assert connection.recv(64) == b"still there"


def test_a_read_that_takes_too_long() -> None:
    with OwnServer(plain) as server, connect(server.port) as connection:
        connection.settimeout(0.05)
        with pytest.raises(socket.timeout):
            connection.recv(1)
        connection.settimeout(20)
        connection.sendall(b"still there")
        assert connection.recv(100) == b"still there"


def test_garbage_gets_an_alert() -> None:
    with OwnServer(plain) as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + BIG[:200_000])
        assert sock.recv(100) == b"\x15\x03\x03\x00\x02\x02\x0a"
        assert server.reported.wait(10)


def test_valid_clients_are_served_beside_invalid_ones() -> None:
    with OwnServer(required) as server:
        good, bad = [], []
        for number in range(20):
            bad.append(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            bad[-1].sendall(b"\x16\x03\x01\x00\x05hello" if number % 2 else b"\x16\x03")
            good.append(connect(server.port))
        for connection in good:
            connection.sendall(b"hello")
            assert connection.recv(10) == b"hello"
            connection.close()
        for sock in bad:
            sock.close()


class Lines(asyncio.Protocol):
    """Answers any request of HTTP/1.1 that fits into a read, with a body that is large."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BIG)
        self._transport.writelines([head, BIG])


def test_http_client_over_it() -> None:
    with OwnServer(plain, inner=Lines) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.sock = t.cast(socket.socket, connect(server.port))
        for dummy in range(3):
            connection.request("GET", "/")
            assert connection.getresponse().read() == BIG
        connection.close()


class Slow(asyncio.Protocol):
    """Writes only as fast as it is allowed to."""

    paused: t.ClassVar[threading.Event] = threading.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=65536)
        self._left = 64
        self._may = True

    def data_received(self, data: bytes) -> None:
        self._write()

    def _write(self) -> None:
        while self._may and self._left:
            self._left -= 1
            self._transport.write(BIG[:262144])

    def pause_writing(self) -> None:
        self._may = False
        self.paused.set()

    def resume_writing(self) -> None:
        self._may = True
        self._write()


def test_backpressure_of_the_server() -> None:
    Slow.paused.clear()
    with OwnServer(plain, inner=Slow) as server, connect(server.port) as connection:
        connection.sendall(b"go")
        assert Slow.paused.wait(20)
        count = 0
        while count < 64 * 262144:
            count += len(connection.recv(65536))


def ask_for_keys(connection: TlsSocket, *, most: int) -> None:
    """Sends most bytes, a KeyUpdate before each piece of data, and reads nothing."""
    for dummy in range(most // 200_000):
        for dummy_piece in range(200):
            connection.engine.update_keys(requested=True)
            connection.engine.send(b"x" * 1000)
        connection.sendall(b"x")


@pytest.mark.exhaustive
def test_answers_to_key_updates_do_not_pile_up() -> None:
    """A client that asks for new keys for ever and reads nothing is read from no more."""
    with OwnServer(plain) as server, connect(server.port) as connection:
        connection.settimeout(0.5)
        with pytest.raises(socket.timeout):
            ask_for_keys(connection, most=200 * 2**20)
        # half a record may be on its way, so nothing else can be sent
        with pytest.raises(TimedOut):
            connection.sendall(b"x")


def test_the_transport_says_what_it_is() -> None:
    found: list[t.Any] = []

    class Ask(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            names = ("tls", "sslcontext", "peername", "socket", "nothing")
            found.extend(transport.get_extra_info(name) for name in names)
            found.append(getattr(transport, "_sendfile_compatible", None))
            t.cast(asyncio.Transport, transport).close()

    with OwnServer(required, inner=Ask) as server, connect(server.port) as connection:
        assert connection.recv(1) == b""
        engine, context, peer, sock, nothing, sendfile = found
        assert engine is context
        assert engine.peer_chain == (certificate("ec-p256"),)
        assert peer[0] == "127.0.0.1"
        assert sock is not None
        assert nothing is None
        assert sendfile is None


def test_no_data_after_the_application_closed() -> None:
    found: list[bytes] = []

    class Once(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = t.cast(asyncio.Transport, transport)

        def data_received(self, data: bytes) -> None:
            found.append(data)
            self._transport.close()

    with OwnServer(plain, inner=Once) as server, connect(server.port) as connection:
        connection.engine.send(b"one")
        connection.engine.send(b"two")
        connection._flush(None)
        assert connection.recv(1) == b""
    assert found == [b"one"]
