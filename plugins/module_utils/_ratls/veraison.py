# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._oci.errors import JsonInvalid
from .._oci.strict_json import load_object
from .appraisal import Presented, Verdict
from .ear import PLATFORM, EarPolicy, failed, verify_ear
from .jwk import from_jwk, thumbprint
from .keys import EcKey, KeyInvalid
from .veraison_http import MAX_BODY, Http, ServiceUrl
from .veraison_session import Clock, Session

_WELL_KNOWN: t.Final = ".well-known/veraison/verification"
_MAX_KEYS: t.Final = 64


@dataclass(frozen=True)
class VeraisonAppraiser:
    """Accepts what a Veraison service accepts. key is what the service signs its results with."""

    service: ServiceUrl
    http: Http
    key: EcKey
    policy: EarPolicy = EarPolicy()
    clock: Clock = field(default_factory=Clock)
    name: str = "veraison"

    @property
    def authenticates_platform(self) -> bool:
        """A good result about the platform is one about its signature too, which the service checks first."""
        return PLATFORM in self.policy.required_submods and self.policy.worst_status != "none"

    def appraise(self, presented: Presented) -> Verdict:
        """See Appraiser."""
        session = Session(self.service, self.http, self.clock)
        result, warnings = session.verify(
            presented.data, presented.realm_challenge, profile=presented.token.platform.profile
        )
        statuses = verify_ear(
            result,
            self.key,
            realm_challenge=presented.realm_challenge,
            policy=self.policy,
            now=self.clock.now(),
        )
        return Verdict(self.name, ", ".join(f"{name} {status}" for name, status in statuses.items()), warnings)


def fetch_key(service: ServiceUrl, http: Http, *, pin: str) -> EcKey:
    """The key at the well-known address of a service whose SHA-256 thumbprint (RFC 7638, base64url) is the pin.

    Raises VeraisonFailed.
    """
    try:
        answer = http("GET", service.api(_WELL_KNOWN), headers={"Accept": "application/json"}, body=None)
    except OSError as exc:
        raise failed(
            f"its keys cannot be fetched ({exc.strerror or type(exc).__name__})", "see whether the service runs"
        ) from None
    if answer.status != 200:
        raise failed(f"it answered status {answer.status} when asked for its keys", status=answer.status)
    for key in _keys(answer.body):
        if thumbprint(key) == pin:
            return key
    raise failed("none of its keys is the one that is pinned", "see whether its key was changed, and by whom")


def _keys(body: bytes) -> t.Iterator[EcKey]:
    try:
        value = load_object(body, what="the keys", max_bytes=MAX_BODY)
    except JsonInvalid:
        raise failed("what it says of its keys is no JSON object") from None
    some = value.get("keys")
    found = [value.get("ear-verification-key"), *(some if isinstance(some, list) else [])]
    for item in found[:_MAX_KEYS]:
        try:
            key = from_jwk(item)
        except KeyInvalid:
            continue  # one of another sort, which cannot be the pinned one
        yield key


__all__ = ("VeraisonAppraiser", "fetch_key")
