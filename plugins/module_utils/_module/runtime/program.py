# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Find the program of a process in its tree, as execvp(3) does there, because a unit needs its absolute path.

run.py calls it.
"""

from __future__ import annotations

import os
import posixpath
import stat
import typing as t

from ..._base.text import quote, visible
from ..._unpack.errors import filesystem_error
from ..._unpack.tree.confine import choose_resolver
from ..._unpack.tree.regular import NotRegular, open_regular
from .values import RuntimeConfigError, absolute

if t.TYPE_CHECKING:
    from ..._unpack.tree.confine import PathResolver
    from .process import Process

# A PATH has a dozen entries; that of an untrusted image must not cost a system call for each of a million.
_MAX_DIRECTORIES: t.Final = 256


def find_program(root: int, process: Process, *, path: str) -> str:
    """Return the absolute path, in an open tree, of the program of a process; path is that of the tree, for messages.

    A name with a slash is relative to the working directory, another one is looked for along PATH. Raises
    RuntimeConfigError if there is no executable file there, and FilesystemError.
    """
    name = process.args[0]
    resolver = choose_resolver()
    for candidate in _candidates(name, process):
        try:
            if _is_executable(root, candidate, resolver):
                return candidate
        except (FileNotFoundError, NotADirectoryError, NotRegular):
            continue
        except OSError as exc:
            where = f"{path.rstrip('/')}{candidate}"
            raise filesystem_error(exc, doing="looking for the program of the image at", path=where) from exc
    where = "at that path" if "/" in name else f"along its PATH ({visible(process.search_path)})"
    raise RuntimeConfigError(
        f"The program {quote(name)} of the process is no executable file in {visible(path)} {where}; correct the image,"
        " or set the option entrypoint or args.",
        option="entrypoint",
    )


def _candidates(name: str, process: Process) -> t.Iterator[str]:
    if "/" in name:
        yield absolute(posixpath.join(process.cwd, name), what="the program", field="args")
        return
    for directory in process.search_path.split(":")[:_MAX_DIRECTORIES]:
        yield absolute(posixpath.join(process.cwd, directory, name), what="the program", field="args")


def _is_executable(root: int, path: str, resolver: PathResolver) -> bool:
    descriptor = open_regular(root, path.encode(), resolver=resolver)
    try:
        return bool(os.fstat(descriptor).st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    finally:
        os.close(descriptor)


__all__ = ("find_program",)
