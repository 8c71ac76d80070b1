# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Media types of OCI and docker (image-spec, media-types.md) tell layers, manifests, indexes and configs apart."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci import media_type as m
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import Unsupported
from hypothesis import given
from hypothesis import strategies as st

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."

LAYERS = [
    (OCI + "layer.v1.tar", "none", False),
    (OCI + "layer.v1.tar+gzip", "gzip", False),
    (OCI + "layer.v1.tar+zstd", "zstd", False),
    (OCI + "layer.v1.tar+bzip2", "bzip2", False),
    (OCI + "layer.v1.tar+xz", "xz", False),
    (OCI + "layer.nondistributable.v1.tar", "none", True),
    (OCI + "layer.nondistributable.v1.tar+gzip", "gzip", True),
    (OCI + "layer.nondistributable.v1.tar+zstd", "zstd", True),
    (OCI + "layer.nondistributable.v1.tar+bzip2", "bzip2", True),
    (OCI + "layer.nondistributable.v1.tar+xz", "xz", True),
    (DOCKER + "image.rootfs.diff.tar", "none", False),
    (DOCKER + "image.rootfs.diff.tar.gzip", "gzip", False),
    (DOCKER + "image.rootfs.diff.tar.zstd", "zstd", False),
    (DOCKER + "image.rootfs.foreign.diff.tar", "none", True),
    (DOCKER + "image.rootfs.foreign.diff.tar.gzip", "gzip", True),
    (DOCKER + "image.rootfs.foreign.diff.tar.zstd", "zstd", True),
]


@pytest.mark.parametrize(("media_type", "compression", "nondistributable"), LAYERS)
def test_layers(media_type: str, compression: str, nondistributable: bool) -> None:
    assert m.is_layer(media_type)
    assert m.layer_compression(media_type) == compression
    assert m.is_nondistributable(media_type) is nondistributable


@pytest.mark.parametrize(
    "media_type", ["", "application/octet-stream", OCI + "layer.v1.tar+lz4", OCI + "manifest.v1+json", "text/plain\n"]
)
def test_other_media_types_are_no_layer(media_type: str) -> None:
    assert not m.is_layer(media_type)
    assert not m.is_nondistributable(media_type)
    with pytest.raises(Unsupported, match="not a filesystem changeset"):
        m.layer_compression(media_type)


@pytest.mark.parametrize(
    ("media_type", "sort"),
    [
        (OCI + "manifest.v1+json", "manifest"),
        (DOCKER + "distribution.manifest.v2+json", "manifest"),
        (OCI + "index.v1+json", "index"),
        (DOCKER + "distribution.manifest.list.v2+json", "index"),
        (OCI + "config.v1+json", "config"),
        (DOCKER + "container.image.v1+json", "config"),
        (DOCKER + "distribution.manifest.v1+json", "schema1"),
        (DOCKER + "distribution.manifest.v1+prettyjws", "schema1"),
        ("application/vnd.oci.empty.v1+json", ""),
        ("", ""),
    ],
)
def test_documents(media_type: str, sort: str) -> None:
    assert m.is_manifest(media_type) is (sort == "manifest")
    assert m.is_index(media_type) is (sort == "index")
    assert m.is_image_config(media_type) is (sort == "config")
    assert m.is_schema1(media_type) is (sort == "schema1")


def test_every_document_type_is_accepted() -> None:
    assert set(m.ACCEPT) == {*m.MANIFEST_TYPES, *m.INDEX_TYPES}


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        (None, ""),
        ("", ""),
        (";", ""),
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" text/plain ;x", "text/plain"),
    ],
)
def test_content_type(header: str | None, media_type: str) -> None:
    assert m.parse_content_type(header) == media_type


@given(st.text())
def test_content_type_is_total(header: str) -> None:
    assert ";" not in m.parse_content_type(header)
