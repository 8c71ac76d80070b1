# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read a tar archive front to back: POSIX.1-2017 pax, and the GNU tar manual, appendix "Tar Internals".

writer.py and _module/layer/file.py make one reader for each layer, changeset.py applies its entries. Every byte is
untrusted.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import LayerInvalid, LimitExceeded
from ..limits import HEADER_BYTES
from . import sparse as tar_sparse
from .entry import Entry, Kind, Sparse
from .header import BLOCK, Header, parse_header
from .pax import Pax, parse_integer, parse_pax, parse_time
from .plain import PlainDecoder
from .stream import ByteStream, Piece

_KINDS: t.Final[dict[bytes, Kind]] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"S": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "character",
    b"4": "block",
    b"5": "directory",
    b"6": "fifo",
}
_EXTENSIONS: t.Final = frozenset(b"xgLKX"[i : i + 1] for i in range(5))
# chown(2) takes this number as "leave unchanged".
_NO_OWNER: t.Final = 2**32 - 1

_ZERO_BLOCK: t.Final = bytes(BLOCK)
_NO_XATTRS: t.Final[t.Mapping[str, bytes]] = {}


@dataclasses.dataclass
class _Extensions:
    """The extension headers in front of an entry: the last of each kind counts, as in GNU tar and Go's archive/tar."""

    pax: Pax | None = None
    name: bytes = b""
    target: bytes = b""
    seen: bool = False

    def add(self, flag: bytes, content: bytes) -> None:
        """Add an extension header. Raises LayerInvalid for a malformed PAX header."""
        if flag == b"g":  # container tools ignore global headers: Go's archive/tar drops them too
            return
        self.seen = True
        if flag == b"L":
            self.name = content.partition(b"\0")[0]
        elif flag == b"K":
            self.target = content.partition(b"\0")[0]
        else:
            self.pax = parse_pax(content)


