# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of benchmarks/results.py, fit.py, machine.py and publish.py: the file of results, exponents, quiet machines."""

from __future__ import annotations

import math
import os
import re
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.benchmarks import machine
from ansible_collections.attested.registry.benchmarks.fit import exponent
from ansible_collections.attested.registry.benchmarks.publish import NAMES, options_parser, publish
from ansible_collections.attested.registry.benchmarks.results import (
    HEADER,
    Row,
    Section,
    parse,
    render,
    replaced,
    text_of,
)
from hypothesis import given
from hypothesis import strategies as st

SPEEDUP = Row("unpack, wall", 2.0, "s", "skopeo + umoci", 5.0, "speedup")
TIMES = Row("unchanged, CPU", 1.5, "s", "ping", 1.0)
ALONE = Row("entries", 14_000, "")


def section(name: str, *rows: Row, **more: t.Any) -> Section:
    return Section(name, rows or (ALONE,), **more)


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        (SPEEDUP, ("unpack, wall", "2.00 s", "skopeo + umoci: 5.00 s", "2.50 times as fast")),
        (TIMES, ("unchanged, CPU", "1.50 s", "ping: 1.00 s", "1.50 times")),
        (ALONE, ("entries", "14,000", "", "")),
        (
            Row("manifests", 14397.4, "/s", "nginx", 42344.0),
            ("manifests", "14,397 /s", "nginx: 42,344 /s", "0.34 times"),
        ),
        (Row("peak", 61.04, "MiB"), ("peak", "61.0 MiB", "", "")),
        (Row("nothing", 1.0, "s", "peer", 0.0), ("nothing", "1.00 s", "peer: 0.00 s", "")),
    ],
)
def test_a_row_shows_both_figures_with_their_unit_and_the_ratio(row: Row, cells: tuple[str, ...]) -> None:
    assert row.cells() == cells


def test_a_section_has_facts_remarks_and_a_table() -> None:
    text = render(section("unpack", SPEEDUP, ALONE, facts=[("runs", "5")], remarks=["The machine was not quiet."]))
    assert text.splitlines() == [
        "## unpack",
        "",
        "* runs: 5",
        "",
        "**The machine was not quiet.**",
        "",
        "| what | ours | peer | ratio |",
        "| --- | --- | --- | --- |",
        "| unpack, wall | 2.00 s | skopeo + umoci: 5.00 s | 2.50 times as fast |",
        "| entries | 14,000 |  |  |",
    ]


def test_a_cell_cannot_break_the_table() -> None:
    text = render(section("unpack", Row("a|b\nc", 1, "")))
    assert text.splitlines()[-1] == "| a\\|b c | 1 |  |  |"


def test_one_benchmark_replaces_its_own_section_alone() -> None:
    both = replaced(replaced("", section("server"), order=NAMES), section("unpack", SPEEDUP), order=NAMES)
    again = replaced(both, section("unpack", TIMES), order=NAMES)
    assert parse(again)["server"] == parse(both)["server"]
    assert "unchanged, CPU" in again
    assert "unpack, wall" not in again


def test_sections_are_in_the_order_of_the_benchmarks_and_unknown_ones_last() -> None:
    text = f"## of-hand\n\nkept\n\n{render(section('ratls'))}"
    text = replaced(replaced(text, section("server"), order=NAMES), section("unpack"), order=NAMES)
    assert list(parse(text)) == ["unpack", "server", "ratls", "of-hand"]
    assert text.startswith(HEADER)
    assert parse(text)["of-hand"] == "## of-hand\n\nkept\n"


def test_the_file_is_the_same_when_the_same_is_written_again() -> None:
    text = replaced(replaced("", section("server"), order=NAMES), section("unpack"), order=NAMES)
    assert replaced(text, section("server"), order=NAMES) == text


@given(st.text())
def test_any_file_can_be_replaced(text: str) -> None:
    written = replaced(text, section("unpack", SPEEDUP), order=NAMES)
    assert parse(written)["unpack"] == render(section("unpack", SPEEDUP))
    assert replaced(written, section("unpack", SPEEDUP), order=NAMES) == written


@given(st.lists(st.sampled_from(NAMES), unique=True))
def test_what_was_written_is_read_back(names: list[str]) -> None:
    text = ""
    for name in names:
        text = replaced(text, section(name, Row(name, 1.0, "s")), order=NAMES)
    assert parse(text) == {name: render(section(name, Row(name, 1.0, "s"))) for name in sorted(names, key=NAMES.index)}


