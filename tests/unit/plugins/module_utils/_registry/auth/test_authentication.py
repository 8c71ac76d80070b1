# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Basic and Bearer challenges are answered; credentials and tokens never go to a host that may not have them."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry import realm_policy as realm_module
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.auth_file import AuthFiles
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import (
    Anonymous,
    BasicAuth,
    IdentityToken,
    Token,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    ConfigurationError,
    Denied,
    ProtocolBroken,
    RealmRefused,
    RedirectRefused,
    RegistryError,
    ServerFailed,
    Unauthorized,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import RetryPolicy, TlsOptions
from ansible_collections.attested.registry.plugins.module_utils._registry.realm_policy import Reach
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, error, redirect

TAG = Selector.parse("1.0")
USER = BasicAuth("u", "hunter2:x")
USERS = {"u": "hunter2:x"}
BASIC = "Basic dTpodW50ZXIyOng="


@pytest.fixture
def start(serve, image):
    def make(**options):
        server = serve(**{"users": USERS, **options})
        server.publish("app", {"1.0": image})
        server.publish("app/other", {"1.0": image})
        return server

    return make


def sent(server, pattern="") -> list[str | None]:
    return [request.header("Authorization") for request in server.sent(pattern)]


def challenge(text: str) -> Reply:
    return error(401, "UNAUTHORIZED", "no", {"WWW-Authenticate": text})


# --- Basic ---


def test_basic(start, connect) -> None:
    server = start(auth="basic")
    client = connect(server, credentials=USER)
    client.manifest("app", TAG)
    client.manifest("app", TAG)
    assert sent(server) == [None, BASIC, BASIC]


def test_no_credentials(start, connect) -> None:
    server = start(auth="basic")
    for credentials in (None, Anonymous()):
        with pytest.raises(Unauthorized, match="requires credentials.*give username and password"):
            connect(server, credentials=credentials).manifest("app", TAG)
    assert len(server.requests) == 2


def test_rejected(start, connect) -> None:
    server = start(auth="basic")
    with pytest.raises(
        Unauthorized, match='rejected the user name "u" and its password from the module options'
    ) as raised:
        connect(server, credentials=BasicAuth("u", "hunter3")).manifest("app", TAG)
    assert "hunter3" not in repr(raised.value) + str(raised.value.fields)
    assert raised.value.fields["status"] == 401
    assert len(server.requests) == 2


@pytest.mark.parametrize("make", [lambda: BasicAuth("u", "\udcff"), lambda: Token("t0p\n"), lambda: Token("")])
def test_credentials_that_cannot_be_sent(make) -> None:
    with pytest.raises(ConfigurationError, match="from the module options .*correct") as raised:
        make()
    assert "t0p" not in str(raised.value)


def test_non_ascii_credentials(start, connect) -> None:
    server = start(auth="basic", users={"ü": "pä€"})
    connect(server, credentials=BasicAuth("ü", "pä€")).manifest("app", TAG)


def test_a_token_does_not_answer_a_basic_challenge(start, connect, tmp_path) -> None:
    server = start(auth="basic")
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {server.name: {"identitytoken": "hunter2"}}}))
    with pytest.raises(Unauthorized, match="requires a user name and a password.*identity token") as raised:
        connect(server, credentials=AuthFiles([str(path)])).manifest("app", TAG)
    assert "hunter2" not in str(raised.value)


# --- a ready token ---


def test_a_ready_token_is_sent_at_once(start, connect) -> None:
    server = start(auth="bearer")
    server.tokens["ready"] = {"repository:app:pull"}
    connect(server, credentials=Token("ready")).manifest("app", TAG)
    assert sent(server) == ["Bearer ready"]


def test_a_ready_token_that_is_rejected(start, connect) -> None:
    server = start(auth="bearer")
    with pytest.raises(Unauthorized, match="rejected the token from the module options") as raised:
        connect(server, credentials=Token("hunter2")).manifest("app", TAG)
    assert "hunter2" not in str(raised.value)
    assert len(server.requests) == 1


