# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls over RA-TLS attest each connection to the registry; servers without RA-TLS are refused with the reason."""

from __future__ import annotations

import contextlib
import pathlib
import random
import socket
import ssl
import subprocess
import sys
import threading
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base import crypto
from ansible_collections.attested.registry.plugins.module_utils._base.errors import DependencyMissing
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._ratls.attester import Attester
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import (
    EvidenceUnavailable,
    TokenInvalid,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.sources import make_source
from ansible_collections.attested.registry.plugins.module_utils._ratls.token import cbor
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    AttestationRejected,
    ConfigurationError,
    ConnectionFailed,
    Operation,
    ProtocolBroken,
    RegistryError,
    ServerFailed,
    TimedOut,
    TlsFailed,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import (
    RetryPolicy,
    Timeouts,
    TlsOptions,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.push.pusher import Pusher
from ansible_collections.attested.registry.plugins.module_utils._registry.transport import attested
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.attested import AttestedTls
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.attested_failures import (
    BrokenOff,
    explain_tls13,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.connection import Exchange, Pool
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.guard import Guard
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.proxies import Proxies
from ansible_collections.attested.registry.plugins.module_utils._registry.url import Origin
from ansible_collections.attested.registry.plugins.module_utils._tls13 import errors as tls13
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import Alert
from ansible_collections.attested.registry.tests.support.attestation.attesting_front import (
    AttestingFront,
    Deaf,
    accepting,
    make_realm,
)
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.images.sources import Source, descriptor
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, redirect
from ansible_collections.attested.registry.tests.support.waiting import comes

TAG = Selector.parse("1.0")
RETRIES = RetryPolicy(retries=2)


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "root")


@pytest.fixture(scope="module")
def realm(tmp_path_factory) -> pathlib.Path:
    return make_realm(tmp_path_factory.mktemp("realms") / "one")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> pathlib.Path:
    return make_realm(tmp_path_factory.mktemp("realms") / "other", "other")


@pytest.fixture
def front(authority, realm) -> t.Iterator[t.Callable[..., AttestingFront]]:
    """Starts RA-TLS servers, which accept the realm unless told otherwise."""
    with contextlib.ExitStack() as stack:

        def start(registry, *, party=None, certificate=None, **options) -> AttestingFront:
            shown = certificate or authority.server()
            return stack.enter_context(AttestingFront(registry.port, shown, party or accepting(realm), **options))

        yield start


@pytest.fixture
def pull(connect, authority, realm):
    """Makes clients of RA-TLS servers, in the realm unless told otherwise."""

    def make(server, *, key_type="ec-p256", source=None, host="127.0.0.1", tls=None, **options):
        source = source or make_source("simulated", path=str(realm))
        attester = Attester(source, key_type)
        settings = {"ca_path": str(authority.path), "attester": attester, **(tls or {})}
        return connect(f"{host}:{server.port}", tls=TlsOptions("ra-tls", **settings), retry=RETRIES, **options)

    return make


def test_an_upload(serve, front, pull) -> None:
    registry, data = serve(writable=True), bytes(5_000_000)
    pusher = Pusher(pull(front(registry)), "app")
    pusher.push_blob(descriptor(data), Source(data, piece=300_000), chunk_size=3_000_000)
    assert registry.repositories["app"].blobs == {str(descriptor(data).digest): data}


@pytest.mark.parametrize("key_type", ["rsa-2048", "ec-p256"])
def test_an_image_is_pulled(serve, front, pull, image, warnings, key_type) -> None:
    registry = serve()
    registry.publish("app", {"1.0": image})
    server = front(registry)
    client = pull(server, key_type=key_type)
    assert client.attestation is None
    found = client.resolve("app", TAG, platform=Platform.parse("linux/amd64"))
    for layer in found.layers:
        with client.blob("app", layer.descriptor) as stream:
            assert len(b"".join(stream)) == layer.descriptor.size
    (attestation,) = server.attestations
    assert server.connections == 1
    assert client.attestation == {
        "evidence": "simulated",
        "rim": attestation.token.realm.initial_measurement.hex(),
        "profile": "tag:arm.com,2023:realm#1.0.0",
        "token": attestation.token.digest,
        "simulated": True,
    }
    assert [text for text in warnings if "proves nothing" in text] == warnings[:1] == warnings


def test_every_connection_attests_anew(serve, front, pull) -> None:
    registry = serve()
    registry.on("/v2/", Reply(close=True))
    server = front(registry)
    client = pull(server)
    tokens = []
    for dummy in range(3):
        client.ping()
        tokens.append(client.attestation["token"])
    assert len(set(tokens)) == 3
    assert [found.token.digest for found in server.attestations] == tokens


def test_a_long_body_arrives_whole(serve, front, pull) -> None:
    registry = serve()
    data = random.Random(1).randbytes(3_000_000)
    digest = Digest.parse(registry.add_blob("app", data))
    with pull(front(registry)).blob("app", digest) as stream:
        assert b"".join(stream) == data


def test_a_body_that_breaks_off_is_carried_on_over_a_new_connection(serve, front, pull) -> None:
    registry = serve()
    data = random.Random(1).randbytes(300_000)
    digest = Digest.parse(registry.add_blob("app", data))
    registry.on("/blobs/", Reply(cut=100_000), times=1)
    server = front(registry)
    with pull(server).blob("app", digest) as stream:
        assert b"".join(stream) == data
    assert server.connections == 2
    assert len(server.attestations) == 2


def test_a_server_that_falls_silent_is_given_up(serve, front, pull) -> None:
    registry = serve()
    registry.on("/v2/", Reply(body=b"12345", cut=2, stall=True))
    with pytest.raises(TimedOut, match="no data arrived for 0.1 seconds"):
        pull(front(registry), timeouts=Timeouts(read=0.1)).ping()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_names_by_dns_and_address(serve, front, pull, host) -> None:
    assert pull(front(serve()), host=host).ping() == "registry/2.0"


def test_authorities_of_the_system(serve, front, pull, authority, tmp_path, monkeypatch) -> None:
    server = front(serve())
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("SSL_CERT_DIR", str(empty))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    assert pull(server, tls={"ca_path": None}).ping() == "registry/2.0"
    monkeypatch.setenv("SSL_CERT_FILE", str(empty / "absent"))
    with pytest.raises(ConfigurationError, match="no trusted CA certificates.* ca_path"):
        pull(server, tls={"ca_path": None}).ping()
    malformed = b"-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n"
    (empty / "bad.pem").write_bytes(malformed)
    with pytest.raises(ConfigurationError, match="None of the CA certificates .* ca_path"):
        pull(server, tls={"ca_path": None}).ping()
    (empty / "mine.0").write_bytes(authority.path.read_bytes() + malformed)
    (empty / "again.pem").write_bytes(b"# once more\n" + authority.path.read_bytes())
    assert pull(server, tls={"ca_path": None}).ping() == "registry/2.0"


def test_ca_directory(serve, front, pull, authority, tmp_path) -> None:
    (tmp_path / "mine.txt").write_bytes(authority.path.read_bytes())
    assert pull(front(serve()), tls={"ca_path": str(tmp_path)}).ping() == "registry/2.0"


@pytest.mark.parametrize(
    "content",
    [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n"],
    ids=["absent", "empty", "other", "malformed"],
)
def test_a_bad_ca_path(pull, serve, front, tmp_path, content) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    server = front(serve())
    with pytest.raises(ConfigurationError, match=f"option ca_path: {path} cannot be read"):
        pull(server, tls={"ca_path": str(path)}).ping()
    assert server.connections == 0


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"names": ["registry.example"]}, "it is for another name.; use a name that"),
        ({"expired": True}, "it has expired.; renew the certificate, or correct the clock"),
    ],
    ids=["name", "expired"],
)
def test_a_certificate_that_is_not_good(serve, front, pull, authority, tmp_path, made, message) -> None:
    server = front(serve(), certificate=authority.server("bad", **made))
    with pytest.raises(TlsFailed, match=rf"certificate of 127.0.0.1:\d+ is not trusted .{message}"):
        pull(server).ping()
    assert server.connections == 1
    assert server.attestations == []
    assert pull(server, tls={"validate_certs": False}).ping() == "registry/2.0"


