# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The break-out cases of other projects' unpackers stay inside the root.

The names are theirs: cd is containerd, um umoci, mb moby, cs containers/storage, sj filepath-securejoin. The entries
are made anew from what the cases are about.
"""

from __future__ import annotations

import tarfile
import typing as t
from dataclasses import dataclass, field

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LayerInvalid
from ansible_collections.attested.registry.tests.support.images.layer_maker import Box
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    Entry,
    directory,
    entry,
    file,
    hardlink,
    opaque,
    symlink,
    whiteout,
)

Layer = t.Sequence[Entry]

ETC = [directory("etc"), file("etc/passwd", b"users")]
UNBROKEN = {"etc/unbroken": b"new"}
OVERRIDDEN = [*ETC, directory("localetc"), file("localetc/unbroken", b"old")]


@dataclass(frozen=True)
class Case:
    """Layers, and what the tree holds in the end; absent names must not be there, same ones are one file."""

    name: str
    layers: tuple[Layer, ...]
    holds: t.Mapping[str, object] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    same: tuple[tuple[str, str], ...] = ()
    error: str = ""


def case(name: str, *layers: Layer, **outcome: t.Any) -> Case:
    return Case(name, layers, **outcome)


def through(*links: Entry, path: str = "localetc/unbroken") -> Layer:
    """A file behind links."""
    return [directory("etc"), directory("dummy"), *links, file(path, b"new")]


def linked(*links: Entry, target: str, name: str = "localpasswd") -> Layer:
    """A hard link, perhaps through links, to a file that the image has."""
    return [*ETC, directory("breakouts"), *links, hardlink(name, target, mode=0o777, uid=9)]


PASSWD = (("localpasswd", "etc/passwd"),)
INNER = (("breakouts/mypasswd", "etc/passwd"),)
IN_ETC = (("etc/localpasswd", "etc/passwd"),)
UP = "../" * 7 + "etc"

SYMLINKS = [
    case("cd.SymlinkAbsolute", through(symlink("localetc", "/etc")), holds=UNBROKEN),
    case("cd.SymlinkUpAndOut", through(symlink("localetc", "/dummy/../etc")), holds=UNBROKEN),
    case(
        "cd.SymlinkMultipleAbsolute",
        through(symlink("dummy/etc", "/etc"), symlink("localetc", "/dummy/etc"), path="dummy/etc/unbroken"),
        holds=UNBROKEN,
    ),
    case(
        "cd.SymlinkMultipleRelative",
        through(symlink("dummy/etc", "/etc"), symlink("localetc", "./dummy/etc")),
        holds=UNBROKEN,
    ),
    case(
        "cd.SymlinkEmptyFile",
        [directory("etc"), file("etc/emptied", b"x"), symlink("localetc", "/etc"), file("localetc/emptied")],
        holds={"etc/emptied": b""},
    ),
    case("cd.SymlinkParentDirectory", [*ETC, symlink("..", "/etc/")], error="root of the tree"),
    case("cd.SymlinkEmptyFilename", [*ETC, symlink("", "/etc/")], error="root of the tree"),
    case(
        "cd.SymlinkParentRelative",
        [*ETC, symlink("localetc/sub/..", "/etc/"), hardlink("localetc/localpasswd", "/etc/passwd")],
        same=IN_ETC,
    ),
    *[
        case(
            f"cd.SymlinkOverrideDirectory {target}",
            [*ETC, directory("localetc")],
            [symlink("localetc", target), hardlink("localetc/localpasswd", "/etc/passwd")],
            holds={"localetc": f"-> {target}"},
            same=IN_ETC,
        )
        for target in ("/etc", "../../etc")
    ],
    case(
        "cd.DirectoryOverrideSymlink",
        [*ETC, symlink("localetc", "/etc")],
        [directory("localetc"), hardlink("localetc/localpasswd", "/etc/passwd")],
        holds={"localetc": "/"},
        same=(("localetc/localpasswd", "etc/passwd"),),
        absent=("etc/localpasswd",),
    ),
    case(
        "cd.DirectoryOverrideSymlink file",
        [*ETC, symlink("localetc", "/etc")],
        [directory("localetc"), file("localetc/passwd", b"new")],
        holds={"localetc": "/", "localetc/passwd": b"new", "etc/passwd": b"users"},
    ),
    case(
        "cd.SymlinkOverridePath",
        [directory("foo"), directory("foo/tmp"), file("foo/tmp/b", b"1"), symlink("foo", "/"), file("foo/tmp/b", b"2")],
        [directory("foo"), directory("foo/tmp"), file("foo/tmp/b", b"3")],
        holds={"foo": "/", "foo/tmp/b": b"3", "tmp/b": b"2"},
    ),
    case("um.SanitiseScoping", [file("../file", b"1"), file("/../other", b"2")], holds={"file": b"1", "other": b"2"}),
    *[
        case(
            f"um.SymlinkScoping {target}",
            [symlink("link", target)],
            [file("link/file", b"new")],
            holds={"file": b"new"},
        )
        for target in ("/", "/../", "../" * 16, "..")
    ],
    case(
        "um.NonDirParent",
        [file("nondir", b"old"), file("nondir/foo/bar/baz", b"new")],
        holds={"nondir": "/", "nondir/foo/bar/baz": b"new"},
    ),
    case(
        "mb.SymlinkBreakout",
        [directory("inner"), symlink("inner/go_up", "..")],
        [symlink("inner/go_up/escape", "../victim"), file("inner/go_up/escape/newfile", b"new")],
        holds={"escape": "-> ../victim", "victim/newfile": b"new"},
    ),
    case(
        "mb.ThroughAbsoluteSymlink",
        [symlink("var/run", "/run")],
        [file("var/run/existing/non-existing/file", b"new")],
        holds={"run/existing/non-existing/file": b"new", "var/run": "-> /run"},
    ),
    case(
        "mb.ThroughAbsoluteSymlink present",
        [directory("run/existing"), symlink("var/run", "/run")],
        [file("var/run/existing/non-existing/file", b"new")],
        holds={"run/existing/non-existing/file": b"new", "var/run": "-> /run"},
    ),
    case(
        "mb.ImpliedDirsThroughLowerSymlink",
        [directory("usr/lib"), symlink("lib", "usr/lib")],
        [file("lib/systemd/system/x", b"new")],
        holds={"usr/lib/systemd/system/x": b"new", "lib": "-> usr/lib"},
    ),
    case(
        "mb.RelativeEscapeBeforeAbsolute",
        [symlink("escape", ".."), symlink("absolute", "/target")],
        [file("escape/absolute/file", b"new")],
        holds={"target/file": b"new"},
    ),
    case(
        "sj.NonLexical",
        [directory("subdir"), directory("cousinparent/cousin"), symlink("subdir/link", "../cousinparent/cousin")],
        [file("subdir/link/../test", b"new")],
        holds={"subdir/test": b"new"},
        absent=("cousinparent/test",),
    ),
    case("sj.SymlinkLoop", [symlink("a", "b"), symlink("b", "a"), file("a/f")], error="a loop of symbolic links"),
]

HARDLINKS = [
    case(
        "cd.HardlinkRelative",
        linked(symlink("breakouts/d1", "../../etc"), name="breakouts/mypasswd", target="/breakouts/d1/passwd"),
        same=INNER,
    ),
    case(
        "cd.HardlinkDownAndOut",
        linked(
            symlink("breakouts/d1", "../downandout/../../etc"),
            directory("downandout"),
            name="breakouts/mypasswd",
            target="/breakouts/d1/passwd",
        ),
        same=INNER,
    ),
    *[
        case(
            f"cd.Hardlink {link}",
            linked(directory("upandout"), symlink("localetc", link), target="/localetc/passwd"),
            same=PASSWD,
        )
        for link in ("/etc", UP, "upandout/../../../etc")
    ],
    case("cd.HardlinkDirectRelative", linked(target="../../../../../etc/passwd"), same=PASSWD),
    case("cd.HardlinkDirectAbsolute", linked(target="/etc/passwd"), same=PASSWD),
    *[
        case(
            f"cd.HardlinkSymlink {link}",
            linked(symlink("passwdlink", link), target="/passwdlink"),
            holds={"localpasswd": f"-> {link}"},
            same=(("localpasswd", "passwdlink"),),
        )
        for link in ("../../../../../etc/passwd", "/etc/passwd")
    ],
    case(
        "cd.HardlinkSymlinkBeforeCreateTarget",
        [directory("etc"), symlink("localpasswd", "/etc/passwd"), hardlink("localpasswd-dup", "localpasswd"), *ETC],
        holds={"localpasswd-dup": "-> /etc/passwd", "etc/passwd": b"users"},
        same=(("localpasswd-dup", "localpasswd"),),
    ),
    case("mb.SiblingPrefix", [hardlink("grab", "../root-evil/secret")], error="where there is no file"),
    case(
        "mb.HardlinkSourceThroughAbsSymlink",
        [symlink("var/run", "/run"), file("var/run/source", b"x"), hardlink("var/run/link", "var/run/source")],
        same=(("run/link", "run/source"),),
    ),
    case(
        "mb.AbsoluteHardlink",
        [symlink("var/run", "/run"), file("var/run/source", b"x"), hardlink("var/run/link", "/var/run/source")],
        same=(("run/link", "run/source"),),
    ),
    case(
        "um.Hardlink",
        [
            *[
                file("regular", b"x", uid=3, gid=4, mode=0o640),
                hardlink("hard link", "/regular", uid=5, gid=6, mode=0o777),
            ],
            *[symlink("link", "../../../regular", uid=7), hardlink("to link", "../../../link", uid=8)],
        ],
        same=(("hard link", "regular"), ("to link", "link")),
    ),
    case(
        "node-tar, linked through a chain",
        [directory("a/b/c"), symlink("a/b/c/up", "../.."), symlink("a/b/escape", "c/up/../..")],
        [hardlink("exfil", "a/b/escape/secret")],
        error="where there is no file",
    ),
]

OLD = [*ETC, file("etc/whitedout", b"old"), symlink("localetc", "/etc"), symlink("dead", "/dne")]

WHITEOUTS = [
    *[
        case(f"cd.Whiteout {name}", OLD, [file(name)], error="names no file")
        for name in (".wh...", "etc/.wh...", ".wh..", "etc/.wh..", ".wh.", "etc/.wh.")
    ],
    case("cd.WhiteoutSymlink", OLD, [whiteout("localetc")], holds={"etc/passwd": b"users"}, absent=("localetc",)),
    case(
        "cd.WhiteoutSymlinkPath",
        OLD,
        [whiteout("localetc/whitedout")],
        holds={"etc/passwd": b"users", "localetc": "-> /etc"},
        absent=("etc/whitedout",),
    ),
    case(
        "cd.WhiteoutDirectoryName", OLD, [file(".wh.etc/somefile")], error="below a name that is reserved for whiteouts"
    ),
    case(
        "cd.WhiteoutDeadSymlinkParent", OLD, [whiteout("dead/etc")], holds={"etc/passwd": b"users", "dead": "-> /dne"}
    ),
    case("cd.WhiteoutRelativePath", OLD, [file("dne/../.wh.etc")], absent=("etc", "etc/passwd", "dne")),
    case(
        "mb.ApplyLayerWhiteouts",
        [file(".baz", b"1"), directory("bar"), directory("bax"), file("foo", b"1"), file("bar/bax", b"1")],
        [file(".bay", b"2"), whiteout(".baz"), directory("bar"), file("bar/bax", b"2"), whiteout("bax")],
        [file(".bay", b"3"), opaque(), file("foo", b"3")],
        [file(".abc", b"4"), whiteout("foo"), file("foobar/x", b"4")],
        holds={".bay": b"3", ".abc": b"4", "foobar": "/", "foobar/x": b"4"},
        absent=(".baz", "bar", "bar/bax", "bax", "foo"),
    ),
]

UPPER = [
    file("some/dir/somewhere", b"new"),
    symlink("some/link", "../"),
    symlink("some/shadow", "/../../../etc/shadow"),
]
LOWER = [
    file("some/dir/old", b"old"),
    file("some/old", b"old"),
    directory("some/gone/deep"),
    symlink("some/dir/s", ".."),
]
KEPT = {"some": "/", "some/dir": "/", "some/dir/somewhere": b"new", "some/link": "-> ../"}
GONE = ("some/dir/old", "some/old", "some/gone", "some/gone/deep", "some/dir/s")

OPAQUES = [
    case("um.OpaqueWhiteout OneLevel", LOWER, [*UPPER, opaque("some")], holds=KEPT, absent=GONE),
    case("um.OpaqueWhiteout TwoLevel", LOWER, [*UPPER, opaque("some/dir"), opaque("some")], holds=KEPT, absent=GONE),
    case("um.OpaqueWhiteout MultiLevel", LOWER, [*UPPER, opaque("some"), opaque("some/dir")], holds=KEPT, absent=GONE),
    case(
        "um.OpaqueWhiteout deepest",
        LOWER,
        [*UPPER, opaque("some/dir")],
        holds={**KEPT, "some/old": b"old", "some/gone/deep": "/"},
        absent=("some/dir/old", "some/dir/s"),
    ),
    case(
        "um.OpaqueWhiteout MissingUpperAncestor",
        LOWER,
        [UPPER[0], opaque("some")],
        holds={"some/dir/somewhere": b"new"},
        absent=GONE,
    ),
    case(
        "um.OpaqueWhiteout UpperWhiteout",
        LOWER,
        [*UPPER, whiteout("some/old"), opaque("some")],
        holds=KEPT,
        absent=GONE,
    ),
    case(
        "um.OpaqueWhiteout UpperDirWhiteout",
        LOWER,
        [*UPPER, whiteout("some/dir"), opaque("some")],
        holds=KEPT,
        absent=GONE,
    ),
    case("um.OpaqueWhiteout NoUpper", LOWER, [opaque("some")], holds={"some": "/"}, absent=("some/dir", *GONE)),
]

LOOPHOLE = symlink("loophole", "../victim")
INSIDE = "victim/file"

MOBY = [
    case("mb.InvalidSymlink file", [LOOPHOLE, file("loophole/file", b"new")], holds={INSIDE: b"new"}),
    case("mb.InvalidSymlink link", [LOOPHOLE, symlink("loophole/file", "x")], holds={INSIDE: "-> x"}),
    case("mb.InvalidSymlink hard link", [LOOPHOLE, hardlink("x", "loophole/hello")], error="where there is no file"),
    case("mb.InvalidSymlink replaced", [LOOPHOLE, file("loophole", b"new")], holds={"loophole": b"new"}),
    case(
        "mb.InvalidSymlink deep",
        [symlink("dir/loophole", "../../victim"), file("dir/loophole/newdir/newfile", b"new")],
        holds={"victim/newdir/newfile": b"new"},
    ),
    case("mb.InvalidHardlink", [hardlink("loophole", "../victim")], error="where there is no file"),
    case("mb.InvalidHardlink file", [hardlink("loophole", "../victim/hello")], error="where there is no file"),
    case(
        "mb.ParentTraversal",
        [file("../victim/x", b"new"), file("../../pwned", b"new")],
        holds={"victim/x": b"new", "pwned": b"new"},
    ),
    case(
        "mb.XGlobalNoParent",
        [entry("foo/bar", tarfile.XGLTYPE, mode=0, content=b"11 path=xx\n"), file("n")],
        absent=("foo",),
    ),
    case("cs.SelinuxLabel", [file("n", b"x", xattrs={"security.selinux": b"invalid-label"})], holds={"n": b"x"}),
]


@pytest.mark.parametrize("tried", [*SYMLINKS, *HARDLINKS, *WHITEOUTS, *OPAQUES, *MOBY], ids=lambda tried: tried.name)
def test_case(box: Box, tried: Case) -> None:
    if tried.error:
        with pytest.raises(LayerInvalid, match=tried.error):
            box.unpack(*tried.layers)
    else:
        box.unpack(*tried.layers)
    tree = box.tree()
    assert {name: tree.get(name) for name in tried.holds} == tried.holds
    assert not set(tried.absent) & set(tree)
    for one, other in tried.same:
        assert box.status(one) == box.status(other)
        assert box.status(one).uid != 9


def test_cd_hardlink_symlink_chmod(box: Box) -> None:
    host = box.victim / "secret"
    box.unpack([symlink(str(host), "p"), symlink("sketchy", str(host)), hardlink("sketchylink", "sketchy", mode=0o777)])
    assert box.tree()["sketchylink"] == f"-> {host}"


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o511, 0o770, 0o1777])
def test_mb_implied_directory_permissions(box: Box, mode: int) -> None:
    box.unpack(
        [file("deep/nested/file", mode=0o666), directory("given", mode=mode), file("given/nested/file", mode=0o666)]
    )
    modes = {name: status.mode for name, status in box.survey().items()}
    assert modes == {
        ".": 0o755,
        "deep": 0o755,
        "deep/nested": 0o755,
        "deep/nested/file": 0o666,
        "given": mode,
        "given/nested": 0o755,
        "given/nested/file": 0o666,
    }


@pytest.mark.parametrize("where", ["", "d/"])
@pytest.mark.parametrize("kind", ["file", "directory", "hidden"])
def test_um_whiteout_leaves_the_times_of_the_parent(box: Box, where: str, kind: str) -> None:
    name = where + (".n" if kind == "hidden" else "n")
    lower = [directory("./", mtime=3), directory("d", mtime=3), file(name + "/x" if kind == "directory" else name)]
    box.unpack(lower, [whiteout(name)])
    assert box.tree() == {"d": "/"}
    assert box.status(".").mtime == box.status("d").mtime == 3 * 10**9
