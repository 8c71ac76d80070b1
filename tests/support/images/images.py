# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make OCI images in memory, and write OCI layouts from them, as input of the tests.

All functions are deterministic: the same call gives the same bytes, so digests can be compared between runs.

    base = layer([directory("etc"), file("etc/motd", b"hello\\n"), symlink("etc/issue", "motd")])
    top = layer([whiteout("etc/motd"), file("bin/su", b"", mode=0o4755)], compression="zstd")
    app = image([base, top], platform="linux/arm64", annotations={"org.example": "yes"})
    many = index([app, image([base], platform="linux/amd64")])
    write_layout(tmp_path / "app", {"1.0": app, "latest": many})

Every object has ``data`` (its bytes), ``digest``, ``size``, ``media_type``, ``descriptor()`` (for a document
that refers to it) and ``blobs()`` (digest -> bytes of it and of all that it refers to). Tests of invalid registries and
layouts start from a valid one and change a file or a document.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pathlib
import typing as t
from dataclasses import dataclass, field

from .tar_entries import (
    MTIME,
    Compression,
    Entry,
    compress,
    device,
    directory,
    entry,
    fifo,
    file,
    hardlink,
    opaque,
    raw,
    symlink,
    tar,
    whiteout,
)

OCI_INDEX: t.Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: t.Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: t.Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: t.Final = "application/vnd.oci.image.layer.v1.tar"
OCI_NONDISTRIBUTABLE_LAYER: t.Final = "application/vnd.oci.image.layer.nondistributable.v1.tar"
OCI_EMPTY: t.Final = "application/vnd.oci.empty.v1+json"
DOCKER_INDEX: t.Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: t.Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: t.Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: t.Final = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_FOREIGN_LAYER: t.Final = "application/vnd.docker.image.rootfs.foreign.diff.tar"

REF_NAME: t.Final = "org.opencontainers.image.ref.name"
CREATED: t.Final = "2024-07-19T13:44:56Z"

