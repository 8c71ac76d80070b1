# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the speed of RA-TLS; README.md in this directory describes how to run it and what the figures mean."""

from __future__ import annotations

import argparse
import functools
import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._ratls import simulate
from ansible_collections.attested.registry.plugins.module_utils._ratls.relying_party import (
    RelyingParty,
    read_relying_party,
)
from ansible_collections.attested.registry.tests.support.servers.peers import Tls, make_tls, skopeo_copy
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import KeyType

from . import bench_images, ratls_bulk, server_peers
from .machine import TOP
from .measuring import Best, Measured, call_module
from .publish import options_parser, publish
from .ratls_handshake import Attested, PythonSsl, attestations_per_second, medians
from .results import Row

_HANDSHAKES = 200
_ATTESTATIONS = 300
_BULK_BYTES = 256 << 20
_KEY_TYPES: tuple[KeyType, ...] = ("ec-p256", "rsa-2048")


def handshakes(work: Path, realm: Path, relying_party: RelyingParty) -> list[Row]:
    """Measures handshakes with each sort of client key, and attestations alone."""
    tls = make_tls(work / "rsa", rsa=True)
    rows = []
    for key_type in _KEY_TYPES:
        ours = {
            "known platform": Attested(tls, realm, relying_party, key_type),
            "new platform": Attested(tls, realm, relying_party, key_type, restarts=True),
        }
        found = medians(
            {
                **{name: attested.handshake for name, attested in ours.items()},
                **{kind: PythonSsl(tls, work, kind).handshake for kind in _KEY_TYPES},
            },
            count=_HANDSHAKES,
        )
        for name, attested in ours.items():
            what = f"handshake of RA-TLS, client key {key_type}, {name}"
            rows += [
                Row(what, found[name] * 1e3, "ms", f"Python's ssl, {kind}", found[kind] * 1e3) for kind in _KEY_TYPES
            ]
            rate = attestations_per_second(attested, relying_party, count=_ATTESTATIONS)
            rows.append(Row(f"attestations with a key {key_type}, {name}, one core", rate, "/s"))
    return rows


def bulk(tls: Tls, *, runs: int) -> list[Row]:
    """Measures bulk transfer in both directions, in turns; the best of the runs counts."""
    rows = []
    with ratls_bulk.peer(tls) as port:
        for what, transfer in (("receive", ratls_bulk.receive), ("send", ratls_bulk.send)):
            best = {"ours": 0.0, "ssl": 0.0}
            for dummy in range(runs):
                for name, connect in (("ours", ratls_bulk.own(tls)), ("ssl", ratls_bulk.python_ssl(tls))):
                    best[name] = max(best[name], transfer(connect, port, _BULK_BYTES))
            rows.append(Row(f"bulk transfer, {what}", best["ours"], "MB/s", "Python's ssl", best["ssl"]))
    return rows


def pull(work: Path, tls: Tls, realm: Path, *, runs: int) -> list[Row]:
    """Measures the unpacking of the Debian image over RA-TLS and over TLS from the collection's server."""
    root = work / "root"
    (root / "bench").mkdir(parents=True)
    skopeo_copy(f"oci:{bench_images.make(TOP / 'build' / 'images').layout}:debian", f"oci:{root / 'bench'}:debian")
    judged_by = ("--trust-anchors", str(realm / "cpak.pem"), "--reference-json", str(realm / "reference.json"))
    ratls = {"evidence": "simulated", "path": str(realm), "key_type": "ec-p256"}
    with (
        server_peers.ours(root, work, tls=tls) as plain,
        server_peers.attested(root, work, *judged_by, tls=tls) as other,
    ):
        pulls = {
            "tls": functools.partial(_pull, plain.url, work, tls, {"tls": "tls"}),
            "ra-tls": functools.partial(_pull, other.url, work, tls, {"tls": "ra-tls", "ratls": ratls}),
        }
        best = {name: Best() for name in pulls}
        for dummy in range(runs):
            for name, one in pulls.items():
                best[name].add(one())
                shutil.rmtree(work / "tree")
    attested, usual, what = best["ra-tls"], best["tls"], "oci_image_unpack over RA-TLS"
    return [
        Row(f"{what}, wall", attested.seconds, "s", "over TLS", usual.seconds),
        Row(f"{what}, CPU", attested.cpu_seconds, "s", "over TLS", usual.cpu_seconds),
    ]


def _pull(url: str, work: Path, tls: Tls, how: t.Mapping[str, t.Any]) -> Measured:
    (work / "tree").mkdir()
    options = {"registry": url.partition("//")[2], "repository": "bench", "reference": "debian", "ca_path": str(tls.ca)}
    return call_module("oci_image_unpack", {**options, **how, "dest": str(work / "tree" / "root")})


def _measure_all(options: argparse.Namespace) -> list[Row]:
    with tempfile.TemporaryDirectory(dir=options.fast_memory, prefix="bench-") as place:
        work = Path(place)
        realm = work / "realm"
        if simulate.main(["make", str(realm)]) != 0:
            sys.exit("no simulated realm could be made")
        relying_party = read_relying_party(
            {"trust_anchors": [str(realm / "cpak.pem")], "reference_values": [str(realm / "reference.json")]},
            read_file=lambda path: Path(path).read_bytes(),
        )
        tls = make_tls(work / "tls")
        return [
            *handshakes(work, realm, relying_party),
            *bulk(tls, runs=options.runs),
            *pull(work, tls, realm, runs=options.runs),
        ]


def main() -> None:
    options = options_parser(__doc__).parse_args()
    publish("ratls", options, lambda: _measure_all(options), ("handshakes", f"the median of {_HANDSHAKES}"))


if __name__ == "__main__":
    main()
