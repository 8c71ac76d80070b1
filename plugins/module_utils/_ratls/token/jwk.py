# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""JSON Web Keys (RFC 7517, RFC 7518), their thumbprints (RFC 7638), and base64url."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import typing as t

from .keys import ALGORITHMS, EcKey, KeyInvalid, from_coordinates

if t.TYPE_CHECKING:
    from ..._base.strict_json import JsonObject, JsonValue

_BASE64URL: t.Final = re.compile(r"[A-Za-z0-9_-]*")


def from_jwk(value: JsonValue) -> EcKey:
    """Return the public key of a JSON Web Key of type EC (RFC 7518, 6.2). Raises KeyInvalid and DependencyMissing."""
    if not isinstance(value, dict):
        raise KeyInvalid("it is not a JSON Web Key")
    if "d" in value or "k" in value:
        raise KeyInvalid("it contains a private key")
    if value.get("kty") != "EC":
        raise KeyInvalid("it is not a JSON Web Key of type EC")
    for algorithm in ALGORITHMS:
        if value.get("crv") == algorithm.curve:
            if value.get("alg") not in (None, algorithm.name):
                raise KeyInvalid(f"its alg is not {algorithm.name}, as its curve requires")
            return from_coordinates(algorithm, _coordinate(value, "x"), _coordinate(value, "y"))
    raise KeyInvalid("its curve is not P-256, P-384 or P-521")


def thumbprint(key: EcKey) -> str:
    """Return the SHA-256 thumbprint of the key as a JWK (RFC 7638), in base64url."""
    size = key.algorithm.size
    x, y = (encode_base64url(part) for part in (key.point[1 : 1 + size], key.point[1 + size :]))
    text = json.dumps({"crv": key.algorithm.curve, "kty": "EC", "x": x, "y": y}, separators=(",", ":"))
    return encode_base64url(hashlib.sha256(text.encode("ascii")).digest())


def decode_base64url(text: str) -> bytes:
    """Decode base64url without padding in canonical form (RFC 7515, 2). Raises ValueError."""
    if not _BASE64URL.fullmatch(text):
        raise ValueError("it is not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError("it is not base64url") from None
    if encode_base64url(data) != text:
        raise ValueError("it is not canonical base64url")
    return data


def encode_base64url(data: bytes) -> str:
    """Encode bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _coordinate(value: JsonObject, name: str) -> bytes:
    text = value.get(name)
    if not isinstance(text, str):
        raise KeyInvalid(f"its {name} is missing")
    try:
        return decode_base64url(text)
    except ValueError:
        raise KeyInvalid(f"its {name} is not base64url") from None


__all__ = ("decode_base64url", "encode_base64url", "from_jwk", "thumbprint")
