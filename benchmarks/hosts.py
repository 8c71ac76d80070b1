# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure one play over many hosts, against a play of ping; README.md in this directory describes it.

All hosts are this machine, by connections of the type local, and each has a tree of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.tests.support.servers.peers import DockerRegistry

from . import small_image
from .measuring import Best, Measured, run
from .publish import options_parser, publish
from .results import Row
from .unpack import against_ping

_FORKS: t.Final = 10
# 50 trees of the image debian would need 24 GB.
_FILES: t.Final = 200
_BYTES: t.Final = 2_000_000
_ONE: t.Final = "host000"
_MODULE: t.Final = "attested.registry.oci_image_unpack"
_PING: t.Final = "ansible.builtin.ping"


class Plays:
    """An inventory of so many hosts, and plays of one task over all of them or one."""

    def __init__(self, registry: str, work: Path, hosts: int) -> None:
        self._work, self._trees, self.hosts = work, work / "trees", hosts
        common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        names = {f"host{number:03d}": None for number in range(hosts)}
        (work / "inventory.json").write_text(json.dumps({"all": {"hosts": names, "vars": common}}))
        options = {"registry": registry, "repository": "bench", "reference": "{{ tag }}"}
        options["dest"] = f"{self._trees}/{{{{ inventory_hostname }}}}"
        self._write("ping", {_PING: {}})
        self._write("unpack", {_MODULE: options})

    def _write(self, name: str, task: t.Mapping[str, t.Any]) -> None:
        play = {"hosts": "all", "gather_facts": False, "tasks": [task]}
        (self._work / f"{name}.json").write_text(json.dumps([play]))

    def ping(self, limit: str = "all") -> Measured:
        """Run a play of ping."""
        return self._play("ping", limit, changed=0)

    def unpack(self, tag: str, limit: str = "all", *, changed: int) -> Measured:
        """Run a play of oci_image_unpack. Exits if another number of hosts has changed."""
        return self._play("unpack", limit, changed=changed, tag=tag)

    def _play(self, name: str, limit: str, *, changed: int, **variables: str) -> Measured:
        command: list[str | Path] = [
            Path(sys.executable).with_name("ansible-playbook"),
            "-i",
            self._work / "inventory.json",
        ]
        command += ["-f", str(_FORKS), "-l", limit, "-e", json.dumps(variables), self._work / f"{name}.json"]
        measured = run(*command)
        found = [int(number) for number in re.findall(r"\bchanged=(\d+)", measured.output)]
        if len(found) != (self.hosts if limit == "all" else 1) or sum(found) != changed:
            sys.exit(f"{changed} hosts should have changed:\n{measured.output}")
        return measured

    def start_anew(self) -> None:
        """Remove all trees."""
        shutil.rmtree(self._trees, ignore_errors=True)
        self._trees.mkdir()


def measure(plays: Plays, runs: int) -> list[Row]:
    """Run each play once in each round."""
    best = {name: Best() for name in ("first", "ping", "again", "upgrade one", "ping one", "again one")}
    for number in range(runs):
        print(f"round {number + 1} of {runs}", flush=True)
        plays.start_anew()
        best["first"].add(plays.unpack("1.0", changed=plays.hosts))
        best["ping"].add(plays.ping())
        best["again"].add(plays.unpack("1.0", changed=0))
        best["ping one"].add(plays.ping(_ONE))
        best["upgrade one"].add(plays.unpack("2.0", _ONE, changed=1))
        best["again one"].add(plays.unpack("2.0", _ONE, changed=0))
    every = f"{plays.hosts} hosts, for each"
    return [
        *against_ping(f"{every}: unchanged run", best["again"], best["ping"], plays.hosts),
        *against_ping(f"{every}: first unpack", best["first"], best["ping"], plays.hosts),
        *against_ping("one host: unchanged run", best["again one"], best["ping one"]),
        *against_ping("one host: upgrade", best["upgrade one"], best["ping one"]),
    ]


def _measure_all(options: argparse.Namespace) -> list[Row]:
    tagged = {tag: small_image.make(files=_FILES, size=_BYTES, version=tag) for tag in ("1.0", "2.0")}
    with tempfile.TemporaryDirectory(dir=options.fast_memory, prefix="bench-") as place:
        work = Path(place)
        with DockerRegistry(work / "storage", work / "registry").running() as registry:
            small_image.publish(registry, tagged, work)
            return measure(Plays(registry, work, options.hosts), options.runs)


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--hosts", type=int, default=50)
    options = parser.parse_args()
    image = f"{_FILES} files, {_BYTES / 1e6:.0f} MB"
    publish("hosts", options, lambda: _measure_all(options), ("forks", str(_FORKS)), ("image", image))


if __name__ == "__main__":
    main()
