# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The progress file: a module writes it on the host, and the action plugin on the controller reads it meanwhile.

The file has one record of RECORD_BYTES bytes, in ASCII, padded with spaces: the stage, the number of layers that are
complete, of all layers, the number of bytes that have arrived, and of all bytes. Each record overwrites the last one.
The module writes records only if the action plugin has named a file in the environment (ENVIRONMENT).

stopwatch.py writes with ProgressFile, plugin_utils/progress.py reads with parse_record().
"""

from __future__ import annotations

import os
import re
import stat
import threading
import time
import typing as t

Stage = t.Literal["resolve", "download", "unpack", "upload", "publish"]
STAGES: t.Final[tuple[Stage, ...]] = ("resolve", "download", "unpack", "upload", "publish")

# The environment variable with the path of the progress file.
ENVIRONMENT: t.Final = "ATTESTED_REGISTRY_PROGRESS"

RECORD_BYTES: t.Final = 80

# Seconds between two records of the same stage: a piece of a layer arrives each millisecond or so.
_INTERVAL: t.Final = 1.0

# NONBLOCK, so that a FIFO in place of the file cannot block the module.
_OPEN: t.Final = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_RECORD: t.Final = re.compile(
    rb"(resolve|download|unpack|upload|publish) (\d{1,6}) (\d{1,6}) (\d{1,18}) (\d{1,18}) *\n", re.A
)


class Record(t.NamedTuple):
    """How far a module is. size and arrived are the compressed bytes of all layers, and those that have arrived."""

    stage: Stage
    complete: int = 0
    layers: int = 0
    arrived: int = 0
    size: int = 0

    def to_bytes(self) -> bytes:
        """Return the record as the file has it."""
        return b"%-*b\n" % (RECORD_BYTES - 1, " ".join(map(str, self)).encode("ascii"))


def parse_record(data: bytes) -> Record | None:
    """Return the record in the bytes of a progress file, None if there is none. Raises nothing."""
    found = _RECORD.fullmatch(data) if len(data) == RECORD_BYTES else None
    if found is None:
        return None
    complete, layers, arrived, size = (int(number) for number in found.groups()[1:])
    record = Record(STAGES[[name.encode() for name in STAGES].index(found[1])], complete, layers, arrived, size)
    return record if complete <= layers and arrived <= size else None


class ProgressFile:
    """Counts the pieces of layers and writes records to the progress file. Methods are called from several threads.

    Without a file, and after the first error of the file, nothing is written. No method raises an error.
    """

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._outer: Stage = "resolve"
        self._layers = self._size = self._complete = self._arrived = 0
        self._next = 0.0

    @classmethod
    def from_environment(cls) -> ProgressFile:
        """Open the file that the environment names, and remove its name from the environment of child processes."""
        path = os.environ.pop(ENVIRONMENT, "")
        return cls(_open(path) if path else None)

    def begin(self, stage: Stage) -> None:
        """Begin a stage."""
        with self._lock:
            self._outer = stage
            self._write()

    def expect(self, sizes: t.Iterable[int]) -> None:
        """Set the number of bytes of each layer that is about to be downloaded."""
        sizes = list(sizes)
        with self._lock:
            self._layers, self._size = len(sizes), sum(sizes)
            self._write()

    def resume(self, size: int) -> None:
        """Take bytes that an earlier run downloaded from the expected size."""
        with self._lock:
            self._size -= size

    def add(self, count: int) -> None:
        """Count the bytes of a piece that has arrived."""
        if self._fd is None:
            return
        with self._lock:
            self._arrived += count
            if time.monotonic() >= self._next:
                self._write()

    def end_layer(self) -> None:
        """Count a layer that is complete."""
        with self._lock:
            self._complete += 1
            self._write()

    @property
    def _stage(self) -> Stage:
        """The stage to show: layers are unpacked while they are downloaded, and the download is the slower part."""
        return "download" if self._outer == "unpack" and self._complete < self._layers else self._outer

    def _write(self) -> None:
        if self._fd is None:
            return
        complete, arrived = min(self._complete, self._layers), min(self._arrived, self._size)
        record = Record(self._stage, complete, self._layers, arrived, self._size)
        try:
            os.pwrite(self._fd, record.to_bytes(), 0)
        except OSError:
            self._fd = None
        self._next = time.monotonic() + _INTERVAL


def _open(path: str) -> int | None:
    """Open or create the file; None if that fails, or if it is not an empty file with a single name."""
    try:
        fd = os.open(path, _OPEN, 0o600)
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size:
            os.close(fd)
            return None
        if found.st_uid == os.geteuid():
            os.fchmod(fd, 0o644)  # the user that the action plugin connects as reads it, in a directory of that user
    except OSError:
        return None
    return fd


__all__ = ("ENVIRONMENT", "RECORD_BYTES", "STAGES", "ProgressFile", "Record", "Stage", "parse_record")
