# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A TreeWriter writes the same tree however the archive of a layer reaches it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.changeset import changeset
from ansible_collections.attested.registry.plugins.module_utils._unpack.layers import open_root
from ansible_collections.attested.registry.plugins.module_utils._unpack.record.record import Recording
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.confine import choose_resolver
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.inode_table import Scratch
from ansible_collections.attested.registry.plugins.module_utils._unpack.writer import Options, TreeWriter
from ansible_collections.attested.registry.tests.support.images.tar_bytes import (
    END,
    long_name,
    long_target,
    member,
    pax,
    reused_views,
    sparse_00,
    sparse_01,
    sparse_10,
    sparse_old,
)
from ansible_collections.attested.registry.tests.support.images.trees import snapshot

EVERYTHING: t.Final = b"".join(
    (
        member(b"d/", typeflag=b"5", mode=0o750),
        member(b"d/plain", bytes(range(256)) * 10),
        pax({b"path": b"d/" + b"p" * 200, b"mtime": b"1.5", b"SCHILY.xattr.user.a": b"v" * 700})
        + member(b"x", b"with records" * 100),
        long_name(b"d/" + b"n" * 200) + member(b"x", b"long name" * 99),
        long_name(b"d/" + b"l" * 200) + long_target(b"t/" * 300) + member(b"x", typeflag=b"2"),
        member(b"hard", typeflag=b"1", linkname=b"d/plain"),
        member(b"empty"),
        member(b"fifo", typeflag=b"6"),
        sparse_old(b"old", [(600 * number, b"%d" % number * 40) for number in range(0, 60, 2)], 40_000),
        sparse_00(b"0.0", [(0, b"x"), (100, b"y" * 600)], 900),
        sparse_01(b"0.1", [(0, b"x"), (100, b"y" * 600)], 900),
        sparse_10(b"1.0", [(1000 * number, b"x" * number) for number in range(100)], 900_000),
        member(b"last", b"z" * 1500),
        END,
    )
)


def write(
    root: Path, pieces: t.Iterator[bytes] | t.Iterator[memoryview], *, fresh: bool = True, digests: bool = True
) -> tuple[t.Any, bytes]:
    """Write one layer to a new directory; return the tree and its record."""
    root.mkdir()
    descriptor = open_root(str(root))
    with tempfile.TemporaryFile() as record, contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        with TreeWriter(
            descriptor,
            options=Options(ownership=False),
            resolver=choose_resolver(),
            fresh=fresh,
            warn=print,
            recording=Recording(record.fileno(), Scratch(), digests),
        ) as writer:
            writer.apply(pieces)
            writer.finish()
        record.seek(0)
        return snapshot(root), record.read()


@pytest.mark.parametrize("size", [*range(1, 514, 64), 511, 512, 513, 4096, 10**6])
def test_memory_of_a_piece_is_not_used_after_the_next_one_is_requested(tmp_path: Path, size: int) -> None:
    wanted = write(tmp_path / "plain", iter((EVERYTHING,)))
    assert write(tmp_path / "views", reused_views(EVERYTHING, size)) == wanted


def test_a_view_may_be_the_whole_archive(tmp_path: Path) -> None:
    tree, dummy = write(tmp_path / "tree", iter((memoryview(EVERYTHING),)))
    assert tree["d/plain"][-1] == bytes(range(256)) * 10
    assert tree["last"][-1] == b"z" * 1500


@pytest.mark.parametrize("fresh", [True, False])
def test_only_files_of_a_private_tree_are_created_with_their_permissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    created = {}
    real_open = os.open

    def watched(path: t.Any, flags: int, mode: int = 0o777, **more: t.Any) -> int:
        if flags & os.O_CREAT:
            created[path] = mode
        return real_open(path, flags, mode, **more)

    archive = b"".join(
        member(name, mode=mode) for name, mode in ((b"open", 0o644), (b"secret", 0o600), (b"su", 0o4755))
    )
    monkeypatch.setattr(os, "open", watched)
    tree, dummy = write(tmp_path / "tree", iter((archive + END,)), fresh=fresh)
    modes = (
        {b"open": 0o644, b"secret": 0o600, b"su": 0o755} if fresh else dict.fromkeys((b"open", b"secret", b"su"), 0o600)
    )
    assert {name: created[name] for name in modes} == modes
    # without owners, no file runs as the user who owns it instead
    assert {name: stat.S_IMODE(tree[name][0]) for name in ("open", "secret", "su")} == {
        "open": 0o644,
        "secret": 0o600,
        "su": 0o755,
    }


def test_files_are_hashed_only_for_a_record_with_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dummy, digested = write(tmp_path / "digested", iter((EVERYTHING,)))
    assert hashlib.sha256(bytes(range(256)) * 10).digest() in digested
    monkeypatch.setattr(changeset, "hashlib", None)
    tree, record = write(tmp_path / "tree", iter((EVERYTHING,)), digests=False)
    assert tree == snapshot(tmp_path / "digested")
    files = sum(stat.S_ISREG(status[0]) for path, status in tree.items() if path != ".")
    assert len(record) == len(digested) - 32 * files
    with pytest.raises(AttributeError):
        write(tmp_path / "again", iter((EVERYTHING,)))
