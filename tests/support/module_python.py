# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An interpreter for modules that starts them in half the time, for tests whose subject is something else.

A module that comes over standard input, with pipelining, brings its part of ansible-core along as sources, which Python
compiles again for each module. This interpreter takes the same files from a directory, where they are compiled once.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import typing as t
from pathlib import Path

import ansible

_MODULE: t.Final = """
import sys
sys.path[:0] = {paths!r}
import ansible.module_utils.basic
import ansible.module_utils._internal._ansiballz._loader
del sys.path[:{count}]
exec(compile(sys.stdin.buffer.read(), "<stdin>", "exec"))
"""
_ON_HOST: t.Final = Path("/usr/local/lib/python-of-modules")
INTERPRETER_ON_HOST: t.Final = str(_ON_HOST / "python")


def module_python(where: Path) -> str:
    """Write the interpreter for modules on this machine, with the ansible-core of this environment; return its path."""
    return str(_write(where / "python-of-modules", sys.executable))


def install(root: Path) -> None:
    """Write INTERPRETER_ON_HOST, and the files of this environment's ansible-core, to the root filesystem of a host."""
    place = root / _ON_HOST.relative_to("/")
    source = Path(ansible.__file__).parent
    for name in ("module_utils", "modules"):
        shutil.copytree(source / name, place / "ansible" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(source / "release.py", place / "ansible/release.py")
    (place / "ansible/__init__.py").write_text("from ansible.release import __author__, __version__\n")
    _write(place / "python", "/usr/bin/python3", str(_ON_HOST))


def _write(path: Path, python: str, *paths: str) -> Path:
    python, module = shlex.quote(python), shlex.quote(_MODULE.format(paths=list(paths), count=len(paths)))
    path.write_text(f'#!/bin/sh\n[ $# = 0 ] || exec {python} "$@"\nexec {python} -c {module}\n')
    path.chmod(0o755)
    return path


__all__ = ("INTERPRETER_ON_HOST", "install", "module_python")
