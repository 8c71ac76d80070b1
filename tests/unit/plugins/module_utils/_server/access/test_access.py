# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients without valid credentials learn nothing, and each user sees only the repositories that rules allow."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.access.access import (
    OpenAccess,
    RestrictedAccess,
)
from ansible_collections.attested.registry.plugins.module_utils._server.config.rules import Rule
from ansible_collections.attested.registry.plugins.module_utils._server.errors import Refusal
from ansible_collections.attested.registry.plugins.module_utils._server.identity import Identity, Peer
from ansible_collections.attested.registry.tests.support.images import images

from ..api.test_app import error_of
from ..conftest import RunningServer, Serve

IMAGE = images.image([images.layer([images.file("a", b"1")])])
OTHER = images.image([images.layer([images.file("b", b"2")])])
LAYER = OTHER.layers[0]
CHALLENGE = 'Basic realm="registry", charset="UTF-8"'
PATHS = [
    "/v2/",
    "/v2",
    "/v2/_catalog",
    "/v2/open/tags/list",
    "/v2/hidden/tags/list",
    "/v2/nowhere/tags/list",
    "/v2/Bad/tags/list",
    "/v2/open%2fa/tags/list",
    "/v2/open/manifests/1",
    "/v2/open/manifests/2",
    f"/v2/open/blobs/{IMAGE.digest}",
    f"/v2/open/referrers/{IMAGE.digest}",
    "/v2/open/blobs/uploads/",
    "/%762/open/manifests/1",
    "http://other/v2/open/manifests/1",
    "//v2/open/manifests/1",
    "/",
]


