# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Transfer of a snapshot from the loader process to the main process, as a pickle.

The loader is a separate process, so that the main process survives its faults, stays small and has no threads when it
forks. Called by loader.py.
"""

from __future__ import annotations

import io
import pickle
import types
import typing as t

from ..errors import RootError, ServerError
from .snapshot import Repository

if t.TYPE_CHECKING:
    from .snapshot import Snapshot


def _make_read_only(mapping: dict[t.Any, t.Any]) -> t.Any:
    return types.MappingProxyType(mapping)


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, previous: Snapshot | None) -> None:
        super().__init__(buffer, protocol=pickle.HIGHEST_PROTOCOL)
        self._repositories = {} if previous is None else previous.repositories

    def persistent_id(self, obj: t.Any) -> str | None:
        """Return the name of a repository that is unchanged; it is neither sent nor kept in memory twice."""
        if isinstance(obj, Repository) and self._repositories.get(obj.name) == obj:
            return obj.name
        return None

    def reducer_override(self, obj: t.Any) -> t.Any:
        """Reduce a read-only view to a copy of its mapping; pickle itself cannot."""
        if isinstance(obj, types.MappingProxyType):
            return _make_read_only, (dict(obj),)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, previous: Snapshot | None) -> None:
        super().__init__(buffer)
        self._repositories = {} if previous is None else previous.repositories

    def persistent_load(self, pid: str) -> Repository:
        """Return the unchanged repository of the previous snapshot."""
        return self._repositories[pid]


def pack(result: Snapshot | ServerError, *, previous: Snapshot | None = None) -> bytes:
    """Serialize the result of loading for a process that has the previous snapshot."""
    buffer = io.BytesIO()
    _Pickler(buffer, previous).dump(result)
    return buffer.getvalue()


def unpack(data: bytes, *, previous: Snapshot | None = None) -> Snapshot:
    """Restore the snapshot that pack serialized in a child of this process. Raises the ServerError of the child."""
    if not data:
        raise RootError(
            "Loading the registry directory failed: the loader process was killed; check whether memory is short."
        )
    result = _Unpickler(io.BytesIO(data), previous).load()
    if isinstance(result, ServerError):
        raise result
    return t.cast("Snapshot", result)


__all__ = ("pack", "unpack")
