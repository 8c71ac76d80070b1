# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates are verified against ca_path or the system; the client certificate is shown to the registry only."""

from __future__ import annotations

import random

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    ConfigurationError,
    ConnectionFailed,
    ProtocolBroken,
    RegistryError,
    TlsFailed,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import RetryPolicy, TlsOptions
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, redirect


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "root")


@pytest.fixture
def server(serve, authority):
    return serve(tls=server_context(authority.server()))


def test_ca_file(server, connect, authority) -> None:
    assert connect(server, tls=TlsOptions(ca_path=str(authority.path))).ping() == "registry/2.0"


def test_ca_directory_of_any_names(server, connect, authority, tmp_path) -> None:
    Authority(tmp_path, "another")
    (tmp_path / "mine.txt").write_bytes(b"# a comment\n" + authority.path.read_bytes())
    (tmp_path / "README").write_text("nothing to see")
    (tmp_path / "sub").mkdir()
    assert connect(server, tls=TlsOptions(ca_path=str(tmp_path))).ping() == "registry/2.0"


def test_ca_replaces_the_authorities_of_the_system(server, connect, tmp_path, monkeypatch, authority) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))
    assert connect(server, tls=TlsOptions()).ping() == "registry/2.0"
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(authority.path))
    other = Authority(tmp_path, "other")
    with pytest.raises(TlsFailed):
        connect(server, tls=TlsOptions(ca_path=str(other.path))).ping()


def test_an_unknown_authority(server, connect) -> None:
    with pytest.raises(
        TlsFailed, match=r"certificate of 127.0.0.1:\d+ is not trusted .* in the option ca_path"
    ) as raised:
        connect(server, tls=TlsOptions()).ping()
    assert raised.value.as_result()["kind"] == "tls"
    assert server.requests == []


def test_a_certificate_for_another_name(serve, connect, authority) -> None:
    server = serve(tls=server_context(authority.server("other", names=["registry.example"])))
    with pytest.raises(TlsFailed, match="use a name that the certificate is for"):
        connect(server, tls=TlsOptions(ca_path=str(authority.path))).ping()


def test_an_expired_certificate(serve, connect, authority) -> None:
    server = serve(tls=server_context(authority.server("old", expired=True)))
    with pytest.raises(TlsFailed, match="expired.*renew"):
        connect(server, tls=TlsOptions(ca_path=str(authority.path))).ping()


def test_validate_certs_off(serve, connect, authority, capsys) -> None:
    server = serve(tls=server_context(authority.server("old", names=["x.example"], expired=True)))
    assert connect(server, tls=TlsOptions(validate_certs=False)).ping() == "registry/2.0"
    assert connect(server, tls=TlsOptions(validate_certs=False, ca_path=str(authority.path))).ping() == "registry/2.0"
    assert capsys.readouterr().err == ""


def test_names_by_dns_and_address(serve, connect, authority) -> None:
    for host in ("localhost", "127.0.0.1"):
        server = serve(tls=server_context(authority.server()), host=host)
        assert connect(server, tls=TlsOptions(ca_path=str(authority.path))).ping() == "registry/2.0"


def test_client_certificate(serve, connect, authority, tmp_path) -> None:
    server = serve(tls=server_context(authority.server(), client_ca=authority.path))
    client = authority.client()
    options = {"ca_path": str(authority.path), "client_cert": str(client.cert)}
    assert connect(server, tls=TlsOptions(**options, client_key=str(client.key))).ping() == "registry/2.0"
    both = tmp_path / "both.pem"
    both.write_bytes(client.cert.read_bytes() + client.key.read_bytes())
    assert connect(server, tls=TlsOptions(**{**options, "client_cert": str(both)})).ping() == "registry/2.0"


def test_a_client_certificate_is_missing_or_unknown(serve, connect, authority, tmp_path) -> None:
    server = serve(tls=server_context(authority.server(), client_ca=authority.path))
    stranger = Authority(tmp_path, "strangers").client()
    once = RetryPolicy(retries=0)
    for more in ({}, {"client_cert": str(stranger.cert), "client_key": str(stranger.key)}):
        with pytest.raises((TlsFailed, ConnectionFailed)) as raised:
            connect(server, tls=TlsOptions(ca_path=str(authority.path), **more), retry=once).ping()
        # a reset may come before the alert that says why
        assert "client_cert" in raised.value.message
    assert server.requests == []


def test_the_client_certificate_is_shown_to_the_registry_alone(serve, connect, authority, tmp_path) -> None:
    """The storage asks for one too, under another name, and must not get it."""
    storage = serve(tls=server_context(authority.server(), client_ca=authority.path), host="localhost")
    server = serve(tls=server_context(authority.server(), client_ca=authority.path))
    client = authority.client()
    digest = storage.add_blob("app", b"x")
    server.on("/blobs/", redirect(f"{storage.url}/v2/app/blobs/{digest}"))
    options = TlsOptions(ca_path=str(authority.path), client_cert=str(client.cert), client_key=str(client.key))
    registry = connect(server, tls=options, retry=RetryPolicy(retries=0))
    with pytest.raises(RegistryError), registry.blob("app", Digest.parse(digest)) as stream:
        b"".join(stream)
    assert len(server.requests) == 1
    assert storage.requests == []


def test_a_server_without_tls(serve, connect) -> None:
    with pytest.raises(TlsFailed, match="does not use TLS; set `tls: no-tls` only if"):
        connect(serve(), tls=TlsOptions(), retry=RetryPolicy(retries=0)).ping()


