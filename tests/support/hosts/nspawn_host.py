# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A booted test host: a systemd-nspawn container on an overlay, which is restarted when the guest reboots."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from .. import module_python
from ..servers.peers import PeerError, run
from .nspawn import HostError, boot_command, end, output_inside, own_cgroup, system_state

_UP_SECONDS: t.Final = 60.0
# The exit status of systemd-nspawn when the guest requested a reboot.
_REBOOT: t.Final = 133
# These are directories of this machine, because an overlay has no ID-mapped mounts, which containers in the host need.
_NOT_OVERLAID: t.Final = ("srv", "var/lib/machines")
_NETWORK: t.Final = """[Match]
Name=host0
[Network]
Address={address}/24
Gateway={gateway}
LinkLocalAddressing=ipv6
IPv6AcceptRA=no
"""


@dataclass
class Host:
    """A test host: name, address, bridge, root filesystem below the overlay, working directory and ssh key.

    Hosts of several runs may have the same name. A compiled one has the interpreter of module_python.
    """

    name: str
    address: str
    bridge: str
    base: Path
    work: Path
    key: Path
    compiled: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _ending: threading.Event = field(default_factory=threading.Event)
    _cgroup: list[Path] = field(default_factory=list)

    @contextlib.contextmanager
    def booted(self) -> t.Iterator[None]:
        """Boot the host, and shut it down afterwards. Raises HostError if a mount or cgroup cannot be created."""
        with self._mounted(), own_cgroup(f"attested-test-{self._machine}") as self._cgroup:
            loop = threading.Thread(target=self._run, name=self.name)
            loop.start()
            try:
                yield
            finally:
                self._end()
                loop.join()

    @contextlib.contextmanager
    def _mounted(self) -> t.Iterator[None]:
        for name in ("upper", "work", "root"):
            (self.work / name).mkdir(parents=True)
        for name in _NOT_OVERLAID:
            (self.work / "data" / name).mkdir(parents=True)
        places = f"lowerdir={self.base},upperdir={self.work / 'upper'},workdir={self.work / 'work'}"
        try:
            run("mount", "-t", "overlay", f"test-{self.name}", "-o", places, self._root)
        except PeerError as exc:
            raise HostError(f"this machine refuses overlay mounts. {exc}") from exc
        try:
            self._personalise()
            yield
        finally:
            subprocess.run(["umount", "-l", str(self._root)], check=False)

    @property
    def _machine(self) -> str:
        """The name on this machine."""
        return f"{self.name}-{self.address.split('.')[2]}"

    @property
    def _root(self) -> Path:
        return self.work / "root"

    def _personalise(self) -> None:
        ssh = self._root / "root/.ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        (ssh / "authorized_keys").write_text(self.key.with_suffix(".pub").read_text())
        gateway = f"{self.address.rpartition('.')[0]}.1"
        network = self._root / "etc/systemd/network/10-host0.network"
        network.write_text(_NETWORK.format(address=self.address, gateway=gateway))
        with (self._root / "etc/hosts").open("a") as hosts:
            hosts.write(f"{self.address} {self.name}\n")
        if self.compiled:
            module_python.install(self._root)

    def _run(self) -> None:
        with (self.work / "console.log").open("ab") as console:
            while not self._ending.is_set():
                self._process = subprocess.Popen(
                    self._command(), stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
                )
                if self._process.wait() != _REBOOT:
                    return

    def _command(self) -> list[str]:
        names = [f"--machine={self._machine}", f"--hostname={self.name}"]
        network = [f"--network-bridge={self.bridge}", "--capability=CAP_NET_ADMIN"]
        binds = [f"--bind={self.work / 'data' / name}:/{name}" for name in _NOT_OVERLAID]
        return boot_command(self._cgroup, f"--directory={self._root}", *names, *network, *binds)

    def _end(self) -> None:
        self._ending.set()
        if self._process is not None:
            end(self._process)

    def wait_until_up(self) -> None:
        """Wait until all units of the host are up and its sshd answers. Raises HostError with its console output."""
        limit = time.monotonic() + _UP_SECONDS
        while time.monotonic() < limit:
            if self._state() == "running" and self._answers():
                return
            if self._process is not None and self._process.poll() not in (None, _REBOOT):
                break
            time.sleep(0.1)
        console = (self.work / "console.log").read_text(errors="replace")[-4000:]
        failed = output_inside(self._process, "systemctl", "--failed", "--no-pager") if self._process else ""
        raise HostError(f"{self.name} did not come up ({self._state() or 'gone'}).\n{console}\n{failed}")

    def _state(self) -> str:
        return system_state(self._process) if self._process else ""

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=1) as connection:
                return connection.recv(3) == b"SSH"
        except OSError:
            return False


__all__ = ("Host",)
