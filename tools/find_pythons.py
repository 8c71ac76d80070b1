# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""find_pythons.py VERSION...: print "VERSION PATH" for each of these versions of Python on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def candidates(version: str) -> list[Path]:
    """Where a Python of that version may be: on PATH, or among pyenv's, whose shims answer for the chosen ones only."""
    places = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    places += sorted(pyenv.glob(f"versions/{version}.*/bin")) + sorted(pyenv.glob(f"versions/{version}/bin"))
    return [place / f"python{version}" for place in places]


def real_python(program: Path, version: str) -> str | None:
    """The interpreter behind a program, None unless it is of that version and can make virtual environments."""
    ask = "import ensurepip, venv, sys; print('%d.%d' % sys.version_info[:2], sys._base_executable)"
    if not os.access(program, os.X_OK):
        return None
    answer = subprocess.run([program, "-c", ask], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    found, dummy, executable = answer.stdout.strip().partition(" ")
    return executable if answer.returncode == 0 and found == version else None


def find_python(version: str) -> str | None:
    """The first working interpreter of that version."""
    return next(filter(None, (real_python(program, version) for program in candidates(version))), None)


def main() -> None:
    """Print what was found."""
    for version in sys.argv[1:]:
        found = find_python(version)
        if found:
            print(version, found)


if __name__ == "__main__":
    main()
