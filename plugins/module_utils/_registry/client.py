# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The client of one registry: the door to this package, which _module and the integration helpers use."""

from __future__ import annotations

import threading
import typing as t

from .auth.credentials import Anonymous, BasicAuth, Fixed, IdentityToken, Token
from .auth.logins import Logins
from .caller import Call, Caller
from .errors import Operation
from .options import ClientOptions
from .transport.proxies import Proxies
from .transport.transport import Transport

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from hashlib import _Hash

    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .._oci.image import Image
    from .._oci.platform import Platform
    from .._oci.reference import Selector
    from .auth.credentials import Credentials, CredentialSource
    from .blob_range import BlobPart, ByteRange
    from .blobs import BlobStream
    from .endpoint import Endpoint
    from .fetched import Fetched, ManifestHead
    from .foreign import ForeignSource
    from .manifests import ManifestReader
    from .name_list import NameList
    from .realm_policy import RealmPolicy

USER_AGENT: t.Final = "attested.registry (Ansible collection)"


class Registry:
    """A client of one registry over the distribution API. A context manager; threads may share it.

    credentials are looked up when the registry asks for them. other_credentials are
    for other registries that it redirects to; if credentials is a source for all registries, it is used for them too.
    trusted_realm_hosts ("host" or "host:port") may receive credentials if a registry names them as its token service.
    The registry may redirect to trusted_redirect_hosts even if they are more internal than itself. foreign_urls permits
    fetching layers from URLs that an image, and not the registry, names. No connection is made and no
    library imported before the first request.

    Every operation raises RegistryError, DependencyMissing and the errors of _oci; all of them have kind and fields.
    Repository names follow distribution-spec; on Docker Hub "debian" is "library/debian". Messages, tokens and the
    Image of resolve() have the name that is requested, with the repository_prefix of the endpoint.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        options: ClientOptions | None = None,
        *,
        credentials: Credentials | CredentialSource | None = None,
        other_credentials: CredentialSource | None = None,
        proxies: Proxies | None = None,
        trusted_realm_hosts: Sequence[str] = (),
        trusted_redirect_hosts: Sequence[str] = (),
        foreign_urls: bool = False,
        user_agent: str = USER_AGENT,
    ) -> None:
        self._endpoint, self._options = endpoint, options or ClientOptions()
        self._foreign_urls, self._trusted = foreign_urls, tuple(trusted_realm_hosts)
        self._transport = Transport(
            endpoint.origin,
            self._options,
            proxies=proxies or Proxies(),
            user_agent=user_agent,
            trusted_redirect_hosts=tuple(trusted_redirect_hosts),
        )
        source = _source(credentials)
        logins = Logins(
            endpoint,
            source=source,
            others=other_credentials or (Fixed(Anonymous()) if isinstance(source, Fixed) else source),
            transport=self._transport,
            trusted_realm_hosts=self._trusted,
            trusted_redirect_hosts=trusted_redirect_hosts,
            effects=self._options.effects,
        )
        self._caller = Caller(endpoint, self._options, transport=self._transport, logins=logins)
        self._lock, self._downloaded = threading.Lock(), 0
        # by repository, the requested image, which messages about its blobs name
        self._asked: dict[str, str] = {}

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def name(self) -> str:
        """The common name of the registry: "host[:port][/prefix]", docker.io for Docker Hub."""
        return self._endpoint.name

    @property
    def url(self) -> str:
        """Scheme, host, port and prefix of the API."""
        return f"{self._endpoint.origin}{self._endpoint.prefix}"

    @property
    def requests(self) -> int:
        """The number of HTTP requests so far, redirects and token requests included."""
        return self._transport.requests

    @property
    def answers(self) -> int:
        """The number of requests that were answered, with any status."""
        return self._transport.answers

    @property
    def downloaded(self) -> int:
        """The number of bytes of blobs received so far; bytes that were sent twice count twice."""
        return self._downloaded

    @property
    def attestation(self) -> dict[str, t.Any] | None:
        """What this host presented on the newest ra-tls connection; None without one.

        The keys are evidence, rim, profile, token (a digest) and simulated.
        """
        return self._transport.attestation

    @property
    def caller(self) -> Caller:
        """The maker of calls, for operations in files that only some modules need, such as referrers.py."""
        return self._caller

    def repository(self, name: str) -> str:
        """Return the full name of a repository. Raises ReferenceInvalid."""
        return self._endpoint.repository(name)

    def ping(self) -> str | None:
        """Check that the registry answers at /v2/ (end-1); return its Docker-Distribution-API-Version."""
        operation = Operation(f"reach the registry {self.name}", self.name)
        call = Call(operation, self._endpoint.base(), deadline=self._caller.deadline())
        answer, dummy = self._caller.document(call, limit=1024 * 1024)
        return answer.header("Docker-Distribution-API-Version")

    def tags(self, repository: str, *, n: int | None = None, last: str | None = None) -> NameList:
        """List the tags of a repository after last: n of them, or all."""
        from .listings import list_tags

        repository = self.repository(repository)
        operation = self._operation("list the tags", repository)
        return list_tags(self._caller, operation, repository=repository, n=n, last=last)

    def catalog(self, *, n: int | None = None, last: str | None = None) -> NameList:
        """List the repositories of the registry after last: n of them, or all. Raises NotOffered if it has no list."""
        from .listings import list_repositories

        operation = Operation(f"list the repositories of {self.name}", self.name)
        return list_repositories(self._caller, operation, n=n, last=last)

    def first_tags(self, repository: str) -> tuple[str, ...]:
        """List the first 100 or so tags of a repository by one request, without retries."""
        from .first_tags import read_first_tags

        repository = self.repository(repository)
        return read_first_tags(self._caller, self._operation("list the tags", repository), repository=repository)

    def head_manifest(self, repository: str, selector: Selector) -> ManifestHead:
        """Ask for digest and media type of a manifest by HEAD; both are None if the registry does not state them.

        A missing manifest is not reported here; manifest() raises that error with its reason.
        """
        repository = self.repository(repository)
        operation = self._operation(f"look up the manifest {selector}", repository, str(selector))
        self._asked[repository] = str(selector)
        from .manifest_head import head_manifest

        return head_manifest(self._caller, operation, selector, repository=repository)

    def look_up(self, repository: str, selector: Selector) -> ManifestHead:
        """Ask for digest, media type and size of a manifest by HEAD alone; the digest is not None.

        Raises NotFound if the registry does not have it, DigestMismatch if the tag does not lead to the digest.
        """
        from .manifest_head import require_head

        repository = self.repository(repository)
        operation = self._operation(f"look up the manifest {selector}", repository, str(selector))
        return require_head(self._caller, operation, selector, repository=repository)

    def manifest(self, repository: str, selector: Selector, *, attached: bool = False) -> Fetched:
        """Get a manifest or index, verified against the selector's digest; its tag must lead to that digest.

        With attached, it belongs to the requested image, such as its signature; messages about blobs do not name it.
        """
        repository = self.repository(repository)
        operation = self._operation(f"get the manifest {selector}", repository, str(selector))
        if not attached:
            self._asked[repository] = str(selector)
        return self._reader(repository).get(operation, selector)

    def resolve(
        self, repository: str, selector: Selector, *, platform: Platform, fetched: Fetched | None = None
    ) -> Image:
        """Get the image for a platform, with verified manifest and config.

        fetched is what manifest() returned before. An artifact gives an Image without config.
        """
        from .resolver import ImageResolver

        if fetched is None:
            fetched = self.manifest(repository, selector)
        repository = self.repository(repository)
        operation = self._operation(f"resolve the image {selector}", repository, str(selector))
        self._asked[repository] = str(selector)
        resolver = ImageResolver(
            operation,
            self._reader(repository),
            lambda descriptor: self._read_config(repository, descriptor, operation),
            platform,
            self._options.warn,
        )
        return resolver.resolve(fetched, registry=self.name, repository=repository, selector=selector)

    def blob(
        self,
        repository: str,
        descriptor: Descriptor | Digest,
        *,
        offset: int = 0,
        digest_state: _Hash | None = None,
        attached: bool = False,
    ) -> BlobStream:
        """Open the verified bytes of a blob; for a bare Digest, the registry states the size.

        To resume a blob whose first offset bytes exist already, pass the hash object that has hashed them. attached is
        as for manifest().
        """
        from .._oci.descriptor import Descriptor
        from .blobs import BlobRequest, BlobStream

        repository = self.repository(repository)
        known = descriptor if isinstance(descriptor, Descriptor) else None
        digest = descriptor.digest if isinstance(descriptor, Descriptor) else descriptor
        image = f" of the image {self._asked[repository]}" if repository in self._asked and not attached else ""
        operation = self._operation(f"download the blob {digest}{image}", repository, str(digest))
        request = BlobRequest(
            self._endpoint.blob(repository, str(digest)),
            digest,
            None if known is None else known.size,
            offset=offset,
            state=digest_state,
            foreign=None if known is None else self._foreign(known),
        )
        return BlobStream(self._caller, operation, request, count=self._count)

    def blob_part(self, repository: str, digest: Digest, wanted: ByteRange) -> BlobPart:
        """Read a part of a blob, which cannot be verified."""
        from .blob_range import read_part

        repository = self.repository(repository)
        operation = self._operation(f"read the bytes {wanted} of the blob {digest}", repository, str(digest))
        part = read_part(self._caller, operation, self._endpoint.blob(repository, str(digest)), wanted)
        self._count(len(part.content))
        return part

    def head_blob(self, repository: str, digest: Digest) -> int | None:
        """Return the size of a blob; None if the registry does not have it."""
        from .blobs import blob_size

        repository = self.repository(repository)
        operation = self._operation(f"look up the blob {digest}", repository, str(digest))
        return blob_size(self._caller, operation, self._endpoint.blob(repository, str(digest)), digest)

    def _policy(self) -> RealmPolicy:
        from .realm_policy import RealmPolicy

        return RealmPolicy(self._endpoint.origin, self._trusted)

    def _operation(self, doing: str, repository: str, reference: str | None = None) -> Operation:
        return Operation(f"{doing} of {repository} from {self.name}", self.name, repository, reference)

    def _reader(self, repository: str) -> ManifestReader:
        from .manifests import ManifestReader

        return ManifestReader(self._caller, repository=repository)

    def _read_config(self, repository: str, descriptor: Descriptor, operation: Operation) -> bytes:
        from .blobs import BlobRequest, BlobStream

        if descriptor.data is not None:
            return descriptor.data
        request = BlobRequest(
            self._endpoint.blob(repository, str(descriptor.digest)), descriptor.digest, descriptor.size
        )
        with BlobStream(self._caller, operation, request, count=self._count) as stream:
            return b"".join(stream)

    def _foreign(self, descriptor: Descriptor) -> ForeignSource | None:
        from .._oci.media_type import is_nondistributable

        if not descriptor.urls or not is_nondistributable(descriptor.media_type):
            return None
        from .foreign import ForeignSource

        effects = self._options.effects
        return ForeignSource(descriptor.urls, self._foreign_urls, self._transport, self._policy(), effects)

    def _count(self, size: int) -> None:
        with self._lock:
            self._downloaded += size
        self._options.received(size)


def _source(credentials: Credentials | CredentialSource | None) -> CredentialSource:
    if credentials is None:
        return Fixed(Anonymous())
    if isinstance(credentials, (Anonymous, BasicAuth, IdentityToken, Token)):
        return Fixed(credentials)
    return credentials


__all__ = ("USER_AGENT", "Registry")
