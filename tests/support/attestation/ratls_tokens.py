# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CCA tokens for tests, valid or with any change."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence import signing
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.signing import SigningKey, TokenProfile

IMPLEMENTATION_ID = bytes(range(32))
INSTANCE_ID = b"\x01" + bytes(range(32, 64))
RIM = b"\x11" * 32
REMS = (b"\x00" * 32,) * 4
RPV = b"\x22" * 64
SIGNER = b"\x33" * 32
CHALLENGE = bytes(range(64))

COMPONENT: dict[t.Any, t.Any] = {1: "BL", 2: b"\x44" * 32, 4: "1.2.3", 5: SIGNER, 6: "sha-256"}
PLATFORM: dict[t.Any, t.Any] = {
    256: INSTANCE_ID,
    2395: 0x3003,
    2396: IMPLEMENTATION_ID,
    2399: (COMPONENT,),
    2400: "https://veraison.example/.well-known/veraison/verification",
    2401: b"\x01\x02",
    2402: "sha-256",
}
REALM: dict[t.Any, t.Any] = {10: CHALLENGE, 44235: RPV, 44236: "sha-256", 44238: RIM, 44239: REMS}


@functools.cache
def platform_key(curve: str = "P-384") -> SigningKey:
    """Return the CPAK of the tests, the same at every call."""
    return SigningKey.generate(curve)


@functools.cache
def realm_key(curve: str = "P-384") -> SigningKey:
    """Return the realm key of the tests, the same at every call."""
    return SigningKey.generate(curve)


def token(
    *,
    platform: t.Mapping[t.Any, t.Any] | None = None,
    realm: t.Mapping[t.Any, t.Any] | None = None,
    without: t.Collection[int] = (),
    profile: TokenProfile = "new",
    key: SigningKey | None = None,
    signer: SigningKey | None = None,
) -> bytes:
    """Return a token with the claims above and the given changes; key is the realm's, signer the platform's.

    without lists claims to omit; claims that sign_token adds cannot be omitted.
    """
    platform_claims = _without(without, {**PLATFORM, **(platform or {})})
    realm_claims = _without(without, {**REALM, **(realm or {})})
    return signing.sign_token(
        platform_claims,
        realm_claims,
        platform_key=signer or platform_key(),
        realm_key=key or realm_key(),
        profile=profile,
    )


def _without(labels: t.Collection[int], claims: t.Mapping[t.Any, t.Any]) -> dict[t.Any, t.Any]:
    return {label: value for label, value in claims.items() if label not in labels}
