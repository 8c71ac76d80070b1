# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A resolved image: verified manifest and config for one platform. Results and unpacks are made from it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._base.errors import JsonInvalid
from .._base.text import quote
from .config import ImageConfig
from .descriptor import Descriptor
from .digest import Digest
from .errors import DocumentInvalid, Unsupported
from .manifest import Manifest
from .media_type import Compression, is_image_config, layer_compression
from .platform import Platform
from .reference import Selector

if t.TYPE_CHECKING:
    from .._base.strict_json import JsonObject


@dataclass(frozen=True)
class Layer:
    """A layer of an image: its descriptor, and the digest of its uncompressed tar archive."""

    descriptor: Descriptor
    diff_id: Digest

    @property
    def compression(self) -> Compression:
        """The compression that the media type states. Raises Unsupported if the layer is not a filesystem changeset."""
        return layer_compression(self.descriptor.media_type)


@dataclass(frozen=True)
class Image:
    """An image of a registry, resolved to one platform, with verified manifest and config.

    registry is "" for an image in a layout or archive, and repository is then its path.

    An artifact (a manifest whose config is not an image config) is an Image too, with config and platform None. It can
    be shown, but layers and require_config() raise Unsupported. platforms and index_digest describe the index that led
    here; they are empty and None without one. Raises DocumentInvalid if config and manifest have different numbers of
    layers.
    """

    registry: str
    repository: str
    selector: Selector
    digest: Digest
    manifest: Manifest
    config: ImageConfig | None
    platform: Platform | None
    index_digest: Digest | None = None
    platforms: tuple[Platform, ...] = ()

    def __post_init__(self) -> None:
        if self.config is None:
            return
        layers, diff_ids = len(self.manifest.layers), len(self.config.diff_ids)
        if layers != diff_ids:
            raise DocumentInvalid(
                f"Reading the image {self.repository} ({self.selector}) failed: "
                f"its manifest has {layers} layers and its config {diff_ids} diff_ids; "
                "the image is broken, so build and push it again.",
                registry=self.registry or None,
                repository=self.repository,
                reference=str(self.selector),
            )

    @property
    def artifact_type(self) -> str | None:
        """The type of the artifact, None for an image."""
        return self.manifest.artifact

    def require_config(self) -> ImageConfig:
        """Return the image config. Raises Unsupported for an artifact."""
        if self.config is None:
            raise Unsupported(
                f"{self.repository} ({self.selector}) has no root filesystem: it is an artifact with a config of type "
                f"{quote(self.manifest.config.media_type)}; name a container image instead.",
                registry=self.registry or None,
                repository=self.repository,
                reference=str(self.selector),
            )
        return self.config

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers with their diff_ids, the base first. Raises Unsupported for an artifact."""
        return tuple(Layer(*pair) for pair in zip(self.manifest.layers, self.require_config().diff_ids))

    @property
    def total_size(self) -> int:
        """The stored size of the config and all layers in bytes."""
        return self.manifest.total_size

    def as_dict(self) -> JsonObject:
        """Return the `image` value of results.

        config is the whole document; config and diff_id are None in an artifact.
        """
        diff_ids = self.config.diff_ids if self.config is not None else (None,) * len(self.manifest.layers)
        platforms = self.platforms or (() if self.platform is None else (self.platform,))
        return {
            **image_names(self.registry, self.repository),
            "tag": self.selector.tag,
            "digest": str(self.digest),
            "media_type": self.manifest.media_type,
            "artifact_type": self.artifact_type,
            "size": len(self.manifest.raw),
            "platform": _text(self.platform),
            "config_digest": str(self.manifest.config.digest),
            "config": None if self.config is None else self.config.as_dict(),
            "annotations": dict(self.manifest.annotations),
            "layers": [_layer(*pair) for pair in zip(self.manifest.layers, diff_ids)],
            "platforms": [str(platform) for platform in platforms],
            "index_digest": _text(self.index_digest),
            "total_size": self.total_size,
        }


def parse_config(manifest: Manifest, raw: bytes) -> ImageConfig | None:
    """Parse the config of a manifest whose is_image is true.

    Returns None, which means an artifact, if the generic media type turns out not to be of an image config. Raises
    JsonInvalid and DocumentInvalid if the media type is that of an image config.
    """
    try:
        return ImageConfig.parse(raw, what=f"the config {manifest.config.digest}")
    except (JsonInvalid, DocumentInvalid):
        if is_image_config(manifest.config.media_type):
            raise
        return None


def image_names(registry: str, repository: str) -> JsonObject:
    """Return the members of the `image` value that say where the image is from; registry is "" for a layout."""
    return {
        "source": "registry" if registry else "layout",
        "registry": registry or None,
        "repository": repository,
    }


def _layer(descriptor: Descriptor, diff_id: Digest | None) -> JsonObject:
    return {
        "digest": str(descriptor.digest),
        "size": descriptor.size,
        "media_type": descriptor.media_type,
        "diff_id": _text(diff_id),
        "annotations": dict(descriptor.annotations),
    }


def _text(value: Digest | Platform | None) -> str | None:
    return None if value is None else str(value)


__all__ = ("Image", "Layer", "image_names", "parse_config")
