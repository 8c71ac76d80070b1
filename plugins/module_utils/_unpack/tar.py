# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import dataclasses
import typing as t

from . import tar_sparse
from .entry import Entry, Kind, Sparse
from .errors import LayerInvalid, LimitExceeded
from .limits import HEADER_BYTES
from .stream import ByteStream
from .tar_header import BLOCK, Header, parse_header
from .tar_pax import Pax, parse_integer, parse_pax, parse_time

_KINDS: dict[bytes, Kind] = {
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
_EXTENSIONS = frozenset(b"xgLKX"[i : i + 1] for i in range(5))
_NO_OWNER = 2**32 - 1
"""chown(2) takes this number for "leave as it is"."""

_NOTHING = bytes(BLOCK)
_NO_XATTRS: t.Mapping[str, bytes] = {}


@dataclasses.dataclass
class _Extensions:
    """What the headers in front of an entry say about it: the last of each kind, as for GNU tar and Go's reader."""

    pax: Pax | None = None
    name: bytes = b""
    target: bytes = b""
    seen: bool = False

    def add(self, flag: bytes, content: bytes) -> None:
        """Take in an extension header. Raises LayerInvalid for a malformed PAX header."""
        if flag == b"g":  # the container world ignores global headers: Go's reader drops them, too
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

    Every byte is untrusted: LayerInvalid or LimitExceeded is raised for whatever does not follow POSIX.1-2017 (pax)
    or the GNU tar manual, appendix "Tar Internals". Memory is bounded by one extension header of each kind.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._unread = 0

    def entries(self) -> t.Iterator[Entry]:
        """Yields each member; what is not taken of its content by content before the next one is passed over."""
        while True:
            found = self._next()
            if found is None:
                return
            self._unread = found.size
            yield found
            self._stream.skip(self._unread + -found.size % BLOCK)

    def content(self) -> t.Iterable[bytes | memoryview]:
        """Returns the content of the member that entries yielded last, in pieces; to be used once, and to its end."""
        size, self._unread = self._unread, 0
        return self._stream.pieces(size)

    def _next(self) -> Entry | None:
        extensions = _Extensions()
        while True:
            block = self._stream.block(BLOCK)
            if not block or block == _NOTHING:
                self._check_end(extensions)
                return None
            header = parse_header(block)
            if header.typeflag not in _EXTENSIONS:
                return self._entry(header, block, extensions)
            extensions.add(header.typeflag, self._extension(header.size))

    def _check_end(self, extensions: _Extensions) -> None:
        following = self._stream.block(BLOCK)
        if following and following != _NOTHING:
            raise LayerInvalid(
                "The tar archive of the layer goes on after a block of zeros; the image is damaged, push it again."
            )
        if extensions.seen:
            raise LayerInvalid(
                "The tar archive of the layer ends after an extended header; the image is damaged, push it again."
            )

    def _extension(self, size: int) -> bytes:
        if not 0 <= size <= HEADER_BYTES:
            raise LimitExceeded(
                f"An extended header in the tar archive of the layer is {size} bytes long,"
                f" more than the {HEADER_BYTES} that are accepted.",
                limit="header_bytes",
                maximum=HEADER_BYTES,
            )
        content = b"".join(self._stream.pieces(size))
        self._stream.skip(-size % BLOCK)
        return content

    def _entry(self, header: Header, block: bytes, extensions: _Extensions) -> Entry:
        entry = _plain_entry(header, extensions)
        if extensions.pax is not None:
            entry = _with_pax(entry, extensions.pax)
        if header.typeflag == b"\0" and entry.path.endswith(b"/"):  # how v7 tar wrote directories
            entry = entry._replace(kind="directory")
        if header.typeflag == b"S":
            if not header.gnu:
                raise _impossible(entry, "is a sparse file in a format that is neither GNU's nor PAX")
            entry = entry._replace(sparse=tar_sparse.old_gnu(block, self._stream))
        elif extensions.pax is not None and extensions.pax.sparse and entry.kind == "file":
            entry = self._pax_sparse(entry, extensions.pax)
        return _checked(entry)

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
        _kind(header.typeflag),
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


def _kind(flag: bytes) -> Kind:
    try:
        return _KINDS[flag]
    except KeyError:
        raise LayerInvalid(
            f"The tar archive of the layer has an entry of the unknown type {flag!r}; it cannot be unpacked."
        ) from None


def _with_pax(entry: Entry, pax: Pax) -> Entry:
    """PAX records override the header; an empty value means that the header's own counts."""
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


def _checked(entry: Entry) -> Entry:
    if b"\0" in entry.path or b"\0" in entry.target:
        raise _impossible(entry, "has a NUL in its name or link target")
    if not 0 <= entry.size < 2**63:
        raise _impossible(entry, "has an impossible size")
    if not (0 <= entry.uid < _NO_OWNER and 0 <= entry.gid < _NO_OWNER):
        raise _impossible(entry, f"has an owner or group that no file can have ({entry.uid}, {entry.gid})")
    if entry.mode < 0:
        raise _impossible(entry, "has a negative mode")
    if entry.kind == "file":
        _check_sparse(entry, entry.sparse)
        return entry
    if entry.kind == "hardlink" and entry.size:
        raise _impossible(entry, "is a hard link with content of its own")
    return entry._replace(size=0) if entry.size else entry


def _check_sparse(entry: Entry, sparse: Sparse | None) -> None:
    if sparse is not None and sum(region.length for region in sparse.regions) != entry.size:
        raise _impossible(entry, "is a sparse file whose map does not fit its content")


def _impossible(entry: Entry, why: str) -> LayerInvalid:
    return LayerInvalid(
        f"The entry {entry.path[:200]!r} in the tar archive of the layer {why}; the image is damaged, push it again."
    )


__all__ = ("TarReader",)
