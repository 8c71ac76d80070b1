# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot this machine's own systemd once more, in a container that has /usr of the machine, read-only, and its network.

    with booted(work, [directory]) as inside:
        subprocess.run([*inside, "systemctl", "status"])

All else in the container is in memory, in mount namespaces that end with it, so that nothing of it is left on the
machine, however it ends. No unit starts that an administrator enabled on the machine, because its /etc is not there.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import time
import typing as t
import uuid
from pathlib import Path

from .nspawn import HostError, boot_command, check_kernel, end, inside, own_cgroup, system_state

_PROGRAMS: t.Final = {"/usr/lib/systemd/systemd": "systemd", "systemd-nspawn": "systemd-container"}
_TOP: t.Final = Path(__file__).resolve().parents[3]
_UP_SECONDS: t.Final = 60.0
# Directories of programs and libraries, which are links into /usr, or directories where /usr is not merged.
_BESIDE_USR: t.Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# Public files of /etc that programs need: the names of users, and where libraries are.
_FROM_ETC: t.Final = ("group", "ld.so.cache", "os-release", "passwd")
_NAMES: t.Final = "passwd: files\ngroup: files\nhosts: files\n"
# The root is in a /run of its own: systemd-nspawn leaves directories in /run.
_ROOT: t.Final = "/run/root"


def check_machine(reason: str, **more: str) -> None:
    """Install the packages of the container, and of more programs, if they are missing; reason is for what.

    more are program=package. Raises HostError if this machine lacks or forbids them.
    """
    check_kernel()
    pairs = [f"{program}={package}" for program, package in {**_PROGRAMS, **more}.items()]
    command = [str(_TOP / "tools/apt-need.sh"), reason, *pairs]
    # It prints what it installs.
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if answer.returncode != 0:
        *output, message = answer.stderr.strip().splitlines() or ["apt-need.sh failed"]
        sys.stderr.writelines(f"{line}\n" for line in output)
        raise HostError(message.removeprefix("error: ").rstrip("."))


@contextlib.contextmanager
def booted(work: Path, shown: t.Iterable[Path]) -> t.Iterator[list[str]]:
    """Boot the container, yield the words that run a command inside, and shut it down.

    It sees the directories in shown, read-only. work is a new directory. Raises HostError if it does not come up.
    """
    _lay(work / "root")
    with own_cgroup(f"attested-{os.getpid()}") as cgroup, (work / "console.log").open("wb") as console:
        copy = f"cp -a {shlex.quote(str(work / 'root'))} {_ROOT}"
        prepare = f"mount -t tmpfs -o mode=755 tmpfs /run\n{copy}"
        command = ["unshare", "--mount", *boot_command(cgroup, *_options(shown), prepare=prepare)]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
        )
        try:
            _wait_until_up(process, work / "console.log")
            yield inside(process)
        finally:
            end(process)


def _options(shown: t.Iterable[Path]) -> list[str]:
    beside = (Path("/", name) for name in _BESIDE_USR)
    outside = [path for path in beside if path.is_dir() and not path.is_symlink()]
    binds = [_bind(path) for path in (Path("/usr"), *outside, *_outermost(shown))]
    names = [f"--machine=attested-{os.getpid()}", "--hostname=demo", "--timezone=off", "--link-journal=no"]
    # Sockets, timers and the base of the system: not what the programs of the machine offer to start at boot.
    return [f"--directory={_ROOT}", *names, *binds, "systemd.unit=basic.target"]


def _bind(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace(":", "\\:")
    return f"--bind-ro={escaped}"


def _outermost(paths: t.Iterable[Path]) -> list[Path]:
    """Return the paths that are neither below /usr nor below another of them."""
    found: list[Path] = []
    for path in sorted({path.resolve() for path in paths}):
        if not any(path.is_relative_to(other) for other in (Path("/usr"), *found)):
            found.append(path)
    return found


def _lay(root: Path) -> None:
    """Write what the root of the container begins with."""
    (root / "etc").mkdir(parents=True)
    (root / "var").mkdir()
    for name in _BESIDE_USR:
        if Path("/", name).is_symlink():
            (root / name).symlink_to(os.readlink(Path("/", name)))
    for name in _FROM_ETC:
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(Path("/etc", name), root / "etc" / name)
    (root / "etc/nsswitch.conf").write_text(_NAMES)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    # With an id and these marks it is not the first boot, nor one after an update, which would enable and rebuild much.
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    for name in ("etc/.updated", "var/.updated"):
        (root / name).touch()


def _wait_until_up(process: subprocess.Popen[bytes], console: Path) -> None:
    limit = time.monotonic() + _UP_SECONDS
    while time.monotonic() < limit and process.poll() is None:
        if system_state(process) in ("running", "degraded"):
            return
        time.sleep(0.1)
    last = console.read_text(errors="replace").strip().splitlines()[-1:]
    raise HostError(f"systemd-nspawn does not boot this machine's own system: {''.join(last) or 'it did not come up'}")


__all__ = ("booted", "check_machine")
