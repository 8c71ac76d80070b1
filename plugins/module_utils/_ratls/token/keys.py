# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Elliptic-curve public keys, and the ECDSA algorithms of COSE for them (RFC 9053, 2.1)."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

from ..._base import crypto
from ..errors import TokenInvalid
from .cbor import Cbor, CborInvalid, decode

if t.TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurve, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm


@dataclass(frozen=True)
class Algorithm:
    """An ECDSA algorithm (RFC 9053, 2.1) with the one curve that CCA pairs it with."""

    name: str
    label: int
    curve: str
    cose_curve: int
    # bytes of a coordinate, of r and of s
    size: int

    def ec_curve(self) -> EllipticCurve:
        """Return the curve object of cryptography."""
        curves: t.Mapping[str, t.Callable[[], EllipticCurve]] = {
            "P-256": crypto.ec.SECP256R1,
            "P-384": crypto.ec.SECP384R1,
            "P-521": crypto.ec.SECP521R1,
        }
        return curves[self.curve]()

    def digest(self) -> HashAlgorithm:
        """Return the hash object of cryptography."""
        digests: t.Mapping[str, t.Callable[[], HashAlgorithm]] = {
            "ES256": crypto.hashes.SHA256,
            "ES384": crypto.hashes.SHA384,
            "ES512": crypto.hashes.SHA512,
        }
        return digests[self.name]()


ALGORITHMS: t.Final = (
    Algorithm("ES256", -7, "P-256", 1, 32),
    Algorithm("ES384", -35, "P-384", 2, 48),
    Algorithm("ES512", -36, "P-521", 3, 66),
)

_KTY, _ALG, _CRV, _X, _Y = 1, 3, -1, -2, -3  # RFC 9052, 7.1 and RFC 9053, 7.1.1
_KTY_EC2: t.Final = 2
_UNCOMPRESSED: t.Final = 4  # SEC 1, 2.3.3
_ALLOWED: t.Final = frozenset((_KTY, 2, _ALG, 4, _CRV, _X, _Y))  # kid and key_ops too, but never -4, a private key


class KeyInvalid(ValueError):
    """Bytes are not a usable public key; the message is the reason, without a full stop."""


@dataclass(frozen=True)
class EcKey:
    """A public key on P-256, P-384 or P-521. Two keys are equal if they are the same point."""

    algorithm: Algorithm
    # SEC 1, uncompressed
    point: bytes

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether signature is r and s, concatenated in the size of the curve, for message (RFC 9053, 2.1).

        The specification does not demand a low s, so both valid values of s are accepted.
        """
        size = self.algorithm.size
        if len(signature) != 2 * size:
            return False
        r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
        try:
            public = _load_point(self.algorithm, self.point)
            public.verify(crypto.encode_dss_signature(r, s), message, crypto.ec.ECDSA(self.algorithm.digest()))
        except crypto.InvalidSignature:
            return False
        return True


def from_point(data: bytes) -> EcKey:
    """Return the key of a SEC 1 point; its length selects the curve. Raises KeyInvalid and DependencyMissing."""
    for algorithm in ALGORITHMS:
        if len(data) in (1 + algorithm.size, 1 + 2 * algorithm.size):
            return _check_point(algorithm, data)
    raise KeyInvalid(f"{len(data)} bytes are not a point on P-256, P-384 or P-521")


def from_coordinates(algorithm: Algorithm, x: object, y: object) -> EcKey:
    """Return the key with two coordinates of the full size of the curve. Raises KeyInvalid and DependencyMissing."""
    if not isinstance(x, bytes) or not isinstance(y, bytes) or {len(x), len(y)} != {algorithm.size}:
        raise KeyInvalid(f"its coordinates are not of {algorithm.size} bytes each, as {algorithm.curve} needs")
    return _check_point(algorithm, b"\x04" + x + y)


def from_cose_key(data: bytes) -> EcKey:
    """Return the key of a COSE_Key of type EC2 (RFC 9052, 7). Raises KeyInvalid and DependencyMissing."""
    try:
        fields: Cbor = decode(data)
    except CborInvalid as exc:
        raise KeyInvalid(f"it is not a COSE_Key: {exc}") from None
    if not isinstance(fields, dict) or not fields.keys() <= _ALLOWED:
        raise KeyInvalid("it is not a COSE_Key with a public key only")
    if fields.get(_KTY) != _KTY_EC2:
        raise KeyInvalid("it is not a COSE_Key of type EC2")
    curve = fields.get(_CRV)
    for algorithm in ALGORITHMS:
        if curve == algorithm.cose_curve and not isinstance(curve, bool):
            if fields.get(_ALG, algorithm.label) != algorithm.label:
                raise KeyInvalid(f"its alg is not {algorithm.name}, as its curve requires")
            return from_coordinates(algorithm, fields.get(_X), fields.get(_Y))
    raise KeyInvalid("its curve is not P-256, P-384 or P-521")


def from_public(public: object) -> EcKey:
    """Return the key of a public key object of cryptography. Raises KeyInvalid."""
    if isinstance(public, crypto.ec.EllipticCurvePublicKey):
        point = public.public_bytes(
            crypto.serialization.Encoding.X962, crypto.serialization.PublicFormat.UncompressedPoint
        )
        for algorithm in ALGORITHMS:
            if isinstance(public.curve, type(algorithm.ec_curve())):
                return EcKey(algorithm, point)
    raise KeyInvalid("it is not a key on P-256, P-384 or P-521")


def algorithm_of_label(label: Cbor) -> Algorithm:
    """Return the algorithm with a COSE label. Raises TokenInvalid."""
    for algorithm in ALGORITHMS:
        if label == algorithm.label:
            return algorithm
    raise TokenInvalid(
        "Reading the CCA token failed: a signature algorithm is not ES256, ES384 or ES512; get a "
        "token of firmware that follows the CCA profiles."
    )


def _check_point(algorithm: Algorithm, data: bytes) -> EcKey:
    crypto.require_cryptography()
    try:
        public = _load_point(algorithm, data)
    except (ValueError, crypto.UnsupportedAlgorithm):
        raise KeyInvalid(f"it is not a point on {algorithm.curve}") from None
    # an uncompressed point has one encoding, which need not be computed again (28 us on P-384)
    return EcKey(algorithm, data) if data[0] == _UNCOMPRESSED else from_public(public)


@functools.lru_cache(maxsize=64)
def _load_point(algorithm: Algorithm, point: bytes) -> EllipticCurvePublicKey:
    """Load a point, which takes 9 us on P-384. Raises ValueError and UnsupportedAlgorithm.

    The key of a realm is checked once and used once for each token, and trust anchors are used again and again.
    """
    return crypto.ec.EllipticCurvePublicKey.from_encoded_point(algorithm.ec_curve(), point)


__all__ = (
    "ALGORITHMS",
    "Algorithm",
    "EcKey",
    "KeyInvalid",
    "algorithm_of_label",
    "from_coordinates",
    "from_cose_key",
    "from_point",
    "from_public",
)
