# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""List the referrers of a manifest: the signatures, SBOMs and other manifests that name it as their subject.

Implements distribution-spec, "Listing Referrers" and "Referrers Tag Schema", which registries without that API need.
The client does not import this file: modules that only pull need none of it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._base.errors import JsonInvalid
from .._base.text import quote
from .._oci.document import parse_document
from .._oci.errors import DocumentInvalid, OciError, Unsupported
from .._oci.index import Index
from .._oci.media_type import OCI_INDEX, parse_content_type
from .._oci.reference import Selector
from .caller import Call
from .errors import REPORT, NotFound, Operation, ProtocolBroken
from .link import LinkInvalid, linked_page
from .manifests import MAX_BYTES, ManifestReader

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .caller import Caller
    from .transport.answer import Answer
    from .url import Url

# of all pages
MAX_PAGES: t.Final = 100
MAX_REFERRERS: t.Final = 10_000
MAX_TOTAL_BYTES: t.Final = 32 * 1024 * 1024

# answers of registries without the API; the digest is valid, so 400 does not mean that it is malformed
_NOT_OFFERED: t.Final = (400, 404, 405, 406, 501)
# distribution-spec, "Referrers Tag Schema"
_MAX_ALGORITHM: t.Final = 32
_MAX_ENCODED: t.Final = 64

ListSource = t.Literal["api", "tag"]


class CallingRegistry(t.Protocol):
    """A Registry, or another source of images that has the Caller of one."""

    @property
    def caller(self) -> Caller:
        """See Registry."""


@dataclass(frozen=True)
class Referrers:
    """The descriptors of the referrers of one manifest, in the order of the registry, and what listed them.

    source is "api", or "tag" for the index that the tag of the referrers tag schema leads to. Nothing here is verified:
    a manifest that a descriptor leads to may have another subject, or be missing.
    """

    descriptors: tuple[Descriptor, ...]
    source: ListSource


def list_referrers(
    registry: CallingRegistry, repository: str, digest: Digest, *, artifact_type: str | None = None
) -> Referrers:
    """List the referrers of the manifest with this digest, all or those of an artifact type.

    A registry without the API is asked for the referrers tag. If it has no such tag, or the tag does not lead to an
    index, there are none; so it is for a repository that does not exist. Of several mirrors and an origin, only the
    origin is asked. Raises RegistryError, JsonInvalid and OciError for lists that cannot be used.
    """
    caller = registry.caller
    repository = caller.endpoint.repository(repository)
    name = caller.endpoint.name
    operation = Operation(f"list the referrers of {digest} in {repository} from {name}", name, repository, str(digest))
    listed = _ReferrersApi(caller, operation, artifact_type).read(
        caller.endpoint.referrers(repository, str(digest), artifact_type=artifact_type)
    )
    if listed is not None:
        return Referrers(listed, "api")
    found = _read_tag(caller, operation, repository, referrers_tag(digest))
    return Referrers(_unique(_of_type(found, artifact_type)), "tag")


def referrers_tag(digest: Digest) -> str:
    """Return the tag of the index of referrers, such as sha256-HEX (distribution-spec, "Referrers Tag Schema").

    It has no characters to replace: a Digest has a registered algorithm and hexadecimal digits.
    """
    return f"{digest.algorithm[:_MAX_ALGORITHM]}-{digest.encoded[:_MAX_ENCODED]}"


