# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.checks import open_place
from ansible_collections.attested.registry.plugins.module_utils._unpack.destination import Destination
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    DestinationError,
    FilesystemError,
)
from ansible_collections.attested.registry.tests.support import children

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def base() -> t.Iterator[Path]:
    """root's directory, with home, which is another user's, in it."""
    base = Path(tempfile.mkdtemp(prefix="unpack-", dir="/dev/shm"))
    base.chmod(0o755)
    (base / "home").mkdir()
    give(base / "home")
    yield base
    shutil.rmtree(base)


def give(path: Path, uid: int = children.NOBODY) -> None:
    os.chown(path, uid, uid, follow_symlinks=False)


def risk(dest: Path) -> str | None:
    place = open_place(str(dest))
    place.close()
    return place.risk


def test_a_directory_of_ones_own_is_no_risk(base: Path) -> None:
    assert risk(base / "app") is None


@pytest.mark.parametrize("below", ["", "roots", "roots/deeper"])
def test_another_users_directory_on_the_way_is_a_risk(base: Path, below: str) -> None:
    (base / "home" / below).mkdir(parents=True, exist_ok=True)
    assert risk(base / "home" / below / "app") == f"{base}/home belongs to the user id {children.NOBODY}"


def test_each_task_that_looks_at_it_says_so(base: Path) -> None:
    for kind in (Destination, Destination.inspect):
        warnings: list[str] = []
        with kind(str(base / "home/app"), warn=warnings.append):  # type: ignore[operator]
            pass
        (warning,) = warnings
        assert f"because {base}/home belongs to the user id {children.NOBODY};" in warning


def test_the_user_of_the_task_may_own_it(base: Path) -> None:
    assert children.run(lambda: risk(base / "home/app"), uid=children.NOBODY) is None


@pytest.mark.parametrize(
    ("mode", "gid", "expected"),
    [
        (0o775, 4321, "the group id 4321 can write to"),
        (0o775, 0, None),
        (0o1775, 4321, None),
        (0o1777, 4321, None),
        (0o755, 4321, None),
    ],
)
def test_a_group_that_can_write_is_a_risk(base: Path, mode: int, gid: int, expected: str | None) -> None:
    shared = base / "shared"
    shared.mkdir()
    os.chown(shared, 0, gid)
    shared.chmod(mode)
    found = risk(shared / "app")
    assert found == (None if expected is None else f"{expected} {shared}")


def test_a_directory_above_that_everybody_can_write_to_is_a_risk(base: Path) -> None:
    (base / "open/own").mkdir(parents=True)
    (base / "open").chmod(0o777)
    assert risk(base / "open/own/app") == f"every local user can write to {base}/open"


def test_links_of_root_are_followed(base: Path) -> None:
    (base / "data/inner").mkdir(parents=True)
    (base / "link").symlink_to("data/./inner/../inner")
    (base / "absolute").symlink_to(base / "link")
    place = open_place(str(base / "absolute/app"))
    place.close()
    assert (place.canonical, place.risk) == (f"{base}/data/inner/app", None)


@pytest.mark.parametrize("target", ["/etc", "../data", "loop", "../home/to_data"])
def test_a_link_of_another_user_does_not_lead_to_what_is_not_theirs(base: Path, target: str) -> None:
    (base / "data").mkdir()
    (base / "home/to_data").symlink_to("../data")
    give(base / "home/to_data")
    (base / "home/loop").symlink_to("loop")
    give(base / "home/loop")
    (base / "home/link").symlink_to(target)
    give(base / "home/link")
    with pytest.raises((DestinationError, FilesystemError)) as caught:
        risk(base / "home/link/app")
    if target != "loop":
        assert f"is a symbolic link that the user id {children.NOBODY} can change, and it leads to" in str(caught.value)


def test_a_link_of_root_in_another_users_directory_counts_as_theirs(base: Path) -> None:
    (base / "data").mkdir()
    (base / "home/link").symlink_to("../data")
    with pytest.raises(DestinationError, match=f"user id {children.NOBODY} can change"):
        risk(base / "home/link/app")


def test_a_link_of_another_user_in_a_sticky_directory_counts_as_theirs(base: Path) -> None:
    (base / "tmp").mkdir()
    (base / "tmp").chmod(0o1777)
    (base / "data").mkdir()
    for name, uid in (("theirs", children.NOBODY), ("own", 0)):
        (base / "tmp" / name).symlink_to("../data")
        give(base / "tmp" / name, uid)
    with pytest.raises(DestinationError, match=f"user id {children.NOBODY} can change"):
        risk(base / "tmp/theirs/app")
    assert risk(base / "tmp/own/app") is None


def test_a_link_of_another_user_may_lead_to_what_is_theirs(base: Path) -> None:
    (base / "more/theirs").mkdir(parents=True)
    give(base / "more/theirs")
    (base / "home/link").symlink_to(base / "more/theirs")
    give(base / "home/link")
    assert risk(base / "home/link/app") == f"{base}/home belongs to the user id {children.NOBODY}"


@pytest.mark.parametrize("missing", ["none/app", "file/app", "file/deeper/app", "dangling/app"])
def test_what_is_no_directory_is_said(base: Path, missing: str) -> None:
    (base / "file").write_text("")
    (base / "dangling").symlink_to("nowhere")
    with pytest.raises(DestinationError, match="there is no directory"):
        risk(base / missing)
