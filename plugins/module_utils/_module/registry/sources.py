# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Where modules get images from: a registry, or its mirrors and then the registry. Used by connection.py.

Another source is in layout_source.py.
"""

from __future__ import annotations

import hashlib
import threading
import typing as t
from dataclasses import replace

from ..._base.errors import CollectionError, DependencyMissing
from ..._oci.descriptor import Descriptor
from ..._ratls.errors import ConfigurationInvalid
from ..._registry.errors import (
    ConfigurationError,
    ConnectionFailed,
    NotFound,
    ProtocolBroken,
    TimedOut,
    TlsFailed,
)

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..._oci.digest import Digest
    from ..._oci.image import Image
    from ..._oci.platform import Platform
    from ..._oci.reference import Selector
    from ..._registry.blob_range import BlobPart, ByteRange
    from ..._registry.caller import Caller
    from ..._registry.client import Registry
    from ..._registry.fetched import Fetched, ManifestHead
    from ..._registry.name_list import NameList

_T = t.TypeVar("_T")

# errors that are not about the answer of a mirror
_FAULTS_OF_THE_TASK: t.Final = (ConfigurationError, ConfigurationInvalid, DependencyMissing)
_CHECK_NAMES: t.Final = "Check the registry and the repository_prefix of the mirror."


class Stream(t.Protocol):
    """The bytes of a blob. The iterator verifies them, and raises at its end if size or digest are wrong."""

    def __enter__(self) -> t.Iterator[bytes]: ...

    def __exit__(self, *dummy: t.Any) -> bool | None: ...


class ImageSource(t.Protocol):
    """A source of images: a Registry, a MirroredSource or a LayoutSource."""

    @property
    def name(self) -> str:
        """The name of the registry for messages and results, "" for a layout."""

    @property
    def requests(self) -> int:
        """The number of HTTP requests sent so far."""

    @property
    def downloaded(self) -> int:
        """The number of bytes of blobs received so far."""

    @property
    def attestation(self) -> dict[str, t.Any] | None:
        """See Registry."""

    def close(self) -> None:
        """Close all connections."""

    def repository(self, name: str) -> str:
        """See Registry."""

    def head_manifest(self, repository: str, selector: Selector) -> ManifestHead:
        """See Registry."""

    def look_up(self, repository: str, selector: Selector) -> ManifestHead:
        """See Registry."""

    def manifest(self, repository: str, selector: Selector, *, attached: bool = False) -> Fetched:
        """See Registry."""

    def resolve(
        self, repository: str, selector: Selector, *, platform: Platform, fetched: Fetched | None = None
    ) -> Image:
        """See Registry."""

    def blob(
        self,
        repository: str,
        descriptor: Descriptor | Digest,
        *,
        offset: int = 0,
        digest_state: t.Any = None,
        attached: bool = False,
    ) -> Stream:
        """See Registry."""

    def head_blob(self, repository: str, digest: Digest) -> int | None:
        """See Registry."""


class RegistrySource(ImageSource, t.Protocol):
    """A source of images that is a registry: a Registry, or a MirroredSource."""

    def tags(self, repository: str, *, n: int | None = None, last: str | None = None) -> NameList:
        """See Registry."""

    def catalog(self, *, n: int | None = None, last: str | None = None) -> NameList:
        """See Registry."""

    @property
    def caller(self) -> Caller:
        """See Registry."""

    def first_tags(self, repository: str) -> tuple[str, ...]:
        """See Registry."""

    def blob_part(self, repository: str, digest: Digest, wanted: ByteRange) -> BlobPart:
        """See Registry."""


class MirroredSource:
    """A RegistrySource that tries registries in order; the last is the origin, whose name and errors are reported.

    Threads may share it. A mirror that fails or lacks the content is skipped with one warning per task. A mirror that
    could not be reached is not tried again; a mirror whose options cannot be used is an error. Each Registry verifies
    what is addressed by digest, and adds its repository_prefix to the names of the origin.
    """

    def __init__(self, mirrors: t.Sequence[Registry], origin: Registry, *, warn: Warn) -> None:
        self._registries = (*mirrors, origin)
        self._origin = origin
        self._warn = warn
        self._lock = threading.Lock()
        self._warned: set[Registry] = set()
        self._unreachable: set[Registry] = set()

    def _mirrors(self) -> list[Registry]:
        return [registry for registry in self._registries[:-1] if registry not in self._unreachable]

    @property
    def origin(self) -> Registry:
        """The registry that the mirrors have copies of."""
        return self._origin

    @property
    def name(self) -> str:
        """The name of the origin."""
        return self._origin.name

    @property
    def requests(self) -> int:
        """The number of requests to all registries."""
        return sum(registry.requests for registry in self._registries)

    @property
    def downloaded(self) -> int:
        """The number of bytes of blobs received from all registries."""
        return sum(registry.downloaded for registry in self._registries)

    @property
    def attestation(self) -> dict[str, t.Any] | None:
        """The attestation for the origin; mirrors receive none."""
        return self._origin.attestation

    @property
    def caller(self) -> Caller:
        """The Caller of the origin: a mirror may have only some of the referrers, and takes no content."""
        return self._origin.caller

    def close(self) -> None:
        """Close the connections to all registries."""
        for registry in self._registries:
            registry.close()

    def repository(self, name: str) -> str:
        """Return the full name of a repository at the origin."""
        return self._origin.repository(name)

    def tags(self, repository: str, *, n: int | None = None, last: str | None = None) -> NameList:
        """List the tags of the origin, because a mirror may have only some of them."""
        return self._origin.tags(repository, n=n, last=last)

    def catalog(self, *, n: int | None = None, last: str | None = None) -> NameList:
        """List the repositories of the origin."""
        return self._origin.catalog(n=n, last=last)

    def first_tags(self, repository: str) -> tuple[str, ...]:
        """List the first tags of the origin."""
        return self._origin.first_tags(repository)

    def head_manifest(self, repository: str, selector: Selector) -> ManifestHead:
        """Return the head from the first registry whose response has a digest, otherwise that of the origin."""
        repository = self._origin.repository(repository)
        for registry in self._mirrors():
            try:
                head = registry.head_manifest(repository, selector)
            except CollectionError as exc:
                self._skip(registry, exc)
                continue
            if head.digest is not None:
                return head
        return self._origin.head_manifest(repository, selector)

    def look_up(self, repository: str, selector: Selector) -> ManifestHead:
        """Return the head from the first registry that has the manifest."""
        return self._ask_in_order(repository, lambda registry, name: registry.look_up(name, selector))

    def manifest(self, repository: str, selector: Selector, *, attached: bool = False) -> Fetched:
        """Return the manifest from the first registry that has it."""
        return self._ask_in_order(
            repository,
            lambda registry, name: registry.manifest(name, selector, attached=attached),
            skip=self._skip_attached if attached else self._skip,
        )

    def resolve(
        self, repository: str, selector: Selector, *, platform: Platform, fetched: Fetched | None = None
    ) -> Image:
        """Return the image from the first registry that has all its documents, under the name of the origin."""
        image = self._ask_in_order(
            repository,
            lambda registry, name: registry.resolve(name, selector, platform=platform, fetched=fetched),
        )
        return replace(image, registry=self._origin.name, repository=self._origin.repository(repository))

    def blob(
        self,
        repository: str,
        descriptor: Descriptor | Digest,
        *,
        offset: int = 0,
        digest_state: t.Any = None,
        attached: bool = False,
    ) -> MirroredStream:
        """Return the blob from the first registry that has it. After a failure the next registry resumes."""
        name = self._origin.repository(repository)
        warn = self._skip_attached if attached else self._skip
        return MirroredStream(
            (*self._mirrors(), self._origin), name, descriptor, offset=offset, state=digest_state, warn=warn
        )

    def blob_part(self, repository: str, digest: Digest, wanted: ByteRange) -> BlobPart:
        """Return the part from the first registry that has the blob."""
        return self._ask_in_order(repository, lambda registry, name: registry.blob_part(name, digest, wanted))

    def head_blob(self, repository: str, digest: Digest) -> int | None:
        """Return the size from the first registry that has the blob."""
        return self._ask_in_order(repository, lambda registry, name: registry.head_blob(name, digest))

    def _ask_in_order(
        self,
        repository: str,
        ask: t.Callable[[Registry, str], _T],
        *,
        skip: t.Callable[[Registry, CollectionError], None] | None = None,
    ) -> _T:
        name = self._origin.repository(repository)
        for registry in self._mirrors():
            try:
                found = ask(registry, name)
            except CollectionError as exc:
                (skip or self._skip)(registry, exc)
                continue
            if found is not None:
                return found
        return ask(self._origin, name)

    def _skip_attached(self, registry: Registry, error: CollectionError) -> None:
        """Skip a mirror, without a warning if it only lacks what is attached to an image, such as its signature."""
        if not isinstance(error, NotFound):
            self._skip(registry, error)

    def _skip(self, registry: Registry, error: CollectionError) -> None:
        if isinstance(error, _FAULTS_OF_THE_TASK):
            error.message = f"mirrors[{self._registries.index(registry)}]: {error.message}"
            raise error
        if isinstance(error, (ConnectionFailed, TimedOut, TlsFailed)) and not registry.answers:
            self._unreachable.add(registry)
        with self._lock:
            is_new = registry not in self._warned
            self._warned.add(registry)
        if is_new:
            url = error.fields.get("url", registry.url)
            # a proxy cache answers so to names without its prefix
            remedy = f" {_CHECK_NAMES}" if isinstance(error, (NotFound, ProtocolBroken)) else ""
            self._warn(f"The mirror {registry.name} was skipped at {url}: {error.message}{remedy}")


class MirroredStream:
    """The verified bytes of a blob from the first registry that has it, with the interface of BlobStream."""

    def __init__(
        self,
        registries: t.Sequence[Registry],
        repository: str,
        descriptor: Descriptor | Digest,
        *,
        offset: int,
        state: t.Any,
        warn: t.Callable[[Registry, CollectionError], None],
    ) -> None:
        self._registries = registries
        self._repository = repository
        self._descriptor = descriptor
        self._warn = warn
        digest = descriptor.digest if isinstance(descriptor, Descriptor) else descriptor
        self._hash = hashlib.new(digest.algorithm) if state is None else state.copy()
        self._received = offset
        self.size: int | None = descriptor.size if isinstance(descriptor, Descriptor) else None
        self.resumed_from = offset
        self._pieces = self._read()

    def __enter__(self) -> t.Iterator[bytes]:
        return self._pieces

    def __exit__(self, *dummy: object) -> None:
        self._pieces.close()

    def _read(self) -> t.Generator[bytes, None, None]:
        for registry in self._registries[:-1]:
            try:
                yield from self._read_from(registry)
                return
            except CollectionError as exc:
                if self._is_complete():
                    raise
                self._warn(registry, exc)
        yield from self._read_from(self._registries[-1])

    def _read_from(self, registry: Registry) -> t.Iterator[bytes]:
        state = self._hash.copy()
        with registry.blob(self._repository, self._descriptor, offset=self._received, digest_state=state) as stream:
            for piece in stream:
                self.size = stream.size
                self._hash.update(piece)
                self._received += len(piece)
                yield piece

    def _is_complete(self) -> bool:
        """Tell whether all bytes were yielded. An error is then about wrong bytes, so no other registry can resume."""
        return self.size is not None and self._received >= self.size


__all__ = ("ImageSource", "MirroredSource", "MirroredStream", "RegistrySource", "Stream")
