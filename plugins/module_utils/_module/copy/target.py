# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The repository that oci_image_copy writes to: what it has, and how content gets there. Called by run.py."""

from __future__ import annotations

import contextlib
import threading
import typing as t
from functools import partial as bound

from ..._oci.reference import Selector
from ..._registry.errors import NotFound, ProtocolBroken, RegistryError
from ..._registry.retry import is_refusal
from ..registry.parallel import Stop, run_parallel

if t.TYPE_CHECKING:
    from ..._oci.descriptor import Descriptor
    from ..._oci.digest import Digest
    from ..._registry.client import Registry
    from ..._registry.push.pusher import Pusher
    from ..layout.contents import ImageFile
    from ..registry.downloads import Downloads
    from .documents import ImageDocument

# How much of a blob may have been read and not yet sent, in batches of half a megabyte.
_BATCHES_AHEAD: t.Final = 4

Fate = t.Literal["present", "mounted", "copied"]


class Target:
    """A repository to write to. A context manager that cancels unfinished uploads; it does not close the registry.

    mount_from are repositories of the same registry that may have the blobs. fates says of each blob what has become of
    it, or would in check mode, where all that is not there counts as copied.
    """

    def __init__(
        self, registry: Registry, repository: str, *, mount_from: t.Sequence[str], chunk_size: int | None
    ) -> None:
        self.registry = registry
        self.repository = registry.repository(repository)
        self._pusher: Pusher | None = None
        self._mount_from, self._chunk_size = tuple(mount_from), chunk_size
        self._lock = threading.Lock()
        self.fates: dict[Digest, Fate] = {}

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *dummy: object) -> None:
        if self._pusher is not None:
            self._pusher.close()

    @property
    def pusher(self) -> Pusher:
        """What writes to the repository; an unchanged run imports none of it."""
        from ..._registry.push.pusher import Pusher

        with self._lock:
            if self._pusher is None:
                self._pusher = Pusher(self.registry, self.repository)
            return self._pusher

    @property
    def uploaded(self) -> int:
        """The number of bytes of blobs sent so far."""
        return 0 if self._pusher is None else self._pusher.uploaded

    def digest_of(self, reference: str) -> Digest | None:
        """Return the digest of a tag or digest, None if the repository does not have it. Raises RegistryError."""
        selector = Selector.parse(reference)
        try:
            return self.registry.look_up(self.repository, selector).digest
        except NotFound:
            return None
        except RegistryError as exc:
            # a registry that states no digest, or a firewall that knows no HEAD
            if not (isinstance(exc, ProtocolBroken) or is_refusal(exc)):
                raise
        with contextlib.suppress(NotFound):
            return self.registry.manifest(self.repository, selector).digest
        return None

    def look_for(self, blobs: t.Sequence[ImageFile], *, parallel: int) -> list[ImageFile]:
        """Return the blobs that the repository does not have. Raises RegistryError."""
        todo = [blob for blob in blobs if blob.descriptor.digest not in self.fates]
        run_parallel([bound(self._look_for, blob.descriptor) for blob in todo], workers=parallel)
        return [blob for blob in todo if self.fates[blob.descriptor.digest] != "present"]

    def send(self, missing: t.Sequence[ImageFile], downloads: Downloads, *, parallel: int) -> None:
        """Mount or upload blobs that the repository does not have. Raises what the source raises, RegistryError."""
        downloads.watch.expect(blob.descriptor.size for blob in missing)
        run_parallel([bound(self._send, blob, downloads) for blob in missing], workers=parallel)

    def send_document(self, document: ImageDocument, reference: str | Digest) -> Digest | None:
        """Store a manifest or index; return its subject if the registry lists it as a referrer.

        Raises RegistryError.
        """
        return self.pusher.push_manifest(document.content, document.media_type, reference).subject

    def _look_for(self, descriptor: Descriptor, stop: Stop) -> None:
        stop.check()
        size = self.pusher.has_blob(descriptor.digest)
        self._set(descriptor.digest, "copied" if size is None else "present")

    def _send(self, blob: ImageFile, downloads: Downloads, stop: Stop) -> None:
        stop.check()
        descriptor = blob.descriptor
        for repository in self._mount_from:
            if self.pusher.mount(descriptor.digest, source_repository=repository):
                self._set(descriptor.digest, "mounted")
                downloads.watch.skip(descriptor.size)
                return
        self.pusher.push_blob(descriptor, bound(_opened, blob, downloads, stop), chunk_size=self._chunk_size)

    def _set(self, digest: Digest, fate: Fate) -> None:
        with self._lock:
            self.fates[digest] = fate


@contextlib.contextmanager
def _opened(blob: ImageFile, downloads: Downloads, stop: Stop, offset: int) -> t.Iterator[t.Iterator[bytes]]:
    """Yield the verified pieces of a blob from offset on; what comes before is read again, because it is hashed."""
    if blob.data is not None:
        yield iter((blob.data[offset:],))
        return
    from ..._unpack.pipeline.ahead import Ahead, flatten

    with downloads.blob(blob.descriptor, check=stop.check) as pieces:
        # reading and hashing take about as long as sending, and each of them mostly waits
        ahead = Ahead(_checked(pieces, stop), name="read ahead", batches=_BATCHES_AHEAD)
        try:
            yield _after(flatten(ahead), offset)
        finally:
            ahead.close()


def _checked(pieces: t.Iterable[bytes], stop: Stop) -> t.Iterator[bytes]:
    for piece in pieces:
        stop.check()
        yield piece


def _after(pieces: t.Iterable[bytes], offset: int) -> t.Iterator[bytes]:
    skipped = 0
    for piece in pieces:
        skip = min(len(piece), offset - skipped)
        skipped += skip
        if skip < len(piece):
            yield piece[skip:] if skip else piece


__all__ = ("Fate", "Target")
