# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of all unit tests: modules return warnings as on a managed host, and property tests have no deadline."""

from __future__ import annotations

import gc
import itertools
import os
import re
import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils import _internal
from hypothesis import HealthCheck, settings

# How fast a machine is, or how busy, says nothing about the code. The examples are the same each time:
# what fails is what has changed. CONTRIBUTING.md says how to try others.
settings.register_profile("any speed", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")
settings.register_profile("new examples", settings.get_profile("any speed"), derandomize=False)
# For make hosts: what another Python does differently, it does in the first examples.
settings.register_profile("few examples", settings.get_profile("any speed"), max_examples=10)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow files first: a process that begins one at the end lets the others wait. The rest keeps its order."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over the tests and what they import, here and in processes that fork."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def new_directory(tmp_path_factory: pytest.TempPathFactory) -> t.Callable[[str], Path]:
    """Make a directory whose name begins so.

    For a number, pytest reads the names of all directories of the run: milliseconds after thousands of tests.
    """
    numbers = itertools.count()
    return lambda name: tmp_path_factory.mktemp(f"{name}-{next(numbers)}", numbered=False)


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, new_directory: t.Callable[[str], Path]) -> Path:
    """Return a directory of the test, as pytest's own fixture of this name does."""
    return new_directory(re.sub(r"\W", "_", request.node.name)[:26])


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    """A directory in memory where that has extended attributes: thousands of trees are made and removed."""
    shared = Path("/dev/shm")
    place = Path(
        tempfile.mkdtemp(prefix="attested-", dir=shared if _has_xattrs(shared) else tmp_path_factory.getbasetemp())
    )
    place.chmod(0o711)
    yield place
    shutil.rmtree(place)


def _has_xattrs(place: Path) -> bool:
    try:
        with tempfile.NamedTemporaryFile(dir=place) as file:
            os.setxattr(file.name, "user.probe", b"")
    except OSError:
        return False
    return True


@pytest.fixture(autouse=True)
def _on_a_managed_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules put warnings into their results, whether or not a test of a filter has loaded the controller's code.

    With that in the same process ansible-core would write them to the screen instead.
    """
    monkeypatch.setattr(_internal, "is_controller", False)
