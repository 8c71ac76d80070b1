# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The path of a destination is checked before use: parents, mount points, other destinations around it."""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.parents import ParentRefused
from ansible_collections.attested.registry.plugins.module_utils._destination.destination import Destination
from ansible_collections.attested.registry.plugins.module_utils._destination.location import Location
from ansible_collections.attested.registry.plugins.module_utils._destination.mounts import Mounts
from ansible_collections.attested.registry.plugins.module_utils._destination.os_errors import (
    naming_filesystem,
    translated,
)
from ansible_collections.attested.registry.plugins.module_utils._destination.place import Place, open_place
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    DestinationError,
    FilesystemError,
    NoSpace,
)
from ansible_collections.attested.registry.tests.support.processes import children
from hypothesis import given
from hypothesis import strategies as st

needs_mounts = pytest.mark.skipif(not children.may_mount(), reason="needs mounts of its own")


@pytest.fixture
def place(tmp_path: Path) -> t.Iterator[Place]:
    found = open_place(str(tmp_path / "app"))
    yield found
    found.close()


def refused(path: str) -> str:
    with pytest.raises(DestinationError) as caught:
        open_place(path).close()
    return caught.value.message


@pytest.mark.parametrize("path", ["app", "./app", "", "~/app", "/srv/a\0b"])
def test_a_path_must_be_absolute(path: str) -> None:
    assert "not an absolute path" in refused(path)


@pytest.mark.parametrize("path", ["state", "", "/srv/a\0b"])
def test_the_path_of_a_state_directory_must_be_absolute(tmp_path: Path, path: str) -> None:
    with pytest.raises(DestinationError, match="not an absolute path"), Location(str(tmp_path / "app"), path):
        pass


@pytest.mark.parametrize("path", ["/", "//", "///"])
def test_the_root_is_refused(path: str) -> None:
    assert "root of the host's own file system" in refused(path)


@pytest.mark.parametrize("path", ["/.", "/srv/.", "/srv/..", "/srv/../"])
def test_a_path_must_end_in_a_name(path: str) -> None:
    assert "it ends in ." in refused(path)


def test_a_missing_parent_is_named_with_the_remedy(tmp_path: Path) -> None:
    message = refused(str(tmp_path / "missing/app"))
    assert f"there is no directory {tmp_path}/missing" in message
    assert "ansible.builtin.file" in message
    assert os.listdir(tmp_path) == []


def test_a_parent_must_be_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in ("file/app", "file/deeper/app"):
        with pytest.raises(ParentRefused, match=f"{tmp_path}/file is not a directory"):
            open_place(str(tmp_path / path))


def test_a_dangling_link_is_no_parent(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    assert "there is no directory" in refused(str(tmp_path / "dangling/app"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_each_task_says_which_other_user_can_replace_the_destination(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, children.NOBODY, children.NOBODY)
    for kind in (Destination, Destination.inspect):
        warnings: list[str] = []
        with kind(str(home / "app"), warn=warnings.append):  # type: ignore[operator]
            pass
        (warning,) = warnings
        assert f"because {home} belongs to the user id {children.NOBODY};" in warning


def test_a_name_must_leave_room_for_the_state_directory(tmp_path: Path) -> None:
    assert "too long" in refused(str(tmp_path / ("n" * 251)))
    open_place(str(tmp_path / ("n" * 250))).close()


def test_a_parent_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    place = open_place(f"{tmp_path}/link//app/")
    assert (place.canonical, place.path) == (f"{tmp_path}/real/app", f"{tmp_path}/link//app")
    assert place.state_path == f"{tmp_path}/real/.app.oci"
    place.close()


@pytest.mark.parametrize("inner", ["app/inner", "app/usr/share/inner", "link/inner"])
def test_inside_another_destination_is_refused(tmp_path: Path, inner: str) -> None:
    (tmp_path / "app/usr/share").mkdir(parents=True)
    (tmp_path / ".app.oci").mkdir()
    (tmp_path / "link").symlink_to("app/usr")
    assert f"inside the destination {tmp_path}/app" in refused(str(tmp_path / inner))


@pytest.mark.parametrize("inner", [".app.oci", ".app.oci/inner", ".app.oci/generations/1/rootfs"])
def test_a_state_directory_is_refused(tmp_path: Path, inner: str) -> None:
    (tmp_path / ".app.oci/generations/1").mkdir(parents=True)
    assert ".app.oci is the name of a state directory" in refused(str(tmp_path / inner))


def test_a_sibling_of_a_destination_is_fine(tmp_path: Path) -> None:
    (tmp_path / ".app.oci").mkdir()
    open_place(str(tmp_path / "app2")).close()
    open_place(str(tmp_path / "app")).close()


def test_a_public_parent_is_refused_unless_sticky(tmp_path: Path) -> None:
    parent = tmp_path / "public"
    parent.mkdir()
    parent.chmod(0o777)
    assert "every local user can replace" in refused(str(parent / "app"))
    assert "(mode 0777)" in refused(str(parent / "app"))
    parent.chmod(0o1777)
    open_place(str(parent / "app")).close()


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: path.symlink_to("elsewhere"), "a symbolic link"),
        (lambda path: path.write_text(""), "a file"),
        (os.mkfifo, "a FIFO"),
    ],
)
def test_only_a_directory_can_be_replaced(
    tmp_path: Path, place: Place, make: t.Callable[[Path], None], kind: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    make(tmp_path / "app")
    with pytest.raises(DestinationError, match=f"it is {kind};"):
        place.look()


def test_look_tells_nothing_empty_and_full_apart(tmp_path: Path, place: Place) -> None:
    assert place.look() is None
    (tmp_path / "app").mkdir(mode=0o750)
    root = place.look()
    assert root is not None
    assert (root.empty, root.mode, root.inode) == (True, 0o750, (tmp_path / "app").stat().st_ino)
    (tmp_path / "app/.hidden").write_text("")
    found = place.look()
    assert found is not None
    assert not found.empty


@needs_mounts
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_a_mount_point_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "other").mkdir()

    def look() -> str:
        if kind == "tmpfs":
            children.mount_tmpfs(tmp_path / "app")
        else:
            children.bind(tmp_path / "other", tmp_path / "app")
        with pytest.raises(DestinationError) as caught:
            open_place(str(tmp_path / "app")).look()
        return caught.value.message

    assert "a file system is mounted there" in children.run(look, own_mounts=True)


