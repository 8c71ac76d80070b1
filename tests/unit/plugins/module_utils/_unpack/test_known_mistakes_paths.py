# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Known mistakes of unpackers do not occur: names, links and parents (classes 1 to 18, and 37)."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LayerInvalid
from ansible_collections.attested.registry.tests.support.images.layer_maker import Box
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    Entry,
    directory,
    fifo,
    file,
    hardlink,
    symlink,
    whiteout,
)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("../x", "x"),
        ("/../x", "x"),
        ("a/../../x", "x"),
        ("/etc/x", "etc/x"),
        ("../victim/hello", "victim/hello"),
        ("../../../../../../../../victim/hello", "victim/hello"),
        ("../root-evil/x", "root-evil/x"),
        ("./x", "x"),
        ("a//b/./x", "a/b/x"),
        (".../x", ".../x"),
    ],
)
def test_01_a_path_with_dots_is_cleaned_as_text(box: Box, path: str, place: str) -> None:
    box.unpack([file(path, b"new")])
    assert box.tree()[place] == b"new"


@pytest.mark.parametrize("path", ["..", "../", "/..", "a/..", "a/../..", "."])
def test_01_a_file_in_the_place_of_the_root_is_refused(box: Box, path: str) -> None:
    with pytest.raises(LayerInvalid, match="would make the root of the tree a file"):
        box.unpack([file(path, b"new")])
    assert box.tree() == {}


@pytest.mark.parametrize("target", ["/", "..", "/../", "../" * 16, "/./.././..", "./.", "../root"])
@pytest.mark.parametrize("apart", [False, True])
def test_02_links_to_the_root_and_above_lead_to_the_root(box: Box, target: str, apart: bool) -> None:
    link, content = [symlink("link", target)], [directory("root"), file("link/file", b"new")]
    box.unpack(*([link, content] if apart else [link + content]))
    where = "root/file" if target.endswith("root") else "file"
    assert box.tree() == {"link": f"-> {target}", "root": "/", where: b"new"}


def test_03_an_absolute_link_as_parent_starts_at_the_root(box: Box) -> None:
    box.unpack([directory("etc"), symlink("localetc", "/etc"), file("localetc/x", b"new")])
    assert box.tree() == {"etc": "/", "localetc": "-> /etc", "etc/x": b"new"}


@pytest.mark.parametrize("target", ["/run", "../run", "/srv/../run", "/run/", "//run/."])
def test_04_a_dangling_link_as_parent_gets_its_target(box: Box, target: str) -> None:
    box.unpack([symlink("var/run", target)], [file("var/run/a/b/f", b"new")])
    tree = box.tree()
    assert tree["run/a/b/f"] == b"new"
    assert tree["var/run"] == f"-> {target}"
    assert box.status("run").mode == 0o755


def test_04_a_chain_of_dangling_links_as_parent(box: Box) -> None:
    box.unpack([symlink("a", "/b/c"), symlink("b", "d/e/../f")], [file("a/x", b"new")])
    assert box.tree() == {
        "a": "-> /b/c",
        "b": "-> d/e/../f",
        "d": "/",
        "d/e": "/",
        "d/f": "/",
        "d/f/c": "/",
        "d/f/c/x": b"new",
    }


def test_04_a_link_to_a_file_is_no_parent(box: Box) -> None:
    with pytest.raises(LayerInvalid, match="s/x of the layer lies behind a symbolic link to something that") as caught:
        box.unpack([file("f", b"old"), symlink("s", "f")], [file("s/x", b"new")])
    assert caught.value.fields["path"] == "s/x"
    assert caught.value.fields["layer"] == "layer"


def test_05_usr_merge_keeps_the_link_of_the_lower_layer(box: Box) -> None:
    box.unpack([directory("usr/lib"), symlink("lib", "usr/lib")], [file("lib/systemd/x", b"new")])
    assert box.tree() == {
        "usr": "/",
        "usr/lib": "/",
        "lib": "-> usr/lib",
        "usr/lib/systemd": "/",
        "usr/lib/systemd/x": b"new",
    }


def test_06_a_chain_of_links_that_climbs_out_stays_inside(box: Box) -> None:
    box.unpack(
        [
            directory("inner"),
            symlink("inner/up", ".."),
            symlink("inner/up/esc", "../victim"),
            file("inner/up/esc/f", b"new"),
        ]
    )
    assert box.tree() == {
        "inner": "/",
        "inner/up": "-> ..",
        "esc": "-> ../victim",
        "victim": "/",
        "victim/f": b"new",
    }


