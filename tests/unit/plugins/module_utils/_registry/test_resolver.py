# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import (
    DigestMismatch,
    DocumentInvalid,
    PlatformNotFound,
    SizeMismatch,
    Unsupported,
)
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.tests.support import images
from ansible_collections.attested.registry.tests.support.faulty_registry import Reply

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
TAG = Selector.parse("1.0")


def make(platform: str, content: bytes = b"x", **options) -> images.Image:
    return images.image([images.layer([images.file("f", content + platform.encode())])], platform=platform, **options)


@pytest.fixture
def server(serve):
    return serve()


def resolve(connect, server, content, platform=AMD64, **options):
    server.publish("app", {"1.0": content})
    return connect(server, **options).resolve("app", TAG, platform=platform)


def test_a_single_manifest(connect, server, image, warnings) -> None:
    found = resolve(connect, server, image)
    assert str(found.digest) == image.digest
    assert found.index_digest is None
    assert [str(layer.descriptor.digest) for layer in found.layers] == [
        layer["digest"] for layer in json.loads(image.data)["layers"]
    ]
    assert str(found.platform) == "linux/amd64"
    assert found.registry == server.name
    assert found.manifest.annotations == {"org.example": "yes"}
    assert [request.method for request in server.requests] == ["GET", "GET"]
    assert warnings == []


def test_a_single_manifest_of_another_platform(connect, server, warnings) -> None:
    found = resolve(connect, server, make("linux/arm64"))
    assert str(found.platform) == "linux/arm64"
    assert len(warnings) == 1
    assert "is for linux/arm64, not for linux/amd64" in warnings[0]


def test_an_index(connect, server, warnings) -> None:
    amd64, arm64 = make("linux/amd64"), make("linux/arm64")
    index = images.index([amd64, arm64])
    found = resolve(connect, server, index, ARM64)
    assert (str(found.digest), str(found.index_digest)) == (arm64.digest, index.digest)
    assert [str(platform) for platform in found.platforms] == ["linux/amd64", "linux/arm64"]
    assert warnings == []


def test_docker_types(connect, server) -> None:
    image = images.image([images.layer([images.file("f")], docker=True)], docker=True)
    found = resolve(connect, server, images.index([image], docker=True))
    assert str(found.digest) == image.digest


def test_what_was_fetched_before_is_used(connect, server, image) -> None:
    server.publish("app", {"1.0": image})
    client = connect(server)
    fetched = client.manifest("app", TAG)
    client.resolve("app", TAG, platform=AMD64, fetched=fetched)
    assert len(server.sent("/manifests/")) == 1


def test_a_platform_that_is_not_there(connect, server) -> None:
    index = images.index([make("linux/amd64"), make("linux/arm64")])
    with pytest.raises(PlatformNotFound, match="linux/amd64, linux/arm64") as raised:
        resolve(connect, server, index, Platform.parse("linux/s390x"))
    assert raised.value.fields["reference"] == "1.0"


def nested(depth: int) -> images.Content:
    content: images.Content = make("linux/amd64")
    for dummy in range(depth):
        content = images.index([content])
    return content


def test_nested_indexes(connect, server) -> None:
    found = resolve(connect, server, nested(8))
    assert str(found.platform) == "linux/amd64"
    assert len(server.sent("/manifests/")) == 9


def test_nested_too_deep(connect, server) -> None:
    with pytest.raises(Unsupported, match="deeper than 8"):
        resolve(connect, server, nested(9))


def test_entries_without_a_platform_are_looked_at(connect, server) -> None:
    wrong, right = make("linux/s390x"), make("linux/amd64")
    entries = []
    for image in (wrong, right):
        entry = image.descriptor()
        entry.pop("platform")
        entries.append(entry)
    index = images.index([wrong, right], changes={"manifests": entries})
    assert str(resolve(connect, server, index).digest) == right.digest
    with pytest.raises(PlatformNotFound, match="none of the images"):
        resolve(connect, server, index, ARM64)


def test_too_many_to_look_at(connect, server) -> None:
    entry = make("linux/s390x")
    descriptor = entry.descriptor()
    descriptor.pop("platform")
    index = images.index([entry], changes={"manifests": [descriptor] * 40})
    with pytest.raises(Unsupported, match="would have to be looked at"):
        resolve(connect, server, index)
    assert len(server.sent("/manifests/")) <= 34


def test_an_artifact(connect, server) -> None:
    artifact = images.artifact("application/x.test", [images.Content(b"data", "text/plain")])
    found = resolve(connect, server, artifact)
    assert (found.config, found.platform, found.artifact_type) == (None, None, "application/x.test")
    assert server.sent("/blobs/") == []


def change_entry(image: images.Image, **changes) -> images.Index:
    entry = {**image.descriptor(), **changes}
    return images.index([image], changes={"manifests": [entry]})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"size": 7}, SizeMismatch),
        ({"mediaType": images.OCI_INDEX}, DocumentInvalid),
        ({"mediaType": images.DOCKER_MANIFEST}, DocumentInvalid),
    ],
)
def test_an_index_that_lies(connect, server, changes, error) -> None:
    with pytest.raises(error) as raised:
        resolve(connect, server, change_entry(make("linux/amd64"), **changes))
    assert raised.value.fields["registry"] == server.name


def test_a_child_with_other_bytes(connect, server) -> None:
    image, other = make("linux/amd64"), make("linux/amd64", b"other")
    server.on(f"/manifests/{image.digest}", Reply(body=other.data))
    with pytest.raises(DigestMismatch):
        resolve(connect, server, images.index([image]))


def test_a_config_with_other_bytes(connect, server, image) -> None:
    config = json.loads(image.data)["config"]
    server.on("/blobs/", Reply(body=b"x" * config["size"]))
    with pytest.raises(DigestMismatch) as raised:
        resolve(connect, server, image)
    assert raised.value.fields["repository"] == "app"


def test_a_config_with_another_size(connect, server, image) -> None:
    server.on("/blobs/", Reply(body=b"{}"))
    with pytest.raises(SizeMismatch):
        resolve(connect, server, image)


def test_a_config_that_claims_to_be_huge(connect, server, image) -> None:
    document = json.loads(image.data)
    document["config"]["size"] = 5 * 1024 * 1024
    with pytest.raises(Unsupported, match="its config has"):
        resolve(connect, server, images.document_of(document, image))
    assert server.sent("/blobs/") == []


def test_embedded_data_is_used(connect, server, image) -> None:
    import base64

    document = json.loads(image.data)
    config = image.children[0]
    document["config"]["data"] = base64.b64encode(config.data).decode()
    inner = images.document_of(document, image)
    entry = {**inner.descriptor(), "data": base64.b64encode(inner.data).decode()}
    found = resolve(connect, server, images.index([inner], changes={"manifests": [entry]}))
    assert str(found.digest) == inner.digest
    assert len(server.requests) == 1


def test_layers_and_diff_ids_must_agree(connect, server, image) -> None:
    document = json.loads(image.data)
    document["layers"].pop()
    with pytest.raises(DocumentInvalid, match="layers and its config") as raised:
        resolve(connect, server, images.document_of(document, image))
    assert raised.value.fields["repository"] == "app"


def test_a_broken_config(connect, server) -> None:
    config = images.Content(b"{}", images.OCI_CONFIG)
    with pytest.raises(DocumentInvalid):
        resolve(connect, server, images.image([], config_content=config))
