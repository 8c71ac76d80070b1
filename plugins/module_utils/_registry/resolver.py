# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._base.errors import CollectionError, JsonInvalid
from .._base.text import visible
from .._oci.errors import DocumentInvalid, OciError, PlatformNotFound, Unsupported
from .._oci.image import Image, parse_config
from .._oci.index import Index, select
from .._oci.media_type import is_index
from .._oci.platform import matches, other_platform, suits
from .errors import NotFound
from .manifests import MAX_BYTES

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from .._oci.config import ImageConfig
    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .._oci.manifest import Manifest
    from .._oci.platform import Platform
    from .._oci.reference import Selector
    from .errors import Operation
    from .manifests import Fetched, ManifestReader

MAX_NESTING: t.Final = 8
MAX_CANDIDATES: t.Final = 32  # manifests that are looked at for one platform
_MAX_SHOWN: t.Final = 40  # platforms in a message


@dataclass
class Resolver:
    """Follows a fetched document to the image for one platform. read_config gets the bytes of a config, verified."""

    operation: Operation
    reader: ManifestReader
    read_config: Callable[[Descriptor], bytes]
    wanted: Platform
    warn: Callable[[str], None]
    _looked_at: int = field(default=0, init=False)
    _seen: list[Platform] = field(default_factory=list, init=False)

    def resolve(self, fetched: Fetched, *, registry: str, repository: str, selector: Selector) -> Image:
        """The image. An index is followed to its best entry.

        A manifest of another platform is taken with a warning where the wanted one is the default.
        Raises RegistryError, PlatformNotFound, and what reading documents and configs raises.
        """
        found = self._found(fetched)
        platform = None if found.config is None else found.config.platform
        if isinstance(fetched.document, Index):
            platform = found.offered or platform
        elif platform is not None and not suits(self.wanted, platform):
            self._tell(platform, f"{repository} ({selector})")
        try:
            return Image(
                registry=registry,
                repository=repository,
                selector=selector,
                digest=found.digest,
                manifest=found.manifest,
                config=found.config,
                platform=platform,
                index_digest=fetched.digest if isinstance(fetched.document, Index) else None,
                platforms=fetched.document.platforms if isinstance(fetched.document, Index) else (),
            )
        except (OciError, JsonInvalid) as exc:
            raise self._annotated(exc) from None

    def _tell(self, platform: Platform, name: str) -> None:
        shown = visible(str(platform))
        if self.wanted.is_default:
            self.warn(other_platform(name, self.wanted, platform))
            return
        raise self._annotated(
            PlatformNotFound(
                self.operation.sentence(
                    f"it is for {shown} alone, not for {visible(str(self.wanted))}",
                    f"set platform to {shown} if it is the right one, or pull another image",
                ),
                platform=visible(str(self.wanted)),
                offered=shown,
            )
        )

    def _found(self, fetched: Fetched) -> _Found:
        if not isinstance(fetched.document, Index):
            return self._manifest(fetched.digest, fetched.document)
        found = self._search(fetched.document, depth=1)
        if found is not None:
            return found
        try:
            select(fetched.document, self.wanted)
        except PlatformNotFound as exc:
            raise self._annotated(exc) from None
        raise self._annotated(self._not_among(fetched.document.platforms))

    def _not_among(self, listed: tuple[Platform, ...]) -> PlatformNotFound:
        """The error for an index whose entries have to be looked at, where none is for the wanted platform."""
        others = [platform for platform in (*listed, *self._seen) if not matches(self.wanted, platform)]
        names = dict.fromkeys(visible(str(platform), limit=60) for platform in others)
        wanted, offered = visible(str(self.wanted)), ", ".join(list(names)[:_MAX_SHOWN])
        if not offered:
            message = self.operation.sentence(f"none of the images in the index is for {wanted}", "pull another image")
            return PlatformNotFound(message, platform=wanted)
        message = self.operation.sentence(
            f"none of the images in the index is for {wanted}, the index offers {offered}",
            "set platform to one of these, or pull another image",
        )
        return PlatformNotFound(message, platform=wanted, offered=offered)

    def _search(self, index: Index, *, depth: int) -> _Found | None:
        """The first candidate that holds the platform, depth first; entries that name none have to be looked at.

        What is missing (a sparse index) or no image is passed over, and is the error where nothing else fits.
        """
        if depth > MAX_NESTING:
            raise self._annotated(
                Unsupported(
                    self.operation.sentence(f"its index is nested deeper than {MAX_NESTING}", "pull another image")
                )
            )
        failure: CollectionError | None = None
        for entry in index.candidates(self.wanted):
            try:
                found = self._candidate(entry, depth)
            except (NotFound, JsonInvalid, DocumentInvalid, Unsupported) as exc:
                failure = failure or exc
                continue
            if found is not None:
                return found
        if failure is not None:
            raise failure
        return None

    def _candidate(self, entry: Descriptor, depth: int) -> _Found | None:
        self._looked_at += 1
        if self._looked_at > MAX_CANDIDATES:
            raise self._annotated(
                Unsupported(
                    self.operation.sentence(
                        f"more than {MAX_CANDIDATES} entries of its index would have to be looked at",
                        "ask for the digest of the image that you want",
                    )
                )
            )
        repository, registry = self.operation.repository, self.operation.registry
        doing = f"get the manifest {entry.digest} in the index of {repository} from {registry}"
        child = self.reader.get_child(self.operation.about(doing), entry)
        if isinstance(child.document, Index):
            return self._search(child.document, depth=depth + 1)
        if is_index(entry.media_type):
            raise self._annotated(
                DocumentInvalid(self.operation.sentence("its index is not consistent", "push it again"))
            )
        found = self._manifest(child.digest, child.document, offered=entry.platform)
        if entry.platform is not None:
            return found
        platform = None if found.config is None else found.config.platform
        if platform is not None and matches(self.wanted, platform):
            return found
        self._seen += [] if platform is None else [platform]
        return None

    def _manifest(self, digest: Digest, manifest: Manifest, *, offered: Platform | None = None) -> _Found:
        if not manifest.is_image:
            return _Found(digest, manifest, None, offered)
        if manifest.config.size > MAX_BYTES:
            raise self._annotated(
                Unsupported(
                    self.operation.sentence(
                        f"its config has {manifest.config.size} bytes, and {MAX_BYTES} is the limit",
                        "pull another image",
                    )
                )
            )
        try:
            raw = self.read_config(manifest.config)
            config = parse_config(manifest, raw)
        except (OciError, JsonInvalid) as exc:
            raise self._annotated(exc) from None
        return _Found(digest, manifest, config, offered)

    def _annotated(self, error: CollectionError) -> CollectionError:
        self.operation.annotate(error)
        return error


@dataclass(frozen=True)
class _Found:
    digest: Digest
    manifest: Manifest
    config: ImageConfig | None
    offered: Platform | None


__all__ = ("MAX_CANDIDATES", "MAX_NESTING", "Resolver")
