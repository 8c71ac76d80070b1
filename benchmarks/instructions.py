# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Count the instructions of an unpack, of an unchanged run and of imports; README.md in this directory has more."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.tests.support.servers.peers import DockerRegistry

from . import callgrind, small_image
from .measuring import CALL_MODULE, call_module, result_of
from .publish import options_parser, publish
from .results import Row

_FILES: t.Final = 400
_BYTES: t.Final = 10_000_000
_MODULE: t.Final = "oci_image_unpack"
_IMPORT: t.Final = f"import ansible_collections.attested.registry.plugins.modules.{_MODULE}"


def measure(registry: str, work: Path, runs: int) -> list[Row]:
    """Count each several times; the fewest instructions count, since what differs is waiting and retries of locks."""
    counts: dict[str, int] = {}
    for number in range(runs):
        print(f"round {number + 1} of {runs}", flush=True)
        for what, found in _round(registry, work / str(number)):
            print(f"  {what}: {found:,}", flush=True)
            counts[what] = min(found, counts.get(what, found))
    return [Row(what, found / 1e6, "million") for what, found in counts.items()]


def _round(registry: str, place: Path) -> t.Iterator[tuple[str, int]]:
    place.mkdir()
    python = (sys.executable, "-c")
    yield "start of Python", callgrind.count((*python, "pass"), place)[0]
    yield "start of Python and import of the module", callgrind.count((*python, _IMPORT), place)[0]
    options = {"registry": registry, "repository": "bench", "reference": "1.0", "dest": str(place / "root")}
    command = (sys.executable, CALL_MODULE, _MODULE, json.dumps(options))
    for what, changed in ((f"unpack of {_FILES} files, {_BYTES / 1e6:.0f} MB", True), ("unchanged run", False)):
        found, measured = callgrind.count(command, place)
        if result_of(measured.output)["changed"] is not changed:
            sys.exit(f"{what}: changed should be {changed}:\n{measured.output}")
        yield what, found


def _measure_all(options: argparse.Namespace) -> list[Row]:
    with tempfile.TemporaryDirectory(dir=options.fast_memory, prefix="bench-") as place:
        work = Path(place)
        with DockerRegistry(work / "storage", work / "registry").running() as registry:
            small_image.publish(registry, {"1.0": small_image.make(files=_FILES, size=_BYTES, version="1.0")}, work)
            # once without callgrind, so that all bytecode is there
            warm = {"registry": registry, "repository": "bench", "reference": "1.0", "dest": str(work / "warm")}
            call_module(_MODULE, warm)
            call_module(_MODULE, warm)
            return measure(registry, work, options.runs)


def main() -> None:
    options = options_parser(__doc__).parse_args()
    callgrind.require()
    publish("instructions", options, lambda: _measure_all(options))


if __name__ == "__main__":
    main()
