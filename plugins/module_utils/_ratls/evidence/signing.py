# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Signs CCA tokens, as the firmware of a realm does; for simulated realms and tests only."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass

from ..._base import crypto
from ..errors import ConfigurationInvalid
from ..token import platform_claims, realm_claims
from ..token.cbor import Cbor, CborKey, TaggedValue, encode
from ..token.cca_token import PLATFORM_TOKEN, REALM_TOKEN, TAG
from ..token.cose import to_be_signed
from ..token.keys import ALGORITHMS, Algorithm, EcKey, from_public

if t.TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

# the command that makes simulated realms, as users type it
PROGRAM: t.Final = "python3 -m ansible_collections.attested.registry.plugins.module_utils._ratls.simulate"

TokenProfile = t.Literal["old", "new"]
Claims = dict[CborKey, Cbor]


@dataclass(frozen=True)
class SigningKey:
    """A private key that signs simulated tokens. repr shows none of it."""

    public: EcKey
    _private: EllipticCurvePrivateKey

    def __repr__(self) -> str:
        return f"<SigningKey on {self.public.algorithm.curve}>"

    @classmethod
    def generate(cls, curve: str = "P-384") -> SigningKey:
        """Generate a key on P-256, P-384 or P-521. Raises DependencyMissing."""
        crypto.require_cryptography()
        algorithm = next(known for known in ALGORITHMS if known.curve == curve)
        return cls._of(crypto.ec.generate_private_key(algorithm.ec_curve()))

    @classmethod
    def from_pem(cls, data: bytes, *, path: str) -> SigningKey:
        """Load the key from PEM without a password. Raises ConfigurationInvalid and DependencyMissing."""
        crypto.require_cryptography()
        try:
            private = crypto.serialization.load_pem_private_key(data, None)
            return cls._of(t.cast("EllipticCurvePrivateKey", private))
        except (ValueError, TypeError, crypto.UnsupportedAlgorithm):  # whose text could contain parts of the file
            raise ConfigurationInvalid(
                f"Reading the signing key {path} failed: it is not a PEM private key on P-256, P-384 or P-521 "
                f"without a password; make a new realm with {PROGRAM} make."
            ) from None

    @classmethod
    def _of(cls, private: EllipticCurvePrivateKey) -> SigningKey:
        return cls(from_public(private.public_key()), private)

    def to_pem(self) -> bytes:
        """Return the private key as PKCS #8 in PEM."""
        serialization = crypto.serialization
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def public_pem(self) -> bytes:
        """Return the public key in PEM."""
        serialization = crypto.serialization
        return self._private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, message: bytes) -> bytes:
        """Return r and s concatenated, the signature format of COSE (RFC 9053, 2.1)."""
        algorithm = self.public.algorithm
        signature = self._private.sign(message, crypto.ec.ECDSA(algorithm.digest()))
        return b"".join(part.to_bytes(algorithm.size, "big") for part in crypto.decode_dss_signature(signature))


def sign1(payload: bytes, key: SigningKey) -> bytes:
    """Return a tagged COSE_Sign1 of the payload."""
    protected = encode({1: key.public.algorithm.label})
    return encode(TaggedValue(18, (protected, {}, payload, key.sign(to_be_signed(protected, payload)))))


def cose_key(key: EcKey) -> bytes:
    """Return the COSE_Key of a public key, the format of the new profile."""
    algorithm: Algorithm = key.algorithm
    x, y = key.point[1 : 1 + algorithm.size], key.point[1 + algorithm.size :]
    return encode({1: 2, -1: algorithm.cose_curve, -2: x, -3: y})


def sign_token(
    platform: t.Mapping[CborKey, Cbor],
    realm: t.Mapping[CborKey, Cbor],
    *,
    platform_key: SigningKey,
    realm_key: SigningKey,
    profile: TokenProfile = "new",
) -> bytes:
    """Return a CCA token with these claims.

    The claims that bind its halves to each other and to the keys are added. Given claims override added ones, so that
    invalid tokens can be made.
    """
    return collection(
        sign_platform_token(platform, platform_key=platform_key, realm_key=realm_key, profile=profile),
        sign_realm_token(realm, realm_key=realm_key, profile=profile),
    )


def sign_platform_token(
    claims: t.Mapping[CborKey, Cbor], *, platform_key: SigningKey, realm_key: SigningKey, profile: TokenProfile
) -> bytes:
    """Return a platform token with these claims, which firmware has made once for each start of the machine."""
    filled: Claims = {
        platform_claims.CHALLENGE: hashlib.sha256(_realm_public_key(realm_key, profile)).digest(),
        platform_claims.PROFILE: platform_claims.NEW_PROFILE if profile == "new" else platform_claims.OLD_PROFILE,
    }
    return sign1(encode({**filled, **claims}), platform_key)


def sign_realm_token(claims: t.Mapping[CborKey, Cbor], *, realm_key: SigningKey, profile: TokenProfile) -> bytes:
    """Return a realm token with these claims, which firmware makes for each challenge."""
    filled: Claims = {realm_claims.REALM_PROFILE: realm_claims.PROFILE} if profile == "new" else {}
    filled[realm_claims.PUBLIC_KEY] = _realm_public_key(realm_key, profile)
    filled[realm_claims.PUBLIC_KEY_HASH_ALGORITHM] = "sha-256"
    return sign1(encode({**filled, **claims}), realm_key)


def _realm_public_key(realm_key: SigningKey, profile: TokenProfile) -> bytes:
    return cose_key(realm_key.public) if profile == "new" else realm_key.public.point


def collection(platform_token: bytes, realm_token: bytes) -> bytes:
    """Combine two signed tokens into a CCA token."""
    return encode(TaggedValue(TAG, {PLATFORM_TOKEN: platform_token, REALM_TOKEN: realm_token}))


__all__ = (
    "PROGRAM",
    "Claims",
    "SigningKey",
    "TokenProfile",
    "collection",
    "cose_key",
    "sign1",
    "sign_platform_token",
    "sign_realm_token",
    "sign_token",
)
