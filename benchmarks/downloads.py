# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure downloads from a slow registry and with a cache; README.md in this directory describes what.

All registries are fakes in this process, so only waiting, bytes and requests are measured, not the network.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import random
import shutil
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry
from ansible_collections.attested.registry.tests.support.registries.slow_registry import SlowRegistry, five_blobs

from .measuring import Measured, call_module, result_of
from .publish import options_parser, publish
from .results import Row

_SECONDS: t.Final = 3.0
_LAYER_BYTES: t.Final = 48 << 20
_LAYERS: t.Final = f"four layers of {_LAYER_BYTES >> 20} MiB"


def call(name: str, registry: str, dest: Path, **options: t.Any) -> Measured:
    """Run a module in a fresh process. Exits if it fails."""
    given = {"registry": registry, "repository": "app", "reference": "1.0", "dest": str(dest), **options}
    return call_module(name, given)


def measure_slow(work: Path) -> list[Row]:
    """Measure five blobs of a registry that takes seconds for each."""
    found = []
    for name in ("oci_image_unpack", "oci_layout"):
        for parallel in (1, 2, 4):
            with SlowRegistry(_SECONDS) as registry:
                registry.publish("app", {"1.0": five_blobs()})
                measured = call(name, registry.name, work / "a", parallel=parallel)
            _remove_trees(work)
            what = f"{name} of five blobs, {_SECONDS:g} s each, parallel {parallel}"
            found += [
                Row(f"{what}, wall", measured.seconds, "s"),
                Row(f"{what}, most requests at once", registry.most, ""),
            ]
    return found


def measure_cache(work: Path) -> list[Row]:
    """Measure time, bytes and memory of an unpack, and of an upgrade with a shared base, without and with a cache."""
    found = []
    with _registry_apart() as registry:
        for parallel in (1, 2, 4):
            measured = call("oci_image_unpack", registry, work / "a", parallel=parallel)
            found += _cached(f"unpack of {_LAYERS}, parallel {parallel}", measured)
            _remove_trees(work)
        for cache in (None, str(work / "cache")):
            how = "without a cache" if cache is None else "with a cache"
            for tag in ("1.0", "1.1"):
                measured = call("oci_image_unpack", registry, work / "a", reference=tag, cache=cache)
                what = f"unpack of {_LAYERS}" if tag == "1.0" else "upgrade that changes one layer"
                found += _cached(f"{what}, {how}", measured)
            _remove_trees(work)
    return found


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


def _cached(what: str, measured: Measured) -> list[Row]:
    stats = result_of(measured.output)["stats"]
    return [
        Row(f"{what}, wall", measured.seconds, "s"),
        Row(f"{what}, downloaded", stats["downloaded_bytes"] / 1e6, "MB"),
        Row(f"{what}, from the cache", stats.get("cache_bytes", 0) / 1e6, "MB"),
        Row(f"{what}, peak memory", measured.peak_mib, "MiB"),
    ]


def _measure_all(options: argparse.Namespace) -> list[Row]:
    with tempfile.TemporaryDirectory(dir=options.fast_memory, prefix="bench-") as work:
        return [*measure_slow(Path(work)), *measure_cache(Path(work))]


def main() -> None:
    """Run all measurements once, whatever --runs is: they mostly wait, and waiting does not vary."""
    options = options_parser(__doc__).parse_args()
    options.runs = 1
    publish("downloads", options, lambda: _measure_all(options))


if __name__ == "__main__":
    main()