Json = dict[str, t.Any]


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of data, such as "sha256:..."."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def to_json(value: t.Any) -> bytes:
    """Return a document as bytes: keys in the given order, no white space."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


# --- the documents of an image --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Content:
    """Bytes with a media type: the target of a descriptor."""

    data: bytes
    media_type: str
    annotations: t.Mapping[str, str] = field(default_factory=dict)
    children: tuple[Content, ...] = ()
    platform: Json | None = None
    artifact_type: str | None = None
    urls: tuple[str, ...] = ()
    algorithm: str = "sha256"
    stored: bool = True

    @functools.cached_property
    def digest(self) -> str:
        return digest_of(self.data, self.algorithm)

    @property
    def size(self) -> int:
        return len(self.data)

    def descriptor(self, **changes: t.Any) -> Json:
        """Return the descriptor of this content; ``changes`` are JSON members to set, or to omit if None."""
        members: Json = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        optional = {"platform": self.platform, "artifactType": self.artifact_type, "urls": list(self.urls)}
        members.update({name: value for name, value in optional.items() if value})
        members.update(changes)
        return {name: value for name, value in members.items() if value is not None}

    def blobs(self) -> dict[str, bytes]:
        """Return digest -> bytes of this content and all that it refers to, except content that is not ``stored``."""
        found = {self.digest: self.data} if self.stored else {}
        for child in self.children:
            found.update(child.blobs())
        return found

    def document(self) -> Json:
        """Return this content as JSON, to be changed and passed to ``document_of``."""
        value: Json = json.loads(self.data)
        return value


@dataclass(frozen=True)
class Layer(Content):
    """A layer: ``data`` is the blob, ``tar`` the uncompressed archive."""

    tar: bytes = b""

    @functools.cached_property
    def diff_id(self) -> str:
        return digest_of(self.tar)


@dataclass(frozen=True)
class Image(Content):
    """A manifest with its config and layers."""

    @property
    def config(self) -> Content:
        return self.children[0]

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(child for child in self.children[1:] if isinstance(child, Layer))


@dataclass(frozen=True)
class Index(Content):
    """An index with its manifests or nested indexes."""

    @property
    def manifests(self) -> tuple[Content, ...]:
        return self.children


def layer(
    entries: t.Iterable[Entry] | bytes,
    *,
    compression: Compression = "gzip",
    docker: bool = False,
    nondistributable: bool = False,
    media_type: str | None = None,
    annotations: t.Mapping[str, str] | None = None,
    **more: t.Any,
) -> Layer:
    """Make a layer of entries or of a complete tar archive.

    The media type follows ``compression``, ``docker`` and ``nondistributable`` unless ``media_type`` is given. ``more``
    are fields of Content, such as ``stored=False`` for a layer that no layout and no registry has.
    """
    archive = entries if isinstance(entries, bytes) else tar(entries)
    return Layer(
        compress(archive, compression),
        media_type or _layer_type(compression, docker, nondistributable),
        annotations or {},
        tar=archive,
        **more,
    )


def _layer_type(compression: Compression, docker: bool, nondistributable: bool) -> str:
    if docker:
        base = DOCKER_FOREIGN_LAYER if nondistributable else DOCKER_LAYER
        return base if compression == "none" else f"{base}.{compression}"
    base = OCI_NONDISTRIBUTABLE_LAYER if nondistributable else OCI_LAYER
    return base if compression == "none" else f"{base}+{compression}"


def platform_of(text: str) -> Json:
    """Return the JSON object of a descriptor for a platform such as "linux/arm64/v8"."""
    system, architecture, *variant = text.split("/")
    members = {"architecture": architecture, "os": system}
    return {**members, "variant": variant[0]} if variant else members


def config(
    layers: t.Sequence[Layer], *, platform: str = "linux/amd64", docker: bool = False, **members: t.Any
) -> Content:
    """Make the config of an image of these layers; ``members`` are JSON members to set, or to omit if None."""
    document: Json = {"created": CREATED, **platform_of(platform)}
    document["config"] = {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/sh"]}
    document["rootfs"] = {"type": "layers", "diff_ids": [item.diff_id for item in layers]}
    document["history"] = [
        {"created": CREATED, "created_by": f"layer {number}"} for number in range(1, len(layers) + 1)
    ]
    document.update(members)
    kept = {name: value for name, value in document.items() if value is not None}
    return Content(to_json(kept), DOCKER_CONFIG if docker else OCI_CONFIG)


def image(
    layers: t.Sequence[Layer],
    *,
    platform: str = "linux/amd64",
    docker: bool = False,
    config_content: Content | None = None,
    config_members: t.Mapping[str, t.Any] | None = None,
    annotations: t.Mapping[str, str] | None = None,
    changes: t.Mapping[str, t.Any] | None = None,
) -> Image:
    """Make an image of these layers.

    ``config_members`` go into the config, ``config_content`` replaces it (for artifacts); ``changes`` are JSON members
    of the manifest to set, or to omit if None (``{"mediaType": None}``).
    """
    settings = config_content or config(layers, platform=platform, docker=docker, **(config_members or {}))
    document: Json = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
        "config": settings.descriptor(),
        "layers": [item.descriptor(annotations=dict(item.annotations) or None) for item in layers],
        "annotations": dict(annotations or {}) or None,
    }
    media_type = document["mediaType"]
    document.update(changes or {})
    kept = {name: value for name, value in document.items() if value is not None}
    return Image(
        to_json(kept), media_type, annotations or {}, children=(settings, *layers), platform=platform_of(platform)
    )


def artifact(artifact_type: str, files: t.Sequence[Content], *, changes: t.Mapping[str, t.Any] | None = None) -> Image:
    """Make an artifact manifest: the empty config, and files of any media type in place of layers."""
    empty = Content(b"{}", OCI_EMPTY)
    document: Json = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": empty.descriptor(),
        "layers": [item.descriptor() for item in files],
        **(changes or {}),
    }
    return Image(to_json(document), OCI_MANIFEST, children=(empty, *files), artifact_type=artifact_type)


def index(
    manifests: t.Sequence[Content],
    *,
    docker: bool = False,
    annotations: t.Mapping[str, str] | None = None,
    changes: t.Mapping[str, t.Any] | None = None,
) -> Index:
    """Make an index of images (with their platforms) or indexes; ``changes`` as for image()."""
    media_type = DOCKER_INDEX if docker else OCI_INDEX
    document: Json = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [item.descriptor() for item in manifests],
        "annotations": dict(annotations or {}) or None,
    }
    document.update(changes or {})
    kept = {name: value for name, value in document.items() if value is not None}
    return Index(to_json(kept), media_type, annotations or {}, children=tuple(manifests))


def document_of(value: t.Any, like: Content) -> Content:
    """Return ``like`` with a JSON value as its bytes, for documents that contradict the content that they refer to."""
    return Content(to_json(value), like.media_type, like.annotations, like.children, like.platform)


# --- layouts on disk ------------------------------------------------------------------------------------------------


def write_blob(layout: str | os.PathLike[str], digest: str, data: bytes) -> pathlib.Path:
    """Write bytes to the path of a digest in a layout, whether they have that digest or not."""
    path = blob_path(layout, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def blob_path(layout: str | os.PathLike[str], digest: str) -> pathlib.Path:
    """Return the path of a digest in a layout."""
    algorithm, dummy, encoded = digest.partition(":")
    return pathlib.Path(layout) / "blobs" / algorithm / encoded


def write_layout(
    path: str | os.PathLike[str],
    tagged: t.Mapping[str, Content],
    *,
    untagged: t.Sequence[Content] = (),
    changes: t.Mapping[str, t.Any] | None = None,
) -> pathlib.Path:
    """Write an OCI layout with these contents, tagged or not; return its path.

    ``changes`` are JSON members of index.json to set, or to omit if None.
    """
    root = pathlib.Path(path)
    (root / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    (root / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    entries = [content.descriptor(annotations={REF_NAME: tag}) for tag, content in tagged.items()]
    entries += [content.descriptor() for content in untagged]
    for content in {id(content): content for content in (*tagged.values(), *untagged)}.values():
        for digest, data in content.blobs().items():
            write_blob(root, digest, data)
    write_index(root, entries, changes=changes)
    return root


def write_index(
    layout: str | os.PathLike[str], descriptors: t.Sequence[Json], *, changes: t.Mapping[str, t.Any] | None = None
) -> None:
    """Replace the index.json of a layout by one with these descriptors; ``changes`` as for write_layout()."""
    document: Json = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(descriptors), **(changes or {})}
    kept = {name: value for name, value in document.items() if value is not None}
    (pathlib.Path(layout) / "index.json").write_bytes(to_json(kept))


__all__ = (
    "CREATED",
    "DOCKER_CONFIG",
    "DOCKER_FOREIGN_LAYER",
    "DOCKER_INDEX",
    "DOCKER_LAYER",
    "DOCKER_MANIFEST",
    "MTIME",
    "OCI_CONFIG",
    "OCI_EMPTY",
    "OCI_INDEX",
    "OCI_LAYER",
    "OCI_MANIFEST",
    "OCI_NONDISTRIBUTABLE_LAYER",
    "REF_NAME",
    "Content",
    "Entry",
    "Image",
    "Index",
    "Layer",
    "artifact",
    "blob_path",
    "compress",
    "config",
    "device",
    "digest_of",
    "directory",
    "document_of",
    "entry",
    "fifo",
    "file",
    "hardlink",
    "image",
    "index",
    "layer",
    "opaque",
    "platform_of",
    "raw",
    "symlink",
    "tar",
    "to_json",
    "whiteout",
    "write_blob",
    "write_index",
    "write_layout",
)