class NamedUsers:
    """The Authorization header is the user's name; whatever is called hidden is for alice alone."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []

    def authenticate(self, authorization: str | None, peer: Peer) -> Identity:
        self.peers.append(peer)
        if authorization not in ("alice", "bob"):
            raise Refusal(401, "UNAUTHORIZED", "Log in.", headers={"WWW-Authenticate": CHALLENGE})
        return Identity(authorization, peer)

    def may_see(self, identity: Identity, repository: str) -> bool:
        return identity.user == "alice" or not repository.startswith("hidden")


@pytest.fixture
def access() -> NamedUsers:
    return NamedUsers()


@pytest.fixture
def server(tmp_path: pathlib.Path, serve: Serve, access: NamedUsers) -> RunningServer:
    for name in ("a", "hidden", "hidden2", "open", "z"):
        images.write_layout(tmp_path / name, {"1": OTHER if name.startswith("hidden") else IMAGE})
    return serve(tmp_path, access=access)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_clients_without_credentials_are_refused(server: RunningServer, path: str, method: str) -> None:
    answer = server.get(path, method=method)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, CHALLENGE)
    assert answer.headers["cache-control"] == "no-store"
    assert method == "HEAD" or error_of(answer) == "UNAUTHORIZED"


def test_the_answer_to_strangers_is_the_same_for_what_is_there_and_what_is_not(server: RunningServer) -> None:
    answers = [server.get(path) for path in PATHS]
    assert len({(answer.status, answer.body, answer.headers["content-length"]) for answer in answers}) == 1


def test_credentials_are_checked_before_the_body(server: RunningServer) -> None:
    answer = server.get("/v2/open/manifests/1", method="PUT", body="data")
    assert (answer.status, answer.headers["connection"]) == (401, "close")


@pytest.mark.parametrize(("user", "status"), [("alice", 200), ("bob", 404)])
def test_hidden_repositories_answer_as_unknown_ones(server: RunningServer, user: str, status: int) -> None:
    references = ("tags/list", "manifests/1", f"manifests/{OTHER.digest}", f"blobs/{LAYER.digest}")
    for reference in (*references, f"referrers/{IMAGE.digest}"):
        answer = server.get(f"/v2/hidden/{reference}", Authorization=user)
        assert answer.status == status
        if status == 404:
            assert error_of(answer) == "NAME_UNKNOWN"
            unknown = server.get(f"/v2/nowher/{reference}", Authorization=user)
            assert answer.body.replace(b"hidden", b"nowher") == unknown.body


def test_a_hidden_blob_cannot_be_had_by_another_name(server: RunningServer) -> None:
    answer = server.get(f"/v2/open/blobs/{LAYER.digest}", Authorization="bob")
    assert (answer.status, error_of(answer)) == (404, "BLOB_UNKNOWN")


@pytest.mark.parametrize(
    ("user", "names"), [("alice", ["a", "hidden", "hidden2", "open", "z"]), ("bob", ["a", "open", "z"])]
)
def test_the_catalog_shows_what_may_be_seen(server: RunningServer, user: str, names: list[str]) -> None:
    assert json.loads(server.get("/v2/_catalog", Authorization=user).body)["repositories"] == names
    found: list[str] = []
    path: str | None = "/v2/_catalog?n=1"
    while path is not None:
        answer = server.get(path, Authorization=user)
        found += json.loads(answer.body)["repositories"]
        assert "hidden" not in answer.headers.get("link", "") or user == "alice"
        link = answer.headers.get("link")
        path = link[1 : link.index(">")] if link else None
    assert found == names


@pytest.mark.parametrize(
    ("path", "cache"),
    [
        ("/v2/", "private, no-cache"),
        ("/v2/_catalog", "private, no-cache"),
        ("/v2/open/tags/list", "private, no-cache"),
        ("/v2/open/manifests/1", "private, no-cache"),
        (f"/v2/open/referrers/{IMAGE.digest}", "private, no-cache"),
        (f"/v2/open/manifests/{IMAGE.digest}", "private, max-age=31536000, immutable"),
        (f"/v2/open/blobs/{IMAGE.config.digest}", "private, max-age=31536000, immutable"),
        ("/v2/nowhere/tags/list", "no-store"),
    ],
)
def test_no_shared_cache_keeps_an_answer(server: RunningServer, path: str, cache: str) -> None:
    for headers in ({}, {"If_None_Match": f'"{IMAGE.digest}"'}, {"Range": "bytes=0-0"}, {"Range": "bytes=0-0,5-5"}):
        answer = server.get(path, Authorization="bob", **headers)
        assert answer.headers["cache-control"] == cache


def test_two_authorization_headers_are_refused(server: RunningServer) -> None:
    head = b"GET /v2/open/manifests/1 HTTP/1.1\r\nHost: x\r\nAuthorization: bob\r\nAuthorization: alice\r\n"
    answer = server.raw(head + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_each_request_of_a_connection_is_looked_at(server: RunningServer) -> None:
    first = b"GET /v2/hidden/manifests/1 HTTP/1.1\r\nHost: x\r\nAuthorization: alice\r\n\r\n"
    answer = server.raw(first + b"GET /v2/hidden/manifests/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.count(OTHER.data) == 1
    assert b"\r\n\r\n" + OTHER.data + b"HTTP/1.1 401 " in answer


def test_the_peer_is_known(server: RunningServer, access: NamedUsers) -> None:
    server.get("/v2/")
    assert access.peers == [Peer("127.0.0.1")]


def test_open_access_ignores_credentials(tmp_path: pathlib.Path, serve: Serve) -> None:
    images.write_layout(tmp_path / "app", {"1": IMAGE})
    answer = serve(tmp_path, access=OpenAccess()).get(f"/v2/app/blobs/{IMAGE.digest}", Authorization="Basic nonsense")
    assert (answer.status, answer.body) == (200, IMAGE.data)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_the_patterns_of_rules_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of thousands of repositories that anybody may ask for is not to hold up everybody."""
    asked: list[str] = []
    is_about = Rule.is_about

    def counted(rule: Rule, repository: str) -> bool:
        asked.append(repository)
        return is_about(rule, repository)

    monkeypatch.setattr(Rule, "is_about", counted)
    rules = (Rule(repositories=("team/*",), users=("alice",)), Rule(repositories=("open", "team/open")))
    access = RestrictedAccess(passwords=None, rules=rules)
    names = ("open", "team/a", "team/open", "other")
    for user, seen in (("alice", names[:3]), ("bob", ("open", "team/open")), ("alice", names[:3])):
        identity = Identity(user, Peer("192.0.2.1"))
        assert tuple(name for name in names if access.may_see(identity, name)) == seen
    assert len(asked) == len(rules) * len(names)
