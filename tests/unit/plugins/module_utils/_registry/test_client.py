# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client shows no secret, downloads foreign layers only if allowed, uses proxies, and names missing libraries."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import DependencyMissing
from ansible_collections.attested.registry.plugins.module_utils._oci.descriptor import Descriptor
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.media_type import (
    OCI_LAYER_GZIP,
    OCI_LAYER_NONDISTRIBUTABLE_GZIP,
)
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import BasicAuth, Token
from ansible_collections.attested.registry.plugins.module_utils._registry.client import Registry
from ansible_collections.attested.registry.plugins.module_utils._registry.endpoint import Endpoint
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    ConnectionFailed,
    NotFound,
    RedirectRefused,
    RegistryError,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import RetryPolicy, TlsOptions
from ansible_collections.attested.registry.plugins.module_utils._registry.push.pusher import Pusher
from ansible_collections.attested.registry.plugins.module_utils._registry.transport import connection
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.proxies import Proxies
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.images.sources import Source, descriptor
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, error

TAG = Selector.parse("1.0")
DATA = b"layer" * 100


# --- names ---


def test_docker_hub(connect) -> None:
    client = connect("docker.io", tls=TlsOptions())
    assert client.name == "docker.io"
    assert client.repository("debian") == "library/debian"


def test_a_path_prefix(serve, connect, image) -> None:
    server = serve()
    server.publish("app", {"1.0": image})
    client = connect(f"{server.name}/mirror/hub")
    found = client.resolve("app", TAG, platform=Platform.parse("linux/amd64"))
    assert found.registry == f"{server.name}/mirror/hub"
    assert all(request.path.startswith("/mirror/hub/v2/app/") for request in server.requests)


def test_ipv6(image) -> None:
    if not socket.has_ipv6:
        pytest.skip("there is no IPv6")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("there is no IPv6 loopback")
    with listener:
        got: list[bytes] = []

        def answer() -> None:
            peer, dummy = listener.accept()
            with peer:
                got.append(peer.recv(65536))
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=answer)
        thread.start()
        port = listener.getsockname()[1]
        with Registry(Endpoint.parse(f"[::1]:{port}", mode="no-tls")) as client:
            client.ping()
        thread.join()
    assert f"Host: [::1]:{port}".encode() in got[0]


# --- secrets ---


