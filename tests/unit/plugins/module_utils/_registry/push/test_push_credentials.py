# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens permit what a write needs, are renewed during an upload, and never leave the registry."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import (
    BasicAuth,
    Fixed,
    Token,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    Denied,
    RedirectRefused,
    Rejected,
    Unauthorized,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import TlsOptions
from ansible_collections.attested.registry.plugins.module_utils._registry.push.pusher import Pusher
from ansible_collections.attested.registry.plugins.module_utils._registry.realm_policy import Reach
from ansible_collections.attested.registry.plugins.module_utils._registry.transport import redirects
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.images.sources import Source, descriptor
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import (
    BodyFault,
    Reply,
    error,
    redirect,
)

USER = BasicAuth("u", "hunter2:x")
USERS = {"u": "hunter2:x"}
DATA = bytes(range(256)) * 40
BLOB = descriptor(DATA)
MANIFEST, MEDIA_TYPE = b'{"schemaVersion": 2}', "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def start(serve, image):
    def make(**options):
        server = serve(**{"users": USERS, "writable": True, "auth": "bearer", **options})
        server.publish("app", {"1.0": image})
        return server

    return make


def scopes(server) -> list[list[str]]:
    return [request.query["scope"] for request in server.sent("/token")]


def uploads(server) -> dict[str, bytes]:
    return server.repositories["app"].uploads


def assert_pushed(server) -> None:
    assert server.repositories["app"].blobs[str(BLOB.digest)] == DATA
    assert uploads(server) == {}


def once(action):
    """Return a rule that acts for the first request alone, and leaves the answer to the registry."""
    waiting = [action]
    return lambda request: waiting.pop()() if waiting else None


# --- tokens ---


def test_one_token_for_all_pushes(start, connect) -> None:
    server = start()
    pusher = Pusher(connect(server, credentials=USER), "app")
    pusher.push_blob(BLOB, Source(DATA), chunk_size=4000)
    pusher.push_manifest(MANIFEST, MEDIA_TYPE, "2.0")
    assert_pushed(server)
    assert scopes(server) == [["repository:app:pull,push"]]


def test_a_token_for_pulls_is_not_tried_for_a_push(start, connect) -> None:
    """Registries refuse such a token in many ways."""
    server = start()
    client = connect(server, credentials=USER)
    client.manifest("app", Selector.parse("1.0"))
    before = len(server.requests)
    Pusher(client, "app").push_blob(BLOB, Source(DATA))
    assert_pushed(server)
    assert [request.method for request in server.requests[before:]] == ["GET", "POST", "PUT"]
    assert "repository:app:pull,push" in scopes(server)[-1]


def test_a_challenge_without_a_scope(start, connect) -> None:
    server = start()
    challenge = f'Bearer realm="{server.url}/token",service="registry.test"'
    refusal = error(401, "UNAUTHORIZED", headers={"WWW-Authenticate": challenge})
    server.on("/v2/", lambda request: None if request.header("Authorization") else refusal)
    Pusher(connect(server, credentials=USER), "app").push_blob(BLOB, Source(DATA))
    assert_pushed(server)


def test_a_mount_may_read_the_other_repository(start, connect) -> None:
    server = start()
    server.add_blob("base/os", DATA)
    assert Pusher(connect(server, credentials=USER), "app").mount(BLOB.digest, source_repository="base/os")
    assert "repository:base/os:pull" in scopes(server)[-1]


def test_a_deletion_has_its_scope(start, connect) -> None:
    server = start()
    server.add_blob("app", DATA)
    assert Pusher(connect(server, credentials=USER), "app").delete_blob(BLOB.digest)
    assert "repository:app:delete" in scopes(server)[-1]


def test_a_token_that_expires_during_an_upload(start, connect) -> None:
    server = start()

    server.on("state=session-1-4000", once(server.tokens.clear), method="PATCH")
    source = Source(DATA)
    Pusher(connect(server, credentials=USER), "app").push_blob(BLOB, source, chunk_size=4000)
    assert_pushed(server)
    assert len(server.sent("/token")) == 2
    # the chunk that was refused is sent again
    assert source.opened == [0, 4000]


