# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The root filesystem of the hosts of systemd_hosts: a minimal Debian or Ubuntu with systemd, ssh and Python.

It is cached and used until its recipe changes, for at most 30 days.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ..images.debian_images import KEYRING, SUITE, mirror
from ..servers.peers import run


@dataclass(frozen=True)
class Suite:
    """A release of a distribution, in the terms of mmdebstrap."""

    name: str
    mirror: str
    keyring: Path
    components: str = "main"


SUITES: t.Final = {
    **{name: Suite(name, mirror(), KEYRING) for name in (SUITE, "trixie")},
    "noble": Suite(
        "noble",
        "http://archive.ubuntu.com/ubuntu",
        Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg"),
        "main universe",
    ),
}
# The packages of a Debian host that Ansible can reach, without those that the role has to install.
_PACKAGES: t.Final = (
    *("apt", "systemd", "systemd-sysv", "dbus", "libnss-systemd", "python3", "ca-certificates"),
    *("iproute2", "procps", "sudo", "openssh-server"),
)
_UNWANTED: t.Final = ("man", "doc", "locale")
# Units that would use the network and the processor at unpredictable times.
_MASKED: t.Final = ("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "e2scrub_reap.service")
# The mirrors of test machines are often outdated snapshots, and the clocks of test machines can be wrong.
_APT: t.Final = (
    *('Acquire::Check-Valid-Until "false";', 'Acquire::Check-Date "false";'),
    *('Acquire::Languages "none";', 'APT::Install-Recommends "false";'),
)
# There is no DHCP server: each host has its address from a file that nspawn_host writes.
_FILES: t.Final = {
    "etc/apt/apt.conf.d/90test": "\n".join(_APT) + "\n",
    "etc/dpkg/dpkg.cfg.d/90test": "force-unsafe-io\n",
    "etc/ssh/sshd_config.d/test.conf": "UseDNS no\nMaxStartups 100\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/pip.conf": "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\ndisable-pip-version-check = true\n",
}
_EXTRA_CAS: t.Final = Path("/usr/local/share/ca-certificates")
_AGE: t.Final = 30 * 24 * 3600


def base_root(cache: Path, suite: Suite) -> Path:
    """Return the directory of the root filesystem; create it if the cache has no recent one. Requires root.

    Of several runs at the same time, one creates it and the others wait.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".systemd-{suite.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _base_root(cache, suite)


def _base_root(cache: Path, suite: Suite) -> Path:
    root = cache / f"systemd-{suite.name}-{_recipe(suite)}"
    if root.is_dir() and time.time() - root.stat().st_mtime < _AGE:
        return root
    partial = cache / f".systemd-{suite.name}-{_recipe(suite)}"
    for old in (partial, *cache.glob(f"systemd-{suite.name}-*")):
        shutil.rmtree(old, ignore_errors=True)
    _bootstrap(partial, suite)
    _configure(partial, suite)
    partial.touch()
    partial.rename(root)
    return root


def _recipe(suite: Suite) -> str:
    cas = [path.read_bytes() for path in sorted(_EXTRA_CAS.glob("*.crt"))]
    return hashlib.sha256(Path(__file__).read_bytes() + suite.mirror.encode() + b"".join(cas)).hexdigest()[:12]


def _bootstrap(root: Path, suite: Suite) -> None:
    options = ["--variant=minbase", "--mode=root", "--format=dir", "--quiet", "--dpkgopt=force-unsafe-io"]
    options += [f"--aptopt={line.rstrip(';')}" for line in _APT]
    options += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _UNWANTED]
    options.append(f"--include={','.join(_PACKAGES)}")
    source = f"deb [signed-by={suite.keyring}] {suite.mirror} {suite.name} {suite.components}"
    run("mmdebstrap", *options, suite.name, root, source)


def _configure(root: Path, suite: Suite) -> None:
    for name, text in _FILES.items():
        (root / name).write_text(text)
    # A hostname file would override the name that the host is started with.
    (root / "etc/hostname").unlink(missing_ok=True)
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.write_text(Path("/etc/resolv.conf").read_text())
    for unit in _MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    # The keyring with which apt on the host verifies its mirror.
    keyring = root / suite.keyring.relative_to("/")
    if not keyring.exists():
        keyring.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(suite.keyring, keyring)
    for path in _EXTRA_CAS.glob("*.crt"):
        shutil.copy(path, root / "usr/local/share/ca-certificates")
    run("chroot", root, "update-ca-certificates")
    run("chroot", root, "systemctl", "enable", "systemd-networkd.service")


__all__ = ("SUITES", "Suite", "base_root")
