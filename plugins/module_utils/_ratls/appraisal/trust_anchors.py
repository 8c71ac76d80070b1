# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Trust anchors: the public keys of platforms (CPAK), which verify platform tokens."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..errors import ConfigurationInvalid, TokenUntrusted
from ..token.keys import EcKey

if t.TYPE_CHECKING:
    from ..token.cca_token import CcaToken
    from ..token.cose import Sign1
    from ..token.platform_claims import PlatformClaims

MAX_ANCHORS: t.Final = 100_000
MAX_CANDIDATES: t.Final = 64
MAX_VERIFIED: t.Final = 256


@dataclass(frozen=True)
class TrustAnchor:
    """A key that signs platform tokens (CPAK), and its platform. None stands for every instance or implementation."""

    key: EcKey
    instance_id: bytes | None = None
    implementation_id: bytes | None = None


class TrustAnchors:
    """The keys of all trusted platforms.

    Firmware has the platform token made once for each start of the machine, so most connections show one whose
    signature was verified before. Verifying it takes 0.49 ms on P-384, two fifths of an attestation. So the anchors
    remember which key signed which token: the whole signed message and the signature, not a digest of them. Only tokens
    that a trust anchor has signed are remembered, at most MAX_VERIFIED. After a reload, other anchors begin with none.
    """

    def __init__(self, anchors: t.Iterable[TrustAnchor]) -> None:
        """Index the anchors. Raises ConfigurationInvalid if there are none, or too many for the same platforms."""
        self._anchors: dict[tuple[bytes | None, bytes | None], list[EcKey]] = {}
        self._verified: dict[Sign1, EcKey] = {}
        for count, anchor in enumerate(anchors, 1):
            keys = self._anchors.setdefault((anchor.instance_id, anchor.implementation_id), [])
            keys.append(anchor.key)
            if count > MAX_ANCHORS or len(keys) > MAX_CANDIDATES:
                raise ConfigurationInvalid(
                    f"There are more than {MAX_ANCHORS} trust anchors, or more than {MAX_CANDIDATES} for the same "
                    "platforms; give each anchor its instance_id."
                )
        if not self._anchors:
            raise ConfigurationInvalid("There are no trust anchors; give the public key of at least one platform.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrustAnchors) and self._anchors == other._anchors

    def __hash__(self) -> int:
        return hash(frozenset(self._anchors))

    def candidates(self, claims: PlatformClaims) -> tuple[EcKey, ...]:
        """Return the keys that may have signed a platform token with these claims, the most specific first."""
        instance, implementation = claims.instance_id, claims.implementation_id
        places = ((instance, implementation), (instance, None), (None, implementation), (None, None))
        return tuple(key for place in places for key in self._anchors.get(place, ()))

    def verify(self, token: CcaToken) -> None:
        """Check the platform signature of a token with the keys of its platform. Raises TokenUntrusted."""
        keys = self.candidates(token.platform)
        if not keys:
            raise TokenUntrusted(
                "Checking the CCA token failed: there is no trust anchor for the instance "
                f"{token.platform.instance_id.hex()} of the implementation {token.platform.implementation_id.hex()}; "
                "add its public key to the trust anchors to accept this platform.",
                check="platform_signature",
            )
        # several threads may do this at once: each step is atomic, and a signature is at worst verified twice
        if self._verified.get(token.platform_token) not in keys:
            key = token.verify_platform(keys)
            if len(self._verified) >= MAX_VERIFIED:
                self._verified.clear()
            self._verified[token.platform_token] = key


__all__ = ("MAX_ANCHORS", "MAX_CANDIDATES", "MAX_VERIFIED", "TrustAnchor", "TrustAnchors")
