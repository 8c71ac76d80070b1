# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Known mistakes of unpackers do not occur: replacements and whiteouts (classes 19 to 30, and 38)."""

from __future__ import annotations

import itertools
import os
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LayerInvalid
from ansible_collections.attested.registry.tests.support.images.layer_maker import Box
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

SECOND = 10**9

OLD: dict[str, list[Entry]] = {
    "file": [file("n", b"old")],
    "tree": [directory("n", mode=0o700, uid=1), file("n/child", b"old"), directory("n/d/e")],
    "link to a directory": [directory("to"), file("to/child", b"old"), symlink("n", "to")],
    "link to a file": [file("to", b"old"), symlink("n", "to")],
    "dangling link": [symlink("n", "to")],
    "hard link": [file("to", b"old"), hardlink("n", "to")],
    "fifo": [fifo("n")],
    "device": [device("n", "c", 1, 3)],
}
NEW: dict[str, tuple[list[Entry], dict[str, object]]] = {
    "file": ([file("n", b"new", mode=0o600, mtime=5)], {"n": b"new"}),
    "directory": ([directory("n", mode=0o711, mtime=5)], {"n": "/"}),
    "directory with a file": (
        [directory("n", mode=0o711, mtime=5), file("n/new", b"new")],
        {"n": "/", "n/new": b"new"},
    ),
    "link": ([symlink("n", "elsewhere", mtime=5)], {"n": "-> elsewhere"}),
    "hard link": ([file("source", b"new", mtime=5), hardlink("n", "source")], {"source": b"new", "n": b"new"}),
    "fifo": ([fifo("n", mode=0o600, mtime=5)], {"n": "fifo"}),
    "device": ([device("n", "c", 1, 5, mtime=5)], {"n": "character"}),
}


@pytest.mark.parametrize(("old", "new"), list(itertools.product(OLD, NEW)))
def test_19_anything_replaces_anything(box: Box, old: str, new: str) -> None:
    upper, expected = NEW[new]
    box.unpack(OLD[old], upper, devices="create")
    tree = box.tree()
    below = {name: value for name, value in tree.items() if name.partition("/")[0] in ("n", "source")}
    if (old, new) in (("tree", "directory"), ("tree", "directory with a file")):
        expected = {**expected, "n/child": b"old", "n/d": "/", "n/d/e": "/"}
    assert below == expected
    assert box.status("n").mtime == 5 * SECOND
    behind = {name: value for name, value in tree.items() if name.partition("/")[0] == "to"}
    assert behind in ({}, {"to": b"old"}, {"to": "/", "to/child": b"old"})
    assert ("to" in tree) == any(entry.header.name.rstrip("/") == "to" for entry in OLD[old])


@pytest.mark.parametrize("old", OLD)
def test_19_a_skipped_device_replaces_what_was_there(box: Box, old: str) -> None:
    box.unpack(OLD[old], [device("n", "b", 8, 0)], devices="skip")
    assert not [name for name in box.tree() if name.partition("/")[0] == "n"]


def test_19_a_hard_link_to_a_skipped_device_is_skipped_too(box: Box) -> None:
    box.unpack(
        [file("old/m")], [device("n", "b", 8, 0), hardlink("old/m", "n"), hardlink("l", "old/m")], devices="skip"
    )
    assert box.tree() == {"old": "/"}
    assert box.warnings == ["3 device nodes of the image were skipped; set devices: create to make them."]
    with pytest.raises(LayerInvalid, match="where there is no file"):
        box.unpack([device("n", "b", 8, 0), hardlink("x", "m")], devices="skip")


@pytest.mark.parametrize("at_once", [True, False])
def test_20_a_directory_over_a_directory_replaces_its_attributes_and_keeps_its_content(box: Box, at_once: bool) -> None:
    lower = [
        directory("d", mode=0o700, uid=1, gid=1, mtime=1, xattrs={"user.old": b"1", "user.both": b"1"}),
        file("d/child", b"old"),
    ]
    upper = [directory("d", mode=0o2755, uid=2, gid=3, mtime=4.5, xattrs={"user.both": b"2"})]
    if at_once:
        box.unpack(lower, upper)
    else:
        box.unpack(lower)
        box.unpack(upper, fresh=False)
    status = box.status("d")
    assert (status.mode, status.uid, status.gid, status.mtime) == (0o2755, 2, 3, 4_500_000_000)
    assert status.xattrs == (("user.both", b"2"),)
    assert box.tree() == {"d": "/", "d/child": b"old"}


