# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure speed and memory of the registry server; README.md in this directory describes how to run it."""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import http.client
import re
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.tests.support.servers.peers import Tls, make_tls

from . import server_content, server_peers
from .publish import options_parser, publish
from .results import Row
from .server_peers import Serving

_BLOB_BYTES = 1 << 30
_CONNECTIONS = 8
_WRK_SECONDS = 4
_TAGS = 10_000
_LARGE_BYTES = 10 << 30
_IDLE = 1_000

Start = t.Callable[..., t.ContextManager[Serving]]


class Rates:
    """The best of several runs for each server and measurement."""

    def __init__(self) -> None:
        self._best: dict[str, dict[str, float]] = {}

    def add(self, what: str, server: str, value: float, *, least: bool = False) -> None:
        found = self._best.setdefault(what, {})
        found[server] = (min if least else max)(found.get(server, value), value)

    def rows(self) -> list[Row]:
        """Return a row for each measurement and peer."""
        return [
            Row(what, found["ours"], "", name, value)
            for what, found in self._best.items()
            for name, value in found.items()
            if name != "ours"
        ]


def transfer(serving: Serving, path: str, *, connections: int) -> tuple[float, float]:
    """Downloads a blob on each of several connections at once; returns MB/s together, and CPU seconds per GB."""
    command = ["curl", "-skf", "-o", "/dev/null", f"{serving.url}{path}"]
    before, begin = serving.cpu_seconds, time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        codes = list(pool.map(lambda dummy: subprocess.call(command), range(connections)))
    seconds, used = time.perf_counter() - begin, serving.cpu_seconds - before
    if any(codes):
        sys.exit(f"{' '.join(command)} failed with {codes}")
    size = connections * _BLOB_BYTES / 1e6
    return size / seconds, used / (size / 1e3)


def requests(serving: Serving, path: str) -> tuple[float, float]:
    """How often wrk gets an answer in a second, on 16 connections, and the CPU microseconds for each."""
    accept = f"Accept: {server_content.MANIFEST}"
    before = serving.cpu_seconds
    command = ["wrk", "-t1", "-c16", f"-d{_WRK_SECONDS}s", "-H", accept, f"{serving.url}{path}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text:
        sys.exit(f"{' '.join(command)}:\n{text}")
    used = serving.cpu_seconds - before
    rate = float(t.cast("re.Match[str]", re.search(r"Requests/sec:\s+([0-9.]+)", text))[1])
    count = int(t.cast("re.Match[str]", re.search(r"([0-9]+) requests in", text))[1])
    return rate, used / count * 1e6


def compare(layout: Path, work: Path, tls: Tls, *, runs: int) -> Rates:
    """Measures the servers with the same blob, one after the other in every round."""
    blob = server_content.big(layout, _BLOB_BYTES)
    path = f"/v2/bench/blobs/{blob.digest}"
    servers: dict[str, Start] = {
        "ours": functools.partial(server_peers.ours, layout.parent, work),
        "nginx": functools.partial(server_peers.nginx, layout, work),
        "docker-registry": functools.partial(server_peers.docker_registry, layout, work),
    }
    rates = Rates()
    for number in range(runs):
        print(f"servers: round {number + 1} of {runs}", flush=True)
        for name, start in servers.items():
            for secure in (None, tls):
                _measure(rates, name, start, path, secure)
        with server_peers.bare_aiohttp(layout, work) as serving:
            _measure_manifests(rates, "bare aiohttp", serving)
    return rates


def _measure(rates: Rates, name: str, start: Start, path: str, tls: Tls | None) -> None:
    how = "TLS" if tls else "plain"
    with start(tls=tls) as serving:
        for connections in (1, _CONNECTIONS):
            speed, cpu = transfer(serving, path, connections=connections)
            rates.add(f"MB/s, {how}, {connections} connections", name, speed)
            if connections > 1:
                rates.add(f"CPU seconds per GB, {how}", name, cpu, least=True)
        if not tls:
            _measure_manifests(rates, name, serving)


def _measure_manifests(rates: Rates, name: str, serving: Serving) -> None:
    rate, used = requests(serving, "/v2/bench/manifests/latest")
    rates.add("manifests/s by tag", name, rate)
    rates.add("CPU microseconds per manifest", name, used, least=True)


def alone(place: Path) -> list[Row]:
    """Measures what only our server is asked for: memory, restarts, idle connections."""
    work = place / "alone"
    work.mkdir()
    server_content.many_tags(place / "tags" / "bench", _TAGS)
    with server_peers.ours(place / "tags", work) as serving:
        found = [
            Row(f"memory with {_TAGS:,} tags", serving.memory_mib, "MiB"),
            Row(f"start with {_TAGS:,} tags", serving.started_in, "s"),
            Row(f"{_IDLE:,} idle connections held and used again", _hold(serving.url, _IDLE), "s"),
            Row(f"memory after {_IDLE:,} connections", serving.memory_mib, "MiB"),
        ]
    server_content.large(place / "large" / "bench", _LARGE_BYTES, files=10)
    for what in ("cold", "warm"):
        with server_peers.ours(place / "large", work, "--cache", str(work / "cache")) as serving:
            found.append(Row(f"start with {_LARGE_BYTES >> 30} GiB of content, {what} cache", serving.started_in, "s"))
    return found


def _hold(url: str, count: int) -> float:
    host = url.partition("//")[2]
    begin = time.perf_counter()
    connections = [http.client.HTTPConnection(host, timeout=60) for dummy in range(count)]
    for dummy in range(2):
        for connection in connections:
            connection.request("GET", "/v2/")
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                sys.exit(f"{url}/v2/ answered {answer.status} on one of {count} connections")
    for connection in connections:
        connection.close()
    return time.perf_counter() - begin


def _measure_all(options: argparse.Namespace) -> list[Row]:
    with tempfile.TemporaryDirectory(dir=options.fast_memory, prefix="bench-") as place:
        work = Path(place) / "work"
        work.mkdir()
        rates = compare(Path(place) / "big" / "bench", work, make_tls(work / "tls"), runs=options.runs)
        return [*rates.rows(), *alone(Path(place))]


def main() -> None:
    options = options_parser(__doc__).parse_args()
    publish("server", options, lambda: _measure_all(options), ("blob", f"{_BLOB_BYTES >> 20} MiB"))


if __name__ == "__main__":
    main()
