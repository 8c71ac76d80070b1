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

from ..._unpack.tree.missing import find_missing, has_path
from ..._unpack.tree.mount_points import MERGED_USR, MountPoints, PathRefused, path_of_point
from .process import volumes

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..._oci.config import ImageConfig
    from .process import Process
    from .settings import Settings

# systemd makes these below RootDirectory= (base-filesystem.c, MountAPIVFS= and PrivateTmp=).
SYSTEMD_BASE: t.Final = ("/dev", "/etc", "/proc", "/root", "/run", "/sys", "/tmp", "/usr", "/var", "/var/tmp")  # noqa: S108
# Other mounts of a runtime are below these.
_RUNTIME_BASE: t.Final = ("/dev", "/proc", "/sys")


def needed_points(
    config: ImageConfig, process: Process, settings: Settings, *, is_unit: bool, warn: Warn
) -> MountPoints:
    """Return what a tree needs so that the process starts and changes nothing in the tree by that.

    The working directory is among it: a runtime makes it, and systemd fails without it. Raises RuntimeConfigError for a
    volume that no process can receive.
    """
    files = {mount.destination for mount in settings.mounts if mount.type == "bind" and _is_file(mount.source)}
    directories = {mount.destination for mount in settings.mounts} - files
    directories.update(volumes(config, settings, warn=warn))
    if settings.resolv_conf:
        files.add("/etc/resolv.conf")
    if not is_unit:
        directories.update(_RUNTIME_BASE)
    mounted = outermost([*directories, *files])
    needed = directories.intersection(mounted)
    if process.cwd in outermost([*mounted, process.cwd]):
        needed.add(process.cwd)
    if is_unit:
        needed.update(SYSTEMD_BASE)
    return MountPoints(tuple(sorted(needed)), tuple(sorted(files.intersection(mounted) - needed)))


def with_links_of_systemd(root: int, points: MountPoints) -> MountPoints:
    """Return the points, and the names that systemd makes links of in an open tree with their targets. Total."""
    links = [path.decode() for path in MERGED_USR if has_path(root, b"/usr" + path)]
    return MountPoints(tuple(sorted({*points.directories, *links})), points.files)


def _is_file(source: str) -> bool:
    return os.path.exists(source) and not os.path.isdir(source)


def missing_points(root: int, points: MountPoints) -> MountPoints:
    """Return those that an open tree lacks, by the paths that links in the tree lead to, sorted. Total."""
    directories: set[str] = set()
    files = _missing(root, points.files, before=directories)
    directories |= _missing(root, points.directories, before=directories)
    return MountPoints(tuple(sorted(directories - files)), tuple(sorted(files)))


def _missing(root: int, paths: t.Iterable[str], *, before: set[str]) -> set[str]:
    """Return what is missing at paths, and add to before the directories without which links do not lead there."""
    found = set()
    for path in paths:
        try:
            missing = find_missing(root, path_of_point(path).encode())
        except (OSError, PathRefused):
            continue  # something that makes the start fail and changes nothing
        if missing is not None:
            found.add(missing.path.decode("utf-8", "replace"))
            if missing.before_up is not None:
                before.add(missing.before_up.decode("utf-8", "replace"))
    return found - {"/"}


def outermost(paths: t.Iterable[str]) -> tuple[str, ...]:
    """Return the paths that are not below another one of them: what is mounted there hides what the tree has. Total."""
    kept: list[str] = []
    for path in sorted(set(paths), key=lambda path: path + "/"):
        if not kept or not path.startswith(f"{kept[-1]}/"):
            kept.append(path)
    return tuple(kept)


__all__ = ("SYSTEMD_BASE", "missing_points", "needed_points", "outermost", "with_links_of_systemd")
