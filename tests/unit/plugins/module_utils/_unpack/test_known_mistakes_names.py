# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Known mistakes of unpackers do not occur: long, deep and unusual names (class 36)."""

from __future__ import annotations

import os
import tarfile
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import FilesystemError, LayerInvalid
from ansible_collections.attested.registry.tests.support.images.layer_maker import Box
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    directory,
    file,
    hardlink,
    opaque,
    symlink,
    tar,
    whiteout,
)

LONG = "x" * 255
NAMES = [
    *[
        "100/" + "a" * 96,
        "b" * 101,
        "/".join(["c" * 80] * 3),
        f"{LONG}/{LONG}",
        "/".join([LONG] * 15),
        "/".join("d" * 300),
    ],
    *["bytes \udcff\udc80", "new\nline", "tab\tand\\slash", " space ", "\u00e4\u20ac", "a=b", "...", "-rf", "*"],
]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_36_names_are_exact_bytes(box: Box, name: str, form: t.Literal[0, 1, 2]) -> None:
    try:
        archive = tar([file(name, b"new"), symlink("link", name), hardlink("same", name)], tar_format=form)
    except ValueError:
        assert form == tarfile.USTAR_FORMAT
        return
    box.unpack(archive)
    assert os.readlink(os.path.join(box.root, "link")) == name
    assert os.stat(box.root / name).st_nlink == 2
    assert (box.root / name).read_bytes() == b"new"


@pytest.mark.parametrize("name", ["x" * 256, "d/" + "x" * 1000 + "/f"])
def test_36_a_component_that_no_file_system_holds_is_an_error(box: Box, name: str) -> None:
    with pytest.raises(FilesystemError, match="ENAMETOOLONG"):
        box.unpack([file(name)])
    assert set(box.tree()) <= {"d"}


def test_36_a_path_longer_than_linux_allows_is_refused(box: Box) -> None:
    deep = "d/" * 2046
    box.unpack([file(deep + "abc")])
    for refused in (file(deep + "abcd"), directory(deep + "abc"), whiteout(deep)):
        with pytest.raises(LayerInvalid, match="4096 bytes long, more than the 4095"):
            box.unpack([refused], fresh=False)


@pytest.mark.parametrize("target", ["x" * 4096, "x" * 10000])
def test_36_a_link_target_that_linux_does_not_hold_is_an_error(box: Box, target: str) -> None:
    with pytest.raises(FilesystemError, match="unpacking n: .*ENAMETOOLONG"):
        box.unpack([symlink("n", target)])
    with pytest.raises(LayerInvalid, match=f"{len(target)} bytes long"):
        box.unpack([hardlink("n", target)], fresh=False)


@pytest.mark.parametrize("pax", [{"path": "a\0b"}, {"linkpath": "a\0b"}, {"SCHILY.xattr.user.a\0b": "x"}])
def test_36_a_nul_in_a_name_is_refused(box: Box, pax: dict[str, str]) -> None:
    with pytest.raises(LayerInvalid, match="NUL"):
        box.unpack([symlink("n", "to", pax=pax)])
    assert box.tree() == {}


def test_36_a_tree_deeper_than_any_path_is_made_hidden_and_replaced(box: Box) -> None:
    deep = "/".join("d" * 1500)
    box.unpack(
        [
            *[directory("s0"), file(f"s0/{deep}/f"), symlink("s1", f"s0/{deep}")],
            *[file(f"s1/{deep}/f"), symlink("s2", f"s1/{deep}"), file("s2/x/old")],
        ],
        [whiteout(f"s1/{deep}/f"), file("s2/new", b"new"), opaque("s2/x")],
    )
    assert (box.root / "s2" / "new").read_bytes() == b"new"
    assert sorted(os.listdir(box.root / "s2")) == ["new", "x"]
    box.unpack([whiteout("s0")], fresh=False)
    assert box.tree() == {"s1": f"-> s0/{deep}", "s2": f"-> s1/{deep}"}
