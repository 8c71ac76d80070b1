# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

# A snapshot is loaded in a process of its own: whatever happens there, the one that asked goes on, stays small, and has
# no threads when it forks. This is how the snapshot gets from the one to the other.
import io
import pickle
import types
import typing as t

from ..errors import RootError, ServerError
from .snapshot import Repository

if t.TYPE_CHECKING:
    from .snapshot import Snapshot


def _view(mapping: dict[t.Any, t.Any]) -> t.Any:
    return types.MappingProxyType(mapping)


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, previous: Snapshot | None) -> None:
        super().__init__(buffer, protocol=pickle.HIGHEST_PROTOCOL)
        self._repositories = {} if previous is None else previous.repositories

    def persistent_id(self, obj: t.Any) -> str | None:
        """A repository that is as it was need not be sent; nor will it be in memory twice."""
        if isinstance(obj, Repository) and self._repositories.get(obj.name) == obj:
            return obj.name
        return None

    def reducer_override(self, obj: t.Any) -> t.Any:
        """A read-only view is made again over a copy; pickle itself cannot do that."""
        if isinstance(obj, types.MappingProxyType):
            return _view, (dict(obj),)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, previous: Snapshot | None) -> None:
        super().__init__(buffer)
        self._repositories = {} if previous is None else previous.repositories

    def persistent_load(self, pid: str) -> Repository:
        """The repository that is as it was."""
        return self._repositories[pid]


def pack(result: Snapshot | ServerError, *, previous: Snapshot | None = None) -> bytes:
    """What loading gave, as bytes for somebody who has the previous snapshot."""
    buffer = io.BytesIO()
    _Pickler(buffer, previous).dump(result)
    return buffer.getvalue()


def unpack(data: bytes, *, previous: Snapshot | None = None) -> Snapshot:
    """The snapshot in bytes that pack made in a child of this process. Raises the ServerError that is in them."""
    if not data:
        raise RootError("Loading the registry directory failed: the process that did it was killed; is memory short?")
    result = _Unpickler(io.BytesIO(data), previous).load()
    if isinstance(result, ServerError):
        raise result
    return t.cast("Snapshot", result)


__all__ = ("pack", "unpack")
