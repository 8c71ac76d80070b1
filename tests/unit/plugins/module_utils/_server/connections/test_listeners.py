# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Listeners bind addresses, speak TLS 1.2 and newer, and let requests end when they are closed."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import pathlib
import socket
import ssl
import subprocess

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.api.app import Application
from ansible_collections.attested.registry.plugins.module_utils._server.connections.listeners import (
    bind,
    bind_unix,
    listen,
    passed_by_systemd,
    tls_context,
    url_of,
)
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import Snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.errors import CertificateError, ListenError
from ansible_collections.attested.registry.tests.support.images import images

from ..conftest import Certificate, Serve, mint

IMAGE = images.image([images.layer([images.file("a", b"1")])])


def test_tls(tmp_path: pathlib.Path, serve: Serve, certificate: Certificate) -> None:
    images.write_layout(tmp_path / "app", {"1.0": IMAGE})
    server = serve(tmp_path, certificate)
    assert server.url.startswith("https://127.0.0.1:")
    answer = server.get("/v2/app/manifests/1.0")
    assert (answer.status, answer.body) == (200, IMAGE.data)


@pytest.mark.parametrize(
    ("version", "agreed"), [(ssl.TLSVersion.TLSv1_3, "TLSv1.3"), (ssl.TLSVersion.TLSv1_2, "TLSv1.2")]
)
def test_tls_versions(
    tmp_path: pathlib.Path, serve: Serve, certificate: Certificate, version: ssl.TLSVersion, agreed: str
) -> None:
    server = serve(tmp_path, certificate)
    context = certificate.trust()
    context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    sock = socket.create_connection(server.address, timeout=30)
    with context.wrap_socket(sock, server_hostname="127.0.0.1") as wrapped:
        assert (wrapped.version(), wrapped.selected_alpn_protocol()) == (agreed, "http/1.1")


def test_old_tls_versions_are_refused(certificate: Certificate) -> None:
    context = tls_context(str(certificate.cert), str(certificate.key))
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_plain_requests_to_a_tls_port_and_back(
    tmp_path: pathlib.Path, serve: Serve, certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(tmp_path, certificate)
    caplog.set_level(logging.INFO, "attested.registry")
    for request in (
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G",
        b"SSH-2.0-x\r\n",
        b"PUT / HTTP/1.1\r\n" + b"a" * 100_000,
    ):
        answer = server.raw(request)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        head, dummy, body = answer.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert "https://" in json.loads(body)["errors"][0]["message"]
    # once for all of them
    assert caplog.text.count("refused plain HTTP from 127.0.0.1 on a TLS port") == 1
    assert server.listener._http.counters.get("handshake_failures") == 4
    assert server.get("/v2/").status == 200
    assert server.get("/v2/").status == 200


def _bad_certificates(folder: pathlib.Path, good: Certificate) -> dict[str, tuple[pathlib.Path, pathlib.Path]]:
    (folder / "nonsense").write_bytes(b"nonsense")
    (folder / "empty").write_bytes(b"")
    other = mint(folder)
    encrypted = folder / "encrypted.key"
    subprocess.run(
        ["openssl", "ec", "-aes128", "-passout", "pass:secret", "-in", str(good.key), "-out", str(encrypted)],
        check=True,
        capture_output=True,
    )
    return {
        "no certificate": (folder / "nowhere", good.key),
        "no key": (good.cert, folder / "nowhere"),
        "nonsense for a certificate": (folder / "nonsense", good.key),
        "nonsense for a key": (good.cert, folder / "nonsense"),
        "an empty file": (folder / "empty", good.key),
        "a directory": (folder, good.key),
        "the other way round": (good.key, good.cert),
        "another key": (good.cert, other.key),
        "an encrypted key": (good.cert, encrypted),
    }


def test_bad_certificates(tmp_path: pathlib.Path, certificate: Certificate) -> None:
    for what, (cert, key) in _bad_certificates(tmp_path, certificate).items():
        with pytest.raises(CertificateError) as caught:
            tls_context(str(cert), str(key))
        assert str(cert) in caught.value.message, what
        assert str(key) in caught.value.message, what
        assert "\n" not in caught.value.message, what


def test_a_free_port() -> None:
    with bind("127.0.0.1", 0) as sock:
        assert sock.getsockname()[1] > 0


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            bind("127.0.0.1", port)
    assert f"127.0.0.1 port {port}" in caught.value.message


def test_a_port_that_is_taken_between_binding_and_listening() -> None:
    async def run() -> None:
        with bind("127.0.0.1", 0) as first, bind("127.0.0.1", first.getsockname()[1]) as second:
            second.listen()
            with pytest.raises(ListenError):
                await listen(Application(Snapshot("/", {})), first)

    asyncio.run(run())


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "a..b", "\u00fc" * 70, "::ffff"])
def test_foreign_addresses_cannot_be_bound(host: str) -> None:
    with pytest.raises(ListenError) as caught:
        bind(host, 0)
    assert caught.value.message.endswith("choose another --host or --port.")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this host has no IPv6")
