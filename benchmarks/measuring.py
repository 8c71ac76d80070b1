# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command to its end and measure it: wall time, CPU time of all its processes, and peak memory."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from .machine import TOP

CALL_MODULE: t.Final = Path(__file__).with_name("call_module.py")


@dataclass(frozen=True)
class Measured:
    """One process, run to its end. CPU time is user and system time of all its processes."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    output: str


@dataclass
class Best:
    """The best of several runs of one thing: least wall time and least CPU time, each by itself, and highest peak."""

    seconds: float = float("inf")
    cpu_seconds: float = float("inf")
    peak_mib: float = 0.0
    output: str = ""

    def add(self, run: Measured) -> None:
        self.peak_mib = max(self.peak_mib, run.peak_mib)
        self.cpu_seconds = min(self.cpu_seconds, run.cpu_seconds)
        if run.seconds < self.seconds:
            self.seconds, self.output = run.seconds, run.output


def run(*command: str | Path, environment: t.Mapping[str, str] | None = None) -> Measured:
    """Measure a command; its peak is that of the largest of its processes. Exits when it fails.

    What Linux counts as the peak of a process includes what the process it was forked from had in memory. So this one
    must stay small. The CPU time is that of the command and of all descendants that were waited for.
    The variables of environment are added to those of this process.
    """
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=_environment(environment)
        )
        dummy, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode != 0:
        sys.exit(f"{' '.join(words)} failed with {process.returncode}:\n{text}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def call_module(name: str, options: t.Mapping[str, t.Any], *more: str) -> Measured:
    """Measure a module in a fresh Python process, as it runs on a managed host."""
    return run(sys.executable, CALL_MODULE, name, json.dumps(options), *more)


def ansible(
    module: str, options: t.Mapping[str, t.Any] | None = None, environment: t.Mapping[str, str] | None = None
) -> Measured:
    """Measure an ad-hoc task for localhost."""
    arguments = ("-a", json.dumps(options)) if options else ()
    command = (Path(sys.executable).with_name("ansible"), "localhost", "-m", module, *arguments)
    return run(*command, environment=environment)


def sent_bytes(module: str, options: t.Mapping[str, t.Any] | None, work: Path) -> int:
    """Return the size of all scripts that Ansible sends to a host for an ad-hoc task."""
    with tempfile.TemporaryDirectory(dir=work) as place:
        ansible(module, options, {"ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_REMOTE_TMP": place})
        return sum(path.stat().st_size for path in Path(place).rglob("AnsiballZ_*"))


def _environment(more: t.Mapping[str, str] | None) -> dict[str, str]:
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(TOP / "build"),
        "ANSIBLE_HOME": str(TOP / "build" / "ansible-home"),
        "ANSIBLE_NOCOLOR": "true",
        "PYTHONPATH": str(TOP / "build"),
    }
    # with bytecode from the second run on, whatever the environment says: what is measured is not the compiler
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **settings, **(more or {})}


def apart(function: t.Callable[..., None], *arguments: t.Any) -> None:
    """Call a function in a process of its own, so that this one stays small: see run(). Exits when it fails."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode != 0:
        sys.exit(f"{getattr(function, '__name__', function)} failed; what it said stands above.")


def result_of(text: str) -> dict[str, t.Any]:
    """The JSON object in the output of a module or of an ad-hoc task."""
    value, dummy = json.JSONDecoder().raw_decode(text[text.index("{") :])
    return t.cast("dict[str, t.Any]", value)