def test_no_netrc_and_no_environment(serve, connect, tmp_path, monkeypatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login u password hunter2\ndefault login u password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text(netrc.read_text())
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    server = serve()
    connect(server).ping()
    assert server.requests[0].header("Authorization") is None


def test_secrets_are_in_no_message(serve, connect, caplog) -> None:
    server = serve()
    caplog.set_level(0)
    for reply in (error(401), error(403), error(404), error(500), Reply(raw=b"x"), Reply(cut=1), Reply(raw=b"")):
        server.clear()
        server.on("", reply)
        for credentials in (BasicAuth("u", "hunter2"), Token("hunter2")):
            client = connect(server, credentials=credentials, retry=RetryPolicy(retries=1))
            with pytest.raises(RegistryError) as raised:
                client.manifest("app", TAG)
            shown = f"{raised.value!r} {raised.value.fields} {client!r} {vars(client)}"
            assert "hunter2" not in shown
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("credentials", [BasicAuth("u", "hunter2-" * 5), Token("hunter2-" * 50)])
def test_an_answer_that_repeats_credentials_is_not_quoted(serve, connect, credentials) -> None:
    """Servers that echo requests for debugging do that."""
    server = serve(auth="basic", users={"u": "other"})

    def echo(request):
        given = request.header("Authorization")
        shown = given if isinstance(credentials, Token) else f"wrong password {'hunter2-' * 5}"
        return None if given is None else error(403, "DENIED", f"see: {shown}")

    server.on("", echo)
    with pytest.raises(RegistryError, match="denies access to [^()]*;") as raised:
        connect(server, credentials=credentials).manifest("app", TAG)
    assert "hunter2" not in f"{raised.value} {raised.value.fields}"
    assert raised.value.fields["status"] == 403


def test_a_token_service_that_repeats_credentials_is_not_quoted(serve, connect) -> None:
    server = serve(auth="bearer")
    server.on("/token", lambda request: error(418, "UNKNOWN", f"got {request.header('Authorization')}"))
    with pytest.raises(RegistryError, match="answers 418;"):
        connect(server, credentials=BasicAuth("u", "hunter2")).manifest("app", TAG)


# --- foreign layers ---


@pytest.fixture
def foreign(serve):
    """A registry without the layer, a server that has it, and the layer's descriptor."""
    server, other = serve(auth="basic", users={"u": "p"}), serve()
    other.add_blob("app", DATA)
    server.publish("app", {})
    server.add_tag("app", "x", "y")
    digest = Digest.of(DATA)
    url = f"{other.url}/v2/app/blobs/{digest}"
    return server, other, Descriptor(OCI_LAYER_NONDISTRIBUTABLE_GZIP, digest, len(DATA), urls=(url,))


def read(client: Registry, what: Descriptor) -> bytes:
    with client.blob("app", what) as stream:
        return b"".join(stream)


def test_foreign_layers_are_not_fetched(foreign, connect) -> None:
    server, other, layer = foreign
    with pytest.raises(NotFound, match=f"at {other.name}; set foreign_layers to true"):
        read(connect(server, credentials=BasicAuth("u", "p")), layer)
    assert other.requests == []


def test_secrets_in_foreign_urls_are_not_shown(foreign, connect) -> None:
    server, other, layer = foreign
    urls = ("https://u:hunter2@a.example/x", "https://b.example?signature=hunter2")
    layer = Descriptor(layer.media_type, layer.digest, layer.size, urls=urls)
    with pytest.raises(NotFound, match=r"at a URL that cannot be used, b\.example; set") as raised:
        read(connect(server, credentials=BasicAuth("u", "p")), layer)
    assert "hunter2" not in str(raised.value)


def test_foreign_layers_when_allowed(foreign, connect) -> None:
    server, other, layer = foreign
    other.on("", Reply(cut=100), times=1)
    assert read(connect(server, credentials=BasicAuth("u", "p"), foreign_urls=True), layer) == DATA
    assert [request.header("Authorization") for request in other.requests] == [None, None]
    assert other.requests[1].header("Range") == "bytes=100-"


def test_a_foreign_server_gets_no_credentials(foreign, connect) -> None:
    server, other, layer = foreign
    challenge = f'Bearer realm="{other.url}/token",service="x"'
    other.on("", error(401, headers={"WWW-Authenticate": challenge}))
    with pytest.raises(RegistryError, match="requires credentials"):
        read(connect(server, credentials=BasicAuth("u", "p"), foreign_urls=True), layer)
    assert [(request.path, request.header("Authorization")) for request in other.requests] == [
        (f"/v2/app/blobs/{layer.digest}", None)
    ]


def test_the_registry_comes_first(foreign, connect) -> None:
    server, other, layer = foreign
    server.add_blob("app", DATA)
    assert read(connect(server, credentials=BasicAuth("u", "p"), foreign_urls=True), layer) == DATA
    assert other.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:1/x",
        "http://169.254.169.254/latest",
        "http://metadata/x",
        "file:///etc/passwd",
        "ftp://x.example/",
    ],
)
def test_foreign_urls_do_not_lead_inward(foreign, connect, url) -> None:
    server, dummy, layer = foreign
    layer = Descriptor(layer.media_type, layer.digest, layer.size, urls=(url,))
    with pytest.raises(RedirectRefused):
        read(connect(server, credentials=BasicAuth("u", "p"), foreign_urls=True), layer)


