# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials are sent to registries that answer 404 instead of 401 for private repositories."""

from __future__ import annotations

import json

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.registry.sources import MirroredSource
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.auth_file import AuthFiles
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import (
    BasicAuth,
    IdentityToken,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    ConnectionFailed,
    Denied,
    NotFound,
    RateLimited,
    Unauthorized,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import RetryPolicy
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, error, redirect
from ansible_collections.attested.registry.tests.support.registries.meanwhile import meanwhile

TAG = Selector.parse("1.0")
USER = BasicAuth("u", "hunter2:x")
ONCE = RetryPolicy(retries=0)


@pytest.fixture(params=["basic", "bearer"])
def hide(request, serve, image):
    """Starts a registry that answers so to every request without credentials, but asks for them at /v2/."""

    def make(reply: Reply):
        server = serve(users={"u": "hunter2:x"}, auth=request.param, anonymous=False)
        server.publish("app", {"1.0": image})
        server.publish("other", {"1.0": image})
        server.on("/v2/.", lambda asked: None if asked.header("Authorization") else reply)
        return server

    return make


def asked(server, pattern: str = "/v2/") -> list[tuple[str, str, bool]]:
    return [(one.method, one.path, one.header("Authorization") is not None) for one in server.sent(pattern)]


@pytest.mark.parametrize(
    "reply", [error(404, "NAME_UNKNOWN"), error(403, "DENIED"), error(429, "TOOMANYREQUESTS"), Reply(401, b"")]
)
def test_credentials_are_tried_before_a_refusal_is_believed(hide, connect, world, image, reply) -> None:
    server = hide(reply)
    client = connect(server, credentials=USER)
    head = client.head_manifest("app", TAG)
    assert head.digest is not None
    assert asked(server) == [
        ("HEAD", "/v2/app/manifests/1.0", False),
        ("GET", "/v2/", False),
        ("HEAD", "/v2/app/manifests/1.0", True),
    ]
    assert world.pauses == []


@pytest.mark.parametrize(
    "operation",
    [
        lambda client, digest: client.manifest("app", TAG),
        lambda client, digest: client.tags("app"),
        lambda client, digest: client.head_blob("app", digest),
        lambda client, digest: b"".join(client.blob("app", digest)),
    ],
)
def test_every_operation(hide, connect, operation) -> None:
    server = hide(error(404, "NAME_UNKNOWN"))
    digest = Digest.parse(next(iter(server.repositories["app"].blobs)))
    assert operation(connect(server, credentials=USER), digest)
    assert len(asked(server, "/v2/$")) == 1


def test_what_was_learnt_is_known_from_then_on(hide, connect) -> None:
    """One request to /v2/ a task, and one without credentials a repository."""
    server = hide(error(404, "NAME_UNKNOWN"))
    client = connect(server, credentials=USER)
    for name in ("app", "other", "app", "other"):
        client.manifest(name, TAG)
    assert len(asked(server, "/v2/$")) == 1
    assert [has_credentials for dummy, path, has_credentials in asked(server, "/manifests/")] == [
        False,
        True,
        False,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize("reply", [error(404, "NAME_UNKNOWN"), error(403, "DENIED"), error(429, "TOOMANYREQUESTS")])
def test_a_request_uses_the_credentials_that_another_request_found(hide, connect, monkeypatch, reply) -> None:
    """Both go out without credentials; the one that is answered last is repeated with them all the same."""
    server = hide(reply)
    client = connect(server, credentials=USER, retry=ONCE)
    found = []
    meanwhile(monkeypatch, server, "/manifests/", lambda: found.append(client.manifest("app", TAG)))
    assert [client.manifest("app", TAG)] == found
    assert [has_credentials for dummy, dummy, has_credentials in asked(server, "/manifests/")] == [
        False,
        True,
        False,
        True,
    ]
    assert len(asked(server, "/v2/$")) == 1


def test_credentials_of_an_auth_file(hide, connect, tmp_path) -> None:
    server = hide(error(404, "NAME_UNKNOWN"))
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {server.name: {"username": "u", "password": "hunter2:x"}}}))
    connect(server, credentials=AuthFiles([str(path)])).manifest("app", TAG)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(error(404), NotFound), (error(403), Denied), (error(429), RateLimited), (Reply(401, b""), Unauthorized)],
)
def test_without_credentials_nothing_more_is_asked(hide, connect, reply, kind) -> None:
    server = hide(reply)
    with pytest.raises(kind, match="auth_file with an entry for this registry"):
        connect(server, retry=ONCE).manifest("app", TAG)
    assert len(server.requests) == 1


def test_what_is_public_costs_no_request_more(serve, connect, image) -> None:
    server = serve()
    server.publish("app", {"1.0": image})
    client = connect(server, credentials=USER)
    client.head_manifest("app", TAG)
    client.manifest("app", TAG)
    assert asked(server) == [("HEAD", "/v2/app/manifests/1.0", False), ("GET", "/v2/app/manifests/1.0", False)]


@pytest.mark.parametrize("status", [200, 404, 403, 301])
def test_a_registry_that_asks_for_nothing_is_asked_once(serve, connect, status) -> None:
    """And what is not there is not there; nothing is sent to where /v2/ leads."""
    other = serve(auth="basic")
    server = serve()
    server.on("/v2/$", redirect(other.url + "/v2/", status) if status == 301 else error(status))
    client = connect(server, credentials=USER)
    for name in ("app", "other"):
        with pytest.raises(NotFound, match="does not have it"):
            client.manifest(name, TAG)
    assert asked(server, "/manifests/") == [
        ("GET", "/v2/app/manifests/1.0", False),
        ("GET", "/v2/other/manifests/1.0", False),
    ]
    assert [one.header("Authorization") for one in other.requests] == [None] * len(other.requests)
    assert len(asked(server, "/v2/$")) == 1


