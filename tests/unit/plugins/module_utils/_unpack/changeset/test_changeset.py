# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""unpack_layers reports errors, digests and warnings, closes its descriptors, and applies layers to existing trees."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import resource
import tempfile
import threading
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import CollectionError
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    FilesystemError,
    LayerInvalid,
    NoSpace,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.record.reader import END, TreeRecordReader
from ansible_collections.attested.registry.plugins.module_utils._unpack.record.record import Recording
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.inode_table import Scratch
from ansible_collections.attested.registry.tests.support.images.layer_maker import Box, layer_source
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

FULL = [
    directory("d", mode=0o700),
    file("d/f", b"x" * 30_000),
    symlink("s", "d"),
    file("s/g", b"y"),
    hardlink("d/h", "s/f"),
    fifo("p"),
    device("n", "c", 1, 3),
]


def recorded_digests(record: t.BinaryIO) -> set[bytes]:
    """The digests of all files in a record."""
    reader, found = TreeRecordReader(record), set()
    while reader.depth != END:
        block = reader.next(reader.depth)
        contents = block.contents(block.entries(), xattrs=reader.xattrs, digests=reader.digests)
        found |= {content.data for content in contents.values()}
    return found


def test_the_counts_cover_all_layers(box: Box) -> None:
    unpacked = box.unpack(FULL, [whiteout("p")], [])
    assert unpacked.entries == len(FULL) + 1
    assert unpacked.size == sum(len(layer) for layer in (_tar(FULL), _tar([whiteout("p")]), _tar([])))


def test_digests_are_those_of_the_files_by_inode_number(box: Box) -> None:
    sparse = {"GNU.sparse.size": "100000", "GNU.sparse.map": "5000,3,90000,4", "GNU.sparse.numblocks": "2"}
    lower = [
        file("a", b"1"),
        file("b", b"2" * 70_000),
        hardlink("c", "b"),
        file("empty"),
        file("holes", b"xyzabcd", pax=sparse),
    ]
    with tempfile.TemporaryFile() as record:
        layers = [lower, [file("a", b"new"), file("d/e", b"3"), whiteout("empty")]]
        box.unpack(*layers, recording=Recording(record.fileno(), Scratch(), digests=True))
        record.seek(0)
        digests = recorded_digests(record)
    files = [status for status in box.survey().values() if status.kind == "file"]
    assert len(files) == 5
    for status in files:
        assert isinstance(status.data, bytes)
        assert hashlib.sha256(status.data).digest() in digests
    holes = box.status("holes").data
    assert holes == bytes(5000) + b"xyz" + bytes(84997) + b"abcd" + bytes(9996)


@pytest.mark.parametrize(
    ("entries", "path"),
    [
        ([directory("d"), hardlink("d/\x1b[31m", "missing")], "d/\\x1b[31m"),
        ([file("../../n\nm/.wh.")], "../../n\\nm/.wh."),
        ([symlink("\udcff", "")], "\\udcff"),
        ([file("x" * 300)], "x" * 256 + "..."),
    ],
)
def test_errors_name_the_layer_and_the_path_in_characters_that_can_be_shown(
    box: Box, entries: list[Entry], path: str
) -> None:
    sources = [layer_source([], name="sha256:1"), layer_source(entries, name="sha256:2")]
    with pytest.raises(CollectionError) as caught:
        box.unpack_sources(sources)
    assert caught.value.fields["layer"] == "sha256:2"
    assert caught.value.fields["path"] == path
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, NoSpace), (errno.EDQUOT, NoSpace), (errno.EROFS, FilesystemError), (errno.EIO, FilesystemError)],
)
@pytest.mark.parametrize(
    "call",
    ["open", "write", "mkdir", "symlink", "link", "mkfifo", "unlink", "rmdir", "fchown", "fchmod", "utime", "stat"],
)
def test_what_the_operating_system_refuses_is_one_kind_of_error(
    box: Box, monkeypatch: pytest.MonkeyPatch, call: str, number: int, error: type[FilesystemError]
) -> None:
    box.apart = False
    box.unpack([file("old"), file("gone/f"), symlink("hidden", "x")])
    failing = {"mkfifo": "mknod"}.get(call, call)
    genuine = getattr(os, failing)

    def refuse(*arguments: t.Any, **options: t.Any) -> t.Any:
        # the directories of the test itself are opened by name
        if call == "open" and "dir_fd" not in options:
            return genuine(*arguments, **options)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, failing, refuse)
    layer = [whiteout("hidden"), whiteout("gone"), file("f", b"x"), directory("d"), symlink("s", "t"), fifo("p")]
    with pytest.raises(error, match=errno.errorcode[number]) as caught:
        box.unpack([hardlink("l", "old")] if call == "link" else layer, fresh=False)
    monkeypatch.undo()
    assert caught.type is error
    assert caught.value.fields["errno"] == errno.errorcode[number]


