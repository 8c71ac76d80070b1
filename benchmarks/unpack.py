# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure time and memory of an unpack; README.md in this directory describes how to run it."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.attested.registry.tests.support.servers.peers import DockerRegistry, skopeo_copy

from . import bench_images, floor
from .machine import TOP
from .measuring import Best, Measured, ansible, call_module, result_of, run, sent_bytes
from .publish import options_parser, publish
from .results import Row

_NEEDED_BYTES: t.Final = 5 << 30
_MODULE: t.Final = "attested.registry.oci_image_unpack"
_BOTH: t.Final = "skopeo + umoci"
_PING: t.Final = "ansible.builtin.ping"


@dataclass(frozen=True)
class Image:
    """What was measured of one image."""

    name: str
    skopeo: Best = field(default_factory=Best)
    umoci: Best = field(default_factory=Best)
    ours: dict[str, Best] = field(default_factory=dict)
    task: Best = field(default_factory=Best)
    again: Best = field(default_factory=Best)
    ping: Best = field(default_factory=Best)
    sent: list[int] = field(default_factory=list)

    @property
    def peers(self) -> Best:
        """The peers one after the other."""
        seconds = self.skopeo.seconds + self.umoci.seconds
        cpu_seconds = self.skopeo.cpu_seconds + self.umoci.cpu_seconds
        return Best(seconds, cpu_seconds, max(self.skopeo.peak_mib, self.umoci.peak_mib))


def measure(image: Image, registry: str, work: Path, inflaters: t.Sequence[str], runs: int) -> None:
    """Fills in the measurements, each thing once in every round, so that a busy moment of the machine hits all."""
    image.ours.update({name: Best() for name in inflaters})
    for number in range(runs):
        print(f"{image.name}: round {number + 1} of {runs}", flush=True)
        _peers(image, registry, work)
        for name, best in image.ours.items():
            best.add(_ours(image.name, registry, work, () if name == "isal" else ("--without", "isal")))
            shutil.rmtree(work / "ours")
        _task(image, registry, work)


def _peers(image: Image, registry: str, work: Path) -> None:
    layout, tree = work / "layout", work / "umoci"
    source = f"docker://{registry}/bench:{image.name}"
    image.skopeo.add(
        run("skopeo", "copy", "--quiet", "--insecure-policy", "--src-tls-verify=false", source, f"oci:{layout}:x")
    )
    image.umoci.add(run("umoci", "raw", "unpack", "--image", f"{layout}:x", tree))
    shutil.rmtree(layout)
    shutil.rmtree(tree)


def _ours(tag: str, registry: str, work: Path, more: t.Sequence[str]) -> Measured:
    (work / "ours").mkdir()
    return call_module("oci_image_unpack", _options(tag, registry, work), *more)


def _options(tag: str, registry: str, work: Path) -> dict[str, str]:
    return {"registry": registry, "repository": "bench", "reference": tag, "dest": str(work / "ours" / "root")}


def _task(image: Image, registry: str, work: Path) -> None:
    (work / "ours").mkdir()
    options = _options(image.name, registry, work)
    image.task.add(ansible(_MODULE, options))
    for dummy in range(2):
        image.again.add(ansible(_MODULE, options))
        image.ping.add(ansible(_PING))
    image.sent[:] = [sent_bytes(_MODULE, options, work), sent_bytes(_PING, None, work)]
    shutil.rmtree(work / "ours")


def rows(image: Image, least: floor.Floor) -> list[Row]:
    """Return the figures of an image."""
    name, peers = image.name, image.peers
    first = next(iter(image.ours.values()))
    again = result_of(image.again.output)
    if again["changed"]:
        sys.exit(f"{name}: the second run has changed something.")
    found = [
        Row(f"{name}: entries", result_of(first.output)["stats"]["entries"], ""),
        Row(f"{name}: unpacked", least.unpacked_bytes / 1e6, "MB"),
        Row(f"{name}: compressed", least.compressed_bytes / 1e6, "MB"),
    ]
    for inflater, best in image.ours.items():
        how = f"{name}: module alone, {inflater}"
        found += against_peers(how, best, peers)
        found.append(Row(f"{how}, against its floor", best.seconds, "s", "floor", least.on_two_cores(inflater)))
        found.append(Row(f"{how}, peak memory", best.peak_mib, "MiB", _BOTH, peers.peak_mib))
    found += against_peers(f"{name}: ansible -m oci_image_unpack", image.task, peers)
    found += against_ping(f"{name}: the same again, unchanged", image.again, image.ping)
    found.append(Row(f"{name}: the same again, requests", again["stats"]["requests"], ""))
    ours, ping = (size / 1024 for size in image.sent)
    found.append(Row(f"{name}: the same again, scripts sent", ours, "KiB", _PING, ping))
    return found


def against_peers(what: str, best: Best, peers: Best) -> list[Row]:
    """Return how many times as fast as both peers something is."""
    return [
        Row(f"{what}, wall", best.seconds, "s", _BOTH, peers.seconds, "speedup"),
        Row(f"{what}, CPU", best.cpu_seconds, "s", _BOTH, peers.cpu_seconds, "speedup"),
    ]


def against_ping(what: str, best: Best, ping: Best, hosts: int = 1) -> list[Row]:
    """Return how many times as long as a ping something takes, for each host."""
    return [
        Row(f"{what}, wall", best.seconds / hosts, "s", _PING, ping.seconds / hosts),
        Row(f"{what}, CPU", best.cpu_seconds / hosts, "s", _PING, ping.cpu_seconds / hosts),
    ]


def _measure_all(options: argparse.Namespace) -> list[Row]:
    made = bench_images.make(TOP / "build" / "images")
    names = options.image or bench_images.TAGS
    floors = {name: floor.measure(made.layout, name) for name in names}
    found: list[Row] = []
    with tempfile.TemporaryDirectory(dir=options.fast_memory, prefix="bench-") as place:
        for name in names:
            # a registry for each image: all images together would take more memory
            work = Path(place) / name
            with DockerRegistry(work / "storage", work / "registry").running() as registry:
                skopeo_copy(f"oci:{made.layout}:{name}", f"docker://{registry}/bench:{name}", "--dest-tls-verify=false")
                image = Image(name)
                measure(image, registry, work, sorted(floors[name].inflate), options.runs)
            shutil.rmtree(work)
            found += rows(image, floors[name])
    return found


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--image", choices=bench_images.TAGS, action="append", help="all when not given")
    options = parser.parse_args()
    if shutil.disk_usage(options.fast_memory).free < _NEEDED_BYTES:
        sys.exit(f"{options.fast_memory} has less than {_NEEDED_BYTES >> 30} GiB free; see --fast-memory.")
    publish("unpack", options, lambda: _measure_all(options))


if __name__ == "__main__":
    main()
