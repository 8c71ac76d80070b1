# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Rules that concern several settings. Called by cli.py, and by the role before it changes a host."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .settings import Settings

# settings that only ra-tls supports
ATTESTATION_SETTINGS: t.Final = (
    "trust_anchors",
    "reference_values",
    "veraison",
    "policies",
    "lifecycle",
    "allow_unauthenticated_evidence",
    "attestation_seconds",
    "attestations",
)


def conflict(settings: Settings) -> str:
    """Return which settings are missing or contradict each other, "" if none: the first found, without a full stop."""
    return next((message for wrong, message in _conflicts(settings) if wrong), "")


def _conflicts(settings: Settings) -> t.Iterator[tuple[bool, str]]:
    """Yield for each possible conflict whether the settings have it, and its message."""
    encrypted, asks = settings.tls != "no-tls", settings.client_auth != "none"
    rules = settings.allow or ()
    yield not settings.root, "root (--root), the directory of OCI image layouts, is missing"
    yield (
        encrypted and not (settings.cert and settings.key),
        f"tls: {settings.tls} (--tls {settings.tls}) needs cert (--cert) and key (--key)",
    )
    yield (
        not encrypted and bool(settings.cert or settings.key),
        "cert and key (--cert, --key) need tls to be tls or ra-tls (--tls tls, --tls ra-tls)",
    )
    yield from _attestation_conflicts(settings)
    yield (
        asks and not (settings.tls == "tls" and settings.client_ca),
        "client_auth (--client-auth) needs tls to be tls, and client_ca (--client-ca)",
    )
    yield (
        bool(settings.client_ca) and not asks,
        "client_ca needs client_auth to be optional or required",
    )
    yield (
        not settings.htpasswd and any(rule.users is not None for rule in rules),
        "a rule of allow names users, which needs htpasswd",
    )
    yield (
        not asks and any(rule.subjects is not None for rule in rules),
        "a rule of allow names subjects, which needs client_auth",
    )


def _attestation_conflicts(settings: Settings) -> t.Iterator[tuple[bool, str]]:
    attested = settings.tls == "ra-tls"
    given = [
        name for name in ATTESTATION_SETTINGS if getattr(settings, name) != type(settings).model_fields[name].default
    ]
    yield not attested and bool(given), f"only tls: ra-tls (--tls ra-tls) supports {', '.join(given)}"
    veraison = settings.veraison
    if veraison is not None:
        yield not veraison.get("url"), "veraison needs the URL of the service, url (--veraison-url)"
        yield (
            not (veraison.get("key") or veraison.get("pin")),
            "veraison needs the public key of the service, key (--veraison-pubkey) or pin",
        )
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


__all__ = ("ATTESTATION_SETTINGS", "conflict")
