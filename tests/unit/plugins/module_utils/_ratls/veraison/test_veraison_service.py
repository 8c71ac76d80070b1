# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of Veraison over real HTTP are bounded in time and size, and any broken answer is an error."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import gzip
import json
import logging
import os
import pathlib
import socket
import ssl
import time
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import DependencyMissing
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.appraisal import PresentedToken
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import (
    AppraisalFailed,
    ConfigurationInvalid,
    VeraisonFailed,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cca_token import parse_token
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.jwk import thumbprint
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison import http_client, session
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.deadline import Clock
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.exchange import MAX_BODY
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.http_client import (
    USER_AGENT,
    HttpClient,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.settings import read_veraison
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.veraison import VeraisonAppraiser
from ansible_collections.attested.registry.tests.support.attestation import ratls_stand_in_veraison as stand_in
from ansible_collections.attested.registry.tests.support.attestation import ratls_tokens
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.attestation.ratls_stand_in_veraison import (
    OLD,
    StandInVeraison,
    nonce,
    public_jwk,
    serving,
    unsigned_jws,
)
from ansible_collections.attested.registry.tests.support.attestation.ratls_tokens import platform_key
from ansible_collections.attested.registry.tests.support.processes.descriptors import connections_to

TOKEN = ratls_tokens.token()
PRESENTED = PresentedToken(parse_token(TOKEN), TOKEN, ratls_tokens.CHALLENGE)


@dataclasses.dataclass
class Service:
    """A stand-in that serves HTTPS, and who asks it."""

    veraison: StandInVeraison
    authority: Authority
    url: str = ""
    clock: Clock = dataclasses.field(default_factory=Clock)

    def appraiser(self, **settings: t.Any) -> VeraisonAppraiser:
        key = json.dumps(public_jwk(platform_key("P-256"))).encode()
        files = {"veraison.jwk": key, "ca.pem": self.authority.path.read_bytes()}
        value = {"url": self.url, "key": "veraison.jwk", "ca_path": "ca.pem", **settings}
        present = {name: value for name, value in value.items() if value is not None}
        made = read_veraison(present, "veraison", read_file=files.__getitem__)
        return dataclasses.replace(made, clock=self.clock)

    def refused(self, reason: str, **settings: t.Any) -> VeraisonFailed:
        with pytest.raises(VeraisonFailed, match=reason) as caught:
            self.appraiser(**settings).appraise(PRESENTED)
        message = caught.value.message
        assert message.startswith("Having the attestation verified by Veraison failed: ")
        assert message.endswith(".")
        assert nonce(PRESENTED.realm_challenge) not in message
        return caught.value

    def asks(self, what: str) -> int:
        return self.veraison.methods.count(what)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def make_service(authority: Authority) -> Service:
    veraison = StandInVeraison()
    veraison.now = time.time()
    return Service(veraison, authority)


@pytest.fixture
def service(authority: Authority, caplog: pytest.LogCaptureFixture) -> t.Iterator[Service]:
    """A service; at the end the client has closed all its connections and logged no warning."""
    made = make_service(authority)
    gc.disable()
    try:
        with serving(made.veraison, server_context(authority.server())) as url:
            made.url = url
            yield made
            assert not connections_to(int(url.rpartition(":")[2]))
    finally:
        gc.enable()
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.WARNING] == []


def test_a_token_is_verified_over_https(service: Service) -> None:
    verdict = service.appraiser().appraise(PRESENTED)
    assert verdict.reason == "CCA_SSD_PLATFORM affirming, CCA_REALM warning"
    assert verdict.warnings == ()
    assert service.veraison.methods == ["POST", "POST", "DELETE"]
    assert service.veraison.token == TOKEN
    sent = service.veraison.sent
    assert sent["User-Agent"] == USER_AGENT
    assert sent["Host"] == service.url.partition("//")[2]
    assert sent["Accept-Encoding"] == "identity"
    assert service.url + "/challenge-response/v1/session/1234" == service.veraison.requests[-1][1]


def test_every_token_is_verified_anew(service: Service) -> None:
    appraiser = service.appraiser()
    appraiser.appraise(PRESENTED)
    service.veraison.claims = {"submods": {"CCA_SSD_PLATFORM": {"ear.status": "contraindicated"}}}
    with pytest.raises(AppraisalFailed, match="is contraindicated"):
        appraiser.appraise(PRESENTED)
    assert service.veraison.methods == ["POST", "POST", "DELETE"] * 2


def signed_by(name: str) -> t.Callable[[StandInVeraison], None]:
    def change(veraison: StandInVeraison) -> None:
        head, rest = {"alg": name, "typ": "JWT"}, {"iat": veraison.now}
        veraison.result = unsigned_jws(rest, head, b"" if name == "none" else bytes(32))

    return change


def another_key(veraison: StandInVeraison) -> None:
    veraison.key = type(veraison.key).generate("P-256")


def claims(**changes: t.Any) -> t.Callable[[StandInVeraison], None]:
    def change(veraison: StandInVeraison) -> None:
        veraison.claims = {name: value(veraison.now) if callable(value) else value for name, value in changes.items()}

    return change


LIES: list[tuple[str, t.Callable[[StandInVeraison], None], str]] = [
    ("other nonce", claims(eat_nonce=nonce(bytes(64))), "for another challenge"),
    ("no nonce", claims(eat_nonce=...), "for another challenge"),
    ("old", claims(iat=lambda now: int(now) - 400), "too old"),
    ("expired", claims(exp=lambda now: int(now) - 100), "has expired"),
    ("no valid time exp", claims(exp=...), "no valid time exp"),
    ("other key", another_key, "signed with a key other"),
    ("none", signed_by("none"), "not signed with ES256 or ES384"),
    ("HS256", signed_by("HS256"), "not signed with ES256 or ES384"),
    ("RS256", signed_by("RS256"), "not signed with ES256 or ES384"),
    ("other submod", claims(submods={"OTHER": {"ear.status": 2}}), 'required submodule "CCA_SSD_PLATFORM" is missing'),
    (
        "only realm",
        claims(submods={"CCA_REALM": {"ear.status": 2}}),
        'required submodule "CCA_SSD_PLATFORM" is missing',
    ),
]


@pytest.mark.parametrize(("lie", "reason"), [row[1:] for row in LIES], ids=[row[0] for row in LIES])
def test_lies_about_the_token(service: Service, lie: t.Any, reason: str) -> None:
    lie(service.veraison)
    service.refused(reason)
    assert service.veraison.methods == ["POST", "POST", "DELETE"]


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/challenge-response/v1/session/1",
        "../../../../etc",
        "session/%2e%2e/%2e%2e/1",
        "https://user:secret@{host}/challenge-response/v1/session/1",
        "http://{host}/challenge-response/v1/session/1",
        "session/1, session/2",
    ],
)
def test_the_session_is_at_the_service_or_nowhere(authority: Authority, location: str) -> None:
    service = make_service(authority)
    with serving(service.veraison, server_context(authority.server())) as url:
        service.url = url + "/below"
        service.veraison.location = location.replace("{host}", url.partition("//")[2])
        service.refused("the Location of its session")
    assert service.veraison.methods == ["POST"]


