# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The only file of this package that imports cryptography; functions that need it call require_cryptography."""

from __future__ import annotations

import re
import typing as t

from ..errors import DependencyMissing

MINIMUM: t.Final = 38  # Debian 12
# the oldest major version with the extension policies that the check of server certificates needs
MINIMUM_FOR_VERIFIER: t.Final = 45
_CERTIFICATE: t.Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\s*")

try:
    from cryptography import __version__

    VERSION: str | None = __version__
except ImportError:  # pragma: no cover
    VERSION = None

IS_USABLE = True
try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric import x25519 as curve25519
    from cryptography.hazmat.primitives.ciphers import aead
except ImportError:  # pragma: no cover
    IS_USABLE = False
    x509 = hashes = serialization = ec = ed25519 = padding = rsa = curve25519 = aead = t.cast(t.Any, None)

    class _NeverRaised(Exception):
        pass

    InvalidSignature = InvalidTag = UnsupportedAlgorithm = _NeverRaised  # type: ignore[assignment,misc]

try:
    from cryptography.x509 import verification
except ImportError:  # pragma: no cover
    verification = t.cast(t.Any, None)


def require_cryptography(minimum: int = MINIMUM) -> None:
    """Raise DependencyMissing unless a usable cryptography of this major version or later is installed."""
    major = (VERSION or "0").partition(".")[0]
    is_new_enough = major.isdigit() and int(major) >= minimum
    if is_new_enough and IS_USABLE:
        return
    found = f"version {VERSION} is" if VERSION else "none is"
    if is_new_enough:
        found = f"version {VERSION}, which cannot be imported, is"
    raise DependencyMissing(
        f"Starting a connection with ra-tls failed: the Python library cryptography is needed in version {minimum} or"
        f" newer and {found} installed; run pip install 'cryptography >= {minimum}' with the Python that runs this."
    )


def load_certificates(pem: bytes) -> list[x509.Certificate]:
    """Return all certificates of a PEM text in order, at least one. Raises ValueError and x509.InvalidVersion."""
    if hasattr(x509, "load_pem_x509_certificates"):
        return x509.load_pem_x509_certificates(pem)
    # cryptography before 39
    found = [x509.load_pem_x509_certificate(one) for one in _CERTIFICATE.findall(pem)]
    if not found:
        raise ValueError("it holds no certificates")
    return found


__all__ = (
    "MINIMUM",
    "MINIMUM_FOR_VERIFIER",
    "VERSION",
    "InvalidSignature",
    "InvalidTag",
    "UnsupportedAlgorithm",
    "aead",
    "curve25519",
    "ec",
    "ed25519",
    "hashes",
    "load_certificates",
    "padding",
    "require_cryptography",
    "rsa",
    "serialization",
    "verification",
    "x509",
)
