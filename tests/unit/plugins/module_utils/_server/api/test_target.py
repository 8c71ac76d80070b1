# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Request targets are parsed into the end points of the API; any other target is refused."""

from __future__ import annotations

import contextlib
import urllib.parse

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.api.target import (
    OutsideApi,
    Page,
    Target,
    parse_artifact_types,
    parse_page,
    parse_target,
)
from ansible_collections.attested.registry.plugins.module_utils._server.errors import Refusal
from hypothesis import given
from hypothesis import strategies as st

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        ("/v2", Target("base")),
        ("/v2/", Target("base")),
        ("/v2/?a=b", Target("base", query="a=b")),
        ("/v2/_catalog", Target("catalog")),
        ("/v2/_catalog?n=1", Target("catalog", query="n=1")),
        ("/v2/app/tags/list", Target("tags", "app")),
        ("/v2/team/app/tags/list?n=1&last=a", Target("tags", "team/app", query="n=1&last=a")),
        ("/v2/app/manifests/1.0", Target("manifest", "app", "1.0")),
        ("/v2/team/app/web/manifests/1.0", Target("manifest", "team/app/web", "1.0")),
        (f"/v2/app/blobs/{DIGEST}", Target("blob", "app", DIGEST)),
        (f"/v2/app/blobs/{DIGEST.replace(':', '%3A')}", Target("blob", "app", DIGEST)),
        (
            f"/v2/team/app/referrers/{DIGEST}?artifactType=a/b",
            Target("referrers", "team/app", DIGEST, "artifactType=a/b"),
        ),
        # what is written otherwise is the same end point
        ("/%762/app/manifests/1.0", Target("manifest", "app", "1.0")),
        ("/v2/app/manifest%73/1.0", Target("manifest", "app", "1.0")),
        ("/v2/%61pp/manifests/1%2e0", Target("manifest", "app", "1.0")),
        ("/v2/manifests/manifests/manifests", Target("manifest", "manifests", "manifests")),
        ("/v2/a/blobs/b/manifests/c", Target("manifest", "a/blobs/b", "c")),
        ("/v2/a/tags/list/manifests/c", Target("manifest", "a/tags/list", "c")),
        ("/v2/tags/list/tags/list", Target("tags", "tags/list")),
        ("http://registry.example:5000/v2/app/manifests/1.0", Target("manifest", "app", "1.0")),
        ("HTTPS://registry.example/v2/", Target("base")),
        # looked up, and not found: nothing else is ever done with the texts
        ("/v2/../manifests/x", Target("manifest", "..", "x")),
        ("/v2/app/manifests/..", Target("manifest", "app", "..")),
        ("/v2//manifests/", Target("manifest", "", "")),
    ],
)
def test_targets(raw: str, target: Target) -> None:
    assert parse_target(raw) == target


@pytest.mark.parametrize(
    "raw",
    [
        "/",
        "",
        "*",
        "/v1/",
        "/v22/",
        "/V2/",
        "//v2/",
        "/v2/_catalog/",
        "/v2/app",
        "/v2/app/",
        "/v2/app/tags",
        "/v2/app/tags/list/",
        "/v2/tags/list",
        "/v2/app/blobs/uploads/",
        "/v2/app/referrers",
        "/v2/app/manifests/a/b",
        "/v2/app/manifest/1.0",
        "http:/v2/",
        "http://host",
        "http://host/",
        "http://host?/v2/",
        "ftp://host/v2/",
    ],
)
def test_no_end_point(raw: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_target(raw)
    assert (caught.value.status, caught.value.code) == (404, "UNSUPPORTED")
    assert isinstance(caught.value, OutsideApi) is not raw.startswith("/v2/")


@pytest.mark.parametrize(
    "raw",
    [
        "/v2/app%2fother/manifests/1.0",
        "/v2/app%2Fother/manifests/1.0",
        "/v2/app%5cother/manifests/1.0",
        "/v2/app/manifests/1.0%00",
        "/v2/app/manifests/1%252e0",
        "/v2/app/manifests/1%0a0",
        "/v2/app/manifests/%c3%a9",
        "/v2/app/manifests/%ff",
        "/v2/%zz%2f/manifests/x",
    ],
)
def test_escapes_that_no_name_has(raw: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_target(raw)
    assert (caught.value.status, caught.value.code) == (400, "NAME_INVALID")
    assert not isinstance(caught.value, OutsideApi)


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("", Page(None, None)),
        ("n=0", Page(0, None)),
        ("n=5", Page(5, None)),
        ("n=005", Page(5, None)),
        ("n=1000", Page(1000, None)),
        ("n=1001", Page(1000, None)),
        ("n=" + "9" * 5000, Page(1000, None)),
        ("last=1.0", Page(None, "1.0")),
        ("last=", Page(None, "")),
        ("n=2&last=a%2Bb", Page(2, "a+b")),
        ("last=%ff", Page(None, "\ufffd")),
        ("other=1&n=3", Page(3, None)),
    ],
)
def test_pages(query: str, page: Page) -> None:
    assert parse_page(query) == page


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("n=", "PAGINATION_NUMBER_INVALID"),
        ("n=abc", "PAGINATION_NUMBER_INVALID"),
        ("n=-1", "PAGINATION_NUMBER_INVALID"),
        ("n=%2B1", "PAGINATION_NUMBER_INVALID"),
        ("n=1.0", "PAGINATION_NUMBER_INVALID"),
        ("n=%201", "PAGINATION_NUMBER_INVALID"),
        ("n=%D9%A1", "PAGINATION_NUMBER_INVALID"),
        ("n=1&n=1", "PAGINATION_NUMBER_INVALID"),
        ("last=a&last=b", "UNSUPPORTED"),
        ("&".join(["a=b"] * 100), "UNSUPPORTED"),
    ],
)
def test_pages_that_make_no_sense(query: str, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_page(query)
    assert (caught.value.status, caught.value.code) == (400, code)


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ("", set()),
        ("artifactType=", set()),
        ("artifacttype=a/b", set()),
        ("artifactType=a/b", {"a/b"}),
        ("artifactType=application/vnd.example%2Bjson&n=5", {"application/vnd.example+json"}),
        ("artifactType=a/b&artifactType=c/d", {"a/b", "c/d"}),
    ],
)
def test_artifact_types(query: str, types: set[str]) -> None:
    assert parse_artifact_types(query) == types


pieces = st.sampled_from(["/", "v2", "app", "manifests", "blobs", "tags", "list", "..", "%", "%2f", "?", "n=", "http:"])


@given(st.lists(pieces | st.text(max_size=4)).map("".join))
def test_any_target(raw: str) -> None:
    with contextlib.suppress(Refusal):
        target = parse_target(raw)
        assert target.name in urllib.parse.unquote(raw)
        assert target.reference in urllib.parse.unquote(raw)


@given(st.text(), st.text())
def test_any_query(first: str, second: str) -> None:
    for query in (first, f"n={first}&last={second}&artifactType={second}"):
        with contextlib.suppress(Refusal):
            parse_artifact_types(query)
            page = parse_page(query)
            assert page.n is None or 0 <= page.n <= 1000
