# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The content of a directory that is a layout or becomes one, without changing it.

_module/layout/run.py looks before it locks; store.py looks again with the lock.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._base.strict_json import MAX_BYTES
from .._base.text import visible
from .content import check_digest, read_document
from .directory import LayoutDirectory
from .errors import NotALayout, WrongDigest, write_errors
from .index_file import IndexFile
from .partial import digest_of_blob, digest_of_partial
from .version import check_version

if t.TYPE_CHECKING:
    from types import TracebackType

    from .._oci.digest import Digest

# The directory in a layout for unfinished files; it is removed when it is empty.
STATE: t.Final = ".oci_layout"

# Names that may be in an empty directory: the root of a file system has this one.
_SYSTEM_NAMES: t.Final = frozenset({"lost+found"})


class LayoutView:
    """The present content of a directory that is a layout, or becomes one. A context manager that changes nothing.

    The directory may be missing, empty, a layout, or an incomplete one. is_complete says whether readers take it for a
    layout; is_unfinished whether another run is at work or left something to continue or to remove. Raises NotALayout
    if it holds something else, and LayoutError for an invalid layout. With folder, a descriptor of the directory, path
    is only the name in messages.
    """

    def __init__(self, path: str, *, folder: int | None = None) -> None:
        self.path = path
        self.index = IndexFile.empty()
        self.is_complete = False
        self.is_unfinished = False
        self._top: LayoutDirectory | None = None
        self._content: LayoutDirectory | None = None
        self._stack = contextlib.ExitStack()
        try:
            if folder is not None or os.path.lexists(path):
                self._top = self._stack.enter_context(LayoutDirectory(path, folder=folder))
                self._read_layout(self._top)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> LayoutView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def size_of(self, digest: Digest) -> int | None:
        """Return the size of the file named by this digest, None if there is none. Raises FileRefused, Unreadable."""
        file = None if self._content is None else self._content.open_blob(digest)
        if file is None:
            return None
        os.close(file.fd)
        return file.identity.size

    def is_right(self, digest: Digest) -> bool:
        """Return whether there is a file with this digest; read all of it. Raises FileRefused, Unreadable."""
        return self._read_verified(digest, keep=False) is not None

    def document(self, digest: Digest) -> bytes | None:
        """Return the verified bytes of a manifest, index or config; None if it is missing, wrong, or above 4 MiB.

        Raises FileRefused, Unreadable.
        """
        size = self.size_of(digest)
        return None if size is None or size > MAX_BYTES else self._read_verified(digest, keep=True)

    def blob_names(self) -> tuple[str, ...]:
        """Return every name below blobs/, as "sha256/0123...". Raises FileRefused, Unreadable."""
        return () if self._content is None else tuple(self._content.blob_names())

    def unfinished(self) -> dict[Digest, int]:
        """Return the unfinished downloads, with the number of bytes of each.

        Raises WriteFailed, FileRefused, Unreadable.
        """
        found: dict[Digest, int] = {}
        if self._top is None:
            return found
        with (
            write_errors("Reading the directory", os.path.join(self.path, STATE)),
            contextlib.suppress(FileNotFoundError),
            self._top.folder(STATE) as folder,
            os.scandir(folder) as files,
        ):
            for file in files:
                digest = digest_of_partial(file.name)
                if digest is not None and file.is_file(follow_symlinks=False):
                    found[digest] = file.stat(follow_symlinks=False).st_size
        return found

    def _read_verified(self, digest: Digest, *, keep: bool) -> bytes | None:
        file = None if self._content is None else self._content.open_blob(digest)
        if file is None:
            return None
        try:
            return check_digest(file, digest, what=f"the blob {digest}", keep=keep)
        except WrongDigest:
            return None
        finally:
            os.close(file.fd)

    def _read_layout(self, top: LayoutDirectory) -> None:
        with write_errors("Reading the directory", self.path):
            names = top.names()
        if not _is_layout(top, names - _SYSTEM_NAMES):
            shown = visible(self.path)
            raise NotALayout(
                f"{shown} cannot become an OCI layout: it is not empty, and there is no file oci-layout in it; "
                "give the path of a layout, of an empty directory or of one that does not exist.",
                path=shown,
            )
        version = _read_top_file(top, "oci-layout")
        if version is not None:
            check_version(version, use="written to", path=self.path)
        index = _read_top_file(top, "index.json")
        if index is not None:
            self.index = IndexFile.parse(index)
        self.is_complete = version is not None and index is not None
        self.is_unfinished = STATE in names
        if "blobs" in names:
            self._content = top
        elif STATE in names:
            # another run may have removed it at its end
            with contextlib.suppress(FileNotFoundError), top.folder(STATE) as folder:
                state = LayoutDirectory(os.path.join(self.path, STATE), folder=folder)
                self._content = self._stack.enter_context(state)


def _is_layout(top: LayoutDirectory, names: set[str]) -> bool:
    """Return whether a directory may become a layout, or is an incomplete one.

    A new layout is incomplete until the file oci-layout is there, which is written last.
    """
    if not names or names & {STATE, "oci-layout"}:
        return True
    return names <= {"blobs", "index.json"} and all(digest_of_blob(name) is not None for name in top.blob_names())


def _read_top_file(top: LayoutDirectory, name: t.Literal["index.json", "oci-layout"]) -> bytes | None:
    file = top.open_top(name)
    if file is None:
        return None
    try:
        return read_document(file, what=name)
    finally:
        os.close(file.fd)


__all__ = ("STATE", "LayoutView")
