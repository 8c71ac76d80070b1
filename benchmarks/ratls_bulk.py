# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bulk transfer over loopback with a peer of Python's ssl in another process: our engine against Python's ssl."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import ssl
import time
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._tls13.blocking import TlsSocket
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.suites import AES_256_GCM
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.verify import ServerVerifier
from ansible_collections.attested.registry.tests.support.servers.peers import Tls

_NAME = "localhost"
_PIECE = 128 << 10
_GIVE, _TAKE = b"g", b"t"

Connect = t.Callable[[int], t.ContextManager[t.Any]]


@contextlib.contextmanager
def peer(tls: Tls) -> t.Iterator[int]:
    """A server of Python's ssl that gives or takes as many bytes as it is told; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(listener, tls), daemon=True)
    process.start()
    try:
        yield listener.getsockname()[1]
    finally:
        process.terminate()
        process.join()
        listener.close()


def _serve(listener: socket.socket, tls: Tls) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    piece = memoryview(bytearray(_PIECE))
    while True:
        sock, dummy = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(sock, server_side=True) as connection:
            what, left = connection.recv(1), int(connection.recv(32))
            while left > 0:
                if what == _GIVE:
                    connection.sendall(piece[: min(left, _PIECE)])
                    left -= _PIECE
                else:
                    left -= connection.recv_into(piece)
            connection.sendall(b"!")


def python_ssl(tls: Tls) -> Connect:
    """Connects with Python's ssl."""
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3

    def connect(port: int) -> t.Any:
        return context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname=_NAME)

    return connect


def own(tls: Tls) -> Connect:
    """Connects with the engine, AES-256-GCM as Python's ssl."""
    verifier = ServerVerifier(tls.ca.read_bytes())
    config = ClientConfig(_NAME, suites=(AES_256_GCM,))

    def connect(port: int) -> t.Any:
        sock = socket.create_connection(("127.0.0.1", port))
        connection = TlsSocket(sock, ClientEngine(config), judge=lambda event: verifier.verify(event.chain, _NAME))
        connection.handshake()
        return connection

    return connect


def receive(connect: Connect, port: int, size: int) -> float:
    """MB/s of size bytes that the peer gives."""
    into = bytearray(_PIECE)
    with connect(port) as connection:
        connection.sendall(_GIVE)
        connection.sendall(b"%d" % size)
        begin, left = time.perf_counter(), size
        while left > 0:
            left -= connection.recv_into(into)
        return size / 1e6 / (time.perf_counter() - begin)


def send(connect: Connect, port: int, size: int) -> float:
    """MB/s of size bytes that the peer takes."""
    piece = bytes(_PIECE)
    with connect(port) as connection:
        connection.sendall(_TAKE)
        connection.sendall(b"%d" % size)
        begin = time.perf_counter()
        for dummy in range(size // _PIECE):
            connection.sendall(piece)
        if connection.recv(1) != b"!":
            raise ValueError("the peer did not take it all")
        return size / 1e6 / (time.perf_counter() - begin)
