# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server passes the pull tests of the conformance suite of the OCI distribution specification (1.1).

Its workflows "pull" and "content discovery", test for test, against the server in a process of its own; and, for the
images that the suite would push and pull back, a layout that holds the same. The suite itself is content with less when
it cannot push: here bytes, digests and lengths are compared too.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.servers.own_server import (
    Answer,
    Served,
    Way,
    make_attested_way,
    serving,
)

NAME = "conformance/repo-1"
EMPTY = "conformance/empty"

LAYER = images.layer([images.directory("etc"), images.file("etc/motd", b"hello\n" * 1000)])
PLAIN = images.layer([images.file("a", b"1" * 2048)], compression="none")
ZSTD = images.layer([images.file("b", b"2")], compression="zstd")
NOTES = images.Content(b"notes", "text/plain")
NOTHING = images.Content(b"", "application/vnd.example.empty")
SHA512 = images.Content(b"sha512", "text/plain", algorithm="sha512")
RANGED = images.Content(bytes(range(256)) * 8, "application/octet-stream")

IMAGE = images.image([LAYER], platform="linux/amd64")
SUBJECT = {"subject": IMAGE.descriptor(platform=None)}
MISSING = images.image([LAYER, PLAIN], annotations={"not": "here"})
ARM = images.image([LAYER, ZSTD], platform="linux/arm64")
SIGNATURE = images.artifact(
    "application/vnd.example.signature", [NOTES], changes={**SUBJECT, "annotations": {"org.example": "signature"}}
)
SBOM = images.artifact("application/vnd.example.sbom", [NOTES], changes=SUBJECT)
BY_CONFIG = images.image(
    [LAYER],
    config_content=images.Content(b"{}", "application/vnd.example.config"),
    changes={**SUBJECT, "annotations": {"org.example": "config"}},
)
INDEX_WITH_SUBJECT = images.index(
    [ARM], changes={**SUBJECT, "artifactType": "application/vnd.example.index", "annotations": {"org.example": "index"}}
)
PLAIN_INDEX_WITH_SUBJECT = images.index([ARM], changes=SUBJECT)
OF_MISSING = images.artifact(
    "application/vnd.example.sbom", [NOTES], changes={"subject": MISSING.descriptor(platform=None)}
)
REFERRERS = [SIGNATURE, SBOM, BY_CONFIG, INDEX_WITH_SUBJECT, PLAIN_INDEX_WITH_SUBJECT]

TAGGED: dict[str, images.Content] = {
    "image": IMAGE,
    "image-uncompressed": images.image([PLAIN]),
    "image-zstd": images.image([ZSTD]),
    "image-docker": images.image([images.layer([images.file("c")], docker=True)], docker=True),
    "image-large": images.image([LAYER], annotations={f"org.example.{n}": "x" * 10_000 for n in range(390)}),
    "image-no-layers": images.image([]),
    "image-no-media-type": images.image([LAYER], changes={"mediaType": None}),
    "image-custom-fields": images.image([LAYER], changes={"org.example.custom": {"a": [1, 2]}}),
    "image-nondistributable": images.image([LAYER, images.layer([], nondistributable=True, stored=False)]),
    "index": images.index([IMAGE, ARM]),
    "index-docker": images.index([images.image([], docker=True)], docker=True),
    "index-nested": images.index([images.index([IMAGE, ARM]), IMAGE]),
    "index-empty": images.index([]),
    "artifact": images.artifact("application/vnd.example.notes", [NOTES, NOTHING, SHA512, RANGED]),
    "artifact-index": images.index([SBOM], changes={"artifactType": "application/vnd.example.index"}),
    "artifact-no-layers": images.artifact("application/vnd.example.nothing", []),
    "artifact-data": images.image(
        [],
        config_content=images.Content(b"{}", images.OCI_EMPTY),
        changes={"artifactType": "application/vnd.example.data"},
    ),
    # for the order of tags: upper case comes before lower case
    "Z": IMAGE,
    "_1.0": IMAGE,
}
UNTAGGED: list[images.Content] = [*REFERRERS, OF_MISSING]

STORED = {content.digest: content for content in (*TAGGED.values(), *UNTAGGED)}
BLOBS = {digest: data for content in STORED.values() for digest, data in content.blobs().items()}
TAGS = sorted(TAGGED)
UNKNOWN = [images.digest_of(b"unknown"), images.digest_of(b"unknown", "sha512")]
METHODS = ["HEAD", "GET"]


