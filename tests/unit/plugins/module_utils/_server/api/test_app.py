# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each end point of the distribution-spec answers with the right status, headers, body and error code."""

from __future__ import annotations

import http.client
import json
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.content.loading import load_snapshot
from ansible_collections.attested.registry.tests.support.images import images

from ..conftest import Answer, RunningServer, Serve, read_answer

LAYER = images.layer([images.directory("etc"), images.file("etc/motd", b"hello\n" * 20000)], compression="none")
IMAGE = images.image([LAYER])
DOCKER = images.image([images.layer([], docker=True)], docker=True)
MANY = images.index([IMAGE, DOCKER])
SILENT = images.image([LAYER], changes={"mediaType": None})
NOTES = images.Content(b"notes", "text/plain", algorithm="sha512")
ARTIFACT = images.artifact("application/vnd.example.notes", [NOTES, images.Content(b"", "text/plain")])
TAGS = {"1.0": IMAGE, "latest": MANY, "Zebra": DOCKER, "apple": SILENT, "_x": ARTIFACT}
ABSENT = images.digest_of(b"absent")


@pytest.fixture
def server(tmp_path: pathlib.Path, serve: Serve) -> RunningServer:
    images.write_layout(tmp_path / "app", TAGS)
    images.write_layout(tmp_path / "team" / "sub" / "app", {"1.0": IMAGE})
    images.write_layout(tmp_path / "empty", {})
    return serve(tmp_path)