def test_an_unknown_authority(serve, front, pull, tmp_path) -> None:
    server = front(serve())
    other = Authority(tmp_path, "other")
    with pytest.raises(TlsFailed, match=r"certificate of 127.0.0.1:\d+ is not trusted .* in the option ca_path"):
        pull(server, tls={"ca_path": str(other.path)}).ping()
    assert server.connections == 1


# refusals


def test_a_refusal_comes_once_and_names_the_token(serve, front, pull, stranger) -> None:
    registry = serve()
    server = front(registry)
    with pytest.raises(AttestationRejected) as raised:
        pull(server, source=make_source("simulated", path=str(stranger))).tags("app")
    assert server.connections == 1
    assert len(server.refusals) == 1
    assert registry.requests == []
    facts = raised.value.as_result()
    assert facts["kind"] == "attestation_rejected"
    assert facts["evidence"] == "simulated"
    assert facts["alert"] == "certificate_unknown"
    assert facts["token"] in raised.value.message
    assert raised.value.message.startswith(
        f"Cannot list the tags of app from 127.0.0.1:{server.port}: 127.0.0.1:{server.port} rejected the attestation of"
        " this host; the log of the server has the reason beside the token sha256:"
    )
    assert "cpak.pem among its trust_anchors" in raised.value.message


