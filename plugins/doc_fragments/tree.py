# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This doc fragment is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that put layers on disk; kept in step with C(module_utils/_module/argument_spec.py)."""

    DOCUMENTATION = r"""
options:
  ownership:
    description:
      - Whether files get the owners and groups that the layers say, which only root can do.
      - With V(false) everything belongs to the user that the task runs as, and no file is setuid or setgid.
    type: bool
    default: true
  xattrs:
    description:
      - What to do with extended attributes, file capabilities included.
      - V(keep) sets those that the filesystem and the permissions allow, with a warning about others. V(require) fails
        where one cannot be set. V(skip) leaves all of them out.
    type: str
    choices:
      - keep
      - require
      - skip
    default: keep
  devices:
    description:
      - What to do with device nodes.
      - V(skip) leaves them out with a warning. V(create) makes them, which only root can do, and which lets whoever can
        enter the tree use them. V(fail) fails.
    type: str
    choices:
      - create
      - skip
      - fail
    default: skip
  max_unpacked_bytes:
    description:
      - How many bytes the layers may have decompressed, holes of sparse files included. Takes units, as in V(20G).
    type: bytes
    default: 100G
  max_entries:
    description:
      - How many entries the layers may have.
    type: int
    default: 10000000
  max_ratio:
    description:
      - How many times its compressed size a layer may have decompressed.
      - Layers that exceed this are refused only when they have more than 512 MiB decompressed, all of them together,
        because files that are mostly zeros compress extremely well.
    type: int
    default: 2000
  lock_timeout:
    description:
      - How many seconds to wait for another task that is at work on O(dest).
    type: float
    default: 60
requirements:
  - zstandard >= 0.19.0 (for layers compressed with zstd, before Python 3.14)
  - isal >= 1.1.0 (optional, to decompress gzip layers about twice as fast)
"""


__all__ = ("ModuleDocFragment",)