def test_two_location_headers_are_refused(service: Service) -> None:
    def twice(peer: stand_in.Peer, data: bytes) -> None:
        peer.write(data.replace(b"\r\n\r\n", b"\r\nLocation: session/5678\r\n\r\n", 1))

    service.veraison.manners = {"NEW": twice}
    service.refused("the Location of its session is not a URL")


@pytest.mark.parametrize(("what", "requests"), [("NEW", ["POST"]), ("POST", ["POST", "POST", "DELETE"])])
@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 500, 503])
def test_errors_and_redirects_end_it(service: Service, what: str, requests: list[str], status: int) -> None:
    service.veraison.statuses = {what: status}
    service.veraison.headers = {what: {"location": f"{service.url}/challenge-response/v1/elsewhere"}}
    assert service.refused(f"it answered a POST with status {status};").fields == {"status": status}
    assert service.veraison.methods == requests
    assert not any("elsewhere" in url for dummy, url in service.veraison.requests)


def test_the_problem_document_of_the_service_is_quoted(service: Service) -> None:
    challenge = nonce(PRESENTED.realm_challenge)
    problem = {"title": "Bad\nRequest", "detail": f"no endorsements for {challenge}", "status": 400}
    service.veraison.statuses = {"POST": 400}
    service.veraison.headers = {"POST": {"content-type": "application/problem+json; charset=utf-8"}}
    service.veraison.documents = {"POST": problem}
    service.refused(r"with status 400 \(Bad\\nRequest: no endorsements for \.\.\.\);")
    for document in (b"<html>", {}, {"title": 1}):
        service.veraison.documents = {"POST": document}
        service.refused("with status 400;")
    service.veraison.headers = {}
    service.veraison.documents = {"POST": problem}
    service.refused("with status 400;")


