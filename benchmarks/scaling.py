# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure how time and memory of an unpack grow with entries and with bytes; README.md in this directory says how."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from . import streamed_layout
from .fit import exponent
from .measuring import Best, apart, call_module
from .publish import options_parser, publish
from .results import Row

_ENTRIES: t.Final = (10_000, 100_000, 1_000_000)
_BYTES: t.Final = (100_000_000, 1_000_000_000, 4_000_000_000)
# A small file takes a page of a tmpfs, and about 1.2 KB of the kernel's memory for its inode and its name.
_BYTES_FOR_AN_ENTRY: t.Final = 5_500
# the tree, and the layer, which compresses 1.9 times
_BYTES_FOR_A_BYTE: t.Final = 1.6
_SPARE_BYTES: t.Final = 500_000_000


@dataclass(frozen=True)
class Series:
    """Images of one sort and several sizes."""

    what: str
    sizes: t.Sequence[int]
    make: t.Callable[[Path, int], None]
    best: dict[int, Best] = field(default_factory=dict)

    def measure(self, work: Path, runs: int) -> None:
        """Make the layout of each size, unpack it several times, and remove all of it."""
        for size in self.sizes:
            print(f"{size:,} {self.what}", flush=True)
            layout, tree = work / "layout", work / "tree"
            apart(self.make, layout, size)
            best = self.best.setdefault(size, Best())
            for dummy in range(runs):
                tree.mkdir()
                best.add(_unpack(layout, tree / "root"))
                shutil.rmtree(tree)
            shutil.rmtree(layout)

    def rows(self) -> list[Row]:
        """Return time and peak memory of each size, and the exponents of time."""
        found = []
        for size, best in self.best.items():
            what = f"{size:,} {self.what}"
            found += [
                Row(f"{what}, wall", best.seconds, "s"),
                Row(f"{what}, CPU", best.cpu_seconds, "s"),
                Row(f"{what}, peak memory", best.peak_mib, "MiB"),
            ]
        wall = [(size, best.seconds) for size, best in self.best.items()]
        cpu = [(size, best.cpu_seconds) for size, best in self.best.items()]
        for name, points in (("wall", wall), ("CPU", cpu)):
            if len(points) > 1:
                found.append(Row(f"exponent of {name} against {self.what}, all points", exponent(points), ""))
                found.append(Row(f"exponent of {name} against {self.what}, last two", exponent(points[-2:]), ""))
        return found


def _unpack(layout: Path, dest: Path) -> t.Any:
    options = {"layout": str(layout), "reference": streamed_layout.TAG, "dest": str(dest)}
    return call_module("oci_image_unpack", options)


def lacking(entries: t.Sequence[int], sizes: t.Sequence[int], *, free: int, inodes: int, memory: int) -> str:
    """Return what a tmpfs with so much free lacks for the largest images, in a sentence; "" if nothing."""
    most = max(entries, default=0)
    needed = max(most * _BYTES_FOR_AN_ENTRY, int(max(sizes, default=0) * _BYTES_FOR_A_BYTE)) + _SPARE_BYTES
    if min(free, memory) < needed:
        return f"{needed / 1e9:.1f} GB are needed, and {min(free, memory) / 1e9:.1f} GB are free."
    # about one directory for a hundred files, and what else is on it
    if inodes < most * 1.05 + 1000:
        return f"{most * 1.05 + 1000:,.0f} inodes are needed, and {inodes:,} are free."
    return ""


def _check_room(options: argparse.Namespace) -> None:
    status = os.statvfs(options.fast_memory)
    free, inodes = status.f_bavail * status.f_frsize, status.f_favail
    memory = int(re.findall(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())[0]) * 1024
    problem = lacking(options.entries, options.bytes, free=free, inodes=inodes, memory=memory)
    if problem:
        sys.exit(f"{options.fast_memory} has too little room: {problem} See --fast-memory, --entries and --bytes.")


def _measure_all(options: argparse.Namespace) -> list[Row]:
    series = (
        Series("small files", options.entries, streamed_layout.many_entries),
        Series("bytes in large files", options.bytes, streamed_layout.many_bytes),
    )
    with tempfile.TemporaryDirectory(dir=options.fast_memory, prefix="bench-") as work:
        for one in series:
            one.measure(Path(work), options.runs)
    peak = max(best.peak_mib for one in series for best in one.best.values())
    return [*series[0].rows(), *series[1].rows(), Row("peak memory throughout", peak, "MiB")]


def _numbers(text: str) -> list[int]:
    return sorted({int(float(word)) for word in text.split(",")})


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--entries", type=_numbers, default=list(_ENTRIES), help="such as 1e4,1e5,1e6")
    parser.add_argument("--bytes", type=_numbers, default=list(_BYTES), help="such as 1e8,1e9,4e9")
    options = parser.parse_args()
    _check_room(options)
    publish("scaling", options, lambda: _measure_all(options))


if __name__ == "__main__":
    main()
