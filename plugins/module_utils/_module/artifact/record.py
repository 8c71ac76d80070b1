# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The record of the files that oci_artifact wrote to a directory, .oci_artifact.json in it.

It is written before the first file of a change, with the files before and after it, and again at the end. After a kill,
the next run so knows each file that may be there. Called by artifact/run.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import typing as t
from dataclasses import dataclass

from ..._base.errors import CollectionError, JsonInvalid
from ..._base.lock_file import is_private, lock_file, unlock_file
from ..._base.parents import Parents, risk_warning
from ..._base.strict_json import load
from ..._base.text import visible
from ..._destination.durable import read_file, replace_file
from ..._destination.os_errors import translated
from ..._oci.descriptor import Descriptor
from ..._oci.errors import OciError
from ..._oci.fields import Fields
from ..._unpack.errors import DestinationError, Locked
from ..._unpack.tree.confine import DIRECTORY
from ..opened_again import opened_again
from .files import Artifact, ArtifactFile, name_problem

if t.TYPE_CHECKING:
    from ..._base.strict_json import JsonObject

RECORD: t.Final = ".oci_artifact.json"
_LOCK: t.Final = ".oci_artifact.lock"
_FORMAT: t.Final = 1
# 512 files before and after a change, whose names and media types have a bounded length
_MAX_BYTES: t.Final = 4 * 1024 * 1024
_LOCK_SECONDS: t.Final = 60.0


@dataclass(frozen=True)
class Record:
    """The files in a directory: those of the artifact, and earlier ones that a change has not removed yet.

    media_types and platform are the options of the task. made tells whether the module made the directory.
    """

    artifact: Artifact | None
    media_types: tuple[str, ...] | None
    platform: str | None
    made: bool
    complete: bool
    earlier: tuple[ArtifactFile, ...] = ()

    @property
    def all_files(self) -> tuple[ArtifactFile, ...]:
        """All files that may be there; several may have the same name, with different content."""
        files = (*(() if self.artifact is None else self.artifact.files), *self.earlier)
        return tuple({(file.name, file.content.digest): file for file in files}.values())

    def to_json(self) -> bytes:
        """Return the bytes that parse_record() reads."""
        artifact = self.artifact
        fields = {
            "format": _FORMAT,
            "complete": self.complete,
            "made": self.made,
            "digest": None if artifact is None else str(artifact.digest),
            "requested": None if artifact is None else str(artifact.requested),
            "artifactType": None if artifact is None else artifact.artifact_type,
            "mediaTypes": None if self.media_types is None else list(self.media_types),
            "platform": self.platform,
            "files": [] if artifact is None else [_describe(file) for file in artifact.files],
            "earlier": [_describe(file) for file in self.earlier],
        }
        return json.dumps(fields).encode("ascii")


def _describe(file: ArtifactFile) -> JsonObject:
    content = file.content
    return {"name": file.name, **Descriptor(content.media_type, content.digest, content.size).as_dict()}


def parse_record(data: bytes) -> Record:
    """Parse any bytes as a record. Raises OciError and JsonInvalid, nothing else."""
    fields = Fields.of(load(data, what=RECORD, max_bytes=_MAX_BYTES), RECORD)
    if fields.integer("format") != _FORMAT:
        raise fields.fault("it has another format")
    digest = None if fields.text("digest") is None else fields.digest("digest")
    artifact = None
    if digest is not None:
        requested, kind = fields.digest("requested"), fields.media_type("artifactType")
        artifact = Artifact(digest, requested, kind, _files(fields, "files"))
    return Record(
        artifact,
        media_types=fields.texts("mediaTypes"),
        platform=fields.text("platform"),
        made=fields.flag("made"),
        complete=fields.flag("complete"),
        earlier=_files(fields, "earlier"),
    )


def _files(fields: Fields, name: str) -> tuple[ArtifactFile, ...]:
    files = tuple(ArtifactFile(one.required_text("name"), Descriptor.from_fields(one)) for one in fields.objects(name))
    for file in files:
        why = name_problem(file.name)
        if why is not None:
            raise fields.fault(f"a name in {name} is not that of a file: {why}")
    return files


