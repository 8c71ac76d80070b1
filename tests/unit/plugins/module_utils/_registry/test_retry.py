# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Temporary failures are retried with growing pauses or after Retry-After (RFC 9110, 10.2.3), until the deadline."""

from __future__ import annotations

import math

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import Operation, RegistryError
from ansible_collections.attested.registry.plugins.module_utils._registry.options import (
    RetryPolicy,
    Timeouts,
    TlsOptions,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.retry import (
    Attempts,
    is_transient,
    parse_retry_after,
)
from hypothesis import given
from hypothesis import strategies as st


def failure(*, transient: bool = True, retry_after: float | None = None) -> RegistryError:
    return Operation("do it", "r").error(RegistryError, "no", "why", transient=transient, retry_after=retry_after)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 507, 599])
def test_transient(status: int) -> None:
    assert is_transient(status)


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 405, 416, 501, 505])
def test_not_transient(status: int) -> None:
    assert not is_transient(status)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("-1", None),
        ("1.5", None),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wednesday, 21-Oct-15 07:28:30 GMT", 30.0),
        ("Wed Oct 21 07:28:30 2015", 30.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("soon", None),
        ("Wed, 99 Oct 99999 07:28:00 GMT", None),
        ("9" * 30, None),
        ("x" * 500, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=1445412480.0) == seconds


@given(st.text())
def test_retry_after_is_total(value: str) -> None:
    seconds = parse_retry_after(value, now=0.0)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


def test_backoff_grows_to_the_ceiling(world) -> None:
    attempts = Attempts(RetryPolicy(retries=9, base=0.5, ceiling=8), effects=world.effects(), deadline=None)
    for dummy in range(9):
        attempts.wait_or_raise(failure())
    assert world.pauses == [0.5, 1, 2, 4, 8, 8, 8, 8, 8]
    with pytest.raises(RegistryError):
        attempts.wait_or_raise(failure())


def test_jitter_takes_a_part_of_the_pause(world) -> None:
    attempts = Attempts(RetryPolicy(), effects=world.effects(jitter=0.25), deadline=None)
    attempts.wait_or_raise(failure())
    assert world.pauses == [0.125]


def test_retry_after_is_kept_to_or_not_waited_for_at_all(world) -> None:
    attempts = Attempts(RetryPolicy(retry_after_ceiling=60), effects=world.effects(jitter=0), deadline=None)
    attempts.wait_or_raise(failure(retry_after=7))
    attempts.wait_or_raise(failure(retry_after=60))
    with pytest.raises(RegistryError):
        attempts.wait_or_raise(failure(retry_after=61))
    assert world.pauses == [7, 60]


def test_a_long_retry_after_within_the_deadline_is_waited_for(world) -> None:
    attempts = Attempts(RetryPolicy(), effects=world.effects(jitter=0), deadline=world.time + 7200)
    attempts.wait_or_raise(failure(retry_after=3600))
    with pytest.raises(RegistryError):
        attempts.wait_or_raise(failure(retry_after=3600))
    assert world.pauses == [3600]


def test_a_permanent_failure_is_raised_at_once(world) -> None:
    error = failure(transient=False)
    with pytest.raises(RegistryError) as raised:
        Attempts(RetryPolicy(), effects=world.effects(), deadline=None).wait_or_raise(error)
    assert raised.value is error
    assert world.pauses == []


def test_no_pause_beyond_the_deadline(world) -> None:
    attempts = Attempts(RetryPolicy(), effects=world.effects(), deadline=world.time + 2)
    attempts.wait_or_raise(failure())
    with pytest.raises(RegistryError):
        attempts.wait_or_raise(failure(retry_after=5))
    assert world.pauses == [0.5]


def test_progress_starts_the_count_anew(world) -> None:
    attempts = Attempts(RetryPolicy(retries=1), effects=world.effects(), deadline=None)
    for dummy in range(5):
        attempts.wait_or_raise(failure())
        attempts.progressed()
    assert world.pauses == [0.5] * 5


@pytest.mark.parametrize(
    "make",
    [
        lambda: TlsOptions("ssl"),  # type: ignore[arg-type]
        lambda: TlsOptions(client_key="k"),
        lambda: Timeouts(connect=0),
        lambda: Timeouts(read=-1),
        lambda: Timeouts(total=0),
        lambda: Timeouts(minimum_rate=-1),
        lambda: RetryPolicy(retries=-1),
    ],
)
def test_options_are_checked(make) -> None:
    with pytest.raises(RegistryError):
        make()