@pytest.fixture(scope="session", params=["plain", "ra-tls"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Served]:
    place = tmp_path_factory.mktemp("conformance")
    way = Way("plain") if request.param == "plain" else make_attested_way(place / "ra-tls")
    images.write_layout(place / "root" / NAME, TAGGED, untagged=UNTAGGED)
    images.write_layout(place / "root" / EMPTY, {})
    with serving(place / "root", place / "log", way) as served:
        yield served


def check_error(answer: Answer, *codes: str) -> None:
    """The body of an error, if there is any, has the form and one of these codes."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body)) or not answer.body
    if answer.body:
        (error,) = json.loads(answer.body)["errors"]
        assert error["code"] in codes
        assert error["message"]


# --- pull -----------------------------------------------------------------------------------------------------------


def test_ping(server: Served) -> None:
    assert server.get("/v2/").status == 200


@pytest.mark.parametrize("digest", UNKNOWN)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", [NAME, EMPTY])
def test_missing_blob(server: Served, name: str, method: str, digest: str) -> None:
    answer = server.get(f"/v2/{name}/blobs/{digest}", method=method)
    assert answer.status == 404
    check_error(answer, "BLOB_UNKNOWN")


@pytest.mark.parametrize("method", METHODS)
def test_blobs(server: Served, method: str) -> None:
    for digest, data in BLOBS.items():
        answer = server.get(f"/v2/{NAME}/blobs/{digest}", method=method)
        assert answer.status == 200
        assert answer.headers["docker-content-digest"] == digest
        assert answer.headers["content-length"] == str(len(data))
        assert answer.body == (b"" if method == "HEAD" else data)


@pytest.mark.parametrize(
    ("range_", "status", "first", "last"),
    [
        ("bytes=500-1499", 206, 500, 1499),
        ("bytes=500-", 206, 500, 2047),
        ("bytes=-500", 206, 1548, 2047),
        ("bytes=2000-5000", 206, 2000, 2047),
        ("bytes=500-0", 416, 0, 0),
        ("bytes=5000-10000", 416, 0, 0),
    ],
)
def test_parts_of_a_blob(server: Served, range_: str, status: int, first: int, last: int) -> None:
    answer = server.get(f"/v2/{NAME}/blobs/{RANGED.digest}", Range=range_)
    assert answer.status == status
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {first}-{last}/2048"
        assert answer.headers["content-length"] == str(last - first + 1)
        assert answer.body == RANGED.data[first : last + 1]
    else:
        assert answer.headers["content-range"] == "bytes */2048"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reference", ["unknown", *UNKNOWN])
@pytest.mark.parametrize("name", [NAME, EMPTY])
def test_missing_manifest(server: Served, name: str, method: str, reference: str) -> None:
    answer = server.get(f"/v2/{name}/manifests/{reference}", method=method)
    assert answer.status == 404
    check_error(answer, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reference", [*TAGGED, *STORED])
def test_manifests(server: Served, method: str, reference: str) -> None:
    content = TAGGED.get(reference) or STORED[reference]
    answer = server.get(f"/v2/{NAME}/manifests/{reference}", method=method, Accept=content.media_type)
    assert answer.status == 200
    assert answer.headers["docker-content-digest"] == content.digest
    assert answer.headers["content-type"] == content.media_type
    assert answer.headers["content-length"] == str(content.size)
    assert answer.body == (b"" if method == "HEAD" else content.data)
    assert not answer.body or "sha256:" + hashlib.sha256(answer.body).hexdigest() == content.digest


@pytest.mark.parametrize("reference", ["sha256:totallywrong", "sha256:baddigeststring", "sha256:" + "A" * 64])
def test_bad_digest(server: Served, reference: str) -> None:
    answer = server.get(f"/v2/{NAME}/manifests/{reference}")
    assert answer.status == 400
    check_error(answer, "DIGEST_INVALID")


@pytest.mark.parametrize("path", ["manifests/image", "blobs/" + LAYER.digest, "tags/list"])
def test_repository_that_is_not_there(server: Served, path: str) -> None:
    answer = server.get(f"/v2/conformance/unknown/{path}")
    assert answer.status == 404
    check_error(answer, "NAME_UNKNOWN")


# --- content discovery ----------------------------------------------------------------------------------------------


def tags(server: Served, query: str = "", name: str = NAME) -> list[str]:
    answer = server.get(f"/v2/{name}/tags/list{query}")
    assert answer.status == 200
    value = json.loads(answer.body)
    assert value["name"] == name
    found: list[str] = value["tags"]
    return found


def test_tags(server: Served) -> None:
    assert tags(server) == TAGS
    assert tags(server, name=EMPTY) == []


@pytest.mark.parametrize("n", [0, 1, 4, len(TAGS), len(TAGS) + 1])
def test_number_of_tags(server: Served, n: int) -> None:
    assert tags(server, f"?n={n}") == TAGS[:n]


@pytest.mark.parametrize("last", TAGS)
def test_tags_after_another(server: Served, last: str) -> None:
    assert tags(server, f"?last={last}") == TAGS[TAGS.index(last) + 1 :]
    assert tags(server, f"?n=3&last={last}") == TAGS[TAGS.index(last) + 1 :][:3]


def referrers(answer: Answer) -> list[dict[str, t.Any]]:
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/vnd.oci.image.index.v1+json"
    index = json.loads(answer.body)
    assert (index["schemaVersion"], index["mediaType"]) == (2, "application/vnd.oci.image.index.v1+json")
    found: list[dict[str, t.Any]] = index["manifests"]
    return found


@pytest.mark.parametrize("digest", UNKNOWN)
@pytest.mark.parametrize("name", [NAME, EMPTY])
def test_no_referrers(server: Served, name: str, digest: str) -> None:
    assert referrers(server.get(f"/v2/{name}/referrers/{digest}")) == []


def expected(content: images.Content, artifact_type: str | None) -> dict[str, t.Any]:
    annotations = content.document().get("annotations")
    members = {
        "mediaType": content.media_type,
        "digest": content.digest,
        "size": content.size,
        "artifactType": artifact_type,
        "annotations": annotations,
    }
    return {name: value for name, value in members.items() if value is not None}


LISTED = [
    expected(SIGNATURE, "application/vnd.example.signature"),
    expected(SBOM, "application/vnd.example.sbom"),
    expected(BY_CONFIG, "application/vnd.example.config"),
    expected(INDEX_WITH_SUBJECT, "application/vnd.example.index"),
    expected(PLAIN_INDEX_WITH_SUBJECT, None),
]


def in_order(descriptors: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    return sorted(descriptors, key=lambda descriptor: str(descriptor["digest"]))


def test_referrers(server: Served) -> None:
    answer = server.get(f"/v2/{NAME}/referrers/{IMAGE.digest}")
    assert in_order(referrers(answer)) == in_order(LISTED)
    assert "oci-filters-applied" not in answer.headers


@pytest.mark.parametrize("artifact_type", ["signature", "sbom", "config", "index", "other"])
def test_referrers_of_a_type(server: Served, artifact_type: str) -> None:
    wanted = f"application/vnd.example.{artifact_type}"
    answer = server.get(f"/v2/{NAME}/referrers/{IMAGE.digest}?artifactType={wanted}")
    assert referrers(answer) == [item for item in LISTED if item.get("artifactType") == wanted]
    assert answer.headers["oci-filters-applied"] == "artifactType"


def test_referrers_of_what_is_missing_itself(server: Served) -> None:
    assert server.get(f"/v2/{NAME}/manifests/{MISSING.digest}").status == 404
    answer = server.get(f"/v2/{NAME}/referrers/{MISSING.digest}")
    assert referrers(answer) == [expected(OF_MISSING, "application/vnd.example.sbom")]


def test_referrers_of_no_digest(server: Served) -> None:
    answer = server.get(f"/v2/{NAME}/referrers/sha256:totallywrong")
    assert answer.status == 400
    check_error(answer, "DIGEST_INVALID")


# --- push and content management: not offered, and said so -----------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "blobs/uploads/"),
        ("POST", f"blobs/uploads/?digest={LAYER.digest}"),
        ("POST", f"blobs/uploads/?mount={LAYER.digest}&from={NAME}"),
        ("PATCH", "blobs/uploads/1"),
        ("PUT", f"blobs/uploads/1?digest={LAYER.digest}"),
        ("PUT", "manifests/image"),
        ("DELETE", "manifests/image"),
        ("DELETE", f"manifests/{IMAGE.digest}"),
        ("DELETE", f"blobs/{LAYER.digest}"),
    ],
)
def test_writing(server: Served, method: str, path: str) -> None:
    answer = server.get(f"/v2/{NAME}/{path}", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    check_error(answer, "UNSUPPORTED")
    assert server.get(f"/v2/{NAME}/manifests/image").body == IMAGE.data
