# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The keys that a Veraison service signs its results with: from a file, or fetched and compared with a thumbprint."""

from __future__ import annotations

import contextlib
import threading
import typing as t
from dataclasses import dataclass

from ..._base.errors import JsonInvalid
from ..._base.strict_json import load_object
from ..errors import VeraisonFailed
from ..token.jwk import from_jwk, thumbprint
from ..token.keys import EcKey, KeyInvalid
from .ear import veraison_error
from .exchange import MAX_BODY, Http, ServiceUrl

if t.TYPE_CHECKING:
    from .deadline import Deadline

# minimum seconds between two attempts to fetch the keys of a service
FETCH_INTERVAL: t.Final = 5.0

_WELL_KNOWN: t.Final = ".well-known/veraison/verification"
_MAX_KEYS: t.Final = 64


class ServiceKeys(t.Protocol):
    """The keys of a Veraison service."""

    def known(self, service: ServiceUrl, http: Http, deadline: Deadline) -> tuple[EcKey, ...]:
        """Return the known keys, fetched if necessary. Raises VeraisonFailed."""

    def renewed(self, service: ServiceUrl, http: Http, deadline: Deadline) -> tuple[EcKey, ...]:
        """Return the current keys, after none of the known ones signed a result. Raises VeraisonFailed."""


@dataclass(frozen=True)
class FileKeys:
    """Keys from a file."""

    keys: tuple[EcKey, ...]

    def known(self, service: ServiceUrl, http: Http, deadline: Deadline) -> tuple[EcKey, ...]:
        """See ServiceKeys."""
        return self.keys

    renewed = known


class PinnedKeys:
    """Keys with known SHA-256 thumbprints (RFC 7638, base64url), fetched from the service on demand and cached.

    Several threads may use them; while one thread fetches, the others wait for it.
    """

    def __init__(self, pins: t.Iterable[str]) -> None:
        self._pins = frozenset(pins)
        self._lock = threading.Lock()
        self._keys: tuple[EcKey, ...] = ()
        self._problem = ""
        self._next = float("-inf")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PinnedKeys) and self._pins == other._pins

    def __hash__(self) -> int:
        return hash(self._pins)

    def __reduce__(self) -> tuple[type[PinnedKeys], tuple[frozenset[str]]]:
        return PinnedKeys, (self._pins,)

    def known(self, service: ServiceUrl, http: Http, deadline: Deadline) -> tuple[EcKey, ...]:
        """See ServiceKeys."""
        return self._keys or self.renewed(service, http, deadline)

    def renewed(self, service: ServiceUrl, http: Http, deadline: Deadline) -> tuple[EcKey, ...]:
        """See ServiceKeys. The keys are fetched at most once in FETCH_INTERVAL."""
        with self._turn(deadline):
            if deadline.clock.monotonic() >= self._next:
                self._fetch(service, http, deadline)
            if not self._keys:
                raise VeraisonFailed(self._problem)
            return self._keys

    def _fetch(self, service: ServiceUrl, http: Http, deadline: Deadline) -> None:
        self._problem = veraison_error("fetching its keys was interrupted", "try again").message
        try:
            self._keys = fetch_keys(service, http, pins=self._pins, timeout=deadline.left())
        except VeraisonFailed as exc:
            self._problem = exc.message
        finally:
            self._next = deadline.clock.monotonic() + FETCH_INTERVAL

    @contextlib.contextmanager
    def _turn(self, deadline: Deadline) -> t.Iterator[None]:
        if not self._lock.acquire(timeout=deadline.left()):
            raise veraison_error("its keys could not be fetched in time", "check whether the service is overloaded")
        try:
            yield
        finally:
            self._lock.release()


def fetch_keys(service: ServiceUrl, http: Http, *, pins: t.Collection[str], timeout: float) -> tuple[EcKey, ...]:
    """Fetch the keys of a service from its well-known URL; return those whose thumbprint is in pins, at least one.

    Raises VeraisonFailed.
    """
    url = service.api(_WELL_KNOWN)
    answer = http("GET", url, headers={"Accept": "application/json"}, body=None, timeout=timeout)
    if answer.status != 200:
        raise veraison_error(f"it answered status {answer.status} when asked for its keys", status=answer.status)
    found = tuple(key for key in _keys(answer.body) if thumbprint(key) in pins)
    if not found:
        raise veraison_error("none of its keys matches a pin", "find out whether its key was replaced, and by whom")
    return found


def _keys(body: bytes) -> t.Iterator[EcKey]:
    try:
        value = load_object(body, what="the keys", max_bytes=MAX_BODY)
    except JsonInvalid:
        raise veraison_error("its list of keys is not a JSON object") from None
    some = value.get("keys")
    found = [value.get("ear-verification-key"), *(some if isinstance(some, list) else [])]
    for item in found[:_MAX_KEYS]:
        try:
            key = from_jwk(item)
        except KeyInvalid:
            continue  # a key of another type cannot be the pinned one
        yield key


__all__ = ("FETCH_INTERVAL", "FileKeys", "PinnedKeys", "ServiceKeys", "fetch_keys")
