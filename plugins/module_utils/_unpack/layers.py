# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from .._base.errors import CollectionError
from .._oci.digest import Digest
from .confine import Resolver, choose_resolver
from .decompress import Compression
from .errors import LayerInvalid, LimitExceeded, filesystem_error
from .fork import is_worth_it
from .limits import Budget
from .pipeline import Ahead, DiffIdHash, flatten, inflated
from .record import Recording
from .writer import Options, TreeWriter, Unpacked, Warn, Writer
from .writer_process import ApartWriter


@dataclasses.dataclass(frozen=True)
class LayerSource:
    """A layer to unpack: where its bytes come from and what they must be.

    open returns a context manager that yields an iterator over the compressed bytes, in pieces, which raises an error
    unless all of them were right (digest and size); it is iterated to its end, in another thread. compression is what
    the media type says, or none if nothing does; name is for messages, normally the layer's digest.
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
    resolver: Resolver | None = None,
    apart: bool | None = None,
    recording: Recording | None = None,
) -> Unpacked:
    """Applies layers, lowest first, to the directory that is open as root (image-spec, layer.md, "Applying
    Changesets").

    With fresh the directory is empty and private to the caller; without, what it holds counts as lower layers. With
    interrupted, an earlier call on it may have ended before it was done, which this one makes up for.
    Download, decompression, hashing and writing overlap, in threads, and with apart, which by default is decided by
    what is faster, in a process of its own for the writing; while a layer is applied, the next one is opened and a few
    megabytes of it are fetched. With a recording, the record of the tree is written to it in the end. The first failure
    stops everything and is raised with the layer's name as field layer: UnpackError, or whatever a source raises. The
    tree is then half done: the caller discards it.
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
        writer = stack.enter_context(_writer(open_writer, warn, apart=is_worth_it() if apart is None else apart))
        limits = Budget(options.limits)
        for layer, compressed in zip(layers, _Upcoming(layers, stack)):
            with _naming(layer):
                _apply(layer, compressed, writer, limits=limits, warn=warn)
        return writer.finish()


def _writer(open_writer: t.Callable[[Warn], TreeWriter], warn: Warn, *, apart: bool) -> Writer:
    if apart:
        with contextlib.suppress(OSError):  # no other process can be had: it is slower without, but no less right
            return ApartWriter(open_writer, warn=warn)
    return open_writer(warn)


class _Upcoming:
    """The layers' compressed bytes, one layer opened ahead of the one that is being applied."""

    def __init__(self, layers: t.Sequence[LayerSource], stack: contextlib.ExitStack) -> None:
        self._layers = layers
        self._stack = stack

    def __iter__(self) -> t.Iterator[Ahead]:
        opened: Ahead | None = None
        for layer in self._layers:
            upcoming = self._open(layer)
            if opened is not None:
                yield opened
            opened = upcoming
        if opened is not None:
            yield opened

    def _open(self, layer: LayerSource) -> Ahead:
        ahead = Ahead(_fetched(layer), name="download")
        self._stack.callback(ahead.close)
        return ahead


def _fetched(layer: LayerSource) -> t.Iterator[bytes]:
    try:
        with layer.open() as pieces:
            yield from pieces
    except OSError as exc:
        raise filesystem_error(exc, doing="reading the layer", path=layer.name) from exc


def _apply(layer: LayerSource, compressed: Ahead, writer: Writer, *, limits: Budget, warn: Warn) -> None:
    with contextlib.ExitStack() as stack:
        diff_id = DiffIdHash(layer.diff_id)
        stack.callback(diff_id.close)
        pieces = inflated(flatten(compressed), declared=layer.compression, budget=limits, warn=warn)
        inflating = Ahead(pieces, name="decompress")
        stack.callback(inflating.close)
        stack.callback(compressed.close)  # first, so that nobody waits for bytes that nobody wants
        try:
            writer.apply(_hashed(inflating.batches(writer.check), diff_id))
        except LayerInvalid:
            # that the bytes are not those that were asked for would be the better explanation
            with contextlib.suppress(LayerInvalid, LimitExceeded):
                inflating.drain()
            compressed.drain()
            raise
        diff_id.check()


def _hashed(batches: t.Iterable[list[bytes]], diff_id: DiffIdHash) -> t.Iterator[bytes]:
    for batch in batches:
        piece = b"".join(batch)  # each use of a piece gives up the interpreter's lock and waits for it again
        diff_id.add(piece)
        yield piece


@contextlib.contextmanager
def _naming(layer: LayerSource) -> t.Iterator[None]:
    try:
        yield
    except CollectionError as exc:
        exc.add_context(layer=layer.name)
        raise


def open_root(path: str | bytes) -> int:
    """Opens the directory path, which must not be a symbolic link, as unpack_layers wants it. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


__all__ = ("LayerSource", "Options", "Unpacked", "open_root", "unpack_layers")
