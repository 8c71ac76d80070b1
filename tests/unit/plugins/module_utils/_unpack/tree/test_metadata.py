# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Owner, mode, times and extended attributes are set as the layer states; what cannot be set is warned about."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.changeset.file_content import CREATE
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.metadata import (
    Attributes,
    Attributor,
    XattrPolicy,
    set_mtime,
)
from ansible_collections.attested.registry.tests.support.images.layer_maker import require_root

CAPABILITY = "security.capability"
CAP_NET_RAW = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)
TIME = 1721396696_123456789


def attributes(**fields: t.Any) -> Attributes:
    return Attributes(0o644, os.getuid(), os.getgid(), TIME, {})._replace(**fields)


class Calls:
    """Stands for setxattr(2): notes what is set, and refuses some names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **refused: int) -> None:
        self.set: list[tuple[str, bytes]] = []
        self._refused = refused
        monkeypatch.setattr(os, "setxattr", self)

    def __call__(self, where: object, name: bytes, value: bytes, *, follow_symlinks: bool) -> None:
        text = name.decode("utf-8", "surrogateescape")
        number = self._refused.get(text.partition(".")[0])
        if number is not None:
            raise OSError(number, os.strerror(number))
        self.set.append((text, value))


class Place:
    """A directory with a file, a link and a fifo, and an Attributor whose warnings are kept."""

    def __init__(self, top: Path) -> None:
        self.top = top
        (top / "victim").write_bytes(b"untouched")
        (top / "victim").chmod(0o640)
        os.utime(top / "victim", ns=(5, 5))
        (top / "file").write_bytes(b"content")
        (top / "link").symlink_to("victim")
        os.mkfifo(top / "fifo", 0o600)
        self.warnings: list[str] = []

    def attributor(self, *, ownership: bool = True, xattrs: XattrPolicy = "keep") -> Attributor:
        return Attributor(ownership=ownership, xattrs=xattrs, warn=self.warnings.append)

    @contextlib.contextmanager
    def opened(self, name: str) -> t.Iterator[int]:
        descriptor = os.open(self.top / name, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def set_open(self, wanted: Attributes, *, name: str = "file", **options: t.Any) -> os.stat_result:
        with self.opened(name) as descriptor:
            self.attributor(**options).set_open(descriptor, wanted)
        return os.lstat(self.top / name)

    def set_symlink(self, wanted: Attributes, **options: t.Any) -> os.stat_result:
        with self.opened(".") as directory:
            self.attributor(**options).set_symlink(directory, b"link", wanted)
        return os.lstat(self.top / "link")

    def set_node(self, wanted: Attributes, **options: t.Any) -> os.stat_result:
        with self.opened(".") as directory:
            self.attributor(**options).set_node(directory, b"fifo", wanted)
        return os.lstat(self.top / "fifo")


@pytest.fixture
def place(tmp_path: Path) -> t.Iterator[Place]:
    require_root()
    yield Place(tmp_path)
    status = os.lstat(tmp_path / "victim")
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_mtime_ns) == (0o640, os.getuid(), 5)
    assert os.listxattr(tmp_path / "victim") == []


@pytest.mark.parametrize("mode", [0o644, 0o7777, 0o4755, 0o2711, 0o1777, 0, 0o100644, 2**60 + 0o6751])
def test_mode_with_its_special_bits_survives_a_change_of_owner(mode: int, place: Place) -> None:
    wanted = attributes(mode=mode, uid=1234, gid=2**32 - 2)
    for status in (place.set_open(wanted), place.set_node(wanted)):
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode & 0o7777, 1234, 2**32 - 2)
        assert status.st_mtime_ns == TIME


def test_capabilities_survive_a_change_of_owner(place: Place) -> None:
    place.set_open(attributes(uid=1234, mode=0o4755, xattrs={CAPABILITY: CAP_NET_RAW}))
    assert os.getxattr(place.top / "file", CAPABILITY) == CAP_NET_RAW
    assert stat.S_IMODE(os.lstat(place.top / "file").st_mode) == 0o4755
    assert place.warnings == []


def test_a_link_gets_owner_and_time_and_what_it_leads_to_gets_nothing(place: Place) -> None:
    status = place.set_symlink(attributes(uid=1234, gid=5678, mode=0))
    assert (status.st_uid, status.st_gid, status.st_mtime_ns) == (1234, 5678, TIME)
    assert stat.S_ISLNK(status.st_mode)


def test_without_ownership_nothing_is_given_away(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("chown", "fchown"):
        monkeypatch.setattr(os, name, lambda *dummy, **dummy_too: pytest.fail("the owner was changed"))
    wanted = attributes(uid=1234, mode=0o751)
    for set_attributes in (place.set_open, place.set_symlink, place.set_node):
        status = set_attributes(wanted, ownership=False)
        assert (status.st_uid, status.st_mtime_ns) == (os.getuid(), TIME)


def test_a_fifo_is_never_opened(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def watched(path: t.Any, flags: int, *rest: t.Any, **more: t.Any) -> int:
        assert path != b"fifo" or flags & os.O_PATH
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", watched)
    assert stat.S_IMODE(place.set_node(attributes(mode=0o622)).st_mode) == 0o622
    assert stat.S_IMODE(place.set_node(attributes(mode=0o622)).st_mode) == 0o622


@pytest.mark.parametrize(
    ("mtime", "expected"),
    [
        (0, 0),
        (1, 1),
        (-1, -1),
        (-1_500_000_000, -1_500_000_000),
        (2**33 * 10**9 + 999_999_999, 2**33 * 10**9 + 999_999_999),
    ],
)
def test_times_to_the_nanosecond(mtime: int, expected: int, place: Place) -> None:
    assert place.set_open(attributes(mtime=mtime)).st_mtime_ns == expected
    assert place.set_symlink(attributes(mtime=mtime)).st_mtime_ns == expected
    with place.opened(".") as directory:
        set_mtime(directory, mtime)
    assert place.top.stat().st_mtime_ns == expected


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("seconds", [2**40, 2**55, 2**63, 2**94])
def test_times_out_of_range_are_clamped(seconds: int, sign: int, place: Place) -> None:
    found = place.set_open(attributes(mtime=sign * seconds * 10**9)).st_mtime_ns
    assert 0 <= sign * found <= seconds * 10**9
    assert abs(found) >= 2**31 * 10**9


def test_extended_attributes_of_any_bytes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch)
    wanted = {"user.a": b"\0\n=\xff", "user.\udcff": b"", "trusted.b": b"1"}
    place.set_open(attributes(xattrs=wanted))
    place.set_symlink(attributes(xattrs=wanted))
    place.set_node(attributes(xattrs=wanted))
    assert calls.set == list(wanted.items()) * 3
    assert place.warnings == []


@pytest.mark.parametrize(
    "name", ["security.selinux", "system.nfs4_acl", "trusted.overlay.opaque", "user.overlay.redirect"]
)
@pytest.mark.parametrize("policy", ["keep", "require"])
def test_attributes_of_the_host_are_not_set(
    name: str, policy: XattrPolicy, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    place.set_open(attributes(xattrs={name: b"1", "user.a": b"2"}), xattrs=policy)
    assert calls.set == [("user.a", b"2")]
    assert place.warnings == [
        f"The extended attribute {name} of the image was not set: it belongs to the host, not to an image."
    ]


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.EINVAL, errno.ERANGE, errno.E2BIG])
def test_a_refusal_is_a_warning_or_an_error(number: int, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch, user=number)
    wanted = attributes(xattrs={"user.a": b"1", "trusted.b": b"2"})
    place.set_open(wanted, xattrs="keep")
    assert calls.set == [("trusted.b", b"2")]
    assert place.warnings == [f"The extended attribute user.a of the image was not set: {os.strerror(number)}."]
    with pytest.raises(OSError, match=os.strerror(number)):
        place.set_open(wanted, xattrs="require")
    place.set_open(wanted, xattrs="skip")
    assert len(calls.set) == len(place.warnings) == 1


def test_other_failures_are_errors(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    Calls(monkeypatch, user=errno.ENOSPC)
    with pytest.raises(OSError, match="No space left"):
        place.set_open(attributes(xattrs={"user.a": b"1"}))


def test_each_name_is_warned_about_once_and_not_without_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    Calls(monkeypatch, user=errno.ENOTSUP)
    attributor = place.attributor()
    with place.opened("file") as descriptor:
        for dummy in range(3):
            attributor.set_open(descriptor, attributes(xattrs={"user.a": b"1", "user.\n\x1b[2J": b""}))
        assert len(place.warnings) == 2
        assert all(warning.isprintable() for warning in place.warnings)
        attributor.set_open(descriptor, attributes(xattrs={f"user.{number}": b"" for number in range(1000)}))
    assert len(place.warnings) <= 100


def test_a_name_that_the_kernel_does_not_know_is_a_warning(place: Place) -> None:
    place.set_open(attributes(xattrs={"no-such-namespace": b"1", "user." + "x" * 300: b"2", CAPABILITY: CAP_NET_RAW}))
    assert len(place.warnings) == 2
    assert os.listxattr(place.top / "file") == [CAPABILITY]


def test_attributes_of_a_lower_layer_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed = []
    monkeypatch.setattr(os, "listxattr", lambda dummy: ["user.a", "security.selinux", "trusted.overlay.origin"])
    monkeypatch.setattr(os, "removexattr", lambda dummy, name: removed.append(name))
    place = Place(tmp_path)
    with place.opened(".") as directory:
        place.attributor(xattrs="skip").clear_xattrs(directory)
        assert removed == []
        place.attributor().clear_xattrs(directory)
    assert removed == ["user.a"]


def test_attributes_that_cannot_be_removed_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dummy: int, name: str) -> None:
        raise OSError(errno.EPERM if name == "security.label" else errno.EIO, "refused")

    place = Place(tmp_path)
    monkeypatch.setattr(os, "removexattr", refuse)
    with place.opened(".") as directory:
        monkeypatch.setattr(os, "listxattr", lambda dummy: ["security.label"])
        place.attributor().clear_xattrs(directory)
        monkeypatch.setattr(os, "listxattr", lambda dummy: ["user.a"])
        with pytest.raises(OSError, match="refused"):
            place.attributor().clear_xattrs(directory)


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EIO])
def test_clearing_attributes_tolerates_file_systems_without_them(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(dummy: int) -> list[str]:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "listxattr", refuse)
    place = Place(tmp_path)
    expectation: t.ContextManager[object] = contextlib.nullcontext()
    if number == errno.EIO:
        expectation = pytest.raises(OSError, match="Input/output")
    with expectation, place.opened(".") as directory:
        place.attributor().clear_xattrs(directory)


# --- files in a private tree ------------------------------------------------------------------------------------------

# entries of rwx for the owner, a user and the group, a mask and others, as in setfacl -d -m u:1234:rwx
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 7, 2**32 - 1), (2, 7, 1234), (4, 5, 2**32 - 1), (16, 7, 2**32 - 1), (32, 5, 2**32 - 1))
)


def make_file(top: Path, wanted: Attributes, attributor: Attributor) -> tuple[t.Any, ...]:
    """Make a file as the writer does; return all that matters of it."""
    path = top / "file"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, CREATE, attributor.creation_mode(wanted))
    os.write(descriptor, b"content")
    attributor.set_file(descriptor, wanted)
    os.close(descriptor)
    status = path.lstat()
    xattrs = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, xattrs


@pytest.mark.parametrize("ownership", [True, False])
@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_file_in_a_private_tree_is_as_in_any_other(ownership: bool, umask: int, tmp_path: Path) -> None:
    require_root()
    plain, setgid, acl = tops = [tmp_path / name for name in ("plain", "setgid", "acl")]
    for top in tops:
        top.mkdir()
    os.chown(setgid, 0, 4321)
    setgid.chmod(0o2770)
    os.setxattr(acl, "system.posix_acl_default", ACL)
    modes = (0o644, 0o600, 0, 0o777, 0o4755, 0o2711, 0o1666, 0o6777, 0o100640, 2**60 + 0o755)
    owners = ((0, 0), (1234, 0), (0, 5678), (0, 4321), (1234, 5678))
    xattrs = ({}, {CAPABILITY: CAP_NET_RAW}, {"system.posix_acl_access": ACL})
    wanted = [
        attributes(mode=mode, uid=uid, gid=gid, xattrs=names)
        for mode in modes
        for uid, gid in owners
        for names in xattrs
    ]
    private, public = (
        Attributor(ownership=ownership, xattrs="keep", warn=pytest.fail, private=private) for private in (True, False)
    )
    before = os.umask(umask)
    try:
        # many files of one directory after each other, then one of each
        for top, one in [
            *((top, one) for top in tops for one in wanted),
            *((top, one) for one in wanted for top in tops),
        ]:
            assert make_file(top, one, private) == make_file(top, one, public), (top, one)
    finally:
        os.umask(before)


def test_the_mode_that_files_are_created_with() -> None:
    private, public = (Attributor(ownership=True, xattrs="keep", warn=pytest.fail, private=it) for it in (True, False))
    for mode in (0o644, 0o4755, 0o2711, 0o7777, 0):
        assert private.creation_mode(attributes(mode=mode)) == mode & 0o777
        assert private.creation_mode(attributes(mode=mode, xattrs={"user.x": b"y"})) == 0o600
        assert public.creation_mode(attributes(mode=mode)) == 0o600


def test_what_a_private_file_has_already_is_not_set_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attributor = Attributor(ownership=True, xattrs="keep", warn=pytest.fail, private=True)
    for name in ("fchown", "fchmod"):
        monkeypatch.setattr(os, name, lambda *dummy: pytest.fail("a call too many"))
    before = os.umask(0o022)
    try:
        for mode in (0o755, 0o644, 0o644, 0o755):
            status = make_file(tmp_path, attributes(mode=mode), attributor)
            assert status[:4] == (stat.S_IFREG | mode, os.getuid(), os.getgid(), TIME)
    finally:
        os.umask(before)
