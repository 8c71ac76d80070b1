# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

# The settings of attestation. What stands in the lists and mappings, and the files that they name, are for _ratls to
# read; here is whether they can be what they should be, and whether they go together.
import typing as t
from dataclasses import fields

from ..._ratls.token.lifecycle import LIFECYCLE_STATES
from .value_types import Field, Flag, Number, PlainList, PlainMap, Text, Texts

if t.TYPE_CHECKING:
    from .settings import Settings


def _check_lifecycle(text: str) -> None:
    if text not in LIFECYCLE_STATES:
        raise ValueError(f"is none of {', '.join(LIFECYCLE_STATES)}")


ATTESTATION_FIELDS: t.Final[t.Mapping[str, Field]] = {
    "trust_anchors": Field(
        PlainList(), "public key of platforms (CPAK): PEM, JWK or COSE_Key; for ra-tls; can be repeated", "FILE"
    ),
    "reference_values": Field(
        Texts(), "measurements of realms, JSON; for ra-tls; can be repeated", "FILE", "-j", ("--reference-json",)
    ),
    # the switches for it are those of VERAISON_SWITCHES
    "veraison": Field(PlainMap(), "the Veraison service that judges the evidence"),
    "policies": Field(PlainList(), "which realms may see which repositories"),
    "lifecycle": Field(
        Texts(Text(_check_lifecycle)), "state of platforms that is accepted; for ra-tls; can be repeated", "STATE"
    ),
    "allow_unauthenticated_evidence": Field(
        Flag(), "take evidence although nothing checks the signature of the platform; for tests alone"
    ),
    "attestation_seconds": Field(
        Number(1, 3600, fractions=True), "for a client to make evidence, and to be judged; for ra-tls", "SECONDS"
    ),
    "attestations": Field(Number(1, 1024), "clients judged at a time, in each process; for ra-tls", "N"),
}

VERAISON_SWITCHES: t.Final[t.Mapping[str, tuple[str, Field]]] = {
    "veraison_url": ("url", Field(Text(), "address of the Veraison service; for ra-tls", "URL", "-u")),
    "veraison_pubkey": ("key", Field(Text(), "JWK that it signs its results with; for ra-tls", "FILE", "-v")),
}


def with_veraison(given: object, switches: t.Mapping[str, object]) -> dict[str, object]:
    """The setting veraison of the configuration file, changed by VERAISON_SWITCHES."""
    changed = dict(given) if isinstance(given, dict) else {}
    if "veraison_pubkey" in switches:
        # the one key in place of the other
        changed.pop("pin", None)
    return {**changed, **{VERAISON_SWITCHES[name][0]: value for name, value in switches.items()}}


def attestation_conflicts(settings: Settings) -> t.Iterator[tuple[bool, str]]:
    """Whether something is wrong, and what, for all that can be."""
    attested = settings.tls == "ra-tls"
    given = _given(settings)
    yield not attested and bool(given), f"only for tls: ra-tls (--tls ra-tls) there are {', '.join(given)}"
    yield from _veraison_conflicts(settings.veraison)
    if not attested:
        return
    yield settings.client_auth != "none" or bool(settings.client_ca), "client_auth and client_ca are for tls alone"
    # it answers with the path of the file in place of the content, for a proxy that cannot be there
    yield bool(settings.accel), "accel does not go with ra-tls, which ends at this server and not at a proxy"
    yield (
        any(rule.subjects is not None for rule in settings.allow or ()),
        "allow names subjects, which clients of ra-tls do not have; use policies",
    )
    authenticated = settings.trust_anchors or settings.veraison
    judged = settings.reference_values or settings.policies
    yield (
        not authenticated and not judged,
        "tls: ra-tls needs something that says which realms are accepted: trust_anchors (--trust-anchors), "
        "reference_values (--reference-values), veraison (--veraison-url, --veraison-pubkey) or policies",
    )
    yield (
        not authenticated and not settings.allow_unauthenticated_evidence,
        "with reference_values or policies alone nothing checks the signature of the platform, so anybody could make "
        "evidence that passes; give trust_anchors (--trust-anchors) or veraison (--veraison-url), or for tests alone "
        "allow_unauthenticated_evidence (--allow-unauthenticated-evidence)",
    )


def _veraison_conflicts(veraison: t.Mapping[str, object] | None) -> t.Iterator[tuple[bool, str]]:
    if veraison is None:
        return
    yield not veraison.get("url"), "veraison needs the address of the service, url (--veraison-url)"
    yield (
        not (veraison.get("key") or veraison.get("pin")),
        "veraison needs the key that the service signs with, key (--veraison-pubkey) or pin",
    )


def _given(settings: Settings) -> list[str]:
    """What is not as it would be without it."""
    defaults = {field.name: field.default for field in fields(settings)}
    return [name for name in ATTESTATION_FIELDS if getattr(settings, name) != defaults[name]]


__all__ = ("ATTESTATION_FIELDS", "VERAISON_SWITCHES", "attestation_conflicts", "with_veraison")
