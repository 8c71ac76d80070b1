# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests compare of a file that a module writes, and what it may leave beside the file."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    import pathlib


def identity(path: pathlib.Path) -> tuple[int, ...]:
    """Return what changes if a file is written, replaced, or given other attributes."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def left(dest: pathlib.Path) -> list[str]:
    """Return the names of what is beside the archive."""
    return sorted(path.name for path in dest.parent.iterdir() if path != dest) if dest.parent.exists() else []
