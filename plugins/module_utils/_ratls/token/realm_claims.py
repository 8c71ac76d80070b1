# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The claims of the realm token (draft-ffm-rats-cca-token), of both profiles; called by parse_token."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..challenge import CHALLENGE_SIZE
from .claim_reader import HASH_SIZES, ClaimReader, HashName

PROFILE: t.Final = "tag:arm.com,2023:realm#1.0.0"

CHALLENGE: t.Final = 10
REALM_PROFILE: t.Final = 265
PERSONALIZATION_VALUE: t.Final = 44235
HASH_ALGORITHM: t.Final = 44236
PUBLIC_KEY: t.Final = 44237
INITIAL_MEASUREMENT: t.Final = 44238
EXTENSIBLE_MEASUREMENTS: t.Final = 44239
PUBLIC_KEY_HASH_ALGORITHM: t.Final = 44240

_KNOWN: t.Final = frozenset(
    (
        CHALLENGE,
        REALM_PROFILE,
        PERSONALIZATION_VALUE,
        HASH_ALGORITHM,
        PUBLIC_KEY,
        INITIAL_MEASUREMENT,
        EXTENSIBLE_MEASUREMENTS,
        PUBLIC_KEY_HASH_ALGORITHM,
    )
)
MEASUREMENTS: t.Final = 4


@dataclass(frozen=True)
class RealmClaims:
    """The claims of a realm. public_key has the bytes of the token, because the platform signs their hash."""

    challenge: bytes = field(repr=False)
    profile: str | None
    personalization_value: bytes
    hash_algorithm: HashName
    public_key: bytes
    initial_measurement: bytes
    extensible_measurements: tuple[bytes, ...]
    public_key_hash_algorithm: HashName
    unknown: tuple[str, ...] = ()


def read_realm_claims(payload: bytes) -> RealmClaims:
    """Read the payload of the realm token; unknown claims are ignored. Raises TokenInvalid."""
    claims = ClaimReader.of(payload, "the realm token")
    profile = claims.optional_text(REALM_PROFILE, "profile")
    if profile not in (None, PROFILE):
        raise claims.fault(REALM_PROFILE, "profile", f"is not {PROFILE}")
    return RealmClaims(
        challenge=claims.data(CHALLENGE, "challenge", CHALLENGE_SIZE),
        profile=profile,
        personalization_value=claims.data(PERSONALIZATION_VALUE, "personalization value", 64),
        hash_algorithm=claims.hash_name(HASH_ALGORITHM, "hash algorithm"),
        public_key=claims.data(PUBLIC_KEY, "public key"),
        initial_measurement=claims.data(INITIAL_MEASUREMENT, "initial measurement", *HASH_SIZES),
        extensible_measurements=_measurements(claims),
        public_key_hash_algorithm=claims.hash_name(PUBLIC_KEY_HASH_ALGORITHM, "public key hash algorithm"),
        unknown=claims.unknown(_KNOWN),
    )


def _measurements(claims: ClaimReader) -> tuple[bytes, ...]:
    label, name = EXTENSIBLE_MEASUREMENTS, "extensible measurements"
    items = claims.array(label, name)
    found = tuple(item for item in items if isinstance(item, bytes) and len(item) in HASH_SIZES)
    if len(items) != MEASUREMENTS or len(found) != MEASUREMENTS:
        raise claims.fault(label, name, f"is not {MEASUREMENTS} byte strings of 32, 48 or 64 bytes")
    return found


__all__ = (
    "CHALLENGE",
    "EXTENSIBLE_MEASUREMENTS",
    "HASH_ALGORITHM",
    "INITIAL_MEASUREMENT",
    "MEASUREMENTS",
    "PERSONALIZATION_VALUE",
    "PROFILE",
    "PUBLIC_KEY",
    "PUBLIC_KEY_HASH_ALGORITHM",
    "REALM_PROFILE",
    "RealmClaims",
    "read_realm_claims",
)
