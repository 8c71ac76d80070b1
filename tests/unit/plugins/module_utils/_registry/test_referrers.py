# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Referrers are listed by the API, or by the referrers tag of registries without it; lists are bounded."""

from __future__ import annotations

import json

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import CollectionError, JsonInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DocumentInvalid
from ansible_collections.attested.registry.plugins.module_utils._registry import referrers as module
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    Denied,
    ProtocolBroken,
    ServerFailed,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.referrers import (
    list_referrers,
    referrers_tag,
)
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, error, redirect
from hypothesis import given, settings
from hypothesis import strategies as st

SIGNATURE = "application/vnd.example.signature"
SBOM = "application/spdx+json"


def refer(subject: images.Content, kind: str, text: bytes = b"it") -> images.Image:
    changes = {"subject": subject.descriptor(), "annotations": {"org.example": text.decode()}}
    return images.artifact(kind, [images.Content(text, "text/plain")], changes=changes)


@pytest.fixture
def referrers(image) -> list[images.Image]:
    return [refer(image, SIGNATURE, b"1"), refer(image, SBOM), refer(image, SIGNATURE, b"2")]


@pytest.fixture
def publish(serve, image, referrers):
    """Starts a registry with an image and its referrers."""

    def start(**options):
        server = serve(**options)
        server.publish("app", {"1.0": image})
        for content in referrers:
            server.add_content("app", content)
        return server

    return start


@pytest.fixture
def digest(image) -> Digest:
    return Digest.parse(image.digest)


def digests(found: module.Referrers) -> list[str]:
    return [str(descriptor.digest) for descriptor in found.descriptors]


def test_all_of_them(publish, connect, digest, referrers) -> None:
    server = publish()
    found = list_referrers(connect(server), "app", digest)
    assert found.source == "api"
    assert digests(found) == [content.digest for content in referrers]
    first = found.descriptors[0]
    assert (first.artifact_type, first.size, first.annotations) == (
        SIGNATURE,
        referrers[0].size,
        {"org.example": "1"},
    )
    (request,) = server.requests
    assert request.target == f"/v2/app/referrers/{digest}"
    assert request.header("Accept") == images.OCI_INDEX


def test_of_one_type(publish, connect, digest, referrers) -> None:
    server = publish()
    found = list_referrers(connect(server), "app", digest, artifact_type=SBOM)
    assert digests(found) == [referrers[1].digest]
    assert server.requests[0].target.endswith("?artifactType=application%2Fspdx%2Bjson")


def test_a_registry_that_does_not_filter(publish, connect, digest, referrers) -> None:
    server = publish()
    every = server.repositories["app"].referrers(str(digest))
    server.on("/referrers/", Reply(body=index(every), drop=("OCI-Filters-Applied",)))
    assert digests(list_referrers(connect(server), "app", digest, artifact_type=SBOM)) == [referrers[1].digest]


def test_none(publish, connect) -> None:
    found = list_referrers(connect(publish()), "app", Digest.of(b"another"))
    assert found == module.Referrers((), "api")


def test_pages(publish, connect, digest, referrers) -> None:
    server = publish(page=1)
    assert digests(list_referrers(connect(server), "app", digest)) == [content.digest for content in referrers]
    assert len(server.requests) == 3


def index(descriptors: list[images.Json]) -> bytes:
    return images.to_json({"schemaVersion": 2, "mediaType": images.OCI_INDEX, "manifests": descriptors})


def tag_them(server, digest: Digest, referrers: list[images.Image]) -> None:
    listed = index([content.descriptor() for content in referrers])
    server.add_tag("app", referrers_tag(digest), server.add_manifest("app", listed, images.OCI_INDEX))


@pytest.mark.parametrize("status", [400, 404, 405, 406, 501])
def test_without_the_api_by_the_tag(publish, connect, digest, referrers, status) -> None:
    server = publish()
    server.on("/referrers/", error(status))
    tag_them(server, digest, referrers[:2])
    found = list_referrers(connect(server), "app", digest)
    assert found.source == "tag"
    assert digests(found) == [content.digest for content in referrers[:2]]
    assert digests(list_referrers(connect(server), "app", digest, artifact_type=SBOM)) == [referrers[1].digest]
    assert server.requests[1].path == f"/v2/app/manifests/sha256-{digest.encoded}"


def test_without_api_and_tag_there_are_none(publish, connect, digest, warnings) -> None:
    server = publish(referrers=False)
    assert list_referrers(connect(server), "app", digest) == module.Referrers((), "tag")
    assert list_referrers(connect(server), "other", digest) == module.Referrers((), "tag")
    assert warnings == []


def test_a_web_page_is_no_api(publish, connect, digest, referrers, warnings) -> None:
    """ghcr.io redirects such requests to a page."""
    server = publish()
    server.on("/referrers/", redirect(f"{server.url}/page", status=303))
    server.on("/page", Reply(200, b"<html>", {"Content-Type": "text/html"}))
    tag_them(server, digest, referrers)
    assert list_referrers(connect(server), "app", digest).source == "tag"
    assert warnings == []


def test_another_type_is_no_api(publish, connect, digest, referrers, warnings) -> None:
    server = publish()
    server.on("/referrers/", Reply(200, b"{}", {"Content-Type": "application/json"}))
    tag_them(server, digest, referrers)
    assert list_referrers(connect(server), "app", digest).source == "tag"
    assert 'lists referrers as "application/json"' in warnings[0]


