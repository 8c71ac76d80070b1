# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command with Debian or Ubuntu hosts that have a real systemd and sshd, without a container engine.

    python -m ansible_collections.attested.registry.tests.support.hosts.systemd_hosts \\
        --cache DIR --hosts one,two:trixie --suite bookworm --registry DIR -- COMMAND...

The environment variable TEST_INVENTORY of the command names an inventory of the hosts. The first host is in the group
registry, the others are in the group clients. TEST_SSH_CONFIG names a configuration file for ssh. The hosts are
systemd-nspawn containers on overlays over one root filesystem for each suite, with a bridge and NAT to the outside. A
host has the suite of --suite, or the one after its name. They are removed when the command has ended. Several runs at
the same time have a network each. With --registry, a registry with these layouts listens on port 5000 of the machine;
its address is the variable source_registry of the inventory.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from ..images.debian_images import KEYRING, SUITE
from ..module_python import INTERPRETER_ON_HOST
from ..servers.peers import PeerError, ended, run
from .nspawn import HostError, check_kernel
from .nspawn_host import Host
from .systemd_base import SUITES, Suite, base_root

_PROGRAMS: t.Final = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "iptables": "iptables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
    "curl": "curl",
    "openssl": "openssl",
    str(KEYRING): "debian-archive-keyring",
}
_TOP: t.Final = Path(__file__).resolve().parents[3]
_BRIDGES: t.Final = "atr-test"
_PRIVATE: t.Final = "ATTESTED_TEST_HOSTS_PRIVATE"


def check_machine() -> None:
    """Raise HostError if this machine lacks or forbids what the hosts require."""
    check_kernel()
    run(_TOP / "tools/apt-need.sh", "the test hosts", *(f"{name}={package}" for name, package in _PROGRAMS.items()))


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0


class Network(t.NamedTuple):
    """The network of one run: 10.231.NUMBER.0/24, on a bridge."""

    number: int

    @property
    def prefix(self) -> str:
        """The first three numbers of its addresses."""
        return f"10.231.{self.number}"

    @property
    def bridge(self) -> str:
        """The name of the bridge."""
        return f"{_BRIDGES}{self.number}"


@contextlib.contextmanager
def network() -> t.Iterator[Network]:
    """Create a bridge with NAT to the outside, and yield the network."""
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(_bridged(_free_network(stack)))


@contextlib.contextmanager
def _bridged(chosen: Network) -> t.Iterator[Network]:
    prefix, bridge = chosen.prefix, chosen.bridge
    subnet = f"{prefix}.0/24"
    rules = (
        ("-t", "nat", "POSTROUTING", "-s", subnet, "!", "-d", subnet, "-j", "MASQUERADE"),
        # Some machines, such as those with a container engine, drop forwarded packets by default.
        ("-t", "filter", "FORWARD", "-i", bridge, "-j", "ACCEPT"),
        ("-t", "filter", "FORWARD", "-o", bridge, "-j", "ACCEPT"),
    )
    forward = Path("/proc/sys/net/ipv4/ip_forward")
    before = forward.read_text()
    with contextlib.ExitStack() as stack:
        stack.callback(_restore, forward, before)
        run("ip", "link", "add", bridge, "type", "bridge")
        stack.callback(_succeeds, "ip", "link", "del", bridge)
        run("ip", "addr", "add", f"{prefix}.1/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        forward.write_text("1\n")
        for option, table, *rule in rules:
            run("iptables", option, table, "-I", *rule)
            stack.callback(_succeeds, "iptables", option, table, "-D", *rule)
        yield chosen


def _restore(forward: Path, before: str) -> None:
    """Restore the setting of before, unless another run needs it."""
    if not any(path.name.startswith(_BRIDGES) for path in Path("/sys/class/net").iterdir()):
        forward.write_text(before)


def _free_network(stack: contextlib.ExitStack) -> Network:
    """Return a network that no other run uses until the stack is closed. Raises HostError."""
    for number in range(77, 256):
        chosen = Network(number)
        # a name that the kernel frees with the process that has it
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0attested-test-hosts-{number}")
        except OSError:
            claim.close()
            continue
        stack.enter_context(claim)
        if Path(f"/sys/class/net/{chosen.bridge}").exists():  # of a run that was killed
            _succeeds("ip", "link", "del", chosen.bridge)
        if f"{chosen.prefix}." not in run("ip", "-4", "route"):
            return chosen
    raise HostError("no network of 10.231.0.0/16 is free")


@contextlib.contextmanager
def source_registry(root: Path, prefix: str, log: Path) -> t.Iterator[dict[str, str]]:
    """Serve the layouts below root to the hosts, and yield the variables of the inventory for this registry."""
    command = [sys.executable, "-m", "ansible_collections.attested.registry.plugins.module_utils._server"]
    command += ["--root", str(root), "--host", f"{prefix}.1", "--port", "5000"]
    with log.open("wb") as output, ended(subprocess.Popen(command, stdout=output, stderr=output)):
        yield {"source_registry": f"{prefix}.1:5000", "source_tls": "no-tls"}


def suites_of(hosts: str, default: str) -> dict[str, Suite]:
    """Return the suite of each host in NAME[:SUITE],NAME[:SUITE]... Raises HostError for a suite that is unknown."""
    chosen = {name: suite for name, dummy, suite in (text.partition(":") for text in hosts.split(","))}
    unknown = set(chosen.values()) - {"", *SUITES}
    if unknown:
        raise HostError(f"{', '.join(sorted(unknown))}: no suite of the test hosts, which are {', '.join(SUITES)}.")
    return {name: SUITES[suite or default] for name, suite in chosen.items()}


@contextlib.contextmanager
def running(
    suites: t.Mapping[str, Suite], cache: Path, *, registry: Path | None = None, compiled: bool = False
) -> t.Iterator[Path]:
    """Boot hosts of these names and suites, and yield the path of the inventory. Raises HostError or PeerError.

    On compiled hosts, modules start in half the time, by module_python.
    """
    check_machine()
    bases = {suite.name: base_root(cache, suite) for suite in suites.values()}
    with contextlib.ExitStack() as stack:
        # /var/tmp and not /tmp, because some kernels do not accept a tmpfs as the upper directory of an overlay.
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="test-hosts-", dir="/var/tmp")))
        key = work / "id"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        chosen = stack.enter_context(network())
        prefix = chosen.prefix
        hosts = [
            Host(name, f"{prefix}.{octet}", chosen.bridge, bases[suite.name], work / name, key, compiled)
            for octet, (name, suite) in enumerate(suites.items(), 11)
        ]
        for host in hosts:
            stack.enter_context(host.booted())
        for host in hosts:
            host.wait_until_up()
        more = stack.enter_context(source_registry(registry, prefix, work / "log")) if registry else {}
        inventory = work / "inventory.json"
        (work / "ssh_config").write_text(_ssh_config(hosts))
        variables = {**more, "machine_address": f"{prefix}.1"}
        inventory.write_text(json.dumps(_inventory(hosts, work, variables), indent=2))
        yield inventory


