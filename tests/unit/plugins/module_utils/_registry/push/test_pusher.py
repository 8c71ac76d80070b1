# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests are pushed byte for byte, blobs are mounted, and both are deleted, or an error says what to do."""

from __future__ import annotations

import json

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DigestMismatch, ReferenceInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.client import Registry
from ansible_collections.attested.registry.plugins.module_utils._registry.endpoint import Endpoint
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    Denied,
    NotOffered,
    ProtocolBroken,
    RateLimited,
    Rejected,
    ServerFailed,
    Unauthorized,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.push.pusher import Pusher
from ansible_collections.attested.registry.tests.support.images.sources import Source, descriptor
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, error

MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
# not as json.dumps() would write it
CONFIG = json.dumps({**descriptor(b"{}").as_dict(), "mediaType": "application/vnd.oci.empty.v1+json"})
MANIFEST = f'{{ "schemaVersion" : 2,\n"mediaType":"{MEDIA_TYPE}", "config":{CONFIG},"layers":[] }}\n'.encode()
DIGEST = Digest.of(MANIFEST)
DATA = bytes(range(256))
BLOB = descriptor(DATA)


@pytest.fixture
def server(serve):
    return serve(writable=True)


@pytest.fixture
def pusher(server, connect) -> Pusher:
    return Pusher(connect(server), "app")


def methods(server) -> list[str]:
    return [request.method for request in server.requests]


# --- blobs that are there ---


def test_whether_a_blob_is_there(server, pusher) -> None:
    server.add_blob("app", DATA)
    assert pusher.has_blob(BLOB.digest) == len(DATA)
    assert pusher.has_blob(descriptor(b"other").digest) is None
    assert methods(server) == ["HEAD", "HEAD"]


@pytest.mark.parametrize("status", [400, 405, 500])
def test_a_refused_head_means_that_the_blob_is_pushed(server, pusher, status) -> None:
    server.add_blob("app", DATA)
    server.on("", error(status), method="HEAD")
    assert pusher.has_blob(BLOB.digest) is None


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (403, Denied)])
def test_no_access_is_an_error(server, pusher, status, kind) -> None:
    server.on("", error(status), method="HEAD")
    with pytest.raises(kind):
        pusher.has_blob(BLOB.digest)


# --- mounting ---


def test_a_blob_is_mounted(server, pusher) -> None:
    server.add_blob("base/os", DATA)
    assert pusher.mount(BLOB.digest, source_repository="base/os")
    assert server.repositories["app"].blobs == {str(BLOB.digest): DATA}
    assert server.requests[0].query == {"mount": [str(BLOB.digest)], "from": ["base/os"]}


def test_the_upload_that_a_mount_begins_is_used(server, pusher) -> None:
    assert not pusher.mount(BLOB.digest, source_repository="base/os")
    pusher.push_blob(BLOB, Source(DATA))
    assert server.repositories["app"].blobs == {str(BLOB.digest): DATA}
    assert methods(server) == ["POST", "PUT"]


def test_the_upload_that_a_mount_begins_is_cancelled(server, pusher) -> None:
    with pusher:
        assert not pusher.mount(BLOB.digest, source_repository="base/os")
        assert len(server.repositories["app"].uploads) == 1
    assert server.repositories["app"].uploads == {}


def test_the_upload_that_a_mount_began_may_have_ended_since(server, pusher) -> None:
    assert not pusher.mount(BLOB.digest, source_repository="base/os")
    server.repositories["app"].uploads.clear()
    pusher.push_blob(BLOB, Source(DATA))
    assert server.repositories["app"].blobs == {str(BLOB.digest): DATA}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_a_refused_mount_is_no_error(server, pusher, status) -> None:
    server.on("mount=", error(status), method="POST")
    assert not pusher.mount(BLOB.digest, source_repository="base/os")


