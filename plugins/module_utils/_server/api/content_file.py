# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Open files of the snapshot, checked to be the files that were verified. Called by app.py and memory.py."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import typing as t

from ..._layout.stored import FileIdentity
from ..errors import Refusal

if t.TYPE_CHECKING:
    from ..content.snapshot import ServedFile

_LOG: t.Final = logging.getLogger("attested.registry")
_OPEN: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOWAIT: t.Final[int] = getattr(os, "RWF_NOWAIT", 0)
# errors of this process, not of the file
_SHORTAGES: t.Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class ContentFile:
    """An open file of the snapshot. A context manager that closes it."""

    def __init__(self, content: ServedFile, fd: int) -> None:
        self.content = content
        self._fd = fd

    @classmethod
    def open(cls, content: ServedFile) -> ContentFile | None:
        """Open a file. Returns None, after an error in the log, if it is not the file that was verified.

        Raises Refusal 503 when the server lacks the resources to open files.
        """
        try:
            file = cls(content, os.open(content.path, _OPEN))
        except OSError as exc:
            _report_unreadable(content, exc)
            return None
        if file.is_unchanged():
            return file
        file.close()
        _report_changed(content)
        return None

    def __enter__(self) -> ContentFile:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def is_unchanged(self) -> bool:
        """Tell whether the identity of the file is that of its verification."""
        return FileIdentity.of(os.fstat(self._fd)) == self.content.identity

    def as_file(self) -> t.BinaryIO:
        """Return a file object for the same descriptor, which stays open when the object is closed."""
        return open(self._fd, "rb", buffering=0, closefd=False)

    def read_cached(self, position: int, length: int) -> memoryview | None:
        """Read up to length bytes from position without waiting for the disk. Returns None if none of them is cached.

        On file systems without RWF_NOWAIT, such as tmpfs, the read may block, as sendfile does.
        """
        buffer = bytearray(length)
        try:
            count = os.preadv(self._fd, [buffer], position, _NOWAIT) if _NOWAIT else 0
        except OSError as exc:
            if exc.errno == errno.EOPNOTSUPP:
                return memoryview(os.pread(self._fd, length, position)) or None
            # the blocking read reports any other error
            _LOG.debug("%s is not in the page cache: %s", self.content.path, exc.strerror)
            return None
        return memoryview(buffer)[:count] if count else None

    def read(self, position: int, length: int) -> bytes:
        """Read up to length bytes from position. Raises OSError."""
        return os.pread(self._fd, length, position)


class IdentityCheck:
    """A check of files, without opening them, that looks once for all the requests that had arrived before the look.

    A server with many clients reads several requests at a time, often for the same manifest, and a look takes 3 us of
    the 35 us of a request. A look is forgotten by a callback that is scheduled with it. asyncio runs callbacks in the
    order in which they were scheduled, so it is forgotten before anything that a later request causes.
    """

    def __init__(self) -> None:
        self._seen: dict[str, FileIdentity] = {}

    def is_unchanged(self, content: ServedFile) -> bool:
        """Tell whether the identity of the file is that of its verification; logs an error if not.

        Needs a running event loop. Raises Refusal 503 when the server lacks the resources to look.
        """
        path = content.path
        identity = self._seen.get(path)
        if identity is None:
            try:
                identity = FileIdentity.of(os.lstat(path))
            except OSError as exc:
                _report_unreadable(content, exc)
                return False
            if not self._seen:
                asyncio.get_running_loop().call_soon(self._seen.clear)
            self._seen[path] = identity
        if identity != content.identity:
            _report_changed(content)
            return False
        return True


def _report_unreadable(content: ServedFile, exc: OSError) -> None:
    _LOG.error("%s is not served: opening it failed: %s", content.path, exc.strerror)
    if exc.errno in _SHORTAGES:
        raise Refusal(503, "UNAVAILABLE", "The server is short of resources; try again later.") from None


def _report_changed(content: ServedFile) -> None:
    _LOG.error("%s is not served: it changed after its verification", content.path)


__all__ = ("ContentFile", "IdentityCheck")
