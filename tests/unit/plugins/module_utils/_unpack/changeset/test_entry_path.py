# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The path of a tar entry is split into directory and name, and never leads above the root."""

from __future__ import annotations

import posixpath

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.changeset.entry_path import split_path
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LayerInvalid
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"a", (b"", b"a")),
        (b"a/b/c", (b"a/b", b"c")),
        (b"/etc/passwd", (b"etc", b"passwd")),
        (b"///etc///passwd///", (b"etc", b"passwd")),
        (b"./a/./b/.", (b"a", b"b")),
        (b"dir/", (b"", b"dir")),
        (b"..", (b"", b"")),
        (b"../../x", (b"", b"x")),
        (b"/../x", (b"", b"x")),
        (b"a/../../x", (b"", b"x")),
        (b"a/b/../c", (b"a", b"c")),
        (b"a/b/..", (b"", b"a")),
        (b"dne/../.wh.etc", (b"", b".wh.etc")),
        (b"", (b"", b"")),
        (b".", (b"", b"")),
        (b"/", (b"", b"")),
        (b"./", (b"", b"")),
        (b"/.", (b"", b"")),
        (b"./././", (b"", b"")),
        (b"...", (b"", b"...")),
        (b"..a/b..", (b"..a", b"b..")),
        (b".hidden/.file", (b".hidden", b".file")),
        (b"a/.wh..wh..opq", (b"a", b".wh..wh..opq")),
        (b" / ", (b" ", b" ")),
        (b"a\nb/\xff\xfe", (b"a\nb", b"\xff\xfe")),
        (b"a\\..\\b", (b"", b"a\\..\\b")),
        (b"d/" * 2047 + b"x", (b"/".join([b"d"] * 2047), b"x")),
    ],
)
def test_directory_and_name(path: bytes, expected: tuple[bytes, bytes]) -> None:
    assert split_path(path) == expected


@pytest.mark.parametrize("path", [b"x" * 4096, b"a/" * 2048, b"/" * 5000, b"../" * 1_000_000])
def test_longer_than_linux_can_name(path: bytes) -> None:
    with pytest.raises(LayerInvalid, match=f"path is {len(path)} bytes long, more than the 4095") as caught:
        split_path(path)
    assert len(caught.value.message) < 300


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"", b".", b"..", b"a", b"b.", b".wh.c", b"\xff"])).map(b"/".join))
def test_the_same_as_posix_says_for_a_path_below_the_root(path: bytes) -> None:
    directory, name = split_path(path)
    assert b"/" + (directory + b"/" + name if directory else name) == posixpath.normpath(b"/" + path.lstrip(b"/"))


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_nothing_leads_above_the_root_whatever_the_bytes(path: bytes) -> None:
    directory, name = split_path(path)
    components = directory.split(b"/") if directory else []
    assert not {b"", b".", b".."} & set(components)
    assert name not in (b".", b"..")
    assert b"/" not in name
    assert name or not directory
    assert split_path(directory + b"/" + name) == (directory, name)