def test_polling_ends_at_the_timeout(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        time.sleep(seconds)
        waits.append(seconds)

    # only waiting takes time, 20 times as much, so that a slow request is not the end: each has 6 seconds or more
    service.clock = Clock(monotonic=lambda: 20 * sum(waits), wait=wait)
    monkeypatch.setattr(session, "_DELETE_SECONDS", 20.0)
    service.veraison.polls = ["processing"] * 1000
    service.refused("took more than 20 seconds", timeout=20)
    assert service.asks("GET") >= 1
    assert service.veraison.methods[-1] == "DELETE"


BODIES = [
    ("not JSON", b"<html>", "not a JSON object"),
    ("not UTF-8", b"\xff", "not a JSON object"),
    ("duplicate", b'{"status": "waiting", "status": "complete"}', "not a JSON object"),
    ("array", b"[]", "not a JSON object"),
    ("deep", b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "not a JSON object"),
    ("empty", b"", "not a JSON object"),
    ("large", b'"' + b"a" * MAX_BODY + b'"', f"longer than {MAX_BODY} bytes"),
]


@pytest.mark.parametrize("what", ["NEW", "POST"])
@pytest.mark.parametrize(("body", "reason"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_invalid_bodies_are_refused(service: Service, what: str, body: bytes, reason: str) -> None:
    service.veraison.documents = {what: body}
    service.refused(reason)
    assert service.veraison.methods[-1] == ("POST" if (what, len(body) > MAX_BODY) == ("NEW", True) else "DELETE")


HEAD = b"HTTP/1.1 201 Created\r\nLocation: session/1\r\n"
WIRES = [
    ("hangs up", stand_in.nothing, "it closed the connection early"),
    ("cut", stand_in.cut, "it closed the connection early"),
    ("not HTTP", stand_in.exactly(b"SSH-2.0-OpenSSH\r\n"), "not HTTP"),
    ("HTTP/3", stand_in.exactly(b"HTTP/3 x\r\n\r\n"), "not HTTP"),
    ("endless", stand_in.without_end, f"longer than {MAX_BODY} bytes"),
    ("announced", stand_in.exactly(HEAD + b"Content-Length: 99999999999999\r\n\r\n"), "longer than"),
    ("cut in the status", stand_in.exactly(b"HTTP/1.1 20"), "it closed the connection early"),
    ("cut after the status", stand_in.exactly(b"HTTP/1.1 201 Created\r\n"), "it closed the connection early"),
    ("cut in a header", stand_in.exactly(HEAD + b"Content-Length: 0"), "it closed the connection early"),
    ("cut before the empty line", stand_in.exactly(HEAD + b"Content-Length: 0\r\n"), "it closed the connection early"),
    ("longer than announced", stand_in.exactly(HEAD + b"Content-Length: 2\r\n\r\n{}{}"), "not HTTP"),
    ("negative length", stand_in.exactly(HEAD + b"Content-Length: -2\r\n\r\n{}"), "not HTTP"),
    ("two lengths", stand_in.exactly(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}{}"), "not HTTP"),
    (
        "length and chunks",
        stand_in.exactly(HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        "not HTTP",
    ),
    ("chunk", stand_in.exactly(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "not HTTP"),
    ("later chunk", stand_in.in_pieces(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"zz\r\n"), "not HTTP"),
    (
        "short chunk",
        stand_in.exactly(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{"),
        "it closed the connection early",
    ),
    (
        "giant chunk",
        stand_in.exactly(HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffff\r\n{}"),
        "it closed the connection early",
    ),
    ("long line", stand_in.exactly(b"HTTP/1.1 201 Created\r\nA: " + b"a" * 70_000 + b"\r\n\r\n"), "not HTTP"),
    ("many headers", stand_in.exactly(b"HTTP/1.1 201 Created\r\n" + b"A: a\r\n" * 200 + b"\r\n"), "not HTTP"),
    ("endless headers", stand_in.headers_without_end, f"longer than {MAX_BODY} bytes|not HTTP"),
    ("goes on", stand_in.exactly(b"HTTP/1.1 100 Continue\r\n\r\n" * 60_000), f"longer than {MAX_BODY} bytes"),
    ("ragged end", stand_in.exactly(HEAD + b"\r\n{"), "failed|JSON"),
]


@pytest.mark.parametrize(("manner", "reason"), [row[1:] for row in WIRES], ids=[row[0] for row in WIRES])
def test_connections_that_break(service: Service, manner: stand_in.Manner, reason: str) -> None:
    service.veraison.manners = {"NEW": manner}
    service.refused(reason)
    service.veraison.manners = {"POST": manner}
    service.veraison.requests.clear()
    service.refused(reason)
    assert service.veraison.methods == ["POST", "POST", "DELETE"]


@pytest.mark.parametrize("what", ["NEW", "POST", "DELETE"])
def test_a_service_that_drips_is_left_in_time(service: Service, what: str) -> None:
    service.veraison.manners = {what: stand_in.drip}
    begin = time.monotonic()
    if what == "DELETE":
        # which has a limit of its own
        (warning,) = service.appraiser(timeout=20).appraise(PRESENTED).warnings
        assert "was not deleted" in warning
        assert "did not answer a DELETE in time" in warning
    else:
        # each POST has all the time, so that it never is over between them
        service.clock = Clock(monotonic=lambda: 0.0)
        service.refused("did not answer a POST in time", timeout=0.5)
    assert time.monotonic() - begin < 30  # what drips would take hours


def test_a_service_that_says_nothing_is_left_in_time(authority: Authority) -> None:
    service = make_service(authority)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for scheme in ("https", "http"):
            service.url = f"{scheme}://127.0.0.1:{port}"
            ca = {} if scheme == "https" else {"ca_path": None}
            service.refused("did not answer a POST in time", timeout=0.3, **ca)


def test_a_service_that_is_not_there(authority: Authority) -> None:
    service = make_service(authority)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        service.url = f"https://127.0.0.1:{closed.getsockname()[1]}"
    service.refused("cannot be reached .Connection refused.; check that the service is running")
    for name in ("veraison.invalid", "a" * 64 + ".invalid"):
        service.url = f"https://{name}"
        service.refused("its name cannot be resolved")


def test_every_address_of_a_name_is_tried(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(service.url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", place) for place in (nobody, ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *dummy, **options: found)
    service.url = f"https://localhost:{port}"
    assert service.appraiser().appraise(PRESENTED)
    found.reverse()
    assert service.appraiser().appraise(PRESENTED)
    del found[0]
    service.refused("cannot be reached .Connection refused.")


def test_the_certificate_of_another_authority_or_name_or_time(authority: Authority, tmp_path: pathlib.Path) -> None:
    other = Authority(tmp_path, "other")
    service = make_service(authority)
    for certificate, reason in (
        (other.server("other-ca"), "was rejected .unable to get local issuer certificate."),
        (authority.server("other-name", names=["veraison.example"]), "was rejected .IP address mismatch.*not valid"),
        (authority.server("old", expired=True), "was rejected .certificate has expired."),
    ):
        with serving(service.veraison, server_context(certificate)) as url:
            service.url = url
            assert "ca_path" in service.refused(reason).message
    with serving(service.veraison, server_context(authority.server("fine"))) as url:
        service.url = url
        service.refused("certificate was rejected", ca_path=None)  # the system does not know it
    assert service.veraison.requests == []


def test_a_service_that_does_not_speak_tls(authority: Authority) -> None:
    service = make_service(authority)
    with serving(service.veraison) as url:
        service.url = url.replace("http:", "https:")
        service.refused("TLS with it failed")
    assert service.veraison.requests == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_of_tls_are_refused(authority: Authority) -> None:
    context = server_context(authority.server())
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    service = make_service(authority)
    with serving(service.veraison, context) as url:
        service.url = url
        service.refused("TLS with it failed")


def test_interim_responses_are_skipped(service: Service) -> None:
    def first(peer: stand_in.Peer, data: bytes) -> None:
        peer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLocation: session/5\r\n\r\n" + data)

    service.veraison.manners = {"NEW": first, "POST": first, "DELETE": first}
    assert service.appraiser().appraise(PRESENTED).warnings == ()


def test_an_answer_is_not_decompressed(service: Service) -> None:
    bomb = gzip.compress(bytes(100 * MAX_BODY))
    service.veraison.documents, service.veraison.headers = {"KEYS": bomb}, {"KEYS": {"content-encoding": "gzip"}}
    client = HttpClient(service.authority.path.read_text())
    address = service.url + "/.well-known/veraison/verification"
    assert client("GET", address, headers={}, body=None, timeout=30).body == bomb


def test_the_client_closes_a_connection_that_the_service_keeps_open(service: Service) -> None:
    service.veraison.manners = dict.fromkeys(("NEW", "POST", "DELETE"), stand_in.and_stays)
    assert service.appraiser().appraise(PRESENTED).warnings == ()


@pytest.mark.parametrize("what", ["GET", "DELETE"])
def test_no_request_is_sent_twice(service: Service, what: str) -> None:
    service.veraison.manners = {what: stand_in.nothing}
    service.veraison.polls = ["processing"]
    with contextlib.suppress(VeraisonFailed):
        service.appraiser().appraise(PRESENTED)
    assert service.asks(what) == 1


def test_http_works_on_the_loopback_interface(authority: Authority) -> None:
    service = make_service(authority)
    with serving(service.veraison) as url:
        service.url = url
        assert service.appraiser(ca_path=None).appraise(PRESENTED)
        with pytest.raises(ConfigurationInvalid, match="ca_path cannot be used with an http address"):
            service.appraiser()


def test_proxies_of_the_environment_are_not_used(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy"):
            monkeypatch.setitem(os.environ, name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert service.appraiser().appraise(PRESENTED)


def test_neither_cookies_nor_passwords_of_the_user_are_sent(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    service.veraison.headers = {"NEW": {"set-cookie": "name=value"}}
    assert service.appraiser().appraise(PRESENTED)
    assert not {"Cookie", "Authorization"} & set(service.veraison.sent)


def test_a_session_that_is_not_deleted_is_reported(service: Service) -> None:
    service.veraison.statuses = {"DELETE": 500}
    assert "was not deleted" in service.appraiser().appraise(PRESENTED).warnings[0]


def test_the_pinned_key_is_fetched(service: Service) -> None:
    pinned = service.appraiser(key=None, pin=thumbprint(platform_key("P-256").public))
    assert service.veraison.requests == []
    assert pinned.appraise(PRESENTED)
    assert pinned.appraise(PRESENTED)
    assert service.asks("GET") == 1
    other = service.appraiser(key=None, pin=thumbprint(platform_key("P-384").public))
    with pytest.raises(VeraisonFailed, match="none of its keys matches a pin"):
        other.appraise(PRESENTED)


def test_an_old_service_is_sent_the_media_type_that_it_knows(service: Service) -> None:
    service.veraison.accept = [OLD]
    assert service.appraiser().appraise(PRESENTED)
    assert service.veraison.sent["Content-Type"] == OLD


def test_an_answer_without_a_length_is_read_to_its_end(authority: Authority) -> None:
    service = make_service(authority)
    with serving(service.veraison) as url:
        service.veraison.manners = {
            "KEYS": stand_in.exactly(b"HTTP/1.0 200 OK\r\nA: 1\r\na: 2\r\n\r\n{}"),
            "GET": stand_in.exactly(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * (MAX_BODY + 1)),
        }
        address = url + "/.well-known/veraison/verification"
        answer = HttpClient()("GET", address, headers={}, body=None, timeout=30)
        assert (answer.status, answer.body, answer.headers) == (200, b"{}", {"a": "1, 2"})
        with pytest.raises(VeraisonFailed, match="longer than"):
            HttpClient()("GET", url + "/x", headers={}, body=None, timeout=30)


@pytest.mark.parametrize("found", [(0, 0), (3, 10)])
def test_the_missing_library_is_named(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, found: tuple[int, int]
) -> None:
    monkeypatch.setattr(http_client, "_FOUND", found)
    service = make_service(authority)
    service.url = "https://veraison.example"
    with pytest.raises(DependencyMissing, match=r"needs the Python library aiohttp >= 3\.11") as caught:
        service.appraiser()
    assert caught.value.fields == {"library": "aiohttp >= 3.11"}
