# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of benchmarks/callgrind.py: the dumps of a process and of those that it forked are added up."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from ansible_collections.attested.registry.benchmarks import callgrind

FORKING = """
import os
def work(count):
    return sum(number * number for number in range(count))
work({before})
pid = os.fork()
if pid == 0:
    work({child})
    os._exit(0)
os.waitpid(pid, 0)
"""


def dump(count: int) -> str:
    return (
        f"# callgrind format\nversion: 1\nevents: Ir\nsummary: {count}\n\nfn=(1) main\n1 {count}\n\ntotals: {count}\n"
    )


def test_the_dumps_of_one_process_and_of_its_forks_are_added() -> None:
    assert callgrind.total({"10": dump(5)}) == 5
    assert callgrind.total({"10.1": dump(100), "10": dump(20), "11": dump(3)}) == 123


def test_a_fork_without_a_dump_before_it_is_refused() -> None:
    with pytest.raises(SystemExit, match="twice"):
        callgrind.total({"10": dump(120), "11": dump(103)})


@pytest.mark.parametrize("dumps", [{}, {"10": ""}, {"10": dump(3), "10.1": "totals: \n"}])
def test_dumps_without_a_total_are_refused(dumps: dict[str, str]) -> None:
    with pytest.raises(SystemExit, match="total"):
        callgrind.total(dumps)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_what_was_done_before_a_fork_counts_once(tmp_path: Path) -> None:
    def count(before: int, child: int) -> int:
        return callgrind.count((sys.executable, "-S", "-c", FORKING.format(before=before, child=child)), tmp_path)[0]

    assert count(100_000, 0) == pytest.approx(count(0, 100_000), rel=0.05)