def test_a_token_that_expires_before_the_body_is_sent(start, connect) -> None:
    server = start()
    server.on("digest=", once(server.tokens.clear), method="PUT")
    Pusher(connect(server, credentials=USER), "app").push_blob(BLOB, Source(DATA))
    assert_pushed(server)


def test_basic(start, connect) -> None:
    server = start(auth="basic")
    Pusher(connect(server, credentials=USER), "app").push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert_pushed(server)


def test_no_credentials(start, connect) -> None:
    server = start(anonymous=False)
    with pytest.raises(Unauthorized, match="Cannot push the blob .*give username and password"):
        Pusher(connect(server), "app").push_blob(BLOB, Source(DATA))


def test_credentials_that_may_not_push(start, connect) -> None:
    server = start()
    server.on("uploads/$", lambda request: error(403, "DENIED") if request.header("Authorization") else None)
    with pytest.raises(Denied, match="check that these credentials may push to the repository"):
        Pusher(connect(server, credentials=USER), "app").push_blob(BLOB, Source(DATA))


def test_credentials_that_may_not_delete(start, connect) -> None:
    server = start()
    server.on("blobs", lambda request: error(403, "DENIED") if request.header("Authorization") else None)
    with pytest.raises(Denied, match="may delete from the repository"):
        Pusher(connect(server, credentials=USER), "app").delete_blob(BLOB.digest)


# --- uploads elsewhere ---


@pytest.fixture
def storage(serve):
    """Another server, which takes the uploads of a registry."""
    server = serve(writable=True, host="localhost")
    server.add_blob("app", b"")
    uploads(server)["session-1"] = b""
    return server


def assert_stored(storage) -> None:
    assert storage.repositories["app"].blobs[str(BLOB.digest)] == DATA
    assert all(request.header("Authorization") is None for request in storage.requests)
    assert all("hunter2" not in f"{request.target}{request.body!r}" for request in storage.requests)


@pytest.mark.parametrize("credentials", [USER, Token("t0p")])
@pytest.mark.parametrize("chunk_size", [None, 4000])
def test_an_upload_at_another_server_has_no_credentials(start, connect, storage, credentials, chunk_size) -> None:
    server = start(auth="basic" if credentials is USER else None)
    location = f"{storage.url}/v2/app/blobs/uploads/session-1?signature=abc"
    server.on("uploads/$", lambda request: Reply(headers={"Location": location}))
    Pusher(connect(server, credentials=credentials), "app").push_blob(BLOB, Source(DATA), chunk_size=chunk_size)
    assert_stored(storage)


@pytest.mark.parametrize("status", [307, 308])
def test_a_body_is_redirected(start, connect, storage, status) -> None:
    server = start(auth="basic")
    target = f"{storage.url}/v2/app/blobs/uploads/session-1?digest={BLOB.digest}"
    server.on("digest=", redirect(target, status), method="PUT")
    source = Source(DATA)
    Pusher(connect(server, credentials=USER), "app").push_blob(BLOB, source)
    assert_stored(storage)
    assert source.opened == [0, 0]


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("pattern", ["uploads/$", "digest="])
def test_a_redirect_to_a_get_is_refused(start, connect, storage, status, pattern) -> None:
    server = start(auth=None)
    server.on(pattern, redirect(f"{storage.url}/v2/", status))
    with pytest.raises(RedirectRefused, match="redirects a (POST|PUT) to a GET"):
        Pusher(connect(server), "app").push_blob(BLOB, Source(DATA))
    assert storage.requests == []


INWARD = ["http://169.254.169.254/latest", "http://[fe80::1]/x", "http://0x7f.1/"]


@pytest.mark.parametrize("location", INWARD)
@pytest.mark.parametrize("how", ["Location", "redirect", "chunk"])
def test_an_upload_is_not_sent_to_internal_addresses(start, connect, location, how) -> None:
    server = start(auth=None)
    if how == "redirect":
        server.on("digest=", redirect(location), method="PUT")
    else:
        pattern = "uploads/$" if how == "Location" else "state="
        server.on(pattern, lambda request: Reply(headers={"Location": location}))
    with pytest.raises(RedirectRefused, match="which is refused"):
        Pusher(connect(server), "app").push_blob(BLOB, Source(DATA), chunk_size=4000 if how == "chunk" else None)