def test_the_terminal_gets_aligned_columns() -> None:
    first, second = text_of([SPEEDUP, ALONE]).splitlines()
    assert first == "  unpack, wall  2.00 s  skopeo + umoci: 5.00 s  2.50 times as fast"
    assert second == "  entries       14,000"
    assert text_of([]) == ""


@pytest.mark.parametrize("power", [0.5, 1.0, 1.7, 2.0])
def test_the_exponent_of_a_power_law_is_its_power(power: float) -> None:
    points = [(size, 3.0 * size**power) for size in (1e4, 1e5, 1e6)]
    assert math.isclose(exponent(points), power)
    assert math.isclose(exponent(points[-2:]), power)


def test_a_constant_part_lowers_the_overall_exponent_more_than_that_of_the_last_points() -> None:
    points = [(size, 0.3 + size * 1e-5) for size in (1e4, 1e5, 1e6)]
    assert exponent(points) < exponent(points[-2:]) < 1.0


@pytest.mark.parametrize(
    "points", [[], [(1.0, 1.0)], [(2.0, 1.0), (2.0, 3.0)], [(0.0, 1.0), (1.0, 1.0)], [(1, -1), (2, 1)]]
)
def test_points_without_a_slope_are_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match=r"size|positive"):
        exponent(points)


def test_a_quiet_machine_needs_no_remark() -> None:
    assert machine.Watch(load_before=0.2, load_after=1.9, others_cores=0.03).remarks() == []


@pytest.mark.parametrize(
    ("watch", "words"),
    [
        (machine.Watch(load_before=0.8), "the load was 0.80 at the start"),
        (machine.Watch(others_cores=0.4), "other processes used 0.40 cores"),
        (machine.Watch(stolen_cores=0.1), "the hypervisor gave 0.10 cores"),
    ],
)
def test_a_busy_machine_is_named_with_the_reason(watch: machine.Watch, words: str) -> None:
    (remark,) = watch.remarks()
    assert words in remark
    assert "not quiet" in remark


def test_the_watch_counts_ended_children_as_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    usages = iter([(10.0, 100.0, 1.0, 50.0), (20.0, 106.0, 1.5, 54.0)])
    monkeypatch.setattr(machine, "_usage", lambda: next(usages))
    with machine.Watch() as watch:
        pass
    assert watch.others_cores == pytest.approx(0.2)
    assert watch.stolen_cores == pytest.approx(0.05)


def test_published_rows_have_the_conditions_and_nothing_of_this_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "RESULTS.md"
    options = options_parser(None).parse_args(["--runs", "5", "--results", str(file), "--settle", "0"])
    publish("unpack", options, lambda: [SPEEDUP], ("blob", "1 GiB"))
    text = file.read_text()
    facts = dict(re.findall(r"^\* (\w+): (.*)$", text, re.MULTILINE))
    assert list(facts) == ["date", "machine", "versions", "load", "runs", "blob"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", facts["date"])
    assert re.search(r"\d+ cores of .*, with(out)? SHA extensions; \d+ GiB of memory; Linux ", facts["machine"])
    assert re.match(r"collection \d+\.\d+\.\d+.*, Python 3\.\d+\.\d+, ansible-core 2\.", facts["versions"])
    assert re.match(r"[\d.]+ before, [\d.]+ after; other processes used [\d.]+ cores$", facts["load"])
    assert facts["runs"] == "5"
    assert str(machine.TOP) not in text
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)
    assert SPEEDUP.cells()[3] in capsys.readouterr().out


def test_a_benchmark_that_fails_leaves_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    file.write_text("before")
    options = options_parser(None).parse_args(["--results", str(file), "--settle", "0"])
    with pytest.raises(SystemExit, match="failed"):
        publish("unpack", options, lambda: sys.exit("it failed"))
    assert file.read_text() == "before"


def test_settling_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(os, "getloadavg", lambda: (9.0, 9.0, 9.0))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    machine.settle(10)
    assert 10 <= now[0] < 15


def test_tools_bench_runs_the_benchmarks_that_have_sections() -> None:
    line = re.search(r"^\[ \$# -gt 0 \] \|\| set -- (.*)$", (machine.TOP / "tools/bench.sh").read_text(), re.MULTILINE)
    assert line is not None
    assert tuple(line[1].split()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_can_be_started(name: str) -> None:
    command = [sys.executable, "-m", f"ansible_collections.attested.registry.benchmarks.{name}", "--help"]
    environment = {**os.environ, "PYTHONPATH": str(machine.TOP / "build")}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "--runs" in answer.stdout
