# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SOCKS proxies (RFC 1928) are used if PySocks is installed, and named in the error otherwise."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import struct
import threading
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import DependencyMissing
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    ConnectionFailed,
    RedirectRefused,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import RetryPolicy, TlsOptions
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.proxies import Proxies
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import redirect

needs_pysocks = pytest.mark.skipif(importlib.util.find_spec("socks") is None, reason="PySocks is not installed")


class SocksServer:
    """Connects everybody to one port of this host; asked has the names and ports that were wanted."""

    def __init__(self, port: int) -> None:
        self.asked: list[tuple[str, int]] = []
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> SocksServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        stream = client.makefile("rb")
        stream.read(stream.read(2)[1])
        client.sendall(b"\x05\x00")
        kind = stream.read(4)[3]
        host = socket.inet_ntoa(stream.read(4)) if kind == 1 else stream.read(stream.read(1)[0]).decode()
        self.asked.append((host, struct.unpack("!H", stream.read(2))[0]))
        server = socket.create_connection(("127.0.0.1", self._target))
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()
        _pass_on(client, server)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def socks(serve) -> t.Iterator[t.Callable[..., t.Any]]:
    with contextlib.ExitStack() as stack:
        yield lambda server: stack.enter_context(SocksServer(server.port))


def test_without_the_library(connect, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyMissing, match=r"PySocks.*uses SOCKS") as raised:
        connect("registry.example", proxies=Proxies(http="socks5h://127.0.0.1:1")).ping()
    assert raised.value.fields["library"] == "PySocks"


@needs_pysocks
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_through_it(serve, connect, socks, scheme) -> None:
    server = serve()
    digest = server.add_blob("app", b"x" * 100_000)
    through = socks(server)
    name = "registry.example" if scheme == "socks5h" else "10.9.9.9"
    client = connect(name, proxies=Proxies(http=f"{scheme}://127.0.0.1:{through.port}"))
    for dummy in range(2):
        with client.blob("app", Digest.parse(digest)) as stream:
            assert len(b"".join(stream)) == 100_000
    assert (through.asked, server.connections) == ([(name, 80)], 1)


@needs_pysocks
def test_with_tls_inside(serve, connect, socks, tmp_path) -> None:
    authority = Authority(tmp_path)
    server = serve(tls=server_context(authority.server("r", names=["registry.example"])))
    through = socks(server)
    proxies = Proxies(https=f"socks5h://127.0.0.1:{through.port}")
    client = connect("registry.example", proxies=proxies, tls=TlsOptions(ca_path=str(authority.path)))
    assert client.ping() == "registry/2.0"
    assert through.asked == [("registry.example", 443)]


@needs_pysocks
def test_redirects_are_judged_by_their_names(serve, connect, socks) -> None:
    server = serve()
    server.on("", redirect("http://storage.corp/x"))
    with pytest.raises(RedirectRefused, match="trusted_redirect_hosts"):
        connect("registry.example", proxies=Proxies(http=f"socks5h://127.0.0.1:{socks(server).port}")).ping()
    assert len(server.requests) == 1


@needs_pysocks
def test_one_that_is_not_there_is_named(connect) -> None:
    proxies = Proxies(http="socks5h://me:hunter2@127.0.0.1:1")
    with pytest.raises(ConnectionFailed, match="the proxy 127.0.0.1:1 does not let the connection through") as raised:
        connect("registry.example", proxies=proxies, retry=RetryPolicy(retries=0)).ping()
    assert "hunter2" not in raised.value.message
