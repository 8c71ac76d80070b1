# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What a repository serves if signatures are demanded of it (setting signatures): signed images, and their signatures.

An index that was signed covers all that it contains. Called by loading.py for each verified layout.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import types
import typing as t
from dataclasses import dataclass, replace

from ..._base.errors import DependencyMissing as LibraryMissing
from ..._base.errors import JsonInvalid
from ..._base.strict_json import MAX_BYTES
from ..._layout.content import check_digest
from ..._layout.directory import LayoutDirectory
from ..._layout.errors import LayoutError
from ..._layout.stored import StoredContents
from ..._oci.digest import Digest
from ..._oci.document import parse_document
from ..._oci.errors import OciError
from ..._oci.image import parse_config
from ..._oci.index import Index
from ..._trust.bundle import MAX_BUNDLE
from ..._trust.cosign import is_signature_type
from ..._trust.errors import PolicyInvalid, Refused, SignatureInvalid
from ..._trust.policy import Policy, SignedImage, SignedManifest
from ..._trust.verify import verify_signature
from ..errors import ConfigError, DependencyMissing
from .skipped import left_out

if t.TYPE_CHECKING:
    from ..._layout.layout import Layout
    from ..._oci.descriptor import Descriptor
    from ..._oci.manifest import Manifest
    from ..config.signature_rules import SignatureRule
    from .snapshot import LeftOut

# tags that cosign and clients of registries without the referrers API make for what belongs to an image
_ATTACHED_TAG: t.Final = re.compile(r"sha(?:256-[0-9a-f]{64}|384-[0-9a-f]{64,96}|512-[0-9a-f]{64,128})(?:\.[a-z]+)?")


@dataclass(frozen=True)
class Demand:
    """A rule of the setting, with its keys."""

    rule: SignatureRule
    policy: Policy

    def name_of(self, repository: str) -> str | None:
        """Return the name that the signatures of a repository must have, None for any."""
        return None if self.rule.registry is None else f"{self.rule.registry}/{repository}"


def read_demands(rules: t.Sequence[SignatureRule] | None) -> tuple[Demand, ...]:
    """Read the keys of the rules. Raises ConfigError, DependencyMissing."""
    try:
        return tuple(Demand(rule, _policy(rule, number)) for number, rule in enumerate(rules or (), 1))
    except PolicyInvalid as exc:
        raise ConfigError(exc.message) from None
    except LibraryMissing as exc:
        wanted = str(exc.fields["library"]).replace(" ", "")
        message = f"{exc.message[:-1]}, with {sys.executable} -m pip install '{wanted}'."
        raise DependencyMissing(message) from None


def _policy(rule: SignatureRule, number: int) -> Policy:
    return Policy.read(
        rule.format,
        keys=rule.keys,
        signatures=rule.signatures,
        identity="none" if rule.registry is None else "exact",
        where=f"rule {number} of the setting signatures",
    )


def keep_signed(
    name: str, layout: Layout, demands: t.Sequence[Demand], *, folder: int
) -> tuple[Layout, tuple[LeftOut, ...]]:
    """Return a layout with its signed content alone, and what was left out.

    folder is a descriptor of the directory of the layout. All demands about the repository must be met.
    """
    demands = [demand for demand in demands if demand.rule.is_about(name)]
    if not demands:
        return layout, ()
    try:
        with LayoutDirectory(layout.path, folder=folder) as directory:
            store = _Store(layout, directory)
            return _Selection(name, layout, store).keep(demands)
    except (LayoutError, OciError) as exc:  # a file has changed since it was verified
        return _without_content(layout), (left_out(name, exc.kind, exc.message),)
    except Refused as exc:  # or is gone
        reason = f"Verifying the signatures failed: {exc}; it was removed meanwhile."
        return _without_content(layout), (left_out(name, SignatureInvalid.kind, reason),)