def test_a_registry_token_of_an_auth_file(start, connect, tmp_path) -> None:
    server = start(auth="bearer")
    server.tokens["ready"] = {"repository:app:pull"}
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {server.name: {"registrytoken": "ready"}}}))
    connect(server, credentials=AuthFiles([str(path)])).manifest("app", TAG)
    assert sent(server, "/v2/") == [None, "Bearer ready"]
    server.revoke_tokens()
    with pytest.raises(Unauthorized, match=f"rejected the token from the auth file {path}"):
        connect(server, credentials=AuthFiles([str(path)])).manifest("app", TAG)


# --- tokens ---


def test_anonymous_token(start, connect) -> None:
    server = start(auth="bearer")
    connect(server).manifest("app", TAG)
    token = server.sent("/token")
    assert len(token) == 1
    assert token[0].query == {"service": ["registry.test"], "scope": ["repository:app:pull"]}
    assert token[0].header("Authorization") is None


def test_token_for_a_user(start, connect) -> None:
    server = start(auth="bearer", anonymous=False)
    client = connect(server, credentials=USER)
    for dummy in range(3):
        client.manifest("app", TAG)
    assert sent(server, "/token") == [BASIC]
    assert server.sent("/token")[0].query["account"] == ["u"]
    assert len(sent(server, "/v2/")) == 4
    assert all(value is None or value.startswith("Bearer token-") for value in sent(server, "/v2/"))


def test_a_token_for_each_repository(start, connect) -> None:
    server = start(auth="bearer")
    client = connect(server)
    for name in ("app", "app/other", "app"):
        client.manifest(name, TAG)
    assert [request.query["scope"] for request in server.sent("/token")] == [
        ["repository:app:pull"],
        ["repository:app/other:pull"],
    ]


def test_rejected_by_the_token_service(start, connect) -> None:
    server = start(auth="bearer")
    with pytest.raises(Unauthorized, match='the token service .* rejected the user name "u"') as raised:
        connect(server, credentials=BasicAuth("u", "hunter3")).manifest("app", TAG)
    assert "hunter3" not in str(raised.value)
    server.anonymous = False
    with pytest.raises(Unauthorized, match="issues no token without credentials"):
        connect(server).manifest("app", TAG)


def test_a_token_is_renewed_before_it_ends(start, connect, world) -> None:
    server = start(auth="bearer", expires_in=300)
    client = connect(server)
    client.manifest("app", TAG)
    world.time += 269
    client.manifest("app", TAG)
    assert len(server.sent("/token")) == 1
    world.time += 2
    client.manifest("app", TAG)
    assert len(server.sent("/token")) == 2


@pytest.mark.parametrize("expires_in", [None, 0, -5, 10, 59, "60", True, 1e308])
def test_a_token_lives_a_minute_at_least(start, connect, world, expires_in) -> None:
    server = start(auth="bearer", expires_in=expires_in)
    client = connect(server)
    client.manifest("app", TAG)
    world.time += 53
    client.manifest("app", TAG)
    assert len(server.sent("/token")) == 1
    world.time += 25 * 3600
    client.manifest("app", TAG)
    assert len(server.sent("/token")) == 2


def test_a_revoked_token_is_renewed_once(start, connect) -> None:
    server = start(auth="bearer")
    client = connect(server)
    client.manifest("app", TAG)
    server.revoke_tokens()
    client.manifest("app", TAG)
    assert len(server.sent("/token")) == 2


def test_a_registry_that_takes_no_token(start, connect) -> None:
    server = start(auth="bearer")
    server.on("/v2/", challenge(f'Bearer realm="{server.url}/token"'))
    with pytest.raises(Unauthorized):
        connect(server, credentials=USER).manifest("app", TAG)
    assert len(server.sent("/token")) == 1
    assert len(server.sent("/v2/")) == 2


