# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The media types of OCI and docker (image-spec, media-types.md), and what each one means."""

from __future__ import annotations

import typing as t

from .._base.text import quote
from .errors import Unsupported

Compression = t.Literal["none", "gzip", "zstd", "bzip2", "xz"]

_OCI: t.Final = "application/vnd.oci.image."
_DOCKER: t.Final = "application/vnd.docker."

OCI_MANIFEST: t.Final = _OCI + "manifest.v1+json"
OCI_INDEX: t.Final = _OCI + "index.v1+json"
OCI_CONFIG: t.Final = _OCI + "config.v1+json"
OCI_LAYER: t.Final = _OCI + "layer.v1.tar"
OCI_LAYER_GZIP: t.Final = OCI_LAYER + "+gzip"
OCI_LAYER_ZSTD: t.Final = OCI_LAYER + "+zstd"
# not in image-spec; ocilot and some builders write them
OCI_LAYER_BZIP2: t.Final = OCI_LAYER + "+bzip2"
OCI_LAYER_XZ: t.Final = OCI_LAYER + "+xz"
OCI_LAYER_NONDISTRIBUTABLE: t.Final = _OCI + "layer.nondistributable.v1.tar"
OCI_LAYER_NONDISTRIBUTABLE_GZIP: t.Final = OCI_LAYER_NONDISTRIBUTABLE + "+gzip"
OCI_LAYER_NONDISTRIBUTABLE_ZSTD: t.Final = OCI_LAYER_NONDISTRIBUTABLE + "+zstd"
OCI_EMPTY: t.Final = "application/vnd.oci.empty.v1+json"
# defined in release candidates of image-spec 1.1 and withdrawn before the release
OCI_ARTIFACT_MANIFEST: t.Final = "application/vnd.oci.artifact.manifest.v1+json"

DOCKER_MANIFEST: t.Final = _DOCKER + "distribution.manifest.v2+json"
DOCKER_MANIFEST_LIST: t.Final = _DOCKER + "distribution.manifest.list.v2+json"
DOCKER_CONFIG: t.Final = _DOCKER + "container.image.v1+json"
DOCKER_LAYER: t.Final = _DOCKER + "image.rootfs.diff.tar"
DOCKER_LAYER_GZIP: t.Final = DOCKER_LAYER + ".gzip"
DOCKER_LAYER_ZSTD: t.Final = DOCKER_LAYER + ".zstd"
DOCKER_LAYER_FOREIGN: t.Final = _DOCKER + "image.rootfs.foreign.diff.tar"
DOCKER_LAYER_FOREIGN_GZIP: t.Final = DOCKER_LAYER_FOREIGN + ".gzip"
DOCKER_LAYER_FOREIGN_ZSTD: t.Final = DOCKER_LAYER_FOREIGN + ".zstd"
DOCKER_SCHEMA1: t.Final = _DOCKER + "distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED: t.Final = _DOCKER + "distribution.manifest.v1+prettyjws"

MANIFEST_TYPES: t.Final = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES: t.Final = (OCI_INDEX, DOCKER_MANIFEST_LIST)
CONFIG_TYPES: t.Final = (OCI_CONFIG, DOCKER_CONFIG)
# What registries and clients wrote from 2015 to 2018 in place of docker's config type. moby treats them as image
# configs (distribution/registry.go: defaultImageTypes; distribution#1621, moby#22378, moby#30083).
_GENERIC_CONFIG_TYPES: t.Final = ("", "application/json", "application/octet-stream", "text/html")
SCHEMA1_TYPES: t.Final = (DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED)

# the Accept header of a client, preferred types first
ACCEPT: t.Final = (OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST_LIST, DOCKER_MANIFEST)

