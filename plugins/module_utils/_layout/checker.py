# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Compare the files of a layout with their digests, large ones in threads.

walk.py uses it; the server passes one Checker for all layouts, with a ledger of files that were verified before.
"""

from __future__ import annotations

import concurrent.futures
import os
import threading
import time
import typing as t

from .content import check_digest

if t.TYPE_CHECKING:
    from types import TracebackType

    from .._oci.digest import Digest
    from .directory import OpenFile
    from .stored import FileIdentity

# Smaller files are hashed by the caller: passing one to a thread costs more.
_SMALL: t.Final = 64 * 1024
# How many open files may wait for each thread.
_WAITING: t.Final = 4


class Ledger(t.Protocol):
    """A record of which files were verified before. Used by one thread only."""

    def knows(self, digest: Digest, identity: FileIdentity) -> bool:
        """Return whether a file with this identity was found to have this digest before."""

    def record(self, digest: Digest, identity: FileIdentity, *, began_ns: int) -> None:
        """Record that a file has this digest; its hashing began at began_ns, in nanoseconds since 1970."""


class Check(t.NamedTuple):
    """A file that a thread compares with its digest; the result of outcome is the time when that began."""

    digest: Digest
    identity: FileIdentity
    outcome: concurrent.futures.Future[int]


class Checker:
    """Compares files with their digests, large ones in threads, and skips those that the ledger knows.

    A context manager: at its end no thread is left, and when it ends with an exception, the threads abort. advance is
    called by any of the threads with the number of bytes that it has read.
    """

    def __init__(
        self,
        *,
        threads: int = 0,
        ledger: Ledger | None = None,
        advance: t.Callable[[int], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._advance = advance
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, "hash") if threads else None
        self._room = threading.Semaphore(threads * (1 + _WAITING))
        self._broken_off = False

    def __enter__(self) -> Checker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._broken_off = kind is not None
        if self._pool is not None:
            self._pool.shutdown()

    def start(self, file: OpenFile, digest: Digest, *, what: str) -> Check | None:
        """Compare a file with its digest; close it in any case. Return None, or the Check of a large file in a thread.

        Blocks while too many others are under way. Raises WrongDigest, Unreadable.
        """
        if self._ledger is not None and self._ledger.knows(digest, file.identity):
            os.close(file.fd)
            return None
        if self._pool is None or file.identity.size < _SMALL:
            self._record(digest, file.identity, self._compare(file, digest, what))
            return None
        self._room.acquire()
        return Check(digest, file.identity, self._pool.submit(self._compare_in_thread, file, digest, what))

    def finish(self, check: Check) -> None:
        """Wait for the result. Raises WrongDigest, Unreadable."""
        self._record(check.digest, check.identity, check.outcome.result())

    def _record(self, digest: Digest, identity: FileIdentity, began_ns: int) -> None:
        if self._ledger is not None:
            self._ledger.record(digest, identity, began_ns=began_ns)

    def _compare_in_thread(self, file: OpenFile, digest: Digest, what: str) -> int:
        try:
            return self._compare(file, digest, what)
        finally:
            self._room.release()

    def _compare(self, file: OpenFile, digest: Digest, what: str) -> int:
        try:
            began_ns = time.time_ns()
            check_digest(file, digest, what=what, keep=False, advance=self._report)
        finally:
            os.close(file.fd)
        return began_ns

    def _report(self, count: int) -> None:
        if self._broken_off:
            raise concurrent.futures.CancelledError
        if self._advance is not None:
            self._advance(count)


__all__ = ("Check", "Checker", "Ledger")