def test_an_upload_further_inside_than_the_registry(start, connect, storage, names, monkeypatch) -> None:
    """A registry on the internet cannot have the blob sent to this host, unless it is trusted by name."""
    names["registry.example"] = "127.0.0.1"
    monkeypatch.setattr(redirects.RedirectHops, "_own_reach", lambda self: Reach.PUBLIC)
    server = start(auth=None)
    server.on("uploads/$", Reply(headers={"Location": f"{storage.url}/v2/app/blobs/uploads/session-1"}))
    name = f"registry.example:{server.port}"
    with pytest.raises(RedirectRefused, match="add localhost:[0-9]+ to the option trusted_redirect_hosts"):
        Pusher(connect(name), "app").push_blob(BLOB, Source(DATA))
    assert storage.requests == []
    Pusher(connect(name, trusted_redirect_hosts=("localhost",)), "app").push_blob(BLOB, Source(DATA))
    assert_stored(storage)


def test_nothing_is_deleted_at_another_server(start, connect, storage) -> None:
    server = start(auth="basic")
    server.add_blob("app", DATA)
    storage.add_blob("app", DATA)
    target = f"{storage.url}/v2/app/blobs/{BLOB.digest}"
    server.on("blobs", redirect(target), method="DELETE")
    with pytest.raises(RedirectRefused, match="redirects a DELETE to another server.*trusted_redirect_hosts"):
        Pusher(connect(server, credentials=USER), "app").delete_blob(BLOB.digest)
    assert storage.requests == []
    trusting = connect(server, credentials=USER, trusted_redirect_hosts=("localhost",))
    assert Pusher(trusting, "app").delete_blob(BLOB.digest)
    assert [request.header("Authorization") for request in storage.requests] == [None]


def test_an_upload_at_another_server_is_not_cancelled(start, connect, storage) -> None:
    server = start(auth=None)
    server.on("uploads/$", Reply(headers={"Location": f"{storage.url}/v2/app/blobs/uploads/session-1"}))
    storage.on("", error(403, "DENIED"), method="PUT")
    with pytest.raises(Denied):
        Pusher(connect(server), "app").push_blob(BLOB, Source(DATA))
    assert {request.method for request in storage.requests} == {"PUT"}


ELSEWHERE = ["/v2/app/manifests/1.0", "/v2/other/blobs/uploads/x", "/v2/app/blobs/uploads/../../manifests/1.0"]
ELSEWHERE += ["/v2/app/blobs/uploads/..", "/v2/app/blobs/uploads/%2e%2e/x", "/v2/app/blobs/uploads/"]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_another_server_does_not_choose_what_is_written_to_the_registry(start, connect, storage, path) -> None:
    server = start(auth="basic")
    server.on("uploads/$", Reply(headers={"Location": f"{storage.url}/v2/app/blobs/uploads/session-1"}))
    storage.on("", Reply(headers={"Location": f"{server.url}{path}?x"}), method="PATCH")
    with pytest.raises(RedirectRefused, match="continues the upload at the registry, but not as an upload"):
        Pusher(connect(server, credentials=USER), "app").push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert {request.method for request in server.requests} == {"POST"}


def test_an_upload_may_come_back_to_the_registry(start, connect, storage) -> None:
    """A gateway redirects the first request to its registry, which knows the name of the gateway."""
    server = start(auth=None)
    server.on("uploads/$", redirect(f"{storage.url}/v2/app/blobs/uploads/"), method="POST")
    storage.on("uploads/$", Reply(headers={"Location": f"{server.url}/v2/app/blobs/uploads/session-1"}))
    uploads(server)["session-1"] = b""
    Pusher(connect(server), "app").push_blob(BLOB, Source(DATA))
    assert_pushed(server)


def test_a_refusal_before_the_body_is_read_over_tls(serve, connect, tmp_path) -> None:
    authority, big = Authority(tmp_path), bytes(8 * 1024 * 1024)
    server = serve(tls=server_context(authority.server()), writable=True)
    server.on("digest=", error(413, "SIZE_INVALID", "at most 1 MiB"), method="PUT")
    server.on_body("digest=", BodyFault(is_answered=True))
    client = connect(server, tls=TlsOptions("tls", ca_path=str(authority.path)))
    with pytest.raises(Rejected, match="413 .SIZE_INVALID: at most 1 MiB"):
        Pusher(client, "app").push_blob(descriptor(big), Source(big, piece=65536))


