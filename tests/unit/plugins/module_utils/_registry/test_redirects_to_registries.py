# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry that redirects requests to another registry, which wants its own tokens, can be used."""

from __future__ import annotations

import json

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.auth_file import AuthFiles
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import BasicAuth, Token
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    Denied,
    NotFound,
    ProtocolBroken,
    RealmRefused,
    Unauthorized,
)
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, error, redirect

TAG = Selector.parse("1.0")
USER = BasicAuth("u", "hunter2:x")


@pytest.fixture
def real(serve, image):
    server = serve(auth="bearer", users={"v": "hunter3"}, host="localhost")
    server.publish("team/app", {"1.0": image})
    return server


@pytest.fixture
def gateway(serve, real):
    """Redirects everything, to a repository of another name."""
    server = serve(users={"u": "hunter2:x"})
    server.on("", lambda asked: redirect(real.url + asked.target.replace("/v2/", "/v2/team/"), 307))
    return server


def login(tmp_path, **entries: str) -> AuthFiles:
    path = tmp_path / "auth.json"
    pairs = {name: dict(zip(("username", "password"), pair.split(":"))) for name, pair in entries.items()}
    path.write_text(json.dumps({"auths": pairs}))
    return AuthFiles([str(path)])


def sent(request) -> bool:
    return request.header("Authorization") is not None


@pytest.mark.parametrize("credentials", [None, USER, Token("hunter2")])
def test_a_token_for_anyone(gateway, real, connect, credentials) -> None:
    client = connect(gateway, credentials=credentials)
    client.head_manifest("app", TAG)
    client.manifest("app", TAG)
    assert [one.query["scope"] for one in real.sent("/token")] == [["repository:team/app:pull"]]
    assert [one.header("Authorization") for one in real.sent("/token")] == [None]
    sent = [one.header("Authorization") for one in real.sent("/v2/")]
    assert sent[0] is None
    assert sent[1] == sent[2]
    assert sent[1].startswith("Bearer token-")
    assert "hunter2" not in str(real.requests)


def test_an_entry_of_the_auth_file(gateway, real, connect, tmp_path) -> None:
    real.anonymous = False
    for credentials, others in (
        (login(tmp_path, **{real.name: "v:hunter3"}), None),
        (USER, login(tmp_path, **{real.name: "v:hunter3"})),
    ):
        connect(gateway, credentials=credentials, other_credentials=others).manifest("app", TAG)
        assert real.sent("/token")[-1].query["account"] == ["v"]


def test_basic_at_the_other_registry(gateway, real, connect, tmp_path) -> None:
    real.auth = "basic"
    connect(gateway, credentials=login(tmp_path, **{f"{real.name}/team": "v:hunter3"})).manifest("app", TAG)
    with pytest.raises(
        Unauthorized,
        match=f"redirects to {real.name}, which requires credentials .*"
        f"; give an auth_file with an entry for {real.name}",
    ):
        connect(gateway, credentials=USER).manifest("app", TAG)
    assert all("dTpodW50" not in (one.header("Authorization") or "") for one in real.requests)


def test_no_token_for_just_anyone(gateway, real, connect) -> None:
    real.anonymous = False
    with pytest.raises(
        Unauthorized, match=f"issues no token without credentials; give an auth_file with an entry for {real.name}"
    ) as raised:
        connect(gateway, credentials=USER).manifest("app", TAG)
    assert "hunter2" not in str(raised.value)


def test_rejected_there(gateway, real, connect, tmp_path) -> None:
    with pytest.raises(Unauthorized, match='rejected the user name "v" and its password from the auth file'):
        connect(gateway, credentials=login(tmp_path, **{real.name: "v:wrong"})).manifest("app", TAG)


def test_nothing_is_sent_over_plain_http(serve, image, connect, names, tmp_path) -> None:
    """A registry on this host apart: whoever is on the way could read it."""
    names["real.example.com"] = "127.0.0.1"
    real = serve(auth="bearer", host="real.example.com", users={"v": "hunter3"})
    real.publish("app", {"1.0": image})
    gateway = serve()
    gateway.on("", lambda asked: redirect(real.url + asked.target))
    connect(gateway, credentials=login(tmp_path, **{real.name: "v:hunter3"})).manifest("app", TAG)
    assert [one.header("Authorization") for one in real.sent("/token")] == [None]


def test_the_realm_is_held_to_the_policy_of_its_registry(gateway, real, serve, connect) -> None:
    elsewhere = serve()
    real.realm = elsewhere.url + "/token"
    with pytest.raises(RealmRefused):
        connect(gateway).manifest("app", TAG)
    assert elsewhere.requests == []


def test_storage_gets_nothing(gateway, real, serve, connect, tmp_path) -> None:
    storage = serve()
    storage.on("", error(403, "DENIED"))
    real.on("/blobs/", lambda asked: redirect(storage.url + asked.target) if asked.header("Authorization") else None)
    client = connect(gateway, credentials=login(tmp_path, **{real.name: "v:hunter3", storage.name: "w:hunter4"}))
    image = client.manifest("app", TAG).document
    with pytest.raises(
        Denied, match=f"redirects to {storage.name}, which denies access to clients without credentials"
    ) as raised:
        b"".join(client.blob("app", image.config))
    assert "these credentials" not in str(raised.value)
    assert [one.header("Authorization") for one in storage.requests] == [None]


