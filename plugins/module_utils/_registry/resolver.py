# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Resolve a manifest or index to the image for one platform (image-spec, image-index.md).

Called by client.py, and by _module/registry/layout_source.py for images that no registry has.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._base.errors import CollectionError, JsonInvalid
from .._base.strict_json import MAX_BYTES
from .._base.text import visible
from .._oci.errors import DocumentInvalid, OciError, PlatformNotFound, Unsupported
from .._oci.image import Image, parse_config
from .._oci.index import Index, select
from .._oci.media_type import is_index
from .._oci.platform import matches, other_platform, suits
from .errors import NotFound

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from .._oci.config import ImageConfig
    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .._oci.manifest import Manifest
    from .._oci.platform import Platform
    from .._oci.reference import Selector
    from .errors import Operation
    from .fetched import Fetched

MAX_NESTING: t.Final = 8
# manifests that are read for one platform
MAX_CANDIDATES: t.Final = 32
# platforms in a message
_MAX_SHOWN: t.Final = 40


class ChildReader(t.Protocol):
    """Reads the manifests that an index refers to: a ManifestReader, or the reader of a layout."""

    def get_child(self, operation: Operation, descriptor: Descriptor) -> Fetched:
        """Return the target of an index entry, verified against the descriptor. Raises NotFound, OciError."""


@dataclass
class ImageResolver:
    """Follows a fetched document to the image for one platform. read_config returns the verified bytes of a config."""

    operation: Operation
    reader: ChildReader
    read_config: Callable[[Descriptor], bytes]
    wanted: Platform
    warn: Callable[[str], None]
    _looked_at: int = field(default=0, init=False)
    _seen: list[Platform] = field(default_factory=list, init=False)

    def resolve(self, fetched: Fetched, *, registry: str, repository: str, selector: Selector) -> Image:
        """Return the image; follow an index to its best entry.

        A manifest for another platform is accepted, with a warning, if the wanted platform is the default. Raises
        RegistryError, PlatformNotFound, and what reading documents and configs raises.
        """
        found = self._find(fetched)
        platform = None if found.config is None else found.config.platform
        if isinstance(fetched.document, Index):
            platform = found.offered or platform
        elif platform is not None and not suits(self.wanted, platform):
            self._report_mismatch(platform, f"{repository} ({selector})")
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
            raise self._annotate(exc) from None

    def _report_mismatch(self, platform: Platform, name: str) -> None:
        shown = visible(str(platform))
        if self.wanted.is_default:
            self.warn(other_platform(name, self.wanted, platform))
            return
        raise self._annotate(
            PlatformNotFound(
                self.operation.sentence(
                    f"it is only for {shown}, not for {visible(str(self.wanted))}",
                    f"set platform to {shown} if that is intended, or pull another image",
                ),
                platform=visible(str(self.wanted)),
                offered=shown,
            )
        )

    def _find(self, fetched: Fetched) -> _Found:
        if not isinstance(fetched.document, Index):
            return self._load_manifest(fetched.digest, fetched.document)
        found = self._search(fetched.document, depth=1)
        if found is not None:
            return found
        try:
            select(fetched.document, self.wanted)
        except PlatformNotFound as exc:
            raise self._annotate(exc) from None
        raise self._annotate(self._mismatch_error(fetched.document.platforms))

    def _mismatch_error(self, listed: tuple[Platform, ...]) -> PlatformNotFound:
        """Return the error for an index with entries that had to be read, none of them for the wanted platform."""
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
        """Return the first candidate that holds the platform, depth first; entries without a platform are read.

        An entry that is missing (a sparse index) or not an image is skipped; its error is raised if nothing else fits.
        """
        if depth > MAX_NESTING:
            raise self._annotate(
                Unsupported(
                    self.operation.sentence(
                        f"its index is nested more than {MAX_NESTING} levels deep", "pull another image"
                    )
                )
            )
        failure: CollectionError | None = None
        for entry in index.candidates(self.wanted):
            try:
                found = self._try_candidate(entry, depth)
            except (NotFound, JsonInvalid, DocumentInvalid, Unsupported) as exc:
                failure = failure or exc
                continue
            if found is not None:
                return found
        if failure is not None:
            raise failure
        return None

    def _try_candidate(self, entry: Descriptor, depth: int) -> _Found | None:
        self._looked_at += 1
        if self._looked_at > MAX_CANDIDATES:
            raise self._annotate(
                Unsupported(
                    self.operation.sentence(
                        f"more than {MAX_CANDIDATES} entries of its index would have to be read",
                        "give the digest of the wanted image",
                    )
                )
            )
        repository, registry = self.operation.repository, self.operation.registry
        doing = f"get the manifest {entry.digest} in the index of {repository} from {registry}"
        child = self.reader.get_child(self.operation.about(doing), entry)
        if isinstance(child.document, Index):
            return self._search(child.document, depth=depth + 1)
        if is_index(entry.media_type):
            raise self._annotate(
                DocumentInvalid(self.operation.sentence("its index announces a manifest as an index", "push it again"))
            )
        found = self._load_manifest(child.digest, child.document, offered=entry.platform)
        if entry.platform is not None:
            return found
        platform = None if found.config is None else found.config.platform
        if platform is not None and matches(self.wanted, platform):
            return found
        self._seen += [] if platform is None else [platform]
        return None

    def _load_manifest(self, digest: Digest, manifest: Manifest, *, offered: Platform | None = None) -> _Found:
        if not manifest.is_image:
            return _Found(digest, manifest, None, offered)
        if manifest.config.size > MAX_BYTES:
            raise self._annotate(
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
            raise self._annotate(exc) from None
        return _Found(digest, manifest, config, offered)

    def _annotate(self, error: CollectionError) -> CollectionError:
        self.operation.annotate(error)
        return error


@dataclass(frozen=True)
class _Found:
    digest: Digest
    manifest: Manifest
    config: ImageConfig | None
    offered: Platform | None


__all__ = ("MAX_CANDIDATES", "MAX_NESTING", "ChildReader", "ImageResolver")
