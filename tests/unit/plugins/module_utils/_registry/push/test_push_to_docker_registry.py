# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian's docker-registry takes what is pushed, as skopeo reads it back."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._registry.client import Registry
from ansible_collections.attested.registry.plugins.module_utils._registry.endpoint import Endpoint
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import NotOffered, Rejected
from ansible_collections.attested.registry.plugins.module_utils._registry.push.pusher import Pusher
from ansible_collections.attested.registry.tests.support.images.sources import Source, descriptor
from ansible_collections.attested.registry.tests.support.servers.peers import DockerRegistry, run

pytestmark = pytest.mark.skipif(shutil.which("docker-registry") is None, reason="needs docker-registry")
needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")

DATA = bytes(range(256)) * 4096
BLOB = descriptor(DATA)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    work = tmp_path_factory.mktemp("registry")
    with DockerRegistry(work / "storage", work).running() as name:
        yield name


@pytest.fixture
def registry(address):
    with Registry(Endpoint.parse(address)) as client:
        yield client


@needs_skopeo
def test_an_image_is_pushed_and_read_back(address, registry, image) -> None:
    pusher = Pusher(registry, "pushed/image")
    for digest, data in image.blobs().items():
        if digest != Digest.of(image.data):
            pusher.push_blob(descriptor(data), Source(data), chunk_size=10)
    pushed = pusher.push_manifest(image.data, image.media_type, "1.0")
    raw = run("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{address}/pushed/image:1.0")
    assert raw.encode() == image.data
    inspected = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{address}/pushed/image:1.0"))
    assert inspected["Digest"] == str(pushed.digest)


@pytest.mark.parametrize("chunk_size", [None, 300_000, len(DATA)])
def test_a_blob(registry, chunk_size) -> None:
    pusher = Pusher(registry, f"blob/{chunk_size}".lower())
    assert pusher.has_blob(BLOB.digest) is None
    pusher.push_blob(BLOB, Source(DATA, piece=70_000), chunk_size=chunk_size)
    assert pusher.has_blob(BLOB.digest) == len(DATA)
    with registry.blob(pusher.repository, BLOB) as stream:
        assert b"".join(stream) == DATA


def test_an_empty_blob(registry) -> None:
    pusher = Pusher(registry, "empty")
    pusher.push_blob(descriptor(b""), Source(b""))
    assert pusher.has_blob(descriptor(b"").digest) == 0


def test_a_blob_is_mounted(registry) -> None:
    Pusher(registry, "base").push_blob(BLOB, Source(DATA))
    with Pusher(registry, "mounted") as pusher:
        assert pusher.mount(BLOB.digest, source_repository="base")
        assert pusher.has_blob(BLOB.digest) == len(DATA)
        other = descriptor(b"not there")
        assert not pusher.mount(other.digest, source_repository="base")
        pusher.push_blob(other, Source(b"not there"))
        assert pusher.has_blob(other.digest) == 9


def test_two_that_push_the_same_at_once(registry, image) -> None:
    def push(dummy: int) -> Digest:
        pusher = Pusher(registry, "at-once")
        for data in image.blobs().values():
            pusher.push_blob(descriptor(data), Source(data), chunk_size=20)
        return pusher.push_manifest(image.data, image.media_type, "1.0").digest

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(push, range(4))) == {Digest.of(image.data)}


def test_content_that_is_refused(registry) -> None:
    pusher = Pusher(registry, "refused")
    with pytest.raises(Rejected, match="DIGEST_INVALID"):
        pusher.push_blob(descriptor(b"right"), Source(b"wrong"))
    document = {"schemaVersion": 2, "config": BLOB.as_dict(), "layers": [BLOB.as_dict()]}
    content = json.dumps({**document, "mediaType": "application/vnd.oci.image.manifest.v1+json"}).encode()
    with pytest.raises(Rejected, match="push everything that the manifest refers to before it"):
        pusher.push_manifest(content, "application/vnd.oci.image.manifest.v1+json", "1.0")


def test_deletion(registry, image) -> None:
    pusher = Pusher(registry, "deleted")
    for data in image.blobs().values():
        pusher.push_blob(descriptor(data), Source(data))
    digest = pusher.push_manifest(image.data, image.media_type, "1.0").digest
    with pytest.raises(NotOffered, match="delete the manifest by its digest"):
        pusher.delete_manifest("1.0")
    assert (pusher.delete_manifest(digest), pusher.delete_manifest(digest)) == (True, False)
    config = Digest.parse(json.loads(image.data)["config"]["digest"])
    assert (pusher.delete_blob(config), pusher.delete_blob(config)) == (True, False)
