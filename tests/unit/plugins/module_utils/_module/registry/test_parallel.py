# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs run in their order, a bounded number at once; the first error stops the others."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.registry import parallel
from ansible_collections.attested.registry.plugins.module_utils._module.registry.parallel import Stop, run_parallel

LONG = 30
"""Seconds that no test waits unless it fails."""


class Meeting:
    """Jobs that wait for each other, and count how many of them run."""

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size, timeout=LONG)
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def job(self, stop: Stop) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self._barrier.wait()
        with self._lock:
            self._now -= 1


@pytest.mark.parametrize("workers", [2, 3, 16])
def test_as_many_at_once_as_workers(workers: int) -> None:
    meeting = Meeting(workers)
    run_parallel([meeting.job] * (4 * workers), workers=workers)
    assert meeting.most == workers


def test_no_more_threads_than_jobs() -> None:
    meeting = Meeting(2)
    run_parallel([meeting.job] * 2, workers=16)
    assert meeting.most == 2


def test_one_worker_is_this_thread() -> None:
    found: list[tuple[int, threading.Thread]] = []
    jobs = [lambda stop, number=number: found.append((number, threading.current_thread())) for number in range(9)]
    run_parallel(jobs, workers=1)
    assert found == [(number, threading.current_thread()) for number in range(9)]


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_to_do(workers: int) -> None:
    run_parallel([], workers=workers)


def test_the_first_error_stops_the_others() -> None:
    failed, stopped, begun = threading.Event(), [], threading.Event()

    def fail(stop: Stop) -> None:
        begun.wait(LONG)
        failed.set()
        raise LookupError("the first")

    def wait(stop: Stop) -> None:
        begun.set()
        while True:
            try:
                stop.check()
            except BaseException:
                stopped.append("stopped")
                raise
            failed.wait(0.01)

    never = [lambda stop: stopped.append("begun after the error")] * 5
    with pytest.raises(LookupError, match="the first"):
        run_parallel([fail, wait, *never], workers=2)
    assert stopped == ["stopped"]


def test_a_job_that_waits_for_the_network_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "PATIENCE", 0.05)
    network, ended, written = threading.Event(), threading.Event(), []

    def wait(stop: Stop) -> None:
        try:
            network.wait(LONG)
            stop.check()
            written.append("written")
        finally:
            ended.set()

    def fail(stop: Stop) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        run_parallel([wait, fail], workers=2)
    assert not ended.is_set()
    network.set()
    assert ended.wait(LONG)
    assert written == []
