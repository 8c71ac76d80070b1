# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With the setting accel, blobs are left to nginx by X-Accel-Redirect, and everything else is answered as before."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.api.accel import Accel
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import ServedFile
from ansible_collections.attested.registry.plugins.module_utils._server.errors import UsageError
from ansible_collections.attested.registry.tests.support.images import images

from ..conftest import RunningServer, Serve

LARGE = images.layer([images.file("a", b"1" * 200_000)], compression="none")
IMAGE = images.image([LARGE])
HEADER = "x-accel-redirect"


@pytest.fixture
def server(tmp_path: pathlib.Path, serve: Serve) -> RunningServer:
    images.write_layout(tmp_path / "team" / "app", {"1": IMAGE})
    return serve(tmp_path, accel="/files/")


@pytest.mark.parametrize("range_", ["", "bytes=0-9", "bytes=0-1,5-6"])
def test_blobs_are_left_to_nginx(server: RunningServer, range_: str) -> None:
    for content in (LARGE, IMAGE.config, IMAGE):
        answer = server.get(f"/v2/team/app/blobs/{content.digest}", **({"Range": range_} if range_ else {}))
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers[HEADER] == f"/files/team/app/blobs/{content.digest.replace(':', '/')}"
        assert answer.headers["docker-content-digest"] == content.digest
        assert answer.headers["etag"] == f'"{content.digest}"'
        assert "content-range" not in answer.headers


def test_other_requests_are_answered_by_the_server(server: RunningServer, tmp_path: pathlib.Path) -> None:
    blob = f"/v2/team/app/blobs/{LARGE.digest}"
    head = server.get(blob, method="HEAD")
    assert (head.status, head.headers["content-length"]) == (200, str(LARGE.size))
    manifest = server.get("/v2/team/app/manifests/1")
    assert manifest.body == IMAGE.data
    not_modified = server.get(blob, If_None_Match="*")
    assert not_modified.status == 304
    beyond = server.get(blob, Range="bytes=999999999-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{LARGE.size}")
    images.blob_path(tmp_path / "team" / "app", LARGE.digest).write_bytes(b"changed")
    changed = server.get(blob)
    assert changed.status == 404
    assert all(HEADER not in answer.headers for answer in (head, manifest, not_modified, beyond, changed))


@pytest.mark.parametrize(
    "prefix", ["", "files/", "/a/../b", "//host/", "/a b", "/a\r\nX: y", "/a?b", "/%2e", "http://x/"]
)
def test_invalid_prefixes_are_refused(prefix: str) -> None:
    with pytest.raises(UsageError, match="X-Accel-Redirect"):
        Accel(prefix, root="/root")


DIGEST = images.digest_of(b"")
BLOB = f"blobs/{DIGEST.replace(':', '/')}"


@pytest.mark.parametrize(
    ("layout", "headers"),
    [
        ("/root/team/app", {"X-Accel-Redirect": f"/f/team/app/{BLOB}"}),
        ("/root/a b/%2e?\r\n", {"X-Accel-Redirect": f"/f/a%20b/%252e%3F%0D%0A/{BLOB}"}),
        ("/root/..a", {"X-Accel-Redirect": f"/f/..a/{BLOB}"}),
        ("/rootless/a", {}),
        ("/etc", {}),
        ("/root/../etc", {}),
    ],
)
def test_only_files_below_the_root(layout: str, headers: dict[str, str]) -> None:
    content = ServedFile(DIGEST, layout, "a/b", None)  # type: ignore[arg-type]
    assert Accel("/f", root="/root").header(content) == headers
