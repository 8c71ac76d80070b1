# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard of a connection enforces the minimum throughput, the number of bytes and the deadline."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    Operation,
    ProtocolBroken,
    TimedOut,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import Timeouts
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.guard import HEAD_BUDGET, Guard


def guard(world, *, deadline=None, **timeouts) -> Guard:
    return Guard(Operation("get it", "r"), timeouts=Timeouts(**timeouts), deadline=deadline, clock=world.clock)


def test_slow_is_an_error_after_the_window(world) -> None:
    watch = guard(world, minimum_rate=100, read=10)
    watch.allow(10**6)
    watch.received(1, 29.0)  # the server may think before its first byte
    for dummy in range(9):
        watch.received(99, 1.0)
    with pytest.raises(TimedOut, match="99 bytes per second arrived during 10 seconds.*option timeout") as raised:
        watch.received(99, 1.0)
    assert raised.value.transient


def test_a_peer_that_takes_a_body_slowly_is_an_error_after_the_window(world) -> None:
    watch = guard(world, minimum_rate=100, read=10)
    for dummy in range(9):
        watch.sent(99, 1.0)
    with pytest.raises(TimedOut, match="99 bytes per second were accepted during 10 seconds.*minimum_throughput"):
        watch.sent(99, 1.0)


def test_sending_and_receiving_are_counted_apart(world) -> None:
    watch = guard(world, minimum_rate=100, read=10)
    watch.sent(10**6, 9.0)
    watch.received(1, 60.0)
    watch.sent(10**6, 9.0)
    watch.sent(900, 8.0)
    with pytest.raises(TimedOut, match="were accepted"):
        watch.sent(0, 2.0)


def test_a_steady_rate_above_the_minimum_never_fails(world) -> None:
    watch = guard(world, minimum_rate=100, read=10)
    watch.allow(10**9)
    for dummy in range(1000):
        watch.received(101, 1.0)


def test_each_window_counts_for_itself(world) -> None:
    watch = guard(world, minimum_rate=100, read=10)
    watch.allow(10**9)
    watch.received(10**8, 0.0)
    watch.received(10**8, 10.0)
    with pytest.raises(TimedOut):
        watch.received(1, 10.0)


def test_data_that_arrives_without_waiting_is_never_slow(world) -> None:
    watch = guard(world, minimum_rate=10**9)
    watch.allow(10**6)
    for dummy in range(1000):
        world.time += 100  # the reader takes its time
        watch.received(1, 0.0)


def test_no_minimum(world) -> None:
    watch = guard(world, minimum_rate=0)
    for dummy in range(100):
        watch.received(1, 100.0)


def test_budget(world) -> None:
    watch = guard(world)
    watch.received(HEAD_BUDGET, 0)
    watch.allow(10)
    watch.received(10, 0)
    with pytest.raises(ProtocolBroken, match="exceeds its size limit"):
        watch.received(1, 0)


def test_timeouts_shrink_towards_the_deadline(world) -> None:
    watch = guard(world, deadline=world.time + 12, connect=10, read=30)
    assert (watch.connect_timeout(), watch.read_timeout()) == (10, 12)
    world.time += 5
    assert (watch.connect_timeout(), watch.read_timeout()) == (7, 7)
    world.time += 7
    for late in (watch.connect_timeout, watch.read_timeout):
        with pytest.raises(TimedOut, match="total_timeout") as raised:
            late()
        assert not raised.value.transient
    assert "total_timeout" in watch.timed_out().message


def test_silence_is_transient(world) -> None:
    error = guard(world, read=30).timed_out()
    assert error.transient
    assert "no data arrived for 30 seconds" in error.message
