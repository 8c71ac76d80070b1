# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Reads files of public keys: trust anchors, and the keys of a Veraison service."""

from __future__ import annotations

import typing as t

from ..._base import crypto
from ..._base.errors import JsonInvalid
from ..._base.strict_json import load_object
from ..errors import ConfigurationInvalid
from .jwk import from_jwk
from .keys import EcKey, KeyInvalid, from_cose_key, from_point, from_public

MAX_KEY_FILE: t.Final = 1024 * 1024
MAX_KEYS: t.Final = 4096
_PEM: t.Final = b"-----BEGIN "


def read_keys(data: bytes, *, what: str) -> tuple[EcKey, ...]:
    """Return the public keys of a file: PEM, JWK, JWK set, COSE_Key, or a raw SEC 1 point.

    what names the file in messages. Raises ConfigurationInvalid and DependencyMissing.
    """
    crypto.require_cryptography()
    if len(data) > MAX_KEY_FILE:
        raise _key_file_error(what, f"it has {len(data)} bytes, and {MAX_KEY_FILE} is the limit")
    try:
        if data.lstrip().startswith(_PEM):
            return _read_pem(data)
        if data.lstrip().startswith(b"{"):
            return _read_json(data)
        return (from_point(data) if data[:1] in (b"\x02", b"\x03", b"\x04") else from_cose_key(data),)
    except KeyInvalid as exc:
        raise _key_file_error(what, str(exc)) from None


def _read_pem(data: bytes) -> tuple[EcKey, ...]:
    if data.count(_PEM) != 1:
        raise KeyInvalid("it has more than one PEM block")
    if b"PRIVATE KEY-----" in data:
        raise KeyInvalid("it contains a private key")
    try:
        return (from_public(crypto.serialization.load_pem_public_key(data)),)
    except (ValueError, TypeError, crypto.UnsupportedAlgorithm) as exc:
        raise exc if isinstance(exc, KeyInvalid) else KeyInvalid("its PEM is not a public key") from None


def _read_json(data: bytes) -> tuple[EcKey, ...]:
    try:
        value = load_object(data, what="the keys", max_bytes=MAX_KEY_FILE)
    except JsonInvalid:
        raise KeyInvalid("it is not a JSON Web Key: it is not JSON") from None
    if "keys" not in value:
        return (from_jwk(value),)
    keys = value["keys"]
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS:
        raise KeyInvalid(f"its key set does not have 1 to {MAX_KEYS} keys")
    return tuple(map(from_jwk, keys))


def _key_file_error(what: str, why: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        f"Reading the key file {what} failed: {why}; give a public key on P-256, P-384 or P-521 as PEM, JWK or "
        "COSE_Key."
    )


__all__ = ("MAX_KEYS", "MAX_KEY_FILE", "read_keys")
