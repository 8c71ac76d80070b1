# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The busybox of this machine as the entries of a layer, with the libraries that it loads and a root around it."""

from __future__ import annotations

import re
import shutil
import subprocess
import typing as t
from pathlib import Path

from . import images

# What the programs need, and what a runtime or systemd mounts something at.
_DIRECTORIES: t.Final = ("bin", "dev", "etc", "proc", "root", "run", "srv", "sys", "tmp", "usr", "var", "var/tmp")


def busybox_entries(*programs: str) -> list[images.Entry]:
    """Return a root filesystem whose programs are busybox. Raises FileNotFoundError without busybox."""
    found = shutil.which("busybox")
    if found is None:
        raise FileNotFoundError("busybox is not installed (Debian: busybox-static)")
    files = {"bin/busybox": Path(found), **{path.lstrip("/"): Path(path) for path in _libraries(found)}}
    parents = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    return [
        *(images.directory(name) for name in sorted({*_DIRECTORIES, *parents})),
        *(images.file(name, path.read_bytes(), mode=0o755) for name, path in files.items()),
        *(images.symlink(f"bin/{name}", "busybox") for name in programs),
    ]


def _libraries(program: str) -> list[str]:
    """Return the paths of the shared libraries that a program loads; none if it is static."""
    answer = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return re.findall(r"(/\S+) \(0x", answer.stdout)


__all__ = ("busybox_entries",)
