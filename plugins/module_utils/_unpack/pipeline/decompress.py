# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Decompress a layer: gzip (RFC 1952) and zstd (RFC 8878), through isal and zstandard where the host has them.

bzip2 and xz (The .xz File Format 1.2.1) are not in image-spec; some tools write and read such layers.

content_checks.py calls decompress() for each layer.
"""

from __future__ import annotations

import importlib
import re
import typing as t
import zlib

from ..errors import CompressionUnavailable, LayerInvalid

if t.TYPE_CHECKING:
    from ..._base.text import Warn

_zlib: t.Any
zstandard: t.Any
standard_zstd: t.Any
_bz2: t.Any
_lzma: t.Any
_ZlibError: tuple[type[Exception], ...]

try:
    from isal import isal_zlib as _zlib

    _ZlibError = (zlib.error, _zlib.error)
except ImportError:  # no isal on this host: the standard library does the same, at about half the speed
    _zlib = zlib
    _ZlibError = (zlib.error,)

try:
    import zstandard
except ImportError:
    zstandard = None

try:
    standard_zstd = importlib.import_module("compression.zstd")
except ImportError:  # before Python 3.14
    standard_zstd = None

try:  # a Python that was built without the headers of a library lacks its module
    import bz2 as _bz2
except ImportError:
    _bz2 = None

try:
    import lzma as _lzma
except ImportError:
    _lzma = None

Compression = t.Literal["none", "gzip", "zstd", "bzip2", "xz"]
_Uncommon = t.Literal["bzip2", "xz"]

# The largest piece of compressed data that is passed to a decompressor at once: its unconsumed rest is copied each
# time.
INPUT_BYTES: t.Final = 65536

# The largest piece that is yielded; larger ones are slower because they leave the processor's cache.
OUTPUT_BYTES: t.Final = 65536

# zstandard cannot bound its output. A block has at least 4 bytes and decompresses to at most 128 KiB, so this bounds
# the output to 32 MiB.
ZSTD_INPUT_BYTES: t.Final = 1024

# The largest window that is accepted, 128 MiB: the limit of zstd -d without --long.
ZSTD_WINDOW_LOG: t.Final = 27

# What the decoder of xz may allocate: a dictionary of 128 MiB, twice that of xz -9, and its other tables. bzip2 takes
# 4 MiB at most.
XZ_MEMORY: t.Final = (128 + 1) * 1024 * 1024

_GZIP_MAGIC: t.Final = b"\x1f\x8b"
# The magic, the method and the flags of a member.
_GZIP_HEADER_BYTES: t.Final = 4

# No flag, or one of FEXTRA, FNAME and FCOMMENT. isal misreads a header with several flags where a piece ends in it,
# and accepts reserved flags.
_GZIP_SIMPLE_FLAGS: t.Final = (b"\0", b"\x04", b"\x08", b"\x10")

_ZSTD_MAGIC: t.Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE: t.Final = tuple(bytes((0x50 + i, 0x2A, 0x4D, 0x18)) for i in range(16))
_XZ_MAGIC: t.Final = b"\xfd7zXZ\0"
# "BZh", the size of a block, and the magic of the first block or of the end of the stream.
_BZIP2_MAGIC: t.Final = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
# What the longest magic needs.
MAGIC_BYTES: t.Final = 10
_GZIP_WINDOW_BITS: t.Final = 31


class CompressedInput:
    """The compressed bytes of a layer, re-cut into pieces of bounded size and counted.

    The next bytes can be read without consuming them, and the end of the last piece can be given back.
    """

    def __init__(self, pieces: t.Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = memoryview(b"")
        self._position = 0
        self.consumed = 0

    def peek(self, size: int) -> bytes:
        """Return the next size bytes, or fewer at the end, without consuming them."""
        while len(self._buffer) - self._position < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._buffer = memoryview(bytes(self._buffer[self._position :]) + piece)
            self._position = 0
        return bytes(self._buffer[self._position : self._position + size])

    def take(self, size: int) -> memoryview:
        """Return between 1 and size bytes; empty at the end."""
        while self._position == len(self._buffer):
            piece = next(self._pieces, None)
            if piece is None:
                return memoryview(b"")
            self._buffer, self._position = memoryview(piece), 0
        taken = self._buffer[self._position : self._position + size]
        self._position += len(taken)
        self.consumed += len(taken)
        return taken

    def give_back(self, size: int) -> None:
        """Put the last size bytes of the last piece back in front of the input."""
        self._position -= size
        self.consumed -= size


def detect(head: bytes) -> Compression:
    """Return the compression that the first bytes of a layer show (at least MAGIC_BYTES, or the whole layer)."""
    if head.startswith(_GZIP_MAGIC):
        return "gzip"
    if head.startswith((_ZSTD_MAGIC, *_ZSTD_SKIPPABLE)):
        return "zstd"
    if head.startswith(_XZ_MAGIC):
        return "xz"
    if _BZIP2_MAGIC.match(head):
        return "bzip2"
    return "none"


def decompress(source: CompressedInput, *, declared: Compression | None, warn: Warn) -> t.Iterator[bytes]:
    """Yield the decompressed bytes of a layer in pieces; read all of source.

    declared is the compression that the media type states. If the bytes show another one, that one is used and warn is
    called, as in containerd and skopeo. It is called for bzip2 and xz, too. An empty layer is empty whatever its type.
    Raises LayerInvalid for a corrupt or truncated stream or for trailing garbage, CompressionUnavailable on a host
    without a library for zstd, bzip2 or xz.
    """
    head = source.peek(MAGIC_BYTES)
    actual = detect(head)
    if declared is not None and head and actual != declared:
        warn(f"A layer is declared as {_describe(declared)} but is {_describe(actual)}; it was unpacked as the latter.")
    if actual == "gzip":
        return _gunzip(source)
    if actual == "zstd":
        return _unzstd(source)
    if actual in ("bzip2", "xz"):
        warn(
            f"A layer is compressed with {actual}, which the image specification does not define; many other tools "
            "refuse such a layer."
        )
        return _decompress_uncommon(source, actual)
    return _pass_through(source)


def _describe(compression: Compression) -> str:
    return "not compressed" if compression == "none" else f"{compression} compressed"


def _pass_through(source: CompressedInput) -> t.Iterator[bytes]:
    while True:
        piece = source.take(OUTPUT_BYTES)
        if not piece:
            return
        yield bytes(piece)


def _gunzip(source: CompressedInput) -> t.Iterator[bytes]:
    """Yield all members of a gzip file (RFC 1952, section 2.2); only zero padding may follow them."""
    while _has_next_member(source):
        member = _new_member(source.peek(_GZIP_HEADER_BYTES))
        data: bytes | memoryview = source.take(INPUT_BYTES)
        while not member.eof:
            piece = _inflate(member, data)
            data = member.unconsumed_tail
            if piece:
                yield piece
            if not member.eof and not data and len(piece) < OUTPUT_BYTES:
                data = source.take(INPUT_BYTES)
                if not data:
                    raise _stream_error("gzip", "it is truncated")
        source.give_back(len(member.unused_data))


def _new_member(header: bytes) -> t.Any:
    library = _zlib if header[3:] in _GZIP_SIMPLE_FLAGS else zlib
    return library.decompressobj(_GZIP_WINDOW_BITS)


def _inflate(member: t.Any, data: bytes | memoryview) -> bytes:
    try:
        return t.cast(bytes, member.decompress(data, OUTPUT_BYTES))
    except _ZlibError as exc:
        raise _stream_error("gzip", str(exc)) from exc


def _has_next_member(source: CompressedInput) -> bool:
    head = source.peek(len(_GZIP_MAGIC))
    if head == _GZIP_MAGIC:
        return True
    while True:
        padding = source.take(INPUT_BYTES)
        if not padding:
            return False
        if bytes(padding).strip(b"\0"):
            raise _stream_error("gzip", "data that is not gzip follows its last member")


def _unzstd(source: CompressedInput) -> t.Iterator[bytes]:
    """Yield all frames of a zstd file (RFC 8878, section 3), skippable ones included."""
    new_frame, errors = _zstd_library()
    while True:
        data = bytes(source.take(ZSTD_INPUT_BYTES))
        if not data:
            return
        for piece in _zstd_frame(new_frame(), data, source, errors):
            for start in range(0, len(piece), OUTPUT_BYTES):  # queues hold many pieces, and this one may have 32 MiB
                yield piece[start : start + OUTPUT_BYTES]


def _zstd_library() -> tuple[t.Callable[[], t.Any], type[Exception]]:
    """Return a function that makes a decompressor for one frame, and the exception that it raises."""
    if zstandard is not None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=1 << ZSTD_WINDOW_LOG)
        if hasattr(decompressor.decompressobj(), "eof"):  # not before zstandard 0.19
            return decompressor.decompressobj, zstandard.ZstdError
    if standard_zstd is not None:
        options = {standard_zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
        return lambda: standard_zstd.ZstdDecompressor(options=options), standard_zstd.ZstdError
    found = "" if zstandard is None else f", and an older one ({getattr(zstandard, '__version__', '0')}) was found"
    raise CompressionUnavailable(
        "A layer is compressed with zstd, which needs the Python library zstandard (0.19 or later) on this host"
        f"{found}: install the package python3-zstandard, or choose an image with gzip layers.",
        library="zstandard",
    )


def _zstd_frame(frame: t.Any, data: bytes, source: CompressedInput, errors: type[Exception]) -> t.Iterator[bytes]:
    batch: list[bytes] = []
    size = 0
    while True:
        try:
            piece = frame.decompress(data)
        except errors as exc:
            raise _stream_error("zstd", str(exc)) from exc
        if piece:
            batch.append(piece)
            size += len(piece)
        if size >= OUTPUT_BYTES or (size and frame.eof):
            yield b"".join(batch)
            batch, size = [], 0
        if frame.eof:
            source.give_back(len(frame.unused_data))
            return
        data = bytes(source.take(ZSTD_INPUT_BYTES))
        if not data:
            raise _stream_error("zstd", "it is truncated")


def _decompress_uncommon(source: CompressedInput, form: _Uncommon) -> t.Iterator[bytes]:
    """Yield all streams of a bzip2 or xz file; only the padding of xz may follow them."""
    new_stream, errors = _uncommon_library(form)
    while source.peek(1):
        yield from _uncommon_stream(new_stream(), source, form, errors)
        if form == "xz":
            _skip_xz_padding(source)
        head = source.peek(MAGIC_BYTES)
        if head and detect(head) != form:
            raise _stream_error(form, f"data that is not {form} follows its last stream")


def _uncommon_library(form: _Uncommon) -> tuple[t.Callable[[], t.Any], tuple[type[Exception], ...]]:
    """Return a function that makes a decompressor for one stream, and the exceptions that it raises."""
    if form == "bzip2" and _bz2 is not None:
        return _bz2.BZ2Decompressor, (OSError, ValueError)
    if form == "xz" and _lzma is not None:
        return lambda: _lzma.LZMADecompressor(_lzma.FORMAT_XZ, memlimit=XZ_MEMORY), (_lzma.LZMAError,)
    module = "bz2" if form == "bzip2" else "lzma"
    raise CompressionUnavailable(
        f"A layer is compressed with {form}, which needs the module {module} of Python's standard library, and the "
        "Python of this host was built without it: use another Python, or choose an image with gzip layers.",
        module=module,
    )


def _uncommon_stream(
    stream: t.Any, source: CompressedInput, form: _Uncommon, errors: tuple[type[Exception], ...]
) -> t.Iterator[bytes]:
    while not stream.eof:
        data = bytes(source.take(INPUT_BYTES)) if stream.needs_input else b""
        if stream.needs_input and not data:
            raise _stream_error(form, "it is truncated")
        try:
            piece = stream.decompress(data, OUTPUT_BYTES)
        except errors as exc:
            raise _stream_error(form, str(exc)) from exc
        if piece:
            yield piece
    source.give_back(len(stream.unused_data))


def _skip_xz_padding(source: CompressedInput) -> None:
    """Skip the stream padding (section 2.2 of the format): zero bytes, whose number is a multiple of four."""
    while source.peek(4) == bytes(4):
        taken = bytes(source.take(INPUT_BYTES))
        zeros = len(taken) - len(taken.lstrip(b"\0"))
        source.give_back(len(taken) - zeros // 4 * 4)


def _stream_error(form: str, why: str) -> LayerInvalid:
    return LayerInvalid(
        f"The layer is not a valid {form} stream: {why}; the image is damaged, push it to the registry again."
    )


__all__ = (
    "MAGIC_BYTES",
    "CompressedInput",
    "Compression",
    "decompress",
    "detect",
    "standard_zstd",
    "zstandard",
)