def test_a_mount_of_something_else(server, pusher) -> None:
    lie = str(descriptor(b"lie").digest)
    server.on("mount=", Reply(201, b"", {"Docker-Content-Digest": lie}))
    with pytest.raises(DigestMismatch, match=lie):
        pusher.mount(BLOB.digest, source_repository="base/os")


def test_a_mount_that_fails_for_a_moment_is_tried_again(server, pusher) -> None:
    server.add_blob("base/os", DATA)
    server.on("mount=", error(503), times=1)
    assert pusher.mount(BLOB.digest, source_repository="base/os")


# --- manifests ---


@pytest.mark.parametrize("reference", ["1.0", DIGEST, Digest.of(MANIFEST, "sha512")])
def test_a_manifest_is_pushed_byte_for_byte(server, pusher, reference) -> None:
    pushed = pusher.push_manifest(MANIFEST, MEDIA_TYPE, reference)
    assert pushed.digest == (reference if isinstance(reference, Digest) else DIGEST)
    assert pushed.subject is None
    assert server.repositories["app"].manifests[str(pushed.digest)] == (MANIFEST, MEDIA_TYPE)
    assert server.requests[0].header("Content-Length") == str(len(MANIFEST))
    assert server.repositories["app"].tags == ({"1.0": str(DIGEST)} if reference == "1.0" else {})


def test_the_subject_that_the_registry_has_processed(server, pusher) -> None:
    document = {"schemaVersion": 2, "mediaType": MEDIA_TYPE, "subject": BLOB.as_dict()}
    assert pusher.push_manifest(json.dumps(document).encode(), MEDIA_TYPE, "1").subject == BLOB.digest
    server.on("", Reply(headers={"OCI-Subject": "nonsense"}), method="PUT")
    assert pusher.push_manifest(json.dumps(document).encode(), MEDIA_TYPE, "1").subject is None


def test_content_of_another_digest_is_not_sent(server, pusher) -> None:
    with pytest.raises(DigestMismatch):
        pusher.push_manifest(MANIFEST + b" ", MEDIA_TYPE, DIGEST)
    assert server.requests == []


def test_a_registry_that_alters_manifests(server, pusher) -> None:
    server.on("", Reply(headers={"Docker-Content-Digest": str(BLOB.digest)}), method="PUT")
    with pytest.raises(DigestMismatch, match="Cannot push the manifest 1.0 to app"):
        pusher.push_manifest(MANIFEST, MEDIA_TYPE, "1.0")


def test_a_digest_that_cannot_be_verified_is_a_warning(server, pusher, warnings) -> None:
    server.on("", Reply(headers={"Docker-Content-Digest": "md5:0"}), method="PUT")
    pusher.push_manifest(MANIFEST, MEDIA_TYPE, "1.0")
    assert "which cannot be verified" in warnings[0]


def test_a_failing_registry_is_asked_again(server, pusher) -> None:
    server.on("", error(503), times=2, method="PUT")
    server.on("", Reply(raw=b""), times=1, method="PUT")
    assert pusher.push_manifest(MANIFEST, MEDIA_TYPE, "1.0").digest == DIGEST


REFUSALS = [
    (error(404, "MANIFEST_BLOB_UNKNOWN", "blob x"), Rejected, "push everything that the manifest refers to before it"),
    (error(400, "MANIFEST_BLOB_UNKNOWN"), Rejected, "push everything that the manifest refers to before it"),
    (error(400, "MANIFEST_INVALID"), Rejected, "accepts its media type"),
    (error(400, "TAG_INVALID", "no"), Rejected, "TAG_INVALID: no"),
    (error(409, "DENIED", "tag is immutable"), Rejected, "tag is immutable"),
    (error(413), Rejected, "the request has [0-9]+ bytes"),
    (error(405), NotOffered, "the registry is read-only"),
    (error(400, "UNSUPPORTED"), NotOffered, "the registry is read-only"),
    (error(501), NotOffered, "the registry is read-only"),
    (error(403, "DENIED"), Denied, "DENIED"),
    (error(429), RateLimited, "too many requests"),
    (error(500), ServerFailed, "try again later"),
    (Reply(200, b"<html>", {"Content-Type": "text/html"}), ProtocolBroken, "web page"),
]


