# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layers are unpacked one on top of the other; after a failure at any stage no thread and no file stays open."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import random
import stat
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import CollectionError
from ansible_collections.attested.registry.plugins.module_utils._destination.drift import Drift, compare
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DigestMismatch
from ansible_collections.attested.registry.plugins.module_utils._unpack import limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.changeset import file_content as content
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    DiffIdMismatch,
    FilesystemError,
    LayerInvalid,
    LimitExceeded,
    NoSpace,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.layers import (
    LayerSource,
    Options,
    Unpacked,
    open_root,
    unpack_layers,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.limits import Limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline import ahead as ahead_thread
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline.ahead import Ahead
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline.content_checks import DiffIdHash
from ansible_collections.attested.registry.plugins.module_utils._unpack.record.record import Recording
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.inode_table import Scratch
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.metadata import XattrPolicy
from ansible_collections.attested.registry.tests.support.images.tar_bytes import END, header, member, pax
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    Compression,
    compress,
    directory,
    file,
    symlink,
    tar,
    whiteout,
)
from ansible_collections.attested.registry.tests.support.processes import children
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors

LONG = 30
"""Seconds that no test waits unless it fails."""

PLAIN = Options(ownership=False, xattrs="skip")
LAYER = tar([directory("etc"), file("etc/motd", b"hello\n" * 5000), symlink("link", "etc/motd")])
UPPER = tar([file("etc/issue", b"upper"), whiteout("link")])


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> t.Iterator[None]:
    """Check that all threads have ended and no descriptor is left open."""
    threads = threading.enumerate()
    descriptors = open_descriptors()
    yield
    assert [thread for thread in threading.enumerate() if thread not in threads] == []
    assert open_descriptors() <= descriptors


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


def layer(
    data: bytes,
    name: str = "layer",
    *,
    compression: Compression = "none",
    diff_id: Digest | None = None,
    pieces: t.Callable[[], t.Iterator[bytes]] | None = None,
) -> LayerSource:
    """A layer of these bytes of a tar archive; pieces, if given, come in place of them."""
    blob = compress(data, compression)

    @contextlib.contextmanager
    def opened() -> t.Iterator[t.Iterator[bytes]]:
        yield pieces() if pieces else (blob[start : start + 1000] for start in range(0, len(blob), 1000))

    return LayerSource(name, compression, diff_id or Digest.of(data), opened)


def unpack(
    root: Path,
    *layers: LayerSource,
    options: Options = PLAIN,
    warnings: list[str] | None = None,
    recording: Recording | None = None,
    parallel: int = 2,
) -> Unpacked:
    """Unpacks into root; a warning that nobody asked for is a failure."""
    descriptor = open_root(root)
    try:
        warn = pytest.fail if warnings is None else warnings.append
        return unpack_layers(descriptor, layers, options=options, warn=warn, recording=recording, parallel=parallel)
    finally:
        os.close(descriptor)


def drift(root: Path, record: t.BinaryIO) -> Drift:
    """The differences between a tree and its record, contents included."""
    record.seek(0)
    descriptor = open_root(root)
    try:
        return compare(record, descriptor, level="content", warn=pytest.fail)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_layers_on_top_of_each_other(compression: Compression, root: Path) -> None:
    sources = (layer(LAYER, compression=compression), layer(UPPER, compression=compression))
    with tempfile.TemporaryFile() as record:
        result = unpack(root, *sources, recording=Recording(record.fileno(), Scratch(), digests=True))
        assert not drift(root, record)
        (root / "etc/issue").write_bytes((root / "etc/issue").read_bytes()[::-1] + b"!")
        assert {change.path for change in drift(root, record).changes} == {"etc/issue"}
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == ["etc", "etc/issue", "etc/motd"]
    assert (root / "etc/motd").read_bytes() == b"hello\n" * 5000
    assert (result.entries, result.size) == (5, len(LAYER) + len(UPPER))


def test_no_layers_and_empty_layers(root: Path) -> None:
    assert unpack(root).entries == 0
    assert unpack(root, layer(b"", "a", compression="none"), layer(END, "b", compression="gzip")).entries == 0
    assert list(root.iterdir()) == []
    assert (root.stat().st_mode & 0o7777, root.stat().st_mtime_ns) == (0o755, 0)


