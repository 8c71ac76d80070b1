# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""COSE_Sign1, the envelope of the platform token and the realm token (RFC 9052, 4.2)."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass, field

from ..errors import TokenInvalid
from .cbor import Cbor, CborInvalid, TaggedValue, decode, encode
from .keys import Algorithm, EcKey, algorithm_of_label

_TAG_SIGN1: t.Final = 18
_ALG, _CRIT = 1, 2  # RFC 9052, 3.1


@dataclass(frozen=True)
class Sign1:
    """A COSE_Sign1 (RFC 9052, 4.2) whose signature is not verified."""

    algorithm: Algorithm
    protected: bytes
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def is_signed_by(self, key: EcKey) -> bool:
        """Tell whether this key made the signature, with the algorithm that its curve requires."""
        return key.algorithm == self.algorithm and key.verify(
            self.signature, to_be_signed(self.protected, self.payload)
        )


def to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure without external data (RFC 9052, 4.4)."""
    return encode(("Signature1", protected, b"", payload))


def parse_sign1(data: bytes, *, what: str) -> Sign1:
    """Parse a tagged COSE_Sign1 with an embedded payload. what names it in messages. Raises TokenInvalid.

    The unprotected header must be empty, because it is not signed.
    """
    value = decode_part(data, what=what)
    if not isinstance(value, TaggedValue) or value.tag != _TAG_SIGN1:
        raise token_error(what, "it has no COSE_Sign1 tag")
    parts = value.value
    if not isinstance(parts, tuple) or len(parts) != 4:
        raise token_error(what, "it is not an array of the four parts of a COSE_Sign1")
    protected, unprotected, payload, signature = parts
    if not isinstance(protected, bytes) or not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise token_error(what, "its protected header, payload and signature are not byte strings")
    if unprotected != {}:
        raise token_error(what, "its unprotected header is not an empty map")
    algorithm = _algorithm(protected, what)
    if len(signature) != 2 * algorithm.size:
        raise token_error(
            what, f"its signature has {len(signature)} bytes, but {algorithm.name} needs {2 * algorithm.size}"
        )
    return Sign1(algorithm, protected, payload, signature)


def decode_part(data: bytes, *, what: str) -> Cbor:
    """Decode the CBOR of a part of a token, which what names in messages. Raises TokenInvalid."""
    try:
        return decode(data)
    except CborInvalid as exc:
        raise token_error(what, str(exc)) from None


def token_error(what: str, why: str, *, claim: int | None = None) -> TokenInvalid:
    """Return the error about a part of a token, for the caller to raise."""
    return TokenInvalid(
        f"Reading the CCA token failed: in {what}, {why}; get a token of firmware that follows the CCA profiles.",
        claim=claim,
    )


# almost all headers are the same 4 bytes
@functools.lru_cache(maxsize=16)
def _algorithm(protected: bytes, what: str) -> Algorithm:
    header = decode_part(protected, what=f"the protected header of {what}")
    if not isinstance(header, dict):
        raise token_error(what, "the protected header is not a map")
    if _CRIT in header:
        raise token_error(what, "the protected header has critical parameters, which are not supported")
    return algorithm_of_label(header.get(_ALG))


__all__ = ("Sign1", "decode_part", "parse_sign1", "to_be_signed", "token_error")
