# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read whole files of bounded size: tokens, keys, certificates, reference values, credentials."""

from __future__ import annotations

import contextlib
import os
import stat


class NotReadable(Exception):
    """A file cannot be read as a whole; the message is the reason, without a full stop."""


class FileMissing(NotReadable):
    """There is no file at the path."""


def read_bounded(path: str, *, limit: int) -> bytes:
    """Return the content of a regular file of at most limit bytes. Raises NotReadable, such as FileMissing."""
    with contextlib.ExitStack() as stack:
        try:
            # O_NONBLOCK: opening a pipe must not wait for its other end
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            stack.callback(os.close, descriptor)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NotReadable("it is not a regular file")
            return _read(descriptor, limit)
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise FileMissing(reason(exc)) from None
        except (OSError, ValueError) as exc:
            raise NotReadable(reason(exc)) from None


def _read(descriptor: int, limit: int) -> bytes:
    data = bytearray()
    while len(data) <= limit:
        piece = os.read(descriptor, limit + 1 - len(data))
        if not piece:
            return bytes(data)
        data += piece
    raise NotReadable(f"it has more than {limit} bytes")


def reason(exc: OSError | ValueError) -> str:
    """Return the system's text for an error."""
    strerror = exc.strerror if isinstance(exc, OSError) else None
    return strerror or "the path is invalid"


__all__ = ("FileMissing", "NotReadable", "read_bounded", "reason")
