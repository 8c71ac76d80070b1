# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a benchmark: its options, the conditions it ran under, its rows on the terminal and in RESULTS.md."""

from __future__ import annotations

import argparse
import time
import typing as t
from pathlib import Path

from . import machine, results

# the order of tools/bench.sh and of the sections
NAMES: t.Final = (
    "unpack",
    "hosts",
    "scaling",
    "instructions",
    "archive",
    "copies",
    "downloads",
    "server",
    "ratls",
    "listings",
)


def options_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=3, help="how often each thing is measured; the best run counts")
    parser.add_argument("--fast-memory", type=Path, default=Path("/dev/shm"), help="a directory on a tmpfs")
    parser.add_argument(
        "--results", type=Path, default=Path(__file__).with_name("RESULTS.md"), help="the file for the results"
    )
    parser.add_argument("--settle", type=float, default=240, help="how many seconds to wait for a low load")
    return parser


def publish(
    name: str, options: argparse.Namespace, measure: t.Callable[[], t.Sequence[results.Row]], *facts: tuple[str, str]
) -> None:
    """Measure, print the rows, and write them to the benchmark's section of the file of results."""
    machine.settle(options.settle)
    with machine.Watch() as watch:
        rows = measure()
    conditions = [
        ("date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("machine", machine.machine()),
        ("versions", machine.versions()),
        ("load", watch.load()),
        ("runs", str(options.runs)),
        *facts,
    ]
    section = results.Section(name, rows, conditions, watch.remarks())
    print(f"\n{name}; {machine.processor()}; load {watch.load()}; best of {options.runs}")
    print(results.text_of(rows), end="")
    for remark in section.remarks:
        print(remark)
    old = options.results.read_text() if options.results.exists() else ""
    options.results.write_text(results.replaced(old, section, order=NAMES))
