# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Which image the source has now, compared with the stamp of the tree. Called by present.py and quick_check.py."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ..._oci.digest import Digest
from ..._oci.errors import ReferenceInvalid
from ..._oci.fields import Fields
from ..._oci.image import image_names
from ..._oci.platform import Platform, matches, other_platform, suits
from ..._oci.reference import Selector

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._base.text import Warn
    from ..._destination.stamp import Stamp
    from ..._oci.image import Image
    from ..._registry.fetched import ManifestHead
    from ..registry.signatures import SignatureCheck
    from ..registry.sources import ImageSource


@dataclass(frozen=True)
class ImageRequest:
    """The image that the task requests: repository, tag or digest, and platform.

    With missing_only, a tag is not resolved again if the tree was unpacked from it (option pull). parallel is the
    number of layers to download at once. signature is the check of its signatures, None without one.
    """

    repository: str
    selector: Selector
    platform: Platform
    missing_only: bool = False
    parallel: int = 2
    signature: SignatureCheck | None = None


@dataclass(frozen=True)
class FoundImage:
    """The image that the reference resolves to now.

    shown is the return value image. Two images with the same config_digest and diff_ids have the same content. image is
    None if the image is known only from the stamp of the tree. pinned is the digest to fetch it by if the tag was not
    resolved.
    """

    shown: Json
    config_digest: Digest
    diff_ids: tuple[Digest, ...]
    image: Image | None
    pinned: Digest | None = None

    def is_in(self, stamp: Stamp) -> bool:
        """Tell whether the tree with this stamp has the same content."""
        return (stamp.config_digest, stamp.diff_ids) == (self.config_digest, self.diff_ids)


def look_up(
    source: ImageSource, request: ImageRequest, *, known: Stamp | None, warn: Warn, head: ManifestHead | None = None
) -> FoundImage:
    """Resolve the reference. Raises what Registry.resolve raises, Unsupported if the result is not an image.

    If an image for the same platform was unpacked before, a HEAD request is sent first: if the digest in its response
    is that of the stamp, no other request is needed. If the response has no digest, the manifest is fetched and hashed.
    A selector with a digest needs no HEAD request, nor does a tag with missing_only that the tree was unpacked from.
    """
    repository, selector = request.repository, request.selector
    if known is None or known.platform != str(request.platform):
        return describe_resolved(source.resolve(repository, selector, platform=request.platform))
    digest = selector.digest
    pinned = kept_digest(known.image, source, request)
    if pinned is not None and _is_current(pinned, known, source, request, warn):
        return replace(_find_in_stamp(source, request, known, pinned), pinned=pinned)
    if digest is None:
        digest = (head or source.head_manifest(repository, selector)).digest
    if digest is not None and _is_current(digest, known, source, request, warn):
        return _find_in_stamp(source, request, known, digest)
    fetched = source.manifest(repository, selector)
    if _is_current(fetched.digest, known, source, request, warn):
        return _find_in_stamp(source, request, known, fetched.digest)
    return describe_resolved(source.resolve(repository, selector, platform=request.platform, fetched=fetched))


def kept_digest(image: Json, source: ImageSource, request: ImageRequest) -> Digest | None:
    """Return the digest that the tag of the request had when the image was unpacked, None if it must be requested.

    image is the return value image of the tree.
    """
    if not request.missing_only or request.selector.digest is not None:
        return None
    names = (image["registry"], image["repository"], image["tag"])
    if names != (source.name, source.repository(request.repository), request.selector.tag):
        return None
    return Digest.parse(image["index_digest"] or image["digest"])


def _is_current(digest: Digest, known: Stamp, source: ImageSource, request: ImageRequest, warn: Warn) -> bool:
    if digest not in known.digests:
        return False
    return is_for_platform(known.image, source, request, digest=str(digest), warn=warn)


def is_for_platform(image: Json, source: ImageSource, request: ImageRequest, *, digest: str, warn: Warn) -> bool:
    """Tell whether the unpacked image is for the requested platform. If not, the caller resolves again, which fails.

    digest is the one that the reference resolves to. If it is that of an index, the index states the platform. If it is
    that of a single image for another platform than the host's, a warning is emitted.
    """
    wanted = request.platform
    if digest == image["index_digest"]:
        try:
            return matches(wanted, Platform.parse(image["platform"]))
        except ReferenceInvalid:
            return False
    stated = Platform.from_json(Fields(image["config"], "the config of the tree"))
    if suits(wanted, stated):
        return True
    if wanted.is_default:
        warn(other_platform(f"{source.repository(request.repository)} ({request.selector})", wanted, stated))
    return wanted.is_default


def _find_in_stamp(source: ImageSource, request: ImageRequest, known: Stamp, digest: Digest) -> FoundImage:
    shown = shown_as(known.image, source, request, digest=str(digest))
    return FoundImage(shown, known.config_digest, known.diff_ids, None)


def shown_as(image: Json, source: ImageSource, request: ImageRequest, *, digest: str) -> Json:
    """Return the return value image of the unpacked image, with the registry, repository and tag of this task.

    digest is the one that the reference resolves to: that of the manifest, or that of the index.
    """
    names = image_names(source.name, source.repository(request.repository))
    shown = {**image, **names, "tag": request.selector.tag}
    if digest == image["digest"] and image["index_digest"] is not None:
        shown = {**shown, "index_digest": None, "platforms": [image["platform"]]}
    return shown


def resolve_again(source: ImageSource, request: ImageRequest, found: FoundImage) -> Image:
    """Resolve the reference of an image that is known only from the stamp. The image may be another one by now."""
    pinned = None if found.pinned is None else source.manifest(request.repository, Selector(None, found.pinned))
    return source.resolve(request.repository, request.selector, platform=request.platform, fetched=pinned)


def describe_resolved(image: Image) -> FoundImage:
    """Return a resolved image as what was found."""
    return FoundImage(image.as_dict(), image.manifest.config.digest, image.require_config().diff_ids, image)


__all__ = (
    "FoundImage",
    "ImageRequest",
    "describe_resolved",
    "is_for_platform",
    "kept_digest",
    "look_up",
    "resolve_again",
    "shown_as",
)