class ArtifactDirectory:
    """The directory for the files of an artifact. Nothing is created before opened().

    Raises ParentRefused if it cannot be used, FilesystemError, and DestinationError for a record that is damaged or
    belongs to another user. warning is a message about other users who can replace files in it, None without them.
    """

    def __init__(self, path: str) -> None:
        self.path = path.rstrip("/") or "/"
        with self._parents() as parents:
            parents.check()
            self.exists = not parents.missing
            self.warning = risk_warning(f"files in {visible(path)}", parents.risk)

    def _parents(self) -> Parents:
        with translated("looking for", self.path):
            return Parents(self.path)

    def read(self) -> Record | None:
        """Return the record, None if there is none."""
        with self._parents() as parents:
            return None if parents.missing else self.read_in(parents.fd)

    def read_in(self, folder: int) -> Record | None:
        """Return the record in the open directory, None if there is none."""
        path = f"{self.path}/{RECORD}"
        with translated("reading", path):
            try:
                status = os.stat(RECORD, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return None
            if not is_private(status):
                raise self._refusal("it is not a private file of the user of the task", "run the task as its owner")
            data = read_file(folder, RECORD, maximum=_MAX_BYTES)
        try:
            return None if data is None else parse_record(data)
        except (OciError, JsonInvalid):
            raise self._refusal("it is damaged or of another version", "remove it; all files then stay") from None

    @contextlib.contextmanager
    def opened(self) -> t.Iterator[tuple[int, bool]]:
        """Yield a descriptor of the locked directory, and whether it was made, with its parents, just now.

        Raises Locked.
        """
        with opened_again(lambda stack: self._open(stack, _LOCK_SECONDS)) as found:
            yield found

    def tidy(self) -> None:
        """Remove what killed runs left, unless another run is active or this user lacks permission."""
        with contextlib.suppress(OSError, CollectionError), contextlib.ExitStack() as stack:
            parents = stack.enter_context(self._parents())
            if not parents.missing:
                os.stat(_LOCK, dir_fd=parents.fd, follow_symlinks=False)
                self._sweep(self._open(stack, 0)[0])

    def _open(self, stack: contextlib.ExitStack, seconds: float) -> tuple[int, bool]:
        parents = stack.enter_context(self._parents())
        made = bool(parents.missing)
        with translated("making", self.path):
            parents.make()
        with translated("locking", self.path):
            folder = os.open(".", DIRECTORY, dir_fd=parents.fd)
            stack.callback(os.close, folder)
            path = f"{self.path}/{_LOCK}"
            lock = lock_file(folder, _LOCK, path=path, deadline=time.monotonic() + seconds)
        if lock is None:
            raise Locked(
                f"While changing {visible(self.path)}: another task has locked it for {seconds:g} seconds; run "
                "the task again when the other task has ended.",
                path=visible(self.path),
            )
        stack.callback(unlock_file, folder, _LOCK, lock)
        return folder, made

    def write(self, folder: int, record: Record) -> None:
        """Replace the record in the open directory."""
        with translated("writing", f"{self.path}/{RECORD}"):
            self._sweep(folder)
            replace_file(folder, RECORD, record.to_json())

    def discard(self, folder: int) -> None:
        """Remove the record in the open directory."""
        with translated("removing", f"{self.path}/{RECORD}"), contextlib.suppress(FileNotFoundError):
            self._sweep(folder)
            os.unlink(RECORD, dir_fd=folder)

    def remove_empty(self) -> None:
        """Remove the directory if it is empty."""
        with translated("removing", self.path), contextlib.suppress(FileNotFoundError):
            parent, name = os.path.split(self.path)
            with Parents(parent or "/") as parents, contextlib.suppress(OSError):  # not empty, or a mount point
                os.rmdir(name, dir_fd=parents.fd)

    def _sweep(self, folder: int) -> None:
        """Remove the new records that killed runs left."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(f"{RECORD}.new-"):
                    os.unlink(entry.name, dir_fd=folder)

    def _refusal(self, why: str, remedy: str) -> DestinationError:
        shown = visible(f"{self.path}/{RECORD}")
        return DestinationError(
            f"The record {shown} of the files of an artifact cannot be used: {why}; {remedy}.", path=shown
        )


__all__ = ("RECORD", "ArtifactDirectory", "Record", "parse_record")
