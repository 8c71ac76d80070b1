# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Typed access to the claims of a token; called by platform_claims.py and realm_claims.py."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.text import visible
from .cose import decode_part, token_error

if t.TYPE_CHECKING:
    from ..errors import TokenInvalid
    from .cbor import Cbor, CborKey

HashName = t.Literal["sha-256", "sha-384", "sha-512"]
HASH_NAMES: t.Final[tuple[HashName, ...]] = ("sha-256", "sha-384", "sha-512")
HASH_SIZES: t.Final = (32, 48, 64)

MAX_TEXT: t.Final = 512


@dataclass(frozen=True)
class ClaimReader:
    """The claims of one map. Every method raises TokenInvalid naming the claim.

    what names the map in messages.
    """

    claims: t.Mapping[CborKey, Cbor]
    what: str

    @classmethod
    def of(cls, payload: bytes, what: str) -> ClaimReader:
        """Read the claims in the payload of a signed token."""
        value = decode_part(payload, what=what)
        if not isinstance(value, dict):
            raise token_error(what, "the payload is not a map of claims")
        return cls(value, what)

    def data(self, label: int, name: str, *sizes: int) -> bytes:
        """Return a required byte string, of one of these sizes if any are given."""
        value = self._present(label, name)
        if not isinstance(value, bytes):
            raise self.fault(label, name, "is not a byte string")
        if sizes and len(value) not in sizes:
            raise self.fault(label, name, f"has {len(value)} bytes, not {' or '.join(map(str, sizes))}")
        return value

    def text(self, label: int, name: str) -> str:
        """Return a required printable text of 1 to MAX_TEXT characters."""
        value = self._present(label, name)
        if not isinstance(value, str):
            raise self.fault(label, name, "is not text")
        if not 0 < len(value) <= MAX_TEXT or not value.isprintable():
            raise self.fault(label, name, f"is not printable text of 1 to {MAX_TEXT} characters")
        return value

    def optional_text(self, label: int, name: str) -> str | None:
        """Return a text as text does, or None if the claim is absent."""
        return self.text(label, name) if label in self.claims else None

    def integer(self, label: int, name: str, *, maximum: int) -> int:
        """Return a required integer from 0 to maximum."""
        value = self._present(label, name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fault(label, name, "is not an integer")
        if not 0 <= value <= maximum:
            raise self.fault(label, name, f"is not between 0 and {maximum}")
        return value

    def array(self, label: int, name: str) -> tuple[Cbor, ...]:
        """Return a required array."""
        value = self._present(label, name)
        if not isinstance(value, tuple):
            raise self.fault(label, name, "is not an array")
        return value

    def hash_name(self, label: int, name: str) -> HashName:
        """Return a required name of one of the three hash functions."""
        value = self.text(label, name)
        for known in HASH_NAMES:
            if value == known:
                return known
        raise self.fault(label, name, f"is not one of {', '.join(HASH_NAMES)}")

    def unknown(self, known: t.Container[CborKey]) -> tuple[str, ...]:
        """Return the printable labels of the claims that are not in known, which are ignored."""
        return tuple(visible(str(label)) for label in self.claims if label not in known)

    def fault(self, label: int, name: str, why: str) -> TokenInvalid:
        """Return the error about a claim, for the caller to raise."""
        return token_error(self.what, f"the claim {label} ({name}) {why}", claim=label)

    def _present(self, label: int, name: str) -> Cbor:
        if label not in self.claims:
            raise self.fault(label, name, "is missing")
        return self.claims[label]


__all__ = ("HASH_NAMES", "HASH_SIZES", "MAX_TEXT", "ClaimReader", "HashName")
