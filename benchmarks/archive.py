# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure archives: writing one from a registry, and unpacking from a layout and an archive; README.md has details."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.tests.support.servers.peers import DockerRegistry, skopeo_copy

from . import bench_images
from .machine import TOP
from .measuring import Best, Measured, call_module, run
from .publish import options_parser, publish
from .results import Row

_TAG: t.Final = "debian"


class Comparison(t.NamedTuple):
    """What is measured of ours, and of what it is compared with."""

    ours: str
    peer: str


WRITE: t.Final = Comparison("oci_archive", "skopeo copy to oci-archive")
LAYOUT: t.Final = Comparison("oci_image_unpack from a layout", "umoci raw unpack")
ARCHIVE: t.Final = Comparison("oci_image_unpack from an archive", "umoci raw unpack")


def measure(registry: str, layout: Path, work: Path, runs: int) -> dict[str, Best]:
    """Return the best of several rounds of each; a busy moment of the machine hits all in its round."""
    names = [name for pair in (WRITE, LAYOUT, ARCHIVE) for name in pair]
    best = {name: Best() for name in dict.fromkeys(names)}
    for number in range(runs):
        print(f"round {number + 1} of {runs}", flush=True)
        best[WRITE.peer].add(_skopeo(registry, work))
        best[WRITE.ours].add(_archive(registry, work))
        best[LAYOUT.peer].add(_umoci(layout, work))
        best[LAYOUT.ours].add(_unpack(layout, work))
        best[ARCHIVE.ours].add(_unpack(work / "ours.tar", work))
        (work / "ours.tar").unlink()
        (work / "skopeo.tar").unlink()
    return best


def _skopeo(registry: str, work: Path) -> Measured:
    source, target = f"docker://{registry}/bench:{_TAG}", f"oci-archive:{work / 'skopeo.tar'}:{_TAG}"
    # where skopeo keeps the layout before it writes the archive: on the same file system as ours
    temporary = f"--tmpdir={work}"
    return run("skopeo", temporary, "copy", "--quiet", "--insecure-policy", "--src-tls-verify=false", source, target)


def _archive(registry: str, work: Path) -> Measured:
    options = {"registry": registry, "repository": "bench", "reference": _TAG, "dest": str(work / "ours.tar")}
    return call_module("oci_archive", options)


def _umoci(layout: Path, work: Path) -> Measured:
    measured = run("umoci", "raw", "unpack", "--image", f"{layout}:{_TAG}", work / "umoci")
    shutil.rmtree(work / "umoci")
    return measured


def _unpack(source: Path, work: Path) -> Measured:
    (work / "ours").mkdir()
    options = {"layout": str(source), "reference": _TAG, "dest": str(work / "ours" / "root")}
    measured = call_module("oci_image_unpack", options)
    shutil.rmtree(work / "ours")
    return measured


def rows(best: t.Mapping[str, Best]) -> list[Row]:
    """Return the times and peaks of ours, each beside that of what it is compared with."""
    found = []
    for ours, peer in (WRITE, LAYOUT, ARCHIVE):
        mine, theirs = best[ours], best[peer]
        found += [
            Row(f"{ours}, wall", mine.seconds, "s", peer, theirs.seconds, "speedup"),
            Row(f"{ours}, CPU", mine.cpu_seconds, "s", peer, theirs.cpu_seconds, "speedup"),
            Row(f"{ours}, peak memory", mine.peak_mib, "MiB", peer, theirs.peak_mib),
        ]
    return found


def _measure_all(options: argparse.Namespace) -> list[Row]:
    made = bench_images.make(TOP / "build" / "images")
    with tempfile.TemporaryDirectory(dir=options.fast_memory, prefix="bench-") as place:
        work = Path(place)
        layout = work / "layout"
        skopeo_copy(f"oci:{made.layout}:{_TAG}", f"oci:{layout}:{_TAG}")
        with DockerRegistry(work / "storage", work / "registry").running() as registry:
            skopeo_copy(f"oci:{layout}:{_TAG}", f"docker://{registry}/bench:{_TAG}", "--dest-tls-verify=false")
            return rows(measure(registry, layout, work, options.runs))


def main() -> None:
    options = options_parser(__doc__).parse_args()
    publish("archive", options, lambda: _measure_all(options))


if __name__ == "__main__":
    main()
