# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Find what cosign attaches to a manifest by tags such as sha256-HEX.sig, which no list of referrers contains.

The tags are those of cosign's signature specification, "Tag-based Discovery". The client does not import this file.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._oci.descriptor import Descriptor
from .._oci.names import is_tag
from .._oci.reference import Selector
from .errors import NotFound, Operation
from .manifests import ManifestReader

if t.TYPE_CHECKING:
    from .._oci.digest import Digest
    from .fetched import Fetched
    from .referrers import CallingRegistry

# The suffix of a tag, and the artifact type that cosign gives the same content if it attaches it as a referrer.
COSIGN_TYPES: t.Final[t.Mapping[str, str]] = {
    suffix: f"application/vnd.dev.cosign.artifact.{suffix}.v1+json" for suffix in ("sig", "att", "sbom")
}


@dataclass(frozen=True)
class CosignTag:
    """A tag of cosign, and the descriptor of the manifest that it leads to, with an artifact type of COSIGN_TYPES."""

    tag: str
    descriptor: Descriptor


def cosign_tags(digest: Digest, *, artifact_type: str | None = None) -> dict[str, str]:
    """Return the tags of cosign for a manifest with their artifact types, all or that of one artifact type.

    For a digest that does not fit into a tag there are none.
    """
    tags = {f"{digest.algorithm}-{digest.encoded}.{suffix}": kind for suffix, kind in COSIGN_TYPES.items()}
    return {tag: kind for tag, kind in tags.items() if is_tag(tag) and artifact_type in (None, kind)}


def list_cosign_tags(
    registry: CallingRegistry, repository: str, digest: Digest, *, artifact_type: str | None = None
) -> tuple[CosignTag, ...]:
    """Return the tags of cosign_tags() that a registry has, one request each. Raises RegistryError, OciError."""
    endpoint = registry.caller.endpoint
    repository = endpoint.repository(repository)
    reader = ManifestReader(registry.caller, repository=repository)
    found = []
    for tag, kind in cosign_tags(digest, artifact_type=artifact_type).items():
        operation = Operation(
            f"get the manifest {tag} of {repository} from {endpoint.name}", endpoint.name, repository, tag
        )
        try:
            fetched = reader.get(operation, Selector(tag, None))
        except NotFound:
            continue
        found.append(CosignTag(tag, describe_cosign(fetched, kind)))
    return tuple(found)


def describe_cosign(fetched: Fetched, artifact_type: str) -> Descriptor:
    """Return the descriptor of a manifest that a tag of cosign leads to."""
    document = fetched.document
    return Descriptor(
        media_type=document.media_type,
        digest=fetched.digest,
        size=len(document.raw),
        annotations=document.annotations,
        artifact_type=artifact_type,
    )


__all__ = ("COSIGN_TYPES", "CosignTag", "cosign_tags", "describe_cosign", "list_cosign_tags")
