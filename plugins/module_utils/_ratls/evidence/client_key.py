# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The key pair of client certificates, one for each process and type; used by Attester."""

from __future__ import annotations

import functools
import threading
import typing as t
from dataclasses import dataclass

from ..._base import crypto

if t.TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KeyType = t.Literal["rsa-2048", "ec-p256"]
KEY_TYPES: t.Final[tuple[KeyType, ...]] = ("rsa-2048", "ec-p256")
DEFAULT_KEY_TYPE: t.Final[KeyType] = "rsa-2048"  # the key type of existing clients

_KEY_LOCK: t.Final = threading.Lock()


@dataclass(frozen=True)
class ClientKey:
    """The key pair of a client certificate. repr shows none of it; private is for the TLS engine."""

    private: RSAPrivateKey | EllipticCurvePrivateKey
    # the SubjectPublicKeyInfo in DER, which goes into the realm challenge
    public_key: bytes

    def __repr__(self) -> str:
        return "<ClientKey>"


def make_client_key(key_type: KeyType) -> ClientKey:
    """Generate a key. Raises DependencyMissing."""
    crypto.require_cryptography()
    private: RSAPrivateKey | EllipticCurvePrivateKey
    if key_type == "rsa-2048":
        private = crypto.rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        private = crypto.ec.generate_private_key(crypto.ec.SECP256R1())
    serialization = crypto.serialization
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return ClientKey(private, public)


def process_key(key_type: KeyType = DEFAULT_KEY_TYPE) -> ClientKey:
    """Return this process's key of a type, generated on the first call. Raises DependencyMissing."""
    with _KEY_LOCK:
        return _process_key(key_type)


@functools.cache
def _process_key(key_type: KeyType) -> ClientKey:
    return make_client_key(key_type)


__all__ = ("DEFAULT_KEY_TYPE", "KEY_TYPES", "ClientKey", "KeyType", "make_client_key", "process_key")
