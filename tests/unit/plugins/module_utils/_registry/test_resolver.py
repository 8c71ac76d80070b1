# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A reference is resolved to manifest and config of one platform, verified at each step, through nested indexes."""

from __future__ import annotations

import json

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci import media_type as m
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import (
    DigestMismatch,
    DocumentInvalid,
    PlatformNotFound,
    SizeMismatch,
    Unsupported,
)
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import NotFound
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply

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
    with pytest.raises(
        PlatformNotFound, match="is only for linux/arm64, not for linux/amd64; set platform to"
    ) as raised:
        resolve(connect, server, make("linux/arm64"))
    assert raised.value.fields["offered"] == "linux/arm64"
    assert warnings == []
    found = resolve(connect, server, make("linux/arm64"), Platform.host("x86_64", "Linux"))
    assert str(found.platform) == "linux/arm64"
    assert len(warnings) == 1
    assert "is for linux/arm64, not for this host's linux/amd64" in warnings[0]


CONFIGS = [
    ("linux/amd64", {}, True),
    ("linux/amd64", {"os": None}, True),
    ("linux/amd64", {"os": ""}, True),
    ("linux/amd64", {"architecture": None}, True),
    ("linux/amd64", {"os": None, "architecture": None}, True),
    ("linux/amd64", {"os": None, "architecture": "arm64"}, False),
    ("linux/amd64", {"os": "windows", "architecture": None}, False),
    ("linux/amd64", {"os": "freebsd"}, False),
    ("linux/amd64", {"variant": "v1"}, True),
    ("linux/amd64", {"variant": "v3"}, False),
    ("linux/amd64/v3", {"variant": "v2"}, True),
    ("linux/amd64/v2", {}, True),
    ("linux/arm/v6", {"architecture": "arm"}, True),
    ("linux/arm/v6", {"architecture": "arm", "variant": "v7"}, False),
    ("linux/arm/v7", {"architecture": "arm", "variant": "v6"}, True),
    ("linux/arm/v7", {"architecture": "arm64"}, False),
    ("linux/arm64", {"architecture": "arm64", "variant": "v8"}, True),
    ("linux/arm64/v8", {"architecture": "arm64"}, True),
    ("linux/arm64", {"architecture": "aarch64"}, True),
    ("windows/amd64", {}, False),
]


@pytest.mark.parametrize(("wanted", "members", "suits"), CONFIGS)
def test_what_a_config_states_must_suit_and_what_it_leaves_out_may(connect, server, wanted, members, suits) -> None:
    image = images.image([images.layer([images.file("f")])], config_members=members)
    if suits:
        resolve(connect, server, image, Platform.parse(wanted))
    else:
        with pytest.raises(PlatformNotFound):
            resolve(connect, server, image, Platform.parse(wanted))


def test_variants_of_the_processor(connect, server) -> None:
    levels = {level: make("linux/amd64", b"v%d" % level) for level in (1, 2, 3, 4)}
    entries = {level: image.descriptor() for level, image in levels.items()}
    for level in (2, 3, 4):
        entries[level]["platform"] = {"os": "linux", "architecture": "amd64", "variant": f"v{level}"}
    host = Platform.host("x86_64", "Linux", highest_variant="v3")

    def chosen(*offered: int, platform: Platform = host) -> str:
        index = images.index(list(levels.values()), changes={"manifests": [entries[level] for level in offered]})
        return str(resolve(connect, server, index, platform).digest)

    assert chosen(2) == levels[2].digest
    assert chosen(2, 3, 4) == levels[3].digest
    assert chosen(4, 3, 1, 2) == levels[1].digest  # docker and containerd take that everywhere
    assert chosen(4, 3, 1, 2, platform=Platform.parse("linux/amd64/v3")) == levels[3].digest
    for offered, platform in (((4,), host), ((2, 3), AMD64)):
        with pytest.raises(PlatformNotFound):
            chosen(*offered, platform=platform)


