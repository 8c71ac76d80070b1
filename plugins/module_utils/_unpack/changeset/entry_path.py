# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Clean the path of a tar entry as text, before any symbolic link is resolved.

changeset.py splits the path of every entry and the target of every hard link with it.
"""

from __future__ import annotations

import typing as t

from ..._base.text import visible
from ..errors import LayerInvalid
from ..limits import PATH_BYTES

Split = tuple[bytes, bytes]


def split_path(path: bytes) -> Split:
    """Return the directory of an entry, relative to the root, and its name there; both are empty for the root.

    The components . and "" and leading slashes are dropped. A .. drops the component before it but never leads above
    the root: umoci and containerd clean paths as text in the same way. Raises LayerInvalid for a path that is longer
    than Linux accepts.
    """
    if len(path) > PATH_BYTES:
        raise LayerInvalid(
            f"The layer has an entry whose path is {len(path)} bytes long, more than the {PATH_BYTES} that Linux can"
            f" name: {visible(path, limit=100)}."
        )
    clean = path.strip(b"/")
    if clean[:2] == b"./":
        clean = clean[2:]
    # find() and not `in`, which first takes the bytes for an integer and formats an error: 0.15 us each
    if clean[:1] == b"." or clean.find(b"/.") >= 0 or clean.find(b"//") >= 0:
        clean = b"/".join(_clean_components(clean.split(b"/")))
    directory, dummy, name = clean.rpartition(b"/")
    return directory, name


def _clean_components(components: t.Iterable[bytes]) -> list[bytes]:
    kept: list[bytes] = []
    for component in components:
        if component == b"..":
            del kept[-1:]
        elif component not in (b"", b"."):
            kept.append(component)
    return kept


__all__ = ("split_path",)
