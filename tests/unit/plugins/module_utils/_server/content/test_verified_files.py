# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unchanged files are not hashed again; a record of verified files that is damaged or not private is ignored."""

from __future__ import annotations

import hashlib
import os
import pathlib
import stat
import time
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout import checker, content
from ansible_collections.attested.registry.plugins.module_utils._layout.stored import FileIdentity
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._server.content import verified_files
from ansible_collections.attested.registry.plugins.module_utils._server.content.loading import load_snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import Snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.content.verified_files import VerifiedFiles
from ansible_collections.attested.registry.tests.support.images import images, layout_corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BIG = images.layer([images.file("big", b"x" * 200_000)], compression="none")
IMAGE = images.image([BIG])
SECOND = 1_000_000_000


class Registry:
    """A registry directory with one layout, a cache beside it, and what was read of the content."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.root = folder / "registry"
        self.cache = folder / "cache"
        self.layout = images.write_layout(self.root / "app", {"1": IMAGE})
        self.read: list[str] = []

    def load(self, *, cached: bool = True, **more: t.Any) -> Snapshot:
        """Load it, noting the digests of the content that was read for it."""
        self.read.clear()
        return load_snapshot(str(self.root), cache=str(self.cache) if cached else None, **more)


@pytest.fixture
def registry(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry(tmp_path)
    check = content.check_digest

    def note(file: t.Any, digest: Digest, **more: t.Any) -> bytes:
        made.read.append(str(digest))
        return check(file, digest, **more)

    monkeypatch.setattr(checker, "check_digest", note)
    return made


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files of the test are ten seconds old."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10 * SECOND)


ALL = sorted([BIG.digest, IMAGE.config.digest])


@pytest.mark.usefixtures("later")
def test_unchanged_files_are_not_hashed_again(registry: Registry) -> None:
    first = registry.load()
    assert sorted(registry.read) == ALL
    inode = registry.cache.stat().st_ino
    second = registry.load()
    assert registry.read == []
    assert second.repositories["app"] == first.repositories["app"]
    assert second.warnings == ()
    assert registry.cache.stat().st_ino == inode


@pytest.mark.usefixtures("later")
def test_full_reads_everything_and_still_writes_the_cache(registry: Registry) -> None:
    registry.load(verify="full")
    registry.load(verify="full")
    assert sorted(registry.read) == ALL
    registry.load()
    assert registry.read == []


@pytest.mark.usefixtures("later")
def test_without_a_cache_everything_is_read(registry: Registry) -> None:
    registry.load(cached=False)
    registry.load(cached=False)
    assert sorted(registry.read) == ALL


def test_files_changed_shortly_before_are_hashed_again(registry: Registry) -> None:
    registry.load()
    registry.load()
    assert sorted(registry.read) == ALL


@pytest.mark.usefixtures("later")
def test_changed_files_are_hashed_again(registry: Registry) -> None:
    registry.load()
    path = images.blob_path(registry.layout, BIG.digest)
    before = path.stat()
    layout_corpus.flip(BIG.digest)(registry.layout)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (left,) = registry.load().left_out
    assert (left.kind, registry.read) == ("wrong_digest", [BIG.digest])
    # and that it was wrong is not a thing to remember
    registry.load()
    assert registry.read == [BIG.digest]


@pytest.mark.usefixtures("later")
def test_the_cache_is_trusted_unless_verify_is_full(registry: Registry) -> None:
    layout_corpus.flip(BIG.digest)(registry.layout)
    files = VerifiedFiles()
    identity = FileIdentity.of(images.blob_path(registry.layout, BIG.digest).stat())
    files.record(Digest.parse(BIG.digest), identity, began_ns=time.time_ns())
    assert files.save(str(registry.cache)) is None
    assert registry.load().left_out == ()
    assert [left.kind for left in registry.load(verify="full").left_out] == ["wrong_digest"]


@pytest.mark.usefixtures("later")
def test_one_file_under_two_digests_is_two_things(registry: Registry) -> None:
    registry.load()
    other = images.Content(b"?" * BIG.size, "text/plain", algorithm="sha512", stored=False)
    images.write_layout(registry.layout, {"1": IMAGE, "2": images.artifact("a/b", [other])})
    registry.load()
    path = images.blob_path(registry.layout, other.digest)
    path.parent.mkdir()
    os.link(images.blob_path(registry.layout, BIG.digest), path)
    assert [left.kind for left in registry.load().left_out] == ["wrong_digest"]


@pytest.mark.usefixtures("later")
def test_removed_files_are_removed_from_the_cache(registry: Registry) -> None:
    registry.load()
    size = registry.cache.stat().st_size
    images.write_layout(registry.root / "other", {"1": layout_corpus.IMAGE})
    registry.load()
    assert registry.cache.stat().st_size > size
    (registry.root / "other").rename(registry.root / ".other")
    registry.load()
    assert registry.cache.stat().st_size == size


@pytest.mark.usefixtures("later")
def test_a_layout_that_is_left_out_is_remembered_as_far_as_it_is_good(registry: Registry) -> None:
    layout_corpus.missing(IMAGE.config.digest)(registry.layout)
    assert registry.load().repositories == {}
    assert registry.load().repositories == {}
    assert registry.read == []


@pytest.mark.usefixtures("later")
def test_the_previous_snapshot_serves_as_well(registry: Registry) -> None:
    previous = registry.load(cached=False)
    registry.load(cached=False, previous=previous)
    assert registry.read == []
    registry.load(cached=False, previous=previous, verify="full")
    assert sorted(registry.read) == ALL
    registry.load(previous=previous)
    assert registry.read == []
    registry.load()
    assert registry.read == []


def test_a_previous_snapshot_of_files_that_had_just_changed(registry: Registry) -> None:
    previous = registry.load(cached=False)
    registry.load(cached=False, previous=previous)
    assert sorted(registry.read) == ALL


# The file.
@pytest.mark.usefixtures("later")
def test_the_file_is_for_this_user_alone(registry: Registry) -> None:
    registry.load()
    assert stat.S_IMODE(registry.cache.stat().st_mode) == 0o600
    assert sorted(os.listdir(registry.cache.parent)) == ["cache", "registry"]


def _signed(entries: bytes) -> bytes:
    data = b"attested.registry verified files 1\n" + entries
    return data + b"end " + hashlib.sha256(data).hexdigest().encode() + b"\n"


def _write(data: bytes) -> t.Callable[[pathlib.Path], object]:
    return lambda path: path.write_bytes(data)


def _spoil(change: t.Callable[[bytes], bytes]) -> t.Callable[[pathlib.Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def _link(path: pathlib.Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _fifo(path: pathlib.Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _chmod(mode: int) -> t.Callable[[pathlib.Path], object]:
    return lambda path: path.chmod(mode)


ENTRY = f"{BIG.digest} 1 2 3 4 5".encode()
UNUSABLE: dict[str, t.Callable[[pathlib.Path], object]] = {
    "empty": _write(b""),
    "other": _write(b"#!/bin/sh\n"),
    "truncated": _spoil(lambda data: data[:-1]),
    "half": _spoil(lambda data: data[: len(data) // 2]),
    "no end": _spoil(lambda data: data[:-69]),
    "one digit": _spoil(lambda data: data.replace(b" 2", b" 3", 1)),
    "more": _spoil(lambda data: data + b"\n"),
    "an entry that is none": _write(_signed(ENTRY + b" 6\n")),
    "a digest that is none": _write(_signed(b"md5:00 1 2 3 4 5\n")),
    "half an entry": _write(_signed(ENTRY)),
    "an empty line": _write(_signed(ENTRY + b"\n\n")),
    "a later version": _spoil(lambda data: data.replace(b"files 1\n", b"files 2\n")),
    "huge": lambda path: os.truncate(path, verified_files.MAX_BYTES + 1),
    "link": _link,
    "fifo": _fifo,
    "writable by the group": _chmod(0o660),
    "writable by all": _chmod(0o602),
}


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_cache_is_replaced(registry: Registry, name: str) -> None:
    registry.load()
    UNUSABLE[name](registry.cache)
    snapshot = registry.load()
    assert sorted(registry.read) == ALL
    assert len(snapshot.warnings) == 1
    assert str(registry.cache) in snapshot.warnings[0]
    assert "is ignored" in snapshot.warnings[0]
    assert registry.load().warnings == ()
    assert registry.read == []
    assert stat.S_IMODE(registry.cache.lstat().st_mode) == 0o600


def test_a_file_that_is_too_large_is_not_even_read(tmp_path: pathlib.Path) -> None:
    (tmp_path / "cache").touch()
    os.truncate(tmp_path / "cache", 1 << 40)
    warning = VerifiedFiles().trust_file(str(tmp_path / "cache"))
    assert warning is not None
    assert "limit" in warning


@pytest.mark.usefixtures("later")
def test_a_file_of_another_user_is_not_used(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.load()
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    (warning,) = registry.load().warnings
    assert "another user" in warning
    assert sorted(registry.read) == ALL


@pytest.mark.usefixtures("later")
def test_a_cache_that_cannot_be_written_is_a_warning(registry: Registry) -> None:
    registry.cache = registry.cache / "nowhere"
    snapshot = registry.load()
    assert set(snapshot.repositories) == {"app"}
    (warning,) = snapshot.warnings
    assert "No such file" in warning
    registry.cache = registry.root
    assert len(registry.load().warnings) == 2
    assert os.listdir(registry.root) == ["app"]


@pytest.mark.usefixtures("later")
def test_a_file_that_would_be_too_large_is_not_written(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_files, "MAX_BYTES", 100)
    (warning,) = registry.load().warnings
    assert "limit" in warning
    assert not registry.cache.exists()


numbers = st.integers(0, 2**64 - 1)
identities = st.builds(FileIdentity, numbers, numbers, numbers, st.integers(-(2**63), 2**63), st.integers(0, 2**60))
digests = st.sampled_from(["sha256", "sha384", "sha512"]).flatmap(
    lambda algorithm: st.binary(max_size=4).map(lambda data: Digest.of(data, algorithm))
)
on_disk = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@on_disk
@given(entries=st.lists(st.tuples(digests, identities)))
def test_saved_entries_are_known_and_no_others(
    tmp_path: pathlib.Path, entries: list[tuple[Digest, FileIdentity]]
) -> None:
    path = str(tmp_path / "cache")
    files, again = VerifiedFiles(), VerifiedFiles()
    for digest, identity in entries:
        files.record(digest, identity, began_ns=2**64)
    assert files.save(path) is None
    assert again.trust_file(path) is None
    for digest, identity in entries:
        assert again.knows(digest, identity)
        assert again.knows(digest, identity)
        assert (digest, identity._replace(ctime_ns=-1)) in entries or not again.knows(
            digest, identity._replace(ctime_ns=-1)
        )


@on_disk
@given(data=st.binary() | st.binary().map(_signed), entry=st.tuples(digests, identities))
def test_any_file(tmp_path: pathlib.Path, data: bytes, entry: tuple[Digest, FileIdentity]) -> None:
    path = tmp_path / "cache"
    path.write_bytes(data)
    files = VerifiedFiles()
    warning = files.trust_file(str(path))
    assert (warning is None) == (data == _signed(b""))
    assert not files.knows(*entry)


@on_disk
@given(where=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_damage_is_noticed(tmp_path: pathlib.Path, where: int, bit: int) -> None:
    files, path = VerifiedFiles(), tmp_path / "cache"
    files.record(Digest.of(b""), FileIdentity(1, 2, 3, 4, 5), began_ns=2**62)
    files.save(str(path))
    data = bytearray(path.read_bytes())
    data[where % len(data)] ^= 1 << bit
    path.write_bytes(bytes(data))
    assert files.trust_file(str(path)) is not None
