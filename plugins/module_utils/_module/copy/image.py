# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The images of oci_image_copy at the source: their digests, and what they are to be at the target. Called by run.py.

With platforms, an index is reduced to some of its manifests, which makes it another index.
"""

from __future__ import annotations

import json
import typing as t

from ..._base.strict_json import Json, load_object
from ..._base.text import visible
from ..._oci.digest import Digest
from ..._oci.errors import PlatformNotFound
from ..._oci.index import Index
from ..._oci.platform import Platform, matches
from ..._oci.reference import Selector
from .documents import ImageDocument

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..._oci.descriptor import Descriptor
    from ..._registry.fetched import Fetched
    from ..layout.referrers import ReferrerLister
    from ..registry.sources import ImageSource
    from .documents import CopiedImage

# docker's builder marks the attestations of a manifest so; they have the platform unknown/unknown
_ATTESTATION_OF: t.Final = "vnd.docker.reference.digest"


class ImageReader:
    """Reads images of a source, with all that their documents refer to.

    platforms are those to keep of an index; empty for all. foreign says whether to copy layers outside of the registry.
    With lister, what refers to the images belongs to them.
    """

    def __init__(
        self,
        source: ImageSource,
        repository: str,
        *,
        platforms: t.Sequence[Platform] = (),
        lister: ReferrerLister | None = None,
        foreign: bool,
        warn: Warn,
    ) -> None:
        self._source, self._repository, self._foreign, self._warn = source, repository, foreign, warn
        self._platforms, self._lister = platforms, lister
        self._digests: dict[Selector, Digest] = {}
        self._fetched: dict[Selector, Fetched] = {}
        self._warned: set[str] = set()
        self._last: CopiedImage | None = None

    def digest_of(self, selector: Selector) -> Digest:
        """Return the digest that the image has at the target. Asks as little as possible. Raises as the source does."""
        return self._reduced(selector).digest if self._platforms else self.source_digest(selector)

    def source_digest(self, selector: Selector) -> Digest:
        """Return the digest that the image has at the source, the same one each time. Raises as the source does.

        It is asked for once: what was verified or compared under it must be what is read later.
        """
        if selector.digest is not None:
            return selector.digest
        if selector not in self._digests:
            head = self._source.head_manifest(self._repository, selector)
            self._digests[selector] = self._fetch(selector).digest if head.digest is None else head.digest
        return self._digests[selector]

    def read(self, selector: Selector, *, digest: Digest) -> CopiedImage:
        """Return the image of a selector, for which digest_of() returned digest.

        Raises as the source and Collector do, PlatformNotFound.
        """
        if self._last is None or self._last.digest != digest:
            from .collect import collect  # an unchanged run needs none of it

            root = self._reduced(selector) if self._platforms else self._document(selector)
            self._last = collect(
                self._source,
                self._repository,
                root,
                lister=self._lister,
                foreign=self._foreign,
                warn=self._warn,
            )
        return self._last

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)

    def _fetch(self, selector: Selector) -> Fetched:
        """Return the document of a selector; by its digest if that is known, because a tag may lead elsewhere now."""
        if selector not in self._fetched:
            known = self._digests.get(selector)
            wanted = selector if known is None else Selector(None, known)
            self._fetched[selector] = fetched = self._source.manifest(self._repository, wanted)
            self._digests[selector] = fetched.digest
        return self._fetched[selector]

    def _document(self, selector: Selector) -> ImageDocument:
        fetched = self._fetch(selector)
        return ImageDocument(fetched.digest, fetched.document.media_type, fetched.document.raw)

    def _reduced(self, selector: Selector) -> ImageDocument:
        fetched = self._fetch(selector)
        document = fetched.document
        if isinstance(document, Index):
            content = reduce_index(document, self._platforms)
            digest = Digest.of(content, fetched.digest.algorithm)
            if digest != fetched.digest:
                self._warn_once(
                    f"The index {fetched.digest} has other platforms than those in the option platforms, so the target "
                    f"gets a smaller index, with the digest {digest}."
                )
            return ImageDocument(digest, document.media_type, content)
        if document.is_image:
            for platform in self._platforms:  # raises an error if the image is for another platform
                self._source.resolve(self._repository, selector, platform=platform, fetched=fetched)
        return self._document(selector)


def reduce_index(index: Index, platforms: t.Sequence[Platform]) -> bytes:
    """Return an index without the manifests that are for none of the platforms. All other fields stay.

    Attestations stay with the manifests that they are about. Raises PlatformNotFound for a platform without a manifest.
    """
    kept = {entry.digest for platform in platforms for entry in _entries_for(index, platform)}
    texts = {str(digest) for digest in kept}
    kept |= {entry.digest for entry in index.manifests if entry.annotations.get(_ATTESTATION_OF) in texts}
    if all(entry.digest in kept for entry in index.manifests):
        return index.raw
    fields: Json = load_object(index.raw, what="the index")
    fields["manifests"] = [
        entry for entry, parsed in zip(fields["manifests"], index.manifests) if parsed.digest in kept
    ]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _entries_for(index: Index, platform: Platform) -> list[Descriptor]:
    """Return the manifests for exactly this platform or, if there are none, for those that it can run."""
    found = [entry for entry in index.manifests if entry.platform is not None]
    same = [entry for entry in found if t.cast("Platform", entry.platform).normalised() == platform.normalised()]
    suitable = same or [entry for entry in found if matches(platform, t.cast("Platform", entry.platform))]
    if not suitable:
        offered = ", ".join(visible(str(one), limit=60) for one in index.platforms[:40]) or "nothing"
        raise PlatformNotFound(
            f"Copying the manifests for {visible(str(platform))} failed: the index offers {offered}; correct the "
            "option platforms.",
            platform=visible(str(platform)),
            offered=offered,
        )
    return suitable


__all__ = ("ImageReader", "reduce_index")
