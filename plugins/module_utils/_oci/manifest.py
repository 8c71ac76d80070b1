# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Image manifests (image-spec, manifest.md; docker's image manifest version 2, schema 2)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .annotations import parse_annotations
from .descriptor import Descriptor
from .errors import Unsupported
from .media_type import DOCKER_MANIFEST, OCI_EMPTY, is_generic_config, is_image_config, is_layer

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .fields import Fields

MAX_LAYERS: t.Final = 512


@dataclass(frozen=True)
class Manifest:
    """An image manifest (image-spec, manifest.md; docker's schema 2). raw has the bytes that its digest covers."""

    raw: bytes = field(repr=False)
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str | None = None
    subject: Descriptor | None = None

    @classmethod
    def from_fields(cls, fields: Fields, *, raw: bytes, media_type: str) -> Manifest:
        """Read the fields of a manifest document. Raises DocumentInvalid, and Unsupported for more than 512 layers."""
        layers = fields.objects("layers")
        if len(layers) > MAX_LAYERS:
            raise Unsupported(f"The manifest has {len(layers)} layers, and {MAX_LAYERS} is the limit.")
        subject = fields.object("subject")
        return cls(
            raw=raw,
            media_type=media_type,
            config=Descriptor.from_fields(fields.required_object("config"), typed=media_type != DOCKER_MANIFEST),
            layers=tuple(Descriptor.from_fields(layer) for layer in layers),
            annotations=parse_annotations(fields),
            artifact_type=fields.media_type("artifactType"),
            subject=None if subject is None else Descriptor.from_fields(subject),
        )

    @property
    def is_image(self) -> bool:
        """Whether the config is an image config. If not, this is an artifact, and its config must not be parsed.

        In a docker manifest whose layers are docker's, a config of a generic type is an image config, as in moby.
        """
        return is_image_config(self.config.media_type) or (
            self.media_type == DOCKER_MANIFEST
            and self.artifact_type is None
            and is_generic_config(self.config.media_type)
            and all(is_layer(layer.media_type) for layer in self.layers)
        )

    @property
    def artifact(self) -> str | None:
        """The type of the artifact: artifactType, or else the type of its config; None for images."""
        if self.artifact_type is not None or self.is_image:
            return self.artifact_type
        return None if self.config.media_type == OCI_EMPTY else self.config.media_type

    @property
    def total_size(self) -> int:
        """The stored size of the config and all layers in bytes."""
        return self.config.size + sum(layer.size for layer in self.layers)


__all__ = ("MAX_LAYERS", "Manifest")