def test_insufficient_scope(start, connect) -> None:
    server = start(auth="bearer")
    wide = "repository:app:pull repository:base:pull"

    def picky(request):
        if "base" in str(server.tokens.get((request.header("Authorization") or "")[7:], "")):
            return Reply(status=200, body=b'{"tags": ["1"]}')
        if request.header("Authorization"):
            return challenge(f'Bearer realm="{server.url}/token",scope="{wide}",error="insufficient_scope"')
        return None

    server.on("/tags/", picky)
    assert connect(server).tags("app").names == ("1",)
    assert [request.query["scope"] for request in server.sent("/token")] == [["repository:app:pull"], wide.split()]


def test_the_number_of_scopes_is_bounded(start, connect) -> None:
    server = start(auth="bearer")
    scopes = (f"repository:{'x' * 200}{number}:pull" for number in range(1000))

    def greedy(request):
        text = f'Bearer realm="{server.url}/token",scope="{next(scopes)}",error="insufficient_scope"'
        return challenge(text) if request.header("Authorization") else None

    server.on("/manifests/", greedy)
    client = connect(server)
    for dummy in range(30):
        with pytest.raises(Unauthorized):
            client.manifest("app", TAG)
    assert max(len(request.target) for request in server.requests) < 8192


def test_insufficient_scope_by_403(start, connect) -> None:
    server = start(auth="bearer")
    text = f'Bearer realm="{server.url}/token",scope="repository:app:pull,push",error="insufficient_scope"'
    server.on(
        "/v2/",
        lambda request: (
            error(403, "DENIED", "no", {"WWW-Authenticate": text}) if request.header("Authorization") else None
        ),
    )
    with pytest.raises(Denied, match='denies access to the user name "u"'):
        connect(server, credentials=USER).manifest("app", TAG)
    assert len(server.sent("/token")) == 2


def test_denied(start, connect) -> None:
    server = start()
    server.on("", error(403, "DENIED", "requested access to the resource is denied"))
    with pytest.raises(Denied, match="denies access to clients without credentials.*DENIED: requested access"):
        connect(server).manifest("app", TAG)
    assert len(server.requests) == 1


def test_the_scope_of_the_challenge_is_taken(start, connect) -> None:
    server = start(auth="bearer")
    server.on(
        "/v2/",
        lambda request: (
            None
            if request.header("Authorization")
            else challenge(
                f'Bearer realm="{server.url}/token?a=b", scope="repository:app:pull repository:x/y:pull,push"'
            )
        ),
    )
    connect(server).manifest("app", TAG)
    token = server.sent("/token")[0]
    assert token.query == {"a": ["b"], "scope": ["repository:app:pull", "repository:x/y:pull,push"]}


def test_bearer_is_preferred(start, connect) -> None:
    server = start(auth="bearer")

    def both(request):
        headers = (
            ("WWW-Authenticate", 'Basic realm="x", Negotiate'),
            ("WWW-Authenticate", f'BEARER Realm="{server.url}/token"'),
        )
        return None if request.header("Authorization") else Reply(status=401, body=b"", headers=headers)

    server.on("/v2/", both)
    connect(server, credentials=USER).manifest("app", TAG)
    assert sent(server, "/token") == [BASIC]


def test_one_token_for_many_threads(start, connect) -> None:
    server = start(auth="bearer")
    digests = [Digest.parse(server.add_blob("app", bytes([number]) * 1000)) for number in range(8)]
    client = connect(server)
    barrier = threading.Barrier(8)

    def read(digest) -> bytes:
        barrier.wait()
        with client.blob("app", digest) as stream:
            return b"".join(stream)

    with ThreadPoolExecutor(8) as pool:
        assert [len(data) for data in pool.map(read, digests)] == [1000] * 8
    assert len(server.sent("/token")) == 1


def test_ping_with_credentials(start, connect) -> None:
    server = start(auth="bearer")
    assert connect(server, credentials=USER).ping() == "registry/2.0"
    assert "scope" not in server.sent("/token")[0].query
    with pytest.raises(Unauthorized):
        connect(server, credentials=BasicAuth("u", "x")).ping()


