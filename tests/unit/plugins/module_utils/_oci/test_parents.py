# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.parents import ParentRefused, Parents
from ansible_collections.attested.registry.tests.support import children

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def make(path: Path | str, *, use: bool = True) -> None:
    """Makes the directory, with a file in it if it is used."""
    with Parents(str(path)) as parents:
        parents.make()
        if use:
            (Path(parents.path) / "used").touch()


def refused(path: Path | str) -> str:
    with pytest.raises(ParentRefused) as caught, Parents(str(path)) as parents:
        parents.make()
    return caught.value.message


def test_what_is_missing_is_made(tmp_path: Path) -> None:
    with Parents(f"{tmp_path}/a//b/./c/") as parents:
        assert (parents.path, parents.missing, parents.nearest) == (f"{tmp_path}/a/b/c", ("a", "b", "c"), str(tmp_path))
        assert os.listdir(tmp_path) == []
        parents.make()
        assert os.path.samestat(os.fstat(parents.fd), os.stat(tmp_path / "a/b/c"))
        (tmp_path / "a/b/file").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "file"]


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(0o700)
    make(tmp_path / "a", use=False)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o077, 0o700), (0o027, 0o750)])
def test_the_umask_counts(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        make(tmp_path / "a/b")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b")] == [mode, mode]


def test_what_another_run_makes_meanwhile_is_taken_and_stays(tmp_path: Path) -> None:
    with Parents(str(tmp_path / "a/b")) as parents:
        (tmp_path / "a").mkdir()
        parents.make()
    assert os.listdir(tmp_path) == ["a"]
    assert os.listdir(tmp_path / "a") == []


def test_links_and_dots_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real/inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/inner")
    (tmp_path / "absolute").symlink_to(tmp_path / "link")
    make(tmp_path / "absolute/../a/b")
    assert (tmp_path / "real/a/b/used").exists()
    monkeypatch.chdir(tmp_path)
    make("relative/a")
    assert (tmp_path / "relative/a/used").exists()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert f"{tmp_path}/file is not a directory" in refused(tmp_path / "file/a/b")


def test_links_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        Parents(str(tmp_path / "a/c"))


@pytest.mark.parametrize("target", ["nothing", "nothing/at/all", "a/nothing"])
def test_nothing_is_made_through_a_link_to_nothing(tmp_path: Path, target: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(target)
    for path in ("link", "link/b", "link/b/c"):
        assert "which is missing" in refused(tmp_path / path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "link"]


def test_nothing_is_made_for_a_path_that_leads_up_again(tmp_path: Path) -> None:
    assert "without .." in refused(tmp_path / "a/../b")
    assert os.listdir(tmp_path) == []


@needs_root
@pytest.mark.parametrize("owner", ["of the link", "of its directory"])
def test_a_link_of_another_user_is_followed_to_what_is_there_alone(tmp_path: Path, owner: str) -> None:
    home, target = tmp_path / "home", tmp_path / "target"
    home.mkdir()
    target.mkdir()
    (home / "link").symlink_to(target)
    os.chown(home / "link" if owner == "of the link" else home, children.NOBODY, -1, follow_symlinks=False)
    make(home / "link")
    (target / "used").unlink()
    assert f"{home}/link is a symbolic link that another user can change" in refused(home / "link/a/b")
    assert os.listdir(target) == []
    make(home / "own/a")
    assert (home / "own/a/used").exists()


@needs_root
def test_a_link_that_is_put_in_the_way_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "victim").mkdir()
    mkdir = os.mkdir

    def overtaken(name: str, mode: int, *, dir_fd: t.Optional[int] = None) -> None:
        if name == "b":
            os.symlink(tmp_path / "victim", name, dir_fd=dir_fd)
        mkdir(name, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", overtaken)
    with pytest.raises(OSError, match="Not a directory|symbolic links"):
        make(tmp_path / "a/b/c")
    assert os.listdir(tmp_path / "victim") == []


@needs_root
def test_what_is_exchanged_meanwhile_is_not_removed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (victim / "b").mkdir(parents=True)
    with Parents(str(tmp_path / "a/b")) as parents:
        parents.make()
        (tmp_path / "a").rename(tmp_path / "elsewhere")
        (tmp_path / "a").symlink_to(victim)
    assert (victim / "b").exists()
    assert not (tmp_path / "elsewhere/b").exists()
