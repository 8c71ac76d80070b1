# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible_test_home.py HOME: make a home directory in which ansible-test builds its environments from PyPI only.

ansible-test downloads a pip bootstrap script from a host of its own, passes no PIP_* variable on, and takes every
python3.X it finds on PATH for a working one. So this puts in place: its download cache, holding the pip it wants; a pip
configuration with what the PIP_* variables say; and bin/ with a link to each Python that answers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible_test._internal.constants import SUPPORTED_PYTHON_VERSIONS
from ansible_test._internal.host_configs import VirtualPythonConfig
from ansible_test._internal.python_requirements import get_venv_packages
from ansible_test._internal.util import str_to_version

from .find_pythons import find_python

OLDEST_PYTHON = (3, 9)

BOOTSTRAP = """import os, runpy, sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "{wheel}"))
sys.argv = ["pip", "install", "--upgrade"] + [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def seed_pip(cache: Path, version: str) -> None:
    """Puts pip's wheel and a bootstrap script under the name that ansible-test looks for."""
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    download = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(cache),
        f"pip=={version}",
    ]
    subprocess.run(download, check=True, stdin=subprocess.DEVNULL)
    (wheel,) = cache.glob(f"pip-{version}-*.whl")
    script.write_text(BOOTSTRAP.format(wheel=wheel.name))


def write_pip_config(home: Path) -> None:
    """The PIP_* variables as a configuration file."""
    values = {
        k[4:].lower().replace("_", "-"): v
        for k, v in os.environ.items()
        if k.startswith("PIP_") and k != "PIP_CONFIG_FILE"
    }
    config = home / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(values.items())))


def link_pythons(directory: Path) -> list[str]:
    """Fills bin/ and returns the versions found."""
    directory.mkdir(parents=True, exist_ok=True)
    found = []
    for version in (v for v in SUPPORTED_PYTHON_VERSIONS if str_to_version(v) >= OLDEST_PYTHON):
        link = directory / f"python{version}"
        link.unlink(missing_ok=True)
        real = find_python(version)
        if real:
            link.symlink_to(real)
            found.append(version)
    return found


def main() -> None:
    home = Path(sys.argv[1])
    write_pip_config(home)
    versions = link_pythons(home / "bin")
    for version in versions:
        seed_pip(home / ".ansible" / "test" / "cache", get_venv_packages(VirtualPythonConfig(version=version))["pip"])
    print(" ".join(versions))


if __name__ == "__main__":
    main()