def test_a_wrong_media_type_is_a_warning(root: Path) -> None:
    source = layer(LAYER, compression="gzip")
    warnings: list[str] = []
    unpack(root, LayerSource(source.name, "zstd", source.diff_id, source.open), warnings=warnings)
    assert len(warnings) == 1
    assert (root / "etc/motd").is_file()


def test_an_undeclared_compression_is_detected(root: Path) -> None:
    source = layer(LAYER, compression="zstd")
    unpack(root, LayerSource(source.name, None, source.diff_id, source.open))
    assert (root / "etc/motd").is_file()


def broken_source(blob: bytes, failure: BaseException) -> t.Callable[[], t.Iterator[bytes]]:
    """Pieces of blob, and then the failure."""

    def pieces() -> t.Iterator[bytes]:
        yield from (blob[start : start + 1000] for start in range(0, len(blob), 1000))
        raise failure

    return pieces


class SourceFailed(CollectionError):
    kind = "timeout"


def opening_fails() -> t.ContextManager[t.Iterator[bytes]]:
    raise SourceFailed("it could not be opened")


MISMATCH = DigestMismatch("other bytes than expected", expected="a", actual="b")
GZIP = compress(LAYER, "gzip")
NOISE = random.Random(1).randbytes(2**20)
LARGE = tar([file(f"file{number}", random.Random(number).randbytes(1000) * 100) for number in range(100)])

FAILURES: dict[str, tuple[LayerSource, type[CollectionError]]] = {
    "opening": (LayerSource("bad", "gzip", Digest.of(LAYER), opening_fails), SourceFailed),
    "before the first byte": (layer(LAYER, "bad", pieces=broken_source(b"", SourceFailed("no"))), SourceFailed),
    "after the first bytes": (layer(LAYER, "bad", pieces=broken_source(GZIP[:20], SourceFailed("cut"))), SourceFailed),
    "in the middle of much": (
        layer(LARGE, "bad", pieces=broken_source(LARGE[: 8 * 2**20], SourceFailed("cut"))),
        SourceFailed,
    ),
    "at the end": (layer(LAYER, "bad", pieces=broken_source(GZIP, MISMATCH)), DigestMismatch),
    "at the end, not compressed": (layer(LAYER, "bad", pieces=broken_source(LAYER, MISMATCH)), DigestMismatch),
    "truncated gzip": (layer(LAYER, "bad", pieces=lambda: iter((GZIP[:-9],))), LayerInvalid),
    "corrupt gzip": (layer(LAYER, "bad", pieces=lambda: iter((GZIP[:60] + b"!" + GZIP[61:],))), LayerInvalid),
    "garbage after gzip": (layer(LAYER, "bad", pieces=lambda: iter((GZIP, b"garbage"))), LayerInvalid),
    "broken zstd": (layer(LAYER, "bad", pieces=lambda: iter((compress(LAYER, "zstd")[:-1],))), LayerInvalid),
    "no archive": (layer(b"this is not a tar archive" * 100, "bad"), LayerInvalid),
    "no archive, but much": (layer(b"this is not a tar archive" * 10**6, "bad"), LayerInvalid),
    "truncated archive": (layer(LAYER[:1500], "bad"), LayerInvalid),
    "entry that cannot be": (layer(member(b"x", typeflag=b"Z") + END, "bad"), LayerInvalid),
    "hard link to nowhere": (layer(member(b"x", typeflag=b"1", linkname=b"y") + END, "bad"), LayerInvalid),
    "name that is too long": (layer(tar([file("n" * 256)]), "bad"), FilesystemError),
    "other diff_id": (layer(LAYER, "bad", diff_id=Digest.of(b"another")), DiffIdMismatch),
    "something after the end of the archive": (
        layer(LAYER, "bad", diff_id=Digest.of(LAYER), pieces=lambda: iter((LAYER, b"appended"))),
        DiffIdMismatch,
    ),
    "something after the end, in a second gzip member": (
        layer(LAYER, "bad", pieces=lambda: iter((GZIP, compress(b"appended", "gzip")))),
        DiffIdMismatch,
    ),
}


