# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a measurement depends on: the machine, the versions of all that is measured, and what else the machine did."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

TOP: t.Final = Path(__file__).resolve().parent.parent
# Above these, a section says that the machine was not quiet.
_LOAD: t.Final = 0.5
_OTHERS_CORES: t.Final = 0.1
_STOLEN_CORES: t.Final = 0.02
_TICKS: t.Final = os.sysconf("SC_CLK_TCK")
# each prints its version with one of these; nginx is in a directory that not every user has on PATH
_PROGRAMS: t.Final = {
    "skopeo": ("skopeo", "--version"),
    "umoci": ("umoci", "--version"),
    "nginx": ("nginx", "-v"),
    "docker-registry": ("docker-registry", "--version"),
    "valgrind": ("valgrind", "--version"),
}
_LIBRARIES: t.Final = ("ansible-core", "isal", "requests", "cryptography", "aiohttp")


def machine() -> str:
    """Return what the machine is: processor, cores, memory, kernel."""
    memory = int(re.findall(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())[0]) / (1 << 20)
    return f"{processor()}; {memory:.0f} GiB of memory; Linux {platform.release()} on {platform.machine()}"


def processor() -> str:
    """Return the model of the processor, and whether it hashes in hardware."""
    text = Path("/proc/cpuinfo").read_text()
    models = re.findall(r"^model name\s*: (.*)$", text, re.MULTILINE)
    hashes = re.search(r"\b(sha_ni|sha2)\b", text) is not None
    model = models[0].strip() if models else "unknown model"
    return f"{os.cpu_count()} cores of {model}, {'with' if hashes else 'without'} SHA extensions"


def versions() -> str:
    """Return the versions of the collection, of Python and its libraries, and of the peers that are installed."""
    found = [("collection", _collection()), ("Python", platform.python_version())]
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append((name, importlib.metadata.version(name)))
    found += [(name, version) for name, command in _PROGRAMS.items() if (version := _version_of(command))]
    return ", ".join(f"{name} {version}" for name, version in found)


def _collection() -> str:
    version = re.findall(r"^version: *(\S+)", (TOP / "galaxy.yml").read_text(), re.MULTILINE)[0]
    commit = _output(("git", "-C", str(TOP), "rev-parse", "--short=12", "HEAD")).strip()
    changed = _output(("git", "-C", str(TOP), "status", "--porcelain", "--untracked-files=no", "--", "plugins")).strip()
    return f"{version}{f' at {commit}' if commit else ''}{' with changes' if changed else ''}"


def _version_of(command: tuple[str, ...]) -> str:
    """Return the first word of the program's answer that looks like a version; an empty text if there is no program."""
    match = re.search(r"(?<![\w.])v?(\d+\.\d[\w.+~-]*)|/(\d+\.\d[\w.+~-]*)", _output(command))
    return (match[1] or match[2]) if match else ""


def _output(command: tuple[str, ...]) -> str:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment, check=False
        )
    except OSError:
        return ""
    return answer.stdout + answer.stderr if answer.returncode == 0 else ""


@dataclass
class Watch:
    """Watch the load and what other processes use, from __enter__ to __exit__.

    All processes that are measured must have ended and been waited for by then: the kernel adds what they used to the
    figures of this one.
    """

    load_before: float = 0.0
    load_after: float = 0.0
    others_cores: float = 0.0
    stolen_cores: float = 0.0
    _begin: tuple[float, float, float, float] = field(default=(0.0, 0.0, 0.0, 0.0), repr=False)

    def __enter__(self) -> Watch:
        self.load_before = os.getloadavg()[0]
        self._begin = _usage()
        return self

    def __exit__(self, *dummy: object) -> None:
        self.load_after = os.getloadavg()[0]
        wall, busy, stolen, own = (now - then for now, then in zip(_usage(), self._begin))
        if wall > 0:
            self.others_cores = max(0.0, busy - own) / wall
            self.stolen_cores = stolen / wall

    def load(self) -> str:
        """Return the load averages of a minute, and what others used."""
        others = f"other processes used {self.others_cores:.2f} cores"
        return f"{self.load_before:.2f} before, {self.load_after:.2f} after; {others}"

    def remarks(self) -> list[str]:
        """Return why the figures are doubtful; nothing if the machine was quiet."""
        found = []
        if self.load_before > _LOAD:
            found.append(f"the load was {self.load_before:.2f} at the start")
        if self.others_cores > _OTHERS_CORES:
            found.append(f"other processes used {self.others_cores:.2f} cores meanwhile")
        if self.stolen_cores > _STOLEN_CORES:
            found.append(f"the hypervisor gave {self.stolen_cores:.2f} cores to other machines")
        return [f"The machine was not quiet: {', '.join(found)}. Measure again before you cite this."] if found else []


def _usage() -> tuple[float, float, float, float]:
    """Return seconds: wall time, CPU of all processes, CPU stolen from us, CPU of this process and its children."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, steal = fields[0], fields[1], fields[2], fields[7]
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return time.monotonic(), (user + nice + system) / _TICKS, steal / _TICKS, own


def settle(seconds: float) -> None:
    """Wait until the load is low, but no longer than that: a benchmark that has just ended is still in the average."""
    end = time.monotonic() + seconds
    said = False
    while os.getloadavg()[0] > _LOAD and time.monotonic() < end:
        if not said:
            print(f"waiting for the load to fall below {_LOAD}, {seconds:.0f} s at most", flush=True)
            said = True
        time.sleep(2)
