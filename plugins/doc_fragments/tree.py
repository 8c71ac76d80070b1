# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This doc fragment is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Documentation fragment: options of the modules that unpack layers. TREE in _module/options/spec.py is their
specification.
"""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options for unpacking; a unit test compares it with the argument spec."""

    DOCUMENTATION = r"""
options:
  ownership:
    description:
      - Whether to set the owners and groups that the layers record. Only root can do this.
      - With V(false), everything belongs to the user that the task runs as, and no file is setuid or setgid.
    type: bool
    default: true
  xattrs:
    description:
      - How to handle extended attributes, file capabilities included.
      - V(keep) sets the attributes that the filesystem and the permissions allow, and warns about the others.
        V(require) fails if an attribute cannot be set. V(skip) sets none.
    type: str
    choices:
      - keep
      - require
      - skip
    default: keep
  devices:
    description:
      - How to handle device nodes.
      - V(skip) skips them with a warning. V(create) creates them, which only root can do; every user who can enter the
        tree can then use the devices. V(fail) fails the task.
    type: str
    choices:
      - create
      - skip
      - fail
    default: skip
  max_unpacked_bytes:
    description:
      - Maximum size of all layers together, decompressed, in bytes. Holes of sparse files count. Accepts units, as in
        V(20G).
    type: bytes
    default: 100G
  max_entries:
    description:
      - Maximum number of entries in all layers together.
    type: int
    default: 10000000
  max_ratio:
    description:
      - Maximum ratio of the decompressed to the compressed size of a layer.
      - Layers that exceed this ratio are refused only once they have more than 512 MiB decompressed, all of them
        together, because files that consist mostly of zeros compress extremely well.
    type: int
    default: 2000
  lock_timeout:
    description:
      - How many seconds to wait while another task works on O(dest).
    type: float
    default: 60
requirements:
  - zstandard >= 0.19.0 (for layers compressed with zstd, before Python 3.14)
  - isal >= 1.1.0 (optional, to decompress gzip layers about twice as fast)
  - the modules C(bz2) and C(lzma) of Python's standard library (for layers compressed with bzip2 and xz, which the
    image specification does not define; each such layer leads to a warning)
"""


__all__ = ("ModuleDocFragment",)