def test_20_xattrs_that_are_not_the_image_s_stay(box: Box) -> None:
    (box.root / "d").mkdir()
    os.setxattr(box.root / "d", "user.overlay.note", b"the host's")
    os.setxattr(box.root / "d", "user.old", b"1")
    box.unpack([directory("d")], fresh=False, xattrs="skip")
    assert len(box.status("d").xattrs) == 2
    box.unpack([directory("d")], fresh=False)
    assert box.status("d").xattrs == (("user.overlay.note", b"the host's"),)


LOWER = [
    file("f", b"old"),
    file(".hidden", b"old"),
    directory("d", mode=0o700, mtime=7),
    file("d/f", b"old"),
    directory("d/tree"),
    file("d/tree/x", b"old"),
    symlink("d/link", "../keep"),
    fifo("d/fifo"),
    directory("keep", mtime=8),
    file("keep/x", b"kept"),
]


@pytest.mark.parametrize(
    ("hidden", "gone"),
    [
        ("f", {"f"}),
        (".hidden", {".hidden"}),
        ("d/f", {"d/f"}),
        ("d/tree", {"d/tree", "d/tree/x"}),
        ("d/link", {"d/link"}),
        ("d/fifo", {"d/fifo"}),
        ("d", {"d", "d/f", "d/tree", "d/tree/x", "d/link", "d/fifo"}),
        ("missing", set()),
        ("missing/too", set()),
        ("f/x", set()),
        ("keep/x/y", set()),
    ],
)
def test_21_a_whiteout_removes_what_lower_layers_have(box: Box, hidden: str, gone: set[str]) -> None:
    box.unpack(LOWER, [])
    before = box.survey()
    box.unpack([whiteout(hidden)], fresh=False)
    after = box.survey()
    assert set(before) - set(after) == gone
    for name, status in after.items():
        assert status._replace(links=0) == before[name]._replace(links=0)


@pytest.mark.parametrize("marker", ["first", "last", "between", "twice"])
@pytest.mark.parametrize("made", ["file", "link", "hard link", "fifo", "tree"])
def test_22_what_the_layer_itself_made_survives_its_whiteout(box: Box, marker: str, made: str) -> None:
    entries = {
        "file": [file("x", b"new")],
        "link": [symlink("x", "new")],
        "hard link": [hardlink("x", "source")],
        "fifo": [fifo("x")],
        "tree": [directory("x"), file("x/new", b"new")],
    }[made]
    box.unpack([file("source", b"new"), file("x", b"old")], _mixed(entries, whiteout("x"), marker))
    tree = box.tree()
    assert tree["x"] == {"file": b"new", "link": "-> new", "hard link": b"new", "fifo": "fifo", "tree": "/"}[made]
    assert tree.get("x/new", b"new") == b"new"


@pytest.mark.parametrize("marker", ["first", "last", "between", "twice"])
@pytest.mark.parametrize("explicit", [False, True])
def test_23_a_directory_made_anew_has_only_new_content_and_attributes(box: Box, marker: str, explicit: bool) -> None:
    lower = [directory("d", mode=0o700, uid=5, mtime=6), file("d/old"), file("d/sub/old"), file("d/new", b"old")]
    upper = [*([directory("d", mode=0o711, uid=7, mtime=8)] if explicit else []), file("d/new", b"new")]
    box.unpack(lower, _mixed(upper, whiteout("d"), marker))
    assert box.tree() == {"d": "/", "d/new": b"new"}
    status = box.status("d")
    assert (status.mode, status.uid, status.mtime) == ((0o711, 7, 8 * SECOND) if explicit else (0o755, 0, 0))


