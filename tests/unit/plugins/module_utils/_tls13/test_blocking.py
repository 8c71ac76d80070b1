# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The blocking socket keeps its timeouts when the other end disconnects, drips or does not read."""

from __future__ import annotations

import errno
import socket
import threading
import types
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13 import blocking
from ansible_collections.attested.registry.plugins.module_utils._tls13.blocking import TlsSocket
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import (
    AlertReceived,
    CertificateRejected,
    Truncated,
    UsageError,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import Alert
from ansible_collections.attested.registry.plugins.module_utils._tls13.server import ServerEngine
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import certified_key

BODY = bytes(range(256)) * 600


class Ends(t.NamedTuple):
    """A connected client, and the server's engine and socket, which do nothing by themselves."""

    client: TlsSocket
    engine: ServerEngine
    sock: socket.socket

    def answer(self, data: bytes) -> None:
        self.engine.send(data)
        self.sock.sendall(self.engine.data_to_send())


@pytest.fixture
def ends() -> t.Iterator[Ends]:
    """Over a socket pair, which loses nothing of what was sent before one side closes."""
    ours, theirs = socket.socketpair()
    engine = ServerEngine(ServerConfig((certified_key(),)))

    def serve() -> None:
        while not engine.is_connected:
            engine.receive_data(theirs.recv(65536))
            theirs.sendall(engine.data_to_send())

    thread = threading.Thread(target=serve)
    thread.start()
    client = TlsSocket(ours, ClientEngine(ClientConfig()), judge=lambda event: None)
    client.settimeout(20)
    client.handshake(timeout=20)
    thread.join()
    yield Ends(client, engine, theirs)
    client.close()
    theirs.close()


def test_a_truncated_stream_never_looks_complete(ends: Ends) -> None:
    """However often it is read again, and through file objects too."""
    ends.answer(b"half of it")
    ends.sock.close()
    stream = ends.client.makefile("rb")
    for dummy in range(3):
        with pytest.raises(Truncated):
            stream.read()
        with pytest.raises(Truncated):
            ends.client.recv(10)
        with pytest.raises(Truncated):
            ends.client.recv_into(bytearray(10))


def test_nothing_is_read_after_close(ends: Ends) -> None:
    ends.client.close()
    with pytest.raises(OSError, match="descriptor") as failure:
        ends.client.recv(10)
    assert failure.value.errno == errno.EBADF


def test_an_early_answer_is_whole(ends: Ends) -> None:
    """A server that refuses a body answers, and goes away while the client still writes."""
    ends.answer(BODY)
    ends.engine.close()
    ends.sock.sendall(ends.engine.data_to_send())
    ends.sock.close()
    with pytest.raises(BrokenPipeError):
        ends.client.sendall(bytes(1000))
    assert ends.client.gettimeout() == 20
    found = b""
    data = ends.client.recv(65536)
    while data:
        found += data
        data = ends.client.recv(65536)
    assert found == BODY


def test_an_alert_after_an_early_answer(ends: Ends) -> None:
    ends.answer(BODY)
    ends.engine.abort(CertificateRejected("No.", alert=Alert.CERTIFICATE_REVOKED))
    ends.sock.sendall(ends.engine.data_to_send())
    ends.sock.close()
    with pytest.raises(AlertReceived) as failure:
        ends.client.sendall(bytes(1000))
    assert failure.value.alert is Alert.CERTIFICATE_REVOKED


class Interrupted:
    """A socket that sends a little before a handler of signals raises."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._sock, name)

    def sendall(self, data: memoryview) -> None:
        self._sock.sendall(data[:1000])
        raise KeyboardInterrupt


def read_to_the_end(ends: Ends) -> None:
    ends.sock.settimeout(20)
    data = ends.sock.recv(65536)
    while data:
        ends.engine.receive_data(data)
        data = ends.sock.recv(65536)
    ends.engine.receive_eof()


@pytest.mark.parametrize("how", ["not blocking", "interrupted"])
def test_nothing_follows_a_part_of_a_record(ends: Ends, how: str) -> None:
    if how == "interrupted":
        ends.client._sock = t.cast(socket.socket, Interrupted(ends.client._sock))
    else:
        ends.client.settimeout(0)
    with pytest.raises((KeyboardInterrupt, BlockingIOError)):
        ends.client.sendall(bytes(10_000_000))
    with pytest.raises(UsageError, match="inside a record"):
        ends.client.sendall(b"x")
    ends.client.close()
    with pytest.raises(Truncated):
        read_to_the_end(ends)


def test_pieces_of_a_record_do_not_start_the_timeout_again(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 15))
    monkeypatch.setattr(blocking, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    ends.engine.send(b"hello")
    record = ends.engine.data_to_send()
    ends.sock.sendall(record[:10])
    # 15 of 20 seconds are over after each read: there is a second one, but no third
    fill, reads = ends.client._fill, []

    def drip() -> bool:
        reads.append(ends.client.gettimeout())
        found = fill()
        ends.sock.sendall(record[10 + len(reads) : 11 + len(reads)])
        return found

    monkeypatch.setattr(ends.client, "_fill", drip)
    with pytest.raises(socket.timeout):
        ends.client.recv(10)
    assert reads == [20, 5]
    assert ends.client.gettimeout() == 20


def test_what_a_read_cannot_do(ends: Ends) -> None:
    ends.answer(b"hello")
    for read in (
        lambda: ends.client.recv(1, socket.MSG_PEEK),
        lambda: ends.client.recv_into(bytearray(1), 1, socket.MSG_PEEK),
        lambda: ends.client.recv(-1),
        lambda: ends.client.recv_into(bytearray(1), -1),
    ):
        with pytest.raises(UsageError):
            read()
    assert ends.client.recv(10) == b"hello"
