# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mirrors are asked first; what they lack, damage or break off comes from the registry itself."""

from __future__ import annotations

import contextlib
import typing as t
from urllib.parse import unquote

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.registry.sources import MirroredSource
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DigestMismatch
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import BasicAuth
from ansible_collections.attested.registry.plugins.module_utils._registry.blob_range import ByteRange
from ansible_collections.attested.registry.plugins.module_utils._registry.client import Registry
from ansible_collections.attested.registry.plugins.module_utils._registry.endpoint import Endpoint
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import ConfigurationError, NotFound
from ansible_collections.attested.registry.plugins.module_utils._registry.options import (
    ClientOptions,
    RetryPolicy,
    TlsOptions,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.referrers import list_referrers
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply, error

DATA = bytes(range(256)) * 4000
TAG = Selector("1", None)
AMD64 = Platform("linux", "amd64")


@pytest.fixture
def mirror() -> t.Iterator[FaultyRegistry]:
    with FaultyRegistry() as server:
        yield server


@pytest.fixture
def origin() -> t.Iterator[FaultyRegistry]:
    with FaultyRegistry() as server:
        yield server


@pytest.fixture
def warnings() -> list[str]:
    return []


def connect(name: str) -> Registry:
    return Registry(Endpoint.parse(name, mode="no-tls"), ClientOptions(retry=RetryPolicy(retries=0)))


@pytest.fixture
def source(mirror: FaultyRegistry, origin: FaultyRegistry, warnings: list[str]) -> t.Iterator[MirroredSource]:
    found = MirroredSource([connect(mirror.name)], connect(origin.name), warn=warnings.append)
    yield found
    found.close()


@pytest.fixture
def image() -> images.Image:
    return images.image([images.layer([images.file("it", b"")])])


def read(source: MirroredSource, digest: str, **options: t.Any) -> bytes:
    with source.blob("app", Digest.parse(digest), **options) as pieces:
        return b"".join(pieces)


def test_the_mirror_is_asked_first_and_alone(
    source: MirroredSource, mirror: FaultyRegistry, origin: FaultyRegistry, image: images.Image, warnings: list[str]
) -> None:
    mirror.publish("app", {"1": image})
    assert str(source.head_manifest("app", TAG).digest) == image.digest
    assert str(source.manifest("app", TAG).digest) == image.digest
    found = source.resolve("app", TAG, platform=AMD64)
    assert (str(found.digest), found.registry) == (image.digest, origin.name)
    assert read(source, image.config.digest) == image.config.data
    assert source.head_blob("app", Digest.parse(image.config.digest)) == image.config.size
    assert origin.requests == []
    assert warnings == []
    assert source.requests == len(mirror.requests)


def test_what_the_mirror_lacks_comes_from_the_origin(
    source: MirroredSource, mirror: FaultyRegistry, origin: FaultyRegistry, image: images.Image, warnings: list[str]
) -> None:
    origin.publish("app", {"1": image})
    assert str(source.head_manifest("app", TAG).digest) == image.digest
    assert str(source.resolve("app", TAG, platform=AMD64).digest) == image.digest
    assert read(source, image.config.digest) == image.config.data
    assert source.head_blob("app", Digest.parse(image.config.digest)) == image.config.size
    assert mirror.requests
    (warning,) = warnings
    assert f"The mirror {mirror.name} was skipped at {mirror.url}/v2/app/manifests/1: " in warning
    assert "does not have it" in warning
    assert "Check the registry and the repository_prefix of the mirror." in warning


def test_a_mirror_with_wrong_content_is_skipped(
    source: MirroredSource, mirror: FaultyRegistry, origin: FaultyRegistry, image: images.Image, warnings: list[str]
) -> None:
    for server in (mirror, origin):
        server.publish("app", {"1": image})
    mirror.on("/blobs/", Reply(body=image.config.data[::-1]))
    assert str(source.resolve("app", TAG, platform=AMD64).digest) == image.digest
    assert "digest" in warnings[0]


def test_a_blob_that_breaks_off_goes_on_at_the_origin(
    source: MirroredSource, mirror: FaultyRegistry, origin: FaultyRegistry
) -> None:
    digest = origin.add_blob("app", DATA)
    mirror.add_blob("app", DATA)
    mirror.on("/blobs/", Reply(cut=400_000))
    assert read(source, digest) == DATA
    start = int((origin.requests[-1].header("Range") or "")[len("bytes=") : -1])
    assert 0 < start <= 400_000


def test_wrong_bytes_are_an_error_once_they_were_passed_on(
    source: MirroredSource, mirror: FaultyRegistry, origin: FaultyRegistry
) -> None:
    digest = origin.add_blob("app", DATA)
    mirror.add_blob("app", DATA)
    mirror.on("/blobs/", Reply(body=DATA[::-1]))
    with pytest.raises(DigestMismatch):
        read(source, digest)


def test_the_errors_are_those_of_the_origin(
    source: MirroredSource, mirror: FaultyRegistry, origin: FaultyRegistry, warnings: list[str]
) -> None:
    mirror.on("", error(500))
    for ask in (
        lambda: source.manifest("app", TAG),
        lambda: source.resolve("app", TAG, platform=AMD64),
        lambda: read(source, "sha256:" + "0" * 64),
    ):
        with pytest.raises(NotFound) as caught:
            ask()
        assert caught.value.fields["registry"] == origin.name
    (warning,) = warnings
    assert f"The mirror {mirror.name} was skipped at {mirror.url}/v2/app/manifests/1: " in warning


def test_a_mirror_that_answers_with_a_page_is_named_once(
    source: MirroredSource, mirror: FaultyRegistry, origin: FaultyRegistry, image: images.Image, warnings: list[str]
) -> None:
    origin.publish("app", {"1": image})
    mirror.on("", Reply(status=200, body=b"<html>Welcome</html>", headers={"Content-Type": "text/html"}))
    assert str(source.resolve("app", TAG, platform=AMD64).digest) == image.digest
    assert read(source, image.config.digest) == image.config.data
    assert read(source, image.config.digest) == image.config.data
    (warning,) = warnings
    assert "answers with a web page" in warning
    assert mirror.url in warning


def test_a_mirror_out_of_reach_is_named_once_and_not_asked_again(
    origin: FaultyRegistry, image: images.Image, warnings: list[str]
) -> None:
    origin.publish("app", {"1": image})
    dead = connect("127.0.0.1:1")
    source = MirroredSource([dead], connect(origin.name), warn=warnings.append)
    assert source.head_manifest("app", TAG).digest is not None
    assert str(source.resolve("app", TAG, platform=AMD64).digest) == image.digest
    assert read(source, image.config.digest) == image.config.data
    assert dead.requests == 1
    (warning,) = warnings
    assert "The mirror 127.0.0.1:1 was skipped at http://127.0.0.1:1: " in warning
    source.close()


def test_a_mirror_that_breaks_off_is_asked_again(
    source: MirroredSource, mirror: FaultyRegistry, origin: FaultyRegistry, warnings: list[str]
) -> None:
    digest = origin.add_blob("app", DATA)
    mirror.add_blob("app", DATA)
    mirror.on("/blobs/", Reply(cut=400_000), times=1)
    assert read(source, digest) == read(source, digest) == DATA
    assert (len(mirror.requests), len(origin.requests), len(warnings)) == (2, 1, 1)


def prefixed(mirror: FaultyRegistry, origin: FaultyRegistry, warn: t.Callable[[str], None]) -> MirroredSource:
    """Images of the origin, of which the mirror has copies under proxy/hub/."""
    endpoint = Endpoint.parse(mirror.name, repository_prefix="proxy/hub")
    registry = Registry(endpoint, ClientOptions(retry=RetryPolicy(retries=0)))
    return MirroredSource([registry], connect(origin.name), warn=warn)


def test_a_mirror_is_asked_by_its_own_names(
    mirror: FaultyRegistry, origin: FaultyRegistry, image: images.Image, warnings: list[str]
) -> None:
    mirror.publish("proxy/hub/team/app", {"1": image})
    blob = Digest.parse(image.config.digest)
    with contextlib.closing(prefixed(mirror, origin, warnings.append)) as source:
        assert str(source.head_manifest("team/app", TAG).digest) == image.digest
        assert str(source.look_up("team/app", TAG).digest) == image.digest
        fetched = source.manifest("team/app", TAG)
        for found in (None, fetched):
            resolved = source.resolve("team/app", TAG, platform=AMD64, fetched=found)
            assert (resolved.registry, resolved.repository) == (origin.name, "team/app")
        assert source.head_blob("team/app", blob) == image.config.size
        with source.blob("team/app", blob) as pieces:
            assert b"".join(pieces) == image.config.data
        assert source.blob_part("team/app", blob, ByteRange.parse("0-3")).content == image.config.data[:4]
    assert (origin.requests, warnings) == ([], [])
    assert all(request.target.startswith("/v2/proxy/hub/team/app/") for request in mirror.requests)


def test_a_token_for_a_mirror_is_for_its_own_name(origin: FaultyRegistry, image: images.Image) -> None:
    with FaultyRegistry(auth="bearer", users={"me": "s3cret"}, anonymous=False) as mirror:
        mirror.publish("hub/app", {"1": image})
        endpoint = Endpoint.parse(mirror.name, repository_prefix="hub")
        with Registry(endpoint, credentials=BasicAuth("me", "s3cret")) as registry:
            source = MirroredSource([registry], connect(origin.name), warn=pytest.fail)
            assert str(source.manifest("app", TAG).digest) == image.digest
        (request,) = mirror.sent("/token")
    assert "scope=repository:hub/app:pull" in unquote(request.target)
    assert origin.requests == []


def test_options_of_a_mirror_that_cannot_be_used_are_an_error(
    origin: FaultyRegistry, image: images.Image, tmp_path: t.Any
) -> None:
    origin.publish("app", {"1": image})
    tls = TlsOptions(mode="tls", ca_path=str(tmp_path / "absent.pem"))
    mirror = Registry(Endpoint.parse("https://127.0.0.1:1"), ClientOptions(tls=tls))
    with contextlib.closing(
        MirroredSource([connect("127.0.0.1:1"), mirror], connect(origin.name), warn=print)
    ) as source:
        for ask in (lambda: source.manifest("app", TAG), lambda: read(source, image.config.digest)):
            with pytest.raises(ConfigurationError) as caught:
                ask()
            assert caught.value.message.startswith("mirrors[1]: Cannot use the option ca_path: ")


def test_tags_are_those_of_the_origin(
    source: MirroredSource, mirror: FaultyRegistry, origin: FaultyRegistry, image: images.Image
) -> None:
    mirror.publish("app", {"old": image})
    origin.publish("app", {"1": image})
    assert source.tags("app").names == ("1",)
    assert mirror.requests == []


def test_referrers_are_those_of_the_origin(
    source: MirroredSource, mirror: FaultyRegistry, origin: FaultyRegistry, image: images.Image
) -> None:
    """A mirror that has pulled the image, and not the signatures made since, must not hide them."""
    signature = images.artifact("application/vnd.example", [], changes={"subject": image.descriptor()})
    origin.publish("app", {"1": image, "signature": signature})
    mirror.publish("app", {"1": image})
    found = list_referrers(source, "app", Digest.parse(image.digest))
    assert [str(descriptor.digest) for descriptor in found.descriptors] == [signature.digest]
    assert mirror.requests == []