# --- identity tokens ---


def test_identity_token(start, connect) -> None:
    server = start(auth="bearer", anonymous=False, refresh_tokens=["r3fresh"])
    connect(server, credentials=IdentityToken("r3fresh")).manifest("app", TAG)
    request = server.sent("/token")[0]
    assert request.method == "POST"
    assert request.form["grant_type"] == ["refresh_token"]
    assert request.form["scope"] == ["repository:app:pull"]
    assert request.form["service"] == ["registry.test"]
    assert request.form["client_id"]
    assert "r3fresh" not in request.target


@pytest.mark.parametrize("status", [404, 405])
def test_identity_token_where_there_is_no_oauth2(start, connect, status) -> None:
    server = start(auth="bearer", users={"<token>": "r3fresh"}, anonymous=False)
    server.on("/token", error(status), method="POST")
    connect(server, credentials=IdentityToken("r3fresh")).manifest("app", TAG)
    assert [request.method for request in server.sent("/token")] == ["POST", "GET"]


def test_identity_token_rejected(start, connect) -> None:
    server = start(auth="bearer")
    with pytest.raises(Unauthorized, match="rejected the identity token") as raised:
        connect(server, credentials=IdentityToken("hunter2")).manifest("app", TAG)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(("status", "allowed"), [(307, True), (308, True), (301, False), (302, False), (303, False)])
def test_a_post_is_not_made_a_get(start, connect, status, allowed) -> None:
    server = start(auth="bearer", refresh_tokens=["r3fresh"])
    server.on("^/token$", redirect("/other/token", status), method="POST", times=1)
    server.on("^/other/token", redirect("/token", 307), times=1)
    client = connect(server, credentials=IdentityToken("r3fresh"))
    if not allowed:
        with pytest.raises(RedirectRefused, match="POST"):
            client.manifest("app", TAG)
        return
    assert client.manifest("app", TAG).document
    assert [request.method for request in server.sent("token")] == ["POST", "POST", "POST"]


def test_an_identity_token_is_not_posted_to_another_server(start, serve, connect) -> None:
    """A redirect 307 carries the body on, and the body holds the token."""
    server, other = start(auth="bearer", refresh_tokens=["r3fresh"]), serve()
    server.on("^/token$", redirect(f"{other.url}/token"))
    with pytest.raises(RedirectRefused, match="POST to another server"):
        connect(server, credentials=IdentityToken("r3fresh")).manifest("app", TAG)
    assert other.requests == []


@pytest.mark.parametrize("status", [404, 405])
def test_a_password_where_the_token_service_has_oauth2_alone(start, connect, status) -> None:
    server = start(auth="bearer", anonymous=False)
    server.on("/token", error(status), method="GET")
    connect(server, credentials=USER).manifest("app", TAG)
    get, post = server.sent("/token")
    assert (get.method, post.method) == ("GET", "POST")
    assert post.form == {
        "grant_type": ["password"],
        "username": ["u"],
        "password": ["hunter2:x"],
        "client_id": ["attested.registry"],
        "service": ["registry.test"],
        "scope": ["repository:app:pull"],
    }
    assert post.header("Authorization") is None
    assert "hunter2" not in post.target


def test_a_wrong_password_where_the_token_service_has_oauth2_alone(start, connect) -> None:
    server = start(auth="bearer", anonymous=False)
    server.on("/token", error(405), method="GET")
    with pytest.raises(Unauthorized, match='the token service .* rejected the user name "u"') as raised:
        connect(server, credentials=BasicAuth("u", "hunter3")).manifest("app", TAG)
    assert "hunter3" not in str(raised.value) + repr(raised.value.fields)


def test_an_error_that_repeats_the_password_is_not_quoted(start, connect) -> None:
    server = start(auth="bearer", anonymous=False)
    server.on("/token", error(404), method="GET")
    server.on("/token", error(404, "UNKNOWN", "no such page: password=hunter2:x"), method="POST")
    with pytest.raises(RegistryError, match="answers|does not have it") as raised:
        connect(server, credentials=USER).manifest("app", TAG)
    assert "hunter2" not in str(raised.value)