def _inventory(hosts: t.Sequence[Host], work: Path, variables: t.Mapping[str, str]) -> dict[str, t.Any]:
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    return {
        "all": {
            "hosts": {host.name: {"ansible_host": host.address} for host in hosts},
            "vars": {
                "ansible_user": "root",
                "ansible_ssh_private_key_file": str(hosts[0].key),
                "ansible_ssh_common_args": options,
                "ansible_ssh_pipelining": True,
                "ansible_control_path_dir": str(work / "cp"),
                "ansible_python_interpreter": INTERPRETER_ON_HOST if hosts[0].compiled else "/usr/bin/python3",
                **variables,
            },
            "children": {
                "registry": {"hosts": {hosts[0].name: {}}},
                "clients": {"hosts": {host.name: {} for host in hosts[1:]}},
            },
        }
    }


def _ssh_config(hosts: t.Sequence[Host]) -> str:
    always = ["User root", f"IdentityFile {hosts[0].key}", "StrictHostKeyChecking no", "UserKnownHostsFile /dev/null"]
    addresses = [f"Host {host.name}\n  HostName {host.address}" for host in hosts]
    return "\n".join([*addresses, "Host *", *(f"  {line}" for line in [*always, "LogLevel ERROR"])]) + "\n"


def _enter_private_mounts() -> None:
    """Restart the program in a mount namespace of its own, so that its mounts vanish however it ends."""
    if os.environ.pop(_PRIVATE, None) is None:
        os.environ[_PRIVATE] = "1"
        module = __spec__.name if __spec__ else __name__
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", module, *sys.argv[1:]]
        os.execvp(command[0], command)  # noqa: S606


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--hosts", default="one,two")
    parser.add_argument("--suite", choices=SUITES, default=SUITE)
    parser.add_argument("--registry", type=Path)
    parser.add_argument("--compiled-modules", action="store_true", help="start modules faster")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    # SIGTERM raises SystemExit, so that all with blocks are left.
    signal.signal(signal.SIGTERM, lambda number, dummy_frame: sys.exit(128 + number))
    try:
        check_machine()
        _enter_private_mounts()
        suites = suites_of(options.hosts, options.suite)
        with running(suites, options.cache, registry=options.registry, compiled=options.compiled_modules) as inventory:
            environment = {**os.environ, "TEST_INVENTORY": str(inventory)}
            environment["TEST_SSH_CONFIG"] = str(inventory.with_name("ssh_config"))
            return subprocess.run(options.command, check=False, env=environment).returncode
    except (HostError, PeerError) as exc:
        sys.stderr.write(f"error: The test hosts cannot run: {exc}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
