# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Apply layers to a directory and write the record of the tree: the last stage of an unpack.

layers.py runs a Writer in this process, writer_process.py in another one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from .changeset.changeset import Changeset, DevicePolicy
from .errors import filesystem_error
from .limits import Budget, Limits
from .record.record import Recording, write_record
from .tar.reader import TarReader
from .tar.stream import ByteStream, Piece
from .tree.confine import PathResolver
from .tree.inode_table import InodeTable, Scratch
from .tree.make_mount_points import PointMaker
from .tree.metadata import Attributor, XattrPolicy
from .tree.mount_points import MountPoints
from .tree.selection import Selection
from .tree.tree import IMPLIED, Tree

if t.TYPE_CHECKING:
    from .._base.text import Warn


HashPiece = t.Callable[[Piece], None]

_DIGEST_BYTES: t.Final = 32
_RECORD_BUFFER: t.Final = 256 * 1024


@dataclasses.dataclass(frozen=True)
class Options:
    """How an image is written to disk.

    Without ownership every file belongs to the user that unpacks, as an ordinary user needs it. devices decides on
    device nodes; xattrs whether extended attributes are set where possible, must be set, or are skipped. selection says
    which part of a fresh tree is kept, and mount_points and volumes what a fresh tree gets besides.
    """

    ownership: bool = True
    devices: DevicePolicy = "skip"
    xattrs: XattrPolicy = "keep"
    limits: Limits = dataclasses.field(default_factory=Limits)
    selection: Selection = dataclasses.field(default_factory=Selection)
    mount_points: MountPoints = dataclasses.field(default_factory=MountPoints)
    volumes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Unpacked:
    """The result of an unpack: tar entries and decompressed bytes."""

    entries: int
    size: int


def no_hash(piece: Piece) -> None:
    """Do not hash a piece: a HashPiece for a writer whose layers are hashed elsewhere."""


class Writer(t.Protocol):
    """Writes layers to disk, lowest first. A context manager; all methods raise UnpackError and OSError."""

    def __enter__(self) -> Writer: ...

    def __exit__(self, *dummy: object) -> None: ...

    def apply(self, pieces: t.Iterator[Piece], hash_piece: HashPiece) -> None:
        """Apply a layer, given as the bytes of its tar archive; take all of them, and give them to hash_piece.

        A piece may be a view that is valid only until the next one is requested. hash_piece may get pieces of other
        sizes, before or after they are used.
        """

    def wait(self) -> None:
        """Use what apply() has got so far, and raise the error that made the writer fail, if it has.

        Call this while apply() has to wait for pieces.
        """

    def finish(self) -> Unpacked:
        """Do what can only be done after the last layer; return the result."""


class TreeWriter:
    """The Writer that changes the directory open as root.

    With fresh the directory is empty and private to the caller. Without it, its content counts as lower layers, and
    with interrupted, directories that another TreeWriter did not finish get their attributes. With a recording,
    finish() writes the record of the tree, with extended attributes unless the options skip them. Files are hashed only
    for a record with digests.
    """

    def __init__(
        self,
        root: int,
        *,
        options: Options,
        resolver: PathResolver,
        fresh: bool,
        warn: Warn,
        interrupted: bool = False,
        recording: Recording | None = None,
    ) -> None:
        self._root = root
        self._recording = recording
        self._scratch = Scratch() if recording is None else recording.scratch
        self._options = options
        self._warn = warn
        self._lower = not fresh
        self._budget = Budget(options.limits)
        with_digests = recording is not None and recording.digests
        self._digests = InodeTable(_DIGEST_BYTES, self._scratch) if with_digests else None
        self._marked = InodeTable(0, self._scratch)
        self._attributor = Attributor(
            ownership=options.ownership, xattrs=options.xattrs, warn=warn, marked=self._marked, private=fresh
        )
        self._tree = Tree(root, resolver=resolver, mark=not fresh, interrupted=interrupted, scratch=self._scratch)
        with contextlib.ExitStack() as stack:
            stack.callback(self._tree.close)
            if fresh:
                self._tree.set_root(IMPLIED)
                # else every file would inherit the default ACL of the parent directory
                self._attributor.clear_xattrs(root)
            self._stack = stack.pop_all()

    def __enter__(self) -> TreeWriter:
        return self

    def __exit__(self, *dummy: object) -> None:
        self._stack.close()

    def apply(self, pieces: t.Iterator[Piece], hash_piece: HashPiece = no_hash) -> None:
        """See Writer."""
        changeset = Changeset(
            self._tree,
            attributor=self._attributor,
            devices=self._options.devices,
            budget=self._budget,
            digests=self._digests,
            lower=self._lower,
            scratch=self._scratch,
            warn=self._warn,
        )
        stream = ByteStream(self._count_bytes(pieces, hash_piece))
        changeset.apply(TarReader(stream))
        stream.drain()
        self._lower = True

    def wait(self) -> None:
        """See Writer: does nothing, because this writer uses each piece at once."""

    def _count_bytes(self, pieces: t.Iterator[Piece], hash_piece: HashPiece) -> t.Iterator[Piece]:
        for piece in pieces:
            hash_piece(piece)
            self._budget.add_bytes(len(piece))
            yield piece

    def finish(self) -> Unpacked:
        """See Writer."""
        unpacked = Unpacked(self._budget.entries, self._budget.bytes)
        if self._options.selection:
            self._tree.select(self._options.selection, warn=self._warn)
        maker = PointMaker(
            self._tree, self._root, attributor=self._attributor, budget=self._budget, digests=self._digests
        )
        maker.make(self._options.mount_points)
        maker.make_volumes(self._options.volumes, warn=self._warn)
        self._tree.finish(self._attributor)
        if self._recording is not None:
            self._write_record(self._recording.fd)
        return unpacked

    def _write_record(self, fd: int) -> None:
        xattrs = None if self._options.xattrs == "skip" else self._marked
        try:
            with open(fd, "wb", buffering=_RECORD_BUFFER, closefd=False) as file:
                write_record(self._root, file, self._digests, xattrs=xattrs)
        except OSError as exc:
            raise filesystem_error(exc, doing="recording the unpacked tree, at", path=exc.filename or b".") from exc


__all__ = ("HashPiece", "Options", "TreeWriter", "Unpacked", "Writer", "no_hash")