@pytest.mark.parametrize(("reply", "kind", "text"), REFUSALS)
def test_a_refused_manifest(server, pusher, reply, kind, text) -> None:
    server.on("", reply, method="PUT")
    with pytest.raises(kind, match=f"^Cannot push the manifest 1.0 to app at {server.name}: .*{text}") as raised:
        pusher.push_manifest(MANIFEST, MEDIA_TYPE, "1.0")
    assert raised.value.fields["status"] == reply.status
    assert raised.value.fields["repository"] == "app"


@pytest.mark.parametrize("code", ["DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"])
def test_a_manifest_that_is_refused_while_another_client_pushes_its_blobs(server, pusher, code) -> None:
    server.on("", error(400, code), method="PUT", times=2)
    pusher.push_manifest(MANIFEST, MEDIA_TYPE, "1.0")
    assert methods(server) == ["PUT", "PUT", "PUT"]
    server.on("", error(400, code), method="PUT")
    with pytest.raises(Rejected):
        pusher.push_manifest(MANIFEST, MEDIA_TYPE, "2.0")
    assert len(server.requests) == 6


# --- deletion ---


def test_delete(server, pusher) -> None:
    server.add_tag("app", "1.0", server.add_manifest("app", MANIFEST, MEDIA_TYPE))
    server.add_blob("app", DATA)
    assert (pusher.delete_manifest("1.0"), pusher.delete_manifest("1.0")) == (True, False)
    assert (pusher.delete_manifest(DIGEST), pusher.delete_manifest(DIGEST)) == (True, False)
    assert (pusher.delete_blob(BLOB.digest), pusher.delete_blob(BLOB.digest)) == (True, False)


@pytest.mark.parametrize(
    "reply",
    [error(405), error(405, "UNSUPPORTED"), error(400, "UNSUPPORTED"), error(400), error(404), error(501)],
)
def test_a_registry_without_deletion(server, pusher, reply) -> None:
    server.add_tag("app", "1.0", server.add_manifest("app", MANIFEST, MEDIA_TYPE))
    server.add_blob("app", DATA)
    server.on("", reply, method="DELETE")
    with pytest.raises(NotOffered, match=f"Cannot delete the blob .*{reply.status}.*the registry is read-only"):
        pusher.delete_blob(BLOB.digest)
    with pytest.raises(NotOffered, match="Cannot delete the manifest sha256:.*the registry is read-only"):
        pusher.delete_manifest(DIGEST)
    with pytest.raises(NotOffered, match="delete the manifest by its digest, with all its tags, unless") as raised:
        pusher.delete_manifest("1.0")
    assert raised.value.kind == "unsupported"


def test_a_refused_deletion_is_not_always_a_missing_feature(server, pusher) -> None:
    server.on("", error(400, "GOOGLE_MANIFEST_DANGLING_TAG", "still tagged"), method="DELETE")
    with pytest.raises(Rejected, match="still tagged"):
        pusher.delete_manifest(DIGEST)


# --- names ---


def test_the_repository_prefix(server, connect) -> None:
    endpoint = Endpoint.parse(server.name, repository_prefix="team")
    with Registry(endpoint) as registry:
        pusher = Pusher(registry, "app")
        pusher.push_blob(BLOB, Source(DATA))
        pusher.push_manifest(MANIFEST, MEDIA_TYPE, "1.0")
        assert registry.manifest("app", Selector.parse("1.0")).digest == DIGEST
    assert set(server.repositories) == {"team/app"}


def test_an_invalid_repository(connect) -> None:
    with pytest.raises(ReferenceInvalid):
        Pusher(connect("127.0.0.1:1"), "App")