class TarReader:
    """Reads a tar archive front to back: v7, ustar, GNU and PAX, with GNU and PAX sparse files.

    Raises LayerInvalid or LimitExceeded for all that does not follow the specifications. Memory is bounded by one
    extension header of each kind.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._unread = 0

    def entries(self) -> t.Iterator[Entry]:
        """Yield each member; skip the part of its content that content() did not return."""
        stream, plain = self._stream, PlainDecoder()
        while True:
            block = stream.block(BLOCK)
            found = plain.entry(block) or self._decode_entry(block)
            if found is None:
                return
            self._unread = size = found.size
            yield found
            if size:
                stream.skip(self._unread + -size % BLOCK)

    def content(self) -> t.Iterable[Piece]:
        """Return the content of the last member in pieces; use it once, and exhaust it.

        Use each piece before the next one is requested: its memory may be used again then.
        """
        size, self._unread = self._unread, 0
        return self._stream.pieces(size)

    def _decode_entry(self, block: bytes) -> Entry | None:
        """Return the entry that begins with block, which may be an extended header; None at the end of the archive."""
        extensions = _Extensions()
        while True:
            if not block or block == _ZERO_BLOCK:
                self._check_end(extensions)
                return None
            header = parse_header(block)
            if header.typeflag not in _EXTENSIONS:
                return self._make_entry(header, block, extensions)
            extensions.add(header.typeflag, self._read_extension(header.size))
            block = self._stream.block(BLOCK)

    def _check_end(self, extensions: _Extensions) -> None:
        following = self._stream.block(BLOCK)
        if following and following != _ZERO_BLOCK:
            raise LayerInvalid(
                "The tar archive of the layer continues after a block of zeros; the image is damaged, push it again."
            )
        if extensions.seen:
            raise LayerInvalid(
                "The tar archive of the layer ends after an extended header; the image is damaged, push it again."
            )

    def _read_extension(self, size: int) -> bytes:
        if not 0 <= size <= HEADER_BYTES:
            raise LimitExceeded(
                f"An extended header in the tar archive of the layer is {size} bytes long,"
                f" more than the {HEADER_BYTES} that are accepted.",
                limit="header_bytes",
                maximum=HEADER_BYTES,
            )
        content = self._stream.read(size)
        self._stream.skip(-size % BLOCK)
        return content

    def _make_entry(self, header: Header, block: bytes, extensions: _Extensions) -> Entry:
        entry = _plain_entry(header, extensions)
        if extensions.pax is not None:
            entry = _with_pax(entry, extensions.pax)
        if header.typeflag == b"\0" and entry.path.endswith(b"/"):  # the form of a directory in v7 tar
            entry = entry._replace(kind="directory")
        if header.typeflag == b"S":
            if not header.gnu:
                raise _entry_error(entry, "is a sparse file in a format that is neither GNU's nor PAX")
            entry = entry._replace(sparse=tar_sparse.old_gnu(block, self._stream))
        elif extensions.pax is not None and extensions.pax.sparse and entry.kind == "file":
            entry = self._pax_sparse(entry, extensions.pax)
        return _check_entry(entry)

    def _pax_sparse(self, entry: Entry, pax: Pax) -> Entry:
        name = dict(pax.sparse).get(b"name")
        if name:
            entry = entry._replace(path=name)
        if not tar_sparse.is_format_1(pax.sparse):
            return entry._replace(sparse=tar_sparse.from_pax(pax.sparse))
        sparse, consumed = tar_sparse.format_1(pax.sparse, self._stream)
        return entry._replace(sparse=sparse, size=entry.size - consumed)


def _plain_entry(header: Header, extensions: _Extensions) -> Entry:
    return Entry(
        extensions.name or header.name,
        _kind_of(header.typeflag),
        header.mode,
        header.uid,
        header.gid,
        header.size,
        header.mtime * 10**9,
        extensions.target or header.linkname,
        header.device,
        _NO_XATTRS,
        None,
    )


def _kind_of(flag: bytes) -> Kind:
    try:
        return _KINDS[flag]
    except KeyError:
        raise LayerInvalid(
            f"The tar archive of the layer has an entry of the unknown type {flag!r}; it cannot be unpacked."
        ) from None


def _with_pax(entry: Entry, pax: Pax) -> Entry:
    """Apply PAX records, which override the header; an empty value means that the header's own counts."""
    changes: dict[str, t.Any] = {"xattrs": pax.xattrs}
    values = pax.values
    for keyword, field in ((b"path", "path"), (b"linkpath", "target")):
        if values.get(keyword):
            changes[field] = values[keyword]
    for keyword in (b"size", b"uid", b"gid"):
        if values.get(keyword):
            name = keyword.decode("ascii")
            changes[name] = parse_integer(values[keyword], name)
    if values.get(b"mtime"):
        changes["mtime"] = parse_time(values[b"mtime"])
    return entry._replace(**changes)


def _check_entry(entry: Entry) -> Entry:
    if b"\0" in entry.path or b"\0" in entry.target:
        raise _entry_error(entry, "has a NUL in its name or link target")
    if not 0 <= entry.size < 2**63:
        raise _entry_error(entry, "has an impossible size")
    if not (0 <= entry.uid < _NO_OWNER and 0 <= entry.gid < _NO_OWNER):
        raise _entry_error(entry, f"has an owner or group that no file can have ({entry.uid}, {entry.gid})")
    if entry.mode < 0:
        raise _entry_error(entry, "has a negative mode")
    if entry.kind == "file":
        _check_sparse(entry, entry.sparse)
        return entry
    if entry.kind == "hardlink" and entry.size:
        raise _entry_error(entry, "is a hard link with content of its own")
    return entry._replace(size=0) if entry.size else entry


def _check_sparse(entry: Entry, sparse: Sparse | None) -> None:
    if sparse is not None and sum(region.length for region in sparse.regions) != entry.size:
        raise _entry_error(entry, "is a sparse file whose map does not fit its content")


def _entry_error(entry: Entry, why: str) -> LayerInvalid:
    return LayerInvalid(
        f"The entry {entry.path[:200]!r} in the tar archive of the layer {why}; the image is damaged, push it again."
    )


__all__ = ("TarReader",)
