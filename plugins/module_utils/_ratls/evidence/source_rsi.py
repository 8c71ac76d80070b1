# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The source of evidence `rsi`: the device of a realm's kernel that asks the realm monitor (RSI) for tokens."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import struct
import typing as t
from dataclasses import dataclass

from ..._base.bounded_file import reason
from ..._base.text import visible
from ..challenge import CHALLENGE_SIZE
from ..token.cca_token import MAX_TOKEN
from .evidence import Evidence, EvidenceKind, evidence_error

ATTESTATION_TOKEN: t.Final = 0xC05078C2  # _IOWR('x', 194, 80 bytes)
_REQUEST: t.Final = struct.Struct(f"={CHALLENGE_SIZE}sQQ")  # challenge, size of the buffer, address of the buffer
_FIRST_SIZE: t.Final = 4096
_TRIES: t.Final = 4

# ioctl(descriptor, request, argument), where argument is read and written
Ioctl = t.Callable[[int, int, bytearray], object]


def _ioctl(descriptor: int, request: int, argument: bytearray) -> object:
    return fcntl.ioctl(descriptor, request, argument, True)


@dataclass(frozen=True)
class RsiSource:
    """The device /dev/rsi of a realm."""

    path: str = "/dev/rsi"
    ioctl: Ioctl = _ioctl
    kind: EvidenceKind = "rsi"

    def evidence(self, realm_challenge: bytes) -> Evidence:
        """See EvidenceSource."""
        with contextlib.ExitStack() as stack:
            try:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
                stack.callback(os.close, descriptor)
                return Evidence(self._token(descriptor, realm_challenge), "rsi")
            except (OSError, ValueError) as exc:  # ValueError: an invalid path
                raise evidence_error(
                    "rsi",
                    f"the device {visible(self.path)} cannot be used ({reason(exc)})",
                    "check that this host is a realm, that the driver is loaded and that this user may open it",
                ) from None

    def _token(self, descriptor: int, realm_challenge: bytes) -> bytes:
        size = _FIRST_SIZE
        for dummy in range(_TRIES):
            buffer = ctypes.create_string_buffer(size)
            request = bytearray(_REQUEST.pack(realm_challenge, size, ctypes.addressof(buffer)))
            try:
                self.ioctl(descriptor, ATTESTATION_TOKEN, request)
            except OSError as exc:
                if exc.errno != errno.ERANGE:
                    raise
                size = self._size(request, more_than=size)
                continue
            return buffer.raw[: self._size(request, at_most=size)]
        raise evidence_error(
            "rsi", f"the device {visible(self.path)} asks for a larger buffer each time", "check its driver"
        )

    def _size(self, request: bytearray, *, more_than: int = 0, at_most: int = MAX_TOKEN) -> int:
        size = int(_REQUEST.unpack(request)[1])
        if not more_than < size <= at_most:
            raise evidence_error(
                "rsi", f"the device {visible(self.path)} reports a token of {size} bytes", "check its driver"
            )
        return size


__all__ = ("ATTESTATION_TOKEN", "Ioctl", "RsiSource")