@pytest.mark.parametrize("cut", [None, 3, 4, 5, 6])
def test_07_a_directory_that_became_a_link_and_back_is_looked_up_again(box: Box, cut: int | None) -> None:
    away = str(box.victim)
    entries = [
        directory("foo"),
        directory("foo/tmp"),
        file("foo/tmp/b", b"1"),
        symlink("foo", away),
        file("foo/tmp/b", b"2"),
        directory("foo"),
        directory("foo/tmp"),
        file("foo/tmp/b", b"3"),
    ]
    box.unpack(*([entries] if cut is None else [entries[:cut], entries[cut:]]))
    tree = box.tree()
    assert tree["foo"] == "/"
    assert tree["foo/tmp/b"] == b"3"
    assert tree[away.lstrip("/") + "/tmp/b"] == b"2"


@pytest.mark.parametrize("name", [".", "/", "./", "", "..", "/.", "//", "a/.."])
@pytest.mark.parametrize("make", [symlink, hardlink])
def test_08_a_link_in_the_place_of_the_root_is_refused(box: Box, name: str, make: t.Callable[..., Entry]) -> None:
    with pytest.raises(LayerInvalid, match="would make the root of the tree a"):
        box.unpack([file("target"), make(name, "/target"), file("x", b"new")])
    assert box.tree() == {"target": b""}


@pytest.mark.parametrize("name", ["./", "/", "../", "a/../"])
def test_08_a_directory_entry_of_the_root_sets_its_attributes(box: Box, name: str) -> None:
    box.unpack([directory(name, mode=0o711, uid=3, gid=4, mtime=5), file("x", b"new")])
    root = box.status(".")
    assert (root.mode, root.uid, root.gid, root.mtime) == (0o711, 3, 4, 5 * 10**9)
    assert box.tree() == {"x": b"new"}


def test_09_links_in_circles_are_refused(box: Box) -> None:
    with pytest.raises(LayerInvalid, match="a/x .* a loop of symbolic links") as caught:
        box.unpack([symlink("a", "b"), symlink("b", "a"), file("a/x", b"new")])
    assert caught.value.fields["path"] == "a/x"


@pytest.mark.parametrize("length", [39, 40, 41, 42])
@pytest.mark.parametrize("dangling", [False, True])
def test_09_as_many_links_are_followed_as_linux_follows(box: Box, length: int, dangling: bool) -> None:
    chain = [symlink(f"s{number}", f"s{number + 1}") for number in range(length - 1)]
    entries = [*chain, symlink(f"s{length - 1}", "end"), *([] if dangling else [directory("end")])]
    if length <= 40:
        box.unpack([*entries, file("s0/x", b"new")])
        assert box.tree()["end/x"] == b"new"
    else:
        with pytest.raises(LayerInvalid, match="a loop of symbolic links"):
            box.unpack([*entries, file("s0/x", b"new")])


def test_10_dots_after_a_link_are_cleaned_as_text(box: Box) -> None:
    box.unpack(
        [
            directory("sub"),
            directory("cousinparent/cousin"),
            symlink("sub/link", "../cousinparent/cousin"),
            file("sub/link/../t", b"new"),
        ]
    )
    tree = box.tree()
    assert tree["sub/t"] == b"new"
    assert "cousinparent/t" not in tree


@pytest.mark.parametrize("target", ["../../../etc/passwd", "/etc/passwd", "etc/passwd", "./etc//passwd"])
def test_11_hard_links_start_at_the_root(box: Box, target: str) -> None:
    box.unpack([directory("d"), file("etc/passwd", b"in the image"), hardlink("d/l", target)])
    assert box.status("d/l").inode == box.status("etc/passwd").inode
    assert box.status("d/l").links == 2


@pytest.mark.parametrize(
    "target", ["../../../etc/passwd", "/etc/passwd", "etc/passwd", "x", "./x", "secret", "sub/file"]
)
def test_11_hard_links_to_what_only_the_host_has_are_refused(box: Box, target: str) -> None:
    with pytest.raises(LayerInvalid, match="where there is no file"):
        box.unpack([hardlink("l", target)])
    with pytest.raises(LayerInvalid, match="where there is no file"):
        box.unpack([hardlink("l", str(box.ground.base / target))])
    assert box.tree() == {}


def test_12_a_hard_link_to_a_link_is_the_same_link(box: Box) -> None:
    host = str(box.victim / "secret")
    box.unpack([symlink("s", host, uid=7), hardlink("h", "s", mode=0o777, uid=1, gid=1, mtime=9)])
    assert box.tree() == {"s": f"-> {host}", "h": f"-> {host}"}
    assert box.status("h") == box.status("s")
    assert box.status("h").uid == 7


@pytest.mark.parametrize("present", [False, True])
def test_13_a_hard_link_through_a_chain_of_links_stays_inside(box: Box, present: bool) -> None:
    links = [
        directory("a/b/c"),
        symlink("a/b/c/up", "../.."),
        symlink("a/b/esc", "c/up/../.."),
        hardlink("x", "a/b/esc/secret"),
    ]
    if present:
        box.unpack([file("secret", b"in the image"), *links])
        assert box.status("x").inode == box.status("secret").inode
    else:
        with pytest.raises(LayerInvalid, match="where there is no file"):
            box.unpack(links)


