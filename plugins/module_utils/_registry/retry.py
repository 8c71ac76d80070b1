# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Decide which failures are retried, and how long to wait before (RFC 9110, 10.2.3 for Retry-After)."""

from __future__ import annotations

import math
import re
import typing as t

if t.TYPE_CHECKING:
    from .errors import RegistryError
    from .options import Effects, RetryPolicy

# statuses 5xx that a retry does not change
_PERMANENT: t.Final = (501, 505)


def is_transient(status: int) -> bool:
    """Tell whether a retry may change this status: 408, 429 and 5xx except 501 and 505."""
    return status in (408, 429) or (status >= 500 and status not in _PERMANENT)


def is_refusal(exc: RegistryError) -> bool:
    """Tell whether a failed HEAD may succeed as a GET: an answer 4xx or 5xx without Retry-After.

    429 and most of 5xx get here after the last retry. A token service that answers 400, 401 or 403 gives an error
    without url, which is not a refusal.
    """
    status = exc.fields.get("status")
    return isinstance(status, int) and status >= 400 and "url" in exc.fields and exc.retry_after is None


def parse_retry_after(value: str | None, *, now: float) -> float | None:
    """Return the seconds of a Retry-After header, given as seconds or HTTP-date (RFC 9110, 10.2.3). Total.

    None if there is no such header, or it cannot be read. now is seconds since 1970.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    if not text or len(text) > 64:
        return None
    # imported here because they import much of the network stack
    from calendar import timegm
    from email.utils import parsedate_tz

    try:
        parsed = parsedate_tz(text)
        moment = None if parsed is None else timegm(parsed[:6] + (0, 0, 0)) - (parsed[9] or 0)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return None if moment is None else max(0.0, moment - now)


class Attempts:
    """Counts the failures of one operation and waits between its attempts, never past its deadline."""

    def __init__(self, policy: RetryPolicy, *, effects: Effects, deadline: float | None) -> None:
        self._policy = policy
        self._effects = effects
        self._deadline = deadline
        self.failures = 0

    def progressed(self) -> None:
        """Reset the count of failures."""
        self.failures = 0

    def wait_or_raise(self, error: RegistryError) -> None:
        """Wait before the next attempt. Raises error if it is permanent, or no attempt or time is left."""
        if not error.transient or self.failures >= self._policy.retries:
            raise error
        pause = self._pause(error.retry_after)
        if self._deadline is None:
            is_too_long = (error.retry_after or 0.0) > self._policy.retry_after_ceiling
        else:
            is_too_long = self._effects.clock() + pause >= self._deadline
        if is_too_long:
            raise error
        self.failures += 1
        self._effects.sleep(pause)

    def _pause(self, retry_after: float | None) -> float:
        backoff = min(self._policy.ceiling, math.ldexp(self._policy.base, min(self.failures, 30)))
        jittered = backoff * self._effects.jitter()
        if retry_after is None:
            return jittered
        return retry_after + jittered


__all__ = ("Attempts", "is_refusal", "is_transient", "parse_retry_after")
