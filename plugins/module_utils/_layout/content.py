# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read a file of a layout and compare its digest.

view.py, walk.py and checker.py call this.
"""

from __future__ import annotations

import os
import typing as t

from .._base.strict_json import MAX_BYTES
from .._oci.digest import Verifier
from .._oci.errors import DigestMismatch, SizeMismatch
from .errors import DocumentRefused, LayoutError, Unreadable, WrongDigest
from .stored import FileIdentity

if t.TYPE_CHECKING:
    from .._oci.digest import Digest
    from .directory import OpenFile

# How many bytes are read at once.
_CHUNK: t.Final = 256 * 1024


def read_document(file: OpenFile, *, what: str) -> bytes:
    """Return all bytes of a small file. Raises DocumentRefused above 4 MiB, Unreadable."""
    if file.identity.size > MAX_BYTES:
        raise DocumentRefused(
            f"Reading {what} failed: it has {file.identity.size} bytes, and {MAX_BYTES} is the limit for documents."
        )
    return b"".join(_read_chunks(file, what=what))


def check_digest(
    file: OpenFile, digest: Digest, *, what: str, keep: bool, advance: t.Callable[[int], None] | None = None
) -> bytes:
    """Read the whole file and compare its digest; return its bytes if keep is set, else b"".

    advance is called with the length of each piece that was read, unless the bytes are kept. Raises WrongDigest,
    Unreadable, and DocumentRefused for more than 4 MiB to keep.
    """
    verifier = Verifier(digest, file.identity.size, what=what)
    data = b""
    try:
        if keep:
            data = read_document(file, what=what)
            verifier.update(data)
        else:
            for chunk in _read_chunks(file, what=what):
                verifier.update(chunk)
                if advance is not None:
                    advance(len(chunk))
        verifier.finish()
    except (DigestMismatch, SizeMismatch) as exc:
        raise WrongDigest(exc.message, **exc.fields) from None
    return data


def _read_chunks(file: OpenFile, *, what: str) -> t.Iterator[bytes]:
    """Yield the content; at its end, check that no process wrote to the file meanwhile."""
    left = file.identity.size
    try:
        # read one byte more than the size at most: a file that another process writes to may have no end
        while left >= 0 and (chunk := os.read(file.fd, min(_CHUNK, left + 1))):
            yield chunk
            left -= len(chunk)
        now = FileIdentity.of(os.fstat(file.fd))
    except OSError as exc:
        raise _read_error(what, exc.strerror or type(exc).__name__) from None
    if left < 0 or now != file.identity:
        raise _read_error(what, "it changed while it was read")


def _read_error(what: str, why: str) -> LayoutError:
    return Unreadable(f"Reading {what} failed: {why}; try again when no process writes to the layout.")


__all__ = ("check_digest", "read_document")
