# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Loading of a snapshot: finds the layouts below the root, verifies them by _layout. Called by loader.py."""

from __future__ import annotations

import collections
import errno
import os
import time
import types
import typing as t

from ..._base.text import visible
from ..._layout.checker import Checker
from ..._layout.inspection import begin_inspection
from ..._oci.errors import ReferenceInvalid
from ..._oci.media_type import is_nondistributable
from ..._oci.names import check_repository
from ..errors import RootError
from .directories import Root, list_directory, unreadable_root
from .load_progress import LoadProgress
from .repository import as_repository
from .skipped import left_out, unsound
from .snapshot import Snapshot
from .verified_files import VerifiedFiles

if t.TYPE_CHECKING:
    from ..._layout.layout import Inspection, Layout
    from ..config.signature_rules import SignatureRule
    from .directories import EntryKind
    from .signed import Demand
    from .snapshot import LeftOut, Repository

_OF_A_LAYOUT: t.Final = frozenset({"blobs", "index.json", "oci-layout"})
_MAX_THREADS: t.Final = 8
# limit of layouts whose content waits for hashing
_MAX_PENDING: t.Final = 32


def load_snapshot(
    root: str,
    *,
    cache: str | None = None,
    verify: t.Literal["cached", "full"] = "cached",
    workers: int | None = None,
    progress: t.Callable[[str], None] | None = None,
    previous: Snapshot | None = None,
    signatures: t.Sequence[SignatureRule] | None = None,
) -> Snapshot:
    """Load and verify every OCI layout below a directory; each becomes a repository named by its relative path.

    A directory with subdirectories and no part of a layout is a namespace (team/app). Names with a leading dot are
    ignored. Invalid layouts are left out, with the reason, and the rest is served. No symbolic link is followed except
    root itself.

    Content other than manifests and indexes is not read again if the identity of its file is that of an earlier
    verification, recorded in the file cache or in the previous snapshot of this process. With verify="full", all
    content is read. The cache is written in either case.

    workers is the number of threads that hash (default: one for each processor, at most 8). progress is called with a
    sentence now and then, from any of the threads; an exception that it raises ends the loading.

    Of repositories that signatures are about, only signed images are in the snapshot, with their signatures.
    Raises RootError when the root directory itself cannot be read; ConfigError and DependencyMissing for signatures.
    """
    if not root:
        raise RootError("Reading the registry directory failed: its name is empty; give the directory of OCI layouts.")
    began_ns = time.time_ns()
    files = VerifiedFiles()
    warnings: list[str] = []
    if verify == "cached":
        warnings += _warning(files.trust_file(cache) if cache is not None else None)
        if previous is not None:
            files.trust_snapshot(previous)
    threads = min(os.cpu_count() or 1, _MAX_THREADS) if workers is None else workers
    advance = LoadProgress(progress).advance if progress is not None else None
    with Root(os.path.abspath(root)) as directory, Checker(threads=threads, ledger=files, advance=advance) as checker:
        loader = _Loader(directory, checker, _demands(signatures))
        loader.run()
    warnings += loader.warnings
    warnings += _warning(files.save(cache) if cache is not None else None)
    return Snapshot(
        root=directory.path,
        repositories=types.MappingProxyType(loader.repositories),
        left_out=tuple(loader.left_out),
        warnings=tuple(warnings),
        began_ns=began_ns,
    )