@pytest.mark.parametrize(
    ("body", "media_type", "reason"),
    [
        (b"{", images.OCI_INDEX, "it is not JSON"),
        (b"[]", images.OCI_INDEX, "it must be an object"),
        (images.image([]).data, images.OCI_MANIFEST, "leads to a manifest"),
    ],
)
def test_a_tag_that_is_no_index_lists_none(publish, connect, digest, warnings, body, media_type, reason) -> None:
    server = publish(referrers=False)
    server.add_tag("app", referrers_tag(digest), server.add_manifest("app", body, media_type))
    assert list_referrers(connect(server), "app", digest) == module.Referrers((), "tag")
    assert len(warnings) == 1
    assert f"The tag sha256-{digest.encoded} of app is ignored" in warnings[0]
    assert reason in warnings[0]


def test_the_tag_of_a_long_digest_is_cut() -> None:
    assert referrers_tag(Digest("sha512", "a" * 128)) == f"sha512-{'a' * 64}"


@pytest.mark.parametrize(("status", "kind"), [(403, Denied), (500, ServerFailed)])
def test_other_failures_are_errors(publish, connect, digest, status, kind) -> None:
    server = publish()
    server.on("/referrers/", error(status))
    with pytest.raises(kind, match=f"Cannot list the referrers of {digest} in app from {server.name}"):
        list_referrers(connect(server), "app", digest)


def test_a_failure_of_the_tag_is_an_error(publish, connect, digest) -> None:
    """Otherwise, an image whose signatures cannot be read would pass for one without signatures."""
    server = publish(referrers=False)
    server.on("/manifests/", error(500))
    with pytest.raises(ServerFailed):
        list_referrers(connect(server), "app", digest)


def test_the_same_manifest_is_listed_once(publish, connect, digest, referrers) -> None:
    server = publish()
    entry = referrers[0].descriptor()
    server.on("/referrers/", Reply(body=index([entry, referrers[1].descriptor(), entry])))
    assert digests(list_referrers(connect(server), "app", digest)) == [item.digest for item in referrers[:2]]


@pytest.mark.parametrize("link", ["<?start=0>; rel=next", "</v2/app/referrers/x>; rel=next"])
def test_pages_without_end(publish, connect, digest, link) -> None:
    server = publish()
    server.on("/referrers/", Reply(body=index([]), headers={"Link": link}))
    with pytest.raises(ProtocolBroken, match="its pages form a loop or have no end"):
        list_referrers(connect(server), "app", digest)


def test_too_many_pages(publish, connect, digest, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_PAGES", 2)
    with pytest.raises(ProtocolBroken, match="no end"):
        list_referrers(connect(publish(page=1)), "app", digest)


def test_too_many_descriptors(publish, connect, digest, referrers, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_REFERRERS", 2)
    with pytest.raises(ProtocolBroken, match="more than 2 descriptors"):
        list_referrers(connect(publish()), "app", digest)
    server = publish(referrers=False)
    tag_them(server, digest, referrers)
    with pytest.raises(ProtocolBroken, match="lists more than 2 descriptors"):
        list_referrers(connect(server), "app", digest)


def test_too_many_bytes(publish, connect, digest, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_TOTAL_BYTES", 600)
    with pytest.raises(ProtocolBroken, match="more than 600 bytes in total"):
        list_referrers(connect(publish(page=1)), "app", digest)
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(ProtocolBroken, match="longer than 100 bytes"):
        list_referrers(connect(publish()), "app", digest)


def test_a_link_to_another_server(publish, connect, digest) -> None:
    server = publish()
    server.on("/referrers/", Reply(headers={"Link": "<https://elsewhere.example/>; rel=next"}))
    with pytest.raises(ProtocolBroken, match=r"leads to another server, https://elsewhere\.example"):
        list_referrers(connect(server), "app", digest)


def test_a_later_page_of_another_type(publish, connect, digest) -> None:
    server = publish(page=1)
    server.on("start=1", Reply(headers={"Content-Type": "application/json"}))
    with pytest.raises(ProtocolBroken, match="a page of it is not of type"):
        list_referrers(connect(server), "app", digest)


def test_a_cut_answer_is_requested_again(publish, connect, digest, referrers) -> None:
    server = publish()
    server.on("/referrers/", Reply(cut=10), times=1)
    assert len(list_referrers(connect(server), "app", digest).descriptors) == len(referrers)


@pytest.mark.parametrize("body", [b"", b"null", b'{"schemaVersion":2}', b'{"schemaVersion":2,"manifests":[{}]}'])
def test_a_list_that_is_no_index(publish, connect, digest, body) -> None:
    server = publish()
    server.on("/referrers/", Reply(body=body))
    with pytest.raises((DocumentInvalid, JsonInvalid), match="Reading the list of referrers failed") as raised:
        list_referrers(connect(server), "app", digest)
    assert raised.value.fields["repository"] == "app"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["manifests", "schemaVersion", "mediaType", "digest", "size", "annotations"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def test_total(publish, connect, digest) -> None:
    """Whatever a registry sends, there is a list or an error of the collection."""
    server = publish()
    registry = connect(server)

    @settings(max_examples=examples(60))
    @given(st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode()), st.text("<>;/?rel=next 1"))
    def check(body: bytes, link: str) -> None:
        server.clear()
        server.on("/referrers/", Reply(body=body, headers={"Link": link}))
        try:
            found = list_referrers(registry, "app", digest)
        except CollectionError:
            return
        assert found.source == "api"

    check()
