# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An output of the writers of archives (_archive/tar_writer.py) in memory."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._archive.content import FileRange


class OutputBuffer:
    """An output in memory."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, piece: bytes) -> None:
        """Append the next bytes."""
        self.data += piece

    def copy(self, content: FileRange) -> None:
        """Append a part of a file."""
        for piece in content.pieces():
            self.write(piece)