def error_of(answer: Answer) -> str:
    """The code of an error document, which is checked on the way."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    document = json.loads(answer.body)
    assert set(document) == {"errors"}
    (error,) = document["errors"]
    assert error["message"].endswith(".")
    code: str = error["code"]
    return code


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_base(server: RunningServer, path: str, method: str) -> None:
    answer = server.get(path, method=method)
    assert answer.status == 200
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.body == (b"{}" if method == "GET" else b"")
    assert answer.headers["content-length"] == "2"


# Tags.
SORTED = ["1.0", "Zebra", "_x", "apple", "latest"]


@pytest.mark.parametrize(
    ("query", "tags", "link"),
    [
        ("", SORTED, None),
        ("?n=2", SORTED[:2], "n=2&last=Zebra"),
        ("?n=2&last=Zebra", SORTED[2:4], "n=2&last=apple"),
        ("?n=2&last=apple", SORTED[4:], None),
        ("?n=5", SORTED, None),
        ("?n=500000", SORTED, None),
        ("?n=0", [], None),
        ("?n=0&last=1.0", [], None),
        ("?last=1.0", SORTED[1:], None),
        ("?last=0", SORTED, None),
        ("?last=a", SORTED[3:], None),
        ("?last=latest", [], None),
        ("?last=zzz", [], None),
        ("?last=", SORTED, None),
        ("?n=1&last=%C3%A9", [], None),
        ("?unknown=1", SORTED, None),
    ],
)
def test_tags(server: RunningServer, query: str, tags: list[str], link: str | None) -> None:
    answer = server.get(f"/v2/app/tags/list{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == {"name": "app", "tags": tags}
    assert answer.headers.get("link") == (f'</v2/app/tags/list?{link}>; rel="next"' if link else None)


def test_following_links_gives_every_tag_once(server: RunningServer) -> None:
    assert server.pages("/v2/app/tags/list?n=1", "tags") == SORTED


def test_a_page_has_at_most_1000_tags_when_a_number_is_asked_for(tmp_path: pathlib.Path, serve: Serve) -> None:
    images.write_layout(tmp_path / "app", {f"t{n:04}": IMAGE for n in range(1001)})
    server = serve(tmp_path)
    assert len(json.loads(server.get("/v2/app/tags/list").body)["tags"]) == 1001
    answer = server.get("/v2/app/tags/list?n=1001")
    assert len(json.loads(answer.body)["tags"]) == 1000
    assert answer.headers["link"] == '</v2/app/tags/list?n=1000&last=t0999>; rel="next"'


def test_tags_of_other_repositories(server: RunningServer) -> None:
    assert json.loads(server.get("/v2/empty/tags/list").body) == {"name": "empty", "tags": []}
    assert json.loads(server.get("/v2/team/sub/app/tags/list").body) == {"name": "team/sub/app", "tags": ["1.0"]}


@pytest.mark.parametrize("query", ["n=abc", "n=-1", "n=", "n=1&n=2"])
def test_tags_with_a_bad_number(server: RunningServer, query: str) -> None:
    answer = server.get(f"/v2/app/tags/list?{query}")
    assert answer.status == 400
    assert error_of(answer) == "PAGINATION_NUMBER_INVALID"


# Manifests and blobs.
MANIFESTS = [
    *(("app", tag, content) for tag, content in TAGS.items()),
    *(("app", content.digest, content) for content in TAGS.values()),
    ("team/sub/app", "1.0", IMAGE),
]
BLOBS = [LAYER, IMAGE.config, NOTES, images.Content(b"", ""), IMAGE, MANY, SILENT]


@pytest.mark.parametrize(("name", "reference", "content"), MANIFESTS)
def test_manifests(server: RunningServer, name: str, reference: str, content: images.Content) -> None:
    answer = server.get(f"/v2/{name}/manifests/{reference}")
    assert (answer.status, answer.body) == (200, content.data)
    assert answer.headers["content-type"] == content.media_type
    _check_content_headers(answer, content, by_digest=reference == content.digest)
    assert_same_headers(server.get(f"/v2/{name}/manifests/{reference}", method="HEAD"), answer)


@pytest.mark.parametrize("content", BLOBS, ids=lambda content: content.media_type or "empty")
def test_blobs(server: RunningServer, content: images.Content) -> None:
    answer = server.get(f"/v2/app/blobs/{content.digest}")
    assert (answer.status, answer.body) == (200, content.data)
    assert answer.headers["content-type"] == "application/octet-stream"
    _check_content_headers(answer, content, by_digest=True)
    assert_same_headers(server.get(f"/v2/app/blobs/{content.digest}", method="HEAD"), answer)


def _check_content_headers(answer: Answer, content: images.Content, *, by_digest: bool) -> None:
    cache = "public, max-age=31536000, immutable" if by_digest else "no-cache"
    expected = {
        "docker-content-digest": content.digest,
        "docker-distribution-api-version": "registry/2.0",
        "etag": f'"{content.digest}"',
        "content-length": str(content.size),
        "cache-control": cache,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
    }
    assert {name: answer.headers.get(name) for name in expected} == expected
    assert "transfer-encoding" not in answer.headers
    assert "content-encoding" not in answer.headers


def assert_same_headers(head: Answer, get: Answer) -> None:
    """HEAD says what GET says, without a body."""
    assert (head.status, head.body) == (get.status, b"")
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


def test_accept_changes_nothing(server: RunningServer) -> None:
    answer = server.get("/v2/app/manifests/latest", Accept=images.OCI_MANIFEST, Accept_Encoding="gzip, br")
    assert (answer.status, answer.body) == (200, MANY.data)


def test_the_query_parameter_ns_of_mirrors_is_ignored(server: RunningServer) -> None:
    answer = server.get("/v2/app/manifests/latest?ns=registry.example")
    assert (answer.status, answer.body) == (200, MANY.data)
    assert server.get(f"/v2/app/blobs/{LAYER.digest}?ns=registry.example").body == LAYER.data


ERRORS = [
    ("/v2/app/manifests/2.0", 404, "MANIFEST_UNKNOWN"),
    ("/v2/app/manifests/..", 404, "MANIFEST_UNKNOWN"),
    ("/v2/app/manifests/", 404, "MANIFEST_UNKNOWN"),
    (f"/v2/app/manifests/{ABSENT}", 404, "MANIFEST_UNKNOWN"),
    (f"/v2/app/manifests/{LAYER.digest}", 404, "MANIFEST_UNKNOWN"),
    (f"/v2/empty/manifests/{IMAGE.digest}", 404, "MANIFEST_UNKNOWN"),
    ("/v2/app/manifests/sha256:baddigeststring", 400, "DIGEST_INVALID"),
    (f"/v2/app/manifests/{IMAGE.digest.upper()}", 400, "DIGEST_INVALID"),
    (f"/v2/app/blobs/{ABSENT}", 404, "BLOB_UNKNOWN"),
    (f"/v2/empty/blobs/{LAYER.digest}", 404, "BLOB_UNKNOWN"),
    ("/v2/app/blobs/1.0", 400, "DIGEST_INVALID"),
    ("/v2/app/blobs/sha256:../../../../etc/passwd", 404, "UNSUPPORTED"),
    ("/v2/app/blobs/sha256:..", 400, "DIGEST_INVALID"),
    ("/v2/nowhere/tags/list", 404, "NAME_UNKNOWN"),
    ("/v2/nowhere/manifests/1.0", 404, "NAME_UNKNOWN"),
    (f"/v2/team/app/blobs/{LAYER.digest}", 404, "NAME_UNKNOWN"),
    ("/v2/App/tags/list", 400, "NAME_INVALID"),
    ("/v2/../tags/list", 400, "NAME_INVALID"),
    ("/v2/app/../app/tags/list", 400, "NAME_INVALID"),
    ("/v2//tags/list", 400, "NAME_INVALID"),
    ("/v2/team%2fsub%2fapp/tags/list", 400, "NAME_INVALID"),
    ("/v2/app%00/tags/list", 400, "NAME_INVALID"),
    (f"/v2/{'a' * 300}/tags/list", 400, "NAME_INVALID"),
    ("/v2/_catalog/", 404, "UNSUPPORTED"),
    ("/", 404, "UNSUPPORTED"),
    ("/etc/passwd", 404, "UNSUPPORTED"),
]


@pytest.mark.parametrize(("path", "status", "code"), ERRORS)
def test_errors(server: RunningServer, path: str, status: int, code: str) -> None:
    answer = server.get(path)
    assert (answer.status, error_of(answer)) == (status, code)
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert answer.headers["cache-control"] == "no-store"
    assert_same_headers(server.get(path, method="HEAD"), answer)


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/v2/", "/v2/app/manifests/1.0", "/v2/app/blobs/uploads/", "/v2/app/tags/list"])
def test_other_methods(server: RunningServer, method: str, path: str) -> None:
    answer = server.get(path, method=method, body="some data" if method in ("PUT", "POST", "PATCH") else None)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert error_of(answer) == "UNSUPPORTED"


def test_other_methods_on_what_is_not_there(server: RunningServer) -> None:
    assert server.get("/other", method="DELETE").status == 404


# Conditional requests.
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_not_modified(server: RunningServer, method: str) -> None:
    for path in ("/v2/app/manifests/1.0", f"/v2/app/blobs/{IMAGE.digest}"):
        answer = server.get(path, method=method, If_None_Match=f'"{ABSENT}", "{IMAGE.digest}"', Range="bytes=0-1")
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == f'"{IMAGE.digest}"'
        assert answer.headers["docker-content-digest"] == IMAGE.digest
        assert "cache-control" in answer.headers
        assert server.get(path, method=method, If_None_Match=f'"{ABSENT}"').status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_only_if_it_is_this_content(server: RunningServer, method: str) -> None:
    path = "/v2/app/manifests/1.0"
    assert server.get(path, method=method, If_Match=f'"{ABSENT}", "{IMAGE.digest}"').status == 200
    answer = server.get(path, method=method, If_Match=f'"{ABSENT}"', If_None_Match="*")
    assert (answer.status, answer.headers["cache-control"]) == (412, "no-store")
    assert server.get(path, method=method, If_Match="*", If_None_Match="*").status == 304
    assert server.get("/v2/app/manifests/2.0", method=method, If_Match="*").status == 404


def test_dates_are_ignored(server: RunningServer) -> None:
    future = "Fri, 31 Dec 9999 23:59:59 GMT"
    answer = server.get("/v2/app/manifests/1.0", If_Modified_Since=future, If_Unmodified_Since="x", If_Range=future)
    assert (answer.status, answer.body) == (200, IMAGE.data)
    assert "last-modified" not in answer.headers


def test_the_connection_stays_usable(server: RunningServer) -> None:
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    requests: list[tuple[str, str, dict[str, str], int]] = [
        ("GET", "/v2/app/manifests/1.0", {}, 200),
        ("GET", "/v2/app/manifests/1.0", {"If-None-Match": f'"{IMAGE.digest}"'}, 304),
        ("HEAD", f"/v2/app/blobs/{LAYER.digest}", {}, 200),
        ("GET", f"/v2/app/blobs/{LAYER.digest}", {}, 200),
        ("GET", f"/v2/app/blobs/{LAYER.digest}", {"Range": "bytes=1-2,4-5"}, 206),
        ("GET", f"/v2/app/blobs/{LAYER.digest}", {"Range": "bytes=999999999-"}, 416),
        ("GET", "/v2/nowhere/tags/list", {}, 404),
        ("DELETE", "/v2/app/manifests/1.0", {}, 405),
        ("GET", "/v2/", {}, 200),
    ]
    connection.connect()
    first = connection.sock
    for method, path, headers, status in requests:
        connection.request(method, path, headers=headers)
        assert read_answer(connection.getresponse()).status == status
    assert connection.sock is first
    connection.close()


def test_a_snapshot_can_be_replaced(server: RunningServer, tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "new", {"1": IMAGE})
    assert server.get("/v2/new/tags/list").status == 404
    server.application.snapshot = load_snapshot(str(tmp_path))
    assert json.loads(server.get("/v2/new/tags/list").body)["tags"] == ["1"]


def test_several_clients_at_once(server: RunningServer) -> None:
    connections = [http.client.HTTPConnection(*server.address, timeout=30) for dummy in range(20)]
    for connection in connections:
        connection.request("GET", f"/v2/app/blobs/{LAYER.digest}")
    bodies: list[t.Any] = [connection.getresponse().read() for connection in connections]
    assert bodies == [LAYER.data] * 20
    for connection in connections:
        connection.close()
