# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fair queue serves client addresses in turn, bounds the waiters of each, and loses no turn on cancellation."""

from __future__ import annotations

import asyncio
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.fair_queue import FairQueue, QueueFull
from hypothesis import given
from hypothesis import strategies as st


class Crowd:
    """Clients that want a turn, and those that have had one, in that order."""

    def __init__(self, turns: FairQueue) -> None:
        self.turns = turns
        self.served: list[str] = []

    async def come(self, *names: str) -> list[asyncio.Task[None]]:
        """Names whose first letter is the address, - for none."""
        tasks = [asyncio.ensure_future(self._want(name)) for name in names]
        await self.rest()
        return tasks

    async def _want(self, name: str) -> None:
        await self.turns.take(None if name[0] == "-" else name[0])
        self.served.append(name)

    async def rest(self) -> None:
        for dummy in range(5):
            await asyncio.sleep(0)


def run(test: t.Callable[[], t.Coroutine[t.Any, t.Any, None]]) -> None:
    asyncio.run(test())


def test_each_address_in_its_turn() -> None:
    async def test() -> None:
        crowd = Crowd(FairQueue(at_once=1, waiting=100, waiting_of_one=50))
        await crowd.come("a0", "a1", "a2", "a3", "b1", "c1", "b2")
        assert (crowd.served, crowd.turns.waiting) == (["a0"], 6)
        for dummy in range(6):
            crowd.turns.give_back()
        await crowd.rest()
        assert crowd.served == ["a0", "a1", "b1", "c1", "a2", "b2", "a3"]
        crowd.turns.give_back()
        await crowd.come("d1")
        assert crowd.served[-1] == "d1"

    run(test)


def test_a_waiter_cancelled_while_it_is_displaced_returns_no_turn() -> None:
    async def test() -> None:
        crowd = Crowd(FairQueue(at_once=1, waiting=2, waiting_of_one=2))
        tasks = await crowd.come("a0", "a1", "a2")
        tasks.append(asyncio.ensure_future(crowd._want("b1")))
        asyncio.get_running_loop().call_soon(tasks[2].cancel)
        await crowd.rest()
        assert tasks[2].cancelled()
        assert (crowd.served, crowd.turns.waiting) == (["a0"], 2)
        crowd.turns.give_back()
        crowd.turns.give_back()
        await crowd.rest()
        assert crowd.served == ["a0", "a1", "b1"]

    run(test)


def test_no_address_takes_all_places_to_wait() -> None:
    async def test() -> None:
        crowd = Crowd(FairQueue(at_once=1, waiting=4, waiting_of_one=2))
        tasks = await crowd.come("a0", "a1", "a2", "a3", "b1", "c1", "d1")
        refused = [task for task in tasks if task.done() and isinstance(task.exception(), QueueFull)]
        # the last one gets the place of the address that has most
        assert refused == [tasks[2], tasks[3]]
        tasks += await crowd.come("e1", "d2")
        assert [isinstance(task.exception(), QueueFull) for task in tasks[-2:] if task.done()] == [True, True]
        for dummy in range(4):
            crowd.turns.give_back()
        await crowd.rest()
        assert crowd.served == ["a0", "a1", "b1", "c1", "d1"]
        for task in tasks:
            task.cancel()

    run(test)


def test_waiters_without_address_do_not_displace_others() -> None:
    async def test() -> None:
        crowd = Crowd(FairQueue(at_once=1, waiting=4, waiting_of_one=2))
        tasks = await crowd.come(*(f"-{number}" for number in range(5)), "a1")
        refused = [isinstance(task.exception(), QueueFull) for task in tasks if task.done() and task is not tasks[0]]
        assert refused == [True]
        assert not tasks[5].done()
        for task in tasks:
            task.cancel()

    run(test)


def test_ipv6_addresses_count_by_their_64() -> None:
    async def test() -> None:
        turns = FairQueue(at_once=1, waiting=100, waiting_of_one=2)
        await turns.take("2001:db8::1")
        waiting = [asyncio.ensure_future(turns.take(f"2001:db8::{number}")) for number in (2, 3)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await turns.take("2001:db8:0:0:ffff::4")
        other = asyncio.ensure_future(turns.take("2001:db8:0:1::1"))
        await asyncio.sleep(0)
        assert not other.done()
        for task in (*waiting, other):
            task.cancel()

    run(test)


def test_without_addresses_all_places_can_be_taken() -> None:
    async def test() -> None:
        crowd = Crowd(FairQueue(at_once=1, waiting=4, waiting_of_one=2))
        tasks = await crowd.come(*(f"-{number}" for number in range(6)))
        assert [task.done() for task in tasks] == [True, False, False, False, False, True]
        with pytest.raises(QueueFull):
            await tasks[5]
        for task in tasks:
            task.cancel()

    run(test)


def test_a_cancelled_waiter_gets_no_turn() -> None:
    async def test() -> None:
        crowd = Crowd(FairQueue(at_once=1, waiting=10, waiting_of_one=10))
        tasks = await crowd.come("a0", "a1", "b1", "b2")
        tasks[1].cancel()
        await crowd.rest()
        assert crowd.turns.waiting == 2
        crowd.turns.give_back()
        # its turn has come, and it does not know yet
        tasks[2].cancel()
        await crowd.rest()
        assert crowd.served == ["a0", "b2"]
        crowd.turns.give_back()
        await crowd.come("c1")
        assert crowd.served == ["a0", "b2", "c1"]

    run(test)


@pytest.mark.parametrize("others", [(), ("b1",)], ids=["the-last", "one-of-two"])
def test_a_waiter_cancelled_at_its_turn_passes_the_turn_on(others: tuple[str, ...]) -> None:
    async def test() -> None:
        crowd = Crowd(FairQueue(at_once=1, waiting=10, waiting_of_one=10))
        dummy, gone, *rest = await crowd.come("a0", "b0", *others)
        gone.cancel()
        # before that task has heard of it
        crowd.turns.give_back()
        await crowd.rest()
        assert gone.cancelled()
        assert crowd.turns.waiting == 0
        assert crowd.served == ["a0", *others]
        crowd.turns.give_back()
        await crowd.come("c1")
        assert crowd.served == ["a0", *others, "c1"]
        for task in rest:
            task.cancel()

    run(test)


@given(st.lists(st.one_of(st.sampled_from(["a", "b", "-", "end"]), st.integers(0, 20)), max_size=40), st.integers(1, 3))
def test_no_turn_is_lost_or_had_twice(steps: list[str | int], at_once: int) -> None:
    async def test() -> None:
        crowd = Crowd(FairQueue(at_once=at_once, waiting=8, waiting_of_one=4))
        tasks: list[asyncio.Task[None]] = []
        ended = 0
        for number, step in enumerate(steps):
            if isinstance(step, int):
                # one of those that came goes away, whether it was served or not
                if step < len(tasks):
                    tasks[step].cancel()
            elif step != "end":
                tasks += await crowd.come(f"{step}{number}")
            elif len(crowd.served) > ended:
                ended += 1
                crowd.turns.give_back()
            if number % 3 == 0:
                await crowd.rest()
        await crowd.rest()
        having = len(crowd.served) - ended
        assert 0 <= having <= at_once
        # nobody waits while there is room
        assert having == at_once or not crowd.turns.waiting
        for task in tasks:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in found} <= {type(None), asyncio.CancelledError, QueueFull}

    run(test)
