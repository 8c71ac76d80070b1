# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Hash the files of a tree in two threads and report those whose SHA-256 digest is not the expected one.

_destination/drift.py uses it to compare contents.
"""

from __future__ import annotations

import collections
import errno
import os
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

from .probe import digest_file

_THREADS: t.Final = 2
_JOBS_AHEAD: t.Final = 32
_JOB_FILES: t.Final = 256
_JOB_BYTES: t.Final = 4 * 1024 * 1024
_NOT_A_FILE_NOW: t.Final = frozenset((errno.ENOENT, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.EISDIR))
_UNREADABLE: t.Final = frozenset((errno.EACCES, errno.EPERM))

# Called with a name and whether the file could be read: if so, its content differs.
Report = t.Callable[[bytes, bool], None]


class Expected(t.NamedTuple):
    """A regular file and the SHA-256 digest that it should have."""

    name: str
    size: int
    digest: bytes


class FileHasher:
    """Hashes files in two threads while the caller goes on. Call finish(), or use it as a context manager.

    The work that waits is bounded: add() blocks when too much does.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="hash")
        self._jobs: collections.deque[_Job] = collections.deque()

    def __enter__(self) -> FileHasher:
        return self

    def __exit__(self, *dummy: object) -> None:
        for job in self._jobs:
            if job.result.cancel():
                job.batch.close()
        self._pool.shutdown(wait=True)

    def add(self, fd: int, files: t.Iterable[Expected], report: Report) -> None:
        """Queue files in the directory open as fd to be hashed.

        report is called later, by this method or finish(), for each file that is not as expected. Raises OSError for
        earlier files.
        """
        batch: list[Expected] = []
        size = 0
        for file in files:
            batch.append(file)
            size += file.size
            if size >= _JOB_BYTES or len(batch) >= _JOB_FILES:
                self._submit(fd, batch, report)
                batch, size = [], 0
        if batch:
            self._submit(fd, batch, report)

    def finish(self) -> None:
        """Wait until all files are hashed. Raises OSError."""
        while self._jobs:
            self._collect()

    def _submit(self, fd: int, batch: list[Expected], report: Report) -> None:
        if len(self._jobs) >= _JOBS_AHEAD:
            self._collect()
        work = _Batch(os.dup(fd), batch)
        self._jobs.append(_Job(work, self._pool.submit(work.run), report))

    def _collect(self) -> None:
        job = self._jobs.popleft()
        for name, readable in job.result.result():
            job.report(os.fsencode(name), readable)


class _Batch:
    """Files of one directory to hash; it owns the descriptor of the directory."""

    def __init__(self, fd: int, files: list[Expected]) -> None:
        self._fd = fd
        self._files = files

    def run(self) -> list[tuple[str, bool]]:
        """Return the names of files that differ, each with whether it could be read, and close. Raises OSError."""
        try:
            return self._find_differing()
        finally:
            self.close()

    def _find_differing(self) -> list[tuple[str, bool]]:
        differing = []
        for file in self._files:
            try:
                if digest_file(self._fd, file.name) != file.digest:
                    differing.append((file.name, True))
            except OSError as exc:
                if exc.errno not in _NOT_A_FILE_NOW | _UNREADABLE:
                    raise
                differing.append((file.name, exc.errno in _NOT_A_FILE_NOW))
        return differing

    def close(self) -> None:
        """Close the directory."""
        os.close(self._fd)


class _Job(t.NamedTuple):
    batch: _Batch
    result: Future[list[tuple[str, bool]]]
    report: Report


__all__ = ("Expected", "FileHasher", "Report")