def test_a_token_from_a_file_gets_the_reason_why_it_never_passes(serve, front, pull, realm, tmp_path, warnings) -> None:
    token = tmp_path / "token"
    token.write_bytes(make_source("simulated", path=str(realm)).evidence(bytes(64)).token)
    server = front(serve())
    with pytest.raises(AttestationRejected, match="made for another connection, .* set ratls.evidence to command"):
        pull(server, source=make_source("file", path=str(token))).ping()
    assert "challenge" in server.refusals[0].message
    assert "was not made for this connection" in warnings[0]


def test_measurements_that_are_not_expected(serve, front, pull, realm, stranger) -> None:
    """The platform is known, the realm is not."""
    server = front(serve(), party=accepting(stranger, anchors=realm))
    with pytest.raises(AttestationRejected) as raised:
        pull(server).ping()
    assert "no reference value has the measurements" in server.refusals[0].message
    assert raised.value.fields["rim"] in server.refusals[0].message


@pytest.mark.parametrize(
    "alert",
    [
        Alert.BAD_CERTIFICATE,
        Alert.ACCESS_DENIED,
        Alert.CERTIFICATE_REQUIRED,
        Alert.UNKNOWN_CA,
        Alert.CERTIFICATE_EXPIRED,
    ],
    ids=lambda alert: alert.name,
)
def test_every_alert_about_certificates_is_a_refusal(serve, front, pull, alert) -> None:
    server = front(serve(), alert=alert)
    with pytest.raises(AttestationRejected) as raised:
        pull(server).ping()
    assert raised.value.fields["alert"] == alert.name.lower()
    assert server.connections == 1


def test_a_server_that_cannot_judge_is_asked_again(serve, front, pull) -> None:
    server = front(serve(), alert=Alert.INTERNAL_ERROR)
    with pytest.raises(ServerFailed, match=r"could not judge the attestation of this host .*internal_error"):
        pull(server).ping()
    assert server.connections == 1 + RETRIES.retries


def test_a_refusal_while_a_long_request_is_written(serve, front, authority, stranger) -> None:
    """The alert, and then the reset, come before the client has read anything."""

    server = front(serve())
    origin = Origin("https", "127.0.0.1", server.port)
    attester = Attester(make_source("simulated", path=str(stranger)), "ec-p256")
    tls = AttestedTls(
        TlsOptions("ra-tls", ca_path=str(authority.path), attester=attester), origin, warn=lambda text: None
    )
    operation = Operation("post", "registry")
    guard = Guard(operation, timeouts=Timeouts(), deadline=None, clock=lambda: 0.0)
    pool = Pool(None, verify=True, secure=tls.secure)
    body = bytes(40_000_000)
    headers = {"Content-Length": str(len(body))}
    with contextlib.closing(pool), pytest.raises(BrokenOff) as raised:
        pool.send(Exchange(guard, "/v2/"), method="POST", origin=origin, headers=headers, body=body)
    assert isinstance(explain_tls13(raised.value, operation, origin), AttestationRejected)


