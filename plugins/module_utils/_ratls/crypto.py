# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

# The one place of this package where a third-party library is imported; without it every file can be imported, and what
# needs it says so when it is asked for.
import traceback
import typing as t

from .errors import DependencyMissing

IMPORT_ERROR: str | None = None
try:
    from cryptography import __version__ as _found_version
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
except ImportError:
    IMPORT_ERROR = traceback.format_exc()
    _found_version = "0"
    x509 = hashes = serialization = ec = ed25519 = rsa = None  # type: ignore[assignment]
    InvalidSignature = UnsupportedAlgorithm = ValueError  # type: ignore[misc, assignment]
    decode_dss_signature = encode_dss_signature = None  # type: ignore[assignment]

MINIMUM_CRYPTOGRAPHY: t.Final = "45.0.0"


def require_cryptography() -> None:
    """Raise DependencyMissing if cryptography is absent or too old."""
    wanted = f"cryptography >= {MINIMUM_CRYPTOGRAPHY}"
    if IMPORT_ERROR is not None:
        error = DependencyMissing(
            f"The Python library {wanted}, which remote attestation needs, cannot be imported; install it.",
            library=wanted,
        )
        error.traceback = IMPORT_ERROR
        raise error
    if _release(_found_version) < _release(MINIMUM_CRYPTOGRAPHY):
        raise DependencyMissing(
            f"Remote attestation needs the Python library {wanted} and {_found_version[:20]} was found; upgrade it.",
            library=wanted,
        )


def _release(version: str) -> int:
    first = version.partition(".")[0]
    return int(first) if first.isascii() and first.isdigit() else 0


__all__ = (
    "IMPORT_ERROR",
    "MINIMUM_CRYPTOGRAPHY",
    "InvalidSignature",
    "UnsupportedAlgorithm",
    "decode_dss_signature",
    "ec",
    "ed25519",
    "encode_dss_signature",
    "hashes",
    "require_cryptography",
    "rsa",
    "serialization",
    "x509",
)
