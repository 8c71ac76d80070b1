# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure downloads from a slow registry and with a cache; README.md in this directory describes what.

All registries are fakes in this process, so only waiting, bytes and requests are measured, not the network.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry
from ansible_collections.attested.registry.tests.support.registries.slow_registry import SlowRegistry, five_blobs

from .unpack import Measured, result_of, run

_SECONDS: t.Final = 3.0
_LAYER_BYTES: t.Final = 48 << 20


def call(name: str, registry: str, dest: Path, **options: t.Any) -> Measured:
    """Run a module in a fresh process. Exits if it fails."""
    given = {"registry": registry, "repository": "app", "reference": "1.0", "dest": str(dest), **options}
    return run(sys.executable, Path(__file__).with_name("call_module.py"), name, json.dumps(given))


def measure_slow(work: Path) -> None:
    """Print the time for five blobs of a registry that takes seconds for each."""
    print(f"\nan image of five blobs, from a slow registry (a fake, {_SECONDS:g} s for each blob)")
    for name in ("oci_image_unpack", "oci_layout"):
        for parallel in (1, 2, 4):
            with SlowRegistry(_SECONDS) as registry:
                registry.publish("app", {"1.0": five_blobs()})
                measured = call(name, registry.name, work / "a", parallel=parallel)
            _remove_trees(work)
            _line(f"{name}, parallel {parallel}", measured, f"{registry.most} requests at once at most")


def measure_cache(work: Path) -> None:
    """Print time, bytes and memory of an unpack, and of an upgrade with a shared base, without and with a cache."""
    print(f"\nan image of four layers of {_LAYER_BYTES >> 20} MiB, and an upgrade that changes one (a fake registry)")
    with _registry_apart() as registry:
        for parallel in (1, 2, 4):
            _print_cached(
                f"unpack, parallel {parallel}", call("oci_image_unpack", registry, work / "a", parallel=parallel)
            )
            _remove_trees(work)
        for cache in (None, str(work / "cache")):
            how = "without a cache" if cache is None else "with a cache"
            for tag in ("1.0", "1.1"):
                measured = call("oci_image_unpack", registry, work / "a", reference=tag, cache=cache)
                _print_cached(f"{'unpack' if tag == '1.0' else 'upgrade'} {how}", measured)
            _remove_trees(work)


@contextlib.contextmanager
def _registry_apart() -> t.Iterator[str]:
    """Yield the name of a registry in another process: see run() about memory."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    yield ours.recv()
    ours.send(None)
    process.join()


def _serve(pipe: t.Any) -> None:
    noise = random.Random(1)
    layers = [
        images.layer([images.file(f"file{number}", noise.randbytes(_LAYER_BYTES))], compression="none")
        for number in range(5)
    ]
    with FaultyRegistry() as registry:
        registry.publish("app", {"1.0": images.image(layers[:4]), "1.1": images.image([*layers[:3], layers[4]])})
        pipe.send(registry.name)
        pipe.recv()


def _remove_trees(work: Path) -> None:
    for name in ("a", ".a.oci"):
        shutil.rmtree(work / name, ignore_errors=True)


def _print_cached(what: str, measured: Measured) -> None:
    stats = result_of(measured.output)["stats"]
    downloaded = f"{stats['downloaded_bytes'] / 1e6:.0f} MB downloaded"
    _line(what, measured, downloaded, f"{stats.get('cache_bytes', 0) / 1e6:.0f} MB from the cache")


def _line(what: str, measured: Measured, *remarks: str) -> None:
    more = "; ".join((*remarks, f"peak memory {measured.peak_mib:.0f} MiB"))
    print(f"  {what:<32}{measured.seconds:7.2f} s  {more}", flush=True)


def main() -> None:
    """Run all measurements once: they mostly wait."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="not used: waiting does not vary")
    parser.parse_args()
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=folder) as work:
        measure_slow(Path(work))
        measure_cache(Path(work))


if __name__ == "__main__":
    main()
