# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A part of an image is unpacked: exactly the selected paths, as they are in the whole image."""

from __future__ import annotations

import fnmatch
import os
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import NothingSelected
from ansible_collections.attested.registry.plugins.module_utils._unpack.layers import (
    Options,
    open_root,
    unpack_layers,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.selection import Selection
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.images.layer_maker import layer_source
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    Entry,
    directory,
    fifo,
    file,
    hardlink,
    opaque,
    symlink,
    whiteout,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Keep = t.Callable[..., list[str]]


@pytest.fixture(params=[True, False], ids=["two processes", "one process"])
def keep(request: pytest.FixtureRequest, tmp_path: Path) -> Keep:
    """Unpacks a part of layers to tmp_path/root, and returns all paths there."""

    def run(*layers: t.Sequence[Entry], warnings: list[str] | None = None, **selection: t.Any) -> list[str]:
        unpack(tmp_path / "root", layers, Selection(**selection), warnings=warnings, apart=request.param)
        return paths(tmp_path / "root")

    return run


def unpack(
    root: Path,
    layers: t.Sequence[t.Sequence[Entry]],
    selection: Selection,
    *,
    warnings: list[str] | None = None,
    apart: bool = False,
) -> None:
    root.mkdir()
    fd = open_root(str(root))
    try:
        unpack_layers(
            fd,
            [layer_source(layer) for layer in layers],
            options=Options(ownership=False, selection=selection),
            warn=pytest.fail if warnings is None else warnings.append,
            apart=apart,
        )
    finally:
        os.close(fd)


def paths(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


BASE = [
    directory("etc", mode=0o750, mtime=5),
    file("etc/motd", b"hello\n"),
    file("etc/app.conf", b"x"),
    directory("usr", mtime=6),
    directory("usr/share", mode=0o711, mtime=7),
    directory("usr/share/app", mode=0o500, mtime=8),
    file("usr/share/app/index.html", b"<p>"),
    file("usr/share/app/.hidden", b""),
    directory("usr/share/app/empty"),
    directory("usr/share/doc"),
    file("usr/share/doc/README", b"read"),
    symlink("lib", "usr/share"),
]


def test_a_directory_stands_for_everything_in_it_and_keeps_those_above(keep: Keep, tmp_path: Path) -> None:
    assert keep(BASE, include=("usr/share/app",)) == [
        "usr",
        "usr/share",
        "usr/share/app",
        "usr/share/app/.hidden",
        "usr/share/app/empty",
        "usr/share/app/index.html",
    ]
    status = (tmp_path / "root/usr/share").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o711, 7)
    assert (tmp_path / "root/usr").stat().st_mtime == 6


def test_what_is_excluded_is_left_out_even_if_it_is_included(keep: Keep) -> None:
    assert keep(BASE, include=("etc", "usr/share"), exclude=("**/*.conf", "usr/share/app/*")) == [
        "etc",
        "etc/motd",
        "usr",
        "usr/share",
        "usr/share/app",
        "usr/share/doc",
        "usr/share/doc/README",
    ]


def test_directories_in_which_nothing_is_included_are_left_out(keep: Keep) -> None:
    assert keep(BASE, include=("**/*.conf",)) == ["etc", "etc/app.conf"]


def test_a_directory_becomes_the_root(keep: Keep, tmp_path: Path) -> None:
    assert keep(BASE, strip="usr/share/app") == [".hidden", "empty", "index.html"]
    status = (tmp_path / "root").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o500, 8)


def test_a_directory_at_the_top_becomes_the_root(keep: Keep) -> None:
    layer = [directory("app"), directory("app/app"), file("app/app/app", b"x"), file("other", b"")]
    assert keep(layer, strip="app") == ["app", "app/app"]


def test_patterns_are_paths_from_the_root_of_the_image_with_strip_too(keep: Keep) -> None:
    assert keep(BASE, strip="usr/share", include=("usr/share/app",), exclude=("**/.hidden",)) == [
        "app",
        "app/empty",
        "app/index.html",
    ]


@pytest.mark.parametrize("strip", ["none", "usr/none", "etc/motd", "etc/motd/x", "lib", "lib/app", "n" * 300])
def test_a_root_that_is_no_directory_is_refused(keep: Keep, strip: str) -> None:
    with pytest.raises(NothingSelected, match="has no directory") as caught:
        keep(BASE, strip=strip)
    assert caught.value.fields["option"] == "strip"


@pytest.mark.parametrize(
    ("selection", "option"),
    [
        ({"include": ("none", "usr/share/app/x")}, "include"),
        ({"exclude": ("**",)}, "exclude"),
        ({"include": ("etc",), "exclude": ("etc",)}, "include"),
        ({"strip": "usr/share/app/empty"}, "strip"),
        ({"strip": "usr/share", "include": ("etc",)}, "include"),
        ({"strip": "usr/share", "exclude": ("usr",)}, "exclude"),
    ],
)
def test_an_empty_result_is_an_error(keep: Keep, selection: t.Any, option: str) -> None:
    with pytest.raises(NothingSelected, match="Nothing of the image is left with") as caught:
        keep(BASE, **selection)
    assert caught.value.fields["option"] == option