def test_an_upload_does_not_leave_tls(serve, connect, tmp_path) -> None:
    authority = Authority(tmp_path)
    server = serve(tls=server_context(authority.server()), writable=True)
    location = f"http://{server.name}/v2/app/blobs/uploads/session-1"
    server.on("uploads/$", Reply(headers={"Location": location}))
    tls = TlsOptions("tls", ca_path=str(authority.path))
    with pytest.raises(RedirectRefused, match="continues an https upload over http.*X-Forwarded-Proto"):
        Pusher(connect(server, tls=tls), "app").push_blob(BLOB, Source(DATA))
    server.clear()
    Pusher(connect(server, tls=tls), "app").push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert server.repositories["app"].blobs[str(BLOB.digest)] == DATA


# --- another registry, which the auth files have credentials for ---


@pytest.fixture
def victim(serve, image):
    """A registry that the registry of the task has no rights at, but its user has."""
    server = serve(writable=True, host="localhost", auth="basic", users=USERS)
    server.publish("prod", {"1.0": image})
    uploads_of = server.repositories["prod"].uploads
    uploads_of["session-1"] = b""
    return server


def push_manifest(client) -> None:
    Pusher(client, "app").push_manifest(MANIFEST, MEDIA_TYPE, "1.0")


def push_blob(client) -> None:
    Pusher(client, "app").push_blob(BLOB, Source(DATA))


def push_chunks(client) -> None:
    Pusher(client, "app").push_blob(BLOB, Source(DATA), chunk_size=4000)


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize(
    ("push", "pattern", "method", "path"),
    [
        (push_manifest, "manifests/1.0", "PUT", "/v2/prod/manifests/1.0"),
        (push_blob, "uploads/$", "POST", "/v2/prod/blobs/uploads/"),
        (push_blob, "digest=", "PUT", f"/v2/prod/blobs/uploads/session-1?digest={BLOB.digest}"),
        (push_blob, "Location", "POST", "/v2/prod/blobs/uploads/session-1"),
        (push_chunks, "Location", "POST", "/v2/prod/blobs/uploads/session-1"),
    ],
)
def test_a_registry_cannot_have_something_written_to_another_one(
    start, connect, victim, push, pattern, method, path, auth
) -> None:
    """The user may write there, but did not ask for that."""
    victim.auth = auth
    server = start(auth=None)
    target = f"{victim.url}{path}"
    reply = Reply(headers={"Location": target}) if pattern == "Location" else redirect(target, 307)
    server.on("uploads/$" if pattern == "Location" else pattern, reply, method=method)
    before = dict(victim.repositories["prod"].manifests), dict(victim.repositories["prod"].blobs)
    client = connect(server, other_credentials=Fixed(USER))
    with pytest.raises((Denied, Unauthorized, RedirectRefused)):
        push(client)
    assert all(request.header("Authorization") is None for request in victim.requests)
    assert (victim.repositories["prod"].manifests, victim.repositories["prod"].blobs) == before
    assert victim.repositories["prod"].tags == {"1.0": next(iter(before[0]))}


def test_a_login_for_reading_is_not_used_for_writing(start, connect, victim) -> None:
    server = start(auth=None)
    server.on("manifests/", lambda request: redirect(f"{victim.url}/v2/prod/manifests/1.0", 307))
    client = connect(server, other_credentials=Fixed(USER))
    before = client.manifest("app", Selector.parse("1.0")).digest
    with pytest.raises(RedirectRefused, match="requires credentials to write there; if that is right, add localhost"):
        push_manifest(client)
    assert victim.repositories["prod"].tags == {"1.0": str(before)}


def test_a_gateway_pushes_to_a_registry_that_the_task_trusts(start, connect, victim) -> None:
    server = start(auth=None)
    server.on("manifests/1.0", redirect(f"{victim.url}/v2/prod/manifests/1.0", 307), method="PUT")
    trusting = connect(server, other_credentials=Fixed(USER), trusted_redirect_hosts=("localhost",))
    push_manifest(trusting)
    assert victim.repositories["prod"].manifests[victim.repositories["prod"].tags["1.0"]][0] == MANIFEST
