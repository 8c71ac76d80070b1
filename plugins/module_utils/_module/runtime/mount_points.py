# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What a tree lacks at the places where a runtime or systemd mounts something: they make it, which changes the tree.

run.py warns of it, because the next unpack finds that the tree has drifted.
"""

from __future__ import annotations

import os
import typing as t

from ..._unpack.tree.confine import choose_resolver

# systemd makes these below RootDirectory= (base-filesystem.c, MountAPIVFS= and PrivateTmp=).
SYSTEMD_BASE: t.Final = ("/dev", "/etc", "/proc", "/root", "/run", "/sys", "/tmp", "/usr", "/var", "/var/tmp")  # noqa: S108


def missing_places(root: int, paths: t.Iterable[str]) -> tuple[str, ...]:
    """Return those absolute paths that an open tree lacks, sorted. Total."""
    resolver = choose_resolver()
    missing = []
    for path in sorted(set(paths)):
        try:
            os.close(resolver(root, path.encode()))
        except FileNotFoundError:
            missing.append(path)
        except OSError:
            continue  # a file, or something that makes the start fail and changes nothing
    return tuple(missing)


def outermost(paths: t.Iterable[str]) -> tuple[str, ...]:
    """Return the paths that are not below another one of them: what is mounted there hides what the tree has. Total."""
    kept: list[str] = []
    for path in sorted(set(paths), key=lambda path: path + "/"):
        if not kept or not path.startswith(f"{kept[-1]}/"):
            kept.append(path)
    return tuple(kept)


__all__ = ("SYSTEMD_BASE", "missing_places", "outermost")