@pytest.mark.parametrize("end", ["reset", "eof"])
def test_an_end_without_an_alert_may_be_a_refusal(serve, front, pull, end) -> None:
    server = front(serve(), end=end)
    with pytest.raises(ConnectionFailed) as raised:
        pull(server).ping()
    assert "closed the connection right after it received the attestation of this host" in raised.value.message
    assert "beside the token sha256:" in raised.value.message
    assert "client_cert" not in raised.value.message
    assert server.connections == 1 + RETRIES.retries


# modes that are not those of the server


def test_tls_where_an_attestation_is_asked_for(serve, front, connect, authority):
    server = front(serve())
    client = connect(f"127.0.0.1:{server.port}", tls=TlsOptions("tls", ca_path=str(authority.path)), retry=RETRIES)
    with pytest.raises(TlsFailed, match=r"such as the challenge of an RA-TLS server; try `tls: ra-tls`") as caught:
        client.ping()
    assert not caught.value.transient


def test_the_key_is_there_before_the_connection(serve, front, pull, monkeypatch):
    made = []
    monkeypatch.setattr(attested, "process_key", lambda key_type: made.append((key_type, server.connections)))
    server = front(serve())
    pull(server).ping()
    assert made == [("ec-p256", 0)]


@pytest.mark.parametrize(
    ("asking", "what"),
    [("nothing", "requests no client certificate"), ("names", "requests a client certificate without a challenge")],
)
def test_a_server_that_asks_for_no_attestation(serve, front, pull, asking, what) -> None:
    registry = serve()
    server = front(registry, asking=asking)
    with pytest.raises(TlsFailed, match=rf"127.0.0.1:\d+ is not an RA-TLS server: .*{what}; .*try `tls: tls`"):
        pull(server).ping()
    assert server.connections == 1
    assert registry.requests == []


def test_an_ordinary_tls_server(serve, pull, authority) -> None:
    server = serve(tls=server_context(authority.server()))
    with pytest.raises(TlsFailed, match="is not an RA-TLS server"):
        pull(server).ping()
    assert server.requests == []


def test_a_server_of_tls_1_2(serve, pull, authority) -> None:
    context = server_context(authority.server())
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = serve(tls=context)
    with pytest.raises(TlsFailed, match="does not support TLS 1.3, which RA-TLS requires; .*try `tls: tls`"):
        pull(server).ping()
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x03\x00\x04\x02\x00\x00\x00",
        bytes(100),
    ],
    ids=["http", "ssh", "hello", "zeros"],
)
def test_what_is_not_tls(pull, answer) -> None:
    with Deaf(answer) as server:
        with pytest.raises(ProtocolBroken, match="violates TLS 1.3"):
            pull(server).ping()
        assert server.connections == 1


def test_a_server_without_tls(serve, pull) -> None:
    with pytest.raises(ProtocolBroken, match="check that this is the port of an RA-TLS server"):
        pull(serve()).ping()


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_server_that_hangs_up_in_the_handshake(pull, end) -> None:
    with Deaf(end=end) as server:
        with pytest.raises(ConnectionFailed, match="aborted the TLS handshake; try again"):
            pull(server).ping()
        assert server.connections == 1 + RETRIES.retries


def test_a_name_that_no_certificate_has(serve, front, pull, names) -> None:
    names["my_host"] = "127.0.0.1"
    with pytest.raises(TlsFailed, match="'my_host' is neither a host name .*without underscores"):
        pull(front(serve()), host="my_host").ping()


def test_a_server_that_stalls_in_the_handshake(pull) -> None:
    with Deaf() as server:
        with pytest.raises(TimedOut, match="did not complete the TLS handshake in time; .* connect_timeout"):
            pull(server, timeouts=Timeouts(connect=0.05)).ping()
        # the client may give up before the server has accepted the connection
        assert comes(lambda: server.connections > RETRIES.retries)
        assert server.connections == 1 + RETRIES.retries


def subclasses(kind: type[tls13.TlsError]) -> list[type[tls13.TlsError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in subclasses(one))]


