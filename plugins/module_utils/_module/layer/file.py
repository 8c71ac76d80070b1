# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A local layer file that can change while it is read, and that is applied only as verified. Used by apply.py."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import typing as t

from ..._base.text import Warn, visible
from ..._unpack.errors import LayerInvalid, filesystem_error
from ..._unpack.layers import LayerSource
from ..._unpack.limits import Budget, Limits
from ..._unpack.pipeline.content_checks import DiffIdHash, inflate_layer
from ..._unpack.tar.reader import TarReader
from ..._unpack.tar.stream import ByteStream

if t.TYPE_CHECKING:
    from ..._oci.digest import Digest
    from ..._unpack.pipeline.decompress import Compression

_PIECE: t.Final = 1024 * 1024
_OPEN: t.Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class LayerFile:
    """A layer in a local file, which is read twice: first to verify it, then to apply it. A context manager.

    The first reading stores the digest of each piece. The second yields no piece with another digest, so exactly the
    verified bytes are applied, even if another process writes to the file. Raises FilesystemError, LayerInvalid.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._digests: list[bytes] = []
        try:
            _check_regular(os.stat(path), path)  # before open(), because opening a device can have side effects
            self._fd = os.open(path, _OPEN)
        except OSError as exc:
            raise filesystem_error(exc, doing="opening the layer file", path=path) from exc
        try:
            _check_regular(os.fstat(self._fd), path)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> LayerFile:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def verify(self, diff_id: Digest, *, compression: Compression | None, limits: Limits, warn: Warn) -> None:
        """Read the file and check that it is, decompressed, a tar archive with the digest diff_id and within limits.

        If compression is None, it is detected. Raises DiffIdMismatch, LayerInvalid, LimitExceeded, FilesystemError.
        """
        budget = Budget(limits)
        with contextlib.ExitStack() as stack:
            checker = DiffIdHash(diff_id)
            stack.callback(checker.close)
            pieces = inflate_layer(self._first_reading(), declared=compression, budget=budget, warn=warn)
            stream = ByteStream(_check_pieces(pieces, checker, budget))
            for dummy in TarReader(stream).entries():
                budget.add_entry()
            stream.drain()
            checker.check()

    def source(self, diff_id: Digest, *, compression: Compression | None) -> LayerSource:
        """Return the source to unpack the layer from. verify() must have been called before."""
        return LayerSource(name=visible(self.path), compression=compression, diff_id=diff_id, open=self._open)

    @contextlib.contextmanager
    def _open(self) -> t.Iterator[t.Iterator[bytes]]:
        yield self._second_reading()

    def _first_reading(self) -> t.Iterator[bytes]:
        self._digests = []
        for piece in self._read():
            self._digests.append(hashlib.sha256(piece).digest())
            yield piece

    def _second_reading(self) -> t.Iterator[bytes]:
        known = iter(self._digests)
        for piece in self._read():
            if hashlib.sha256(piece).digest() != next(known, None):
                raise self._change_error()
            yield piece
        if next(known, None) is not None:
            raise self._change_error()

    def _read(self) -> t.Iterator[bytes]:
        offset = 0
        while True:
            try:
                piece = os.pread(self._fd, _PIECE, offset)
            except OSError as exc:
                raise filesystem_error(exc, doing="reading the layer file", path=self.path) from exc
            if not piece:
                return
            offset += len(piece)
            yield piece

    def _change_error(self) -> LayerInvalid:
        shown = visible(self.path)
        return LayerInvalid(
            f"The layer file {shown} changed while it was being applied, so only a part of the layer is in place; find"
            " out what writes to the file, then run the task again.",
            path=shown,
        )


def _check_regular(status: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        shown = visible(path)
        raise LayerInvalid(f"The layer {shown} is not a regular file; give the path of a layer file.", path=shown)


def _check_pieces(pieces: t.Iterator[bytes], checker: DiffIdHash, budget: Budget) -> t.Iterator[bytes]:
    for piece in pieces:
        checker.add(piece)
        budget.add_bytes(len(piece))
        yield piece


__all__ = ("LayerFile",)
