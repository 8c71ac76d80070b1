# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""TLS contexts for tls: tls, and subjects of client certificates. Called by credentials.py and protocol.py."""

from __future__ import annotations

import ssl
import typing as t

from ..errors import CertificateError

if t.TYPE_CHECKING:
    from ..config.settings import Settings

_VERIFY: t.Final = {"optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
# for TLS 1.2 only suites with forward secrecy and authenticated encryption; all suites of TLS 1.3 have both
_CIPHERS: t.Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
# names of RFC 4514, 3; other attributes keep the names of OpenSSL
_SHORT_NAMES: t.Final = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}


def tls_context(
    certificate: str,
    key: str,
    *,
    client_ca: str | None = None,
    client_auth: t.Literal["none", "optional", "required"] = "none",
) -> ssl.SSLContext:
    """Make the context of a server with this certificate chain and key (PEM), TLS 1.2 or later, HTTP/1.1.

    With client_auth, client certificates are verified against the CA certificates in client_ca (PEM). Raises
    CertificateError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load_chain(context, certificate, key)
    if client_auth != "none" and client_ca is not None:
        context.verify_mode = _VERIFY[client_auth]
        _load_authorities(context, client_ca)
    return context


def context_of(settings: Settings) -> ssl.SSLContext | None:
    """Make the context of the settings. Returns None unless tls is tls. Raises CertificateError."""
    if settings.tls != "tls" or settings.cert is None or settings.key is None:
        return None
    return tls_context(settings.cert, settings.key, client_ca=settings.client_ca, client_auth=settings.client_auth)


def _load_chain(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as exc:
        raise CertificateError(
            f"Loading the certificate {certificate} with the key {key} failed: {_reason_of(exc)}; both must be PEM "
            "files of the same key pair, and the key must not be encrypted."
        ) from None
    except OSError as exc:
        raise CertificateError(
            f"Loading the certificate {certificate} with the key {key} failed: {exc.strerror}; "
            "check both paths and that this user may read them."
        ) from None


def _load_authorities(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as exc:
        raise CertificateError(
            f"Loading the CA certificates for clients {path} failed: {_reason_of(exc)}; "
            "provide a file of PEM certificates."
        ) from None
    except OSError as exc:
        raise CertificateError(
            f"Loading the CA certificates for clients {path} failed: {exc.strerror}; "
            "check the path and that this user may read it."
        ) from None


def _no_password() -> str:
    # without a callback, OpenSSL would prompt on the terminal
    return ""


def _reason_of(exc: ssl.SSLError) -> str:
    return (exc.reason or "the files cannot be parsed").replace("_", " ").lower()


def subject_of(certificate: t.Mapping[str, t.Any] | None) -> str | None:
    """Return the subject from SSLSocket.getpeercert() in the form of RFC 4514; None without a certificate."""
    if not certificate:
        return None
    parts = [
        "+".join(f"{_SHORT_NAMES.get(name, name)}={_escape_value(value)}" for name, value in names)
        for names in certificate.get("subject", ())
    ]
    return ",".join(reversed(parts)) or None


def _escape_value(value: str) -> str:
    # RFC 4514, 2.4: escaping keeps a value from looking like further attributes
    shown = "".join(f"\\{char}" if char in ',+"\\<>;=' else char for char in value).replace("\0", "\\00")
    if shown.startswith((" ", "#")):
        shown = "\\" + shown
    return shown[:-1] + "\\ " if shown.endswith(" ") and len(value) > 1 else shown


__all__ = ("context_of", "subject_of", "tls_context")
