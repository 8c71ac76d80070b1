# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""TLS contexts for connections to the registry and to other hosts, from the options of the task.

Called by transport.py; attested.py uses the same trusted certificates.
"""

from __future__ import annotations

import os
import re
import ssl
import typing as t

from ..errors import ConfigurationError
from .trust import MARK, MAX_FILE, make_trusting_context, read_directory

if t.TYPE_CHECKING:
    from ..options import Nearness, TlsOptions

_PEM: t.Final = re.compile(f"{MARK}[^-]+-----END CERTIFICATE-----")


def make_context(options: TlsOptions, *, near: Nearness) -> ssl.SSLContext:
    """Make a context for connections to servers, TLS 1.2 or later.

    ca_path replaces the certificates of the system for the registry itself, unless system_too is set; for other ports
    of its host and for other hosts it adds to them. Other hosts are always validated and never get the client
    certificate. Raises ConfigurationError, which names the unusable file.
    """
    context = _make_trusting_context(options.ca_path, system_too=options.system_too or near != "registry")
    if near != "other" and not options.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if near != "other" and options.client_cert is not None:
        _load_client(context, options.client_cert, options.client_key)
    return context


def trusted_pem(ca_path: str | None) -> list[bytes]:
    """Return the certificates in PEM that a context of make_context() trusts, each once.

    Raises ConfigurationError, which names the unusable file.
    """
    if ca_path is None:
        return _split_pem(_read_system_pem())
    try:
        return _split_pem(read_directory(ca_path) if os.path.isdir(ca_path) else _read_file(ca_path))
    except (OSError, ValueError) as exc:
        raise unusable_ca_path(ca_path, _reason(exc)) from None


def unusable_ca_path(ca_path: str, reason: str) -> ConfigurationError:
    """Return the error that says why the option ca_path cannot be used; the caller raises it."""
    return ConfigurationError(
        f"Cannot use the option ca_path: {ca_path} cannot be read ({reason}); "
        "it must be a file, or a directory of files, with certificates in PEM form.",
        path=ca_path,
    )


def _make_trusting_context(ca_path: str | None, *, system_too: bool) -> ssl.SSLContext:
    try:
        return make_trusting_context(ca_path, system_too=system_too)
    except (OSError, ValueError) as exc:
        if ca_path is None:
            raise
        raise unusable_ca_path(ca_path, _reason(exc)) from None


def _read_system_pem() -> str:
    """Return what OpenSSL trusts on this host: SSL_CERT_FILE and SSL_CERT_DIR, or its built-in paths."""
    paths = ssl.get_default_verify_paths()
    texts = []
    for place, read in ((paths.cafile, _read_file), (paths.capath, read_directory)):
        try:
            texts.append(read(place) if place else "")
        except (OSError, ValueError):
            # as in OpenSSL; the other path may be enough
            continue
    if not any(texts):
        raise ConfigurationError(
            "This host has no trusted CA certificates; install them (ca-certificates), or give the CA certificate of "
            "the registry in the option ca_path."
        )
    return "\n".join(texts)


def _read_file(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as stream:
        text = stream.read(MAX_FILE)
    if MARK not in text:
        raise ValueError("it contains no certificate in PEM form")
    return text


def _split_pem(text: str) -> list[bytes]:
    return [found.encode("ascii", "replace") for found in dict.fromkeys(_PEM.findall(text))]


def _load_client(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    try:
        # without this password, OpenSSL would prompt for one on the terminal
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as exc:
        paths = cert if key is None else f"{cert} and {key}"
        raise ConfigurationError(
            f"Cannot use the options client_cert and client_key: {paths} cannot be loaded ({_reason(exc)}); "
            "they must be a certificate in PEM form and its private key without a password.",
            path=cert,
        ) from None


def _reason(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLError):
        return str(exc.reason or "not in PEM form").replace("_", " ").lower()
    return exc.strerror or "unreadable" if isinstance(exc, OSError) else str(exc)


__all__ = ("make_context", "trusted_pem", "unusable_ca_path")
