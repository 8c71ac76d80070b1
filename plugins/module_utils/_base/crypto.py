# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The only file that imports cryptography; without it every file can still be imported.

Tokens, keys and the server run on Debian 12's version; only the check of a server's certificate
(_tls13/crypto/verify.py) needs the extension policies of a newer one. Callers: _ratls and _tls13.
"""

from __future__ import annotations

import functools
import traceback
import typing as t

from .errors import DependencyMissing

MINIMUM_CRYPTOGRAPHY: t.Final = "45.0.0"  # for the check of a server's certificate
OLDEST_CRYPTOGRAPHY: t.Final = "38.0.0"  # for everything else

IMPORT_ERROR: str | None = None
_found_version = "0"
try:
    from cryptography import __version__ as _found_version
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric import x25519 as curve25519
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
    from cryptography.hazmat.primitives.ciphers import aead
except ImportError:
    IMPORT_ERROR = traceback.format_exc()
    x509 = hashes = serialization = ec = ed25519 = padding = rsa = curve25519 = aead = t.cast(t.Any, None)
    InvalidSignature = InvalidTag = UnsupportedAlgorithm = ValueError  # type: ignore[misc, assignment]
    decode_dss_signature = encode_dss_signature = t.cast(t.Any, None)

try:
    from cryptography.x509 import verification
except ImportError:  # before version 42
    verification = t.cast(t.Any, None)


def require_cryptography(minimum: str = OLDEST_CRYPTOGRAPHY, *, purpose: str = "Remote attestation") -> None:
    """Raise DependencyMissing if cryptography is absent, too old or cannot be imported. purpose begins the message."""
    wanted = f"cryptography >= {minimum}"
    if _found_version != "0" and _release(_found_version) < _release(minimum):
        raise DependencyMissing(
            f"{purpose} needs the Python library {wanted} and {_found_version[:20]} was found; upgrade it.",
            library=wanted,
        )
    if IMPORT_ERROR is not None:
        error = DependencyMissing(
            f"{purpose} needs the Python library {wanted}, which cannot be imported; install it.", library=wanted
        )
        error.traceback = IMPORT_ERROR
        raise error


@functools.cache
def _release(version: str) -> int:
    first = version.partition(".")[0]
    return int(first) if first.isascii() and first.isdigit() else 0


__all__ = (
    "IMPORT_ERROR",
    "MINIMUM_CRYPTOGRAPHY",
    "OLDEST_CRYPTOGRAPHY",
    "InvalidSignature",
    "InvalidTag",
    "UnsupportedAlgorithm",
    "aead",
    "curve25519",
    "decode_dss_signature",
    "ec",
    "ed25519",
    "encode_dss_signature",
    "hashes",
    "padding",
    "require_cryptography",
    "rsa",
    "serialization",
    "verification",
    "x509",
)
