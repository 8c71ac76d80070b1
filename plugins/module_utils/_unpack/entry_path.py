# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from .errors import LayerInvalid, printable
from .limits import PATH_BYTES

Split = tuple[bytes, bytes]


def split_path(path: bytes) -> Split:
    """Returns the directory that an entry belongs into, relative to the root, and its name there; both empty for the
    root.

    ., empty components and leading slashes vanish, and .. takes the component before it away but never leads above
    the root: paths are cleaned as text before links are looked at, as umoci and containerd do. Raises LayerInvalid
    for a path that is longer than any program could name.
    """
    if len(path) > PATH_BYTES:
        raise LayerInvalid(
            f"The layer has an entry whose path is {len(path)} bytes long, more than the {PATH_BYTES} that Linux can"
            f" name: {printable(path, maximum=100)}."
        )
    clean = path.strip(b"/")
    if clean.startswith(b"./"):
        clean = clean[2:]
    if clean.startswith(b".") or b"/." in clean or b"//" in clean:
        clean = b"/".join(_cleaned(clean.split(b"/")))
    directory, dummy, name = clean.rpartition(b"/")
    return directory, name


def _cleaned(components: t.Iterable[bytes]) -> list[bytes]:
    kept: list[bytes] = []
    for component in components:
        if component == b"..":
            del kept[-1:]
        elif component not in (b"", b"."):
            kept.append(component)
    return kept


__all__ = ("split_path",)