def test_a_pattern_that_makes_no_difference_leads_to_a_warning(keep: Keep) -> None:
    warnings: list[str] = []
    keep(BASE, include=("etc", "lib/app", "usr/share"), exclude=("etc/motd", "opt"), warnings=warnings)
    assert [text.split(";")[0] for text in warnings] == [
        "The pattern lib/app of the option include kept nothing of the image",
        "The pattern opt of the option exclude left out nothing of the image",
    ]


def test_a_hard_link_to_a_file_that_is_left_out_is_a_file(keep: Keep, tmp_path: Path) -> None:
    """Whether the file is in the same layer or in another one, and whichever of the names comes first."""
    lower = [file("data/one", b"one"), hardlink("keep/two", "data/one")]
    upper = [hardlink("keep/three", "data/one"), file("data/four", b"four"), hardlink("keep/five", "data/four")]
    assert keep(lower, upper, include=("keep",)) == ["keep", "keep/five", "keep/three", "keep/two"]
    root = tmp_path / "root"
    assert [(root / "keep" / name).read_bytes() for name in ("two", "three", "five")] == [b"one", b"one", b"four"]
    assert (root / "keep/two").stat().st_ino == (root / "keep/three").stat().st_ino


def test_whiteouts_act_as_in_the_whole_image(keep: Keep) -> None:
    lower = [file("app/a"), file("app/old/b"), file("app/dir/c"), file("app/stays")]
    upper = [whiteout("app/a"), whiteout("app/old"), opaque("app/dir"), file("app/dir/new")]
    assert keep(lower, upper, include=("app",)) == ["app", "app/dir", "app/dir/new", "app/stays"]


def test_a_whiteout_may_remove_what_is_selected(keep: Keep) -> None:
    with pytest.raises(NothingSelected):
        keep([file("app/a"), file("b")], [whiteout("app")], include=("app",))


def test_a_path_through_a_link_is_where_the_link_leads(keep: Keep) -> None:
    layer = [directory("usr/lib"), symlink("lib", "usr/lib"), file("lib/a.so", b"a"), fifo("lib/pipe")]
    assert keep(layer, include=("usr",)) == ["usr", "usr/lib", "usr/lib/a.so", "usr/lib/pipe"]


def test_links_are_kept_as_they_are_and_never_followed(keep: Keep, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    layer = [symlink("a/out", str(outside)), symlink("b/out", str(outside)), symlink("a/up", "../../outside")]
    assert keep(layer, include=("a",)) == ["a", "a/out", "a/up"]
    assert paths(outside) == ["file"]


def test_names_that_are_not_utf8(keep: Keep, tmp_path: Path) -> None:
    entries = [file(b"d\xff/a".decode("utf-8", "surrogateescape"), b"x"), file("é/b", b"y"), file("c")]
    keep(entries, include=("d?", "é"))
    assert sorted(os.listdir(os.fsencode(tmp_path / "root"))) == [b"d\xff", "é".encode()]


def test_a_tree_of_any_depth(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 1500)
    layer = [file(deep + "/kept"), file(deep + "/other"), file("d/d/other")]
    unpack(tmp_path / "root", [layer], Selection(exclude=("**/other",)))
    found = subprocess.run(
        ["find", ".", "-type", "f"], cwd=tmp_path / "root", capture_output=True, check=True, text=True
    )
    subprocess.run(["rm", "-rf", str(tmp_path / "root")], check=True)  # pytest cannot
    assert found.stdout == f"./{deep}/kept\n"


NAMES = st.sampled_from(["a", "b"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATTERNS = st.lists(NAMES | st.just("*"), min_size=1, max_size=3).map("/".join)


def is_selected(path: str, selection: Selection) -> bool:
    """What the documentation says of a path, without looking at directories that are kept for what is in them."""
    parts = path.split("/")
    above = ["/".join(parts[: length + 1]) for length in range(len(parts))]

    def hit(patterns: t.Iterable[str]) -> bool:
        return any(
            one.count("/") == pattern.count("/") and fnmatch.fnmatchcase(one, pattern)
            for one in above
            for pattern in patterns
        )

    return (not selection.include or hit(selection.include)) and not hit(selection.exclude)


@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.sets(PATHS, min_size=1, max_size=8),
    include=st.lists(PATTERNS, max_size=2),
    exclude=st.lists(PATTERNS, max_size=2),
)
def test_exactly_the_selected_files_are_kept(
    tmp_path_factory: pytest.TempPathFactory, files: set[str], include: list[str], exclude: list[str]
) -> None:
    leaves = {path for path in files if not any(other.startswith(path + "/") for other in files)}
    selection = Selection(tuple(include), tuple(exclude))
    wanted = {path for path in leaves if is_selected(path, selection)}
    root = tmp_path_factory.mktemp("selection") / "root"
    try:
        unpack(root, [[file(path, b"x") for path in sorted(leaves)]], selection, warnings=[])
    except NothingSelected:
        assert not wanted
    else:
        assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} == wanted
