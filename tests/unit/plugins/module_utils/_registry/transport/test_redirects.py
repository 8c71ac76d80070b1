# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redirects are followed up to a limit; credentials stay with their origin, and HTTPS never leads to HTTP."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import BasicAuth, Token
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import ProtocolBroken, RedirectRefused
from ansible_collections.attested.registry.plugins.module_utils._registry.options import TlsOptions
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, redirect

DATA = b"content" * 100


def read(client, digest) -> bytes:
    with client.blob("app", digest) as stream:
        return b"".join(stream)


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture
def digest(server) -> Digest:
    return Digest.parse(server.add_blob("app", DATA))


def test_credentials_stay_with_their_origin(serve, connect) -> None:
    """Same host and another port, another name of the same host: neither is the same origin."""
    server = serve(auth="basic", users={"u": "p"})
    digest = Digest.parse(server.add_blob("app", DATA))
    for host in ("127.0.0.1", "localhost"):
        other = serve(host=host)
        other.add_blob("app", DATA)
        server.on("/blobs/", redirect(f"{other.url}/v2/app/blobs/{digest}"), times=2)
        assert read(connect(server, credentials=BasicAuth("u", "p")), digest) == DATA
        assert [request.header("Authorization") for request in other.requests] == [None]


def test_a_ready_token_stays_too(serve, server, connect, digest) -> None:
    other = serve()
    other.add_blob("app", DATA)
    server.on("/blobs/", redirect(f"{other.url}/v2/app/blobs/{digest}"))
    assert read(connect(server, credentials=Token("t0p")), digest) == DATA
    assert server.requests[0].header("Authorization") == "Bearer t0p"
    assert other.requests[0].header("Authorization") is None


def test_credentials_follow_within_the_origin(serve, connect) -> None:
    server = serve(auth="basic", users={"u": "p"})
    digest = Digest.parse(server.add_blob("app", DATA))
    server.on("/v2/app/", redirect(f"/moved/v2/app/blobs/{digest}"))
    server.on("/moved/", Reply())
    assert read(connect(server, credentials=BasicAuth("u", "p")), digest) == DATA
    assert server.requests[-1].header("Authorization") == "Basic dTpw"


def test_credentials_do_not_come_back(serve, server, connect, digest) -> None:
    other = serve()
    other.on("", redirect(f"{server.url}/back/v2/app/blobs/{digest}"))
    server.on("/v2/app/blobs/", redirect(f"{other.url}/x"))
    server.on("/back/", Reply())
    assert read(connect(server, credentials=Token("t0p")), digest) == DATA
    assert server.sent("/back/")[0].header("Authorization") is None


def test_no_cookies(serve, server, connect, digest) -> None:
    server.on("", Reply(headers={"Set-Cookie": "session=1; Path=/"}))
    client = connect(server)
    assert read(client, digest) == read(client, digest)
    server.on("^/v2/app", redirect(f"/x/v2/app/blobs/{digest}"), times=1)
    read(client, digest)
    assert all(request.header("Cookie") is None for request in server.requests)


def test_cookies_are_not_even_read(server, connect, digest, monkeypatch) -> None:
    """Their old syntax takes quadratic time: a head of 1 MiB kept a processor busy for 9 seconds."""
    read_ones: list[object] = []
    monkeypatch.setattr("http.cookiejar.CookieJar.extract_cookies", lambda *given: read_ones.append(given))
    server.on("", Reply(headers={"Set-Cookie": "a=b", "Set-Cookie2": "a," * 100}))
    assert read(connect(server), digest) == DATA
    assert read_ones == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_statuses_and_relative_locations(server, connect, digest, status) -> None:
    server.on("^/v2/app/blobs", redirect(f"../../../x/v2/app/blobs/{digest}", status))
    assert read(connect(server), digest) == DATA
    assert server.requests[-1].path == f"/x/v2/app/blobs/{digest}"


def test_a_loop(server, connect, digest) -> None:
    server.on("^/v2/app", redirect("/other"))
    server.on("^/other", redirect(f"/v2/app/blobs/{digest}"))
    with pytest.raises(RedirectRefused, match="more than 10 times"):
        read(connect(server), digest)
    assert len(server.requests) == 11


