# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Images in a tar archive that docker save or podman save wrote: manifest.json, configs and layers.

The format is docker's (moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format"). It has no
manifest of the distribution specification, so one is made of the config and the layers. Archives of docker 25 and later
are layouts too, and are read as such (layouts.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import typing as t
from dataclasses import dataclass

from .._base.errors import JsonInvalid
from .._base.strict_json import load
from .._base.text import quote, visible
from .._layout.errors import DocumentRefused, WrongDigest
from .._oci.config import ImageConfig
from .._oci.descriptor import Descriptor
from .._oci.digest import Digest
from .._oci.errors import OciError
from .._oci.fields import Fields
from .._oci.manifest import MAX_LAYERS
from .._oci.media_type import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_BZIP2,
    OCI_LAYER_GZIP,
    OCI_LAYER_XZ,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
)
from .._unpack.pipeline.decompress import MAGIC_BYTES, Compression, detect
from .content import Content, FileRange, HeldBytes, read_all
from .entries import StoredImage
from .layouts import missing_error
from .tar_file import invalid_error

if t.TYPE_CHECKING:
    from .tar_file import TarFile

MAX_IMAGES: t.Final = 1024
# Of all images together, since all are in memory.
MAX_ALL_LAYERS: t.Final = 16384
# Of all images together, since all are parsed, which takes seconds for each 4 MiB.
MAX_ALL_CONFIG_BYTES: t.Final = 16 * 1024 * 1024
_TYPES: t.Final[dict[Compression, str]] = {
    "none": OCI_LAYER,
    "gzip": OCI_LAYER_GZIP,
    "zstd": OCI_LAYER_ZSTD,
    "bzip2": OCI_LAYER_BZIP2,
    "xz": OCI_LAYER_XZ,
}
_HEX_NAME: t.Final = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?")


@dataclass(frozen=True)
class _Listed:
    """An element of manifest.json, with the digest of its config and the diff_ids in it."""

    config: Descriptor
    tags: tuple[str, ...]
    layers: tuple[tuple[str, Digest], ...]