class _Store:
    """The SignatureStore of a layout, whose files are verified again as they are read."""

    def __init__(self, layout: Layout, directory: LayoutDirectory) -> None:
        self._layout, self._directory = layout, directory

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        """See SignatureStore."""
        return self._layout.referrers.get(digest, ())

    def tagged(self, tag: str) -> list[t.Callable[[], bytes]]:
        """See SignatureStore."""
        digest = self._layout.tags.get(tag)
        return [] if digest is None else [functools.partial(self.manifest, digest)]

    def manifest(self, digest: Digest) -> bytes:
        """See SignatureStore."""
        return self._read(digest)

    def blob(self, descriptor: Descriptor) -> bytes:
        """See SignatureStore."""
        return self._read(descriptor.digest)

    def _read(self, digest: Digest) -> bytes:
        file = self._directory.open_blob(digest)
        if file is None:
            raise Refused(f"{digest} is not there")
        try:
            return check_digest(file, digest, what=str(digest), keep=True)
        finally:
            os.close(file.fd)


class _Selection:
    """The choice of what is served of one layout."""

    def __init__(self, name: str, layout: Layout, store: _Store) -> None:
        self._name, self._layout, self._store = name, layout, store
        self._documents: dict[Digest, Manifest | Index] = {}
        for digest, stored in layout.manifests.items():
            data = store.manifest(digest)
            self._documents[digest] = parse_document(data, media_type=stored.media_type, what=str(digest))
        self._reasons: dict[Digest, str] = {}

    def keep(self, demands: t.Sequence[Demand]) -> tuple[Layout, tuple[LeftOut, ...]]:
        """Return the layout with what is signed, and what is left out."""
        kept = set(self._documents)
        for demand in demands:
            kept &= self._covered(demand)
        attached = {digest for digest, document in self._documents.items() if _is_signature(document, of=kept)}
        tags = self._served_tags(kept)
        served = kept | attached | set(tags.values())
        return self._restricted(served, tags), tuple(self._left_out(served, tags))

    def _covered(self, demand: Demand) -> set[Digest]:
        """Return the digests of what is signed, and of all that signed indexes contain."""
        if demand.policy.format == "islet":
            return self._covered_by_configs(demand)
        covered: set[Digest] = set()
        inner = {child for digest in self._documents for child in self._children(digest)}
        # from the top down, as an index covers what it contains
        for digest in sorted(self._documents, key=lambda digest: digest in inner):
            if digest not in covered and not _is_signature(self._documents[digest]) and self._is_signed(demand, digest):
                covered |= self._below(digest)
        return covered

    def _covered_by_configs(self, demand: Demand) -> set[Digest]:
        """Return the digests of the signed manifests, and of the indexes that contain nothing else."""
        covered = {
            digest
            for digest, document in self._documents.items()
            if not isinstance(document, Index) and self._is_signed(demand, digest)
        }
        for digest, document in self._documents.items():
            below = self._below(digest)
            manifests = {one for one in below if not isinstance(self._documents[one], Index)}
            if isinstance(document, Index) and manifests and manifests <= covered:
                covered |= below
        return covered

    def _is_signed(self, demand: Demand, digest: Digest) -> bool:
        document, manifests = self._documents[digest], list[SignedManifest]()
        if demand.policy.format == "islet" and not isinstance(document, Index):
            manifests = [self._with_config(digest, document)]
        image = SignedImage(f"{self._name}@{digest}", (digest,), tuple(manifests), name=demand.name_of(self._name))
        try:
            verify_signature(demand.policy, image, self._store)
        except SignatureInvalid as exc:
            self._reasons[digest] = exc.message
            return False
        return True

    def _with_config(self, digest: Digest, manifest: Manifest) -> SignedManifest:
        """Return a manifest with its config, without one if that is not a valid image config."""
        config = None
        if manifest.is_image and manifest.config.size <= MAX_BYTES and manifest.config.digest in self._layout.blobs:
            data = self._store.blob(manifest.config)
            with contextlib.suppress(OciError, JsonInvalid):
                config = parse_config(manifest, data)
        return SignedManifest(digest, manifest, None if config is None else config.raw)

    def _children(self, digest: Digest) -> t.Iterator[Digest]:
        document = self._documents[digest]
        if isinstance(document, Index):
            yield from (entry.digest for entry in document.manifests if entry.digest in self._documents)

    def _below(self, digest: Digest) -> set[Digest]:
        found, todo = set[Digest](), [digest]
        while todo:
            one = todo.pop()
            if one not in found:
                found.add(one)
                todo.extend(self._children(one))
        return found

    def _served_tags(self, kept: set[Digest]) -> dict[str, Digest]:
        """Return the tags of what is signed, and those of its signatures.

        Signatures need none themselves, so no other tag may lead to one: it would be unsigned content with the name of
        a release.
        """
        names = {f"{one.algorithm}-{one.encoded}.sig" for one in kept}
        return {
            tag: digest
            for tag, digest in self._layout.tags.items()
            if digest in kept or (tag in names and _is_signature(self._documents[digest]))
        }

    def _restricted(self, kept: set[Digest], tags: t.Mapping[str, Digest]) -> Layout:
        manifests, blobs = StoredContents(), StoredContents()
        for digest in self._documents:
            if digest in kept:
                manifests.add(str(digest), *self._layout.manifests.raw[str(digest)])
        for descriptor in (part for digest in kept for part in _parts(self._documents[digest])):
            text = str(descriptor.digest)
            if text in self._layout.blobs.raw:
                blobs.add(text, *self._layout.blobs.raw[text])
        referrers = {
            subject: tuple(one for one in found if one.digest in kept)
            for subject, found in self._layout.referrers.items()
        }
        return replace(
            self._layout,
            tags=types.MappingProxyType(tags),
            manifests=manifests,
            blobs=blobs,
            referrers=types.MappingProxyType({subject: found for subject, found in referrers.items() if found}),
        )

    def _left_out(self, kept: set[Digest], tags: t.Mapping[str, Digest]) -> t.Iterator[LeftOut]:
        """Yield each tag that is not served, and one entry for all other documents that are no signatures."""
        named: set[Digest] = set()
        for tag, digest in self._layout.tags.items():
            if tag not in tags:
                named |= self._below(digest)
                if _ATTACHED_TAG.fullmatch(tag) is None:
                    yield self._unsigned(f"{self._name}:{tag}", digest)
        named |= kept
        others = [one for one in self._documents if one not in named and not _is_signature(self._documents[one])]
        if others:
            more = "" if len(others) == 1 else f" ({len(others) - 1} more without a tag are not signed.)"
            yield self._unsigned(f"{self._name}@{others[0]}", others[0], more=more)

    def _unsigned(self, shown: str, digest: Digest, *, more: str = "") -> LeftOut:
        reason = self._reasons.get(digest, f"{digest} is not signed.")
        return left_out(shown, SignatureInvalid.kind, f"{reason}{more}")


def _is_signature(document: Manifest | Index, *, of: t.Container[Digest] | None = None) -> bool:
    """Tell whether a document contains signatures and nothing else, and refers to one of these digests."""
    if isinstance(document, Index) or not document.layers:
        return False
    if of is not None and (document.subject is None or document.subject.digest not in of):
        return False
    if any(part.size > MAX_BUNDLE for part in _parts(document)):
        return False
    return all(is_signature_type(layer.media_type) for layer in document.layers)


def _parts(document: Manifest | Index) -> tuple[Descriptor, ...]:
    return document.manifests if isinstance(document, Index) else (document.config, *document.layers)


def _without_content(layout: Layout) -> Layout:
    empty: t.Mapping[t.Any, t.Any] = types.MappingProxyType({})
    return replace(layout, tags=empty, manifests=StoredContents(), blobs=StoredContents(), referrers=empty)


__all__ = ("Demand", "keep_signed", "read_demands")
