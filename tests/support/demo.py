# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the demonstration: the example registry on a free port and a playbook against it, plain and then with RA-TLS."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._ratls import simulate

from .certificates import Authority
from .peers import OwnServer, Tls

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="demo-") as work:
        return plain(Path(work)) or attested(Path(work))


def plain(work: Path) -> int:
    """Show the life of a tree."""
    server = OwnServer(EXAMPLES / "registry", work / "plain")
    with server.running() as address:
        print(f"the server of the collection serves {server.root} at {address}", flush=True)
        return _play("demo.yml", demo_registry=address)


def attested(work: Path) -> int:
    """Show a realm that is let in and one that is not."""
    realm, other = work / "realm", work / "other-realm"
    for directory in (realm, other):
        print(f"\na simulated realm, {directory.name}:", flush=True)
        if simulate.main(["make", str(directory), "--name", directory.name]) != 0:
            return 1
    authority = Authority(work)
    certificate = authority.server()
    # both platforms are trusted, and one realm's measurements are
    accepted: list[str | Path] = ["--reference-values", realm / "reference.json", "--trust-anchors", realm / "cpak.pem"]
    accepted += ["--trust-anchors", other / "cpak.pem"]
    tls = Tls(authority.path, certificate.cert, certificate.key)
    server = OwnServer(EXAMPLES / "registry", work / "attested", tls=tls, attestation=accepted)
    with server.running() as address:
        print(f"\nthe server of the collection serves {server.root} at {address} to the first of them", flush=True)
        paths = {"demo_ca": str(tls.ca), "demo_realm": str(realm), "demo_other_realm": str(other)}
        status = _play("demo_ra_tls.yml", demo_registry=address, **paths)
    print("\nwhat the server has in its log:", flush=True)
    print(server.log.read_text(), flush=True)
    return status


def _play(name: str, **variables: str) -> int:
    # Without an inventory localhost is there and runs the Python that runs this.
    playbook: list[str | Path] = [Path(sys.executable).with_name("ansible-playbook")]
    for variable, value in variables.items():
        playbook += ["--extra-vars", f"{variable}={value}"]
    return subprocess.run([*playbook, EXAMPLES / "playbooks" / name], stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