@pytest.mark.parametrize("marker", ["first", "last", "between", "twice"])
@pytest.mark.parametrize("explicit", [False, True])
def test_24_25_an_opaque_whiteout_hides_the_same_wherever_it_stands(box: Box, marker: str, explicit: bool) -> None:
    lower = [
        directory("a", mode=0o711, uid=4, mtime=5),
        file("a/z"),
        directory("a/b", mode=0o700, uid=5, mtime=6),
        file("a/b/c/bar"),
        directory("a/gone/deep", mode=0o700),
        symlink("a/link", "/a/b"),
        file("beside"),
    ]
    upper = [*([directory("a/b", mode=0o750, uid=8, mtime=9)] if explicit else []), file("a/b/c/foo", b"new")]
    box.unpack(lower, _mixed(upper, opaque("a"), marker))
    assert box.tree() == {"beside": b"", "a": "/", "a/b": "/", "a/b/c": "/", "a/b/c/foo": b"new"}
    assert _owned(box, "a") == (0o711, 4, 5 * SECOND)
    assert _owned(box, "a/b") == ((0o750, 8, 9 * SECOND) if explicit else (0o755, 0, 0))
    assert _owned(box, "a/b/c") == (0o755, 0, 0)


@pytest.mark.parametrize("marker", [opaque("d"), opaque(), whiteout("d"), whiteout("d/s"), whiteout("d/e")])
def test_24_what_a_path_led_to_before_a_whiteout_does_not_count_after_it(box: Box, marker: Entry) -> None:
    lower = [directory("d/e", mode=0o700), symlink("d/s", "/x"), file("x/old", b"old")]
    opened = [whiteout("d/s/missing"), whiteout("d/e/missing"), whiteout("d/missing")]
    box.unpack(lower, [*opened, marker, file("d/e/new", b"new"), file("d/s/new", b"new")])
    tree = box.tree()
    assert tree["d/e/new"] == b"new"
    if marker.header.name == "d/.wh.e":
        assert (tree["d/s"], tree["x/new"]) == ("-> /x", b"new")
    else:
        assert (tree["d/s"], tree["d/s/new"]) == ("/", b"new")
        assert "x/new" not in tree
    assert ("x/old" in tree) == (marker.header.name != ".wh..wh..opq")


@pytest.mark.parametrize("marker", ["first", "last", "between", "twice"])
def test_26_an_opaque_whiteout_in_the_root(box: Box, marker: str) -> None:
    lower = [directory("./", mode=0o711, mtime=3), file("a/b/old"), file("old"), symlink("s", "a")]
    box.unpack(lower, _mixed([file("a/b/new", b"new"), whiteout("a/b/x"), whiteout("old")], opaque(), marker))
    assert box.tree() == {"a": "/", "a/b": "/", "a/b/new": b"new"}
    assert _owned(box, ".") == (0o711, 0, 3 * SECOND)


@pytest.mark.parametrize("where", ["missing", "missing/too", "f", "f/x", "dangling", "dangling/x"])
def test_26_an_opaque_whiteout_where_there_is_no_directory_does_nothing(box: Box, where: str) -> None:
    lower = [file("f", b"old"), symlink("dangling", "nowhere")]
    box.unpack(lower, [opaque(where), whiteout(where + "/x")])
    assert box.tree() == {"f": b"old", "dangling": "-> nowhere"}


def test_26_an_opaque_whiteout_behind_a_link(box: Box) -> None:
    lower = [directory("d", mtime=5), file("d/old"), symlink("s", "/d")]
    box.unpack(lower, [opaque("s"), whiteout("s/old"), file("s/new", b"new")])
    assert box.tree() == {"d": "/", "s": "-> /d", "d/new": b"new"}
    assert box.status("d").mtime == 5 * SECOND


@pytest.mark.parametrize(
    "name", [".wh.", ".wh..", ".wh...", "etc/.wh.", "etc/.wh..", "etc/.wh...", "./.wh..", "d/../.wh."]
)
@pytest.mark.parametrize("layers", [1, 2])
def test_27_a_whiteout_that_names_nothing_is_refused(box: Box, name: str, layers: int) -> None:
    lower = [[file("etc/passwd", b"kept")]] * (layers - 1)
    with pytest.raises(LayerInvalid, match="names no file") as caught:
        box.unpack(*lower, [file(name)])
    assert caught.value.fields["path"] == name
    assert box.tree() == ({"etc": "/", "etc/passwd": b"kept"} if lower else {})


@pytest.mark.parametrize("marker", [whiteout("le/passwd"), opaque("le"), whiteout("le/../le/passwd")])
@pytest.mark.parametrize("target", ["/etc", "../etc", "../../../etc", "victim"])
def test_28_a_whiteout_behind_a_link_hides_inside_the_root(box: Box, marker: Entry, target: str) -> None:
    target = str(box.victim / "etc") if target == "victim" else target
    inside = target if target.startswith("/") else "/etc"
    lower = [file(inside + "/passwd", b"old"), file("etc/keep", b"old"), symlink("le", target)]
    box.unpack(lower, [marker])
    tree = box.tree()
    assert inside.lstrip("/") in tree
    assert inside.lstrip("/") + "/passwd" not in tree
    assert ("etc/keep" in tree) == (marker.header.name != "le/.wh..wh..opq" or inside != "/etc")
    assert tree["le"] == f"-> {target}"


