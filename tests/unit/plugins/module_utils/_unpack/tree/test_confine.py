# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A path is resolved inside the root, the same by openat2(2) and by the walk that replaces it on old kernels."""

from __future__ import annotations

import ctypes
import errno
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree import confine
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.confine import (
    MAXIMUM_LINKS,
    PathResolver,
    choose_resolver,
    kernel_resolver,
    walk,
)
from ansible_collections.attested.registry.tests.support.images.layer_maker import RESOLVERS, resolver_named
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors


@pytest.fixture(params=RESOLVERS)
def resolve(request: pytest.FixtureRequest) -> PathResolver:
    return resolver_named(request.param)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A root with directories and links, and a neighbour that the links try to reach."""
    root = tmp_path / "root"
    for name in ("a/b/c", "cousinparent/cousin", "subdir", "victim"):
        (root / name).mkdir(parents=True)
    (tmp_path / "victim" / "outside").mkdir(parents=True)
    (root / "file").touch()
    links = {
        "a/b/out": "../../../victim",
        "a/up": "..",
        "above": "../../../..",
        "absolute": "/a/b",
        "dangling": "a/missing",
        "dot": ".",
        "host": str(tmp_path / "victim"),
        "loop": "loop",
        "magic": "/proc/self/root",
        "missing_up": "no/../a",
        "out": "../victim",
        "ping": "pong",
        "pong": "ping",
        "relative": "a/b",
        "slashes": "//a///b//",
        "subdir/link": "../cousinparent/cousin",
        "through": "absolute/c",
        "to_file": "file",
        "to_root": "/",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    return root


def opened(root: Path, path: str, resolve: PathResolver, **options: t.Any) -> str:
    """Where path leads, relative to the root."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = resolve(descriptor, os.fsencode(path), **options)
    finally:
        os.close(descriptor)
    try:
        assert not os.get_inheritable(found)
        return os.path.relpath(os.readlink(f"/proc/self/fd/{found}"), root)
    finally:
        os.close(found)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "."),
        (".", "."),
        ("/", "."),
        ("..", "."),
        ("../../a", "a"),
        ("a/b/c", "a/b/c"),
        ("/a//b/./c/", "a/b/c"),
        ("absolute", "a/b"),
        ("absolute/c", "a/b/c"),
        ("relative/..", "a"),
        ("a/up", "."),
        ("a/up/a/up/a/b", "a/b"),
        ("above", "."),
        ("above/above/a", "a"),
        ("to_root/to_root/a", "a"),
        ("dot/dot/a", "a"),
        ("slashes/c", "a/b/c"),
        ("through", "a/b/c"),
        ("through/../..", "a"),
        ("subdir/link/..", "cousinparent"),
        ("out", "victim"),
        ("a/b/out", "victim"),
    ],
)
def test_what_a_path_leads_to(place: Path, resolve: PathResolver, path: str, expected: str) -> None:
    assert opened(place, path, resolve) == expected


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("missing", errno.ENOENT),
        ("a/missing/..", errno.ENOENT),
        ("dangling", errno.ENOENT),
        ("missing_up", errno.ENOENT),
        ("out/outside", errno.ENOENT),
        ("host", errno.ENOENT),
        ("magic", errno.ENOENT),
        ("file", errno.ENOTDIR),
        ("to_file", errno.ENOTDIR),
        ("file/x", errno.ENOTDIR),
        ("to_file/..", errno.ENOTDIR),
        ("loop", errno.ELOOP),
        ("ping/x", errno.ELOOP),
        ("x" * 256, errno.ENAMETOOLONG),
    ],
)
def test_what_leads_nowhere(place: Path, resolve: PathResolver, path: str, number: int) -> None:
    before = open_descriptors()
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        opened(place, path, resolve)
    assert caught.value.errno == number
    assert open_descriptors() <= before


@pytest.mark.parametrize("length", [MAXIMUM_LINKS - 1, MAXIMUM_LINKS, MAXIMUM_LINKS + 1])
def test_the_number_of_links(place: Path, resolve: PathResolver, length: int) -> None:
    for number in range(length):
        (place / f"s{number}").symlink_to(f"s{number + 1}" if number < length - 1 else "a")
    if length <= MAXIMUM_LINKS:
        assert opened(place, "s0", resolve) == "a"
    else:
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            opened(place, "s0", resolve)


@pytest.mark.parametrize(
    ("path", "made", "expected"),
    [
        ("dangling", ["a/missing"], "a/missing"),
        ("dangling/x/y", ["a/missing", "a/missing/x", "a/missing/x/y"], "a/missing/x/y"),
        ("out/new", ["victim/new"], "victim/new"),
        ("missing_up/new", ["no", "a/new"], "a/new"),
        ("a/b/c", [], "a/b/c"),
        ("../../new", ["new"], "new"),
    ],
)
def test_the_walk_makes_what_is_missing(place: Path, path: str, made: list[str], expected: str) -> None:
    seen: list[str] = []

    def make(parent: int, name: bytes) -> None:
        os.mkdir(name, dir_fd=parent)
        where = os.path.relpath(os.readlink(f"/proc/self/fd/{parent}"), place)
        seen.append(os.path.normpath(os.path.join(where, os.fsdecode(name))))

    assert opened(place, path, walk, make=make) == expected
    assert seen == made


def test_the_walk_makes_nothing_through_a_file_or_in_circles(place: Path) -> None:
    for path, number in (("to_file/x", errno.ENOTDIR), ("loop/x", errno.ELOOP)):
        with pytest.raises(OSError, match=os.strerror(number)):
            opened(place, path, walk, make=lambda *dummy: pytest.fail("nothing is to be made"))


def test_the_walk_notices_that_it_was_moved_away(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readlink = os.readlink
    (place / "a" / "b" / "back").symlink_to("../../victim")

    def move(name: bytes, **options: t.Any) -> bytes:
        os.rename(place / "a" / "b", place.parent / "victim" / "b")
        return readlink(name, **options)

    monkeypatch.setattr(os, "readlink", move)
    with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
        opened(place, "a/b/back", walk)


class Libc:
    """A C library whose openat2 fails with these error numbers, one after the other, and then opens the root."""

    def __init__(self, numbers: t.Iterable[int]) -> None:
        self.numbers = iter(numbers)
        self.calls = 0

    def syscall(self, *arguments: t.Any) -> int:
        self.calls += 1
        number = next(self.numbers, None)
        if number is None:
            return os.dup(arguments[1])
        ctypes.set_errno(number)
        return -1


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM, errno.EACCES])
def test_without_openat2_the_walk_is_chosen(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    before = open_descriptors()
    monkeypatch.setattr(confine.ctypes, "CDLL", lambda *dummy, **options: Libc([number]))
    assert kernel_resolver() is None
    monkeypatch.setattr(confine.ctypes, "CDLL", lambda *dummy, **options: Libc([number]))
    assert choose_resolver() is walk
    assert open_descriptors() <= before


def test_with_openat2_it_is_chosen() -> None:
    resolver_named("openat2")
    assert choose_resolver() is not walk


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EINTR])
def test_openat2_is_asked_again_when_something_was_renamed_meanwhile(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    libc = Libc([])
    monkeypatch.setattr(confine.ctypes, "CDLL", lambda *dummy, **options: libc)
    resolve = kernel_resolver()
    assert resolve is not None
    libc.numbers = iter([number] * 100)
    assert opened(place, "anything", resolve) == "."
    libc.numbers, libc.calls = iter([number] * 1000), 0
    with pytest.raises(OSError, match=os.strerror(number)):
        opened(place, "anything", resolve)
    assert libc.calls == 128
