# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Detection of changed layouts by polling, for the setting watch. Called by supervisor.py."""

from __future__ import annotations

import os
import stat
import typing as t

# limit of the depth of directories that are checked
_MAX_DEPTH: t.Final = 16
Fingerprint = t.Mapping[str, tuple[int, int, int]]


def fingerprint(root: str) -> Fingerprint:
    """Return data that changes when a layout is added, changed or removed: indexes, and times of directories.

    Never raises; unreadable entries are omitted.
    """
    found: dict[str, tuple[int, int, int]] = {}
    pending = [(root, 0)]
    while pending:
        path, depth = pending.pop()
        directories = _scan(path, found)
        if depth < _MAX_DEPTH:
            pending += [(name, depth + 1) for name in directories]
    return found


def _scan(path: str, found: dict[str, tuple[int, int, int]]) -> list[str]:
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".") and _is_relevant(entry)]
    except OSError:
        return []
    _add_entry(path, found)
    if "index.json" in names:
        _add_entry(os.path.join(path, "index.json"), found)
        # new blobs change the times of these directories, and may be written after the index
        for algorithm in ("sha256", "sha512"):
            _add_entry(os.path.join(path, "blobs", algorithm), found)
        return []
    return [os.path.join(path, name) for name in names]


def _is_relevant(entry: os.DirEntry[str]) -> bool:
    return entry.name == "index.json" or entry.is_dir(follow_symlinks=False)


def _add_entry(path: str, found: dict[str, tuple[int, int, int]]) -> None:
    try:
        about = os.lstat(path)
    except OSError:
        return
    size = 0 if stat.S_ISDIR(about.st_mode) else about.st_size
    found[path] = (about.st_ino, size, about.st_mtime_ns)


class Watch:
    """Poller that reports a change of the registry once two checks in a row find the same state."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._loaded = self._last = fingerprint(root)

    def has_changed(self) -> bool:
        """Check the registry. Returns True once for each change, after the state is stable."""
        seen = fingerprint(self._root)
        settled, self._last = seen == self._last, seen
        if settled and seen != self._loaded:
            self._loaded = seen
            return True
        return False


__all__ = ("Fingerprint", "Watch", "fingerprint")
