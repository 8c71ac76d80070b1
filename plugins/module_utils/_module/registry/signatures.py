# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The check of an image against the policy of the option signature, whatever the source of the image.

Every module that has the option calls this, by signature_option.py, before it uses anything of an image but its
manifest and config.
"""

from __future__ import annotations

import functools
import typing as t

from ..._base.errors import JsonInvalid
from ..._layout.errors import BlobMissing
from ..._oci.errors import OciError
from ..._oci.reference import Selector
from ..._registry.errors import NotFound
from ..._trust.errors import Refused
from ..._trust.policy import Policy, SignedImage, SignedManifest, Verified
from ..._trust.verify import verify_signature
from .sources import MirroredSource

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json, JsonObject
    from ..._base.text import Warn
    from ..._oci.descriptor import Descriptor
    from ..._oci.digest import Digest
    from ..._oci.image import Image
    from .layout_source import LayoutSource
    from .sources import ImageSource, RegistrySource

_T = t.TypeVar("_T")


class SignatureCheck:
    """The check of the images of one task against the option signature. Raises PolicyInvalid, DependencyMissing."""

    def __init__(self, option: Json, *, warn: Warn) -> None:
        self.policy = Policy.read(
            option["format"],
            keys=option["keys"],
            signatures=option["signatures"],
            identity=option["identity"],
        )
        self._warn = warn

    def verify(
        self,
        source: ImageSource,
        repository: str,
        selector: Selector,
        *,
        digests: t.Sequence[Digest],
        manifests: t.Sequence[SignedManifest] = (),
    ) -> Verified:
        """Verify the signatures of an image, and return what was verified.

        Each of digests leads to the image: that of the index, if there is one, then that of the manifest. manifests are
        all manifests of the image with their configs, which are needed for the format islet. Raises SignatureInvalid,
        PolicyInvalid, and what the source raises.
        """
        name = source.repository(repository)
        image = SignedImage(
            described=f"{name} ({selector})" + (f" from {source.name}" if source.name else ""),
            digests=tuple(digests),
            manifests=tuple(manifests),
            name=_image_name(source, repository),
            tag=selector.tag,
        )
        return verify_signature(self.policy, image, self._store(source, repository))

    def verify_image(self, source: ImageSource, repository: str, image: Image) -> Verified:
        """Verify the signatures of a resolved image. Raises as verify() does."""
        digests = [digest for digest in (image.index_digest, image.digest) if digest is not None]
        config = None if image.config is None else image.config.raw
        manifests = (SignedManifest(image.digest, image.manifest, config),)
        return self.verify(source, repository, image.selector, digests=digests, manifests=manifests)

    def recorded(
        self,
        record: JsonObject | None,
        source: ImageSource,
        repository: str,
        selector: Selector,
        *,
        digests: t.Collection[str],
    ) -> Verified | None:
        """Return the outcome that was recorded for the same image, if it satisfies the policy of this task.

        digests are those that lead to the image. An outcome for another digest does not count.
        """
        found = None if record is None else Verified.from_record(record)
        if found is not None and str(found.digest) not in digests:
            return None
        name = _image_name(source, repository)
        identity = name if name is None or selector.tag is None else f"{name}:{selector.tag}"
        return found if found is not None and found.satisfies(self.policy, identity=identity) else None

    def _store(self, source: ImageSource, repository: str) -> _RegistrySignatures | _LayoutSignatures:
        if source.name:
            return _RegistrySignatures(t.cast("RegistrySource", source), repository)
        return _LayoutSignatures(t.cast("LayoutSource", source), warn=self._warn)


def _image_name(source: ImageSource, repository: str) -> str | None:
    if source.name:
        return f"{source.name}/{source.repository(repository)}"
    return t.cast("LayoutSource", source).requested_name


class _RegistrySignatures:
    """The SignatureStore of a repository of a registry, with its mirrors."""

    def __init__(self, source: RegistrySource, repository: str) -> None:
        self._source, self._repository = source, repository

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        """See SignatureStore."""
        from ..._registry.referrers import list_referrers

        return _refused(lambda: list_referrers(self._source, self._repository, digest).descriptors)

    def tagged(self, tag: str) -> list[t.Callable[[], bytes | None]]:
        """See SignatureStore. A signature that was added later may be missing in a mirror."""
        sources: list[ImageSource] = [self._source]
        if isinstance(self._source, MirroredSource):
            sources.append(self._source.origin)
        return [functools.partial(self._find, source, Selector(tag, None)) for source in sources]

    def _find(self, source: ImageSource, selector: Selector) -> bytes | None:
        try:
            return self._manifest(source, selector)
        except NotFound:
            return None

    def manifest(self, digest: Digest) -> bytes:
        """See SignatureStore."""
        try:
            return self._manifest(self._source, Selector(None, digest))
        except NotFound:
            raise Refused(f"{digest} is not there") from None

    def _manifest(self, source: ImageSource, selector: Selector) -> bytes:
        return _refused(lambda: source.manifest(self._repository, selector, attached=True).document.raw)

    def blob(self, descriptor: Descriptor) -> bytes:
        """See SignatureStore."""
        return _read_blob(self._source, self._repository, descriptor)


class _LayoutSignatures:
    """The SignatureStore of a layout or archive: what refers to the image, and the tags of index.json."""

    def __init__(self, source: LayoutSource, *, warn: Warn) -> None:
        self._source, self._warn = source, warn

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        """See SignatureStore."""
        from .layout_referrers import LayoutReferrers

        return _refused(lambda: LayoutReferrers(self._source, warn=self._warn).list(digest))

    def tagged(self, tag: str) -> list[t.Callable[[], bytes | None]]:
        """See SignatureStore. The last of several entries counts, as for readers of layouts."""
        digests = [image.descriptor.digest for image in self._source.images if tag in image.tags]
        return [functools.partial(self.manifest, digest) for digest in digests[-1:]]

    def manifest(self, digest: Digest) -> bytes:
        """See SignatureStore."""
        try:
            return _refused(lambda: self._source.manifest("", Selector(None, digest), attached=True).document.raw)
        except NotFound:
            raise Refused(f"{digest} is not there") from None

    def blob(self, descriptor: Descriptor) -> bytes:
        """See SignatureStore."""
        return _read_blob(self._source, "", descriptor)


def _read_blob(source: ImageSource, repository: str, descriptor: Descriptor) -> bytes:
    def read() -> bytes:
        with source.blob(repository, descriptor, attached=True) as pieces:
            return b"".join(pieces)

    try:
        return _refused(read)
    except (NotFound, BlobMissing):
        raise Refused(f"{descriptor.digest} is not there") from None


def _refused(ask: t.Callable[[], _T]) -> _T:
    """Return what ask returns. Raises Refused for content that is not what it should be."""
    try:
        return ask()
    except (OciError, JsonInvalid) as exc:
        raise Refused(exc.message.rstrip(".")) from None


__all__ = ("SignatureCheck",)