class _Loader:
    """Walker of the directories that collects repositories, left-out layouts and warnings."""

    def __init__(self, root: Root, checker: Checker, demands: tuple[Demand, ...]) -> None:
        self._root = root
        self._checker = checker
        self._demands = demands
        self._names: collections.deque[str] = collections.deque()
        self._begun: collections.deque[tuple[str, t.Callable[[], Inspection]]] = collections.deque()
        self.repositories: dict[str, Repository] = {}
        self.left_out: list[LeftOut] = []
        self.warnings: list[str] = []

    def run(self) -> None:
        """Load everything below the root. Raises RootError."""
        try:
            with self._root.open("") as fd:
                entries = list_directory(fd)
        except OSError as exc:
            raise unreadable_root(self._root.path, exc) from None
        if "oci-layout" in entries:
            raise RootError(f"The registry directory {self._root.path} is itself a layout; give its parent directory.")
        self._sort_entries(entries, "")
        while self._names:
            self._begin_layout(self._names.popleft())
            if len(self._begun) > _MAX_PENDING:
                self._finish_layout(*self._begun.popleft())
        while self._begun:
            self._finish_layout(*self._begun.popleft())

    def _sort_entries(self, entries: t.Mapping[str, EntryKind], prefix: str) -> None:
        for entry, kind in entries.items():
            name = prefix + entry
            if entry.startswith("."):
                continue
            if kind == "link":
                self._leave_out(name, "file_refused", "it is a symbolic link, and links are not followed")
            elif kind == "other":
                self._leave_out(name, "no_directory", "it is not a directory")
            else:
                self._find(name)

    def _find(self, name: str) -> None:
        try:
            self._names.append(check_repository(name))
        except ReferenceInvalid as exc:
            self._leave_out(name, exc.kind, exc.message)

    def _begin_layout(self, name: str) -> None:
        try:
            with self._root.open(name) as fd:
                entries = list_directory(fd)
                if _is_namespace(entries):
                    self._sort_entries(entries, name + "/")
                else:
                    path = os.path.join(self._root.path, name)
                    self._begun.append((name, begin_inspection(path, folder=fd, checker=self._checker)))
        except OSError as exc:
            if exc.errno in (errno.ELOOP, errno.ENOTDIR):
                self._leave_out(
                    name, "file_refused", "a part of its path has become a symbolic link or is no longer a directory"
                )
            else:
                self._leave_out(name, "unreadable", f"reading the directory failed: {exc.strerror}")

    def _finish_layout(self, name: str, inspect: t.Callable[[], Inspection]) -> None:
        inspection = inspect()
        if inspection.problems:
            self.left_out.append(unsound(name, inspection.problems))
            return
        self.warnings.extend(f"{name}: {warning}" for warning in _warnings(inspection))
        layout = self._keep_signed(name, inspection.layout) if self._demands else inspection.layout
        if layout is not None:
            self.repositories[name] = as_repository(name, layout)

    def _keep_signed(self, name: str, layout: Layout) -> Layout | None:
        """Return the layout with what is signed if signatures are demanded, None if nothing is left of it."""
        from .signed import keep_signed

        try:
            with self._root.open(name) as fd:
                kept, unsigned = keep_signed(name, layout, self._demands, folder=fd)
        except OSError as exc:
            self._leave_out(name, "unreadable", f"reading the directory failed: {exc.strerror}")
            return None
        self.left_out.extend(unsigned)
        return kept if kept.manifests.raw or not unsigned else None

    def _leave_out(self, name: str, kind: str, reason: str) -> None:
        self.left_out.append(left_out(name, kind, reason))


def _demands(rules: t.Sequence[SignatureRule] | None) -> tuple[Demand, ...]:
    # cryptography is needed for signatures alone
    if not rules:
        return ()
    from .signed import read_demands

    return read_demands(rules)


def _is_namespace(entries: t.Mapping[str, EntryKind]) -> bool:
    return not _OF_A_LAYOUT & entries.keys() and "directory" in entries.values()


def _warnings(inspection: Inspection) -> t.Iterator[str]:
    yield from inspection.warnings
    if inspection.orphans:
        first = visible(inspection.orphans[0])
        yield f"{len(inspection.orphans)} files are unreferenced, such as blobs/{first}."
    layers = [item.digest for item in inspection.absent if is_nondistributable(item.media_type)]
    if layers:
        yield f"{len(layers)} nondistributable layers are absent, such as {layers[0]}; clients get them elsewhere."


def _warning(text: str | None) -> tuple[str, ...]:
    return () if text is None else (text,)


__all__ = ("load_snapshot",)