@pytest.mark.parametrize(("bad", "kind"), FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_failures(bad: LayerSource, kind: type[CollectionError], position: int, root: Path) -> None:
    layers = [layer(LAYER, "first"), layer(UPPER, "second")]
    layers.insert(position, bad)
    with pytest.raises(kind) as caught:
        unpack(root, *layers, warnings=[])
    assert caught.type is kind
    assert caught.value.fields["layer"] == "bad"


def test_other_exceptions_of_a_source_are_not_converted(root: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        unpack(root, layer(LAYER, pieces=broken_source(b"", ZeroDivisionError())))


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(entries=4), "max_entries"),
        (Limits(unpacked_bytes=len(LAYER) + len(UPPER) - 1), "max_unpacked_bytes"),
    ],
)
def test_limits_count_all_layers(limits: Limits, limit: str, root: Path) -> None:
    with pytest.raises(LimitExceeded) as caught:
        unpack(root, layer(LAYER, "first"), layer(UPPER, "second"), options=Options(ownership=False, limits=limits))
    assert (caught.value.fields["limit"], caught.value.fields["layer"]) == (limit, "second")


def test_bytes_after_the_end_of_the_archive_count_too(root: Path) -> None:
    data = LAYER + bytes(10_000_000)
    options = Options(ownership=False, limits=Limits(unpacked_bytes=5_000_000))
    with pytest.raises(LimitExceeded):
        unpack(root, layer(data, compression="gzip"), options=options)


def test_a_bomb_leaves_no_more_than_the_limit(root: Path) -> None:
    data = header(b"bomb", size=2**33 - 1)
    options = Options(ownership=False, limits=Limits(unpacked_bytes=3_000_000))
    with pytest.raises(LimitExceeded, match="raise max_unpacked_bytes"):
        unpack(root, layer(b"", pieces=lambda: iter([data, *[bytes(1000)] * 10_000])), options=options)
    assert (root / "bomb").stat().st_size <= 3_000_000


