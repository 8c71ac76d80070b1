# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ground on which the tests of _unpack and _destination unpack: in memory, with bait around every root."""

from __future__ import annotations

import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.tests.support.images.layer_maker import RESOLVERS, Box, Ground, require_root


@pytest.fixture(scope="module")
def ground(memory: Path) -> t.Iterator[Ground]:
    """The files that surround every root; after each test they are checked to be unchanged."""
    require_root()
    base = Path(tempfile.mkdtemp(dir=memory))
    made = Ground(base)
    yield made
    made.clear()
    shutil.rmtree(base)


@pytest.fixture(params=RESOLVERS)
def box(request: pytest.FixtureRequest, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Box]:
    """An empty root on hostile ground, once for each resolver; in the end nothing around it may have changed."""
    made = Box(ground, resolver=request.param)
    monkeypatch.chdir(ground.cwd)
    yield made
    made.check()
    ground.clear()
