# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Count the instructions of a command and of the processes that it forks, by callgrind.

A forked process goes on with the counts of its parent, so callgrind is told to write and clear them before each fork.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

from .measuring import Measured, run

# the names under which C libraries have it
_FORKS: t.Final = ("fork", "_Fork", "__fork", "__libc_fork")
_TOTALS: t.Final = re.compile(r"^totals: (\d+)", re.MULTILINE)


def count(command: t.Sequence[str | Path], work: Path) -> tuple[int, Measured]:
    """Return the instructions of a command and all its forked processes, and what it printed. Exits when it fails."""
    with tempfile.TemporaryDirectory(dir=work) as place:
        options = [
            "--quiet",
            "--tool=callgrind",
            "--trace-children=no",
            f"--callgrind-out-file={place}/%p",
            *(f"--dump-before={name}" for name in _FORKS),
        ]
        # a fixed seed of hashes: the order in sets and the collisions in dicts are then the same in each run
        measured = run("valgrind", *options, *command, environment={"PYTHONHASHSEED": "0"})
        return total({path.name: path.read_text() for path in Path(place).iterdir()}), measured


def total(dumps: t.Mapping[str, str]) -> int:
    """Return the sum of dumps, by the names PID and PID.NUMBER. Exits if one of them has no total or counts twice."""
    processes = {name.partition(".")[0] for name in dumps}
    if len(processes) > 1 and not any("." in name for name in dumps):
        sys.exit("callgrind wrote nothing before the fork, so the instructions until then would count twice.")
    found = {name: _TOTALS.search(text) for name, text in dumps.items()}
    if not found or None in found.values():
        sys.exit(f"callgrind left {len(dumps)} dumps, not all with a total.")
    return sum(int(match[1]) for match in found.values() if match)


def require() -> None:
    """Exit if valgrind is not installed."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed; install Debian's package valgrind.")