def test_a_registry_whose_v2_fails_for_good_is_asked_once(serve, connect) -> None:
    server = serve()
    server.on("/v2/$", Reply(status=302, body=b""))
    client = connect(server, credentials=USER)
    for name in ("app", "other"):
        with pytest.raises(NotFound, match="does not have it"):
            client.manifest(name, TAG)
    assert len(asked(server, "/v2/$")) == 1


@pytest.mark.parametrize("challenge", ["Negotiate", 'Bearer realm="file:///x"', 'Bearer service="x"', "???"])
def test_a_challenge_of_no_use_changes_nothing(serve, connect, challenge) -> None:
    server = serve()
    server.on("/v2/$", Reply(401, b"", {"WWW-Authenticate": challenge}))
    with pytest.raises(NotFound, match="does not have it"):
        connect(server, credentials=USER).manifest("app", TAG)


def test_credentials_that_do_not_fit_change_nothing(serve, connect) -> None:
    server = serve(auth="basic")
    server.on("/v2/.", error(404))
    with pytest.raises(NotFound):
        connect(server, credentials=IdentityToken("hunter2")).manifest("app", TAG)


def test_rejected_credentials_are_the_reason(hide, connect) -> None:
    server = hide(error(404))
    with pytest.raises(Unauthorized, match='rejected the user name "u"') as raised:
        connect(server, credentials=BasicAuth("u", "hunter3")).manifest("app", TAG)
    assert "hunter3" not in str(raised.value)


def test_a_connection_lost_at_v2_is_tried_again(hide, connect, world) -> None:
    server = hide(error(404))
    server.on("/v2/$", Reply(status=200, body=b"x" * 10, raw=b""), times=1)
    connect(server, credentials=USER).manifest("app", TAG)
    assert len(world.pauses) == 1
    server = hide(error(404))
    server.on("/v2/$", Reply(raw=b""))
    with pytest.raises(ConnectionFailed):
        connect(server, credentials=USER).manifest("app", TAG)


def test_the_scope_is_of_the_repository_whatever_v2_asks_for(serve, connect, image) -> None:
    server = serve(users={"u": "hunter2:x"}, auth="bearer", anonymous=False)
    server.publish("app", {"1.0": image})
    server.on("/v2/.", lambda asked: None if asked.header("Authorization") else error(404))
    text = f'Bearer realm="{server.url}/token",service="r",scope="registry:catalog:*"'
    server.on("/v2/$", Reply(401, b"", {"WWW-Authenticate": text}))
    connect(server, credentials=USER).manifest("app", TAG)
    assert server.sent("/token")[0].query["scope"] == ["repository:app:pull"]


def test_a_mirror(hide, serve, connect, image, tmp_path, warnings) -> None:
    """A mirror that hides repositories gets the credentials that the auth file has for it."""
    mirror, origin = hide(error(404)), serve()
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {mirror.name: {"username": "u", "password": "hunter2:x"}}}))
    source = MirroredSource(
        [connect(mirror, credentials=AuthFiles([str(path)]))], connect(origin), warn=warnings.append
    )
    assert source.head_manifest("app", TAG).digest is not None
    assert source.manifest("app", TAG).digest is not None
    assert (origin.requests, warnings) == ([], [])


def test_missing_with_credentials(hide, connect) -> None:
    server = hide(error(404, "NAME_UNKNOWN"))
    client = connect(server, credentials=USER)
    for dummy in range(2):
        assert client.head_blob("app", Digest.of(b"absent")) is None
    assert len(asked(server, "/v2/$")) == 1


@pytest.mark.parametrize("reply", [error(403, "DENIED"), Reply(401, b"")])
def test_credentials_without_a_usable_challenge_are_not_sent(serve, connect, reply) -> None:
    server = serve()
    server.on("/v2/.", reply)
    why = (
        '; the user name "u" and its password from the module options was not sent, because the registry sent no '
        "challenge that this client can answer; check that this is the right registry\\.$"
    )
    with pytest.raises((Denied, Unauthorized), match=why) as raised:
        connect(server, credentials=USER).manifest("app", TAG)
    assert "hunter2" not in str(raised.value)
    assert "give username" not in str(raised.value)


@pytest.mark.parametrize(
    ("credentials", "challenge", "obstacle"),
    [
        (USER, "Negotiate", r"an unsupported authentication scheme \(offered: negotiate\)"),
        (IdentityToken("hunter2"), 'Basic realm="x"', "there is only the identity token from the module options"),
    ],
)
@pytest.mark.parametrize("reply", [error(403, "DENIED"), Reply(401, b"")])
def test_credentials_that_do_not_fit_what_v2_asks_for(serve, connect, reply, credentials, challenge, obstacle) -> None:
    server = serve()
    server.on("/v2/.", reply)
    server.on("/v2/$", Reply(401, b"", {"WWW-Authenticate": challenge}))
    with pytest.raises((Denied, Unauthorized), match=f"was not sent, .* can answer .*{obstacle}") as raised:
        connect(server, credentials=credentials).manifest("app", TAG)
    assert "hunter2" not in str(raised.value)


def test_missing_although_there_are_credentials(serve, connect) -> None:
    with pytest.raises(NotFound, match="check the names of the registry, the repository and the reference\\.$"):
        connect(serve(), credentials=USER).manifest("app", TAG)
