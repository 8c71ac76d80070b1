# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user who owns the parent of a layout or a blob cannot lead root out of it by exchanging entries."""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.processes import children
from ansible_collections.attested.registry.tests.support.processes.swapper import Swapper
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

IMAGE = images.image([images.layer([images.file("etc/motd", b"hello\n")])])
RUNS = 25


@pytest.fixture
def home() -> t.Iterator[Path]:
    """A directory of another user, beside one that is root's alone."""
    base = Path(tempfile.mkdtemp(prefix="parents-", dir="/dev/shm"))
    base.chmod(0o755)
    home = base / "home"
    (home / "own").mkdir(parents=True)
    (base / "roots").mkdir()
    (base / "roots/tool").write_text("root's")
    (home / "link").symlink_to(base / "roots")
    for path in (home, home / "own", home / "link"):
        os.chown(path, children.NOBODY, children.NOBODY, follow_symlinks=False)
    yield home
    shutil.rmtree(base)


@pytest.fixture(params=["oci_layout", "oci_archive", "oci_image_export", "oci_blob"])
def bring(request: pytest.FixtureRequest, run_module: t.Any, registry: FaultyRegistry) -> t.Any:
    """Runs one of the modules; the name of what it brings is tool."""
    registry.publish("team/app", {"1.0": IMAGE})
    blob = {"digest": IMAGE.layers[0].digest}
    wanted = blob if request.param == "oci_blob" else {"reference": "1.0"}

    def run(folder: Path, **options: t.Any) -> t.Any:
        settings = {"registry": registry.name, "repository": "team/app", "retries": 0, **wanted}
        return run_module(request.param, **{**settings, "dest": str(folder / "tool"), **options})

    return run


def entries(path: Path) -> dict[str, t.Any]:
    """All in a directory, with owners, modes and content."""
    found = {str(one): (one.lstat().st_uid, one.lstat().st_mode) for one in sorted(path.rglob("*"))}
    return {**found, "content": (path / "tool").read_text(), "own": (path.stat().st_uid, path.stat().st_mode)}


@pytest.mark.parametrize("below", ["", "new/deeper"])
@pytest.mark.parametrize("check", [True, False])
def test_a_link_of_another_user_leads_no_task_out_of_their_directory(
    bring: t.Any, home: Path, check: bool, below: str
) -> None:
    roots = entries(home.parent / "roots")
    run = bring(home / "link" / below, check=check, owner=str(children.NOBODY))
    assert run["error"]["kind"] == "destination"
    assert f"{home}/link is a symbolic link that the user id {children.NOBODY} can change" in run["msg"]
    assert entries(home.parent / "roots") == roots


def test_a_directory_that_is_exchanged_at_any_moment_leads_nowhere(bring: t.Any, home: Path) -> None:
    roots = entries(home.parent / "roots")
    with Swapper(home, "own", "link") as swapper:
        runs = [bring(home / "own", owner=str(children.NOBODY), mode="0600") for dummy in range(RUNS)]
    assert swapper.swapped > RUNS
    assert [run.results["error"]["kind"] for run in runs if run.failed and "error" not in run.results] == []
    assert entries(home.parent / "roots") == roots


@pytest.mark.parametrize("below", ["own", "new/deeper"])
def test_each_task_says_which_other_user_can_replace_what_it_brings(bring: t.Any, home: Path, below: str) -> None:
    for check in (True, False, False):
        (warning,) = bring(home / below, check=check).warnings
        assert f"because {home} belongs to the user id {children.NOBODY};" in warning


def test_giving_it_to_another_user_is_no_risk(bring: t.Any, home: Path) -> None:
    for dummy in range(2):
        run = bring(home.parent / "new", owner=str(children.NOBODY))
        assert (run.failed, run.warnings) == (False, [])
    assert (home.parent / "new/tool").stat().st_uid == children.NOBODY