@pytest.mark.parametrize(
    "kind",
    [kind for kind in subclasses(tls13.TlsError) if kind.__module__ == tls13.__name__],
    ids=lambda kind: kind.__name__,
)
def test_every_error_of_tls_becomes_one_sentence(kind) -> None:
    operation, origin = Operation("list the tags", "r.example"), Origin("https", "r.example", 443)
    for alert in (None, *Alert):
        found = explain_tls13(kind("Something happened.", alert=alert), operation, origin)
        assert isinstance(found, RegistryError)
        assert found.message.startswith("Cannot list the tags: ")
        assert "r.example" in found.message
        assert found.message.endswith(".")
        assert ".;" not in found.message


@pytest.mark.parametrize("library", ["cryptography", "cbor2"])
def test_other_connections_need_no_library_of_attestation(serve, library) -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        f"sys.modules[{library!r}] = None\n"
        "package = 'ansible_collections.attested.registry.plugins.module_utils._registry'\n"
        "from importlib import import_module as load\n"
        f"endpoint = load(package + '.endpoint').Endpoint.parse({serve().name!r}, mode='no-tls')\n"
        "print(load(package + '.client').Registry(endpoint).ping())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "registry/2.0\n"


# evidence


def test_an_error_of_the_evidence_source_is_reported_unchanged(serve, front, pull, tmp_path) -> None:
    server = front(serve())
    with pytest.raises(EvidenceUnavailable, match=r"Getting an attestation token .file. failed: the file .*absent"):
        pull(server, source=make_source("file", path=str(tmp_path / "absent"))).ping()
    assert server.connections == 1


def test_evidence_that_is_no_token(serve, front, pull, tmp_path) -> None:
    (tmp_path / "token").write_bytes(b"no token")
    server = front(serve())
    with pytest.raises(TokenInvalid):
        pull(server, source=make_source("file", path=str(tmp_path / "token"))).ping()
    assert server.connections == 1


def test_a_command_makes_tokens_for_the_challenge(serve, front, pull, realm) -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from ansible_collections.attested.registry.plugins.module_utils._ratls.simulate import main\n"
        f"sys.exit(main(['token', {str(realm)!r}, '--challenge', sys.argv[1]]))"
    )
    server = front(serve())
    client = pull(server, source=make_source("command", argv=[sys.executable, "-c", code, "{challenge}"]))
    assert client.ping() == "registry/2.0"
    assert client.attestation["evidence"] == "command"
    assert client.attestation["simulated"] is True


def test_cryptography_is_missing(pull, serve, monkeypatch) -> None:
    monkeypatch.setattr(crypto, "IMPORT_ERROR", "Traceback: no cryptography")
    with pytest.raises(DependencyMissing, match="cryptography >= 45.0.0.* cannot be imported; install it") as raised:
        pull(serve()).ping()
    assert raised.value.as_result() == {"kind": "dependency_missing", "library": "cryptography >= 45.0.0"}
    assert raised.value.traceback == "Traceback: no cryptography"


@pytest.mark.parametrize("version", ["37.0.4", "43.0.3", "44.0.3"])
def test_cryptography_is_too_old_to_check_a_server(pull, serve, monkeypatch, version) -> None:
    monkeypatch.setattr(crypto, "_found_version", version)
    why = f"A connection with ra-tls needs the Python library cryptography >= 45.0.0 and {version} was found; upgrade"
    with pytest.raises(DependencyMissing, match=why):
        pull(serve()).ping()


def test_cbor2_is_missing(pull, serve, monkeypatch) -> None:
    monkeypatch.setattr(cbor, "IMPORT_ERROR", "Traceback: no cbor2")
    server = serve()
    with pytest.raises(DependencyMissing, match="cbor2 >= 5.4.0, which cannot be imported; install it") as raised:
        pull(server).ping()
    assert raised.value.as_result() == {"kind": "dependency_missing", "library": "cbor2 >= 5.4.0"}
    assert raised.value.traceback == "Traceback: no cbor2"
    assert server.connections == 0


def test_cbor2_is_too_old(pull, serve, monkeypatch) -> None:
    monkeypatch.setattr(cbor, "_found_version", lambda: "5.3.0")
    server = serve()
    with pytest.raises(DependencyMissing, match="cbor2 >= 5.4.0 and 5.3.0 was found in .*; upgrade it"):
        pull(server).ping()
    assert server.connections == 0


