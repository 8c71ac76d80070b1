# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A booted systemd-nspawn container: its overlay, cgroup and process, restarted when the guest reboots."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import threading
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ..servers.peers import PeerError, run

_UP_SECONDS: t.Final = 60.0
_DOWN_SECONDS: t.Final = 15.0
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


class HostError(Exception):
    """The machine cannot run test hosts, or a host did not come up."""


def cgroup_roots() -> list[Path]:
    """Return the hierarchies in which a host needs a cgroup: the unified one, with cgroup v1 also that of systemd.

    Raises HostError if they are not mounted.
    """
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.controllers").exists():
        return [top]
    found = [top / name for name in ("systemd", "unified") if (top / name / "cgroup.procs").exists()]
    if len(found) != 2:
        raise HostError(f"The test hosts need cgroups: neither {top} nor its systemd and unified are mounted.")
    return found


@dataclass
class Host:
    """A test host: name, address, bridge, root filesystem below the overlay, working directory and ssh key.

    Hosts of several runs may have the same name.
    """

    name: str
    address: str
    bridge: str
    base: Path
    work: Path
    key: Path
    _process: subprocess.Popen[bytes] | None = None
    _ending: threading.Event = field(default_factory=threading.Event)
    _procs: list[Path] = field(default_factory=list)

    @contextlib.contextmanager
    def booted(self) -> t.Iterator[None]:
        """Boot the host, and shut it down afterwards. Raises HostError if a mount or cgroup cannot be created."""
        with self._mounted(), self._cgroups():
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
            raise HostError(f"The test hosts cannot run: this machine refuses overlay mounts. {exc}") from exc
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

    @contextlib.contextmanager
    def _cgroups(self) -> t.Iterator[None]:
        made = [root / f"attested-test-{self._machine}" for root in cgroup_roots()]
        try:
            for place in made:
                place.mkdir(exist_ok=True)
        except OSError as exc:
            raise HostError(f"The test hosts cannot run: creating a cgroup failed: {exc}.") from exc
        self._procs = [place / "cgroup.procs" for place in made]
        try:
            yield
        finally:
            for place in made:
                for directory in sorted((path for path in place.rglob("*") if path.is_dir()), reverse=True):
                    _rmdir(directory)
                _rmdir(place)

    def _run(self) -> None:
        with (self.work / "console.log").open("ab") as console:
            while not self._ending.is_set():
                self._process = subprocess.Popen(
                    self._command(), stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
                )
                if self._process.wait() != _REBOOT:
                    return

    def _command(self) -> list[str]:
        nspawn = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--resolv-conf=off"]
        nspawn += [f"--directory={self._root}", f"--machine={self._machine}", f"--hostname={self.name}"]
        nspawn += [f"--network-bridge={self.bridge}"]
        nspawn += [f"--bind={self.work / 'data' / name}:/{name}" for name in _NOT_OVERLAID]
        # Without the system call bpf, systemd accepts IPAddressDeny= in units but does not enforce it.
        nspawn += ["--capability=CAP_NET_ADMIN", "--system-call-filter=bpf"]
        enter = "; ".join(f"echo $$ >{shlex.quote(str(path))}" for path in self._procs)
        clean = ["env", "-i", f"PATH={os.environ['PATH']}", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"]
        # The host must end with the tests, even if these are killed.
        return ["setpriv", "--pdeathsig", "TERM", "sh", "-c", f'{enter}; exec "$@"', "sh", *clean, *nspawn]

    def _end(self) -> None:
        self._ending.set()
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=_DOWN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()

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
        failed = self._inside("systemctl", "--failed", "--no-pager")
        raise HostError(f"The test host {self.name} did not come up ({self._state() or 'gone'}).\n{console}\n{failed}")

    def _state(self) -> str:
        return self._inside("systemctl", "is-system-running").strip()

    def _inside(self, *command: str) -> str:
        process = self._process
        if process is None:
            return ""
        with contextlib.suppress(OSError, IndexError):
            leader = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
            words = ["nsenter", "--target", leader, "--all", *command]
            return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False).stdout
        return ""

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=1) as connection:
                return connection.recv(3) == b"SSH"
        except OSError:
            return False


def _rmdir(path: Path) -> None:
    # The kernel reports a cgroup as busy for a moment after its last process has ended.
    for dummy in range(50):
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return


__all__ = ("Host", "HostError", "cgroup_roots")
