# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-ins for the devices of a realm, which do not exist outside a realm."""

from __future__ import annotations

import ctypes
import errno
import pathlib
import struct
import typing as t


class StandInRsiDevice:
    """Answers the token ioctl of /dev/rsi in this process; it knows the request number and the structure only."""

    NUMBER = 0xC05078C2
    STRUCTURE = struct.Struct("=64sQQ")

    def __init__(self, make_token: t.Callable[[bytes], bytes]) -> None:
        self._make_token = make_token
        self.sizes: list[int] = []

    def __call__(self, descriptor: int, request: int, argument: bytearray) -> int:
        if request != self.NUMBER or len(argument) != 80:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        challenge, size, address = self.STRUCTURE.unpack(argument)
        self.sizes.append(size)
        token = self._make_token(challenge)
        argument[:] = self.STRUCTURE.pack(challenge, len(token), address)
        if len(token) > size:
            raise OSError(errno.ERANGE, "Numerical result out of range")
        ctypes.memmove(address, token, len(token))
        return 0


class StandInTsmReports:
    """Fills the report directories as configfs-tsm does; the caller reports mkdir, write and rmdir."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.make_token: t.Callable[[bytes], bytes] = lambda challenge: b"token for " + challenge
        self.generations: t.Callable[[int], tuple[int, int]] = lambda attempt: (0, 1)
        self.attempts = 0

    def made(self, path: str) -> None:
        """Do what the kernel does after mkdir."""
        report = pathlib.Path(path)
        (report / "provider").write_bytes(b"arm_cca_guest\n")
        (report / "generation").write_bytes(b"%d\n" % self.generations(self.attempts)[0])
        for name in ("inblob", "outblob"):
            (report / name).write_bytes(b"")

    def written(self, path: str) -> None:
        """Do what the kernel does after a write to inblob."""
        report = pathlib.Path(path)
        (report / "outblob").write_bytes(self.make_token((report / "inblob").read_bytes()))
        (report / "generation").write_bytes(b"%d\n" % self.generations(self.attempts)[1])
        self.attempts += 1

    @staticmethod
    def removed(path: str) -> None:
        """Do what the kernel does before rmdir."""
        for entry in pathlib.Path(path).iterdir():
            entry.unlink()
