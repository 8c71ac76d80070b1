# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Record of verified files: digests by file identity, so that unchanged files are not hashed again.

Kept in a cache file over restarts. Called by loading.py, and by the checker of _layout as its ledger.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import typing as t

from ..._base.text import quote

if t.TYPE_CHECKING:
    from ..._layout.stored import FileIdentity
    from ..._oci.digest import Digest
    from .snapshot import Snapshot

MAX_BYTES: t.Final = 64 * 1024 * 1024

_HEAD: t.Final = b"attested.registry verified files 1\n"
_ENTRY: t.Final = re.compile(rb"sha(?:256|384|512):[0-9a-f]{64,128}(?: -?[0-9]{1,20}){5}")
_END: t.Final = re.compile(rb"end ([0-9a-f]{64})\n")
_END_LENGTH: t.Final = 4 + 64 + 1
_OPEN: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# the coarsest granularity of file timestamps, within which a file can change without a change of its timestamp
_GRANULARITY_NS: t.Final = 2_000_000_000


class VerifiedFiles:
    """Verified files by digest and identity; implements Ledger for a Checker.

    It can be saved to a file. A forged file would make the server skip verification, so a file that other users can
    write is not trusted.
    """

    def __init__(self) -> None:
        # an entry is in one of the sets; knows moves it from _before to _now
        self._before: set[bytes] = set()
        self._now: set[bytes] = set()
        self._is_saved = False

    def knows(self, digest: Digest, identity: FileIdentity) -> bool:
        """Tell whether a file with this identity was verified to have this digest."""
        entry = _make_entry(str(digest), identity)
        if entry in self._before:
            self._before.remove(entry)
            self._now.add(entry)
            return True
        return entry in self._now

    def record(self, digest: Digest, identity: FileIdentity, *, began_ns: int) -> None:
        """Record a file whose hashing began at this time.

        Skips a file that changed so shortly before that a later change could leave its timestamps the same.
        """
        if _is_settled(identity, began_ns):
            self._now.add(_make_entry(str(digest), identity))
            self._is_saved = False

    def trust_file(self, path: str) -> str | None:
        """Trust the entries of a file written by save. Returns a warning if the file exists and is unusable."""
        try:
            self._before = _parse(_read(path))
        except FileNotFoundError:
            return None
        except (OSError, _Unusable) as exc:
            why = exc.strerror if isinstance(exc, OSError) else str(exc)
            return f"The cache of verified files {quote(path)} is ignored and will be replaced: {why}."
        self._is_saved = True
        return None

    def trust_snapshot(self, snapshot: Snapshot) -> None:
        """Trust the files that were verified for a snapshot of this process."""
        for repository in snapshot.repositories.values():
            for digest in repository.blobs.keys() - repository.manifests.keys():
                identity = repository.blobs[digest].identity
                entry = _make_entry(digest, identity)
                if entry not in self._before and _is_settled(identity, snapshot.began_ns):
                    self._before.add(entry)
                    self._is_saved = False

    def save(self, path: str) -> str | None:
        """Write the record atomically, readable for this user only. Returns a warning when that fails."""
        if self._is_saved and not self._before:
            return None
        data = _HEAD + b"".join(entry + b"\n" for entry in sorted(self._now))
        data += b"end %s\n" % hashlib.sha256(data).hexdigest().encode()
        try:
            if len(data) > MAX_BYTES:
                raise _Unusable(f"it would have {len(data)} bytes; the limit is {MAX_BYTES}")
            _write_atomically(path, data)
        except (OSError, _Unusable) as exc:
            why = exc.strerror if isinstance(exc, OSError) else str(exc)
            return (
                f"Writing the cache of verified files {quote(path)} failed: {why}; "
                "the next start reads all content again; make its directory writable for this user."
            )
        return None


class _Unusable(Exception):
    """The file was not written by save; the text is part of a warning."""


def _is_settled(identity: FileIdentity, began_ns: int) -> bool:
    return max(identity.mtime_ns, identity.ctime_ns) + _GRANULARITY_NS < began_ns


def _make_entry(digest: str, identity: FileIdentity) -> bytes:
    return b"%s %d %d %d %d %d" % (digest.encode(), *identity)


def _read(path: str) -> bytes:
    fd = os.open(path, _OPEN)
    with open(fd, "rb", buffering=0) as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise _Unusable("it is not a regular file")
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise _Unusable("it belongs to another user, or other users can write it")
        if found.st_size > MAX_BYTES:
            raise _Unusable(f"it has {found.st_size} bytes; the limit is {MAX_BYTES}")
        # a single read() may return fewer bytes
        return b"".join(iter(lambda: file.read(1024 * 1024), b""))


def _parse(data: bytes) -> set[bytes]:
    body, end = data[:-_END_LENGTH], _END.fullmatch(data[-_END_LENGTH:])
    if not body.startswith(_HEAD) or end is None or end[1] != hashlib.sha256(body).hexdigest().encode():
        raise _Unusable("it is damaged, or not a cache of verified files")
    entries = body[len(_HEAD) :].split(b"\n")
    if entries.pop() or not all(map(_ENTRY.fullmatch, entries)):
        raise _Unusable("it is damaged, or not a cache of verified files")
    return set(entries)


def _write_atomically(path: str, data: bytes) -> None:
    folder, name = os.path.split(os.path.abspath(path))
    fd, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


__all__ = ("MAX_BYTES", "VerifiedFiles")
