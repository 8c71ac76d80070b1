# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Settings of the server for attestation (tls: ra-tls), and the conflicts among them.

Checks the types of values here; _ratls reads the lists, the mappings and the files that they name. fields.py adds
the fields to its table; cli.py adds the switches that set parts of veraison.
"""

from __future__ import annotations

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
        PlainList(), "public key of accepted platforms (CPAK): PEM, JWK or COSE_Key; for ra-tls; repeatable", "FILE"
    ),
    "reference_values": Field(
        Texts(),
        "reference values of accepted realms, JSON; for ra-tls; repeatable",
        "FILE",
        "-j",
        ("--reference-json",),
    ),
    # VERAISON_SWITCHES has the switches for the parts of veraison
    "veraison": Field(PlainMap(), "the Veraison service that appraises evidence"),
    "policies": Field(PlainList(), "which realms may see which repositories"),
    "lifecycle": Field(
        Texts(Text(_check_lifecycle)), "accepted lifecycle state of platforms; for ra-tls; repeatable", "STATE"
    ),
    "allow_unauthenticated_evidence": Field(
        Flag(), "start without trust_anchors and veraison, which leaves platform signatures unverified; for tests only"
    ),
    "attestation_seconds": Field(
        Number(1, 3600, fractions=True),
        "time limit for making evidence, and for its appraisal; for ra-tls",
        "SECONDS",
    ),
    "attestations": Field(Number(1, 1024), "limit of concurrent appraisals, in each worker; for ra-tls", "N"),
}

VERAISON_SWITCHES: t.Final[t.Mapping[str, tuple[str, Field]]] = {
    "veraison_url": ("url", Field(Text(), "URL of the Veraison service; for ra-tls", "URL", "-u")),
    "veraison_pubkey": (
        "key",
        Field(Text(), "public key of the Veraison service, JWK; for ra-tls", "FILE", "-v"),
    ),
}


def with_veraison(given: object, switches: t.Mapping[str, object]) -> dict[str, object]:
    """Return the setting veraison of the configuration file with the values of VERAISON_SWITCHES."""
    changed = dict(given) if isinstance(given, dict) else {}
    if "veraison_pubkey" in switches:
        # the key of the switch replaces the pinned key of the file
        changed.pop("pin", None)
    return {**changed, **{VERAISON_SWITCHES[name][0]: value for name, value in switches.items()}}


def attestation_conflicts(settings: Settings) -> t.Iterator[tuple[bool, str]]:
    """Yield for each possible conflict whether the settings have it, and its message."""
    attested = settings.tls == "ra-tls"
    given = _changed_settings(settings)
    yield not attested and bool(given), f"only tls: ra-tls (--tls ra-tls) supports {', '.join(given)}"
    yield from _veraison_conflicts(settings.veraison)
    if not attested:
        return
    yield (
        settings.client_auth != "none" or bool(settings.client_ca),
        "client_auth and client_ca need tls to be tls",
    )
    # accel answers with the path of the file for an HTTP proxy to send; RA-TLS allows only proxies that forward TCP
    yield bool(settings.accel), "accel needs an HTTP proxy in front of the server, but ra-tls ends at this server"
    yield (
        any(rule.subjects is not None for rule in settings.allow or ()),
        "a rule of allow names subjects, which clients of ra-tls do not have; use policies",
    )
    authenticated = settings.trust_anchors or settings.veraison
    judged = settings.reference_values or settings.policies
    yield (
        not authenticated and not judged,
        "tls: ra-tls needs a setting that decides which realms are accepted: trust_anchors (--trust-anchors), "
        "reference_values (--reference-values), veraison (--veraison-url, --veraison-pubkey) or policies",
    )
    yield (
        not authenticated and not settings.allow_unauthenticated_evidence,
        "reference_values and policies alone do not verify the signature of the platform, so anyone could forge "
        "evidence that passes; set trust_anchors (--trust-anchors) or veraison (--veraison-url), or for tests only "
        "allow_unauthenticated_evidence (--allow-unauthenticated-evidence)",
    )


def _veraison_conflicts(veraison: t.Mapping[str, object] | None) -> t.Iterator[tuple[bool, str]]:
    if veraison is None:
        return
    yield not veraison.get("url"), "veraison needs the URL of the service, url (--veraison-url)"
    yield (
        not (veraison.get("key") or veraison.get("pin")),
        "veraison needs the public key of the service, key (--veraison-pubkey) or pin",
    )


def _changed_settings(settings: Settings) -> list[str]:
    """Return the names of the attestation settings that differ from their defaults."""
    defaults = {field.name: field.default for field in fields(settings)}
    return [name for name in ATTESTATION_FIELDS if getattr(settings, name) != defaults[name]]


__all__ = ("ATTESTATION_FIELDS", "VERAISON_SWITCHES", "attestation_conflicts", "with_veraison")