class Stalled:
    """A source that sends some bytes and then waits, until somebody closes what reads it: its own time limit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, blob: bytes) -> None:
        self._blob = blob
        self._closing = threading.Event()
        self.waited = False
        close = Ahead.close

        def noticed(ahead: Ahead, **options: t.Any) -> None:
            self._closing.set()
            close(ahead, **options)

        monkeypatch.setattr(Ahead, "close", noticed)

    def pieces(self) -> t.Iterator[bytes]:
        yield self._blob
        self.waited = self._closing.wait(LONG)
        yield bytes(10)


@pytest.mark.parametrize("bad", [FAILURES["no archive"][0], FAILURES["other diff_id"][0]], ids=["archive", "diff_id"])
def test_no_failure_waits_for_the_next_layer(bad: LayerSource, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stalled = Stalled(monkeypatch, GZIP[:50])
    with pytest.raises(CollectionError) as caught:
        unpack(root, bad, layer(LAYER, "next", pieces=stalled.pieces))
    assert caught.value.fields["layer"] == "bad"
    assert stalled.waited


@pytest.mark.parametrize(
    "blob",
    [
        member(b"x", typeflag=b"Z") + bytes(2**20),
        compress(member(b"x", typeflag=b"Z") + random.Random(1).randbytes(2**20), "zstd"),
    ],
    ids=["none", "zstd"],
)
def test_no_failure_waits_for_the_rest_of_the_layer(blob: bytes, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead_thread, "PATIENCE", 0.1)
    stalled = Stalled(monkeypatch, blob)
    with pytest.raises(LayerInvalid, match="unknown type"):
        unpack(root, layer(LAYER, pieces=stalled.pieces), warnings=[])
    assert stalled.waited


def test_the_next_layer_is_opened_while_one_is_applied(root: Path) -> None:
    opened = threading.Event()

    def waiting() -> t.Iterator[bytes]:
        assert opened.wait(LONG), "the second layer was not opened before the first one had ended"
        yield LAYER

    def following() -> t.Iterator[bytes]:
        opened.set()
        yield UPPER

    unpack(root, layer(LAYER, pieces=waiting), layer(UPPER, pieces=following))
    assert (root / "etc/issue").is_file()


@pytest.mark.parametrize("parallel", [1, 2, 4])
def test_no_more_layers_are_open_than_parallel(root: Path, parallel: int) -> None:
    opened: list[tuple[int, int]] = []

    def source(number: int) -> LayerSource:
        data = tar([file(f"file{number}")])

        def pieces() -> t.Iterator[bytes]:
            opened.append((number, len([path for path in root.iterdir() if path.name.startswith("file")])))
            yield data

        return layer(data, str(number), pieces=pieces)

    unpack(root, *(source(number) for number in range(10)), parallel=parallel)
    assert sorted(number for number, dummy in opened) == list(range(10))
    assert all(number < applied + parallel for number, applied in opened)


def test_all_layers_that_may_be_open_are_opened_at_once(root: Path) -> None:
    barrier = threading.Barrier(4, timeout=LONG)

    def waiting(data: bytes) -> t.Iterator[bytes]:
        barrier.wait()
        yield data

    found = [tar([file(f"file{number}")]) for number in range(4)]
    sources = [layer(data, pieces=functools.partial(waiting, data)) for data in found]
    unpack(root, *sources, parallel=4)
    assert sorted(path.name for path in root.iterdir()) == ["file0", "file1", "file2", "file3"]


def test_sources_are_closed_when_something_fails(root: Path) -> None:
    closed = []

    def source(name: str, data: bytes) -> LayerSource:
        @contextlib.contextmanager
        def opened() -> t.Iterator[t.Iterator[bytes]]:
            try:
                yield iter([data] * 1000)
            finally:
                closed.append(name)

        return LayerSource(name, "none", Digest.of(data), opened)

    with pytest.raises(LayerInvalid):
        unpack(root, source("bad", b"nonsense" * 10_000), source("next", LAYER))
    assert sorted(closed) == ["bad", "next"]


FULL = tar([file("first", b"x" * 1000), file("large", bytes(range(256)) * 12_000), file("last")])


def test_a_full_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0
    write = os.write

    def limited(descriptor: int, data: bytes) -> int:
        nonlocal written
        written += len(data)
        if written > 1_000_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(content.os, "write", limited)
    with pytest.raises(NoSpace, match="While unpacking large: No space left on device") as caught:
        unpack(root, layer(FULL, compression="gzip"), layer(LARGE, "next"))
    assert caught.value.fields == {"path": "large", "errno": "ENOSPC", "layer": "layer"}


@pytest.mark.skipif(not children.may_mount(), reason="needs mounts of its own")
def test_a_full_tmpfs_is_an_error(root: Path) -> None:
    def fill() -> tuple[dict[str, str | int], int]:
        children.mount_tmpfs(root, "size=1m")
        with pytest.raises(NoSpace) as caught:
            unpack(root, layer(FULL, compression="gzip"), layer(LARGE, "next"))
        return caught.value.fields, threading.active_count()

    fields, threads = children.run(fill, own_mounts=True)
    assert fields == {"path": "large", "errno": "ENOSPC", "layer": "layer"}
    assert threads == 1


def test_attributes_of_directories_that_cannot_be_set(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, mode: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    data = tar([directory("etc")])
    monkeypatch.setattr(os, "fchmod", refuse)
    with pytest.raises(FilesystemError, match="attributes on the directory etc: .*EPERM") as caught:
        unpack(root, layer(data))
    assert caught.value.fields == {"path": "etc", "errno": "EPERM"}


def test_a_thread_that_cannot_be_started_leaves_no_other(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "diff_id":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        unpack(root, layer(LAYER), layer(UPPER))


def test_every_piece_is_hashed_before_it_is_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = 0
    add = DiffIdHash.add

    def counting(diff_id: DiffIdHash, piece: bytes | memoryview) -> None:
        nonlocal hashed
        hashed += len(piece)
        add(diff_id, piece)

    monkeypatch.setattr(DiffIdHash, "add", counting)
    unpack(root, layer(LAYER + bytes(7777), compression="gzip"))
    assert hashed == len(LAYER) + 7777


def test_the_root_must_be_a_directory_and_no_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(".")
    (tmp_path / "file").touch()
    for name in ("link", "file", "missing"):
        with pytest.raises(OSError, match=name):
            open_root(tmp_path / name)


UNPACK_300_MB = """
    import contextlib, hashlib, os, sys, zlib
    from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
    from ansible_collections.attested.registry.plugins.module_utils._unpack.layers import (
        LayerSource, Options, open_root, unpack_layers,
    )
    from ansible_collections.attested.registry.tests.support.images.tar_bytes import END, member

    ONE = member(b"file", os.urandom(2**20))  # each takes the place of the one before
    digest = hashlib.sha256()
    for dummy in range(300):
        digest.update(ONE)
    digest.update(END)

    def pieces():
        compressor = zlib.compressobj(0, zlib.DEFLATED, 31)
        for dummy in range(300):
            yield compressor.compress(ONE)
        yield compressor.compress(END) + compressor.flush()

    @contextlib.contextmanager
    def opened():
        yield pieces()

    layer = LayerSource("large", "gzip", Digest("sha256", digest.hexdigest()), opened)
    result = unpack_layers(open_root(sys.argv[1]), [layer], options=Options(ownership=False), warn=sys.exit)
    assert result.entries == 300, result
    with open("/proc/self/status") as status:
        print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.exhaustive