def test_an_error_at_the_end_of_the_layer_names_what_was_hidden(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*dummy_arguments: object, **dummy_options: object) -> t.NoReturn:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    box.unpack([file("f"), file("d/f")])
    for name in ("f", "d/f"):
        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", refuse)
            with pytest.raises(FilesystemError, match=f"While unpacking {name}: ") as caught:
                box.unpack([whiteout(name)], fresh=False)
        assert caught.value.fields["path"] == name


class Descriptors:
    """While it lasts, the process may open so many descriptors and no more."""

    def __init__(self, more: int) -> None:
        self._more = more

    def __enter__(self) -> None:
        self._limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        taken = set(map(int, os.listdir("/proc/self/fd")))
        free = (number for number in itertools.count() if number not in taken)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, self._more, None)), self._limits[1]))

    def __exit__(self, *dummy: object) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, self._limits)


def test_a_few_descriptors_are_enough_for_any_tree(box: Box) -> None:
    wide = [file(f"w{number}/f") for number in range(300)]
    deep = "/".join("d" * 600)
    with Descriptors(160):
        box.unpack(
            [
                *wide,
                file(f"{deep}/f"),
                symlink("s", deep),
                file("s/g"),
                symlink("t", f"{deep}/new/{deep}"),
                file("t/x"),
            ],
            [file(f"w{number}/g") for number in range(300)],
            [opaque("d"), whiteout("w7"), *[whiteout(f"w{number}/f") for number in range(300)]],
        )
    assert box.tree()["w8/g"] == b""
    assert box.tree()["d"] == "/"


@pytest.mark.parametrize("more", range(2, 12))
def test_too_few_descriptors_are_an_error(box: Box, more: int) -> None:
    deep = "/".join("d" * 20)
    with Descriptors(more), pytest.raises(FilesystemError, match="EMFILE.*raise the limit of open files"):
        box.unpack([file(f"{deep}/f"), symlink("s", deep), file("s/g")], [whiteout("s/f"), opaque("s")])


def test_threads_end_with_the_unpack(box: Box) -> None:
    before = threading.active_count()
    box.unpack(FULL)
    with pytest.raises(LayerInvalid):
        box.unpack([file(".."), file("big", bytes(9_000_000))], FULL, fresh=False)
    assert threading.active_count() == before


def test_an_existing_tree_counts_as_lower_layers(box: Box) -> None:
    (box.root / "d").mkdir()
    (box.root / "d" / "old").write_bytes(b"old")
    (box.root / "kept").write_bytes(b"kept")
    os.chmod(box.root, 0o751)
    os.utime(box.root, ns=(5, 5))
    box.unpack([opaque("d"), file("d/new", b"new")], fresh=False)
    assert box.tree() == {"d": "/", "d/new": b"new", "kept": b"kept"}
    assert (box.status(".").mode, box.status(".").mtime) == (0o751, 5)


def test_without_layers_the_root_is_an_implied_directory(box: Box) -> None:
    unpacked = box.unpack()
    assert (unpacked.entries, unpacked.size) == (0, 0)
    status = box.status(".")
    assert (status.mode, status.uid, status.gid, status.mtime, box.tree()) == (0o755, 0, 0, 0, {})


def _tar(entries: list[Entry]) -> bytes:
    with layer_source(entries).open() as pieces:
        return b"".join(pieces)
