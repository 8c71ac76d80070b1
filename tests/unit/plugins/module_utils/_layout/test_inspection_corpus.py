# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inspecting a layout of the corpus finds the problem it was made with, the same with threads and without."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.checker import Checker
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.tests.support.images.layout_corpus import CORPUS, Case
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_each_class_of_layouts(tmp_path: pathlib.Path, case: Case) -> None:
    layout = tmp_path / case.name
    case.write(layout)
    before = open_descriptors()
    alone = inspect_layout(str(layout))
    with Checker(threads=2) as checker:
        in_threads = inspect_layout(str(layout), checker=checker)
    assert [problem.kind for problem in alone.problems][:1] == ([case.kind] if case.kind else [])
    assert [problem.message for problem in in_threads.problems] == [problem.message for problem in alone.problems]
    assert (in_threads.layout, in_threads.orphans) == (alone.layout, alone.orphans)
    assert case.kind is not None or len(alone.absent) == case.absent + (case.name == "subject_absent")
    assert open_descriptors() <= before
