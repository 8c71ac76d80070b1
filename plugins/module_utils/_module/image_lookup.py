# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._oci.errors import ReferenceInvalid
from .._oci.fields import Fields
from .._oci.platform import Platform, matches, other_platform, suits

if t.TYPE_CHECKING:
    from .._destination.stamp import Stamp
    from .._oci.digest import Digest
    from .._oci.image import Image
    from .._oci.reference import Selector
    from .._registry.manifests import ManifestHead
    from .sources import ImageSource

Json = dict[str, t.Any]
Warn = t.Callable[[str], None]


@dataclass(frozen=True)
class Question:
    """Which image is wanted: what the task says of it."""

    repository: str
    selector: Selector
    platform: Platform


@dataclass(frozen=True)
class Found:
    """Which image that is now.

    shown is the result image. config_digest and diff_ids decide whether it is the same as another one. image is None if
    all that is known about it is that it is the one that was unpacked before.
    """

    shown: Json
    config_digest: Digest
    diff_ids: tuple[Digest, ...]
    image: Image | None

    def is_in(self, stamp: Stamp) -> bool:
        """Tell whether the tree with that stamp has the same content."""
        return (stamp.config_digest, stamp.diff_ids) == (self.config_digest, self.diff_ids)


def look_up(
    source: ImageSource, question: Question, *, known: Stamp | None, warn: Warn, head: ManifestHead | None = None
) -> Found:
    """Find out what the registry has now. Raises what Registry.resolve raises, Unsupported for what is no image.

    Where an image of the same platform was unpacked before, a HEAD request comes first: if it names the digest that led
    to that image, there is nothing more to ask. Without an answer to that, the manifest says the same. A selector with
    a digest needs no request for that.
    """
    repository, selector = question.repository, question.selector
    if known is None or known.platform != str(question.platform):
        return _resolved(source.resolve(repository, selector, platform=question.platform))
    digest = selector.digest
    if digest is None:
        digest = (head or source.head_manifest(repository, selector)).digest
    if digest is not None and _leads_to(digest, known, source, question, warn):
        return _known(source, question, known, digest)
    fetched = source.manifest(repository, selector)
    if _leads_to(fetched.digest, known, source, question, warn):
        return _known(source, question, known, fetched.digest)
    return _resolved(source.resolve(repository, selector, platform=question.platform, fetched=fetched))


def _leads_to(digest: Digest, known: Stamp, source: ImageSource, question: Question, warn: Warn) -> bool:
    if digest not in (known.digest, known.index_digest):
        return False
    return is_for_platform(known.image, source, question, digest=str(digest), warn=warn)


def is_for_platform(image: Json, source: ImageSource, question: Question, *, digest: str, warn: Warn) -> bool:
    """Tell whether what was unpacked before is for the platform; what is not has to be resolved again, which fails.

    digest is what the reference leads to. An index says for itself what its images are for. An image alone for another
    platform than that of the host is warned about.
    """
    wanted = question.platform
    if digest == image["index_digest"]:
        try:
            return matches(wanted, Platform.parse(image["platform"]))
        except ReferenceInvalid:
            return False
    stated = Platform.from_json(Fields(image["config"], "the config of the tree"))
    if suits(wanted, stated):
        return True
    if wanted.is_default:
        warn(other_platform(f"{source.repository(question.repository)} ({question.selector})", wanted, stated))
    return wanted.is_default


def _known(source: ImageSource, question: Question, known: Stamp, digest: Digest) -> Found:
    shown = shown_as(known.image, source, question, digest=str(digest))
    return Found(shown, known.config_digest, known.diff_ids, None)


def shown_as(image: Json, source: ImageSource, question: Question, *, digest: str) -> Json:
    """Return the result image of what was unpacked before, under the names that it goes by now.

    digest is what the reference leads to: that of its manifest, or that of the index it came from.
    """
    names = {"registry": source.name, "repository": source.repository(question.repository)}
    shown = {**image, **names, "tag": question.selector.tag}
    if digest == image["digest"] and image["index_digest"] is not None:
        shown = {**shown, "index_digest": None, "platforms": [image["platform"]]}
    return shown


def _resolved(image: Image) -> Found:
    return Found(image.as_dict(), image.manifest.config.digest, image.require_config().diff_ids, image)


__all__ = ("Found", "Question", "is_for_platform", "look_up", "shown_as")