def test_without_credentials_nothing_is_posted(start, connect) -> None:
    server = start(auth="bearer")
    server.on("/token", error(404), method="GET")
    with pytest.raises(RegistryError, match="token service"):
        connect(server).manifest("app", TAG)
    assert [request.method for request in server.sent("/token")] == ["GET"]


def test_no_credentials_where_the_token_service_has_oauth2_alone(start, connect) -> None:
    server = start(auth="bearer")
    server.on("/token", error(405), method="GET")
    with pytest.raises(Unauthorized, match="issues no token without credentials.*give username and password"):
        connect(server).manifest("app", TAG)


def test_a_password_is_not_posted_to_another_server(start, serve, connect) -> None:
    server, other = start(auth="bearer", anonymous=False), serve()
    server.on("^/token", error(404), method="GET")
    server.on("^/token$", redirect(f"{other.url}/token"), method="POST")
    with pytest.raises(RedirectRefused, match="POST to another server"):
        connect(server, credentials=USER).manifest("app", TAG)
    assert other.requests == []


def test_a_refused_realm_gets_no_password(start, connect) -> None:
    server = start(auth="bearer", realm="http://localhost:9/token")
    with pytest.raises(RealmRefused):
        connect(server, credentials=USER).manifest("app", TAG)
    assert server.sent("/token") == []


# --- answers of the token service ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"token": ""}',
        b'{"token": 7}',
        b'{"token": "a b"}',
        b'{"token": "a\\r\\nX-Evil: 1"}',
        b'{"token": "\xc3\xa4"}',
        b'{"token": "' + b"x" * 70000 + b'"}',
        b'{"token": "a", "token": "b"}',
    ],
)
def test_no_usable_token(start, connect, body) -> None:
    server = start(auth="bearer")
    server.on("/token", Reply(status=200, body=body))
    with pytest.raises(ProtocolBroken, match="token service") as raised:
        connect(server, credentials=USER).manifest("app", TAG)
    assert "hunter2" not in str(raised.value)
    assert "xxxx" not in str(raised.value)


def test_access_token_alone(start, connect) -> None:
    server = start(auth="bearer")
    server.tokens["t"] = {"repository:app:pull"}
    server.on("/token", Reply(status=200, body=b'{"access_token": "t"}'))
    connect(server).manifest("app", TAG)


def test_endless_token(start, connect) -> None:
    server = start(auth="bearer")
    server.on("/token", Reply(status=200, body=b"x" * 65536, endless=True))
    with pytest.raises(ProtocolBroken, match="longer than 1048576"):
        connect(server).manifest("app", TAG)


def test_a_token_service_with_a_bad_moment(start, connect, world) -> None:
    server = start(auth="bearer")
    server.on("/token", error(503, headers={"Retry-After": "3"}), times=2)
    connect(server, retry=RetryPolicy(base=0)).manifest("app", TAG)
    assert world.pauses == [3, 3]
    server.on("/token", error(500))
    with pytest.raises(ServerFailed, match=r"\(token service\)"):
        connect(server).manifest("app", TAG)


# --- challenges ---


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("Negotiate", Unauthorized, "offered: negotiate"),
        ('Digest realm="x", nonce="y"', Unauthorized, "unsupported authentication scheme"),
        ("", Unauthorized, "offered: none"),
        ('Bearer realm="x', ProtocolBroken, "WWW-Authenticate"),
        ('Bearer service="x"', ProtocolBroken, "realm"),
        ('Bearer realm="/token"', ProtocolBroken, "realm"),
        ('Bearer realm="file:///etc/passwd"', ProtocolBroken, "realm"),
        ('Bearer realm="http://u:p@127.0.0.1/"', ProtocolBroken, "user name or password"),
    ],
)
def test_challenges_that_cannot_be_met(start, connect, text, kind, why) -> None:
    server = start()
    server.on("", challenge(text))
    with pytest.raises(kind, match=why):
        connect(server, credentials=USER).manifest("app", TAG)
    assert sent(server) == [None]


