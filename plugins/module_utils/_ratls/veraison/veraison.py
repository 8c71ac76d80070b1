# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The appraiser that has tokens verified by a Veraison service; called through the chain of appraisers."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.text import visible
from ..appraisal.appraisal import PresentedToken, Verdict
from .deadline import Clock, Deadline
from .ear import PLATFORM, REALM, EarPolicy, NotSigned, Status, verify_ear
from .exchange import Http, ServiceUrl
from .keys import ServiceKeys
from .session import Session

DEFAULT_TIMEOUT: t.Final = 20.0


@dataclass(frozen=True)
class VeraisonAppraiser:
    """Accepts tokens that a Veraison service accepts. keys verify the service's results."""

    service: ServiceUrl
    http: Http
    keys: ServiceKeys
    policy: EarPolicy = EarPolicy()
    # seconds for all requests about one token, except the deletion of the session
    timeout: float = DEFAULT_TIMEOUT
    clock: Clock = Clock()
    name: str = "veraison"

    @property
    def authenticates_platform(self) -> bool:
        """Whether a good status of the platform is required, which includes the platform's signature."""
        return PLATFORM in self.policy.required_submods and self.policy.worst_status != "none"

    @property
    def judges_realm(self) -> bool:
        """Whether a good status of the realm is required."""
        return REALM in self.policy.required_submods and self.policy.worst_status != "none"

    def appraise(self, presented: PresentedToken) -> Verdict:
        """See Appraiser. The service is asked for every token; no result is cached."""
        deadline = self.clock.deadline(self.timeout)
        # first, because a result cannot be verified without them
        self.keys.known(self.service, self.http, deadline)
        result, warnings = Session(self.service, self.http, deadline).verify(
            presented.data, presented.realm_challenge, profile=presented.token.platform.profile
        )
        statuses = self._statuses(result, presented, deadline)
        summary = ", ".join(f"{visible(name, limit=64)} {status}" for name, status in statuses.items())
        return Verdict(self.name, summary, warnings)

    def _statuses(self, result: str, presented: PresentedToken, deadline: Deadline) -> dict[str, Status]:
        challenge, policy, now = presented.realm_challenge, self.policy, self.clock.now()
        known = self.keys.known(self.service, self.http, deadline)
        try:
            return verify_ear(result, known, realm_challenge=challenge, policy=policy, now=now)
        except NotSigned:
            renewed = self.keys.renewed(self.service, self.http, deadline)
            if set(renewed) <= set(known):
                raise
            return verify_ear(result, renewed, realm_challenge=challenge, policy=policy, now=now)


__all__ = ("DEFAULT_TIMEOUT", "VeraisonAppraiser")
