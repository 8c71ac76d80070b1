# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options referrers and cosign_tags of oci_layout and oci_archive: what is attached to an image is copied too.

Each referrer becomes an entry of index.json without a tag, where the registry server finds it. The list for the image
is requested in every run. The entry of the image records it, and as long as it is the same, the referrers of single
platforms and of other referrers are not requested again. What a tag of cosign leads to keeps that tag. plan.py and
run.py call this.
"""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass, field, replace

from ..._base.errors import CollectionError, JsonInvalid
from ..._base.text import quote
from ..._layout.referrers import as_referrer
from ..._oci.annotations import REF_NAME
from ..._oci.digest import Digest
from ..._oci.document import parse_document
from ..._oci.errors import DocumentInvalid, Unsupported
from ..._oci.index import Index
from ..._oci.media_type import is_index, is_manifest
from ..._registry.cosign_tags import CosignTag, list_cosign_tags
from ..._registry.cosign_tags import cosign_tags as tags_of
from ..._registry.errors import NotFound
from ..._registry.referrers import list_referrers
from .contents import TooLarge

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..._layout.index_file import IndexFile
    from ..._oci.descriptor import Descriptor
    from ..._oci.manifest import Manifest
    from ..registry.layout_referrers import LayoutReferrers
    from ..registry.layout_source import LayoutSource
    from ..registry.sources import ImageSource, RegistrySource
    from .contents import Collector, Contents, StoredImages

# The annotation of the entry of an image with the digest of the list of its referrers.
LISTED: t.Final = "attested.registry.referrers"
# Of one image, referrers of referrers included.
MAX_REFERRERS: t.Final = 1000
# In the lists of one image and of its referrers, whether they are there or not.
MAX_LISTED: t.Final = 10_000

Document = t.Union["Manifest", Index]
Lists = dict[Digest, "tuple[Descriptor, ...]"]


@dataclass(frozen=True)
class Attached:
    """What is attached to an image: the entries of index.json for its referrers, sorted by digest, and for its tags.

    entry is that of the image itself. lists and tags have what was requested, so that another plan for the same image
    need not request it again; tags is None if it was not.
    """

    entry: Descriptor
    referrers: tuple[Descriptor, ...] = ()
    tagged: tuple[Descriptor, ...] = ()
    lists: Lists = field(default_factory=dict)
    tags: tuple[CosignTag, ...] | None = None

    @property
    def entries(self) -> tuple[Descriptor, ...]:
        """All entries. A referrer that has a tag too comes first with its tag, which is enough."""
        return (*self.tagged, *self.referrers)


def find_attached(
    lister: ReferrerLister,
    collector: Collector,
    contents: Contents,
    entry: Descriptor,
    *,
    known: Descriptor | None,
    ask: bool,
    referrers: bool,
    cosign_tags: bool,
) -> Attached:
    """Find what is attached to an image, and add the files of it to those of the collector.

    contents and entry are those of the image. known is the present entry of the image in index.json, None if everything
    is to be requested again. If ask is False, nothing is requested that is known. Raises what the lister raises, and
    Unsupported above the limit.
    """
    known = None if known is None or known.digest != entry.digest else known
    found = Attached(entry)
    if cosign_tags:
        tags = lister.tags(entry.digest, ask=ask or known is None)
        found = replace(found, tags=tags, tagged=tuple(_tagged(collector, item) for item in tags))
    if referrers:
        recorded = None if known is None else known.annotations.get(LISTED)
        if recorded is None or ask:
            current = _fingerprint(lister.list(entry.digest))
            recorded, is_same = current, recorded == current
        else:
            is_same = True
        if is_same:
            lister.use_stored()
        entries = find_referrers(lister, collector, contents, entry)
        entry = replace(entry, annotations={**entry.annotations, LISTED: recorded})
        found = replace(found, entry=entry, referrers=entries)
    return replace(found, lists=lister.lists)


def find_referrers(
    lister: ReferrerLister, collector: Collector, contents: Contents, entry: Descriptor
) -> tuple[Descriptor, ...]:
    """Return the entries for what refers to an image, and to that in turn, sorted by digest. Raises as find_attached().

    The files of the referrers are added to those of the collector.
    """
    subjects = [entry.digest, *_platforms(contents)]
    found: dict[Digest, Descriptor] = {}
    listed = 0
    for subject in subjects:
        listed += len(lister.list(subject))
        if listed > MAX_LISTED:
            raise _too_many(entry, MAX_LISTED)
        for descriptor in lister.list(subject):
            referrer = None if descriptor.digest in found else lister.read(collector, descriptor, subject)
            if referrer is not None:
                found[descriptor.digest] = referrer
                subjects.append(descriptor.digest)
        if len(found) > MAX_REFERRERS:
            raise _too_many(entry, MAX_REFERRERS)
    return tuple(sorted(found.values(), key=lambda item: str(item.digest)))


def _too_many(entry: Descriptor, limit: int) -> Unsupported:
    return Unsupported(
        f"Listing the referrers of {entry.digest} failed: there are more than {limit}; set referrers to false, and "
        "copy those that you need by their digests."
    )


def _tagged(collector: Collector, item: CosignTag) -> Descriptor:
    """Add the files of what a tag of cosign leads to, and return its entry in index.json."""
    collector.add(item.descriptor)
    return replace(item.descriptor, annotations={REF_NAME: item.tag}, artifact_type=None)


class ReferrerLister:
    """Lists the referrers of one manifest after the other, by the registry or from the layout that is the source.

    view is the layout or archive that the image is copied to; earlier has what is known.
    """

    def __init__(
        self,
        source: ImageSource,
        view: StoredImages,
        *,
        repository: str,
        earlier: Attached | None = None,
        warn: Warn,
    ) -> None:
        self._source, self._view, self._repository, self._warn = source, view, repository, warn
        self._tags: dict[Digest, tuple[CosignTag, ...]] = {}
        if earlier is not None and earlier.tags is not None:
            self._tags[earlier.entry.digest] = earlier.tags
        self._ask: t.Callable[[Digest], tuple[Descriptor, ...]] = self._asking()
        self.lists: Lists = {} if earlier is None else dict(earlier.lists)

    def use_stored(self) -> None:
        """Take all further lists from the layout that is copied to, unless a referrer in it is damaged."""
        stored = _stored_referrers(self._view)
        if stored is not None:
            self._ask = lambda subject: tuple(stored.get(subject, ()))

    def list(self, subject: Digest) -> tuple[Descriptor, ...]:
        """Return the referrers of a manifest. Raises RegistryError, LayoutError, OciError."""
        if subject not in self.lists:
            self.lists[subject] = self._ask(subject)
        return self.lists[subject]

    def tags(self, digest: Digest, *, ask: bool) -> tuple[CosignTag, ...]:
        """Return the tags of cosign for a manifest; if ask is False, those that the layout has that is copied to.

        Raises RegistryError, LayoutError, OciError.
        """
        if digest not in self._tags:
            self._tags[digest] = self._ask_tags(digest) if ask else self._stored_tags(digest)
        return self._tags[digest]

    def read(self, collector: Collector, descriptor: Descriptor, subject: Digest) -> Descriptor | None:
        """Add the files of a referrer to those of the collector and return its entry in index.json.

        Return None, with a warning, for a referrer that is gone, has another subject, or is of an unknown type. Raises
        what Collector.collect() raises.
        """
        try:
            document = _document(collector, descriptor, subject)
        except _LeftOut as exc:
            self._warn(f"The referrer {descriptor.digest} is not copied: {exc}.")
            return None
        collector.add(descriptor)
        return replace(as_referrer(document, descriptor), annotations={})

    def _asking(self) -> t.Callable[[Digest], tuple[Descriptor, ...]]:
        if self._source.name:
            registry = t.cast("RegistrySource", self._source)
            return lambda subject: list_referrers(registry, self._repository, subject).descriptors
        return self._layout.list

    def _ask_tags(self, digest: Digest) -> tuple[CosignTag, ...]:
        if self._source.name:
            return list_cosign_tags(t.cast("RegistrySource", self._source), self._repository, digest)
        return self._layout.list_cosign(digest)

    def _stored_tags(self, digest: Digest) -> tuple[CosignTag, ...]:
        found = [(tag, self._view.index.tagged(tag)) for tag in tags_of(digest)]
        return tuple(CosignTag(tag, item) for tag, item in found if item is not None)

    @functools.cached_property
    def _layout(self) -> LayoutReferrers:
        """The documents of the layout that is the source."""
        from ..registry.layout_referrers import LayoutReferrers

        return LayoutReferrers(t.cast("LayoutSource", self._source), warn=self._warn)


class _LeftOut(Exception):
    """Why a referrer is not copied."""


def _document(collector: Collector, descriptor: Descriptor, subject: Digest) -> Document:
    """Return the document of a referrer. Raises _LeftOut, and what Collector.document() raises."""
    if not (is_manifest(descriptor.media_type) or is_index(descriptor.media_type)):
        raise _LeftOut(f"its type {quote(descriptor.media_type)} is not supported")
    try:
        document = collector.document(descriptor)
    except NotFound:
        raise _LeftOut("it is listed, but it is not there") from None
    except TooLarge:
        raise
    except (DocumentInvalid, JsonInvalid, Unsupported) as exc:
        raise _LeftOut(f"it cannot be used ({exc.message.rstrip('.')})") from None
    if document.subject is None or document.subject.digest != subject:
        raise _LeftOut(f"it is listed as a referrer of {subject}, but does not refer to it")
    return document


def without_attached(index: IndexFile, gone: Digest, *, document: t.Callable[[Digest], bytes | None]) -> IndexFile:
    """Remove what is attached to an image, if no other entry leads to that image any more.

    These are entries without a name that refer to it, which would keep its files, because an entry keeps its subject;
    and the tags of cosign for it. document returns the verified bytes of a manifest or index, None if it is not there;
    what is not there refers to nothing.
    """
    stored = _Documents(document)
    unnamed = {entry.descriptor.digest for entry in index.entries if not entry.is_named}
    loose = {digest for digest in unnamed if stored.subject(digest) is not None}
    kept = stored.below(entry.descriptor.digest for entry in index.entries if entry.descriptor.digest not in loose)
    lost = stored.below([gone]) - kept
    while True:
        for tag in (tag for digest in lost for tag in tags_of(digest)):
            index = index.without_tag(tag)
        found = {digest for digest in loose if stored.subject(digest) in lost}
        if not found:
            return index
        for digest in found:
            index = index.without_untagged(digest)
        loose -= found
        lost |= stored.below(found) - kept


class _Documents:
    """The manifests and indexes of a layout, each read once."""

    def __init__(self, document: t.Callable[[Digest], bytes | None]) -> None:
        self._document = document
        self._read: dict[Digest, Document | None] = {}

    def get(self, digest: Digest) -> Document | None:
        """Return a document, None if it is not there or none."""
        if digest not in self._read:
            data = self._document(digest)
            try:
                found = None if data is None else parse_document(data, media_type=None)
            except CollectionError:
                found = None
            self._read[digest] = found
        return self._read[digest]

    def subject(self, digest: Digest) -> Digest | None:
        """Return the digest of the subject of a document, None if it has none."""
        document = self.get(digest)
        return None if document is None or document.subject is None else document.subject.digest

    def below(self, digests: t.Iterable[Digest]) -> set[Digest]:
        """Return these digests, and those of the documents that they lead to through indexes."""
        found: set[Digest] = set()
        todo = list(digests)
        while todo:
            digest = todo.pop()
            if digest not in found:
                found.add(digest)
                document = self.get(digest)
                todo += [entry.digest for entry in document.manifests] if isinstance(document, Index) else []
        return found


# the images of a task with tags_from ask this one after the other
@functools.lru_cache(maxsize=1)
def _stored_referrers(view: StoredImages) -> dict[Digest, list[Descriptor]] | None:
    """Return the referrers that have an entry in index.json, by the digest of their subject.

    None if the document of an entry without a name is not there or damaged, so that its subject is unknown.
    """
    stored = _Documents(view.document)
    found: dict[Digest, list[Descriptor]] = {}
    for entry in view.index.entries:
        if entry.is_named and entry.descriptor.artifact_type is None:
            continue  # an image; there may be very many
        if not entry.is_named and stored.get(entry.descriptor.digest) is None:
            return None
        subject = stored.subject(entry.descriptor.digest)
        if subject is not None:
            found.setdefault(subject, []).append(entry.descriptor)
    return found


def _platforms(contents: Contents) -> list[Digest]:
    """Return the digests of the images that an index leads to."""
    images = [member.descriptor for member in contents.members if member.manifest.is_image]
    return [item.digest for item in images if item.platform is None or not item.platform.is_unknown()]


def _fingerprint(listed: t.Iterable[Descriptor]) -> str:
    return str(Digest.of("\n".join(sorted(str(item.digest) for item in listed)).encode("ascii")))


__all__ = (
    "LISTED",
    "MAX_LISTED",
    "MAX_REFERRERS",
    "Attached",
    "ReferrerLister",
    "find_attached",
    "find_referrers",
    "without_attached",
)
