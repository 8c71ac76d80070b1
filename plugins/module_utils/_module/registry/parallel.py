# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Run the downloads of a task in threads, a bounded number at once. Called by _module/layout/fill.py."""

from __future__ import annotations

import queue
import threading
import time
import typing as t

# How many seconds to wait for the other downloads after one has failed: one that waits for the network notices that it
# is to stop when data arrives, or at its timeout, and the error must not wait for that.
PATIENCE: t.Final = 5.0


_POLL_SECONDS: t.Final = 0.05


class Stopped(Exception):
    """Another job has failed, so this one ends early."""


class Stop:
    """Tells the jobs that one of them has failed."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.set, self.is_set = self._event.set, self._event.is_set

    def check(self) -> None:
        """Raise Stopped if the job must end. Jobs call this before each step that changes anything."""
        if self.is_set():
            raise Stopped


# A download. It calls check() of the Stop often.
Job = t.Callable[[Stop], None]


def run_parallel(jobs: t.Sequence[Job], *, workers: int) -> None:
    """Run all jobs in their order, workers at once; with one worker in this thread.

    The first error of a job stops the others and is raised. A job that does not end within PATIENCE seconds then is
    left behind; it raises Stopped when it next calls check().
    """
    stop = Stop()
    if workers == 1 or len(jobs) == 1:
        for job in jobs:
            job(stop)
        return
    crew = _Crew(jobs, stop)
    try:
        crew.run(min(workers, len(jobs)))
    finally:
        stop.set()


class _Crew:
    """The threads that share a queue of jobs."""

    def __init__(self, jobs: t.Sequence[Job], stop: Stop) -> None:
        self._stop = stop
        self._failures: list[BaseException] = []
        self._todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            self._todo.put(job)

    def run(self, count: int) -> None:
        """Run all jobs in count threads. Raises the first error."""
        threads = [threading.Thread(target=self._work, name="download", daemon=True) for dummy in range(count)]
        for thread in threads:
            thread.start()
        while not self._stop.is_set() and any(thread.is_alive() for thread in threads):
            _join_one(threads)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and any(thread.is_alive() for thread in threads):
            _join_one(threads)
        if self._failures:
            raise self._failures[0]

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                job = self._todo.get_nowait()
            except queue.Empty:
                return
            try:
                job(self._stop)
            except Stopped:
                return
            except BaseException as exc:  # raised again in the thread that waits
                self._failures.append(exc)
                self._stop.set()


def _join_one(threads: t.Sequence[threading.Thread]) -> None:
    """Wait a moment for the first thread that runs."""
    next((thread for thread in threads if thread.is_alive()), threads[0]).join(_POLL_SECONDS)


__all__ = ("PATIENCE", "Job", "Stop", "Stopped", "run_parallel")
