# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lower bound of an unpack: hashing an image's layers in both forms and inflating them, each on one core."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

# isal is slower with larger pieces.
_PIECE_BYTES = 64 << 10

Reader = t.Callable[[t.IO[bytes]], t.IO[bytes]]


@dataclass(frozen=True)
class Floor:
    """Seconds on one core, and how many bytes they were spent on."""

    compressed_bytes: int
    unpacked_bytes: int
    hash_compressed: float
    hash_unpacked: float
    inflate: t.Mapping[str, float]

    def on_two_cores(self, inflater: str) -> float:
        """The least wall time: the work split evenly, but a stream is inflated on one core and hashed on one core."""
        parts = (self.hash_compressed, self.hash_unpacked, self.inflate[inflater])
        return max(sum(parts) / 2, *parts)


def measure(layout: Path, tag: str) -> Floor:
    """The floor of an image of gzip layers in an OCI layout, with zlib, and with isal when it is installed."""
    layers = _layer_files(layout, tag)
    compressed, hash_compressed = _hash(layers)
    inflate: dict[str, float] = {}
    for name, reader in _readers().items():
        unpacked, inflate[name], hash_unpacked = _inflate(layers, reader)
    return Floor(compressed, unpacked, hash_compressed, hash_unpacked, inflate)


def _layer_files(layout: Path, tag: str) -> list[Path]:
    def blob(digest: str) -> Path:
        return layout / "blobs" / digest.replace(":", "/")

    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    (digest,) = (e["digest"] for e in entries if e["annotations"]["org.opencontainers.image.ref.name"] == tag)
    return [blob(layer["digest"]) for layer in json.loads(blob(digest).read_bytes())["layers"]]


def _gzip(stream: t.IO[bytes]) -> t.IO[bytes]:
    return t.cast("t.IO[bytes]", gzip.open(stream))


def _readers() -> dict[str, Reader]:
    readers: dict[str, Reader] = {"zlib": _gzip}
    try:
        igzip = importlib.import_module("isal.igzip")
    except ImportError:
        return readers
    return {**readers, "isal": igzip.open}


def _hash(files: t.Sequence[Path]) -> tuple[int, float]:
    size = 0
    seconds = 0.0
    for file in files:
        with file.open("rb") as stream:
            count, took = _hash_stream(stream)
        size += count
        seconds += took
    return size, seconds


def _inflate(files: t.Sequence[Path], reader: Reader) -> tuple[int, float, float]:
    """How many bytes came out, and the seconds that inflating and hashing them took."""
    begin = time.perf_counter()
    unpacked = 0
    hashing = 0.0
    for file in files:
        with file.open("rb") as stream:
            count, took = _hash_stream(reader(stream))
        unpacked += count
        hashing += took
    return unpacked, time.perf_counter() - begin - hashing, hashing


def _hash_stream(stream: t.IO[bytes]) -> tuple[int, float]:
    digest = hashlib.sha256()
    size = 0
    seconds = 0.0
    while piece := stream.read(_PIECE_BYTES):
        size += len(piece)
        begin = time.perf_counter()
        digest.update(piece)
        seconds += time.perf_counter() - begin
    return size, seconds
