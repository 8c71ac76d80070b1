# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives of images: OCI archives, and stand-ins for docker save and podman save, named so, since no docker runs here.

Each function returns the bytes of a tar archive. docker_save_* follow what docker 20 to 28 write (moby,
image/tarexport/save.go, before and after the change to OCI layouts in version 25).
"""

from __future__ import annotations

import gzip
import io
import tarfile
import typing as t

from . import images
from .tar_entries import Compression, compress

CONTAINERD_NAME: t.Final = "io.containerd.image.name"

Names = t.Mapping[str, images.Image]


def tar_of(files: t.Mapping[str, bytes | str], *, prefix: str = "") -> bytes:
    """Return a tar archive of files in this order; text is the target of a symbolic link."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(prefix + name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def layout_files(
    tagged: t.Mapping[str, images.Content], *, untagged: t.Sequence[images.Content] = ()
) -> dict[str, bytes]:
    """Return the files of a layout."""
    entries = [content.descriptor(annotations={images.REF_NAME: tag}) for tag, content in tagged.items()]
    entries += [content.descriptor() for content in untagged]
    return {**_blobs([*tagged.values(), *untagged]), **_top(entries)}


def oci_archive(tagged: t.Mapping[str, images.Content], *, compression: Compression = "none", **more: t.Any) -> bytes:
    """Return an OCI archive; more is untagged."""
    return compress(tar_of(layout_files(tagged, **more)), compression)


def docker_save_old_files(names: Names) -> dict[str, bytes | str]:
    """Return the files of an archive of docker save before version 25: directories with layer.tar.

    A layer that is there already is a symbolic link to it.
    """
    files: dict[str, bytes | str] = {}
    listing = []
    first: dict[str, str] = {}
    for number, (name, image) in enumerate(names.items()):
        paths = []
        for position, layer in enumerate(image.layers):
            folder = images.digest_of(f"{number}/{position}".encode()).partition(":")[2]
            path = f"{folder}/layer.tar"
            files[f"{folder}/VERSION"] = b"1.0"
            files[f"{folder}/json"] = images.to_json({"id": folder})
            files[path] = f"../{first[layer.diff_id]}" if layer.diff_id in first else layer.tar
            first.setdefault(layer.diff_id, path)
            paths.append(path)
        config = f"{image.config.digest.partition(':')[2]}.json"
        files[config] = image.config.data
        listing.append({"Config": config, "RepoTags": [name], "Layers": paths})
    files["manifest.json"] = images.to_json(listing)
    files["repositories"] = images.to_json({})
    return files


def docker_save_old(names: Names) -> bytes:
    """Return an archive of docker save before version 25."""
    return tar_of(docker_save_old_files(names))


def docker_save_new(names: Names) -> bytes:
    """Return an archive of docker save from version 25 on: a layout with full names, and manifest.json beside it."""
    files: dict[str, bytes | str] = {}
    listing, entries = [], []
    for name, image in names.items():
        layers = [images.layer(layer.tar, compression="none") for layer in image.layers]
        plain = images.image(layers, config_content=image.config)
        files.update(_blobs([plain]))
        tag = name.rpartition(":")[2]
        entries.append(
            plain.descriptor(annotations={CONTAINERD_NAME: f"docker.io/library/{name}", images.REF_NAME: tag})
        )
        paths = [_path(layer.digest) for layer in layers]
        listing.append({"Config": _path(image.config.digest), "RepoTags": [name], "Layers": paths})
    return tar_of({**files, **_top(entries), "manifest.json": images.to_json(listing)})


def podman_save(names: Names) -> bytes:
    """Return an archive of podman save: configs and layers at the top, and links to them for old versions of docker."""
    files: dict[str, bytes | str] = {}
    listing = []
    for name, image in names.items():
        paths = []
        for layer in image.layers:
            encoded = layer.diff_id.partition(":")[2]
            files[f"{encoded}.tar"] = layer.tar
            files[f"{encoded}/layer.tar"] = f"../{encoded}.tar"
            paths.append(f"{encoded}.tar")
        config = f"{image.config.digest.partition(':')[2]}.json"
        files[config] = image.config.data
        listing.append({"Config": config, "RepoTags": [f"localhost/{name}"], "Layers": paths})
    return tar_of({**files, "repositories": b"{}", "manifest.json": images.to_json(listing)})


def gzipped(data: bytes) -> bytes:
    """Return the bytes as a gzip file."""
    return gzip.compress(data, mtime=0)


def _blobs(contents: t.Iterable[images.Content]) -> dict[str, bytes]:
    return {_path(digest): data for content in contents for digest, data in content.blobs().items()}


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _top(entries: t.Sequence[images.Json]) -> dict[str, bytes]:
    index = {"schemaVersion": 2, "mediaType": images.OCI_INDEX, "manifests": list(entries)}
    return {"index.json": images.to_json(index), "oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}


__all__ = (
    "CONTAINERD_NAME",
    "Names",
    "docker_save_new",
    "docker_save_old",
    "docker_save_old_files",
    "gzipped",
    "layout_files",
    "oci_archive",
    "podman_save",
    "tar_of",
)