# --- realms ---


def test_a_realm_on_another_host_gets_nothing(start, connect) -> None:
    """127.0.0.1 and localhost are different hosts; nothing at all is sent to the second."""
    other = start(host="localhost")
    server = start(auth="bearer", realm=other.url + "/token")
    for credentials in (USER, IdentityToken("hunter2"), None):
        with pytest.raises(RealmRefused, match="add it to the option trusted_realm_hosts") as raised:
            connect(server, credentials=credentials).manifest("app", TAG)
        assert raised.value.fields["realm"] == "localhost"
        assert raised.value.kind == "realm_refused"
        assert "hunter2" not in str(raised.value)
    assert other.requests == []
    assert other.connections == 0


def test_a_trusted_realm(start, connect) -> None:
    other = start(host="localhost", anonymous=False)
    server = start(auth="bearer", realm=other.url + "/token")
    other.tokens = server.tokens
    for trusted in ("localhost", other.name):
        connect(server, credentials=USER, trusted_realm_hosts=[trusted]).manifest("app", TAG)
    assert sent(other) == [BASIC, BASIC]
    with pytest.raises(RealmRefused):
        connect(server, credentials=USER, trusted_realm_hosts=["localhost:1"]).manifest("app", TAG)


def test_another_port_of_the_same_host(start, connect) -> None:
    other = start()
    server = start(auth="bearer", realm=other.url + "/token")
    other.tokens = server.tokens
    connect(server, credentials=USER).manifest("app", TAG)
    assert sent(other) == [BASIC]


def test_a_public_name_that_leads_inward(start, connect, names, monkeypatch) -> None:
    """The address that was connected to is checked before a byte is sent, so DNS cannot get around the policy."""
    names["auth.example.com"] = "127.0.0.1"
    other = start(host="auth.example.com")
    server = start(auth="bearer", realm=other.url + "/token")
    other.tokens = server.tokens
    connect(server, credentials=USER).manifest("app", TAG)  # the registry is on loopback itself
    assert sent(other) == [BASIC]
    other.clear()
    monkeypatch.setattr(realm_module, "address_reach", lambda text: Reach.FORBIDDEN)
    with pytest.raises(RealmRefused, match="an address that is not public"):
        connect(server, credentials=USER).manifest("app", TAG)
    assert other.requests == []


def test_a_realm_that_redirects_to_another_host(start, connect) -> None:
    other = start(host="localhost")
    server = start(auth="bearer")
    server.on("/token", redirect(other.url + "/token"))
    for credentials, kind in ((USER, RealmRefused), (IdentityToken("hunter2"), RedirectRefused)):
        with pytest.raises(kind):
            connect(server, credentials=credentials).manifest("app", TAG)
    assert other.requests == []


def test_a_realm_that_redirects_on_the_same_host_loses_the_password(start, connect) -> None:
    other = start()
    server = start(auth="bearer")
    server.on("/token", lambda request: redirect(other.url + request.target))
    other.tokens = server.tokens
    connect(server, credentials=USER).manifest("app", TAG)
    assert sent(other) == [None]


def test_an_https_registry_has_no_http_realm(start, connect, tmp_path) -> None:
    authority = Authority(tmp_path)
    plain = start()
    server = start(auth="bearer", tls=server_context(authority.server()), realm=plain.url + "/token")
    client = connect(
        server, tls=TlsOptions(ca_path=str(authority.path)), credentials=USER, trusted_realm_hosts=["127.0.0.1"]
    )
    with pytest.raises(RealmRefused, match="not https although the registry is.*correct the address"):
        client.manifest("app", TAG)
    assert plain.requests == []


# --- auth files ---


