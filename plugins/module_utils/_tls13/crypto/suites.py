# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The cipher suites of the engine (RFC 8446, appendix B.4)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.crypto import aead

if t.TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    Cipher = t.Union[AESGCM, ChaCha20Poly1305]

IV_LENGTH: t.Final = 12
TAG_LENGTH: t.Final = 16
_HASH_LENGTHS: t.Final = {"sha256": 32, "sha384": 48}


@dataclass(frozen=True)
class Suite:
    """A cipher suite (RFC 8446, appendix B.4): an AEAD algorithm and the hash of the key schedule."""

    number: int
    name: str
    hash: t.Literal["sha256", "sha384"]
    key_length: int

    @property
    def hash_length(self) -> int:
        """The length of the hash in bytes."""
        return _HASH_LENGTHS[self.hash]

    def cipher(self, key: bytes) -> Cipher:
        """Return the AEAD object for a key of key_length bytes."""
        return aead.ChaCha20Poly1305(key) if self is CHACHA20_POLY1305 else aead.AESGCM(key)


AES_128_GCM: t.Final = Suite(0x1301, "TLS_AES_128_GCM_SHA256", "sha256", 16)
AES_256_GCM: t.Final = Suite(0x1302, "TLS_AES_256_GCM_SHA384", "sha384", 32)
CHACHA20_POLY1305: t.Final = Suite(0x1303, "TLS_CHACHA20_POLY1305_SHA256", "sha256", 32)

# all supported suites by number, best first
SUITES: t.Final = {suite.number: suite for suite in (AES_256_GCM, AES_128_GCM, CHACHA20_POLY1305)}

__all__ = ("AES_128_GCM", "AES_256_GCM", "CHACHA20_POLY1305", "IV_LENGTH", "SUITES", "TAG_LENGTH", "Suite")
