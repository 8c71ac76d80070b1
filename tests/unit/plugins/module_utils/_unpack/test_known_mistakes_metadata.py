# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Known mistakes of unpackers do not occur: owners, modes, xattrs, times, devices (classes 31 to 35)."""

from __future__ import annotations

import errno
import os
import struct
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import FilesystemError, LayerInvalid
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree import reach
from ansible_collections.attested.registry.tests.support.images.layer_maker import Box, Ground
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    Entry,
    device,
    directory,
    entry,
    fifo,
    file,
    hardlink,
    opaque,
    symlink,
    tar,
    whiteout,
)

SECOND = 10**9
NET_BIND = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
"""cap_net_bind_service=ep, as setcap(8) writes it."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Ground]:
    """On a disk, whose file system holds less than one in memory."""
    made = Ground(tmp_path_factory.mktemp("ground"))
    yield made
    made.clear()


@pytest.mark.parametrize("mode", [0o7777, 0o4755, 0o2755, 0o1777, 0o4000, 0o6711, 0])
@pytest.mark.parametrize("make", [file, directory, fifo])
def test_31_special_mode_bits_stay_with_a_foreign_owner(box: Box, make: t.Callable[..., Entry], mode: int) -> None:
    box.unpack([make("n", mode=mode, uid=1234, gid=2345)])
    status = box.status("n")
    assert (status.mode, status.uid, status.gid) == (mode, 1234, 2345)


def test_31_a_mode_that_cannot_be_set_without_proc_names_the_remedy(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(fd: int, mode: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(reach, "_has_proc", lambda: False)
    monkeypatch.setattr(reach, "change_mode_of_open", not_there)
    with pytest.raises(FilesystemError, match="mount /proc, without which this needs Linux 6.6 or later"):
        box.unpack([fifo("n", mode=0o666)])


def test_31_capabilities_stay_with_a_foreign_owner(box: Box) -> None:
    capable = {"xattrs": {"security.capability": NET_BIND}, "uid": 1234, "gid": 2345}
    box.unpack(
        [file("ping", b"x" * 3000, mode=0o755, **capable), file("su", mode=0o4755, **capable), hardlink("l", "ping")]
    )
    for name, mode in (("ping", 0o755), ("su", 0o4755), ("l", 0o755)):
        status = box.status(name)
        assert (status.mode, status.uid, status.xattrs) == (mode, 1234, (("security.capability", NET_BIND),))
    assert box.warnings == []


@pytest.mark.parametrize("value", [b"", b"a=b=\n", b"\0\n\xff\xfe\0", bytes(range(256))])
@pytest.mark.parametrize("make", [file, directory])
def test_32_xattrs_are_binary(box: Box, make: t.Callable[..., Entry], value: bytes) -> None:
    box.unpack([make("n", xattrs={"user.x": value, "user.ä": value, "user.a b": b"c"})])
    assert dict(box.status("n").xattrs) == {"user.x": value, "user.ä": value, "user.a b": b"c"}


FOREIGN = {
    "trusted.overlay.opaque": b"y",
    "user.overlay.whiteout": b"",
    "security.selinux": b"system_u:object_r:x_t:s0\0",
}


@pytest.mark.parametrize("policy", ["keep", "require"])
def test_32_xattrs_that_belong_to_the_host_are_left_out_with_one_warning_each(box: Box, policy: str) -> None:
    entries = [make(f"{make.__name__}{n}", xattrs=FOREIGN) for n in range(3) for make in (file, directory)]
    box.unpack([*entries, symlink("s", "x", xattrs=FOREIGN), fifo("p", xattrs=FOREIGN)], entries, xattrs=policy)
    assert {status.xattrs for status in box.survey().values()} == {()}
    assert len(box.warnings) == len(FOREIGN)
    assert all("was not set: it belongs to the host" in warning for warning in box.warnings)


@pytest.mark.parametrize("refused", [symlink("n", "to", xattrs={"user.x": b"y"}), fifo("n", xattrs={"user.x": b"y"})])
def test_32_a_refused_xattr_is_a_warning_or_an_error(box: Box, refused: Entry) -> None:
    box.unpack([refused, file("f", xattrs={"user.x": b"y"}), refused], xattrs="keep")
    assert box.warnings == ["The extended attribute user.x of the image was not set: Operation not permitted."]
    assert box.status("f").xattrs == (("user.x", b"y"),)
    with pytest.raises(FilesystemError, match="unpacking n: .*EPERM"):
        box.unpack([refused], fresh=False, xattrs="require")
    box.unpack([refused, file("g", xattrs={"user.x": b"y"})], fresh=False, xattrs="skip")
    assert box.status("g").xattrs == ()
    assert len(box.warnings) == 1


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EPERM, errno.EACCES])
def test_32_a_file_system_without_xattrs_gives_one_warning(
    box: Box, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*dummy_arguments: object, **dummy_options: object) -> t.NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "setxattr", refuse)
    monkeypatch.setattr(os, "listxattr", refuse if number == errno.ENOTSUP else lambda dummy: ["security.other"])
    monkeypatch.setattr(os, "removexattr", refuse)
    box.unpack([make(make.__name__, xattrs={"user.x": b"y"}) for make in (file, directory)])
    with pytest.raises(FilesystemError):
        box.unpack([directory("n", xattrs={"user.x": b"y"})], fresh=False, xattrs="require")
    monkeypatch.undo()
    assert set(box.tree()) == {"file", "directory", "n"}
    assert len(box.warnings) == 1


def test_32_the_last_of_equal_xattrs_counts(box: Box) -> None:
    doubled = file("n", xattrs={"user.x": b"1"})
    doubled.header.pax_headers["LIBARCHIVE.xattr.user.x"] = "Mg"
    box.unpack([doubled, file("m", pax={"LIBARCHIVE.xattr.user.%78": "Mg=="})])
    assert dict(box.status("n").xattrs) == {"user.x": b"1"}
    assert dict(box.status("m").xattrs) == {"user.x": b"2"}


@pytest.mark.parametrize("name", ["nonsense", "user.", "no.such.namespace", "user." + "x" * 300])
def test_32_impossible_xattrs_are_warnings(box: Box, name: str) -> None:
    box.unpack([file("n", xattrs={name: b"y"})])
    assert len(box.warnings) == 1
    assert box.status("n").xattrs == ()


def test_32_names_of_xattrs_are_bytes_whatever_the_locale(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    record = b"SCHILY.xattr.user.\xff\xc3\xa4=y\n"
    header = entry("pax", tarfile.XHDTYPE, mode=0, content=b"%d " % (len(record) + 3) + record)
    asked: list[object] = []
    monkeypatch.setattr(os, "setxattr", lambda dummy, name, *rest, **options: asked.append(name))
    box.apart = False
    box.unpack([header, file("n")])
    assert asked == [b"user.\xff\xc3\xa4"]


TIMES = ["0", "1234567890.123456789", "1.000000001", "-1", "-1.5", "-0.000000001", "4294967296.5", str(2**40), "9" * 20]


@pytest.mark.parametrize("text", [*TIMES, str(-(2**40)), "-" + "9" * 20])
def test_33_times_are_exact_or_the_nearest_that_the_file_system_has(box: Box, tmp_path: Path, text: str) -> None:
    probe = tmp_path / "probe"
    probe.touch()
    whole, dummy, decimals = text.lstrip("-").partition(".")
    wanted = min(int(whole), 2**55) * SECOND + int(decimals.ljust(9, "0"))
    wanted = -wanted if text.startswith("-") else wanted
    os.utime(probe, ns=(wanted, wanted))
    time = {"pax": {"mtime": text}}
    box.unpack(
        [
            *[make(make.__name__, **time) for make in (file, directory, fifo)],
            *[symlink("symlink", "x", **time), directory("./", **time), file("directory/child")],
        ]
    )
    assert {name: status.mtime for name, status in box.survey().items() if name != "directory/child"} == dict.fromkeys(
        ("file", "directory", "fifo", "symlink", "."), probe.stat().st_mtime_ns
    )


@pytest.mark.parametrize(
    "upper",
    [
        [file("d/new")],
        [file("d/f", b"other")],
        [symlink("d/s", "x")],
        [hardlink("d/h", "d/f")],
        [whiteout("d/f")],
        [whiteout("d/sub")],
        [opaque("d")],
        [directory("d/sub/new/deep")],
        [file("link/new")],
        [whiteout("link/f")],
        [directory("d/f")],
        [file("d/sub")],
        [file("d/x/y/z")],
        [device("d/f", "c", 1, 3)],
    ],
)
def test_33_a_directory_without_an_entry_keeps_its_time(box: Box, upper: list[Entry]) -> None:
    lower = [
        directory("./", mtime=4),
        directory("d", mtime=5.25),
        file("d/f"),
        directory("d/sub"),
        symlink("link", "d"),
    ]
    box.unpack(lower, upper)
    assert box.status("d").mtime == 5.25 * SECOND
    assert box.status(".").mtime == 4 * SECOND
    box.unpack([file("d/more"), whiteout("d/more")], fresh=False)
    assert box.status("d").mtime == 5.25 * SECOND
    assert box.status(".").mtime == 4 * SECOND


def test_33_implied_directories_have_a_time_that_is_always_the_same(box: Box) -> None:
    box.unpack([file("a/b/c"), symlink("s", "x/y"), file("s/z")])
    for name in (".", "a", "a/b", "x", "x/y"):
        status = box.status(name)
        assert (status.mode, status.uid, status.gid, status.mtime) == (0o755, 0, 0, 0)


@pytest.mark.parametrize("number", [0, 2**21 - 1, 2**21, 2**31, 2**32 - 2])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_34_large_owners_are_exact(box: Box, number: int, form: t.Literal[1, 2]) -> None:
    numbers = {"uid": number, "gid": max(number - 1, 0)}
    box.unpack(
        tar(
            [
                *[make(make.__name__, **numbers) for make in (file, directory, fifo)],
                *[symlink("symlink", "x", **numbers), device("device", "c", 1, 3, **numbers)],
            ],
            tar_format=form,
        ),
        devices="create",
    )
    owners = {(status.uid, status.gid) for name, status in box.survey().items() if name != "."}
    assert owners == {(number, max(number - 1, 0))}


@pytest.mark.parametrize("field", ["uid", "gid"])
@pytest.mark.parametrize("number", [2**32 - 1, 2**32, 2**63, 2**80, -1, -2, -(2**31)])
@pytest.mark.parametrize("ownership", [True, False])
def test_34_impossible_owners_are_refused(box: Box, field: str, number: int, ownership: bool) -> None:
    entry = file("n")
    if abs(number) < 2**63:
        setattr(entry.header, field, number)
        archive = tar([entry], tar_format=tarfile.GNU_FORMAT)
    else:
        entry.header.pax_headers[field] = str(number)
        archive = tar([entry])
    with pytest.raises(LayerInvalid, match="an owner or group that no file can have|is no number"):
        box.unpack(archive, ownership=ownership)
    assert box.tree() == {}


DEVICES = [
    device("c", "c", 1, 3, mode=0o6666, uid=7, mtime=5),
    device("b", "b", 8, 1, mode=0o640, gid=6, mtime=5),
    fifo("p", mode=0o4622, uid=8, mtime=5),
]


def test_35_devices_are_made_when_asked_for(box: Box) -> None:
    box.unpack([*DEVICES, device("max", "c", 4095, 2**20 - 1)], devices="create")
    assert box.tree() == {"c": "character", "b": "block", "p": "fifo", "max": "character"}
    assert (box.status("c").data, box.status("b").data) == ((1, 3), (8, 1))
    assert box.status("max").data == (4095, 2**20 - 1)
    assert [(s.mode, s.uid, s.gid) for s in map(box.status, "cbp")] == [(0o6666, 7, 0), (0o640, 0, 6), (0o4622, 8, 0)]
    assert box.warnings == []


def test_35_devices_are_left_out_with_one_warning(box: Box) -> None:
    box.unpack([*DEVICES, *DEVICES, file("d/f"), device("d/null", "c", 1, 3)])
    assert box.tree() == {"p": "fifo", "d": "/", "d/f": b""}
    assert box.warnings == ["5 device nodes of the image were skipped; set devices: create to make them."]


@pytest.mark.parametrize("entry", DEVICES[:2])
def test_35_devices_are_refused_when_asked_for(box: Box, entry: Entry) -> None:
    box.unpack([DEVICES[2]], devices="fail")
    with pytest.raises(LayerInvalid, match="is a device node, which devices: fail refuses"):
        box.unpack([entry], fresh=False, devices="fail")


@pytest.mark.parametrize("numbers", [(2**33, 0), (0, 2**33), (-1, 0), (0, -1), (4096, 0), (0, 2**20), (2**12, 2**20)])
@pytest.mark.parametrize("devices", ["create", "skip", "fail"])
def test_35_device_numbers_that_linux_does_not_have_are_refused(
    box: Box, numbers: tuple[int, int], devices: str
) -> None:
    archive = tar([device("n", "c", *numbers)], tar_format=tarfile.GNU_FORMAT)
    with pytest.raises(LayerInvalid, match="a device number that is out of range for Linux"):
        box.unpack(archive, devices=devices)
    assert box.tree() == {}
