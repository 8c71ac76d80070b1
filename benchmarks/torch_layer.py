# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tar archive like an image for machine learning: 1.3 GB in 400 files, most of it in twenty; always the same bytes.

The proportions are those of a Python environment with a framework for GPUs: shared libraries, weights, and some Python.
What the parts are made of was chosen by comparison with libLLVM, librustc_driver, libclang-cpp and node of Linux on
amd64, 1 MiB from every twelfth of each. Their code compresses 2.0 to 2.5 times with gzip -6, their tables (relocations,
symbols, constants) 3 to 5 times, each as a whole 2.3 to 3.1 times; one core inflates 610 to 790 MB/s of them with isal,
310 to 400 MB/s with zlib. This layer compresses 1.9 times, since weights are random numbers whose exponents alone
compress, and kernels for GPUs are compressed already; the same core inflates 740 MB/s of it with isal, 390 with zlib.
"""

from __future__ import annotations

import array
import io
import itertools
import random
import struct
import tarfile
import typing as t
from pathlib import Path

_MTIME: t.Final = 1_767_322_800
_SEED: t.Final = 20261129
# much more than the window of deflate, so that what two files have in common compresses neither of them better
_POOL_BYTES: t.Final = 16 << 20
_PIECE_BYTES: t.Final = 1 << 20
# which share of the sequences in code ends with an address
_ADDRESSES: t.Final = 0.25
_PACKAGES: t.Final = "opt/venv/lib/python3.11/site-packages"

Part = t.Literal["code", "tables", "weights", "kernels", "text"]
Parts = t.Sequence[tuple[Part, float]]
Pools = t.Mapping[Part, bytes]

# the parts of a shared library, one after the other
LIBRARY: t.Final[Parts] = (("tables", 0.23), ("code", 0.52), ("tables", 0.15), ("kernels", 0.10))
_LIBRARY_MB: t.Final = (340, 200, 140, 110, 90, 70, 60, 45, 35, 25, 18, 12, 9, 6)
_WEIGHTS_MB: t.Final = (80, 50, 30, 12, 6)
_PYTHON_FILES: t.Final = 360


def write(path: Path, scale: float = 1.0) -> int:
    """Write the archive, of which scale is the part of its size; return the number of its entries."""
    chance = random.Random(_SEED)
    pools = make_pools(chance)
    made: set[str] = set()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, size, parts in _files(chance, scale):
            for folder in _missing_folders(name, made):
                archive.addfile(_header(folder, tarfile.DIRTYPE, 0o755))
            header = _header(name, tarfile.REGTYPE, 0o755 if ".so" in name else 0o644)
            header.size = size
            archive.addfile(header, t.cast("t.IO[bytes]", io.BufferedReader(_Content(chance, pools, size, parts))))
        return len(archive.getmembers())


def _files(chance: random.Random, scale: float) -> t.Iterator[tuple[str, int, Parts]]:
    for number, megabytes in enumerate(_LIBRARY_MB):
        yield f"{_PACKAGES}/torch/lib/libtorch_part{number:02d}.so", int(megabytes * 1e6 * scale), LIBRARY
    for number, megabytes in enumerate(_WEIGHTS_MB):
        yield f"srv/model/model-{number:05d}.safetensors", int(megabytes * 1e6 * scale), (("weights", 1.0),)
    for number in range(_PYTHON_FILES):
        size = min(int(chance.lognormvariate(0, 1.3) * 6_000), 1 << 20)
        yield f"{_PACKAGES}/torch/module{number % 24:02d}/file{number:03d}.py", size, (("text", 1.0),)


class _Content(io.RawIOBase):
    """The bytes of one file: pieces from everywhere in the pools of its parts."""

    def __init__(self, chance: random.Random, pools: Pools, size: int, parts: Parts) -> None:
        self._pieces = pieces(chance, pools, size, parts)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        if not self._rest:
            self._rest = next(self._pieces, memoryview(b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def pieces(chance: random.Random, pools: Pools, size: int, parts: Parts) -> t.Iterator[memoryview]:
    """Yield size bytes: of each part its share, in pieces from everywhere in its pool."""
    left = size
    for number, (part, share) in enumerate(parts):
        last = number == len(parts) - 1
        part_left = left if last else int(size * share)
        left -= part_left
        while part_left > 0:
            length = min(part_left, _PIECE_BYTES)
            start = chance.randrange(_POOL_BYTES - length)
            yield memoryview(pools[part])[start : start + length]
            part_left -= length


def make_pools(chance: random.Random) -> dict[Part, bytes]:
    """Make 16 MiB of each part."""
    return {
        "code": _code(chance),
        "tables": _tables(chance),
        "weights": _weights(chance),
        "kernels": chance.randbytes(_POOL_BYTES),
        "text": _text(chance),
    }


def _code(chance: random.Random) -> bytes:
    """Make code: few operations are frequent, a function repeats its own short sequences, addresses all differ."""
    operations = [chance.randbytes(chance.choice((1, 2, 2, 3, 3, 4))) for dummy in range(2000)]
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(operations))))
    out = bytearray()
    while len(out) < _POOL_BYTES:
        usual = [_sequence(chance, operations, weights) for dummy in range(70)]
        for sequence in chance.choices(usual, [1 / (rank + 2) for rank in range(len(usual))], k=240):
            out += sequence
            if chance.random() < _ADDRESSES:
                out += struct.pack("<i", int(chance.gauss(0, 60_000)))
    return bytes(out[:_POOL_BYTES])


def _sequence(chance: random.Random, operations: t.Sequence[bytes], weights: t.Sequence[float]) -> bytes:
    chosen = chance.choices(operations, cum_weights=weights, k=chance.randint(1, 3))
    return b"".join(
        operation + bytes((8 * int(chance.expovariate(0.15)) & 255,)) if chance.random() < 0.3 else operation
        for operation in chosen
    )


def _tables(chance: random.Random) -> bytes:
    """Make tables: records of eight bytes that grow by small steps, with a kind and an addend, and many zeros."""
    numbers = array.array("Q")
    address = 0x1000
    while len(numbers) * 8 < _POOL_BYTES:
        kind = chance.choice((8, 8, 8, 0x1_0000_0006, chance.getrandbits(17) << 32 | 1))
        for step in chance.choices((8, 8, 8, 16, 24, 40, 112), k=40):
            address += step
            numbers.extend((address, kind, chance.randrange(0x40_0000) * 16))
        numbers.extend(itertools.repeat(0, chance.randrange(24)))
    return numbers.tobytes()[:_POOL_BYTES]


def _weights(chance: random.Random) -> bytes:
    """Make numbers of four bytes around zero, as those of a trained layer."""
    few = array.array("f", (chance.gauss(0, 0.02) for dummy in range(1 << 18)))
    high = few.tobytes()[3::4]
    noise = bytearray(chance.randbytes(_POOL_BYTES))
    # the sign and the exponent of each number repeat every MiB, far beyond the window of deflate; the rest is noise
    noise[3::4] = high * (_POOL_BYTES // 4 // len(high))
    return bytes(noise)


def _text(chance: random.Random) -> bytes:
    syllables = ("self", "get", "ten", "sor", "shape", "dim", "grad", "in", "out", "fn", "size", "type", "arg")
    names = ["_".join(chance.choices(syllables, k=chance.randint(1, 3))) for dummy in range(3000)]
    ends = (
        "(",
        ")",
        ", ",
        ", ",
        " = ",
        ".",
        ":\n        ",
        "\n    ",
        "\n        return ",
        "\n\n    def ",
        " if ",
        "[",
        "]",
    )
    lines = [f"{chance.choice(names)}{chance.choice(ends)}" for dummy in range(20_000)]
    weights = list(itertools.accumulate(1 / (rank + 50) for rank in range(len(lines))))
    return "".join(chance.choices(lines, cum_weights=weights, k=_POOL_BYTES // 6)).encode()[:_POOL_BYTES]


def _missing_folders(name: str, made: set[str]) -> list[str]:
    parts = name.split("/")[:-1]
    folders = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    missing = [folder for folder in folders if folder not in made]
    made.update(missing)
    return missing


def _header(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.mode, header.mtime = kind, mode, _MTIME
    return header