def test_credentials_of_the_most_specific_key(start, connect, tmp_path) -> None:
    import base64

    server = start(auth="basic", users={"whole": "1", "part": "2"})
    path = tmp_path / "auth.json"
    entries = {server.name: "whole:1", f"{server.name}/app/other": "part:2"}
    path.write_text(
        json.dumps(
            {"auths": {key: {"auth": base64.b64encode(text.encode()).decode()} for key, text in entries.items()}}
        )
    )
    client = connect(server, credentials=AuthFiles([str(path)], required=True))
    for name, expected in (("app", "whole:1"), ("app/other", "part:2")):
        client.manifest(name, TAG)
        given = server.requests[-1].header("Authorization").split()[1]
        assert base64.b64decode(given).decode() == expected


def test_files_are_read_only_when_they_are_needed(start, connect, tmp_path) -> None:
    path = tmp_path / "auth.json"
    path.write_text("hunter2")
    connect(start(), credentials=AuthFiles([str(path)])).manifest("app", TAG)
    with pytest.raises(ConfigurationError, match=str(path)) as raised:
        connect(start(auth="basic"), credentials=AuthFiles([str(path)])).manifest("app", TAG)
    assert "hunter2" not in str(raised.value)


def test_rejected_names_the_file(start, connect, tmp_path) -> None:
    server = start(auth="basic")
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {server.name: {"username": "u", "password": "hunter3"}}}))
    with pytest.raises(Unauthorized, match=f'rejected the user name "u" and its password from the auth file {path}'):
        connect(server, credentials=AuthFiles([str(path)])).manifest("app", TAG)


def test_no_error_is_without_context(start, connect) -> None:
    server = start(auth="basic")
    with pytest.raises(RegistryError) as raised:
        connect(server).manifest("app", TAG)
    assert raised.value.as_result() == {
        "kind": "unauthorized",
        "status": 401,
        "code": "UNAUTHORIZED",
        "url": f"{server.url}/v2/app/manifests/1.0",
        "registry": server.name,
        "repository": "app",
        "reference": "1.0",
    }


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ("repository:app:pull,push", "repository:app:pull", 1),
        ("repository:app:pull repository:app/other:pull", "repository:app/other:pull", 1),
        ("repository:app:*", "repository:app:push", 1),
        ("repository:app:pull", "repository:app:pull,push", 2),
        ("repository:app:pull", "repository:app/other:pull", 2),
    ],
)
def test_a_token_with_wider_scopes_is_used_again(start, connect, first, second, count) -> None:
    server = start(auth="bearer")
    for repository, scope in (("app", first), ("app/other", second)):
        demand(server, repository, scope)
    client = connect(server)
    client.manifest("app", TAG)
    client.manifest("app/other", TAG)
    assert len(server.sent("/token")) == count


def test_a_token_that_was_granted_less_than_requested_is_replaced(start, connect) -> None:
    """The token for both repositories is good for the first alone, so the second one gets a token of its own."""
    server = start(auth="bearer")
    demand(server, "app", "repository:app:pull repository:app/other:pull")
    demand(server, "app/other", "repository:app/other:pull", refuses=1)
    client = connect(server)
    client.manifest("app", TAG)
    client.manifest("app/other", TAG)
    assert [set(request.query["scope"]) for request in server.sent("/token")] == [
        {"repository:app:pull", "repository:app/other:pull"},
        {"repository:app/other:pull"},
    ]


def demand(server, repository: str, scope: str, *, refuses: int = 0) -> None:
    """Let a repository ask for a token with a scope and, after that, refuse some of the tokens."""
    refused = []

    def answer(request):
        if not request.header("Authorization"):
            return challenge(f'Bearer realm="{server.url}/token",service="r",scope="{scope}"')
        if len(refused) < refuses:
            refused.append(request)
            return challenge(f'Bearer realm="{server.url}/token",service="r",scope="{scope}",error="invalid_token"')
        data, media_type = server.repositories[repository].manifests[server.repositories[repository].tags["1.0"]]
        return Reply(status=200, body=data, headers={"Content-Type": media_type})

    server.on(f"/v2/{repository}/manifests/", answer)
