# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Metrics have the text format of Prometheus, and only those that the settings make meaningful."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import LeftOut, Snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.metrics.counters import Board
from ansible_collections.attested.registry.plugins.module_utils._server.metrics.metrics import Metrics, State
from ansible_collections.attested.registry.plugins.module_utils._server.version import VERSION


def test_the_metrics_that_prometheus_reads() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    board = Board(1)
    board.take().request("GET", 200, size=7, seconds=0.2)
    state = State(snapshot=Snapshot("/", {}), ready=True, workers=1, reloads_failed=2)
    text = Metrics(board, state).text().decode()
    families = parser.text_string_to_metric_families(text)
    found = {(item.name, *item.labels.values()): item.value for family in families for item in family.samples}
    assert found["attested_registry_requests_total", "GET", "200"] == 1
    assert found["attested_registry_bytes_total",] == 7
    assert found["attested_registry_request_seconds_bucket", "0.1"] == 0
    assert found["attested_registry_request_seconds_bucket", "0.5"] == 1
    assert found["attested_registry_request_seconds_count",] == 1
    assert found["attested_registry_ready",] == 1
    assert found["attested_registry_reloads_total", "failed"] == 2
    assert found["attested_registry_build_info", VERSION] == 1
    assert found["attested_registry_stale_layouts",] == 0
    assert not [name for name in found if "attestation" in name[0] or "certificate" in name[0]]
    assert not [name for name in found if "last_reload" in name[0]]


def test_the_metrics_about_clients_that_attest_certificates_and_reloads() -> None:
    stale = (LeftOut("app", "layout_invalid", "why"),)
    state = State(
        snapshot=Snapshot("/", {}, stale=stale), reloaded_at=1000.5, reload_failed=True, certificate_expires=2e9
    )
    lines = Metrics(Board(1), state, attesting=True).text().decode().splitlines()
    for line in (
        "attested_registry_stale_layouts 1.0",
        "attested_registry_last_reload_timestamp_seconds 1000.5",
        "attested_registry_last_reload_successful 0.0",
        "attested_registry_certificate_not_after_timestamp_seconds 2e+09",
        'attested_registry_attestations_total{result="accepted"} 0.0',
        "attested_registry_attestation_seconds_count 0.0",
    ):
        assert line in lines
