# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real registries take what is pushed, as skopeo reads it back: distribution 2 and 3, and that of crane.

Each is skipped by its name where it is not installed, see tests/README.md.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._registry.client import Registry
from ansible_collections.attested.registry.plugins.module_utils._registry.endpoint import Endpoint
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    NotOffered,
    Rejected,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import ClientOptions, Effects
from ansible_collections.attested.registry.plugins.module_utils._registry.push.pusher import Pusher
from ansible_collections.attested.registry.tests.support.images.sources import Source, descriptor
from ansible_collections.attested.registry.tests.support.registries.cutting_front import CuttingFront
from ansible_collections.attested.registry.tests.support.servers.peers import (
    CraneRegistry,
    DockerRegistry,
    find_program,
    run,
)

pytestmark = pytest.mark.exhaustive

PROGRAMS = ["docker-registry", "registry", "crane"]
needs_skopeo = pytest.mark.skipif(find_program("skopeo") is None, reason="needs skopeo")

DATA = bytes(range(256)) * 4096
BLOB = descriptor(DATA)


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request):
    if find_program(request.param) is None:
        pytest.skip(f"needs {request.param}")
    return request.param


@pytest.fixture(scope="module")
def address(program, tmp_path_factory):
    work = tmp_path_factory.mktemp("registry")
    peer = CraneRegistry(work) if program == "crane" else DockerRegistry(work / "storage", work, program=program)
    with peer.running() as name:
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
    data = DATA + str(chunk_size).encode()
    blob, pusher = descriptor(data), Pusher(registry, "blob")
    assert pusher.has_blob(blob.digest) is None
    pusher.push_blob(blob, Source(data, piece=70_000), chunk_size=chunk_size)
    assert pusher.has_blob(blob.digest) == len(data)
    with registry.blob(pusher.repository, blob) as stream:
        assert b"".join(stream) == data


def test_an_empty_blob(registry) -> None:
    pusher = Pusher(registry, "empty")
    pusher.push_blob(descriptor(b""), Source(b""))
    assert pusher.has_blob(descriptor(b"").digest) == 0


@pytest.mark.parametrize("chunk_size", [None, 100_000])
@pytest.mark.parametrize("cuts", [[50_000], [500_000, 150_000, 1_200_000]])
def test_a_blob_over_a_network_that_cuts_connections(address, program, chunk_size, cuts) -> None:
    data = bytes(2_000_000) + f"{chunk_size}{cuts}".encode()
    blob, options = descriptor(data), ClientOptions(effects=Effects(sleep=lambda seconds: None))
    with CuttingFront(address, cuts) as front, Registry(Endpoint.parse(front.name), options) as registry:
        pusher = Pusher(registry, "cut")
        pusher.push_blob(blob, Source(data, piece=70_000), chunk_size=chunk_size)
        assert front.cuts == []
        assert pusher.has_blob(blob.digest) == len(data)


def test_another_digest_algorithm(registry, program) -> None:
    blob, pusher = descriptor(DATA, algorithm="sha512"), Pusher(registry, "sha512")
    for chunk_size in (None, 300_000):
        pusher.push_blob(blob, Source(DATA), chunk_size=chunk_size)
        # crane answers HEAD for sha256 alone
        assert pusher.has_blob(blob.digest) == (None if program == "crane" else len(DATA))


def test_a_blob_is_mounted(registry, program) -> None:
    Pusher(registry, "base").push_blob(BLOB, Source(DATA))
    with Pusher(registry, "mounted") as pusher:
        # crane has one store for all repositories, and mounts nothing
        assert pusher.mount(BLOB.digest, source_repository="base") == (program != "crane")
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


def test_content_that_is_refused(registry, program) -> None:
    pusher = Pusher(registry, "refused")
    with pytest.raises(Rejected, match="DIGEST_INVALID"):
        pusher.push_blob(descriptor(b"right"), Source(b"wrong"))
    if program == "crane":
        return  # it takes any manifest
    document = {"schemaVersion": 2, "config": BLOB.as_dict(), "layers": [BLOB.as_dict()]}
    content = json.dumps({**document, "mediaType": "application/vnd.oci.image.manifest.v1+json"}).encode()
    with pytest.raises(Rejected, match="push everything that the manifest refers to before it"):
        pusher.push_manifest(content, "application/vnd.oci.image.manifest.v1+json", "1.0")


def test_deletion(registry, program, image) -> None:
    pusher = Pusher(registry, "deleted")
    for data in image.blobs().values():
        pusher.push_blob(descriptor(data), Source(data))
    digest = pusher.push_manifest(image.data, image.media_type, "1.0").digest
    if program == "docker-registry":
        with pytest.raises(NotOffered, match="delete the manifest by its digest"):
            pusher.delete_manifest("1.0")
    else:
        assert (pusher.delete_manifest("1.0"), pusher.delete_manifest("1.0")) == (True, False)
    assert (pusher.delete_manifest(digest), pusher.delete_manifest(digest)) == (True, False)
    config = Digest.parse(json.loads(image.data)["config"]["digest"])
    assert pusher.delete_blob(config)
    # crane answers 500 to the deletion of a blob that is not there
    assert program == "crane" or not pusher.delete_blob(config)