@pytest.mark.parametrize("times", [1, 10])
def test_to_the_very_same_url(server, connect, digest, times) -> None:
    """Load balancers that set a cookie or start a backend do that; skopeo, crane, oras and curl follow it."""
    server.on("/blobs/", redirect(""), times=times - 1)
    server.on("/blobs/", redirect(f"/v2/app/blobs/{digest}"), times=1)
    assert read(connect(server), digest) == DATA
    assert len(server.requests) == times + 1


def test_too_many(server, connect, digest) -> None:
    server.on("", lambda request: redirect(f"/{len(server.requests)}"))
    with pytest.raises(RedirectRefused, match="more than 10 times"):
        read(connect(server), digest)
    assert len(server.requests) == 11


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(status=307, body=b""), "without a Location header"),
        (redirect("file:///etc/passwd"), "cannot be used"),
        (redirect("http://u:hunter2@127.0.0.1/"), "user name or password"),
        (redirect("http://127.0.0.1:99999/"), "port"),
    ],
)
def test_where_it_cannot_go(server, connect, digest, reply, why) -> None:
    server.on("", reply)
    with pytest.raises(RedirectRefused, match=why) as raised:
        read(connect(server), digest)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("status", [300, 304, 305])
def test_other_3xx_are_errors(server, connect, digest, status) -> None:
    server.on("", Reply(status=status, body=b"", headers={"Location": "/x"}))
    with pytest.raises(ProtocolBroken, match=f"answers {status}"):
        read(connect(server), digest)


def test_not_from_https_to_http(serve, connect, tmp_path) -> None:
    authority = Authority(tmp_path)
    secure, plain = serve(tls=server_context(authority.server())), serve()
    digest = Digest.parse(plain.add_blob("app", DATA))
    secure.on("", redirect(f"{plain.url}/v2/app/blobs/{digest}?sig=hunter2"))
    client = connect(secure, tls=TlsOptions(ca_path=str(authority.path)))
    with pytest.raises(RedirectRefused, match="from https to http") as raised:
        read(client, digest)
    assert plain.requests == []
    assert "hunter2" not in str(raised.value)


def test_from_http_to_https(serve, connect, tmp_path) -> None:
    authority = Authority(tmp_path)
    secure, plain = serve(tls=server_context(authority.server())), serve()
    digest = Digest.parse(secure.add_blob("app", DATA))
    plain.on("", redirect(f"{secure.url}/v2/app/blobs/{digest}"))
    client = connect(plain, tls=TlsOptions("no-tls", ca_path=str(authority.path)))
    assert read(client, digest) == DATA


def test_the_connection_is_kept_across_redirects(serve, server, connect, digest) -> None:
    other = serve()
    other.add_blob("app", DATA)
    server.on("/blobs/", redirect(f"{other.url}/v2/app/blobs/{digest}"))
    client = connect(server)
    for dummy in range(3):
        read(client, digest)
    assert (server.connections, other.connections) == (1, 1)


@pytest.mark.parametrize("change", [{"cut": 3}, {"chunked": 10}, {"body": b"x" * 70_000}, {"endless": True}])
def test_the_body_of_a_redirect_does_not_matter(server, connect, digest, change) -> None:
    location = {"Location": f"/x/v2/app/blobs/{digest}"}
    server.on("^/v2", Reply(**{"status": 307, "headers": location, "body": b"moved there", **change}))
    assert read(connect(server), digest) == DATA


def test_a_401_of_the_storage_gets_no_credentials(serve, server, connect, digest) -> None:
    other = serve(auth="basic", users={"u": "p"})
    server.on("/blobs/", redirect(f"{other.url}/v2/app/blobs/{digest}"))
    with pytest.raises(Exception, match="requires credentials"):
        read(connect(server, credentials=BasicAuth("u", "p")), digest)
    assert [request.header("Authorization") for request in other.requests] == [None]
    assert [request.header("Authorization") for request in server.requests] == [None]
