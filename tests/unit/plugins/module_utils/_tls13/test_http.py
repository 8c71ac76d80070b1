# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""requests and urllib3 work over the blocking socket, and aiohttp over the asyncio server, as RA-TLS uses them."""

from __future__ import annotations

import asyncio
import socket
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13.blocking import TlsSocket
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import AlertReceived, CertificateRejected
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import Alert
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import certificate, certified_key
from ansible_collections.attested.registry.tests.support.tls13.tls13_servers import OwnServer

web = pytest.importorskip("aiohttp.web")
urllib3 = pytest.importorskip("urllib3")
requests = pytest.importorskip("requests")

BIG = bytes(range(256)) * 40_000


class Connection(urllib3.connection.HTTPSConnection):  # type: ignore[misc,name-defined]
    """A connection class for urllib3 over the blocking socket."""

    def connect(self) -> None:
        mine = certified_key("ec-p384")
        engine = ClientEngine(ClientConfig(server_name="localhost", protocols=("http/1.1",)))
        self.sock = TlsSocket(self._new_conn(), engine, judge=lambda event: None, choose=lambda event: mine)
        self.sock.handshake(timeout=20)
        self.is_verified = True


class Adapter(requests.adapters.HTTPAdapter):  # type: ignore[misc,name-defined]
    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pool = type("Pool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": Connection})
        self.poolmanager.pool_classes_by_scheme = {"https": pool}


def session() -> t.Any:
    made = requests.Session()
    made.mount("https://", Adapter())
    return made


async def answer(request: t.Any) -> t.Any:
    engine = request.transport.get_extra_info("tls")
    body = await request.read()
    assert request.transport.get_extra_info("sslcontext") is not None
    headers = {"Peer": str(engine.peer_chain == (certificate("ec-p384"),)), "Got": str(len(body))}
    return web.Response(body=BIG, headers=headers)


def required() -> ServerConfig:
    return ServerConfig((certified_key(),), client_certificate="required", protocols=("http/1.1",))


def application() -> asyncio.Protocol:
    return t.cast(asyncio.Protocol, web.Server(answer)())


def test_requests_and_aiohttp() -> None:
    with OwnServer(required, inner=application) as server, session() as client:
        url = f"https://127.0.0.1:{server.port}/"
        for dummy in range(3):
            reply = client.post(url, data=BIG[:900_000], timeout=20)
            assert reply.content == BIG
            assert reply.headers["Peer"] == "True"
            assert reply.headers["Got"] == "900000"
        with client.get(url, stream=True, timeout=20) as reply:
            assert b"".join(reply.iter_content(70_000)) == BIG
        assert server.errors == []


def test_a_refusal_reaches_the_caller() -> None:
    async def refuse(*dummy: object) -> None:
        raise CertificateRejected("No.", alert=Alert.CERTIFICATE_UNKNOWN)

    with OwnServer(required, inner=application, judge=refuse) as server, session() as client:
        with pytest.raises(AlertReceived) as failure:
            client.get(f"https://127.0.0.1:{server.port}/", timeout=20)
        assert failure.value.alert is Alert.CERTIFICATE_UNKNOWN


def test_file_objects() -> None:
    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = t.cast(asyncio.Transport, transport)

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    with OwnServer(required, inner=Echo) as server:
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        mine = certified_key()
        connection = TlsSocket(sock, ClientEngine(ClientConfig()), judge=lambda event: None, choose=lambda event: mine)
        connection.handshake()
        stream = connection.makefile("rwb")
        text = connection.makefile("r", encoding="utf-8")
        connection.close()
        stream.write(b"one\ntwo\nthree\n")
        stream.flush()
        assert stream.readline() == b"one\n"
        stream.close()
        # the text file holds the socket open
        assert sock.fileno() >= 0
        text.close()
        assert sock.fileno() == -1