@pytest.mark.parametrize("target", ["../root-evil/secret", "../victim/secret", "../../victim/secret", "..root/secret"])
def test_14_a_hard_link_to_a_sibling_of_the_root_is_refused(box: Box, target: str) -> None:
    with pytest.raises(LayerInvalid, match="where there is no file"):
        box.unpack([hardlink("l", target)])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([directory("d"), hardlink("l", "d")], "is a hard link to d, where there is no file"),
        ([hardlink("l", "/")], "is a hard link to /, where there is no file"),
        ([hardlink("l", "")], "is a hard link to , where there is no file"),
        ([hardlink("l", "missing")], "is a hard link to missing, where there is no file"),
        ([file("f"), hardlink("l", "f/x")], "is a hard link to f/x, where there is no file"),
        ([hardlink("l", "later"), file("later")], "is a hard link to later, where there is no file"),
        ([hardlink("l", "l")], "is a hard link to l, where there is no file"),
        ([file("l"), hardlink("l", "l")], "is a hard link to itself"),
        ([file("l"), hardlink("l", "/d/../l")], "is a hard link to itself"),
        ([directory("d"), symlink("s", "d"), file("d/l"), hardlink("s/l", "d/l")], "is a hard link to itself"),
        ([file("d/f"), hardlink("d", "d/f")], "is a hard link to d/f, which it replaces"),
        ([file("x"), whiteout("x"), hardlink("l", ".wh.x")], "where there is no file"),
    ],
)
def test_15_impossible_hard_links_are_refused(box: Box, entries: list[Entry], message: str) -> None:
    with pytest.raises(LayerInvalid, match=message) as caught:
        box.unpack(entries)
    assert caught.value.fields["path"]


def test_15_a_hard_link_with_content_is_refused(box: Box) -> None:
    link = hardlink("l", "f")
    link.header.size = 5
    with pytest.raises(LayerInvalid, match="content of its own"):
        box.unpack([file("f"), link, file("not-an-entry")])


@pytest.mark.parametrize("target", ["/usr/bin/a", "usr/bin/a", "/usr/./bin//a"])
def test_16_the_attributes_in_the_header_of_a_hard_link_do_not_count(box: Box, target: str) -> None:
    box.unpack(
        [
            file("usr/bin/a", b"content", mode=0o4755, uid=3, gid=4, mtime=5),
            hardlink("usr/bin/b", target, mode=0o777, uid=1, gid=2, mtime=6, xattrs={"user.x": b"y"}),
        ]
    )
    status = box.status("usr/bin/b")
    assert status == box.status("usr/bin/a")
    assert (status.links, status.mode, status.uid, status.gid, status.mtime) == (2, 0o4755, 3, 4, 5 * 10**9)
    assert status.xattrs == ()


@pytest.mark.parametrize("make", [file, symlink, fifo])
def test_16_everything_but_directories_can_have_two_names(box: Box, make: t.Callable[..., Entry]) -> None:
    box.unpack(
        [make("a", b"data") if make is file else make("a", "to") if make is symlink else make("a"), hardlink("b", "a")]
    )
    assert box.status("a") == box.status("b")
    assert box.status("a").links == 2


def test_17_replacing_one_of_two_names_leaves_the_other(box: Box) -> None:
    box.unpack([file("a", b"old"), hardlink("b", "a")], [file("a", b"new")])
    assert box.tree() == {"a": b"new", "b": b"old"}
    assert box.status("a").inode != box.status("b").inode
    assert box.status("b").links == 1


def test_18_a_hard_link_to_a_file_of_a_lower_layer(box: Box) -> None:
    box.unpack([file("a", b"old")], [hardlink("b", "a")])
    assert box.status("a") == box.status("b")


@pytest.mark.parametrize("marker_first", [False, True])
@pytest.mark.parametrize("where", ["", "d/"])
def test_18_a_file_that_the_layer_hides_may_get_another_name(box: Box, marker_first: bool, where: str) -> None:
    upper = [hardlink("b", where + "a"), whiteout(where + "a")]
    box.unpack([directory("d"), file(where + "a", b"old")], upper[::-1] if marker_first else upper)
    assert box.tree() == {"b": b"old", "d": "/"}
    assert box.status("b").links == 1


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("first", [file("n", b"old"), fifo("n"), hardlink("n", "other")])
def test_37_a_parent_that_is_no_directory_gives_way_to_one(box: Box, first: Entry, apart: bool) -> None:
    lower, upper = [file("other", b"kept"), first], [file("n/a/b", b"new")]
    box.unpack(*([lower, upper] if apart else [lower + upper]))
    assert box.tree() == {"other": b"kept", "n": "/", "n/a": "/", "n/a/b": b"new"}
    assert box.status("n").mode == 0o755
