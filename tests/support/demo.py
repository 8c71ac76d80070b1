# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the demonstration: playbooks against the example registry, over HTTP and over RA-TLS, and an image as a service.

    python -m ansible_collections.attested.registry.tests.support.demo [modules] [service]

Without arguments both parts run, in this order.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._ratls import simulate

from .attestation.certificates import Authority
from .hosts import own_system
from .hosts.nspawn import HostError
from .images.demo_releases import web_releases
from .images.images import write_layout
from .servers.peers import OwnServer, Tls, free_port

TOP: t.Final = Path(__file__).resolve().parents[2]
EXAMPLES: t.Final = TOP / "examples"


def main(arguments: t.Sequence[str]) -> int:
    """Run the parts that are named until one fails; return its exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", nargs="*", help="modules or service; without any, both")
    parts = parser.parse_args(arguments).part or ["modules", "service"]
    if not {*parts} <= {"modules", "service"}:
        parser.error("the parts are modules and service")
    with tempfile.TemporaryDirectory(prefix="demo-") as work:
        return _demonstrate(Path(work), parts)


def _demonstrate(work: Path, parts: t.Collection[str]) -> int:
    shutil.copytree(EXAMPLES / "registry", work / "registry")
    obstacle = _prepare_service(work) if "service" in parts else None
    server = OwnServer(work / "registry", work / "plain")
    with server.running() as address:
        print(f"The server of the collection serves {server.root} at {address}.", flush=True)
        status = modules(work, address) if "modules" in parts else 0
        if "service" in parts and status == 0:
            status = service(work, address, obstacle)
        return status


def _prepare_service(work: Path) -> HostError | None:
    """Add the releases of the service to the registry; return why this machine cannot run them, None if it can."""
    try:
        own_system.check_machine("the service of the demonstration", busybox="busybox-static")
    except HostError as exc:
        return exc
    write_layout(work / "registry" / "com.example.web", web_releases())
    return None


def modules(work: Path, address: str) -> int:
    """Run demo.yml, and demo_ra_tls.yml with a realm that is accepted and one that is rejected."""
    realm, other = work / "realm", work / "other-realm"
    for directory in (realm, other):
        print(f"Creating the simulated realm {directory.name}:", flush=True)
        if simulate.main(["make", str(directory), "--name", directory.name]) != 0:
            return 1
    server = _attesting(work, realm, other)
    assert server.tls is not None
    with server.running() as attesting:
        print(f"Another server gives the same only to the realm {realm.name}, at {attesting}.")
        registries = {"demo_registry": address, "demo_attesting_registry": attesting}
        paths = {"demo_ca": server.tls.ca, "demo_realm": realm, "demo_other_realm": other, "demo_work": work}
        status = _play(("demo.yml", "demo_ra_tls.yml"), {**registries, **paths})
    print("Its log:")
    print(server.log.read_text(), flush=True)
    return status


def _attesting(work: Path, realm: Path, other: Path) -> OwnServer:
    """Return a server that trusts the platforms of both realms, but knows the measurements of one realm only."""
    authority = Authority(work)
    certificate = authority.server()
    accepted: list[str | Path] = ["--reference-values", realm / "reference.json"]
    accepted += ["--trust-anchors", realm / "cpak.pem", "--trust-anchors", other / "cpak.pem"]
    tls = Tls(authority.path, certificate.cert, certificate.key)
    return OwnServer(work / "registry", work / "attesting", tls=tls, attestation=accepted)


def service(work: Path, address: str, obstacle: HostError | None) -> int:
    """Run demo_service.yml in a container with the systemd of this machine; return the exit status.

    If there is an obstacle, or the container does not boot, print the reason and return 0.
    """
    try:
        if obstacle:
            raise obstacle
        return _service(work, address)
    except HostError as exc:
        print(f"\nThe last part, an image that runs as a service, is left out: {exc}.", flush=True)
        return 0


def _service(work: Path, address: str) -> int:
    seen = (TOP, Path(sys.prefix), Path(sys.base_prefix))
    with own_system.booted(work / "container", seen) as inside:
        print("\nThe systemd of this machine runs once more, in a container.", flush=True)
        # in the container, that is
        places = {"HOME": "/root", "ANSIBLE_HOME": "/root/ansible", "ANSIBLE_REMOTE_TMP": "/root/tmp", "TMPDIR": "/tmp"}
        words = [*inside, "env", *(f"{name}={value}" for name, value in places.items())]
        variables = {"demo_registry": address, "demo_listen": f"127.0.0.1:{free_port()}"}
        return _play(("demo_service.yml",), variables, before=words)


def _play(names: t.Sequence[str], variables: t.Mapping[str, str | Path], *, before: t.Sequence[str] = ()) -> int:
    """Run playbooks with these variables, after the words of before; return the exit status."""
    # Without an inventory, localhost exists implicitly and uses the Python that runs this script.
    command: list[str | Path] = [*before, Path(sys.executable).with_name("ansible-playbook")]
    for variable, value in variables.items():
        command += ["--extra-vars", f"{variable}={value}"]
    command += [EXAMPLES / "playbooks" / name for name in names]
    sys.stdout.flush()
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
