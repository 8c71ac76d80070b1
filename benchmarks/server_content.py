# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry directories that the servers are measured with."""

from __future__ import annotations

import hashlib
import json
import os
import typing as t
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_REF_NAME = "org.opencontainers.image.ref.name"
_CHUNK = 1 << 20

Json = dict[str, t.Any]


@dataclass(frozen=True)
class Blob:
    """A file under blobs/."""

    digest: str
    size: int

    def descriptor(self, media_type: str, **more: t.Any) -> Json:
        return {"mediaType": media_type, "digest": self.digest, "size": self.size, **more}


def big(layout: Path, size: int) -> Blob:
    """A layout with the tag latest, an image of one layer of random bytes; returns the layer."""
    layer = _store(layout, (os.urandom(_CHUNK) for dummy in range(size // _CHUNK)))
    _finish(layout, {"latest": _image(layout, [layer])})
    return layer


def many_tags(layout: Path, count: int) -> None:
    """A layout of count images, each with a tag, that share a small layer."""
    layer = _store(layout, [b"\0" * 1024])
    _finish(layout, {f"tag-{number}": _image(layout, [layer], label=str(number)) for number in range(count)})


def large(layout: Path, size: int, *, files: int) -> None:
    """A layout with layers of size bytes together, in sparse files, which take no room."""
    layers = [_store_zeros(layout, size // files + number) for number in range(files)]
    _finish(layout, {"latest": _image(layout, layers)})


def _image(layout: Path, layers: t.Sequence[Blob], *, label: str = "") -> Blob:
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"number": label}},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _document(layout, config).descriptor(_CONFIG),
        "layers": [layer.descriptor(_LAYER) for layer in layers],
    }
    return _document(layout, manifest)


def _document(layout: Path, value: Json) -> Blob:
    return _store(layout, [json.dumps(value).encode()])


def _store(layout: Path, pieces: t.Iterable[bytes]) -> Blob:
    directory = _directory(layout)
    digest, size = hashlib.sha256(), 0
    with (directory / "new").open("wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    (directory / "new").rename(directory / digest.hexdigest())
    return Blob(f"sha256:{digest.hexdigest()}", size)


def _store_zeros(layout: Path, size: int) -> Blob:
    directory, digest = _directory(layout), hashlib.sha256()
    zeros = bytes(_CHUNK)
    for dummy in range(size // _CHUNK):
        digest.update(zeros)
    digest.update(bytes(size % _CHUNK))
    path = directory / digest.hexdigest()
    path.touch()
    os.truncate(path, size)
    return Blob(f"sha256:{digest.hexdigest()}", size)


def _directory(layout: Path) -> Path:
    directory = layout / "blobs" / "sha256"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _finish(layout: Path, tags: t.Mapping[str, Blob]) -> None:
    manifests = [blob.descriptor(MANIFEST, annotations={_REF_NAME: tag}) for tag, blob in tags.items()]
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