@pytest.mark.parametrize("marker", [whiteout("le/hello"), opaque("le"), whiteout("le")])
def test_28_a_whiteout_behind_a_link_to_the_host_does_nothing(box: Box, marker: Entry) -> None:
    box.unpack([symlink("le", str(box.victim)), file("keep")], [marker])
    assert set(box.tree()) == {"keep"} | (set() if marker.header.name == ".wh.le" else {"le"})


@pytest.mark.parametrize("name", [".wh.etc/f", ".wh.etc/.wh.f", "etc/.wh..wh..opq/f", "a/.wh./f", ".wh.../f"])
def test_29_what_lies_below_a_whiteout_is_refused(box: Box, name: str) -> None:
    with pytest.raises(LayerInvalid, match="lies below a name that is reserved for whiteouts"):
        box.unpack([file("etc/f", b"old")], [file(name)])
    assert box.tree() == {"etc": "/", "etc/f": b"old"}


@pytest.mark.parametrize(
    "name", [".wh..wh.plnk/1.2", ".wh..wh.plnk", ".wh..wh.aufs", "etc/.wh..wh.orph/x", ".wh..wh.x"]
)
def test_29_the_bookkeeping_of_aufs_is_left_out(box: Box, name: str) -> None:
    box.unpack([file("etc/f", b"old")], [file(name, b"data"), directory(name), file("new")])
    assert box.tree() == {"etc": "/", "etc/f": b"old", "new": b""}


@pytest.mark.parametrize("make", ["directory", "link", "content", "hard link", "device"])
@pytest.mark.parametrize("name", [".wh.f", ".wh..wh..opq"])
def test_30_a_whiteout_is_known_by_its_name_alone(box: Box, make: str, name: str) -> None:
    marker = {
        "directory": directory(name),
        "link": symlink(name, str(box.victim)),
        "content": file(name, bytes(1500), mode=0o4777),
        "hard link": hardlink(name, "../victim/secret"),
        "device": device(name, "c", 1, 3),
    }[make]
    box.unpack([file("f", b"old")], [marker, file("new", b"new")])
    assert box.tree() == {"new": b"new"}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([file("n", b"1"), file("n", b"2", mode=0o600)], {"n": b"2"}),
        ([directory("n", mode=0o700), file("n/x"), directory("n", mode=0o600)], {"n": "/", "n/x": b""}),
        ([file("n"), symlink("n", "to", mode=0o600)], {"n": "-> to"}),
        ([symlink("n", ".."), file("n", mode=0o600)], {"n": b""}),
        ([symlink("n", "/"), directory("n", mode=0o600), file("n/x")], {"n": "/", "n/x": b""}),
        ([directory("n"), file("n/x"), file("n", mode=0o600)], {"n": b""}),
        ([file("n", b"1"), hardlink("m", "n"), file("n", b"2", mode=0o600)], {"n": b"2", "m": b"1"}),
    ],
)
def test_38_the_last_of_equal_names_counts(box: Box, entries: list[Entry], expected: dict[str, object]) -> None:
    box.unpack(entries)
    assert box.tree() == expected
    assert box.status("n").kind == "symlink" or box.status("n").mode == 0o600


def test_a_whiteout_does_not_follow_a_directory_that_became_a_link(box: Box) -> None:
    lower = [file("d/f", b"old"), file("e/f", b"kept")]
    box.unpack(lower, [whiteout("d/f"), symlink("d", "e")])
    assert box.tree() == {"d": "-> e", "e": "/", "e/f": b"kept"}


def _mixed(entries: t.Sequence[Entry], marker: Entry, where: str) -> list[Entry]:
    if where == "first":
        return [marker, *entries]
    if where == "last":
        return [*entries, marker]
    if where == "twice":
        return [marker, *entries, marker]
    return [entries[0], marker, *entries[1:]]


def _owned(box: Box, name: str) -> tuple[int, int, int]:
    status = box.status(name)
    return status.mode, status.uid, status.mtime
