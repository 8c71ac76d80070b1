# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the images that the plays of docs/run-it.md name, for plays.sh: make_images.py DIRECTORY CACHE.

team/appliance is Debian with systemd, made of the root filesystem of the test hosts. team/tools extends that release.
team/agent is a portable service of busybox. Each has the tags 1.0 and 2.0.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.attested.registry.tests.support.hosts.systemd_base import SUITES, base_root
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.debian_images import SUITE
from ansible_collections.attested.registry.tests.support.images.runnable import runnable_layer

VERSIONS = ("1.0", "2.0")
# What is not needed to boot: unpacking takes time for each file.
LEFT_OUT = (
    "dev/*",
    "usr/share/zoneinfo",
    "usr/share/perl*",
    "usr/lib/python3*",
    "usr/lib/*/perl*",
    "var/cache",
    "var/lib/apt",
    "boot",
)
APPLIANCE_UNIT = b"""[Unit]
Description=The service of the appliance
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/cp /etc/version /var/lib/appliance/version
[Install]
WantedBy=multi-user.target
"""
AGENT_UNIT = b"""[Unit]
Description=The agent
[Service]
StateDirectory=agent
ExecStart=/bin/sh -c 'cat /etc/version >/var/lib/agent/version; exec sleep 100000'
[Install]
WantedBy=multi-user.target
"""


def main(registry: Path, cache: Path) -> None:
    """Write one layout for each repository."""
    base = base_root(cache, SUITES[SUITE])
    release = (base / "usr/lib/os-release").read_bytes()
    appliance, agent = debian_layer(base), runnable_layer()
    made = {
        "appliance": {version: [appliance, appliance_layer(version)] for version in VERSIONS},
        "agent": {version: [agent, agent_layer(version)] for version in VERSIONS},
        "tools": {
            **{version: [tools_layer(version, release)] for version in VERSIONS},
            "other": [tools_layer("other", b"ID=other\nVERSION_ID=1\n")],
        },
    }
    for name, tags in made.items():
        (registry / "team").mkdir(exist_ok=True)
        images.write_layout(registry / "team" / name, {tag: images.image(layers) for tag, layers in tags.items()})


def debian_layer(base: Path) -> images.Layer:
    """Make a layer of the root filesystem of the test hosts."""
    command = ["tar", "--create", f"--directory={base}", "--numeric-owner", "--sort=name", "--exclude=./etc/machine-id"]
    command += [f"--exclude=./{name}" for name in LEFT_OUT]
    packed = subprocess.run([*command, "."], check=True, stdout=subprocess.PIPE).stdout
    return images.layer(packed, compression="none")


def appliance_layer(version: str) -> images.Layer:
    """Make the layer with the service of the appliance."""
    wants = "etc/systemd/system/multi-user.target.wants/appliance.service"
    unit = "usr/lib/systemd/system/appliance.service"
    return images.layer(
        [
            images.file("etc/version", f"{version}\n".encode()),
            images.file(unit, APPLIANCE_UNIT),
            images.symlink(wants, f"/{unit}"),
            images.directory("var/lib/appliance"),
        ]
    )


def agent_layer(version: str) -> images.Layer:
    """Make the layer with the unit of the agent, without what systemd mounts something at: the play makes that."""
    names = ("usr/lib", "usr/lib/systemd", "usr/lib/systemd/system", "var/lib")
    return images.layer(
        [
            *(images.directory(name) for name in names),
            images.symlink("lib", "usr/lib"),
            images.file("etc/version", f"{version}\n".encode()),
            images.file("usr/lib/os-release", f"ID=agent\nVERSION_ID={version}\n".encode()),
            images.file("usr/lib/systemd/system/agent.service", AGENT_UNIT),
        ]
    )


def tools_layer(version: str, release: bytes) -> images.Layer:
    """Make the layer of an extension for the distribution of an os-release."""
    fields = [line for line in release.splitlines(keepends=True) if line.startswith((b"ID=", b"VERSION_ID="))]
    names = ("usr", "usr/bin", "usr/lib", "usr/lib/extension-release.d")
    return images.layer(
        [
            *(images.directory(name) for name in names),
            images.file("usr/bin/tools-version", f"#!/bin/sh\necho {version}\n".encode(), mode=0o755),
            images.file("usr/lib/extension-release.d/extension-release.tools", b"".join(fields)),
        ]
    )


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
