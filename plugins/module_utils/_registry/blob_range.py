# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read a part of a blob by one Range request (RFC 9110, 14). Called by Registry.blob_range().

A digest covers a whole blob, so a part cannot be verified.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .blobs import parse_content_range
from .caller import Call
from .errors import REPORT, ConfigurationError, NotOffered, ProtocolBroken, RangeInvalid

if t.TYPE_CHECKING:
    from .blobs import ContentRange
    from .caller import Caller
    from .errors import Operation
    from .transport.answer import Answer
    from .url import Url

# bytes of a part
MAX_PART: t.Final = 1024 * 1024

_UNSATISFIED: t.Final = re.compile(r"bytes \*/[0-9]{1,19}", re.IGNORECASE)
_FORM: t.Final = re.compile(r"([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18})")


@dataclass(frozen=True)
class ByteRange:
    """A part of a blob. Without last it goes to the end; without first it is the last bytes, and last their number."""

    first: int | None
    last: int | None

    @classmethod
    def parse(cls, text: str) -> ByteRange:
        """Read "first-last", "first-" or "-count". Raises ConfigurationError, also for more than MAX_PART bytes."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise ConfigurationError("The option range must look like 0-1023, 1024- or -512.")
        first, last, count = match.groups()
        if count is not None:
            found, size = cls(None, int(count)), int(count)
        elif last:
            found, size = cls(int(first), int(last)), int(last) - int(first) + 1
        else:
            found, size = cls(int(first), None), 1
        if not 1 <= size <= MAX_PART:
            raise ConfigurationError(f"The option range must be 1 to {MAX_PART} bytes; for more, download the blob.")
        return found

    def __str__(self) -> str:
        return "-".join("" if end is None else str(end) for end in (self.first, self.last))

    def is_that_of(self, part: ContentRange) -> bool:
        """Tell whether an answer has this part, or what there is of it if the blob ends before."""
        if self.first is None:
            return part.total is not None and part.first == max(0, part.total - (self.last or 0)) and _is_end(part)
        return part.first == self.first and (
            part.last == self.last or ((self.last is None or part.last < self.last) and _is_end(part))
        )


def _is_end(part: ContentRange) -> bool:
    return part.total is not None and part.last == part.total - 1


@dataclass(frozen=True)
class BlobPart:
    """Bytes of a blob, not verified; size is that of the blob, None if the registry does not state it."""

    first: int
    content: bytes
    size: int | None


def read_part(caller: Caller, operation: Operation, url: Url, wanted: ByteRange) -> BlobPart:
    """GET a part of a blob, of at most MAX_PART bytes. Raises RegistryError.

    Raises RangeInvalid if the blob does not have it, and NotOffered if the registry answers with the whole blob.
    """
    headers = {"Accept": "*/*", "Range": f"bytes={wanted}"}
    call = Call(operation, url, headers=headers, statuses=(200, 206, 416), deadline=caller.deadline())
    return caller.consume(call, lambda answer: _read(answer, operation, wanted))[1]


def _read(answer: Answer, operation: Operation, wanted: ByteRange) -> BlobPart:
    server = answer.url.origin.authority
    if answer.status == 416:
        stated = answer.header("Content-Range") or ""
        size = stated.rpartition("/")[2] if _UNSATISFIED.fullmatch(stated) else None
        why = "the blob does not have these bytes" + (f", it has {size} bytes" if size else "")
        raise operation.error(RangeInvalid, why, "correct the option range", status=416)
    if answer.status == 200:
        why = f"{server} answers with the whole blob, because it does not support ranges"
        raise operation.error(NotOffered, why, "download the blob instead", status=200)
    if answer.codings:
        raise answer.coding_error()
    part = parse_content_range(answer.header("Content-Range"))
    content = answer.read(MAX_PART)
    if part is None or not wanted.is_that_of(part) or part.last - part.first + 1 != len(content):
        why = f"{server} answers with other bytes than those that were requested"
        raise operation.error(ProtocolBroken, why, REPORT, status=206)
    return BlobPart(part.first, content, part.total)


__all__ = ("MAX_PART", "BlobPart", "ByteRange", "read_part")
