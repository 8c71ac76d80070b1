# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Write a tar archive whose bytes depend on the names and contents of its members alone.

There are no times, and all members belong to user and group 0. The format is that of tar_header.py. pending.py writes
archives with it.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass

from .._base.text import visible
from .._layout.errors import Unreadable
from .content import FileRange
from .tar_header import BLOCK, Header

END: t.Final = b"\0" * (2 * BLOCK)


class Output(t.Protocol):
    """Where an archive is written to."""

    def write(self, piece: bytes) -> None:
        """Write the next bytes."""

    def copy(self, content: FileRange) -> None:
        """Write the bytes of a part of a file next. Raises Unreadable if there are fewer."""


@dataclass(frozen=True)
class TarMember:
    """A file of an archive: its name, its size, and a function that opens its bytes. A name ending in / is a directory.

    The bytes are a part of a file, or an iterator, which may raise an error at its end if they are wrong.
    """

    name: str
    size: int = 0
    opened: t.Callable[[], t.ContextManager[FileRange | t.Iterable[bytes]]] | None = None

    @classmethod
    def of(cls, name: str, data: bytes) -> TarMember:
        """Return a file whose content is in memory."""
        return cls(name, len(data), lambda: contextlib.nullcontext((data,)))


def with_directories(members: t.Iterable[TarMember]) -> list[TarMember]:
    """Return the members sorted by name, and before them the directories that they are in."""
    found = {member.name: member for member in members}
    for name in tuple(found):
        parts = name.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            folder = "/".join(parts[:count]) + "/"
            found[folder] = TarMember(folder)
    return [found[name] for name in sorted(found)]


def write_tar(members: t.Iterable[TarMember], output: Output) -> None:
    """Write members in their order, and the end of the archive. Raises what their iterators and output raise.

    Raises Unreadable if the bytes of a member are more or fewer than its size.
    """
    for member in members:
        output.write(_header(member))
        if member.opened is not None:
            with member.opened() as content:
                _write_content(member, content, output)
            output.write(b"\0" * (-member.size % BLOCK))
    output.write(END)


def _write_content(member: TarMember, content: FileRange | t.Iterable[bytes], output: Output) -> None:
    left = member.size
    if isinstance(content, FileRange):
        left -= content.size
        if not left:
            output.copy(content)
    else:
        for piece in content:
            left -= len(piece)
            if left < 0:
                break
            output.write(piece)
    if left:
        raise Unreadable(
            f"Writing the archive failed: {visible(member.name)} does not have {member.size} bytes; run the task again."
        )


def _header(member: TarMember) -> bytes:
    kind, mode = (b"5", 0o755) if member.name.endswith("/") else (b"0", 0o644)
    return Header(member.name.encode("ascii"), kind, mode, size=member.size).to_bytes()


__all__ = ("END", "Output", "TarMember", "with_directories", "write_tar")
