# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A function runs in a child process; if it fails or cannot be run there, its result is None."""

from __future__ import annotations

import os
import signal
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.image.child_result import ChildResult
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline import fork as forked
from ansible_collections.attested.registry.tests.support.processes.descriptors import child_processes, open_descriptors


@pytest.fixture(autouse=True)
def _two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked.threading, "active_count", lambda: 1)
    monkeypatch.setattr(forked.os, "sched_getaffinity", lambda pid: {0, 1})


def result_of(look: t.Callable[[], t.Any]) -> t.Any:
    with ChildResult(look) as started:
        assert started.is_running
        return started.result()


def test_looks_in_another_process() -> None:
    found = result_of(lambda: {"pid": os.getpid()})
    assert found is not None
    assert found["pid"] != os.getpid()


def test_results_of_any_size() -> None:
    found = {"text": "x" * 5_000_000}
    assert result_of(lambda: found) == found


def fail() -> t.NoReturn:
    raise RuntimeError("in the other process")


def die() -> t.NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@pytest.mark.parametrize("look", [lambda: None, lambda: [1], lambda: {1, 2}, fail, die])
def test_no_result_is_none(look: t.Callable[[], t.Any], capfd: pytest.CaptureFixture[str]) -> None:
    assert result_of(look) is None
    assert capfd.readouterr() == ("", "")


def test_an_error_here_ends_the_other_process_too() -> None:
    children = child_processes()
    with pytest.raises(RuntimeError), ChildResult(lambda: {"text": "x" * 5_000_000}):
        raise RuntimeError("here")
    assert child_processes() <= children


@pytest.mark.parametrize(("threads", "processors"), [(2, 2), (1, 1)])
def test_runs_nothing_where_that_is_not_safe_or_not_faster(
    monkeypatch: pytest.MonkeyPatch, threads: int, processors: int
) -> None:
    monkeypatch.setattr(forked.threading, "active_count", lambda: threads)
    monkeypatch.setattr(forked.os, "sched_getaffinity", lambda pid: set(range(processors)))
    with ChildResult(dict) as started:
        assert not started.is_running
        assert started.result() is None


def test_leaves_no_descriptors_behind() -> None:
    before = open_descriptors()
    for dummy in range(3):
        result_of(dict)
    assert open_descriptors() <= before
