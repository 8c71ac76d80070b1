# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ordinary user unpacks what permissions allow; owners and devices are errors, extended attributes warnings."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images.layer_maker import (
    Box,
    Content,
    Ground,
    Refused,
    ResolverName,
    call_as,
)
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    Entry,
    device,
    directory,
    fifo,
    file,
    hardlink,
    opaque,
    symlink,
    whiteout,
)
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors

NOBODY = 65534


class UserBox(Box):
    """A root that belongs to an ordinary user, who unpacks into it."""

    def __init__(self, ground: Ground, *, resolver: ResolverName) -> None:
        super().__init__(ground, resolver=resolver, owner=NOBODY)

    def unpack_as_user(self, *layers: Content, **options: t.Any) -> None:
        """Unpacks in a child process. Raises Refused."""
        options.setdefault("ownership", False)

        def unpack() -> list[str]:
            descriptors = open_descriptors()
            try:
                self.unpack(*layers, **options)
            finally:
                assert open_descriptors() <= descriptors
            return self.warnings

        self.warnings = call_as(NOBODY, unpack)


@pytest.fixture
def user_box(box: Box) -> UserBox:
    return UserBox(box.ground, resolver=box.resolver)


def test_every_kind_of_entry_belongs_to_the_user_without_setuid_and_setgid(user_box: UserBox) -> None:
    user_box.unpack_as_user(
        [
            *[directory("./", mode=0o711, uid=1, mtime=2), directory("d", mode=0o1777, uid=5, mtime=3)],
            *[
                file("d/f", b"x", mode=0o4755, uid=6, mtime=4),
                hardlink("d/h", "d/f"),
                symlink("d/s", "f", uid=7, mtime=5),
            ],
            *[
                fifo("d/p", mode=0o622, uid=8, mtime=6),
                file("implied/x", mode=0o000, mtime=7),
                device("d/null", "c", 1, 3, uid=9),
            ],
        ]
    )
    found = " ".join(f"{name}:{status.mode:o}:{status.mtime // 10**9}" for name, status in user_box.survey().items())
    assert sorted(found.split()) == sorted(
        [".:711:2", "d:1777:3", "d/f:755:4", "d/h:755:4", "d/s:777:5", "d/p:622:6", "implied:755:0", "implied/x:0:7"]
    )
    assert {(status.uid, status.gid) for status in user_box.survey().values()} == {(NOBODY, NOBODY)}
    assert user_box.status("d/f").inode == user_box.status("d/h").inode


@pytest.mark.parametrize(
    "mode", [0o000, *(pytest.param(mode, marks=pytest.mark.exhaustive) for mode in (0o400, 0o500, 0o100, 0o300))]
)
@pytest.mark.parametrize(
    ("upper", "left"),
    [
        ([file("d/sub/new")], {"d", "d/sub", "d/sub/f", "d/sub/new"}),
        ([whiteout("d/sub/f")], {"d", "d/sub"}),
        ([whiteout("d/sub")], {"d"}),
        ([whiteout("d")], set()),
        ([opaque("d")], {"d"}),
        ([opaque()], set()),
        ([file("d")], {"d"}),
        ([symlink("d", "to")], {"d"}),
        ([directory("d", mode=0o000), file("d/x")], {"d", "d/sub", "d/sub/f", "d/x"}),
    ],
)
def test_modes_that_lock_the_user_out_are_put_on_at_the_end(
    user_box: UserBox, mode: int, upper: list[Entry], left: set[str]
) -> None:
    lower = [directory("d", mode=mode), directory("d/sub", mode=mode), file("d/sub/f", mode=0o000)]
    user_box.unpack_as_user(lower, upper)
    tree = user_box.survey()
    assert set(tree) - {"."} == left
    if "d/sub" in tree:
        assert tree["d/sub"].mode == mode


@pytest.mark.parametrize("layer", [[file("f")], [directory("d")], [symlink("s", "x")], [fifo("p")], []])
def test_giving_files_away_is_an_error_that_says_what_to_do(user_box: UserBox, layer: list[Entry]) -> None:
    with pytest.raises(Refused, match="EPERM.*ownership: false") as caught:
        user_box.unpack_as_user(layer, ownership=True)
    assert caught.value.fields["errno"] == "EPERM"
    assert caught.value.fields["path"] == (layer[0].header.name.rstrip("/") if layer else ".")


@pytest.mark.parametrize("kind", ["c", "b"])
def test_making_a_device_is_an_error(user_box: UserBox, kind: t.Literal["c", "b"]) -> None:
    with pytest.raises(Refused, match="unpacking n: .*EPERM.*devices: skip"):
        user_box.unpack_as_user([device("n", kind, 1, 3)], devices="create")


def test_what_the_user_may_not_set_is_one_warning_for_each_xattr(user_box: UserBox) -> None:
    xattrs = {"security.capability": b"\1\0\0\2" + bytes(16), "trusted.x": b"y", "user.x": b"y"}
    user_box.unpack_as_user(
        [make(f"{make.__name__}{n}", xattrs=xattrs) for n in range(2) for make in (file, directory)]
    )
    assert [warning.split()[3] for warning in user_box.warnings] == ["security.capability", "trusted.x"]
    assert {status.xattrs for name, status in user_box.survey().items() if name != "."} == {(("user.x", b"y"),)}


def test_a_required_xattr_that_the_user_may_not_set_is_an_error(user_box: UserBox) -> None:
    with pytest.raises(Refused, match="unpacking n: .*EPERM"):
        user_box.unpack_as_user([file("n", xattrs={"trusted.x": b"y"})], xattrs="require")


@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_files_that_the_user_may_not_write_to_keep_their_xattrs(user_box: UserBox, mode: int) -> None:
    user_box.unpack_as_user([file("f", b"x", mode=mode, xattrs={"user.x": b"y"})], xattrs="require")
    status = user_box.status("f")
    assert (status.mode, status.xattrs) == (mode, (("user.x", b"y"),))


def test_a_directory_that_the_user_may_not_open_is_an_error(user_box: UserBox) -> None:
    locked = user_box.root / "d" / "locked"
    locked.mkdir(parents=True, mode=0o700)
    with pytest.raises(Refused, match="EACCES") as caught:
        user_box.unpack_as_user([file("d/locked/f")], fresh=False)
    assert caught.value.fields["path"] == "d/locked/f"
    with pytest.raises(Refused, match="putting attributes on the directory d/locked: .*EACCES") as caught:
        user_box.unpack_as_user([file("f")], fresh=False)
    assert caught.value.fields["path"] == "d/locked"


@pytest.mark.parametrize("target", ["{}/secret", "/etc/passwd", "../victim/secret"])
def test_links_to_the_host_reach_nothing(user_box: UserBox, target: str) -> None:
    target = target.format(user_box.victim)
    user_box.unpack_as_user([symlink("s", target), hardlink("h", "s", mode=0o777)], [whiteout("s"), file("h", b"x")])
    assert user_box.tree() == {"h": b"x"}
