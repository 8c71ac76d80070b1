# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure copies: between two registries, unchanged, and from a layout to a registry; README.md has details."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.tests.support.servers.peers import DockerRegistry, skopeo_copy

from . import bench_images
from .machine import TOP
from .measuring import Best, Measured, ansible, call_module, run
from .publish import options_parser, publish
from .results import Row

_TAGS: t.Final = ("debian", "node")
_INSECURE: t.Final = ("--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false")
_NAMES: t.Final = ("skopeo copy", "oci_image_copy", "skopeo copy from a layout", "oci_image_copy from a layout")
_UNCHANGED: t.Final = ("ansible.builtin.ping", "oci_image_copy, unchanged")


class Bench:
    """One image in a registry, in a layout, and in a second registry that is emptied before each copy."""

    def __init__(self, tag: str, *, source: str, layout: Path, work: Path) -> None:
        self._tag, self._source, self._layout, self._work = tag, source, layout, work
        self.best = {name: Best() for name in (*_NAMES, *_UNCHANGED)}

    def round(self) -> None:
        """Run each once."""
        docker = f"docker://{self._source}/bench:{self._tag}"
        ours = {"registry": self._source, "repository": "bench", "reference": self._tag}
        local = {"layout": str(self._layout), "reference": self._tag}
        self._copied("skopeo copy", lambda target: _skopeo(docker, target))
        self._copied("oci_image_copy", lambda target: self._module(ours, target), again=ours)
        self._copied("skopeo copy from a layout", lambda target: _skopeo(f"oci:{self._layout}:{self._tag}", target))
        self._copied("oci_image_copy from a layout", lambda target: self._module(local, target))

    def _copied(self, name: str, copy: t.Callable[[str], Measured], again: dict[str, str] | None = None) -> None:
        place = self._work / "target"
        with DockerRegistry(place / "storage", place / "registry").running() as target:
            self.best[name].add(copy(target))
            if again is not None:
                self._measure_unchanged(again, target)
        shutil.rmtree(place)

    def _measure_unchanged(self, options: dict[str, str], target: str) -> None:
        task = {**options, "target": {"registry": target, "repository": "bench"}}
        self.best[_UNCHANGED[0]].add(ansible("ansible.builtin.ping"))
        self.best[_UNCHANGED[1]].add(ansible("attested.registry.oci_image_copy", task))

    def _module(self, options: dict[str, str], target: str) -> Measured:
        task = {**options, "target": {"registry": target, "repository": "bench", "tags": [self._tag]}}
        return call_module("oci_image_copy", task)

    def rows(self) -> list[Row]:
        """Return the times and peaks of ours, each beside that of what it is compared with."""
        pairs = ((_NAMES[0], _NAMES[1]), (_NAMES[2], _NAMES[3]), _UNCHANGED)
        return [row for theirs, ours in pairs for row in self._pair(ours, theirs)]

    def _pair(self, ours: str, theirs: str) -> list[Row]:
        mine, peer, what = self.best[ours], self.best[theirs], f"{self._tag}: {ours}"
        return [
            Row(f"{what}, wall", mine.seconds, "s", theirs, peer.seconds),
            Row(f"{what}, CPU", mine.cpu_seconds, "s", theirs, peer.cpu_seconds),
            Row(f"{what}, peak memory", mine.peak_mib, "MiB", theirs, peer.peak_mib),
        ]


def _skopeo(source: str, target: str) -> Measured:
    return run("skopeo", "copy", "--quiet", *_INSECURE, source, f"docker://{target}/bench:copied")


def _measure_all(options: argparse.Namespace) -> list[Row]:
    made = bench_images.make(TOP / "build" / "images")
    found: list[Row] = []
    for tag in options.image or _TAGS:
        with tempfile.TemporaryDirectory(dir=options.fast_memory, prefix="bench-") as place:
            work = Path(place)
            layout = work / "layout"
            skopeo_copy(f"oci:{made.layout}:{tag}", f"oci:{layout}:{tag}")
            with DockerRegistry(work / "storage", work / "registry").running() as source:
                skopeo_copy(f"oci:{layout}:{tag}", f"docker://{source}/bench:{tag}", "--dest-tls-verify=false")
                bench = Bench(tag, source=source, layout=layout, work=work)
                for number in range(options.runs):
                    print(f"{tag}: round {number + 1} of {options.runs}", flush=True)
                    bench.round()
            found += bench.rows()
    return found


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--image", action="append", choices=_TAGS, help="which images; all by default")
    options = parser.parse_args()
    publish("copies", options, lambda: _measure_all(options))


if __name__ == "__main__":
    main()
