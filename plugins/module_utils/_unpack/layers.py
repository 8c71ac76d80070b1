# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Unpack the layers of an image into a directory: image-spec, layer.md, "Applying Changesets".

_module/image/present.py and _module/layer/apply.py call unpack_layers().
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import time
import typing as t

from .._base.errors import CollectionError
from .._oci.digest import Digest
from .errors import LayerInvalid, filesystem_error
from .limits import Budget
from .pipeline.ahead import BATCHES_AHEAD, PATIENCE, Ahead, flatten
from .pipeline.content_checks import DiffIdHash, inflate_layer
from .pipeline.decompress import Compression
from .pipeline.fork import is_worth_it
from .pipeline.writer_process import ProcessWriter
from .record.record import Recording
from .tree.confine import PathResolver, choose_resolver
from .writer import Options, TreeWriter, Unpacked, Writer

if t.TYPE_CHECKING:
    from .._base.text import Warn


@dataclasses.dataclass(frozen=True)
class LayerSource:
    """A layer to unpack: how to open its bytes, and which bytes they must be.

    open returns a context manager that yields an iterator over the compressed bytes, in pieces. The iterator raises an
    error unless digest and size of all bytes were right; it runs to its end, in another thread. compression is what the
    media type states, or None; name is for messages, normally the layer's digest.
    """

    name: str
    compression: Compression | None
    diff_id: Digest
    open: t.Callable[[], t.ContextManager[t.Iterator[bytes]]]


def unpack_layers(
    root: int,
    layers: t.Sequence[LayerSource],
    *,
    options: Options,
    warn: Warn,
    fresh: bool = True,
    interrupted: bool = False,
    resolver: PathResolver | None = None,
    apart: bool | None = None,
    recording: Recording | None = None,
    parallel: int = 2,
) -> Unpacked:
    """Apply layers, lowest first, to the directory that is open as root.

    With fresh the directory is empty and private to the caller; without it, its content counts as lower layers. With
    interrupted, an earlier call on the directory may have ended too soon, and this one completes its directories.
    Download, decompression and hashing overlap in threads. With apart the writing overlaps too, in a process of its
    own; by default the faster way is chosen. While a layer is applied, the next ones are opened, parallel layers in
    all, and a few megabytes of each are fetched; more layers take no more memory than two. With a recording, the record
    of the tree is written to it at the end.

    The first failure stops everything and is raised with the layer's name as field layer: UnpackError, or what a source
    raises. The tree is incomplete then, and the caller discards it.
    """

    def open_writer(warn: Warn) -> TreeWriter:
        return TreeWriter(
            root,
            options=options,
            resolver=resolver or choose_resolver(),
            fresh=fresh,
            interrupted=interrupted,
            warn=warn,
            recording=recording,
        )

    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(_choose_writer(open_writer, warn, apart=is_worth_it() if apart is None else apart))
        limits = Budget(options.limits)
        upcoming = stack.enter_context(contextlib.closing(_Upcoming(layers, parallel)))
        for layer, compressed in zip(layers, upcoming):
            with _add_layer_name(layer):
                _apply(layer, compressed, writer, limits=limits, warn=warn)
        return writer.finish()


def _choose_writer(open_writer: t.Callable[[Warn], TreeWriter], warn: Warn, *, apart: bool) -> Writer:
    if apart:
        with contextlib.suppress(OSError):  # if fork fails, this process writes: slower, but as correct
            return ProcessWriter(open_writer, warn=warn)
    return open_writer(warn)


class _Upcoming:
    """The compressed bytes of the layers, parallel of which are open: the one that is being applied and the next."""

    def __init__(self, layers: t.Sequence[LayerSource], parallel: int) -> None:
        self._layers = collections.deque(layers)
        self._parallel = parallel
        # what two layers may have in memory, shared by all
        self._batches = BATCHES_AHEAD if parallel <= 2 else max(1, 2 * BATCHES_AHEAD // parallel)
        self._opened: collections.deque[Ahead] = collections.deque()

    def __iter__(self) -> t.Iterator[Ahead]:
        while self._layers or self._opened:
            while self._layers and len(self._opened) < self._parallel:
                self._opened.append(Ahead(_fetch(self._layers.popleft()), name="download", batches=self._batches))
            yield self._opened[0]
            self._opened.popleft()  # which has ended

    def close(self) -> None:
        """Stop all threads at once."""
        for ahead in self._opened:
            ahead.stop()
        patience = time.monotonic() + PATIENCE
        for ahead in self._opened:
            ahead.close(until=patience)


def _fetch(layer: LayerSource) -> t.Iterator[bytes]:
    try:
        with layer.open() as pieces:
            yield from pieces
    except OSError as exc:
        raise filesystem_error(exc, doing="reading the layer", path=layer.name) from exc


def _apply(layer: LayerSource, compressed: Ahead, writer: Writer, *, limits: Budget, warn: Warn) -> None:
    with contextlib.ExitStack() as stack:
        diff_id = DiffIdHash(layer.diff_id)
        stack.callback(diff_id.close)
        stack.callback(compressed.close)
        batches = compressed.batches(writer.wait)
        pieces = inflate_layer(flatten(batches), declared=layer.compression, budget=limits, warn=warn)
        try:
            writer.apply(pieces, diff_id.add)
        except LayerInvalid:
            compressed.drain()  # if the bytes are not those of the digest, that error explains more
            raise
        diff_id.check()


@contextlib.contextmanager
def _add_layer_name(layer: LayerSource) -> t.Iterator[None]:
    try:
        yield
    except CollectionError as exc:
        exc.add_context(layer=layer.name)
        raise


def open_root(path: str | bytes) -> int:
    """Open the directory path, which must not be a symbolic link, for unpack_layers(). Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


__all__ = ("LayerSource", "Options", "Unpacked", "open_root", "unpack_layers")
