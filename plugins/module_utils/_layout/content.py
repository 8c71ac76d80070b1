# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import os
import typing as t

from .._base.strict_json import MAX_BYTES
from .._oci.digest import Verifier
from .._oci.errors import DigestMismatch, SizeMismatch
from .errors import DocumentRefused, LayoutError, Unreadable, WrongDigest
from .stored import Identity

if t.TYPE_CHECKING:
    from .._oci.digest import Digest
    from .directory import OpenFile

_CHUNK: t.Final = 256 * 1024


def read_document(file: OpenFile, *, what: str) -> bytes:
    """All bytes of a small file. Raises DocumentRefused above 4 MiB, Unreadable."""
    if file.identity.size > MAX_BYTES:
        raise DocumentRefused(
            f"Reading {what} failed: it has {file.identity.size} bytes, and {MAX_BYTES} is the limit for documents."
        )
    return b"".join(_chunks(file, what=what))


def check_digest(
    file: OpenFile, digest: Digest, *, what: str, keep: bool, advance: t.Callable[[int], None] | None = None
) -> bytes:
    """Read the whole file and compare its digest; give its bytes when keep is set, else nothing.

    advance is called with the length of each piece that has been read, unless the bytes are kept.
    Raises WrongDigest, Unreadable, and DocumentRefused for more than 4 MiB to keep.
    """
    verifier = Verifier(digest, file.identity.size, what=what)
    data = b""
    try:
        if keep:
            data = read_document(file, what=what)
            verifier.update(data)
        else:
            for chunk in _chunks(file, what=what):
                verifier.update(chunk)
                if advance is not None:
                    advance(len(chunk))
        verifier.finish()
    except (DigestMismatch, SizeMismatch) as exc:
        raise WrongDigest(exc.message, **exc.fields) from None
    return data


def _chunks(file: OpenFile, *, what: str) -> t.Iterator[bytes]:
    """The content, and at its end a check that nobody wrote to the file in the meantime."""
    left = file.identity.size
    try:
        # one that somebody goes on writing to may have no end
        while left >= 0 and (chunk := os.read(file.fd, min(_CHUNK, left + 1))):
            yield chunk
            left -= len(chunk)
        now = Identity.of(os.fstat(file.fd))
    except OSError as exc:
        raise _unreadable(what, exc.strerror or type(exc).__name__) from None
    if left < 0 or now != file.identity:
        raise _unreadable(what, "it was changed meanwhile")


def _unreadable(what: str, why: str) -> LayoutError:
    return Unreadable(f"Reading {what} failed: {why}; try again when the layout is at rest.")


__all__ = ("check_digest", "read_document")