def test_memory_does_not_grow_with_the_layer(root: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(UNPACK_300_MB), str(root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert int(run.stdout) < 100_000
    assert (root / "file").stat().st_size == 2**20


@pytest.mark.parametrize("damaged", [b"no tar at all" * 100, b"\x1f\x8b\x08\x00" + bytes(2000)])
def test_a_wrong_diff_id_explains_errors_of_the_archive(damaged: bytes, root: Path) -> None:
    def pieces() -> t.Iterator[bytes]:
        yield damaged
        yield from (bytes(100_000) for dummy in range(30))
        raise DigestMismatch("the blob is another one")

    with pytest.raises(DigestMismatch, match="another one"):
        unpack(root, layer(LAYER, compression="gzip", pieces=pieces), warnings=[])


def test_a_stage_that_does_not_stop_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead_thread, "PATIENCE", 0.0)
    stalled = threading.Event()

    def pieces() -> t.Iterator[bytes]:
        stalled.wait(LONG)
        yield b"late"

    ahead = Ahead(pieces(), name="stalled")
    ahead.close()
    assert list(ahead) == []
    assert not stalled.is_set()
    stalled.set()
    ahead._thread.join(LONG)


@pytest.mark.parametrize("policy", ["keep", "skip"])
def test_attributes_that_are_kept_until_the_end_are_limited(
    policy: XattrPolicy, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HELD_XATTR_BYTES", 50)
    attributes = pax([(b"SCHILY.xattr.user.name", b"x" * 20)])
    data = b"".join(attributes + member(b"d%d" % number, typeflag=b"5") for number in range(2)) + END
    options = Options(ownership=False, xattrs=policy)
    if policy == "skip":
        assert unpack(root, layer(data), options=options).entries == 2
        return
    with pytest.raises(LimitExceeded, match="bytes of extended attributes") as caught:
        unpack(root, layer(data), options=options)
    assert caught.value.fields["limit"] == "xattr_bytes"


def test_without_ownership_setuid_and_setgid_are_cleared(root: Path) -> None:
    unpack(root, layer(tar([file("su", b"x", mode=0o6755), directory("shared", mode=0o2775)])))
    assert stat.S_IMODE((root / "su").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "shared").stat().st_mode) == 0o2775


def test_a_source_that_cannot_be_read_is_named(root: Path) -> None:
    def pieces() -> t.Iterator[bytes]:
        yield LAYER[:600]
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(FilesystemError, match="While reading the layer sha256:abc: Input/output error"):
        unpack(root, layer(LAYER, "sha256:abc", pieces=pieces))


def test_a_default_acl_of_the_directory_above_is_not_inherited(tmp_path: Path) -> None:
    entries = [(1, 7, -1), (2, 7, 65534), (4, 5, -1), (16, 7, -1), (32, 5, -1)]
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, bits, who & 0xFFFFFFFF) for tag, bits, who in entries
    )
    os.setxattr(tmp_path, "system.posix_acl_default", acl)
    root = tmp_path / "root"
    root.mkdir()
    assert "system.posix_acl_default" in os.listxattr(root)
    unpack(root, layer(LAYER), options=Options(ownership=False))
    assert [os.listxattr(path) for path in (root, root / "etc", root / "etc/motd")] == [[], [], []]
