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

if t.TYPE_CHECKING:
    from ..options import Nearness, TlsOptions

_MARK: t.Final = "-----BEGIN CERTIFICATE-----"
_PEM: t.Final = re.compile(f"{_MARK}[^-]+-----END CERTIFICATE-----")
_MAX_FILE: t.Final = 8 * 1024 * 1024
_MAX_FILES: t.Final = 4096


def make_context(options: TlsOptions, *, near: Nearness) -> ssl.SSLContext:
    """Make a context for connections to servers, TLS 1.2 or later.

    ca_path replaces the certificates of the system for the registry itself, unless system_too is set; for other ports
    of its host and for other hosts it adds to them. Other hosts are always validated and never get the client
    certificate. Raises ConfigurationError, which names the unusable file.
    """
    context = _make_trusting_context(options.ca_path, system_too=options.system_too or near != "registry")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
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
        return _split_pem(_read_directory(ca_path) if os.path.isdir(ca_path) else _read_file(ca_path))
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
    if ca_path is None:
        return ssl.create_default_context()
    try:
        if os.path.isdir(ca_path):
            context = ssl.create_default_context(cadata=_read_directory(ca_path))
        else:
            context = ssl.create_default_context(cafile=ca_path)
    except (OSError, ValueError) as exc:
        raise unusable_ca_path(ca_path, _reason(exc)) from None
    if system_too:
        context.load_default_certs()
    return context


def _read_system_pem() -> str:
    """Return what OpenSSL trusts on this host: SSL_CERT_FILE and SSL_CERT_DIR, or its built-in paths."""
    paths = ssl.get_default_verify_paths()
    texts = []
    for place, read in ((paths.cafile, _read_file), (paths.capath, _read_directory)):
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
        text = stream.read(_MAX_FILE)
    if _MARK not in text:
        raise ValueError("it contains no certificate in PEM form")
    return text


def _split_pem(text: str) -> list[bytes]:
    return [found.encode("ascii", "replace") for found in dict.fromkeys(_PEM.findall(text))]


def _read_directory(path: str) -> str:
    """Return all certificates in the files of a directory, whatever their names; skip other files."""
    found: dict[str, None] = {}
    for name in sorted(os.listdir(path))[:_MAX_FILES]:
        full = os.path.join(path, name)
        if os.path.isfile(full) and os.path.getsize(full) <= _MAX_FILE:
            with open(full, encoding="ascii", errors="replace") as stream:
                text = stream.read()
            if _MARK in text:
                found.setdefault(text)
    if not found:
        raise ValueError("no file in it contains a certificate in PEM form")
    return "\n".join(found)


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
