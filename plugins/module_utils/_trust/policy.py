# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What is demanded of the signatures of an image, what is verified, and the outcome: the values of this package."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._base.text import visible
from .._oci.digest import Digest
from .._oci.errors import DigestError
from .errors import PolicyInvalid

if t.TYPE_CHECKING:
    from .._base.strict_json import Json, JsonObject
    from .._oci.descriptor import Descriptor
    from .._oci.manifest import Manifest
    from .keys import PublicKey

Format = t.Literal["cosign", "islet"]
Identity = t.Literal["exact", "none"]

_FORMATS: t.Final[tuple[Format, ...]] = ("cosign", "islet")


@dataclass(frozen=True)
class Policy:
    """The demand: signatures of so many distinct keys of these, in this format.

    With the identity exact, the signed name of the image must be the name that was asked for. where names the option in
    messages. Raises PolicyInvalid.
    """

    format: Format
    keys: tuple[PublicKey, ...]
    signatures: int = 1
    identity: Identity = "none"
    where: str = "option signature"

    def __post_init__(self) -> None:
        if not 1 <= self.signatures <= len(self.keys):
            raise PolicyInvalid(
                f"The {self.where} demands {self.signatures} signatures, and has {len(self.keys)} distinct keys; "
                "demand at least one signature, and no more than there are keys."
            )
        if self.format != "islet":
            return
        if self.signatures != 1 or self.identity != "none":
            raise PolicyInvalid(
                f"The {self.where} has the format islet, with more than one signature or with a name to compare: such "
                "an image has one signature, which contains no name; leave them out."
            )
        for key in self.keys:
            if key.algorithm != "ECDSA P-384":
                raise PolicyInvalid(
                    f"The key {visible(key.path)} of the {self.where} has the algorithm {key.algorithm}, and the "
                    "format islet uses ECDSA P-384 alone; give the public key of the root authority."
                )

    @classmethod
    def read(
        cls,
        form: Format,
        *,
        keys: t.Sequence[str],
        signatures: int = 1,
        identity: Identity | None = None,
        where: str = "option signature",
    ) -> Policy:
        """Read the key files. identity defaults to exact for cosign. Raises PolicyInvalid, DependencyMissing."""
        from .keys import read_keys  # and with it cryptography, which takes long to import

        default: Identity = "exact" if form == "cosign" else "none"
        chosen = default if identity is None else identity
        return cls(form, read_keys(keys, where=where), signatures, chosen, where)


@dataclass(frozen=True)
class SignedManifest:
    """A manifest with the bytes of its config, which the signatures of islet cover."""

    digest: Digest
    manifest: Manifest
    config: bytes | None


@dataclass(frozen=True)
class SignedImage:
    """The image to verify.

    described names it in messages. Each of digests leads to the image: that of an index that contains it, and that of
    its manifest. manifests are all its manifests, for islet. name is the registry with the repository that was asked
    for, None if that is not known, and tag the tag that was asked for.
    """

    described: str
    digests: tuple[Digest, ...]
    manifests: tuple[SignedManifest, ...] = ()
    name: str | None = None
    tag: str | None = None

    @property
    def identity(self) -> str | None:
        """The name with the tag, as one text."""
        return self.name if self.tag is None or self.name is None else f"{self.name}:{self.tag}"


@dataclass(frozen=True)
class Verified:
    """The outcome: fingerprints of the keys that signed, in the order of the policy, and the digest that was signed.

    identity is the name that the signatures were compared with, None with the identity none.
    """

    format: Format
    keys: tuple[str, ...]
    digest: Digest
    identity: str | None = None

    def satisfies(self, policy: Policy, *, identity: str | None) -> bool:
        """Tell whether an earlier outcome for the same content satisfies a policy, without looking again.

        A signature does not become invalid, so only what the policy demands can have changed. identity is the name that
        is asked for now.
        """
        if self.format != policy.format:
            return False
        if policy.identity == "exact" and (identity is None or self.identity != identity):
            return False
        return len({key.fingerprint for key in policy.keys} & set(self.keys)) >= policy.signatures

    def as_dict(self) -> Json:
        """Return the return value signature, which is also what the stamp of a tree keeps."""
        return {
            "format": self.format,
            "key": self.keys[0],
            "keys": list(self.keys),
            "digest": str(self.digest),
            "identity": self.identity,
        }

    @classmethod
    def from_record(cls, record: JsonObject) -> Verified | None:
        """Read what as_dict() returned; None for anything else. Total."""
        keys, identity, digest = record.get("keys"), record.get("identity"), record.get("digest")
        form = next((name for name in _FORMATS if name == record.get("format")), None)
        if form is None or not isinstance(keys, list) or not isinstance(identity, (str, type(None))):
            return None
        texts = tuple(key for key in keys if isinstance(key, str))
        if not texts or len(texts) != len(keys):
            return None
        try:
            return cls(form, texts, Digest.parse(digest if isinstance(digest, str) else ""), identity)
        except DigestError:
            return None


class SignatureStore(t.Protocol):
    """Where signatures are found: the source of the image.

    Contents are verified against their digests. Raises Refused for what is not there or is not what its digest says,
    and CollectionError if the store cannot be asked.
    """

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        """Return descriptors of the documents whose subject is digest."""

    def tagged(self, tag: str) -> t.Sequence[t.Callable[[], bytes | None]]:
        """Return functions that return the manifest of a tag, None if there is none.

        There are several if a mirror may have an older one than the registry.
        """

    def manifest(self, digest: Digest) -> bytes:
        """Return a manifest or an index."""

    def blob(self, descriptor: Descriptor) -> bytes:
        """Return a blob, whose size the caller has limited."""


__all__ = ("Format", "Identity", "Policy", "SignatureStore", "SignedImage", "SignedManifest", "Verified")
