# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import errno
import logging
import os
import typing as t

from ..._layout.stored import Identity
from ..errors import Refusal

if t.TYPE_CHECKING:
    from ..content.snapshot import Content

_LOG: t.Final = logging.getLogger("attested.registry")
_OPEN: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOWAIT: t.Final[int] = getattr(os, "RWF_NOWAIT", 0)
# these say nothing about the file
_SHORTAGES: t.Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class ContentFile:
    """A file of the snapshot, open. A context manager."""

    def __init__(self, content: Content, fd: int) -> None:
        self.content = content
        self._fd = fd

    @classmethod
    def open(cls, content: Content) -> ContentFile | None:
        """Open it; None, with a line in the log, unless it is the very file that was verified.

        Raises Refusal, 503, when there is no telling for now.
        """
        try:
            file = cls(content, os.open(content.path, _OPEN))
        except OSError as exc:
            _cannot_open(content, exc)
            return None
        if file.is_unchanged():
            return file
        file.close()
        _changed(content)
        return None

    def __enter__(self) -> ContentFile:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def is_unchanged(self) -> bool:
        """Whether the file still looks as it did when it was verified."""
        return Identity.of(os.fstat(self._fd)) == self.content.identity

    def as_file(self) -> t.BinaryIO:
        """A file object over the same open file, which stays open when the object is closed."""
        return open(self._fd, "rb", buffering=0, closefd=False)

    def read_cached(self, position: int, length: int) -> memoryview | None:
        """Up to length bytes from position on, without waiting for the disk; None when they are not all in memory.

        File systems that cannot tell, such as tmpfs, are read as sendfile reads them: at once.
        """
        buffer = bytearray(length)
        try:
            count = os.preadv(self._fd, [buffer], position, _NOWAIT) if _NOWAIT else 0
        except OSError as exc:
            if exc.errno == errno.EOPNOTSUPP:
                return memoryview(os.pread(self._fd, length, position)) or None
            # what else is wrong, the read that waits will show
            _LOG.debug("%s has to be waited for: %s", self.content.path, exc.strerror)
            return None
        return memoryview(buffer)[:count] if count else None

    def read(self, position: int, length: int) -> bytes:
        """Up to length bytes from position on. Raises OSError."""
        return os.pread(self._fd, length, position)


def is_unchanged(content: Content) -> bool:
    """Whether the file of this content, unopened, still looks as it did when it was verified; if not, the log says so.

    Raises Refusal, 503, when there is no telling for now.
    """
    try:
        identity = Identity.of(os.lstat(content.path))
    except OSError as exc:
        _cannot_open(content, exc)
        return False
    if identity != content.identity:
        _changed(content)
        return False
    return True


def _cannot_open(content: Content, exc: OSError) -> None:
    _LOG.error("%s is not served: opening it failed: %s", content.path, exc.strerror)
    if exc.errno in _SHORTAGES:
        raise Refusal(503, "UNAVAILABLE", "The server is short of resources; try again later.") from None


def _changed(content: Content) -> None:
    _LOG.error("%s is not served: it was changed after it had been verified", content.path)


__all__ = ("ContentFile", "is_unchanged")