def test_the_next_url_is_tried(foreign, connect) -> None:
    server, other, layer = foreign
    urls = (f"{other.url}/gone", *layer.urls)
    layer = Descriptor(layer.media_type, layer.digest, layer.size, urls=urls)
    assert read(connect(server, credentials=BasicAuth("u", "p"), foreign_urls=True), layer) == DATA


def test_urls_of_an_ordinary_layer_are_nothing(foreign, connect) -> None:
    server, other, layer = foreign
    layer = Descriptor(OCI_LAYER_GZIP, layer.digest, layer.size, urls=layer.urls)
    with pytest.raises(NotFound):
        read(connect(server, credentials=BasicAuth("u", "p"), foreign_urls=True), layer)
    assert other.requests == []


def test_a_foreign_name_that_leads_inward(foreign, connect, names) -> None:
    server, other, layer = foreign
    names["cdn.example.com"] = "127.0.0.1"
    url = f"http://cdn.example.com:{other.port}/v2/app/blobs/{layer.digest}"
    layer = Descriptor(layer.media_type, layer.digest, layer.size, urls=(url,))
    with pytest.raises(RedirectRefused, match="not public"):
        read(connect(server, credentials=BasicAuth("u", "p"), foreign_urls=True), layer)
    assert other.requests == []


# --- proxies ---


