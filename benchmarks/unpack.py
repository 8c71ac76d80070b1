# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure time and memory of an unpack; README.md in this directory describes how to run it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.attested.registry.tests.support.servers.peers import DockerRegistry, skopeo_copy

from . import bench_images, floor

TOP = Path(__file__).resolve().parent.parent
_NEEDED_BYTES = 5 << 30


@dataclass(frozen=True)
class Measured:
    """One process, run to its end."""

    seconds: float
    peak_mib: float
    output: str


@dataclass
class Best:
    """The best of several runs of one thing."""

    seconds: float = float("inf")
    peak_mib: float = 0.0
    output: str = ""

    def add(self, run: Measured) -> None:
        self.peak_mib = max(self.peak_mib, run.peak_mib)
        if run.seconds < self.seconds:
            self.seconds, self.output = run.seconds, run.output


def run(*command: str | Path) -> Measured:
    """Wall time and peak resident memory of a command (the largest of its processes). Exits when it fails.

    What Linux counts as the peak of a process includes what the process it was forked from had in memory. So this one
    must stay small.
    """
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=_environment()
        )
        dummy, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode != 0:
        sys.exit(f"{' '.join(words)} failed with {process.returncode}:\n{text}")
    return Measured(seconds, usage.ru_maxrss / 1024, text)


def _environment() -> dict[str, str]:
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(TOP / "build"),
        "ANSIBLE_HOME": str(TOP / "build" / "ansible-home"),
        "ANSIBLE_NOCOLOR": "true",
        "PYTHONPATH": str(TOP / "build"),
    }
    return {**os.environ, **settings}


@dataclass
class Image:
    """What was measured of one image."""

    name: str
    skopeo: Best = field(default_factory=Best)
    umoci: Best = field(default_factory=Best)
    ours: dict[str, Best] = field(default_factory=dict)
    task: Best = field(default_factory=Best)
    again: Best = field(default_factory=Best)
    ping: Best = field(default_factory=Best)

    @property
    def peers(self) -> float:
        return self.skopeo.seconds + self.umoci.seconds


def measure(image: Image, registry: str, work: Path, inflaters: t.Sequence[str], runs: int) -> None:
    """Fills in the measurements, each thing once in every round, so that a busy moment of the machine hits all."""
    image.ours = {name: Best() for name in inflaters}
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
    options = {"registry": registry, "repository": "bench", "reference": tag, "dest": str(work / "ours" / "root")}
    script = Path(__file__).with_name("call_module.py")
    return run(sys.executable, script, "oci_image_unpack", json.dumps(options), *more)


def _task(image: Image, registry: str, work: Path) -> None:
    (work / "ours").mkdir()
    options = f"registry={registry} repository=bench reference={image.name} dest={work / 'ours' / 'root'}"
    ansible = (Path(sys.executable).with_name("ansible"), "localhost", "-m")
    image.task.add(run(*ansible, "attested.registry.oci_image_unpack", "-a", options))
    for dummy in range(2):
        image.again.add(run(*ansible, "attested.registry.oci_image_unpack", "-a", options))
        image.ping.add(run(*ansible, "ansible.builtin.ping"))
    shutil.rmtree(work / "ours")


def result_of(text: str) -> dict[str, t.Any]:
    """The JSON object in the output of a module or of an ad-hoc task."""
    value, dummy = json.JSONDecoder().raw_decode(text[text.index("{") :])
    return t.cast("dict[str, t.Any]", value)


def report(image: Image, least: floor.Floor) -> None:
    """Prints what was measured of an image."""
    stats = result_of(next(iter(image.ours.values())).output)["stats"]
    sizes = f"{_mb(least.unpacked_bytes)} unpacked, {_mb(least.compressed_bytes)} compressed"
    print(f"\nimage {image.name}: {stats['entries']} entries, {sizes}")
    _line("skopeo copy", image.skopeo.seconds)
    _line("umoci raw unpack", image.umoci.seconds)
    _line("both", image.peers)
    for name, best in image.ours.items():
        bound = least.on_two_cores(name)
        against_floor = f"{best.seconds / bound:.2f} times its floor of {bound:.2f} s"
        _line(f"oci_image_unpack with {name}", best.seconds, _faster(image, best), against_floor, _peak(best))
    _line("ansible -m oci_image_unpack", image.task.seconds, _faster(image, image.task))
    again = result_of(image.again.output)
    against_ping = f"{image.again.seconds / image.ping.seconds:.2f} times ping ({image.ping.seconds:.2f} s)"
    changed = f"changed: {str(again['changed']).lower()}, requests: {again['stats']['requests']}"
    _line("the same again", image.again.seconds, against_ping, changed)
    print("  the parts of the floor, each alone on one core:")
    _line("sha256 of the compressed bytes", least.hash_compressed)
    _line("sha256 of the unpacked bytes", least.hash_unpacked)
    for name, seconds in least.inflate.items():
        _line(f"inflate with {name}", seconds)


def _line(what: str, seconds: float, *remarks: str) -> None:
    print(f"  {what:<32}{seconds:7.2f} s  {'; '.join(remarks)}".rstrip())


def _faster(image: Image, best: Best) -> str:
    return f"{image.peers / best.seconds:.2f} times faster than both"


def _peak(best: Best) -> str:
    return f"peak memory {best.peak_mib:.0f} MiB"


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def cpu() -> str:
    """The model of the processor, and whether it hashes in hardware."""
    text = Path("/proc/cpuinfo").read_text()
    model = next(
        (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), "unknown"
    )
    return f"{os.cpu_count()} cores of {model}, {'with' if ' sha_ni' in text else 'without'} sha_ni"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--image", choices=bench_images.TAGS, action="append", help="all when not given")
    parser.add_argument("--fast-memory", type=Path, default=Path("/dev/shm"), help="a directory on a tmpfs")
    options = parser.parse_args()
    if shutil.disk_usage(options.fast_memory).free < _NEEDED_BYTES:
        sys.exit(f"{options.fast_memory} has less than {_NEEDED_BYTES >> 30} GiB free; see --fast-memory.")
    made = bench_images.make(TOP / "build" / "images")
    names = options.image or bench_images.TAGS
    floors = {name: floor.measure(made.layout, name) for name in names}
    with tempfile.TemporaryDirectory(dir=options.fast_memory, prefix="bench-") as place:
        work = Path(place)
        with DockerRegistry(work / "storage", work / "registry").running() as registry:
            results = []
            for name in names:
                skopeo_copy(f"oci:{made.layout}:{name}", f"docker://{registry}/bench:{name}", "--dest-tls-verify=false")
                results.append(Image(name))
                measure(results[-1], registry, work, sorted(floors[name].inflate), options.runs)
    print(f"\n{cpu()}; best of {options.runs}")
    for result in results:
        report(result, floors[result.name])


if __name__ == "__main__":
    main()
