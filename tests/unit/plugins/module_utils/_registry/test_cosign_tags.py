# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tags of cosign are looked up by the digest of an image."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._registry.cosign_tags import (
    COSIGN_TYPES,
    CosignTag,
    cosign_tags,
    list_cosign_tags,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import Denied
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import error


def test_names_and_types() -> None:
    digest = Digest.of(b"image")
    assert cosign_tags(digest) == {f"sha256-{digest.encoded}.{suffix}": kind for suffix, kind in COSIGN_TYPES.items()}
    assert list(cosign_tags(digest, artifact_type=COSIGN_TYPES["att"])) == [f"sha256-{digest.encoded}.att"]
    assert cosign_tags(digest, artifact_type="application/spdx+json") == {}
    # longer than a tag can be
    assert cosign_tags(Digest.of(b"image", "sha512")) == {}


def test_what_is_there(serve, connect, image) -> None:
    server, digest = serve(), Digest.parse(image.digest)
    signature = images.image([], annotations={"org.example": "yes"})
    tag = f"sha256-{digest.encoded}.sig"
    server.publish("app", {"1.0": image, tag: signature})
    (found,) = list_cosign_tags(connect(server), "app", digest)
    assert found == CosignTag(tag, found.descriptor)
    assert (str(found.descriptor.digest), found.descriptor.artifact_type, found.descriptor.annotations) == (
        signature.digest,
        COSIGN_TYPES["sig"],
        {"org.example": "yes"},
    )
    assert list_cosign_tags(connect(server), "other", digest) == ()


def test_a_refusal_is_an_error(serve, connect, image) -> None:
    server, digest = serve(), Digest.parse(image.digest)
    server.on(r"\.att$", error(403))
    with pytest.raises(Denied, match=rf"Cannot get the manifest sha256-{digest.encoded}\.att of app"):
        list_cosign_tags(connect(server), "app", digest)