ARTIFACT = images.Content(
    images.to_json({"mediaType": m.OCI_ARTIFACT_MANIFEST, "artifactType": "a/b", "blobs": []}), m.OCI_ARTIFACT_MANIFEST
)
MISNAMED = images.Content(ARTIFACT.data, m.OCI_MANIFEST)
IN_AN_INDEX = {"os": "linux", "architecture": "amd64"}


@pytest.mark.parametrize(
    "entry",
    [
        ARTIFACT.descriptor(),
        ARTIFACT.descriptor(platform=IN_AN_INDEX),
        MISNAMED.descriptor(),
        MISNAMED.descriptor(platform=IN_AN_INDEX),
        ARTIFACT.descriptor(mediaType="application/vnd.example.thing"),
        ARTIFACT.descriptor(mediaType=m.DOCKER_SCHEMA1_SIGNED, platform=IN_AN_INDEX),
        make("linux/s390x").descriptor(platform={}),
        make("linux/s390x").descriptor(platform={"architecture": "amd64"}),
        make("linux/s390x").descriptor(platform={"architecture": "amd64", "os": ""}),
        make("linux/s390x").descriptor(platform={"os": "linux"}),
        make("linux/s390x").descriptor(platform={"os": "unknown", "architecture": "unknown"}),
        images.Content(b"gone", m.OCI_MANIFEST).descriptor(),
        images.Content(b"gone", m.OCI_MANIFEST).descriptor(platform=IN_AN_INDEX),
        images.Content(b"gone", m.OCI_INDEX).descriptor(),
    ],
)
def test_entries_that_are_no_image_are_passed_over(connect, server, entry) -> None:
    right = make("linux/amd64")
    server.add_manifest("app", ARTIFACT.data, ARTIFACT.media_type)
    for last in (right.descriptor(), right.descriptor(platform=None)):
        index = images.index([right, make("linux/s390x")], changes={"manifests": [entry, last]})
        assert str(resolve(connect, server, index).digest) == right.digest


def test_why_the_only_entry_cannot_be_used(connect, server) -> None:
    server.add_manifest("app", ARTIFACT.data, ARTIFACT.media_type)
    index = images.index([MISNAMED])
    with pytest.raises(Unsupported, match="artifact manifest"):
        resolve(connect, server, index)
    gone = images.index([], changes={"manifests": [images.Content(b"gone", m.OCI_MANIFEST).descriptor()]})
    with pytest.raises(NotFound, match=f"get the manifest {images.digest_of(b'gone')} in the index of app"):
        resolve(connect, server, gone)


def test_a_damaged_entry_is_not_passed_over(connect, server) -> None:
    right = make("linux/amd64")
    damaged = right.descriptor(digest=images.digest_of(b"other"), platform=None)
    index = images.index([right], changes={"manifests": [damaged, right.descriptor(platform=None)]})
    server.on(damaged["digest"], Reply(200, right.data, {"Content-Type": m.OCI_MANIFEST}))
    with pytest.raises(DigestMismatch):
        resolve(connect, server, index)


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


def test_a_manifest_that_was_fetched_before_is_not_fetched_again(connect, server, image) -> None:
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
    with pytest.raises(Unsupported, match="nested more than 8 levels"):
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
    why = "none of the images in the index is for linux/arm64/v8, the index offers linux/s390x, linux/amd64; set"
    with pytest.raises(PlatformNotFound, match=f"{why} platform to one of these, or pull another") as raised:
        resolve(connect, server, index, ARM64)
    assert raised.value.fields["offered"] == "linux/s390x, linux/amd64"


def test_too_many_to_look_at(connect, server) -> None:
    entry = make("linux/s390x")
    descriptor = entry.descriptor()
    descriptor.pop("platform")
    index = images.index([entry], changes={"manifests": [descriptor] * 40})
    with pytest.raises(Unsupported, match="would have to be read"):
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
