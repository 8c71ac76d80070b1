# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OCI layouts with one layer of any number of small files or of any size, always the same, written piece by piece."""

from __future__ import annotations

import hashlib
import itertools
import random
import tarfile
import typing as t
import zlib
from pathlib import Path

from ansible_collections.attested.registry.tests.support.images import images

from . import torch_layer

TAG: t.Final = "bench"
SMALL_BYTES: t.Final = 100
_SEED: t.Final = 1
_LARGE_BYTES: t.Final = 128_000_000
_PIECE_BYTES: t.Final = 1 << 20
_FILES_IN_A_DIRECTORY: t.Final = 100
_GZIP: t.Final = 31
_NAME: t.Final = slice(0, 100)
_CHECKSUM: t.Final = slice(148, 156)


def many_entries(layout: Path, count: int) -> None:
    """Write a layout whose layer has so many entries: files of 100 random bytes, and their directories."""
    _write(layout, _grouped(itertools.chain(itertools.islice(_small_entries(), count), [bytes(1024)])))


def many_bytes(layout: Path, size: int) -> None:
    """Write a layout whose layer has so many bytes, in files of 128 MB that compress like those of torch_layer."""
    _write(layout, itertools.chain(_large_files(size), [bytes(1024)]))


def _small_entries() -> t.Iterator[bytes]:
    chance = random.Random(_SEED)
    folder, file = _Header(tarfile.DIRTYPE, 0o755, 0), _Header(tarfile.REGTYPE, 0o644, SMALL_BYTES)
    padding = bytes(-SMALL_BYTES % tarfile.BLOCKSIZE)
    for number in itertools.count():
        if number % _FILES_IN_A_DIRECTORY == 0:
            path = f"srv/part{number // _FILES_IN_A_DIRECTORY:06d}"
            yield folder.named(path)
        yield file.named(f"{path}/file{number:08d}") + chance.randbytes(SMALL_BYTES) + padding


class _Header:
    """The header of many members that differ in their names alone: a TarInfo for each would take most of the time."""

    def __init__(self, kind: bytes, mode: int, size: int) -> None:
        info = tarfile.TarInfo()
        info.type, info.mode, info.size, info.mtime = kind, mode, size, 1_767_322_800
        self._bytes = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
        self._bytes[_NAME], self._bytes[_CHECKSUM] = bytes(100), b" " * 8
        self._sum = sum(self._bytes)

    def named(self, name: str) -> bytes:
        """Return the header with a name of at most 100 ASCII characters."""
        encoded = name.encode("ascii")
        if len(encoded) > 100:
            raise ValueError("the name is too long for the field of a header")
        self._bytes[_NAME] = encoded.ljust(100, b"\0")
        self._bytes[_CHECKSUM] = b"%06o\0 " % (self._sum + sum(encoded))
        return bytes(self._bytes)


def _grouped(entries: t.Iterable[bytes]) -> t.Iterator[bytes]:
    source = iter(entries)
    while group := b"".join(itertools.islice(source, 1000)):
        yield group


def _large_files(size: int) -> t.Iterator[bytes]:
    chance = random.Random(_SEED)
    pools = torch_layer.make_pools(chance)
    for number, start in enumerate(range(0, size, _LARGE_BYTES)):
        length = min(_LARGE_BYTES, size - start)
        yield _Header(tarfile.REGTYPE, 0o644, length).named(f"file{number:04d}.so")
        yield from map(bytes, torch_layer.pieces(chance, pools, length, torch_layer.LIBRARY))
        yield bytes(-length % tarfile.BLOCKSIZE)


def _write(layout: Path, archive: t.Iterable[bytes]) -> None:
    """Write the layout of an image with this archive as its layer, compressed with gzip."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    size, compressed, unpacked = 0, hashlib.sha256(), hashlib.sha256()
    # the lowest level: the time that generating takes is mostly this
    deflate = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    with (blobs / "new").open("wb") as file:
        for piece in itertools.chain(archive, [None]):
            if piece is not None:
                unpacked.update(piece)
            data = deflate.flush() if piece is None else deflate.compress(piece)
            compressed.update(data)
            size += file.write(data)
    (blobs / "new").rename(blobs / compressed.hexdigest())
    layer = {"mediaType": f"{images.OCI_LAYER}+gzip", "digest": f"sha256:{compressed.hexdigest()}", "size": size}
    _write_documents(layout, layer, f"sha256:{unpacked.hexdigest()}")


def _write_documents(layout: Path, layer: images.Json, diff_id: str) -> None:
    rootfs = {"type": "layers", "diff_ids": [diff_id]}
    config = images.Content(
        images.to_json({"architecture": "amd64", "os": "linux", "rootfs": rootfs}), images.OCI_CONFIG
    )
    document = {"schemaVersion": 2, "mediaType": images.OCI_MANIFEST, "config": config.descriptor(), "layers": [layer]}
    manifest = images.Content(images.to_json(document), images.OCI_MANIFEST)
    for content in (config, manifest):
        images.write_blob(layout, content.digest, content.data)
    (layout / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    images.write_index(layout, [manifest.descriptor(annotations={images.REF_NAME: TAG})])