def test_ipv6() -> None:
    async def run() -> str:
        listener = await listen(Application(Snapshot("/", {})), bind("::1", 0))
        await listener.close(1)
        return listener.url

    assert asyncio.run(run()).startswith("http://[::1]:")


def test_closing_lets_requests_end_and_closes_idle_connections(tmp_path: pathlib.Path, serve: Serve) -> None:
    huge = images.Content(bytes(30_000_000), "text/plain")
    images.write_layout(tmp_path / "app", {"1": images.artifact("a/b", [huge])})
    server = serve(tmp_path)
    idle, busy = server.connect(), server.connect()
    idle.request("GET", "/v2/")
    assert idle.getresponse().read() == b"{}"
    busy.request("GET", f"/v2/app/blobs/{huge.digest}")
    response = busy.getresponse()
    start = response.read(10)
    closing = asyncio.run_coroutine_threadsafe(server.listener.close(30), server.loop)
    assert idle.sock is not None
    assert idle.sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.address, timeout=30)
    assert start + response.read() == huge.data
    closing.result(30)
    idle.close()
    busy.close()


def test_closing_cuts_what_does_not_end(tmp_path: pathlib.Path, serve: Serve) -> None:
    huge = images.Content(bytes(30_000_000), "text/plain")
    images.write_layout(tmp_path / "app", {"1": images.artifact("a/b", [huge])})
    server = serve(tmp_path)
    busy = server.connect()
    busy.request("GET", f"/v2/app/blobs/{huge.digest}")
    response = busy.getresponse()
    assert response.read(10) == bytes(10)
    server.call(server.listener.close(0.01))
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        response.read()
    busy.close()


def test_closing_takes_no_longer_than_its_grace(tmp_path: pathlib.Path, serve: Serve) -> None:
    huge = images.Content(bytes(30_000_000), "text/plain")
    images.write_layout(tmp_path / "app", {"1": images.artifact("a/b", [huge])})
    server = serve(tmp_path)
    busy = server.connect()
    busy.request("GET", f"/v2/app/blobs/{huge.digest}")
    assert busy.getresponse().read(10) == bytes(10)

    async def close() -> None:
        closing = asyncio.ensure_future(server.listener.close(2))
        # 3.5 seconds in parts, of which a stall of the machine ends only one
        for dummy in range(35):
            await asyncio.wait({closing}, timeout=0.1)
            if closing.done():
                closing.result()
                return
        closing.cancel()
        pytest.fail("it took longer")

    server.call(close())
    busy.close()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": "{pid}", "LISTEN_FDS": "0"},
        {"LISTEN_PID": "{pid}"},
    ],
)
def test_sockets_of_systemd_that_were_not_passed_are_an_error(environment: dict[str, str]) -> None:
    mine = {name: value.replace("{pid}", str(os.getpid())) for name, value in environment.items()}
    with pytest.raises(ListenError, match="systemd"):
        passed_by_systemd(mine)


def test_a_unix_socket_has_its_mode_and_is_replaced_only_if_unused(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "socket")
    with bind_unix(path, 0o600) as sock:
        sock.listen()
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert url_of(sock, tls=False) == f"unix:{path}"
        with pytest.raises(ListenError, match="in use"):
            bind_unix(path, 0o600)
    with bind_unix(path, 0o660):
        assert os.stat(path).st_mode & 0o777 == 0o660


def test_a_file_is_not_replaced_by_a_unix_socket(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ListenError, match="is not a socket"):
        bind_unix(str(tmp_path / "file"), 0o600)
    assert (tmp_path / "file").read_text() == "mine"
