# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tar entries of image layers, made in memory; images.py offers all of these names too.

archive = tar([directory("etc"), file("etc/motd", b"hello"), symlink("etc/issue", "motd"), whiteout("etc/old")])
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import typing as t
from dataclasses import dataclass

MTIME: t.Final = 1721396696

Compression = t.Literal["none", "gzip", "zstd", "bzip2", "xz"]


@dataclass(frozen=True)
class Entry:
    """One tar entry: a header, and the content of a regular file."""

    header: tarfile.TarInfo
    content: bytes = b""


def entry(
    name: str,
    kind: bytes,
    *,
    mode: int,
    content: bytes = b"",
    link: str = "",
    uid: int = 0,
    gid: int = 0,
    mtime: float = MTIME,
    device: tuple[int, int] = (0, 0),
    xattrs: t.Mapping[str, bytes] | None = None,
    pax: t.Mapping[str, str] | None = None,
) -> Entry:
    """Return any entry. kind is a tarfile type such as tarfile.REGTYPE; a fractional mtime becomes a PAX record.

    xattrs become SCHILY.xattr.* records; pax has further records, which override the header.
    """
    header = tarfile.TarInfo(name)
    header.type, header.mode, header.linkname = kind, mode, link
    header.uid, header.gid, header.mtime = uid, gid, mtime
    header.size = len(content)
    header.devmajor, header.devminor = device
    # tarfile writes a str as UTF-8 with surrogateescape, which keeps any byte of a capability.
    header.pax_headers = {
        f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape") for key, value in (xattrs or {}).items()
    }
    header.pax_headers.update(pax or {})
    return Entry(header, content)


def directory(name: str, *, mode: int = 0o755, **more: t.Any) -> Entry:
    """Return a directory; more as for entry()."""
    return entry(name.rstrip("/") + "/", tarfile.DIRTYPE, mode=mode, **more)


def file(name: str, content: bytes = b"", *, mode: int = 0o644, **more: t.Any) -> Entry:
    """Return a regular file; more as for entry()."""
    return entry(name, tarfile.REGTYPE, mode=mode, content=content, **more)


def symlink(name: str, target: str, *, mode: int = 0o777, **more: t.Any) -> Entry:
    """Return a symbolic link; more as for entry()."""
    return entry(name, tarfile.SYMTYPE, mode=mode, link=target, **more)


def hardlink(name: str, target: str, *, mode: int = 0o644, **more: t.Any) -> Entry:
    """Return a hard link to the entry target; more as for entry()."""
    return entry(name, tarfile.LNKTYPE, mode=mode, link=target, **more)


def fifo(name: str, *, mode: int = 0o644, **more: t.Any) -> Entry:
    """Return a named pipe; more as for entry()."""
    return entry(name, tarfile.FIFOTYPE, mode=mode, **more)


def device(name: str, kind: t.Literal["c", "b"], major: int, minor: int, *, mode: int = 0o600, **more: t.Any) -> Entry:
    """Return a character or block device; more as for entry()."""
    tar_kind = tarfile.CHRTYPE if kind == "c" else tarfile.BLKTYPE
    return entry(name, tar_kind, mode=mode, device=(major, minor), **more)


def whiteout(name: str) -> Entry:
    """Return the marker that removes name of lower layers."""
    parent, dummy, base = name.rpartition("/")
    return file(f"{parent}/.wh.{base}" if parent else f".wh.{base}", mode=0o600)


def opaque(name: str = "") -> Entry:
    """Return the marker that hides everything of lower layers in the directory name ("" is the root)."""
    return file(f"{name}/.wh..wh..opq" if name else ".wh..wh..opq", mode=0o600)


def raw(header: tarfile.TarInfo, content: bytes = b"") -> Entry:
    """Return an entry with exactly this header, valid or not."""
    return Entry(header, content)


def tar(entries: t.Iterable[Entry], *, tar_format: t.Literal[0, 1, 2] = tarfile.PAX_FORMAT) -> bytes:
    """Return the tar archive of these entries, with the two closing zero blocks and no further padding."""
    pieces = []
    for item in entries:
        pieces.append(item.header.tobuf(tar_format, "utf-8", "surrogateescape"))
        pieces.append(item.content + bytes(-len(item.content) % tarfile.BLOCKSIZE))
    return b"".join(pieces) + bytes(2 * tarfile.BLOCKSIZE)


def compress(data: bytes, compression: Compression) -> bytes:
    """Return the bytes compressed, without a time stamp; zstd needs the library zstandard."""
    if compression == "none":
        return data
    if compression == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=3).compress(data)
    if compression == "bzip2":
        return bz2.compress(data)
    if compression == "xz":
        return lzma.compress(data, preset=1)
    target = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=target, compresslevel=6, mtime=0) as stream:
        stream.write(data)
    return target.getvalue()


__all__ = (
    "MTIME",
    "Compression",
    "Entry",
    "compress",
    "device",
    "directory",
    "entry",
    "fifo",
    "file",
    "hardlink",
    "opaque",
    "raw",
    "symlink",
    "tar",
    "whiteout",
)