class _ReferrersApi:
    """Reads the pages of one list."""

    def __init__(self, caller: Caller, operation: Operation, artifact_type: str | None) -> None:
        self._caller = caller
        self._operation = operation
        self._artifact_type = artifact_type
        self._deadline = caller.deadline()
        self._budget = MAX_TOTAL_BYTES

    def read(self, url: Url) -> tuple[Descriptor, ...] | None:
        """Return the descriptors of all pages; None if the registry does not offer the API."""
        answer, page = self._fetch(url, statuses=(200, *_NOT_OFFERED))
        if page is None:
            return None
        found, seen = self._wanted(answer, page), {url}
        while True:
            if len(found) > MAX_REFERRERS:
                raise self._list_error(f"it has more than {MAX_REFERRERS} descriptors")
            following = self._following(answer, url)
            if following is None:
                return _unique(found)
            if following in seen or len(seen) >= MAX_PAGES:
                raise self._list_error("its pages form a loop or have no end")
            seen.add(following)
            url = following
            answer, page = self._fetch(url, statuses=(200,))
            if page is None:
                raise self._list_error(f"a page of it is not of type {OCI_INDEX}")
            found += self._wanted(answer, page)

    def _fetch(self, url: Url, *, statuses: tuple[int, ...]) -> tuple[Answer, Index | None]:
        """Get a page; None in its place if the answer is not a list of referrers."""
        headers = {"Accept": OCI_INDEX}
        call = Call(self._operation, url, headers=headers, statuses=statuses, deadline=self._deadline)
        answer, body = self._caller.consume(call, self._read_body)
        return answer, None if body is None else self._parse(body)

    def _read_body(self, answer: Answer) -> bytes | None:
        if answer.status == 200 and parse_content_type(answer.header("Content-Type")) == OCI_INDEX:
            return answer.read(MAX_BYTES)
        if answer.status == 200 and not answer.is_page:
            self._warn_about_type(answer)
        answer.discard()
        return None

    def _warn_about_type(self, answer: Answer) -> None:
        self._caller.options.warn(
            f"{self._caller.endpoint.name} lists referrers as {quote(answer.header('Content-Type') or '')}, not as "
            f"{OCI_INDEX}; the list is ignored, and the tag of the referrers tag schema is read in its place."
        )

    def _parse(self, body: bytes) -> Index:
        self._budget -= len(body)
        if self._budget < 0:
            raise self._list_error(f"its pages have more than {MAX_TOTAL_BYTES} bytes in total")
        try:
            document = parse_document(body, media_type=OCI_INDEX, what="the list of referrers")
        except (OciError, JsonInvalid) as exc:
            self._operation.annotate(exc)
            raise
        return t.cast(Index, document)

    def _wanted(self, answer: Answer, page: Index) -> list[Descriptor]:
        """Return the descriptors of the artifact type; a registry that has applied that filter says so."""
        filters = ",".join(answer.header_lines("OCI-Filters-Applied")).split(",")
        applied = "artifactType" in (name.strip() for name in filters)
        return list(page.manifests) if applied else _of_type(page.manifests, self._artifact_type)

    def _following(self, answer: Answer, url: Url) -> Url | None:
        try:
            return linked_page(answer, url)
        except LinkInvalid as exc:
            raise self._list_error(f"the link to the next page cannot be used: {exc}") from None

    def _list_error(self, why: str) -> ProtocolBroken:
        return self._operation.error(ProtocolBroken, f"the list of the registry cannot be used: {why}", REPORT)


def _read_tag(caller: Caller, operation: Operation, repository: str, tag: str) -> tuple[Descriptor, ...]:
    """Return the descriptors of the index that a tag leads to; none if the registry has no such tag."""
    try:
        document = ManifestReader(caller, repository=repository).get(operation, Selector(tag, None)).document
    except NotFound:
        return ()
    except (DocumentInvalid, JsonInvalid, Unsupported) as exc:
        caller.options.warn(f"The tag {tag} of {repository} is ignored: {exc.message}")
        return ()
    if not isinstance(document, Index):
        caller.options.warn(f"The tag {tag} of {repository} is ignored: it leads to a manifest, not to an index.")
        return ()
    if len(document.manifests) > MAX_REFERRERS:
        why = f"the tag {tag} lists more than {MAX_REFERRERS} descriptors"
        raise operation.error(ProtocolBroken, why, REPORT)
    return document.manifests


def _of_type(descriptors: Iterable[Descriptor], artifact_type: str | None) -> list[Descriptor]:
    return [found for found in descriptors if artifact_type in (None, found.artifact_type)]


def _unique(descriptors: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    found: dict[Digest, Descriptor] = {}
    for descriptor in descriptors:
        found.setdefault(descriptor.digest, descriptor)
    return tuple(found.values())


__all__ = (
    "MAX_PAGES",
    "MAX_REFERRERS",
    "MAX_TOTAL_BYTES",
    "CallingRegistry",
    "ListSource",
    "Referrers",
    "list_referrers",
    "referrers_tag",
)
