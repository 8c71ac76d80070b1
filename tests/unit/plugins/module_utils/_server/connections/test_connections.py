# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The number of connections is limited in all processes together and for each client address."""

from __future__ import annotations

from ansible_collections.attested.registry.plugins.module_utils._server.connections.connections import Connections
from ansible_collections.attested.registry.plugins.module_utils._server.metrics.counters import Board


def test_the_limits_in_total_and_for_an_address() -> None:
    counters = Board(1).take()
    connections = Connections(counters, limit=3, per_address=2)
    first, second = connections.admit("a"), connections.admit("a")
    assert first is not None
    assert second is not None
    assert connections.admit("a") is None
    third = connections.admit(None)
    assert third is not None
    assert connections.admit("b") is None
    assert (counters.get("refused", "address"), counters.get("refused", "total")) == (1, 1)
    first.release()
    first.release()
    assert connections.open == counters.get("open") == 2
    assert connections.admit("a") is not None


def test_the_first_limit_holds_for_all_processes_together() -> None:
    board = Board(2)
    here, there = (Connections(board.take(), limit=2, per_address=0) for dummy in range(2))
    assert here.admit("a")
    assert there.admit("a")
    assert here.admit("a") is None
