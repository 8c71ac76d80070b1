# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Log lines about attestations and failed handshakes of RA-TLS. Called by attesting.py."""

from __future__ import annotations

import logging
import time
import typing as t

from ..._base.text import visible
from ..._tls13.errors import AlertReceived
from ..._tls13.names import Alert
from ..._tls13.state import TlsState
from ..throttle import LogThrottle

if t.TYPE_CHECKING:
    from ..._base.errors import CollectionError
    from ..access.attested_client import AttestedClient

_LOG: t.Final = logging.getLogger("attested.registry")
_LIMIT: t.Final = 1000
# so many refusals in so many seconds are warnings; further ones are logged with level info, so as not to raise alarms
_WARNINGS: t.Final = 10
_SECONDS: t.Final = 10.0
_CANNOT_READ: t.Final = " (OpenSSL, and so curl and Python's ssl, cannot read the challenge)"


class AttestationLog:
    """Logger of attestations, one line for each. No line contains a challenge or a key."""

    def __init__(self, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = float("-inf")
        self._warnings = 0
        self._throttle = LogThrottle(clock)
        self._handshakes = LogThrottle(clock, level=logging.INFO)

    def accepted(self, address: str | None, realm: AttestedClient) -> None:
        """Log that a client was accepted."""
        warning = {"warning": ",".join(realm.warnings)} if realm.warnings else {}
        _LOG.info("attestation accepted: %s", _format_facts({"peer": address or "-", **realm.facts, **warning}))

    def refused(self, address: str | None, error: CollectionError) -> None:
        """Log that a client was refused, or could not be judged, and why. The client is not told the reason."""
        words = _format_facts({"peer": address or "-", "kind": error.kind, **error.fields})
        _LOG.log(self._level(), "attestation refused: %s: %s", words, visible(error.message, limit=_LIMIT))

    def busy(self, address: str | None) -> None:
        """Log that the queue was full, with a rate limit: this can concern thousands of clients at once."""
        self._throttle.log("attestation refused: peer=%s: too many clients wait for attestation", address or "-")

    def silent(self, address: str | None, seconds: float) -> None:
        """Log that a client did not send a certificate in time."""
        _LOG.log(
            self._level(),
            "attestation refused: peer=%s: The client sent no evidence within %g s; check what its source waits "
            "for, or raise attestation_seconds.",
            address or "-",
            seconds,
        )

    def fault(self, exc: Exception) -> None:
        """Log an unexpected exception of the server."""
        _LOG.error("judging a client failed unexpectedly", exc_info=exc)

    def handshake_failed(self, address: str | None, error: CollectionError) -> None:
        """Log that a handshake failed before the client was judged."""
        # only for an alert from the client, in the state in which the client parses the challenge
        is_hinted = (
            isinstance(error, AlertReceived) and error.alert is Alert.DECODE_ERROR and error.state is TlsState.WAIT_CERT
        )
        hint = _CANNOT_READ if is_hinted else ""
        line = "the TLS handshake with %s failed: %s%s"
        self._handshakes.log(line, address or "a unix socket", visible(error.message), hint)

    def _level(self) -> int:
        now = self._clock()
        if now >= self._until:
            self._until, self._warnings = now + _SECONDS, 0
        self._warnings += 1
        return logging.WARNING if self._warnings <= _WARNINGS else logging.INFO


def _format_facts(facts: t.Mapping[str, object]) -> str:
    """Format facts as NAME=VALUE. Spaces in values are replaced, so that a client cannot forge further facts."""
    return " ".join(f"{name}={visible(str(value)).replace(' ', '_')}" for name, value in facts.items())


__all__ = ("AttestationLog",)
