# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The claims of the platform token (draft-ffm-rats-cca-token), of both profiles; called by parse_token."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .claim_reader import HASH_SIZES, ClaimReader
from .lifecycle import MAX_LIFECYCLE, LifecycleState, lifecycle_state

OLD_PROFILE: t.Final = "http://arm.com/CCA-SSD/1.0.0"
NEW_PROFILE: t.Final = "tag:arm.com,2023:cca_platform#1.0.0"
PROFILES: t.Final = (OLD_PROFILE, NEW_PROFILE)

CHALLENGE: t.Final = 10
INSTANCE_ID: t.Final = 256
PROFILE: t.Final = 265
LIFECYCLE: t.Final = 2395
IMPLEMENTATION_ID: t.Final = 2396
SOFTWARE_COMPONENTS: t.Final = 2399
VERIFICATION_SERVICE: t.Final = 2400
CONFIG: t.Final = 2401
HASH_ALGORITHM: t.Final = 2402
_KNOWN: t.Final = frozenset(
    (
        CHALLENGE,
        INSTANCE_ID,
        PROFILE,
        LIFECYCLE,
        IMPLEMENTATION_ID,
        SOFTWARE_COMPONENTS,
        VERIFICATION_SERVICE,
        CONFIG,
        HASH_ALGORITHM,
    )
)

TYPE, MEASUREMENT, VERSION, SIGNER_ID, COMPONENT_HASH = 1, 2, 4, 5, 6
MAX_COMPONENTS: t.Final = 32
INSTANCE_ID_SIZE: t.Final = 33
IMPLEMENTATION_ID_SIZE: t.Final = 32
SIMULATED: t.Final = "SIMULATED"  # the type of the only component of simulated platforms
_UEID_RAND: t.Final = b"\x01"  # RFC 9711, 4.2.1: the type of UEID that CCA uses


@dataclass(frozen=True)
class SoftwareComponent:
    """A component of the platform's firmware."""

    type: str
    measurement: bytes
    version: str | None
    signer_id: bytes
    hash_algorithm: str | None


@dataclass(frozen=True)
class PlatformClaims:
    """The claims of a platform. challenge is the hash of the realm's public key."""

    challenge: bytes
    instance_id: bytes
    profile: str
    lifecycle: int
    implementation_id: bytes
    software_components: tuple[SoftwareComponent, ...]
    verification_service: str | None
    config: bytes
    hash_algorithm: str
    unknown: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether the platform is marked as simulated. A platform without the mark may be simulated too."""
        return any(component.type == SIMULATED for component in self.software_components)

    @property
    def lifecycle_state(self) -> LifecycleState:
        """The state of the lifecycle claim."""
        return lifecycle_state(self.lifecycle)


def read_platform_claims(payload: bytes) -> PlatformClaims:
    """Read the payload of the platform token; unknown claims are ignored. Raises TokenInvalid."""
    claims = ClaimReader.of(payload, "the platform token")
    profile = claims.text(PROFILE, "profile")
    if profile not in PROFILES:
        raise claims.fault(PROFILE, "profile", f"is not {' or '.join(PROFILES)}")
    instance_id = claims.data(INSTANCE_ID, "instance id", INSTANCE_ID_SIZE)
    if not instance_id.startswith(_UEID_RAND):
        raise claims.fault(INSTANCE_ID, "instance id", "is not a UEID of type 0x01")
    return PlatformClaims(
        challenge=claims.data(CHALLENGE, "challenge", *HASH_SIZES),
        instance_id=instance_id,
        profile=profile,
        lifecycle=claims.integer(LIFECYCLE, "lifecycle", maximum=MAX_LIFECYCLE),
        implementation_id=claims.data(IMPLEMENTATION_ID, "implementation id", IMPLEMENTATION_ID_SIZE),
        software_components=_components(claims),
        verification_service=claims.optional_text(VERIFICATION_SERVICE, "verification service"),
        config=claims.data(CONFIG, "config"),
        hash_algorithm=claims.text(HASH_ALGORITHM, "hash algorithm"),
        unknown=claims.unknown(_KNOWN),
    )


def _components(claims: ClaimReader) -> tuple[SoftwareComponent, ...]:
    items = claims.array(SOFTWARE_COMPONENTS, "software components")
    if not 0 < len(items) <= MAX_COMPONENTS:
        raise claims.fault(SOFTWARE_COMPONENTS, "software components", f"is not 1 to {MAX_COMPONENTS} maps")
    return tuple(_component(claims, number, item) for number, item in enumerate(items))


def _component(claims: ClaimReader, number: int, item: object) -> SoftwareComponent:
    if not isinstance(item, dict):
        raise claims.fault(
            SOFTWARE_COMPONENTS, "software components", f"has an entry that is not a map, number {number}"
        )
    parts = ClaimReader(item, f"the software component {number} of the platform token")
    return SoftwareComponent(
        type=parts.text(TYPE, "type"),
        measurement=parts.data(MEASUREMENT, "measurement", *HASH_SIZES),
        version=parts.optional_text(VERSION, "version"),
        signer_id=parts.data(SIGNER_ID, "signer id", *HASH_SIZES),
        hash_algorithm=parts.optional_text(COMPONENT_HASH, "hash algorithm"),
    )


__all__ = (
    "CHALLENGE",
    "COMPONENT_HASH",
    "CONFIG",
    "HASH_ALGORITHM",
    "IMPLEMENTATION_ID",
    "IMPLEMENTATION_ID_SIZE",
    "INSTANCE_ID",
    "INSTANCE_ID_SIZE",
    "LIFECYCLE",
    "MAX_COMPONENTS",
    "MEASUREMENT",
    "NEW_PROFILE",
    "OLD_PROFILE",
    "PROFILE",
    "PROFILES",
    "SIGNER_ID",
    "SIMULATED",
    "SOFTWARE_COMPONENTS",
    "TYPE",
    "VERIFICATION_SERVICE",
    "VERSION",
    "PlatformClaims",
    "SoftwareComponent",
    "read_platform_claims",
)
