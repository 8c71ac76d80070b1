# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Directories of the registry root, opened part by part without following symbolic links. Called by loading.py."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..errors import RootError

_FOLLOW: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN: t.Final = _FOLLOW | os.O_NOFOLLOW

EntryKind = t.Literal["directory", "link", "other"]


class Root:
    """The registry directory, open. Directories below it are opened part by part; no part may be a symbolic link.

    A context manager. Raises RootError when the root cannot be opened; the root itself may be a symbolic link.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._fd = os.open(path, _FOLLOW)
        except (OSError, ValueError) as exc:
            raise unreadable_root(path, exc) from None

    def __enter__(self) -> Root:
        return self

    def __exit__(self, *dummy: object) -> None:
        os.close(self._fd)

    @contextlib.contextmanager
    def open(self, name: str) -> t.Iterator[int]:
        """Open the directory with this name, such as "team/app"; "" is the root. Raises OSError."""
        fd = os.open(".", _OPEN, dir_fd=self._fd)
        try:
            for part in name.split("/") if name else ():
                parent, fd = fd, os.open(part, _OPEN, dir_fd=fd)
                os.close(parent)
            yield fd
        finally:
            os.close(fd)


def list_directory(fd: int) -> dict[str, EntryKind]:
    """Return the entries of an open directory, sorted by name. Raises OSError."""
    with os.scandir(fd) as entries:
        found = {entry.name: _kind_of(entry) for entry in entries}
    return dict(sorted(found.items()))


def unreadable_root(path: str, exc: OSError | ValueError) -> RootError:
    """Return the error for a registry directory that cannot be read."""
    why = exc.strerror if isinstance(exc, OSError) else "its name contains a NUL character"
    return RootError(
        f"Reading the registry directory {path} failed: {why}; "
        "it must be a directory of OCI layouts that this user may read."
    )


def _kind_of(entry: os.DirEntry[str]) -> EntryKind:
    if entry.is_symlink():
        return "link"
    return "directory" if entry.is_dir(follow_symlinks=False) else "other"


__all__ = ("EntryKind", "Root", "list_directory", "unreadable_root")
