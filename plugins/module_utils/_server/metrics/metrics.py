# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Metrics for Prometheus, from the counters of all processes and the state of the server. Called by admin.py."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ..libraries import require_prometheus
from ..version import VERSION
from .counters import BUCKETS

if t.TYPE_CHECKING:
    from ..content.snapshot import Snapshot
    from .counters import Board

_PREFIX: t.Final = "attested_registry_"


@dataclass
class State:
    """State of the server, besides the counters of its processes."""

    snapshot: Snapshot | None = None
    loaded_at: float = 0.0
    ready: bool = False
    workers: int = 0
    restarts: int = 0
    reloads_done: int = 0
    reloads_failed: int = 0
    # time of the last load or reload, in seconds since 1970
    reloaded_at: float = 0.0
    reload_failed: bool = False
    # the earliest expiry in the chain in use, in seconds since 1970
    certificate_expires: float | None = None


class Metrics:
    """Collector of all metrics, as sums over all processes, including ended ones. Raises DependencyMissing.

    attesting tells whether to include metrics of attestation.
    """

    def __init__(self, board: Board, state: State, *, attesting: bool = False) -> None:
        self._library = require_prometheus()
        self._board = board
        self._state = state
        self._attesting = attesting

    def collect(self) -> t.Iterator[t.Any]:
        """Yield the metric families; the interface of a collector of prometheus-client."""
        totals = self._board.totals()
        yield self._counter("requests", "Requests answered", ("method", "status"), totals)
        yield self._seconds("seconds", "request_seconds", "Time until a request was answered", totals)
        yield self._counter("bytes", "Bytes of bodies sent", (), totals)
        yield self._counter("accepted", "Connections accepted", (), totals, metric="connections_accepted")
        yield self._counter("refused", "Connections refused", ("reason",), totals, metric="connections_refused")
        yield self._counter("cut", "Connections aborted", ("reason",), totals, metric="connections_cut")
        yield self._counter("handshake_failures", "TLS handshakes that failed", (), totals)
        if self._attesting:
            yield self._counter("attestations", "Attestations of clients", ("result",), totals)
            yield self._seconds("attestation", "attestation_seconds", "Time of the appraisal of a client", totals)
        yield self._gauge("connections", "Open connections", totals["open", ()])
        yield from self._content_metrics()
        yield from self._state_metrics()

    def _content_metrics(self) -> t.Iterator[t.Any]:
        state = self._state
        snapshot = state.snapshot
        repositories = {} if snapshot is None else snapshot.repositories
        yield self._gauge("repositories", "Repositories served", len(repositories))
        yield self._gauge("tags", "Tags served", sum(len(item.tags) for item in repositories.values()))
        left_out = 0 if snapshot is None else len(snapshot.left_out)
        yield self._gauge("left_out", "Directories left out because they are invalid", left_out)
        stale = 0 if snapshot is None else len(snapshot.stale)
        yield self._gauge("stale_layouts", "Layouts served in their previous state because they are now invalid", stale)
        age = time.monotonic() - state.loaded_at if snapshot is not None else 0
        yield self._gauge("snapshot_age_seconds", "Time since the content was loaded", age)

    def _state_metrics(self) -> t.Iterator[t.Any]:
        state, core = self._state, self._library.core
        yield core.InfoMetricFamily(_PREFIX + "build", "Version of the server", value={"version": VERSION})
        yield self._gauge("ready", "Whether requests are answered", int(state.ready))
        yield self._gauge("workers", "Worker processes that answer requests", state.workers)
        if state.certificate_expires is not None:
            text = "The earliest expiry in the chain in use, since 1970"
            yield self._gauge("certificate_not_after_timestamp_seconds", text, state.certificate_expires)
        if state.reloaded_at:
            text = "When the last load or reload ended, since 1970"
            yield self._gauge("last_reload_timestamp_seconds", text, state.reloaded_at)
            text = "Whether the last load or reload succeeded completely"
            yield self._gauge("last_reload_successful", text, int(not state.reload_failed))
        restarts = core.CounterMetricFamily(
            _PREFIX + "worker_restarts", "Worker processes that were replaced after they ended"
        )
        restarts.add_metric((), state.restarts)
        yield restarts
        reloads = core.CounterMetricFamily(_PREFIX + "reloads", "Reloads", labels=("result",))
        reloads.add_metric(("done",), state.reloads_done)
        reloads.add_metric(("failed",), state.reloads_failed)
        yield reloads

    def _counter(
        self,
        name: str,
        text: str,
        labels: tuple[str, ...],
        totals: t.Mapping[t.Any, float],
        *,
        metric: str | None = None,
    ) -> t.Any:
        family = self._library.core.CounterMetricFamily(_PREFIX + (metric or name), text, labels=labels)
        for (found, values), value in totals.items():
            # most of the many pairs of method and status never occur
            if found == name and (value or name != "requests"):
                family.add_metric(values, value)
        return family

    def _gauge(self, name: str, text: str, value: float) -> t.Any:
        return self._library.core.GaugeMetricFamily(_PREFIX + name, text, value=value)

    def _seconds(self, counted: str, name: str, text: str, totals: t.Mapping[t.Any, float]) -> t.Any:
        buckets, sum_so_far = [], 0.0
        for limit in (*map(str, BUCKETS), "+Inf"):
            sum_so_far += totals[f"{counted}_bucket", (limit,)]
            buckets.append((limit, sum_so_far))
        family = self._library.core.HistogramMetricFamily(_PREFIX + name, text)
        family.add_metric((), buckets, totals[f"{counted}_sum", ()])
        return family

    def text(self) -> bytes:
        """Return the metrics in the text format."""
        registry = self._library.CollectorRegistry(auto_describe=False)
        registry.register(self)
        text: bytes = self._library.generate_latest(registry)
        return text

    @property
    def content_type(self) -> str:
        """The media type of the text format."""
        return str(self._library.CONTENT_TYPE_LATEST)


__all__ = ("Metrics", "State")
