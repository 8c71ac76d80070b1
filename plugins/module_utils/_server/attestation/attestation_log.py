# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import logging
import time
import typing as t

from ..._base.text import visible
from ..._tls13.errors import AlertReceived
from ..._tls13.names import Alert
from ..._tls13.state import TlsState
from ..connections.connections import Rarely

if t.TYPE_CHECKING:
    from ..._base.errors import CollectionError
    from ..access.attested_client import Realm

_LOG: t.Final = logging.getLogger("attested.registry")
_LIMIT: t.Final = 1000
# so many warnings in so many seconds; beyond, each is still a line, but none that wakes somebody up
_WARNINGS: t.Final = 10
_SECONDS: t.Final = 10.0
_CANNOT_READ: t.Final = " (OpenSSL, and so curl and Python's ssl, cannot read the challenge)"


class AttestationLog:
    """The lines about clients that were judged: one for each, whatever comes of it. None holds a challenge or a key."""

    def __init__(self, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = float("-inf")
        self._warnings = 0
        self._rarely = Rarely(clock)
        self._handshakes = Rarely(clock, level=logging.INFO)

    def accepted(self, address: str | None, realm: Realm) -> None:
        """A client has proved what it is."""
        warning = {"warning": ",".join(realm.warnings)} if realm.warnings else {}
        _LOG.info("attestation accepted: %s", _words({"peer": address or "-", **realm.facts, **warning}))

    def refused(self, address: str | None, error: CollectionError) -> None:
        """A client has not, or nobody could tell; why is for this log alone."""
        words = _words({"peer": address or "-", "kind": error.kind, **error.fields})
        _LOG.log(self._level(), "attestation refused: %s: %s", words, visible(error.message, limit=_LIMIT))

    def busy(self, address: str | None) -> None:
        """There was nobody to judge a client; this can be said of thousands at once."""
        self._rarely.say("attestation refused: peer=%s: too many clients wait to be judged", address or "-")

    def silent(self, address: str | None, seconds: float) -> None:
        """A client did not show a certificate in all these seconds."""
        _LOG.log(
            self._level(),
            "attestation refused: peer=%s: The client showed no evidence in %g s; see what its source waits for, or "
            "raise attestation_seconds.",
            address or "-",
            seconds,
        )

    def fault(self, exc: Exception) -> None:
        """Something of ours failed that should not."""
        _LOG.error("judging a client failed", exc_info=exc)

    def handshake_failed(self, address: str | None, error: CollectionError) -> None:
        """A client did not get so far as to be judged."""
        # neither one that this end sent, nor one of a client that had not yet read the challenge or had read it
        is_hinted = (
            isinstance(error, AlertReceived) and error.alert is Alert.DECODE_ERROR and error.state is TlsState.WAIT_CERT
        )
        hint = _CANNOT_READ if is_hinted else ""
        line = "the connection of %s ended in its handshake: %s%s"
        self._handshakes.say(line, address or "a unix socket", visible(error.message), hint)

    def _level(self) -> int:
        now = self._clock()
        if now >= self._until:
            self._until, self._warnings = now + _SECONDS, 0
        self._warnings += 1
        return logging.WARNING if self._warnings <= _WARNINGS else logging.INFO


def _words(facts: t.Mapping[str, object]) -> str:
    """Names and values, of which none can look like another one, whoever has chosen it."""
    return " ".join(f"{name}={visible(str(value)).replace(' ', '_')}" for name, value in facts.items())


__all__ = ("AttestationLog",)
