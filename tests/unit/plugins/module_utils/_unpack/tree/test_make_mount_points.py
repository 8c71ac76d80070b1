# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mount points are made where the tree has nothing, inside the tree alone, the same each time."""

from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LimitExceeded, MountPointInvalid
from ansible_collections.attested.registry.plugins.module_utils._unpack.layers import (
    Options,
    open_root,
    unpack_layers,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.limits import Limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.mount_points import MountPoints
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.selection import Selection
from ansible_collections.attested.registry.tests.support.images.layer_maker import layer_source
from ansible_collections.attested.registry.tests.support.images.tar_entries import Entry, directory, file, symlink
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors

Unpack = t.Callable[..., Path]
ROOT = os.geteuid() == 0


@pytest.fixture(params=[True, False], ids=["two processes", "one process"])
def unpack(request: pytest.FixtureRequest, tmp_path: Path) -> Unpack:
    """Unpacks a layer and makes mount points in tmp_path/tree, which is beside a directory outside."""
    outside = tmp_path / "outside"
    outside.mkdir()

    def run(
        entries: t.Sequence[Entry],
        directories: t.Sequence[str] = (),
        files: t.Sequence[str] = (),
        *,
        warnings: list[str] | None = None,
        **options: t.Any,
    ) -> Path:
        root = tmp_path / "tree"
        root.mkdir()
        fd, before = open_root(str(root)), open_descriptors()
        points = MountPoints(tuple(directories), tuple(files))
        try:
            unpack_layers(
                fd,
                [layer_source(entries)],
                options=Options(**{"ownership": ROOT, "mount_points": points, **options}),
                warn=pytest.fail if warnings is None else warnings.append,
                apart=request.param,
            )
        finally:
            assert open_descriptors() <= before
            os.close(fd)
            assert not list(outside.iterdir())
        return root

    return run


def paths(root: Path) -> list[str]:
    """Return what is below root. Path.rglob() of Python 3.9 fails at a link to a name that is too long."""
    found = (os.path.join(top, name) for top, directories, files in os.walk(root) for name in (*directories, *files))
    return sorted(os.path.relpath(path, root) for path in found)


def test_what_is_missing_is_made_with_fixed_attributes(unpack: Unpack) -> None:
    os.umask(0o077)
    try:
        root = unpack([directory("etc", mode=0o2750, mtime=7)], ["/proc", "/var/lib/app"], ["/etc/resolv.conf"])
    finally:
        os.umask(0o022)
    assert paths(root) == ["etc", "etc/resolv.conf", "proc", "var", "var/lib", "var/lib/app"]
    for name in ("proc", "var", "var/lib", "var/lib/app"):
        found = (root / name).stat()
        assert (stat.S_IMODE(found.st_mode), found.st_mtime) == (0o755, 0)
        assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
    made = (root / "etc/resolv.conf").stat()
    assert (stat.S_IMODE(made.st_mode), made.st_mtime, made.st_size, made.st_gid) == (0o644, 0, 0, os.getegid())
    etc = (root / "etc").stat()
    assert (stat.S_IMODE(etc.st_mode), etc.st_mtime) == (0o2750, 7)
    assert root.stat().st_mtime == 0


def test_what_exists_stays_as_it_is(unpack: Unpack) -> None:
    entries = [
        directory("data", mode=0o700, mtime=7),
        file("etc/hosts", b"x", mode=0o600, mtime=8),
        symlink("lib", "data"),
        file("plain", b"y", mtime=9),
    ]
    root = unpack(entries, ["/data", "/lib", "/plain"], ["/etc/hosts", "/data/"])
    assert paths(root) == ["data", "etc", "etc/hosts", "lib", "plain"]
    data = (root / "data").stat()
    assert (stat.S_IMODE(data.st_mode), data.st_mtime) == (0o700, 7)
    assert ((root / "etc/hosts").read_text(), (root / "plain").read_text()) == ("x", "y")
    assert (root / "lib").is_symlink()


def test_names_of_a_merged_usr_become_the_links_that_systemd_makes(unpack: Unpack) -> None:
    root = unpack([file("usr/bin/app", b"x"), symlink("usr/lib", "../no"), file("usr/sbin", b"")], ["/bin", "/lib"])
    assert os.readlink(root / "bin") == "usr/bin"
    assert (root / "bin").lstat().st_mtime == 0
    assert stat.S_ISDIR((root / "lib").lstat().st_mode)
    assert not (root / "sbin").exists()


def test_names_of_a_merged_usr_are_directories_without_it(unpack: Unpack) -> None:
    root = unpack([file("usr", b"")], ["/bin", "/lib/app", "/sbin"])
    assert [stat.S_ISDIR((root / name).lstat().st_mode) for name in ("bin", "lib", "sbin")] == [True] * 3


def test_links_lead_to_places_in_the_tree(unpack: Unpack, tmp_path: Path) -> None:
    entries = [
        directory("real"),
        symlink("absolute", "/real"),
        symlink("up", "../../../../real"),
        symlink("host", str(tmp_path / "outside")),
        directory(str(tmp_path / "outside")[1:]),
    ]
    root = unpack(entries, ["/absolute/a", "/up/b", "/host/c"])
    assert paths(root / "real") == ["a", "b"]
    assert (root / str(tmp_path / "outside")[1:] / "c").is_dir()


@pytest.mark.parametrize("target", ["/run/app", "run/app", "../../run/app"])
def test_a_dangling_link_is_an_error_with_a_remedy_that_works(unpack: Unpack, tmp_path: Path, target: str) -> None:
    entries = [symlink("app", target)]
    with pytest.raises(MountPointInvalid) as caught:
        unpack(entries, ["/app/data"])
    assert caught.value.fields == {"path": "/app/data", "option": "mount_points"}
    assert "/app in the tree is a symbolic link" in caught.value.message
    assert "add /run/app/data to the option mount_points" in caught.value.message
    (tmp_path / "tree").rename(tmp_path / "old")
    root = unpack(entries, ["/app/data", "/run/app/data"])
    assert paths(root) == ["app", "run", "run/app", "run/app/data"]


def test_a_dangling_link_in_the_place_of_a_file(unpack: Unpack, tmp_path: Path) -> None:
    entries = [symlink("etc/resolv.conf", "../run/resolv.conf")]
    with pytest.raises(MountPointInvalid, match=r"add /run/resolv\.conf to the option mount_files"):
        unpack(entries, [], ["/etc/resolv.conf"])
    (tmp_path / "tree").rename(tmp_path / "old")
    root = unpack(entries, [], ["/etc/resolv.conf", "/run/resolv.conf"])
    assert (root / "run/resolv.conf").is_file()


def test_a_file_on_the_way_is_an_error(unpack: Unpack) -> None:
    with pytest.raises(MountPointInvalid, match="/etc in the tree is not a directory") as caught:
        unpack([file("etc", b"")], [], ["/etc/resolv.conf"])
    assert caught.value.fields == {"path": "/etc/resolv.conf", "option": "mount_files"}


def test_a_loop_is_an_error(unpack: Unpack) -> None:
    with pytest.raises(MountPointInvalid, match="lead to each other"):
        unpack([symlink("a", "b"), symlink("b", "a")], ["/a/x"])


def test_volumes_are_made_unless_something_is_in_the_way(unpack: Unpack) -> None:
    warnings: list[str] = []
    entries = [file("file", b""), symlink("link", "none"), symlink("loop", "loop")]
    volumes = ("/data/x", "/file", "/file/x", "/link", "/loop/x")
    root = unpack(entries, warnings=warnings, volumes=volumes)
    assert paths(root) == ["data", "data/x", "file", "link", "loop"]
    assert ["/file/x" in warnings[0], "/link" in warnings[1], "/loop/x" in warnings[2]] == [True] * 3
    assert len(warnings) == 3


def test_they_are_made_after_the_selection(unpack: Unpack) -> None:
    entries = [directory("usr/share/app"), file("usr/share/app/x", b""), directory("proc")]
    points = ["/proc", "/usr/share", "/app/data"]
    root = unpack(entries, points, selection=Selection(strip="usr/share", exclude=("usr/share/app/x",)))
    assert paths(root) == ["app", "app/data", "proc", "usr", "usr/share"]


def test_they_count_as_entries(unpack: Unpack) -> None:
    with pytest.raises(LimitExceeded, match="max_entries"):
        unpack([directory("a"), directory("b")], ["/x/" + "y/" * 10], limits=Limits(entries=12))


def test_a_very_deep_place(unpack: Unpack) -> None:
    deep = "/d" * 300
    root = unpack([], [deep, deep + "/e"], [deep + "/f"])
    fd = os.open(root, os.O_RDONLY)
    for name in deep.split("/")[1:]:
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    assert sorted(os.listdir(fd)) == ["e", "f"]
    os.close(fd)


def test_a_link_to_a_name_that_no_file_system_has_is_an_error_or_a_warning(unpack: Unpack, tmp_path: Path) -> None:
    entries = [symlink("data", "n" * 300)]
    with pytest.raises(MountPointInvalid, match="a name that is too long; choose another path"):
        unpack(entries, ["/data/x"])
    (tmp_path / "tree").rename(tmp_path / "old")
    warnings: list[str] = []
    root = unpack(entries, volumes=("/data/x", "/ok"), warnings=warnings)
    assert paths(root) == ["data", "ok"]
    assert ["/data/x" in text for text in warnings] == [True]


def test_a_link_with_dots_after_a_missing_name_has_remedies_that_work(unpack: Unpack, tmp_path: Path) -> None:
    entries = [symlink("etc/hosts", "../gone/../run/hosts")]
    given: tuple[list[str], list[str]] = ([], ["/etc/hosts"])
    for remedy in ("/gone to the option mount_points", "/run/hosts to the option mount_files"):
        with pytest.raises(MountPointInvalid, match=f"add {remedy}"):
            unpack(entries, *given)
        (tmp_path / "tree").rename(tmp_path / f"old{len(given[0])}")
        given[remedy.endswith("files")].append(remedy.split()[0])
    assert paths(unpack(entries, *given)) == ["etc", "etc/hosts", "gone", "run", "run/hosts"]


def test_links_that_make_the_way_very_long_are_too_many(unpack: Unpack) -> None:
    up = "../a/" * 700
    links = [symlink("l0", f"a/{up}"), *(symlink(f"l{number}", f"/l{number - 1}/{up}") for number in range(1, 30))]
    warnings: list[str] = []
    root = unpack([directory("a"), *links], volumes=("/l0/x", "/l29/y"), warnings=warnings)
    assert paths(root / "a") == ["x"]
    assert ["/l29/y" in text and "too many" in text for text in warnings] == [True]


def test_many_volumes_that_cannot_be_made_are_few_warnings(unpack: Unpack) -> None:
    warnings: list[str] = []
    unpack([file("file", b"")], volumes=tuple(f"/file/{number:03}" for number in range(500)), warnings=warnings)
    assert len(warnings) == 11
    assert "/file/009" in warnings[9]
    assert warnings[10].startswith("490 more volumes of the image")