# other hosts and proxies


def test_only_the_registry_itself_is_shown_an_attestation(serve, front, pull, authority) -> None:
    """The storage is an ordinary TLS server on the same host."""
    storage = serve(tls=server_context(authority.server()))
    registry = serve()
    digest = storage.add_blob("app", b"content")
    registry.on("/blobs/", redirect(f"{storage.url}/v2/app/blobs/{digest}"))
    server = front(registry)
    with pull(server).blob("app", Digest.parse(digest)) as stream:
        assert b"".join(stream) == b"content"
    assert len(server.attestations) == 1
    assert len(storage.requests) == 1


def test_a_token_service_beside_the_registry(serve, front, pull, authority) -> None:
    service = serve(tls=server_context(authority.server()), auth="bearer")
    registry = serve(auth="bearer", realm=f"{service.url}/token")
    registry.tokens = service.tokens
    server = front(registry)
    assert pull(server).ping() == "registry/2.0"
    assert len(service.sent("/token")) == 1


class Tunnel:
    """A proxy that knows CONNECT, to one port whatever it is asked for. asked has what that was."""

    def __init__(
        self, port: int, *, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n", tls: ssl.SSLContext | None = None
    ) -> None:
        self.asked: list[bytes] = []
        self._to, self._answer, self._tls = port, answer, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._run, daemon=True)]

    def __enter__(self) -> Tunnel:
        self._threads[0].start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                client: socket.socket = self._listener.accept()[0]
            except OSError:
                return
            with contextlib.suppress(OSError):
                client = client if self._tls is None else self._tls.wrap_socket(client, server_side=True)
                self.asked.append(client.recv(65536).partition(b"\r\n")[0])
                client.sendall(self._answer)
                if b" 200 " not in self._answer:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._to))
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=_copy, args=ends, daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_through_a_proxy(serve, front, pull, authority) -> None:
    registry = serve()
    server = front(registry, certificate=authority.server("proxied", names=["registry.example"]))
    with Tunnel(server.port) as proxy:
        client = pull(server, host="registry.example", proxies=Proxies(https=f"http://127.0.0.1:{proxy.port}"))
        assert client.ping() == "registry/2.0"
        assert client.ping() == "registry/2.0"
    (asked,) = proxy.asked
    assert asked.startswith(f"CONNECT registry.example:{server.port} HTTP/1.".encode())
    assert len(server.attestations) == 1


def test_through_a_proxy_over_tls(serve, front, pull, authority, monkeypatch) -> None:
    """Where the proxy itself is https, that is checked by what the system trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    server = front(serve(), certificate=authority.server("proxied", names=["registry.example"]))
    with Tunnel(server.port, tls=server_context(authority.server())) as proxy:
        client = pull(server, host="registry.example", proxies=Proxies(https=f"https://localhost:{proxy.port}"))
        assert client.ping() == "registry/2.0"
    assert len(server.attestations) == 1


def test_a_refusal_through_a_proxy_is_the_registrys(serve, front, pull, authority, stranger) -> None:
    server = front(serve(), certificate=authority.server("proxied", names=["registry.example"]))
    source = make_source("simulated", path=str(stranger))
    with Tunnel(server.port) as proxy:
        proxies = Proxies(https=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(AttestationRejected, match=rf"registry.example:{server.port} rejected the attestation"):
            pull(server, host="registry.example", proxies=proxies, source=source).ping()


def test_a_proxy_that_refuses_the_tunnel_is_reported(serve, front, pull) -> None:
    server = front(serve())
    with Tunnel(server.port, answer=b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as proxy:
        proxies = Proxies(https=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectionFailed, match="proxy .* does not let the connection through .Tunnel .*403"):
            pull(server, host="registry.example", proxies=proxies).ping()
    assert server.connections == 0


def test_a_socks_proxy_is_refused(pull) -> None:
    proxies = Proxies(https="socks5://127.0.0.1:1")
    with Deaf() as server:
        with pytest.raises(ConfigurationError, match="ra-tls does not support SOCKS proxies"):
            pull(server, host="registry.example", proxies=proxies).ping()
        assert server.connections == 0
