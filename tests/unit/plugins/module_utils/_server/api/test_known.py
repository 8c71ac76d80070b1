# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A request for what was asked for before is answered like the first one, and checked like it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.access.access import OpenAccess
from ansible_collections.attested.registry.plugins.module_utils._server.api import app
from ansible_collections.attested.registry.plugins.module_utils._server.api.content_file import IdentityCheck
from ansible_collections.attested.registry.plugins.module_utils._server.content.loading import load_snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.errors import Refusal
from ansible_collections.attested.registry.plugins.module_utils._server.identity import Identity, Peer
from ansible_collections.attested.registry.tests.support.images import images

from ..conftest import Answer, RunningServer, Serve, read_answer

LAYER = images.layer([images.directory("etc"), images.file("etc/motd", b"hello\n" * 20000)], compression="none")
IMAGE = images.image([LAYER])
OTHER = images.image([images.layer([images.file("other", b"other")])])
PATHS = (
    "/v2/app/manifests/1.0",
    f"/v2/app/manifests/{IMAGE.digest}",
    f"/v2/app/blobs/{IMAGE.config.digest}",
    # too large to be kept
    f"/v2/app/blobs/{LAYER.digest}",
    "/v2/app/manifests/1.0?ns=registry.example",
    "/%762/app/manifests/1.0",
)
# a request: method, body, header fields
REQUESTS: dict[str, tuple[str, str | None, dict[str, str]]] = {
    "plain": ("GET", None, {}),
    "fields that change nothing": ("GET", None, {"Accept": "*/*", "Cookie": "a=b", "Connection": "keep-alive"}),
    "HEAD": ("HEAD", None, {}),
    "other method": ("DELETE", None, {}),
    "body": ("GET", "body", {}),
    "empty body": ("GET", "", {"Content-Length": "0"}),
    "chunked": ("GET", None, {"Transfer-Encoding": "identity"}),
    "close": ("GET", None, {"Connection": "close"}),
    "upgrade": ("GET", None, {"Upgrade": "websocket", "Connection": "upgrade"}),
    "upgrade to h2c": ("GET", None, {"Upgrade": "h2c", "Connection": "upgrade"}),
    "range": ("GET", None, {"RANGE": "bytes=1-2"}),
    "ranges": ("GET", None, {"Range": "bytes=1-2,4-5"}),
    "no range of it": ("GET", None, {"range": "bytes=9999999-"}),
    "range of another": ("GET", None, {"Range": "bytes=1-2", "If-Range": '"x"'}),
    "not modified": ("GET", None, {"If-None-Match": "*"}),
    "not modified by digest": ("GET", None, {"if-none-match": f'"{IMAGE.digest}"'}),
    "modified": ("GET", None, {"If-None-Match": '"x"'}),
    "no match": ("GET", None, {"If-Match": '"x"'}),
    "long head": ("GET", None, {"X-Long": "x" * 17000}),
    "credentials": ("GET", None, {"Authorization": "Basic eDp5"}),
}


@pytest.fixture
def server(tmp_path: pathlib.Path, serve: Serve) -> RunningServer:
    images.write_layout(tmp_path / "app", {"1.0": IMAGE})
    return serve(tmp_path)


def ask(server: RunningServer, path: str, request: tuple[str, str | None, dict[str, str]]) -> Answer:
    method, body, headers = request
    answer = server.get(path, method=method, body=body, **headers)
    boundary = answer.headers.get("content-type", "").partition("boundary=")[2]
    neutral = {name: value.replace(boundary, "") if boundary else value for name, value in answer.headers.items()}
    return Answer(answer.status, {**neutral, "date": ""}, answer.body.replace(boundary.encode() or b"\0", b""))


@pytest.mark.parametrize("path", PATHS)
def test_every_request_is_answered_the_same_after_plain_ones(
    tmp_path: pathlib.Path, serve: Serve, server: RunningServer, path: str
) -> None:
    for dummy in range(2):
        assert ask(server, path, REQUESTS["plain"]).status == 200
    found = {name: ask(server, path, request) for name, request in REQUESTS.items()}
    # each of these servers is asked once
    wanted = {name: ask(serve(tmp_path), path, request) for name, request in REQUESTS.items()}
    assert found == wanted
    assert {answer.status for answer in wanted.values()} >= {200, 400, 405, 412, 431}


def test_two_host_fields_are_refused_as_before(server: RunningServer) -> None:
    server.get(PATHS[0])
    answer = server.raw(f"GET {PATHS[0]} HTTP/1.1\r\nHost: a\r\nHOST: b\r\n\r\n".encode())
    assert answer.split(b" ", 2)[1] == b"400"


@pytest.mark.parametrize("name", ["Authorization", "Content-Length", "If-Range"])
def test_a_field_that_may_occur_once_is_counted_in_any_case(server: RunningServer, name: str) -> None:
    server.get(PATHS[0])
    fields = f"{name}: 0\r\n{name.upper()}: 0\r\nConnection: close"
    answer = server.raw(f"GET {PATHS[0]} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n".encode())
    assert answer.split(b" ", 2)[1] == b"400"


def blob(root: pathlib.Path, content: images.Content) -> pathlib.Path:
    return root / "app/blobs" / content.digest.replace(":", "/", 1)


