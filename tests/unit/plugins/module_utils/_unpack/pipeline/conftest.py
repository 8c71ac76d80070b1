# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for all tests of the pipeline: no thread outlives its test."""

from __future__ import annotations

import threading
import typing as t

import pytest


@pytest.fixture(autouse=True)
def _all_threads_end() -> t.Iterator[None]:
    before = threading.enumerate()
    yield
    assert [thread for thread in threading.enumerate() if thread not in before] == []
