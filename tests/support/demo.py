# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the demonstration: serve the example registry on a free port and run a playbook, over HTTP, then over RA-TLS."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._ratls import simulate

from .attestation.certificates import Authority
from .servers.peers import OwnServer, Tls

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="demo-") as work:
        return plain(Path(work)) or attested(Path(work))


def plain(work: Path) -> int:
    """Run demo.yml against the example registry over plain HTTP; return the exit status."""
    server = OwnServer(EXAMPLES / "registry", work / "plain")
    with server.running() as address:
        print(f"The server of the collection serves {server.root} at {address}.", flush=True)
        return _play("demo.yml", demo_registry=address)


def attested(work: Path) -> int:
    """Run demo_ra_tls.yml with a realm that is accepted and one that is rejected; return the exit status."""
    realm, other = work / "realm", work / "other-realm"
    for directory in (realm, other):
        print(f"\nCreating the simulated realm {directory.name}:", flush=True)
        if simulate.main(["make", str(directory), "--name", directory.name]) != 0:
            return 1
    authority = Authority(work)
    certificate = authority.server()
    # both platforms are trusted, but only the measurements of one realm are known
    accepted: list[str | Path] = ["--reference-values", realm / "reference.json", "--trust-anchors", realm / "cpak.pem"]
    accepted += ["--trust-anchors", other / "cpak.pem"]
    tls = Tls(authority.path, certificate.cert, certificate.key)
    server = OwnServer(EXAMPLES / "registry", work / "attested", tls=tls, attestation=accepted)
    with server.running() as address:
        print(f"\nThe server of the collection serves {server.root} at {address} to {realm.name}.", flush=True)
        paths = {"demo_ca": str(tls.ca), "demo_realm": str(realm), "demo_other_realm": str(other)}
        status = _play("demo_ra_tls.yml", demo_registry=address, **paths)
    print("\nThe log of the server:", flush=True)
    print(server.log.read_text(), flush=True)
    return status


def _play(name: str, **variables: str) -> int:
    # Without an inventory, localhost exists implicitly and uses the Python that runs this script.
    playbook: list[str | Path] = [Path(sys.executable).with_name("ansible-playbook")]
    for variable, value in variables.items():
        playbook += ["--extra-vars", f"{variable}={value}"]
    return subprocess.run([*playbook, EXAMPLES / "playbooks" / name], stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
