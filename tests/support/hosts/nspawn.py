# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot a directory in systemd-nspawn, on a machine of any init system, and run commands inside.

with own_cgroup("NAME") as cgroup:
    process = subprocess.Popen(boot_command(cgroup, "--directory=DIRECTORY"), ...)
    subprocess.run([*inside(process), "systemctl"])
    end(process)
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import time
import typing as t
from pathlib import Path

_DOWN_SECONDS: t.Final = 15.0
_NAMESPACES: t.Final = {"mount": "--mount", "PID": "--pid", "network": "--net", "UTS": "--uts", "IPC": "--ipc"}


class HostError(Exception):
    """The machine cannot run hosts in systemd-nspawn, or a host did not come up."""


def check_kernel() -> None:
    """Raise HostError if this machine does not let the process have the namespaces and cgroups of a host."""
    if os.geteuid() != 0:
        raise HostError("namespaces, mounts and cgroups require root")
    refused = [name for name, option in _NAMESPACES.items() if not _unshares("--fork", option, "true")]
    if refused:
        raise HostError(f"this machine refuses {', '.join(refused)} namespaces to root")
    for root in _cgroup_roots():
        if not os.access(root, os.W_OK):
            raise HostError(f"{root} is read-only, so no cgroup can be created")


def _unshares(*words: str) -> bool:
    command = ["unshare", *words]
    try:
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _cgroup_roots() -> list[Path]:
    """Return the hierarchies in which a host needs a cgroup: the unified one, with cgroup v1 also that of systemd.

    Raises HostError if they are not mounted.
    """
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.controllers").exists():
        return [top]
    found = [top / name for name in ("systemd", "unified") if (top / name / "cgroup.procs").exists()]
    if len(found) != 2:
        raise HostError(f"no cgroups are mounted at {top}, or at its systemd and unified")
    return found


@contextlib.contextmanager
def own_cgroup(name: str) -> t.Iterator[list[Path]]:
    """Create a cgroup in each hierarchy, yield their cgroup.procs, and remove them. Raises HostError."""
    made = [root / name for root in _cgroup_roots()]
    try:
        for place in made:
            place.mkdir(exist_ok=True)
    except OSError as exc:
        raise HostError(f"creating a cgroup failed: {exc}") from exc
    try:
        yield [place / "cgroup.procs" for place in made]
    finally:
        for place in made:
            for directory in sorted((path for path in place.rglob("*") if path.is_dir()), reverse=True):
                _rmdir(directory)
            _rmdir(place)


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


def boot_command(cgroup: t.Sequence[Path], *options: str, prepare: str = "") -> list[str]:
    """Return the command that boots a directory in this cgroup, with further options of systemd-nspawn.

    prepare are commands of the shell that come first.
    """
    nspawn = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--resolv-conf=off"]
    # Without the system call bpf, systemd accepts IPAddressDeny= in units but does not enforce it.
    nspawn += ["--system-call-filter=bpf", *options]
    enter = [f"echo $$ >{shlex.quote(str(path))}" for path in cgroup]
    script = "\n".join(["set -e", *enter, prepare, 'exec "$@"'])
    clean = ["env", "-i", f"PATH={os.environ['PATH']}:/usr/sbin:/sbin", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"]
    # The host must end with the process that started it, even if that is killed.
    return ["setpriv", "--pdeathsig", "TERM", "sh", "-c", script, "sh", *clean, *nspawn]


def inside(process: subprocess.Popen[bytes]) -> list[str]:
    """Return the words that run the command after them in the host of process. Raises HostError if it is gone."""
    try:
        leader = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
    except (OSError, IndexError) as exc:
        raise HostError("the host is not running") from exc
    return ["nsenter", "--target", leader, "--all"]


def output_inside(process: subprocess.Popen[bytes], *command: str) -> str:
    """Run a command in the host and return its standard output; an empty text if the host is gone."""
    try:
        words = [*inside(process), *command]
    except HostError:
        return ""
    return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False).stdout


def system_state(process: subprocess.Popen[bytes]) -> str:
    """Return the state of the systemd of the host, such as "running"; an empty text before it answers."""
    return output_inside(process, "systemctl", "is-system-running").strip()


def end(process: subprocess.Popen[bytes]) -> None:
    """Shut the host down, and kill it if that takes too long."""
    process.terminate()
    try:
        process.wait(timeout=_DOWN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


__all__ = (
    "HostError",
    "boot_command",
    "check_kernel",
    "end",
    "inside",
    "output_inside",
    "own_cgroup",
    "system_state",
)
