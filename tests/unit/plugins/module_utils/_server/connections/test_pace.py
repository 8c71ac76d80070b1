# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client is too slow if the kernel reports too few acknowledged bytes while data is outstanding."""

from __future__ import annotations

import socket

from ansible_collections.attested.registry.plugins.module_utils._server.connections.pace import (
    Delivery,
    SlowReaderCheck,
    delivery_of,
)


def test_a_client_is_too_slow_only_with_data_outstanding() -> None:
    pace = SlowReaderCheck(seconds=10, minimum=100)
    looks = [
        (Delivery(0, 50), 0.0, False),
        (Delivery(99, 50), 9.0, False),
        (Delivery(100, 50), 9.5, False),
        (Delivery(150, 50), 19.0, False),
        (Delivery(150, 0), 19.4, False),
        (Delivery(150, 50), 30.0, False),
        (Delivery(151, 50), 39.9, False),
        (Delivery(152, 50), 40.0, True),
        (None, 41.0, False),
    ]
    assert [pace.is_too_slow(delivery, now) for delivery, now, dummy in looks] == [slow for *dummy, slow in looks]


def test_acknowledged_and_pending_bytes_are_those_of_the_kernel() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        ours, dummy = server.accept()
        with ours:
            ours.setblocking(False)
            sent = 0
            while True:
                try:
                    sent += ours.send(bytes(1_000_000))
                except BlockingIOError:
                    break
            found = delivery_of(ours)
            assert found is not None
            assert found.pending > 0
            assert found.acked + found.pending in (sent, sent + 1)
            client.settimeout(30)
            taken = 0
            while taken < sent:
                taken += len(client.recv(1_000_000))
            after = delivery_of(ours)
            assert after is not None
            assert after.acked > found.acked


def test_other_sockets_report_nothing() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert delivery_of(one) is None
    assert delivery_of(one) is None