class DockerArchive:
    """The images in an archive of docker save. Raises LayoutError."""

    def __init__(self, archive: TarFile, listing: Content) -> None:
        self.path = archive.path
        self._archive = archive
        self._count = 0
        self._config_bytes = 0
        self._contents: dict[Digest, Content] = {}
        self._configs: dict[str, tuple[Descriptor, tuple[Digest, ...]]] = {}
        self._layers: dict[str, Descriptor] = {}
        # by the name of a layer file, which several images may name: its media type, its size, and its digest if that
        # is not the diff_id
        self._looked_at: dict[str, tuple[str, int, Digest | None]] = {}
        try:
            listed = [self._read_image(fields) for fields in _parse_listing(listing)]
        except (OciError, JsonInvalid) as exc:
            raise DocumentRefused(exc.message) from None
        for image in listed:
            for name, diff_id in image.layers:
                if self._is_link(name):
                    continue
                content = self._file(name)
                if str(diff_id) not in self._layers:
                    self._layers[str(diff_id)] = self._describe_layer(name, content, diff_id)
        self.images = tuple(StoredImage(self._make_manifest(image), image.tags) for image in listed)

    @contextlib.contextmanager
    def opened(self, digest: Digest) -> t.Iterator[Content]:
        """See ImageFiles."""
        if digest not in self._contents:
            raise missing_error(self.path, digest)
        yield self._contents[digest]

    def _read_image(self, fields: Fields) -> _Listed:
        name, layers = fields.required_text("Config"), fields.texts("Layers") or ()
        if name not in self._configs:
            self._configs[name] = self._read_config(name)
        config, diff_ids = self._configs[name]
        if len(layers) != len(diff_ids) or len(layers) > MAX_LAYERS:
            raise DocumentRefused(
                f"Reading manifest.json failed: it lists {len(layers)} layers for the config {quote(name)}, which has "
                f"{len(diff_ids)}, and {MAX_LAYERS} is the limit; save the image again."
            )
        self._count += len(layers)
        if self._count > MAX_ALL_LAYERS:
            raise DocumentRefused(
                f"Reading manifest.json failed: its images have more than {MAX_ALL_LAYERS} layers; save fewer images."
            )
        return _Listed(config, fields.texts("RepoTags") or (), tuple(zip(layers, diff_ids)))

    def _read_config(self, name: str) -> tuple[Descriptor, tuple[Digest, ...]]:
        content = self._file(name)
        self._config_bytes += content.size
        if self._config_bytes > MAX_ALL_CONFIG_BYTES:
            raise DocumentRefused(
                f"Reading manifest.json failed: its images have more than {MAX_ALL_CONFIG_BYTES} bytes of configs; "
                "save fewer images."
            )
        data = read_all(content, what=f"the config {quote(name)}")
        digest, stated = Digest.of(data), _HEX_NAME.fullmatch(name)
        if stated is not None and stated.group(1) != digest.encoded:
            raise WrongDigest(
                f"Reading {visible(self.path)} failed: the config {quote(name)} has the digest {digest}; "
                "save the image again.",
                expected=f"sha256:{stated.group(1)}",
                actual=str(digest),
            )
        self._contents[digest] = content
        parsed = ImageConfig.parse(data, what=f"the config {quote(name)}")
        return Descriptor(OCI_CONFIG, digest, len(data)), parsed.diff_ids

    def _is_link(self, name: str) -> bool:
        member = self._archive.members.get(name)
        return member is not None and member.is_link

    def _describe_layer(self, name: str, content: Content, diff_id: Digest) -> Descriptor:
        if name not in self._looked_at:
            self._looked_at[name] = _look_at_layer(content)
        media_type, size, stored_digest = self._looked_at[name]
        digest = stored_digest or diff_id
        self._contents[digest] = content
        return Descriptor(media_type, digest, size)

    def _make_manifest(self, image: _Listed) -> Descriptor:
        layers = [self._layer(name, diff_id).as_dict() for name, diff_id in image.layers]
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": image.config.as_dict(), "layers": layers}
        data = json.dumps(document, separators=(",", ":")).encode("ascii")
        digest = Digest.of(data)
        self._contents[digest] = HeldBytes(data)
        return Descriptor(OCI_MANIFEST, digest, len(data))

    def _layer(self, name: str, diff_id: Digest) -> Descriptor:
        """Return the layer with this diff_id: docker stores a layer again as a link, which is not followed."""
        found = self._layers.get(str(diff_id))
        if found is None:
            self._file(name)
            raise missing_error(self.path, diff_id)
        return found

    def _file(self, name: str) -> FileRange:
        content = self._archive.file(name)
        if content is None:
            raise invalid_error(self.path, f"manifest.json names {quote(name)}, which is not there", "save it again")
        return content


def _look_at_layer(content: Content) -> tuple[str, int, Digest | None]:
    """Return media type and size of a layer, and of a compressed one, which is rare, the digest."""
    compression = detect(next(content.pieces(), b"")[:MAGIC_BYTES])
    if compression == "none":
        return _TYPES[compression], content.size, None
    hashed = hashlib.sha256()
    for piece in content.pieces():
        hashed.update(piece)
    return _TYPES[compression], content.size, Digest("sha256", hashed.hexdigest())


def _parse_listing(content: Content) -> list[Fields]:
    listed = load(read_all(content, what="manifest.json"), what="manifest.json")
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_IMAGES:
        raise DocumentRefused(f"Reading manifest.json failed: it must be an array of 1 to {MAX_IMAGES} images.")
    return [Fields.of(value, "manifest.json") for value in listed]


__all__ = ("MAX_ALL_CONFIG_BYTES", "MAX_ALL_LAYERS", "MAX_IMAGES", "DockerArchive")
