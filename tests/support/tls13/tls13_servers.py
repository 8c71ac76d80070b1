# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS servers on the loopback interface for tests of clients: the collection's on asyncio, and Python's ssl.

with OwnServer(config) as server:                   # echoes; the collection's server on server.port
with ssl_echo_server(context) as port:              # echoes; Python's ssl
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import socket
import ssl
import threading
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.serving import AsyncJudge, TlsServerProtocol

from .tls13_peers import KeyType, pem


class Echo(asyncio.Protocol):
    """Returns received data."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def accept_anybody(*dummy: object) -> None:
    """Accept every certificate."""


class OwnServer:
    """The collection's server in a thread with an event loop. errors are the reported errors."""

    def __init__(
        self,
        config: t.Callable[[], ServerConfig],
        *,
        inner: t.Callable[[], asyncio.Protocol] = Echo,
        judge: AsyncJudge = accept_anybody,
        deadline: float = 10.0,
    ) -> None:
        self.errors: list[Exception] = []
        self.reported = threading.Event()
        self.port = 0
        self._make = lambda: TlsServerProtocol(config(), inner, judge=judge, report=self._report, deadline=deadline)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> OwnServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _report(self, error: Exception, dummy_peer: object) -> None:
        self.errors.append(error)
        self.reported.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(self._make, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


def write_pem(directory: pathlib.Path, kind: KeyType = "ec-p256") -> tuple[pathlib.Path, pathlib.Path]:
    """Write the certificate and the key of tls13_peers.certified_key(kind) to files; return their paths."""
    cert, key = pem(kind)
    files = directory / f"{kind}.crt", directory / f"{kind}.key"
    files[0].write_bytes(cert)
    files[1].write_bytes(key)
    return files


@contextlib.contextmanager
def ssl_echo_server(context: ssl.SSLContext) -> t.Iterator[int]:
    """Serve one connection with Python's ssl, returning received data until close_notify; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        sock, dummy = listener.accept()
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as connection:
            data = connection.recv(65536)
            while data:
                connection.sendall(data)
                data = connection.recv(65536)
            connection.unwrap()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(10)


__all__ = ("Echo", "OwnServer", "accept_anybody", "ssl_echo_server", "write_pem")
