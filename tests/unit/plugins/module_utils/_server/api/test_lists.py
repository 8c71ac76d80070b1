# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalog and the referrers (distribution-spec, "Listing Referrers") are filtered and paged."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t
import urllib.parse

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import Referrer, Repository
from ansible_collections.attested.registry.tests.support.images import images

from ..conftest import Answer, RunningServer, Serve
from .test_app import ABSENT, assert_same_headers, error_of

IMAGE = images.image([images.layer([images.file("a", b"1")])])
SIGNATURE = Referrer(images.digest_of(b"1"), images.OCI_MANIFEST, 1, "application/vnd.sig", {"org.example": 'a"\r\nb'})
SBOM = Referrer(images.digest_of(b"2"), images.OCI_MANIFEST, 22, "application/vnd.sbom+json", {})
INDEX = Referrer(images.digest_of(b"3"), images.OCI_INDEX, 333, None, {})
SUBJECT = IMAGE.digest
NAMES = ["app", "app-2", "app/b", "app2", "b/c/d", "z"]


@pytest.fixture
def server(tmp_path: pathlib.Path, serve: Serve) -> RunningServer:
    for name in NAMES:
        if name != "app/b":
            images.write_layout(tmp_path / name, {"1": IMAGE})
    server = serve(tmp_path)
    snapshot = server.application.snapshot
    app: Repository = dataclasses.replace(
        snapshot.repositories["app"], referrers={SUBJECT: (SIGNATURE, SBOM, INDEX), ABSENT: (SBOM,)}
    )
    nested = dataclasses.replace(snapshot.repositories["z"], name="app/b")
    repositories = {**snapshot.repositories, "app": app, "app/b": nested}
    server.application.snapshot = dataclasses.replace(snapshot, repositories=repositories)
    return server


@pytest.mark.parametrize(
    ("query", "names", "link"),
    [
        ("", NAMES, None),
        ("?n=2", NAMES[:2], "n=2&last=app-2"),
        ("?n=2&last=app-2", NAMES[2:4], "n=2&last=app2"),
        ("?n=2&last=app2", NAMES[4:], None),
        ("?n=3&last=app-2", NAMES[2:5], "n=3&last=b%2Fc%2Fd"),
        ("?n=6", NAMES, None),
        ("?n=7", NAMES, None),
        ("?n=0", [], None),
        ("?last=app%2Fa", NAMES[2:], None),
        ("?last=nothing", NAMES[5:], None),
        ("?last=zz", [], None),
    ],
)
def test_catalog(server: RunningServer, query: str, names: list[str], link: str | None) -> None:
    answer = server.get(f"/v2/_catalog{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == {"repositories": names}
    assert answer.headers.get("link") == (f'</v2/_catalog?{link}>; rel="next"' if link else None)
    assert_same_headers(server.get(f"/v2/_catalog{query}", method="HEAD"), answer)


def test_following_links_gives_every_repository_once(server: RunningServer) -> None:
    assert server.pages("/v2/_catalog?n=1", "repositories") == NAMES


def test_catalog_with_a_bad_number(server: RunningServer) -> None:
    answer = server.get("/v2/_catalog?n=-1")
    assert (answer.status, error_of(answer)) == (400, "PAGINATION_NUMBER_INVALID")


def manifests_of(answer: Answer) -> list[dict[str, t.Any]]:
    """The descriptors of a list of referrers, whose form is checked on the way."""
    assert (answer.status, answer.headers["content-type"]) == (200, images.OCI_INDEX)
    assert answer.headers["content-length"] == str(len(answer.body))
    index = json.loads(answer.body)
    manifests: list[dict[str, t.Any]] = index.pop("manifests")
    assert index == {"schemaVersion": 2, "mediaType": images.OCI_INDEX}
    return manifests


def test_referrers(server: RunningServer) -> None:
    answer = server.get(f"/v2/app/referrers/{SUBJECT}")
    assert manifests_of(answer) == [
        {
            "mediaType": images.OCI_MANIFEST,
            "digest": SIGNATURE.digest,
            "size": 1,
            "artifactType": "application/vnd.sig",
            "annotations": {"org.example": 'a"\r\nb'},
        },
        {
            "mediaType": images.OCI_MANIFEST,
            "digest": SBOM.digest,
            "size": 22,
            "artifactType": "application/vnd.sbom+json",
        },
        {"mediaType": images.OCI_INDEX, "digest": INDEX.digest, "size": 333},
    ]
    assert "oci-filters-applied" not in answer.headers
    assert answer.headers["cache-control"] == "no-cache"
    assert_same_headers(server.get(f"/v2/app/referrers/{SUBJECT}", method="HEAD"), answer)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["application/vnd.sig"], [SIGNATURE]),
        (["application/vnd.sbom+json"], [SBOM]),
        (["application/vnd.sig", "application/vnd.sbom+json"], [SIGNATURE, SBOM]),
        (["application/vnd.other"], []),
        (["None"], []),
    ],
)
def test_referrers_of_an_artifact_type(server: RunningServer, wanted: list[str], found: list[Referrer]) -> None:
    query = urllib.parse.urlencode([("artifactType", item) for item in wanted])
    answer = server.get(f"/v2/app/referrers/{SUBJECT}?{query}")
    assert [item["digest"] for item in manifests_of(answer)] == [item.digest for item in found]
    assert answer.headers["oci-filters-applied"] == "artifactType"


def test_referrers_of_a_subject_that_is_not_there_itself(server: RunningServer) -> None:
    assert [item["digest"] for item in manifests_of(server.get(f"/v2/app/referrers/{ABSENT}"))] == [SBOM.digest]


@pytest.mark.parametrize("digest", [images.digest_of(b"?"), images.digest_of(b"?", "sha512")])
def test_an_unknown_digest_has_no_referrers(server: RunningServer, digest: str) -> None:
    assert manifests_of(server.get(f"/v2/app/referrers/{digest}")) == []
    assert manifests_of(server.get(f"/v2/z/referrers/{SUBJECT}")) == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v2/app/referrers/1.0", 400, "DIGEST_INVALID"),
        ("/v2/app/referrers/sha256:baddigeststring", 400, "DIGEST_INVALID"),
        ("/v2/app/referrers/", 400, "DIGEST_INVALID"),
        (f"/v2/nowhere/referrers/{SUBJECT}", 404, "NAME_UNKNOWN"),
        (f"/v2/Bad/referrers/{SUBJECT}", 400, "NAME_INVALID"),
        (f"/v2/app/referrers/{SUBJECT}?{'a=b&' * 40}", 400, "UNSUPPORTED"),
    ],
)
def test_referrers_that_cannot_be_listed(server: RunningServer, path: str, status: int, code: str) -> None:
    answer = server.get(path)
    assert (answer.status, error_of(answer)) == (status, code)
