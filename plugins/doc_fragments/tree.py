# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This doc fragment is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Documentation fragment: options of the modules that unpack layers. TREE and SELECTION in _module/options/spec.py are
their specification.
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

    SELECTION = r"""
options:
  include:
    description:
      - Patterns of the paths to keep. Directories above a path that is kept are kept, too. If not set, all paths are
        kept.
      - A pattern is a path from the root of the image, as in C(.dockerignore); a slash in front of it makes no
        difference. A pattern that matches a directory stands for everything in it. V(*), V(?) and V([...]) match within
        one name, leading dots included, and V(**) as a name matches any number of directories. C(usr/share/doc),
        C(usr/lib/*.so.*) and C(**/*.conf) are patterns.
      - Patterns are compared with the paths of the complete tree, without following symbolic links, so that a file in
        C(/lib) of an image in which that is a link has the path C(usr/lib).
      - All layers are fetched, verified and unpacked beside O(dest) as without this option, and what is not selected is
        removed before the result replaces O(dest). The space for the complete tree is therefore needed for that time. A
        hard link to a file that is left out becomes a file with the same content.
      - A pattern that keeps nothing leads to a warning. If nothing is left, the task fails. Check mode reads no layers,
        and so can tell neither.
    type: list
    elements: str
    version_added: 0.3.0
  exclude:
    description:
      - Patterns of the paths to leave out, as for O(include). A path that matches both is left out.
    type: list
    elements: str
    version_added: 0.3.0
  strip:
    description:
      - The path of a directory in the image that becomes the root of the tree; all that is not in it is left out.
        Symbolic links on the way to it are not followed.
      - Patterns of O(include) and O(exclude) are paths from the root of the image, with and without this option.
    type: str
    version_added: 0.3.0
"""


__all__ = ("ModuleDocFragment",)
