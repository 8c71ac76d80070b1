# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the speed of RA-TLS; README.md in this directory describes how to run it and what the figures mean."""

from __future__ import annotations

import argparse
import functools
import json
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
from .ratls_handshake import Attested, PythonSsl, attestations_per_second, medians
from .unpack import TOP, Best, run

_HANDSHAKES = 200
_ATTESTATIONS = 300
_BULK_BYTES = 256 << 20
_KEY_TYPES: tuple[KeyType, ...] = ("ec-p256", "rsa-2048")


def handshakes(work: Path, realm: Path, relying_party: RelyingParty) -> None:
    """Measures handshakes with each sort of client key, and attestations alone."""
    tls = make_tls(work / "rsa", rsa=True)
    for key_type in _KEY_TYPES:
        attested = Attested(tls, realm, relying_party, key_type)
        python: dict[str, t.Callable[[], float]] = {kind: PythonSsl(tls, work, kind).handshake for kind in _KEY_TYPES}
        found = medians({"ours": attested.handshake, **python}, count=_HANDSHAKES)
        peers = "; ".join(
            f"Python's ssl, {kind} {found[kind] * 1e3:.2f} ms ({found['ours'] / found[kind]:.2f})"
            for kind in _KEY_TYPES
        )
        print(f"  handshake, client key {key_type:<8} RA-TLS {found['ours'] * 1e3:.2f} ms; {peers}")
        rate = attestations_per_second(attested, relying_party, count=_ATTESTATIONS)
        print(f"  attestations with that key          {rate:.0f} a second on one core")


def bulk(tls: Tls, *, runs: int) -> None:
    """Measures bulk transfer in both directions, in turns; the best of the runs counts."""
    with ratls_bulk.peer(tls) as port:
        for what, transfer in (("receive", ratls_bulk.receive), ("send", ratls_bulk.send)):
            best = {"ours": 0.0, "ssl": 0.0}
            for dummy in range(runs):
                for name, connect in (("ours", ratls_bulk.own(tls)), ("ssl", ratls_bulk.python_ssl(tls))):
                    best[name] = max(best[name], transfer(connect, port, _BULK_BYTES))
            ratio = best["ours"] / best["ssl"]
            print(f"  {what} {best['ours']:.0f} MB/s; Python's ssl {best['ssl']:.0f} MB/s ({ratio:.2f})")


def pull(work: Path, tls: Tls, realm: Path, *, runs: int) -> None:
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
    attested, usual = best["ra-tls"].seconds, best["tls"].seconds
    print(f"  oci_image_unpack over RA-TLS {attested:.2f} s; over TLS {usual:.2f} s ({attested / usual:.2f})")


def _pull(url: str, work: Path, tls: Tls, how: t.Mapping[str, t.Any]) -> t.Any:
    (work / "tree").mkdir()
    options = {"registry": url.partition("//")[2], "repository": "bench", "reference": "debian", "ca_path": str(tls.ca)}
    script = Path(__file__).with_name("call_module.py")
    options_json = json.dumps({**options, **how, "dest": str(work / "tree" / "root")})
    return run(sys.executable, script, "oci_image_unpack", options_json)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--fast-memory", type=Path, default=Path("/dev/shm"), help="a directory on a tmpfs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.fast_memory, prefix="bench-") as place:
        work = Path(place)
        realm = work / "realm"
        if simulate.main(["make", str(realm)]) != 0:
            sys.exit("no simulated realm could be made")
        relying_party = read_relying_party(
            {"trust_anchors": [str(realm / "cpak.pem")], "reference_values": [str(realm / "reference.json")]},
            read_file=lambda path: Path(path).read_bytes(),
        )
        print(f"\nRA-TLS, medians of {_HANDSHAKES} handshakes, best of {options.runs} else; in brackets ours by theirs")
        handshakes(work, realm, relying_party)
        tls = make_tls(work / "tls")
        bulk(tls, runs=options.runs)
        pull(work, tls, realm, runs=options.runs)


if __name__ == "__main__":
    main()
