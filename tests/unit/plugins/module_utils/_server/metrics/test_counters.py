# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counters of all processes are added up, and those of ended processes are kept."""

from __future__ import annotations

import os

from ansible_collections.attested.registry.plugins.module_utils._server.metrics.counters import Board


def test_counts_of_an_ended_worker_are_kept() -> None:
    board = Board(1)
    counters = board.take()
    assert not board.has_room
    counters.request("GET", 200, size=10, seconds=0.2)
    counters.request("PUT", 405, size=1, seconds=0.0001)
    counters.request("GET", 299, size=0, seconds=1000)
    counters.put("open", 5)
    board.give_back(counters)
    again = board.take()
    again.request("GET", 200, size=10, seconds=0.5)
    totals = board.totals()
    assert totals["requests", ("GET", "200")] == 2
    assert totals["requests", ("other", "405")] == 1
    assert totals["requests", ("GET", "other")] == 1
    assert totals["bytes", ()] == 21
    assert totals["open", ()] == 0
    assert [totals["seconds_bucket", (limit,)] for limit in ("0.001", "0.5", "+Inf")] == [1, 2, 1]


def test_a_child_counts_into_the_same_memory() -> None:
    board = Board(1)
    counters = board.take()
    pid = os.fork()
    if pid == 0:
        counters.add("accepted")
        os._exit(0)
    os.waitpid(pid, 0)
    assert board.totals()["accepted", ()] == 1