def test_a_registry_that_always_asks_for_a_token_is_given_up(gateway, real, connect) -> None:
    real.on("/v2/", Reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{real.url}/token"'}))
    with pytest.raises(Unauthorized):
        connect(gateway).manifest("app", TAG)
    assert len(real.requests) < 8


def test_a_challenge_of_no_use(gateway, real, connect) -> None:
    real.on("/v2/", Reply(401, b"", {"WWW-Authenticate": "Bearer authorization_uri=x"}))
    with pytest.raises(Unauthorized, match="which requires credentials"):
        connect(gateway).manifest("app", TAG)


def test_missing_there(gateway, real, connect) -> None:
    with pytest.raises(NotFound, match=f"redirects to {real.name}, which does not have it"):
        connect(gateway).manifest("app", Selector.parse("2"))


@pytest.mark.parametrize(
    "link",
    [
        "<list?last={last}>",
        "<?last={last}>",
        "</v2/team/app/tags/list?last={last}>",
        "<{real}/v2/team/app/tags/list?last={last}>",
        "<https://localhost/v2/team/app/tags/list?last={last}>",
        "<{gateway}/v2/app/tags/list?last={last}>",
        "</v2/app/tags/list?last={last}>",
    ],
)
def test_pages_of_tags(gateway, real, connect, link) -> None:
    """Each page is requested from the registry of the task, whatever names the other registry uses."""
    names = ("a", "b", "c")

    def reply(request):
        start = names.index(request.query["last"][0]) + 1 if "last" in request.query else 0
        text = link.format(last=names[start], real=real.url, gateway=gateway.url) + '; rel="next"'
        headers = {"Link": text} if start < 2 else {}
        return Reply(200, json.dumps({"tags": [names[start]]}).encode(), headers)

    real.on("/v2/team/app/tags/list", reply)
    assert connect(gateway).tags("app").names == names
    assert {one.path for one in gateway.requests} == {"/v2/app/tags/list"}
    assert len(gateway.requests) == 3


@pytest.mark.parametrize("link", ["https://evil.example/v2/team/app/tags/list?last=a", "//evil.example/?last=a"])
def test_a_page_of_tags_at_a_third_registry(gateway, real, connect, link) -> None:
    real.on("/v2/team/app/tags/list", Reply(200, b'{"tags": ["a"]}', {"Link": f'<{link}>; rel="next"'}))
    with pytest.raises(ProtocolBroken, match="leads to another server"):
        connect(gateway).tags("app")


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize("status", [401, 403, 404])
def test_back_to_the_registry(serve, image, connect, auth, status) -> None:
    """A request that another server redirected carries no credentials, so the error does not call them rejected."""
    registry, other = serve(auth=auth, users={"u": "hunter2:x"}, anonymous=False), serve()
    registry.publish("app", {"1.0": image})
    registry.on("/app/manifests/", lambda asked: redirect(other.url + "/v2/back") if sent(asked) else None)
    registry.on("/v2/back", lambda asked: None if sent(asked) or status == 401 else error(status))
    other.on("/v2/back", redirect(registry.url + "/v2/back/manifests/1.0"))
    with pytest.raises((Unauthorized, Denied, NotFound)) as raised:
        connect(registry, credentials=USER).manifest("app", TAG)
    assert "rejected" not in str(raised.value)
    if status == 401:
        assert "requires credentials" in str(raised.value)
    if status != 404:
        assert "was not sent again, because the registry redirected" in str(raised.value)
        assert 'the user name "u"' in str(raised.value)
    assert [sent(one) for one in registry.sent("/v2/back")] == [False]


def test_back_to_the_registry_before_credentials_are_known(serve, image, connect) -> None:
    """They are sent at the second time, and then the registry answers itself."""
    registry, other = serve(auth="basic", users={"u": "hunter2:x"}), serve()
    registry.publish("app", {"1.0": image})
    registry.on("/app/manifests/", lambda asked: None if sent(asked) else redirect(other.url + "/v2/back"))
    other.on("/v2/back", redirect(registry.url + "/v2/back/manifests/1.0"))
    connect(registry, credentials=USER).manifest("app", TAG)
    assert [sent(one) for one in registry.requests] == [False, False, True]


def test_a_redirect_back_to_the_registry_gets_credentials_once(serve, connect) -> None:
    registry, other = serve(auth="basic", users={"u": "hunter2:x"}), serve()
    registry.on("/app/manifests/", redirect(other.url + "/v2/back"))
    other.on("/v2/back", redirect(registry.url + "/v2/back/manifests/1.0"))
    with pytest.raises(Unauthorized, match="requires credentials"):
        connect(registry, credentials=USER).manifest("app", TAG)
    assert len(other.requests) == 2
