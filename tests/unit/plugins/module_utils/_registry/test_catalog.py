# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalog of a registry is paged as tags are, and a registry without one is told from one that refuses a login."""

from __future__ import annotations

import json

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import BasicAuth
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    Denied,
    NotOffered,
    ProtocolBroken,
    Unauthorized,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.name_list import NameList
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply, error

NAMES = tuple(f"team/app{number:02}" for number in range(25))
READER = BasicAuth("reader", "pw")


def fill(server: FaultyRegistry, names=NAMES) -> FaultyRegistry:
    for name in names:
        server.add_tag(name, "1", "sha256:0")
    return server


def page(*names, link: str | None = None) -> Reply:
    body = json.dumps({"repositories": list(names)}).encode()
    return Reply(status=200, body=body, headers={} if link is None else {"Link": link})


def test_all(serve, connect) -> None:
    server = fill(serve())
    assert connect(server).catalog() == NameList(NAMES)
    assert [request.target for request in server.requests] == ["/v2/_catalog?n=1000"]


def test_all_by_link(serve, connect) -> None:
    server = fill(serve(page=10))
    assert connect(server).catalog() == NameList(NAMES)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("n", "last", "expected"),
    [
        (10, None, NameList(NAMES[:10], NAMES[9])),
        (10, NAMES[9], NameList(NAMES[10:20], NAMES[19])),
        (10, NAMES[19], NameList(NAMES[20:])),
        (None, NAMES[19], NameList(NAMES[20:])),
    ],
)
@pytest.mark.parametrize("limit", [None, 3])
def test_n_and_last(serve, connect, n, last, expected, limit) -> None:
    assert connect(fill(serve(page=limit))).catalog(n=n, last=last) == expected


@pytest.mark.parametrize("count", [999, 1000, 1001])
@pytest.mark.parametrize("link", [True, False])
def test_about_as_many_as_are_requested_at_a_time(serve, connect, count, link) -> None:
    names = tuple(f"app{number:04}" for number in range(count))
    server = fill(serve(), names)
    if not link:
        server.on("", Reply(drop=("Link",)))
    assert connect(server).catalog() == NameList(names)


@pytest.mark.parametrize("count", [3, 100, 1000, 1200])
def test_a_registry_that_has_no_pages(serve, connect, count) -> None:
    names = tuple(f"app{number:04}" for number in range(count))
    server = serve()
    server.on("", page(*names))
    assert connect(server).catalog() == NameList(names)
    assert connect(server).catalog(n=2) == NameList(names[:2], names[1])


@pytest.mark.parametrize("limit", [100, 999])
def test_a_registry_with_a_smaller_limit(serve, connect, limit) -> None:
    """distribution 3 refuses an n above its catalog.maxentries."""
    server = fill(serve(page=10))
    server.on(f"n={1000 if limit == 999 else '1000?'}$", error(400, "PAGINATION_NUMBER_INVALID"))
    assert connect(server).catalog() == NameList(NAMES)


def test_an_invalid_name_is_left_out(serve, connect, warnings) -> None:
    server = serve()
    server.on("", page("ok", "Not/OK", "x" * 300))
    assert connect(server).catalog() == NameList(("ok",))
    assert warnings[0] == (
        'The registry lists "Not/OK" in its catalog, which is not a valid repository name; it is skipped.'
    )
    assert len(warnings) == 2


def test_an_invalid_catalog_is_refused(serve, connect) -> None:
    server = serve()
    server.on("", Reply(status=200, body=b'{"repositories": {}}'))
    with pytest.raises(ProtocolBroken, match="the catalog of the registry cannot be used: repositories is not a list"):
        connect(server).catalog()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(error(404, "UNSUPPORTED", "not supported"), id="this collection's server without a catalog"),
        pytest.param(Reply(status=404, body=b"404 page not found\n"), id="a server that knows no such path"),
        pytest.param(Reply(status=405, body=b""), id="405"),
        pytest.param(Reply(status=501, body=b""), id="501"),
        pytest.param(error(403, "UNSUPPORTED", "The operation is unsupported."), id="UNSUPPORTED"),
    ],
)
def test_a_registry_without_a_catalog(serve, connect, answer) -> None:
    server = fill(serve())
    server.on("_catalog", answer)
    with pytest.raises(NotOffered, match="seems to have no catalog") as caught:
        connect(server).catalog()
    assert caught.value.as_result()["kind"] == "unsupported"
    assert caught.value.as_result()["status"] == answer.status


def refuse_scope(server: FaultyRegistry, status: int) -> None:
    """As Docker Hub: each token is refused, because the token service grants none for the catalog."""

    def answer(request):
        if not request.header("Authorization"):
            return None
        challenge = f'Bearer realm="{server.url}/token",scope="registry:catalog:*",error="insufficient_scope"'
        return error(status, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})

    server.on("_catalog", answer)


@pytest.mark.parametrize("credentials", [None, READER])
@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_issues_no_token_for_its_catalog(serve, connect, credentials, status) -> None:
    server = fill(serve(auth="bearer", users={"reader": "pw"}))
    refuse_scope(server, status)
    with pytest.raises(NotOffered, match="not open to this client"):
        connect(server, credentials=credentials).catalog()


def test_a_token_for_the_catalog(serve, connect) -> None:
    server = fill(serve(auth="bearer", users={"reader": "pw"}, anonymous=False))
    assert connect(server, credentials=READER).catalog() == NameList(NAMES)
    assert server.sent("/token")[0].query["scope"] == ["registry:catalog:*"]


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize("credentials", [None, BasicAuth("reader", "wrong")])
def test_a_refused_login_is_not_a_missing_catalog(serve, connect, auth, credentials) -> None:
    server = fill(serve(auth=auth, users={"reader": "pw"}, anonymous=False))
    with pytest.raises(Unauthorized):
        connect(server, credentials=credentials).catalog()


def test_a_denied_catalog_is_not_a_missing_one(serve, connect) -> None:
    server = serve()
    server.on("_catalog", error(403, "DENIED", "administrators only"))
    with pytest.raises(Denied, match="administrators only"):
        connect(server).catalog()