@needs_mounts
@pytest.mark.parametrize("where", ["app/usr/with space", ".app.oci/generations/1/rootfs"])
@pytest.mark.parametrize("kind", ["tmpfs", "bind", "file"])
def test_a_mount_point_below_is_found(tmp_path: Path, where: str, kind: str) -> None:
    mounted = tmp_path / where
    mounted.mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (mounted / "file").write_text("")

    def check() -> str:
        place = open_place(str(tmp_path / "app"))
        place.look()
        if kind == "tmpfs":
            children.mount_tmpfs(mounted)
        elif kind == "bind":
            children.bind(tmp_path / "other", mounted)
        else:
            children.bind(mounted / "file", mounted / "file")
        with pytest.raises(DestinationError) as caught:
            place.check_no_mounts("Replacing")
        return caught.value.message

    message = children.run(check, own_mounts=True)
    assert f"mounted at {mounted}" in message
    assert "unmount it first" in message


def test_another_destination_directly_inside_is_found(tmp_path: Path, place: Place) -> None:
    (tmp_path / "app/web").mkdir(parents=True)
    place.check_holds_no_destination()
    (tmp_path / "app/.web.oci").mkdir()
    with pytest.raises(DestinationError, match=f"it holds the destination {tmp_path}/app/web;"):
        place.check_holds_no_destination()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_an_unreadable_directory_counts_as_full() -> None:
    parent = Path(tempfile.mkdtemp(prefix="unpack-", dir="/dev/shm"))
    try:
        (parent / "app").mkdir(mode=0o700)
        parent.chmod(0o755)

        def look() -> bool:
            root = open_place(str(parent / "app")).look()
            return root is not None and not root.empty

        assert children.run(look, uid=children.NOBODY)
    finally:
        shutil.rmtree(parent)


def test_mountinfo_is_read_as_it_is_written() -> None:
    mounts = Mounts.parse(
        b"22 27 0:21 / /proc rw - proc proc rw\n"
        b"27 1 254:0 / / rw - ext4 /dev/vda rw\n"
        b"28 27 0:25 / /srv/with\\040space\\134n rw - tmpfs x rw\n"
        b"29 27 0:26 / /srv rw - tmpfs x rw\n"
        b"broken line\n"
    )
    assert mounts.at("/srv/with space\\n")
    assert not mounts.at("/srv/with")
    assert mounts.below("/srv") == {b"with space\\n"}
    assert mounts.below("/") == {b"proc", b"srv", b"srv/with space\\n"}
    assert mounts.below("/sr") == frozenset()
    assert [mounts.holding(path) for path in ("/srv/app", "/srv2", "/")] == ["/srv", "/", "/"]


@given(st.binary())
def test_mountinfo_may_be_anything(data: bytes) -> None:
    Mounts.parse(data).below("/")


def test_without_proc_nothing_but_the_root_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.open", lambda *dummy: (dummy for dummy in ()).throw(FileNotFoundError()))
    assert Mounts.read().holding("/srv/app") == "/"


def test_no_space_names_the_file_system() -> None:
    with (
        pytest.raises(
            NoSpace, match=r"full file system is the one mounted at /dev/shm,.*destination /dev/shm/app"
        ) as caught,
        naming_filesystem("/dev/shm/app"),
        naming_filesystem("/dev/shm/app"),
        translated("writing", "/dev/shm/app"),
    ):
        raise OSError(28, "full")
    assert caught.value.fields["filesystem"] == "/dev/shm"
    assert caught.value.message.count("mounted at") == 1


def test_no_inodes_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    class Status:
        f_files, f_favail = 100, 0

    monkeypatch.setattr(os, "statvfs", lambda dummy: Status)
    with pytest.raises(NoSpace, match="it has no inodes left"), naming_filesystem("/dev/shm/app"):
        raise NoSpace("While writing x: no space.")


def test_overlay_directories_get_an_explanation() -> None:
    with pytest.raises(FilesystemError, match="overlay file system"), translated("publishing", "/srv/app"):
        raise OSError(18, "cross-device")
