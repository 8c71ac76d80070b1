# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

# The one place where cryptography is imported; without it everything can be imported, and what needs it says so.
import typing as t

from .errors import DependencyMissing

MINIMUM: t.Final = 45
"""The oldest major version with the extension policies that the check of server certificates needs."""

try:
    import cryptography
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric import x25519 as curve25519
    from cryptography.hazmat.primitives.ciphers import aead

    VERSION: t.Optional[str] = cryptography.__version__
except ImportError:  # pragma: no cover
    VERSION = None
    x509 = hashes = serialization = ec = ed25519 = padding = rsa = curve25519 = aead = t.cast(t.Any, None)

    class _Never(Exception):
        pass

    InvalidSignature = InvalidTag = UnsupportedAlgorithm = _Never  # type: ignore[assignment,misc]

try:
    from cryptography.x509 import verification
except ImportError:  # pragma: no cover
    verification = t.cast(t.Any, None)


def require_cryptography() -> None:
    """Raise DependencyMissing unless a cryptography that is new enough can be used."""
    major = (VERSION or "0").partition(".")[0]
    if major.isdigit() and int(major) >= MINIMUM:
        return
    found = f"version {VERSION} is" if VERSION else "none is"
    raise DependencyMissing(
        f"Starting a connection with ra-tls failed: the Python library cryptography is needed in version {MINIMUM} or"
        f" newer and {found} installed; run pip install 'cryptography >= {MINIMUM}' with the Python that runs this."
    )


__all__ = (
    "MINIMUM",
    "VERSION",
    "InvalidSignature",
    "InvalidTag",
    "UnsupportedAlgorithm",
    "aead",
    "curve25519",
    "ec",
    "ed25519",
    "hashes",
    "padding",
    "require_cryptography",
    "rsa",
    "serialization",
    "verification",
    "x509",
)