def test_a_server_with_tls(server, connect) -> None:
    with pytest.raises((ProtocolBroken, ConnectionFailed), match="tls: tls"):
        connect(server, retry=RetryPolicy(retries=0)).ping()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(raw=b"\x15\x03\x03\x00\x02\x02\x46"),
        Reply(raw=b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"),
        Reply(
            status=400,
            body=b"Client sent an HTTP request to an HTTPS server.\n",
            headers={"Content-Type": "text/plain"},
        ),
    ],
)
def test_how_tls_servers_answer_plain_http(serve, connect, reply) -> None:
    server = serve()
    server.on("", reply)
    with pytest.raises(ProtocolBroken, match="try `tls: tls`"):
        connect(server).ping()


def test_a_server_that_ends_the_handshake(connect) -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, dummy = listener.accept()
            connection.recv(10)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises((TlsFailed, ConnectionFailed), match="closed the (TLS )?connection"):
            connect(f"127.0.0.1:{listener.getsockname()[1]}", tls=TlsOptions(), retry=RetryPolicy(retries=0)).ping()
        thread.join()


@pytest.mark.parametrize(
    "content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_a_bad_ca_path(connect, tmp_path, content) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"option ca_path: {path}"):
        connect("127.0.0.1:1", tls=TlsOptions(ca_path=str(path))).ping()


def test_an_empty_ca_directory(connect, tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="no file in it contains a certificate"):
        connect("127.0.0.1:1", tls=TlsOptions(ca_path=str(tmp_path))).ping()


def test_a_bad_client_certificate(connect, authority, tmp_path) -> None:
    locked = Authority(tmp_path, "locked").client("locked", password="hunter2")
    good, other = authority.client(), Authority(tmp_path, "other").client("other")
    for cert, key in (
        (locked.cert, locked.key),
        (good.cert, other.key),
        (good.cert, tmp_path / "absent"),
        (good.key, None),
    ):
        options = TlsOptions(client_cert=str(cert), client_key=None if key is None else str(key))
        with pytest.raises(ConfigurationError, match="client_cert and client_key"):
            connect("127.0.0.1:1", tls=options).ping()


def test_speed_is_not_lost_to_small_records(serve, connect, authority) -> None:
    """A long body over TLS arrives whole."""

    server = serve(tls=server_context(authority.server()))
    data = random.Random(1).randbytes(3_000_000)
    digest = Digest.parse(server.add_blob("app", data))
    with connect(server, tls=TlsOptions(ca_path=str(authority.path))).blob("app", digest) as stream:
        assert b"".join(stream) == data


@pytest.fixture
def system(tmp_path, monkeypatch) -> Authority:
    """The one authority that the system trusts."""
    found = Authority(tmp_path, "system")
    monkeypatch.setenv("SSL_CERT_FILE", str(found.path))
    return found


def pull(registry, digest: str) -> bytes:
    with registry.blob("app", Digest.parse(digest)) as stream:
        return b"".join(stream)


@pytest.mark.parametrize("trusted", ["system", "ca_path"])
def test_ca_path_adds_to_the_system_for_other_hosts(serve, connect, server, authority, system, trusted) -> None:
    signer = system if trusted == "system" else authority
    storage = serve(tls=server_context(signer.server("storage")), host="localhost")
    digest = storage.add_blob("app", b"x")
    server.on("/blobs/", redirect(f"{storage.url}/v2/app/blobs/{digest}"))
    assert pull(connect(server, tls=TlsOptions(ca_path=str(authority.path))), digest) == b"x"


def test_storage_on_another_port_of_the_registry(serve, connect, server, authority, system) -> None:
    storage = serve(tls=server_context(system.server("storage")))
    server.on("", redirect(f"{storage.url}/v2/"))
    assert connect(server, tls=TlsOptions(ca_path=str(authority.path))).ping() == "registry/2.0"


def test_ca_path_of_a_mirror(connect, serve, authority, system) -> None:
    options = TlsOptions(ca_path=str(authority.path), system_too=True)
    for signer in (authority, system):
        server = serve(tls=server_context(signer.server("mirror")))
        assert connect(server, tls=options).ping() == "registry/2.0"


def test_a_directory_adds_to_the_system_too(serve, connect, server, authority, system, tmp_path) -> None:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "one").write_bytes(authority.path.read_bytes())
    storage = serve(tls=server_context(system.server("storage")), host="localhost")
    server.on("", redirect(f"{storage.url}/v2/"))
    assert connect(server, tls=TlsOptions(ca_path=str(tmp_path / "ca"))).ping() == "registry/2.0"


def test_validate_certs_off_is_for_the_registry_alone(serve, connect, server, authority, capsys) -> None:
    storage = serve(tls=server_context(authority.server()), host="localhost")
    server.on("/v2/$", redirect(f"{storage.url}/v2/"))
    with pytest.raises(TlsFailed, match=f"{storage.name} is not trusted"):
        connect(server, tls=TlsOptions(validate_certs=False)).ping()
    assert connect(server, tls=TlsOptions(validate_certs=False, ca_path=str(authority.path))).ping() == "registry/2.0"
    assert capsys.readouterr().err == ""


def test_the_client_certificate_is_not_shown_to_a_token_service(serve, connect, authority) -> None:
    service = serve(tls=server_context(authority.server(), client_ca=authority.path), host="localhost")
    server = serve(tls=server_context(authority.server()), auth="bearer", realm=f"{service.url}/token")
    client = authority.client()
    options = TlsOptions(ca_path=str(authority.path), client_cert=str(client.cert), client_key=str(client.key))
    trusted = [f"localhost:{service.port}"]
    with pytest.raises(RegistryError):
        connect(server, tls=options, retry=RetryPolicy(retries=0), trusted_realm_hosts=trusted).tags("app")
    assert service.requests == []