class Proxy:
    """Forwards requests and tunnels to one server, and keeps the heads of what it was sent."""

    def __init__(self, target: int, status: bytes = b"200 OK") -> None:
        self.heads: list[bytes] = []
        self._target, self._status = target, status
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                peer, dummy = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += peer.recv(65536)
        self.heads.append(head)
        with peer, socket.create_connection(("127.0.0.1", self._target)) as server:
            if head.startswith(b"CONNECT"):
                peer.sendall(b"HTTP/1.1 " + self._status + b"\r\n\r\n")
            else:
                server.sendall(head)
            threading.Thread(target=self._pump, args=(peer, server), daemon=True).start()
            self._pump(server, peer)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy():
    made: list[Proxy] = []

    def make(*args, **options) -> Proxy:
        made.append(Proxy(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_proxy_for_http(serve, connect, proxy) -> None:
    server = serve(auth="basic", users={"u": "p"})
    through = proxy(server.port)
    proxies = Proxies(http=f"http://pu:hunter2@127.0.0.1:{through.port}")
    connect("registry.example", proxies=proxies, credentials=BasicAuth("u", "p")).ping()
    assert through.heads[0].startswith(b"GET http://registry.example/v2/ HTTP/1.1")
    assert b"Proxy-Authorization: Basic cHU6aHVudGVyMg==" in through.heads[0]


def test_a_proxy_for_https(serve, connect, proxy, tmp_path) -> None:
    authority = Authority(tmp_path)
    server = serve(tls=server_context(authority.server(names=["registry.example"])))
    through = proxy(server.port)
    proxies = Proxies(https=f"http://pu:hunter2@127.0.0.1:{through.port}")
    connect("registry.example", proxies=proxies, tls=TlsOptions(ca_path=str(authority.path))).ping()
    assert through.heads[0].startswith(b"CONNECT registry.example:443")
    assert b"Proxy-Authorization" in through.heads[0]
    assert server.requests[0].header("Proxy-Authorization") is None


@pytest.mark.parametrize("secure", [False, True])
def test_an_upload_through_a_proxy(serve, connect, proxy, tmp_path, secure) -> None:
    authority = Authority(tmp_path)
    tls = server_context(authority.server(names=["registry.example"])) if secure else None
    server = serve(tls=tls, writable=True)
    url, data = f"http://127.0.0.1:{proxy(server.port).port}", bytes(2_000_000)
    options = TlsOptions(ca_path=str(authority.path)) if secure else TlsOptions("no-tls")
    client = connect("registry.example", proxies=Proxies(http=url, https=url), tls=options)
    Pusher(client, "app").push_blob(descriptor(data), Source(data, piece=100_000), chunk_size=1_500_000)
    assert server.repositories["app"].blobs == {str(Digest.of(data)): data}


@pytest.mark.parametrize("status", [b"407 Proxy Authentication Required", b"403 Forbidden"])
def test_a_proxy_that_refuses(serve, connect, proxy, status) -> None:
    through = proxy(serve().port, status)
    proxies = Proxies(https=f"http://pu:hunter2@127.0.0.1:{through.port}")
    with pytest.raises(
        ConnectionFailed, match=f"the proxy .* does not let.*{status[:3].decode()}.*https_proxy"
    ) as raised:
        connect("registry.example", proxies=proxies, tls=TlsOptions(), retry=RetryPolicy(retries=0)).ping()
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://pu:hunter2@127.0.0.1:1", "socks5://pu:hunter2@127.0.0.1:1", "http://", "weird://x"]
)
@pytest.mark.parametrize("mode", ["no-tls", "tls"])
def test_a_proxy_that_cannot_be_used(connect, url, mode) -> None:
    client = connect("registry.example", proxies=Proxies(url, url), tls=TlsOptions(mode), retry=RetryPolicy(retries=0))
    with pytest.raises(RegistryError) as raised:
        client.ping()
    assert "hunter2" not in str(raised.value)
    assert "prox" in raised.value.message.lower()


def test_no_proxy(serve, connect) -> None:
    server = serve()
    connect(server, proxies=Proxies("http://127.0.0.1:1", None, ("127.0.0.0/8",))).ping()


# --- libraries ---


def test_requests_is_missing(connect, monkeypatch) -> None:
    monkeypatch.setattr(connection, "IMPORT_ERROR", "Traceback: no requests")
    with pytest.raises(DependencyMissing) as raised:
        connect("localhost:1").ping()
    assert raised.value.as_result()["kind"] == "dependency_missing"
    assert raised.value.fields["library"] == f"requests >= {connection.MINIMUM_REQUESTS}"
    assert raised.value.traceback == "Traceback: no requests"


@pytest.mark.parametrize("version", ["2.24.9", "1.0", "nonsense"])
def test_requests_is_too_old(connect, monkeypatch, version) -> None:
    monkeypatch.setattr(connection, "_found_version", version)
    with pytest.raises(DependencyMissing, match=f"{version} was found"):
        connect("localhost:1").ping()


def run(code: str) -> str:
    prefix = f"import sys; sys.path[:0] = {sys.path!r}\n"
    return subprocess.run([sys.executable, "-c", prefix + code], capture_output=True, text=True, check=True).stdout


PACKAGE = "ansible_collections.attested.registry.plugins.module_utils._registry"
BASE = "ansible_collections.attested.registry.plugins.module_utils._base"


def test_no_library_is_loaded_before_a_request() -> None:
    code = f"from {PACKAGE}.client import Registry\nfrom {PACKAGE}.endpoint import Endpoint\n"
    code += "Registry(Endpoint.parse('localhost:1'))\n"
    code += "print(sorted({'requests', 'urllib3', 'ssl', 'http.client', 'socket'} & set(sys.modules)))"
    assert run(code).strip() == "[]"


def test_everything_imports_without_requests() -> None:
    code = f"""
import importlib, os
sys.modules["requests"] = sys.modules["urllib3"] = None
import {PACKAGE}.client as client
for name in sorted(os.listdir(os.path.dirname(client.__file__))):
    if name.endswith(".py"):
        importlib.import_module("{PACKAGE}." + name[:-3])
from {PACKAGE}.endpoint import Endpoint
from {BASE}.errors import DependencyMissing
try:
    client.Registry(Endpoint.parse("localhost:1", mode="no-tls")).ping()
except DependencyMissing as exc:
    print(exc.message, "ImportError" in exc.traceback or "ModuleNotFound" in exc.traceback)
"""
    assert run(code).strip() == "The Python library requests >= 2.25.0 cannot be imported; install it. True"
