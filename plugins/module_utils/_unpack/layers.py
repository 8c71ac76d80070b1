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

from .._oci.digest import Digest
from .._oci.errors import CollectionError
from .changeset import Changeset, DevicePolicy
from .confine import Resolver, choose_resolver
from .decompress import Compression
from .errors import LayerInvalid, LimitExceeded, filesystem_error
from .limits import Budget, Limits
from .metadata import Attributor, XattrPolicy
from .pipeline import Ahead, DiffIdHash, flatten, inflated
from .stream import ByteStream
from .tar import TarReader
from .tree import IMPLIED, Tree

Warn = t.Callable[[str], None]


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


@dataclasses.dataclass(frozen=True)
class Options:
    """How an image is put on disk.

    Without ownership every file belongs to the user that unpacks, as an ordinary user must. devices says what becomes
    of device nodes; xattrs whether extended attributes are set where possible, must be set, or are left out.
    """

    ownership: bool = True
    devices: DevicePolicy = "skip"
    xattrs: XattrPolicy = "keep"
    limits: Limits = dataclasses.field(default_factory=Limits)


@dataclasses.dataclass(frozen=True)
class Unpacked:
    """What an unpack did: tar entries, decompressed bytes, and the SHA-256 digest of each file by inode number."""

    entries: int
    size: int
    digests: t.Mapping[int, bytes]


def unpack_layers(
    root: int,
    layers: t.Sequence[LayerSource],
    *,
    options: Options,
    warn: Warn,
    fresh: bool = True,
    resolver: Resolver | None = None,
) -> Unpacked:
    """Applies layers, lowest first, to the directory that is open as root (image-spec, layer.md, "Applying
    Changesets").

    With fresh the directory is empty and private to the caller; without, what it holds counts as lower layers.
    Download, decompression, hashing and writing overlap in threads; while a layer is applied, the next one is opened
    and a few megabytes of it are fetched. The first failure stops everything and is raised with the layer's name as
    field layer: UnpackError, or whatever a source raises. The tree is then half done: the caller discards it.
    """
    budget = Budget(options.limits)
    digests: dict[int, bytes] = {}
    attributor = Attributor(ownership=options.ownership, xattrs=options.xattrs, warn=warn)
    with contextlib.ExitStack() as stack:
        tree = Tree(root, resolver=resolver or choose_resolver())
        stack.callback(tree.close)
        if fresh:
            tree.set_root(IMPLIED)
            attributor.clear_xattrs(root)  # every file would inherit the default ACL of the directory above
        for number, (layer, compressed) in enumerate(zip(layers, _Upcoming(layers, stack))):
            changeset = Changeset(
                tree,
                attributor=attributor,
                devices=options.devices,
                budget=budget,
                digests=digests,
                lower=number > 0 or not fresh,
                warn=warn,
            )
            with _naming(layer):
                _apply(layer, compressed, changeset, budget=budget, warn=warn)
        tree.finish(attributor)
    return Unpacked(budget.entries, budget.bytes, digests)


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
    except OSError as error:
        raise filesystem_error(error, doing="reading the layer", path=layer.name) from error


def _apply(layer: LayerSource, compressed: Ahead, changeset: Changeset, *, budget: Budget, warn: Warn) -> None:
    with contextlib.ExitStack() as stack:
        diff_id = DiffIdHash(layer.diff_id)
        stack.callback(diff_id.close)
        pieces = inflated(flatten(compressed), declared=layer.compression, budget=budget, warn=warn)
        inflating = Ahead(pieces, name="decompress")
        stack.callback(inflating.close)
        stack.callback(compressed.close)  # first, so that nobody waits for bytes that nobody wants
        stream = ByteStream(_watched(inflating, diff_id, budget))
        try:
            changeset.apply(TarReader(stream))
            stream.drain()
        except LayerInvalid:
            # that the bytes are not those that were asked for would be the better explanation
            with contextlib.suppress(LayerInvalid, LimitExceeded):
                inflating.drain()
            compressed.drain()
            raise
        diff_id.check()


def _watched(inflating: t.Iterable[list[bytes]], diff_id: DiffIdHash, budget: Budget) -> t.Iterator[bytes]:
    for batch in inflating:
        diff_id.add(batch)
        for piece in batch:
            budget.add_bytes(len(piece))
            yield piece


@contextlib.contextmanager
def _naming(layer: LayerSource) -> t.Iterator[None]:
    try:
        yield
    except CollectionError as error:
        error.add_context(layer=layer.name)
        raise


def open_root(path: str | bytes) -> int:
    """Opens the directory path, which must not be a symbolic link, as unpack_layers wants it. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


__all__ = ("LayerSource", "Options", "Unpacked", "open_root", "unpack_layers")