_LAYERS: t.Final[dict[str, Compression]] = {
    OCI_LAYER: "none",
    OCI_LAYER_GZIP: "gzip",
    OCI_LAYER_ZSTD: "zstd",
    OCI_LAYER_BZIP2: "bzip2",
    OCI_LAYER_XZ: "xz",
    DOCKER_LAYER: "none",
    DOCKER_LAYER_GZIP: "gzip",
    DOCKER_LAYER_ZSTD: "zstd",
}
_NONDISTRIBUTABLE: t.Final[dict[str, Compression]] = {
    OCI_LAYER_NONDISTRIBUTABLE: "none",
    OCI_LAYER_NONDISTRIBUTABLE_GZIP: "gzip",
    OCI_LAYER_NONDISTRIBUTABLE_ZSTD: "zstd",
    OCI_LAYER_NONDISTRIBUTABLE + "+bzip2": "bzip2",
    OCI_LAYER_NONDISTRIBUTABLE + "+xz": "xz",
    DOCKER_LAYER_FOREIGN: "none",
    DOCKER_LAYER_FOREIGN_GZIP: "gzip",
    DOCKER_LAYER_FOREIGN_ZSTD: "zstd",
}


def parse_content_type(header: str | None) -> str:
    """Return the media type of a Content-Type header: lower case, no parameters, "" without a header. Total."""
    return (header or "").partition(";")[0].strip().lower()


def is_manifest(media_type: str) -> bool:
    """Tell whether the type is an image manifest of OCI or docker schema 2."""
    return media_type in MANIFEST_TYPES


def is_index(media_type: str) -> bool:
    """Tell whether the type is an image index or a docker manifest list."""
    return media_type in INDEX_TYPES


def is_image_config(media_type: str) -> bool:
    """Tell whether the type is an image config, which makes a manifest an image (image-spec, manifest.md)."""
    return media_type in CONFIG_TYPES


def is_generic_config(media_type: str) -> bool:
    """Tell whether the type, without parameters, is a generic one that old docker manifests give image configs."""
    return parse_content_type(media_type) in _GENERIC_CONFIG_TYPES


def is_schema1(media_type: str) -> bool:
    """Tell whether the type is docker's withdrawn manifest schema 1."""
    return media_type in SCHEMA1_TYPES


def is_layer(media_type: str) -> bool:
    """Tell whether the type is a filesystem changeset, nondistributable ones included."""
    return media_type in _LAYERS or media_type in _NONDISTRIBUTABLE


def is_nondistributable(media_type: str) -> bool:
    """Tell whether the type is a nondistributable (docker: foreign) layer."""
    return media_type in _NONDISTRIBUTABLE


def layer_compression(media_type: str) -> Compression:
    """Return the compression that a layer type states. Raises Unsupported for any other type."""
    compression = _LAYERS.get(media_type) or _NONDISTRIBUTABLE.get(media_type)
    if compression is None:
        raise Unsupported(
            f"A layer of media type {quote(media_type)} cannot be unpacked: it is not a filesystem changeset; "
            "check that the reference names a container image and not another artifact.",
            media_type=media_type,
        )
    return compression


__all__ = (
    "ACCEPT",
    "CONFIG_TYPES",
    "DOCKER_CONFIG",
    "DOCKER_LAYER",
    "DOCKER_LAYER_FOREIGN",
    "DOCKER_LAYER_FOREIGN_GZIP",
    "DOCKER_LAYER_FOREIGN_ZSTD",
    "DOCKER_LAYER_GZIP",
    "DOCKER_LAYER_ZSTD",
    "DOCKER_MANIFEST",
    "DOCKER_MANIFEST_LIST",
    "DOCKER_SCHEMA1",
    "DOCKER_SCHEMA1_SIGNED",
    "INDEX_TYPES",
    "MANIFEST_TYPES",
    "OCI_ARTIFACT_MANIFEST",
    "OCI_CONFIG",
    "OCI_EMPTY",
    "OCI_INDEX",
    "OCI_LAYER",
    "OCI_LAYER_BZIP2",
    "OCI_LAYER_GZIP",
    "OCI_LAYER_NONDISTRIBUTABLE",
    "OCI_LAYER_NONDISTRIBUTABLE_GZIP",
    "OCI_LAYER_NONDISTRIBUTABLE_ZSTD",
    "OCI_LAYER_XZ",
    "OCI_LAYER_ZSTD",
    "OCI_MANIFEST",
    "SCHEMA1_TYPES",
    "Compression",
    "is_generic_config",
    "is_image_config",
    "is_index",
    "is_layer",
    "is_manifest",
    "is_nondistributable",
    "is_schema1",
    "layer_compression",
    "parse_content_type",
)
