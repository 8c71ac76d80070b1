# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Content digests and their verification (image-spec, descriptor.md, "Digests")."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass

from .._base.text import quote
from .errors import DigestError, DigestMismatch, SizeMismatch

if t.TYPE_CHECKING:
    from hashlib import _Hash

# algorithm -> digits of the encoded part (image-spec, descriptor.md, "Registered Algorithms"; docker adds sha384)
ALGORITHMS: t.Final = {"sha256": 64, "sha384": 96, "sha512": 128}

_HEX: t.Final = "0123456789abcdef"
_ADVICE: t.Final = "The content is damaged or is not the requested content; pull it again from a registry you trust."


@dataclass(frozen=True, order=True)
class Digest:
    """A content digest that can be verified (image-spec, descriptor.md, "Digests").

    Every instance is valid: a registered algorithm and exactly its number of lower-case hexadecimal digits. Neither
    part can therefore contain syntax of paths, URLs or headers. Raises DigestError otherwise.
    """

    algorithm: str
    encoded: str

    def __post_init__(self) -> None:
        length = ALGORITHMS.get(self.algorithm) if isinstance(self.algorithm, str) else None
        if length is None:
            raise DigestError(
                f"The digest algorithm {quote(self.algorithm, limit=40)} cannot be verified; "
                f"use one of {', '.join(ALGORITHMS)}."
            )
        if not isinstance(self.encoded, str) or len(self.encoded) != length or self.encoded.strip(_HEX):
            raise DigestError(
                f"The digest {quote(f'{self.algorithm}:{self.encoded}', limit=140)} is malformed: "
                f"{self.algorithm} is followed by exactly {length} lower-case hexadecimal digits."
            )

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read "algorithm:encoded". Raises DigestError."""
        algorithm, colon, encoded = text.partition(":") if isinstance(text, str) else ("", "", "")
        if not colon:
            raise DigestError(f"The digest {quote(text)} is malformed: it must look like sha256:0123...cdef.")
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Digest:
        """Compute the digest of data. Raises DigestError for an algorithm that is not registered."""
        if algorithm not in ALGORITHMS:
            return cls(algorithm, "")
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    def new_hash(self) -> _Hash:
        """Return a new hashlib object of the digest's algorithm."""
        return hashlib.new(self.algorithm)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"


class Verifier:
    """Checks a stream against a digest and, unless size is None, a size while the stream is read.

    what names the content in messages ("layer sha256:..."). To continue a stream whose beginning was hashed before,
    pass that hash object as state and the number of its bytes as received.
    """

    def __init__(
        self, digest: Digest, size: int | None, *, what: str, state: _Hash | None = None, received: int = 0
    ) -> None:
        self.digest = digest
        self.size = size
        self.what = what
        self.received = received
        self._hash = digest.new_hash() if state is None else state

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        """Hash the next bytes. Raises SizeMismatch as soon as there are more than size."""
        self.received += len(chunk)
        if self.size is not None and self.received > self.size:
            raise SizeMismatch(
                f"Verifying {self.what} failed: more than the expected {self.size} bytes arrived. {_ADVICE}",
                expected=self.size,
                actual=self.received,
            )
        self._hash.update(chunk)

    def finish(self) -> None:
        """Check the complete stream. Raises SizeMismatch or DigestMismatch."""
        if self.size is not None and self.received != self.size:
            raise SizeMismatch(
                f"Verifying {self.what} failed: {self.received} of the expected {self.size} bytes arrived. {_ADVICE}",
                expected=self.size,
                actual=self.received,
            )
        actual = self._hash.hexdigest()
        if actual != self.digest.encoded:
            raise DigestMismatch(
                f"Verifying {self.what} failed: its digest is {self.digest.algorithm}:{actual}, "
                f"expected {self.digest}. {_ADVICE}",
                expected=str(self.digest),
                actual=f"{self.digest.algorithm}:{actual}",
            )


def verify(data: bytes, digest: Digest, size: int | None, *, what: str) -> None:
    """Check complete content. Raises SizeMismatch or DigestMismatch."""
    verifier = Verifier(digest, size, what=what)
    verifier.update(data)
    verifier.finish()


__all__ = ("ALGORITHMS", "Digest", "Verifier", "verify")
