# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import collections
import os
import types
import typing as t

from .._layout.inspection import inspect_layout
from .._oci.errors import ReferenceInvalid
from .._oci.names import check_repository
from .._oci.text import quote, visible
from .errors import RootError
from .snapshot import Content, LeftOut, Repository, Snapshot

if t.TYPE_CHECKING:  # pragma: no cover
    from .._layout.layout import Inspection, Layout, StoredContent

_OF_A_LAYOUT: t.Final = frozenset({"blobs", "index.json", "oci-layout"})


def load_snapshot(root: str) -> Snapshot:
    """Load and verify every OCI layout below a directory; each becomes a repository named by its path from there.

    A directory that holds no part of a layout but directories stands for the first part of their names (team/app).
    Names with a leading full stop are passed over. What is not sound is left out, with the reason, and the rest is
    served. Raises RootError when the root directory itself cannot be read.
    """
    if not root:
        raise RootError("Reading the registry directory failed: its name is empty; give the directory of OCI layouts.")
    root = os.path.abspath(root)
    loader = _Loader()
    try:
        if "oci-layout" in os.listdir(root):
            raise RootError(f"The registry directory {root} is a layout itself; give the directory that it is in.")
        loader.scan(root, "")
    except OSError as exc:
        raise RootError(
            f"Reading the registry directory {root} failed: {exc.strerror}; "
            "it must be a directory of OCI layouts that this user may read."
        ) from None
    while loader.pending:
        loader.load(*loader.pending.popleft())
    return Snapshot(
        root=root,
        repositories=types.MappingProxyType(loader.repositories),
        left_out=tuple(loader.left_out),
        warnings=tuple(loader.warnings),
    )


class _Loader:
    """Goes through the directories; pending are the (path, name) pairs not yet looked at."""

    def __init__(self) -> None:
        self.pending: collections.deque[tuple[str, str]] = collections.deque()
        self.repositories: dict[str, Repository] = {}
        self.left_out: list[LeftOut] = []
        self.warnings: list[str] = []

    def scan(self, path: str, prefix: str) -> None:
        """Find out what a directory of layouts holds. Raises OSError."""
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = prefix + entry.name
                if entry.name.startswith("."):
                    continue
                if entry.is_symlink():
                    self._leave_out(name, "file_refused", "it is a symbolic link, and links are not followed")
                elif not entry.is_dir(follow_symlinks=False):
                    self._leave_out(name, "no_directory", "it is not a directory")
                else:
                    self._find(entry.path, name)

    def _find(self, path: str, name: str) -> None:
        try:
            self.pending.append((path, check_repository(name)))
        except ReferenceInvalid as exc:
            self._leave_out(name, exc.kind, exc.message)

    def load(self, path: str, name: str) -> None:
        """Take one directory: a layout, or a directory of layouts."""
        try:
            if _is_namespace(path):
                return self.scan(path, name + "/")
        except OSError as exc:
            return self._leave_out(name, "unreadable", f"reading the directory failed: {exc.strerror}")
        inspection = inspect_layout(path, follow=False)
        if inspection.problems:
            return self._leave_out(name, inspection.problems[0].kind, _reason(inspection))
        self.warnings.extend(f"{name}: {warning}" for warning in inspection.warnings)
        if inspection.orphans:
            first = visible(inspection.orphans[0])
            self.warnings.append(f"{name}: nothing refers to {len(inspection.orphans)} files such as blobs/{first}.")
        self.repositories[name] = _repository(name, inspection.layout)
        return None

    def _leave_out(self, name: str, kind: str, reason: str) -> None:
        self.left_out.append(LeftOut(quote(name)[1:-1], kind, reason))


def _is_namespace(path: str) -> bool:
    with os.scandir(path) as entries:
        found = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    return not _OF_A_LAYOUT & found.keys() and any(found.values())


def _reason(inspection: Inspection) -> str:
    first, *others = inspection.problems
    return first.message + (f" ({len(others)} more problems.)" if others else "")


def _repository(name: str, layout: Layout) -> Repository:
    manifests = _contents(layout.path, layout.manifests.values())
    return Repository(
        name=name,
        tags=types.MappingProxyType({tag: manifests[str(digest)] for tag, digest in layout.tags.items()}),
        tag_names=tuple(sorted(layout.tags)),
        manifests=types.MappingProxyType(manifests),
        blobs=types.MappingProxyType({**_contents(layout.path, layout.blobs.values()), **manifests}),
    )


def _contents(path: str, stored: t.Iterable[StoredContent]) -> dict[str, Content]:
    return {
        str(item.digest): Content(str(item.digest), os.path.join(path, item.path), item.media_type, item.identity)
        for item in stored
    }


__all__ = ("load_snapshot",)