CHANGES: dict[str, t.Callable[[pathlib.Path], object]] = {
    "removed": lambda path: path.unlink(),
    "changed in place": lambda path: path.write_bytes(b"x" * path.stat().st_size),
    "replaced by a copy": lambda path: (path.rename(path.parent / "old"), path.write_bytes(IMAGE.data)),
    "replaced by a directory": lambda path: (path.unlink(), path.mkdir()),
    "replaced by a link": lambda path: (path.rename(path.parent / "old"), path.symlink_to("old")),
    "touched": lambda path: os.utime(path, ns=(1, 1)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_changes_between_requests_of_a_connection_is_not_served(
    server: RunningServer, tmp_path: pathlib.Path, change: t.Callable[[pathlib.Path], object]
) -> None:
    with contextlib.closing(server.connect()) as connection:

        def status() -> int:
            connection.request("GET", PATHS[0])
            return read_answer(connection.getresponse()).status

        assert [status(), status()] == [200, 200]
        change(blob(tmp_path, IMAGE))
        assert [status(), status()] == [404, 404]


def test_a_tag_that_moves_names_the_new_image(server: RunningServer, tmp_path: pathlib.Path) -> None:
    for dummy in range(2):
        assert server.get(PATHS[0]).body == IMAGE.data
    images.write_layout(tmp_path / "app", {"1.0": OTHER, "old": IMAGE})
    server.application.snapshot = load_snapshot(str(tmp_path))
    for dummy in range(2):
        answer = server.get(PATHS[0])
        assert (answer.body, answer.headers["docker-content-digest"]) == (OTHER.data, OTHER.digest)


def test_what_a_new_snapshot_lacks_is_gone(server: RunningServer, tmp_path: pathlib.Path) -> None:
    (tmp_path / "nothing").mkdir()
    for dummy in range(2):
        assert server.get(PATHS[0]).status == 200
    server.application.snapshot = load_snapshot(str(tmp_path / "nothing"))
    assert server.get(PATHS[0]).status == 404


class Changing(OpenAccess):
    """The Authorization header is the name of a user; users may see what is said here."""

    def __init__(self) -> None:
        self.sees: dict[str | None, bool] = {"alice": True, "bob": False}

    def authenticate(self, authorization: str | None, peer: Peer) -> Identity:
        if authorization not in self.sees:
            raise Refusal(401, "UNAUTHORIZED", "Log in.")
        return Identity(authorization, peer)

    def may_see(self, identity: Identity, repository: str) -> bool:
        return self.sees[identity.user]


def test_access_is_checked_for_each_request(tmp_path: pathlib.Path, serve: Serve) -> None:
    images.write_layout(tmp_path / "app", {"1.0": IMAGE})
    access = Changing()
    server = serve(tmp_path, access=access)

    def statuses() -> list[int]:
        users: tuple[dict[str, str], ...] = ({"Authorization": "alice"}, {"Authorization": "bob"}, {})
        return [server.get(PATHS[0], **user).status for user in users]

    assert statuses() == statuses() == [200, 404, 401]
    hidden, unknown = (server.get(path, Authorization="bob").body for path in (PATHS[0], "/v2/apq/manifests/1.0"))
    assert hidden.replace(b"app", b"apq") == unknown
    access.sees = {"alice": False, "bob": True}
    assert statuses() == [404, 200, 401]


def test_only_so_many_short_targets_are_known(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_MAX_KNOWN", 3)
    for number in range(20):
        assert server.get(f"{PATHS[0]}?n={number}").body == IMAGE.data
        assert 0 < len(server.application._known) <= 3
    before = set(server.application._known)
    for path in (
        f"{PATHS[0]}?{'x' * 300}",
        f"/v2/app/blobs/{LAYER.digest}",
        "/v2/app/tags/list",
        "/v2/app/manifests/2",
    ):
        server.get(path)
    assert set(server.application._known) == before


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are looked at."""
    paths: list[str] = []
    really = os.lstat

    def lstat(path: str, **options: t.Any) -> os.stat_result:
        paths.append(path)
        return really(path, **options)

    monkeypatch.setattr(os, "lstat", lstat)
    return paths


def test_one_look_serves_the_requests_that_had_arrived_before_it(tmp_path: pathlib.Path, looks: list[str]) -> None:
    images.write_layout(tmp_path / "app", {"1.0": IMAGE})
    content = load_snapshot(str(tmp_path)).repositories["app"].tags["1.0"]
    check = IdentityCheck()
    found: list[bool] = []

    async def run() -> None:
        looks.clear()
        assert all(check.is_unchanged(content) for dummy in range(5))
        assert len(looks) == 1
        await asyncio.sleep(0)
        assert check.is_unchanged(content)
        assert len(looks) == 2
        # what is caused after a look comes after it is forgotten, at whatever time it runs
        loop = asyncio.get_running_loop()
        loop.call_soon(blob(tmp_path, IMAGE).unlink)
        loop.call_soon(lambda: found.append(check.is_unchanged(content)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(run())
    assert found == [False]


def test_a_look_at_a_file_that_is_not_there_is_not_kept(tmp_path: pathlib.Path, looks: list[str]) -> None:
    images.write_layout(tmp_path / "app", {"1.0": IMAGE})
    content = load_snapshot(str(tmp_path)).repositories["app"].tags["1.0"]
    blob(tmp_path, IMAGE).unlink()
    check = IdentityCheck()

    async def run() -> None:
        looks.clear()
        assert [check.is_unchanged(content) for dummy in range(2)] == [False, False]
        assert len(looks) == 2

    asyncio.run(run())


def test_a_look_is_compared_with_each_file_that_was_verified(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "app", {"1.0": IMAGE})
    content = load_snapshot(str(tmp_path)).repositories["app"].tags["1.0"]
    older = content._replace(identity=content.identity._replace(inode=1))
    check = IdentityCheck()

    async def run() -> None:
        assert [check.is_unchanged(one) for one in (content, older, content)] == [True, False, True]

    asyncio.run(run())
