# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a bundle with crun and runc, on machines whose cgroups crun does not support as they are, too."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

RUNTIMES: t.Final = ("crun", "runc")

# crun 1.8 refuses a hierarchy of version 2 beside those of version 1, as it is in some containers and virtual machines.
_CRUN: t.Final = """
if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi
exec crun --cgroup-manager=disabled --root "$2/state" run --bundle "$1" "$3"
"""


def run_bundle(runtime: str, bundle: Path) -> str:
    """Run a container and return its output. Skips the test by name if the runtime is not installed, or not root."""
    if shutil.which(runtime) is None:
        pytest.skip(f"{runtime} is not installed")
    if os.geteuid() != 0:
        pytest.skip(f"{runtime} needs root for these bundles")
    name = f"test-{os.getpid()}-{os.urandom(4).hex()}"
    command = ["runc", "--root", str(bundle.parent / "state"), "run", "--bundle", str(bundle), name]
    if runtime == "crun":
        command = ["unshare", "--mount", "sh", "-c", _CRUN, "sh", str(bundle), str(bundle.parent), name]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


__all__ = ("RUNTIMES", "run_bundle")
