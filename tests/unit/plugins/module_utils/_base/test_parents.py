# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Missing parents are created; no symbolic link of another user is followed out of that user's directories."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.parents import ParentRefused, Parents
from ansible_collections.attested.registry.tests.support.processes import children

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


def test_a_directory_created_by_another_run_is_used_and_kept(tmp_path: Path) -> None:
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
def test_nothing_is_created_through_a_dangling_link(tmp_path: Path, target: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(target)
    for path in ("link", "link/b", "link/b/c"):
        assert "which does not exist" in refused(tmp_path / path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "link"]


def test_nothing_is_made_for_a_path_that_leads_up_again(tmp_path: Path) -> None:
    assert "give a path without ..." in refused(tmp_path / "a/../b")
    assert os.listdir(tmp_path) == []


@needs_root
@pytest.mark.parametrize("owner", ["of the link", "of its directory"])
def test_a_link_of_another_user_out_of_their_directories_is_refused(tmp_path: Path, owner: str) -> None:
    home, target = tmp_path / "home", tmp_path / "target"
    home.mkdir()
    target.mkdir()
    (home / "link").symlink_to(target)
    os.chown(home / "link" if owner == "of the link" else home, children.NOBODY, -1, follow_symlinks=False)
    for path in ("link", "link/a/b"):
        assert f"{home}/link is a symbolic link that the user id {children.NOBODY} can change" in refused(home / path)
    assert os.listdir(target) == []
    os.chown(target, children.NOBODY, -1)
    make(home / "link/a/b")
    make(home / "own/a")
    assert (target / "a/b/used").exists()
    assert (home / "own/a/used").exists()


@needs_root
def test_a_link_that_is_put_in_the_way_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "victim").mkdir()
    mkdir = os.mkdir

    def overtaken(name: str, mode: int, *, dir_fd: int | None = None) -> None:
        if name == "b":
            os.symlink(tmp_path / "victim", name, dir_fd=dir_fd)
        mkdir(name, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", overtaken)
    with pytest.raises(OSError, match="Not a directory|symbolic links"):
        make(tmp_path / "a/b/c")
    assert os.listdir(tmp_path / "victim") == []


@needs_root
def test_a_directory_exchanged_by_another_user_is_not_removed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (victim / "b").mkdir(parents=True)
    with Parents(str(tmp_path / "a/b")) as parents:
        parents.make()
        (tmp_path / "a").rename(tmp_path / "elsewhere")
        (tmp_path / "a").symlink_to(victim)
    assert (victim / "b").exists()
    assert not (tmp_path / "elsewhere/b").exists()


@pytest.fixture
def base() -> t.Iterator[Path]:
    """root's directory, with home, which is another user's, in it."""
    base = Path(tempfile.mkdtemp(prefix="parents-", dir="/dev/shm"))
    base.chmod(0o755)
    (base / "home").mkdir()
    give(base / "home")
    yield base
    shutil.rmtree(base)


def give(path: Path, uid: int = children.NOBODY) -> None:
    os.chown(path, uid, uid, follow_symlinks=False)


def risk(path: Path) -> str | None:
    with Parents(str(path)) as parents:
        assert parents.missing == ()
        return parents.risk


@needs_root
def test_a_directory_of_the_same_user_is_no_risk(base: Path) -> None:
    assert risk(base) is None


@needs_root
@pytest.mark.parametrize("below", ["", "roots", "roots/deeper"])
def test_another_users_directory_on_the_way_is_a_risk(base: Path, below: str) -> None:
    (base / "home" / below).mkdir(parents=True, exist_ok=True)
    assert risk(base / "home" / below) == f"{base}/home belongs to the user id {children.NOBODY}"


@needs_root
def test_the_user_of_the_task_may_own_it(base: Path) -> None:
    assert children.run(lambda: risk(base / "home"), uid=children.NOBODY) is None


@needs_root
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
    found = risk(shared)
    assert found == (None if expected is None else f"{expected} {shared}")


@needs_root
@pytest.mark.parametrize(("mask", "is_risk"), [(7, True), (5, False)])
def test_an_access_control_list_by_which_others_can_write_is_a_risk(base: Path, mask: int, is_risk: bool) -> None:
    shared = base / "shared"
    shared.mkdir()
    # version 2; owner, a user, owning group, mask, others
    entries = (
        (1, 7, 2**32 - 1),
        (2, 7, children.NOBODY),
        (4, 5, 2**32 - 1),
        (0x10, mask, 2**32 - 1),
        (0x20, 5, 2**32 - 1),
    )
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(shared, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("needs access control lists")
    assert risk(shared) == (f"an access control list lets others write to {shared}" if is_risk else None)


@needs_root
def test_a_directory_above_that_everybody_can_write_to_is_a_risk(base: Path) -> None:
    (base / "open/own").mkdir(parents=True)
    (base / "open").chmod(0o777)
    assert risk(base / "open/own") == f"every local user can write to {base}/open"


@needs_root
def test_links_of_root_are_followed(base: Path) -> None:
    (base / "data/inner").mkdir(parents=True)
    (base / "link").symlink_to("data/./inner/../inner")
    (base / "absolute").symlink_to(base / "link")
    with Parents(str(base / "absolute")) as parents:
        assert (parents.path, parents.risk) == (f"{base}/data/inner", None)


@needs_root
@pytest.mark.parametrize("target", ["/etc", "../data", "loop", "../home/to_data"])
def test_a_link_of_another_user_to_a_foreign_directory_is_refused(base: Path, target: str) -> None:
    (base / "data").mkdir()
    (base / "home/to_data").symlink_to("../data")
    give(base / "home/to_data")
    (base / "home/loop").symlink_to("loop")
    give(base / "home/loop")
    (base / "home/link").symlink_to(target)
    give(base / "home/link")
    with pytest.raises((ParentRefused, OSError)) as caught:
        risk(base / "home/link")
    if target != "loop":
        assert f"is a symbolic link that the user id {children.NOBODY} can change, and it leads to" in str(caught.value)


@needs_root
def test_a_link_of_root_in_another_users_directory_is_not_trusted(base: Path) -> None:
    (base / "data").mkdir()
    (base / "home/link").symlink_to("../data")
    with pytest.raises(ParentRefused, match=f"user id {children.NOBODY} can change"):
        risk(base / "home/link")


@needs_root
def test_a_link_of_another_user_in_a_sticky_directory_is_not_trusted(base: Path) -> None:
    (base / "tmp").mkdir()
    (base / "tmp").chmod(0o1777)
    (base / "data").mkdir()
    for name, uid in (("theirs", children.NOBODY), ("own", 0)):
        (base / "tmp" / name).symlink_to("../data")
        give(base / "tmp" / name, uid)
    with pytest.raises(ParentRefused, match=f"user id {children.NOBODY} can change"):
        risk(base / "tmp/theirs")
    assert risk(base / "tmp/own") is None


@needs_root
def test_a_link_of_another_user_to_their_own_directory_is_followed(base: Path) -> None:
    (base / "more/theirs").mkdir(parents=True)
    give(base / "more/theirs")
    (base / "home/link").symlink_to(base / "more/theirs")
    give(base / "home/link")
    assert risk(base / "home/link") == f"{base}/home belongs to the user id {children.NOBODY}"


@needs_root
def test_a_path_that_leads_up_from_where_a_link_of_another_user_led_is_refused(base: Path) -> None:
    (base / "home/link").symlink_to(base / "home/deep/er")
    (base / "home/deep/er").mkdir(parents=True)
    give(base / "home/deep/er")
    with pytest.raises(ParentRefused, match="which belongs to the user id 0"):
        Parents(str(base / "home/link/../x"))
    give(base / "home/deep")
    with Parents(str(base / "home/link/../x")) as parents:
        assert parents.path == f"{base}/home/deep/x"


@needs_root
def test_owner_and_target_are_read_from_the_same_link(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose link it is and where it leads are read of the same link."""
    (base / "data").mkdir()
    (base / "tmp").mkdir()
    (base / "tmp").chmod(0o1777)
    (base / "tmp/link").symlink_to(base / "tmp/own")
    (base / "tmp/own").mkdir()
    (base / "tmp/evil").symlink_to(base / "data")
    give(base / "tmp/evil")
    readlink = os.readlink

    def late(path: t.Any, **options: t.Any) -> str:
        os.replace(base / "tmp/evil", base / "tmp/link")
        return readlink(path, **options)

    monkeypatch.setattr(os, "readlink", late)
    with Parents(str(base / "tmp/link")) as parents:
        assert parents.path == f"{base}/tmp/own"


def test_no_link_is_followed_where_none_may_be(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    with pytest.raises(ParentRefused, match="has become a symbolic link"):
        Parents(str(tmp_path / "link/a"), follow=False)


@needs_root
def test_the_owner_of_the_directory_and_who_can_replace_it_are_distinguished(base: Path) -> None:
    with Parents(str(base / "home")) as parents:
        assert (parents.risk_above, parents.risk) == (None, f"{base}/home belongs to the user id {children.NOBODY}")
    with Parents(str(base / "home/new")) as parents:
        assert parents.risk_above == parents.risk == f"{base}/home belongs to the user id {children.NOBODY}"
