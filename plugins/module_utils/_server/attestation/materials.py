# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Files of attestation: the certificate of the server, and the relying party that judges its clients.

Called by credentials.py, at the start and at each reload.
"""

from __future__ import annotations

import sys
import typing as t
from dataclasses import dataclass, field

from ..._base.bounded_file import NotReadable, read_bounded
from ..._base.errors import DependencyMissing as LibraryMissing
from ..._base.text import visible
from ..._ratls.errors import RatlsError
from ..._ratls.relying_party import SETTINGS, RelyingParty, read_relying_party
from ..._tls13.crypto.keys import CertifiedKey, load_certified_key
from ..._tls13.errors import TlsError
from ..errors import AttestationError, CertificateError, DependencyMissing

if t.TYPE_CHECKING:
    from ..config.settings import Settings

_MAX_PEM: t.Final = 1024 * 1024
_MAX_FILE: t.Final = 4 * 1024 * 1024


@dataclass(frozen=True)
class ServerCertificate:
    """The certificate chain and the key of the server; equal if the bytes of the files are equal."""

    pem: tuple[bytes, bytes] = field(repr=False)
    credentials: CertifiedKey = field(repr=False, compare=False)

    @classmethod
    def read(cls, settings: Settings) -> ServerCertificate | None:
        """Read the files that the settings name. Returns None unless tls is ra-tls.

        Raises CertificateError, DependencyMissing.
        """
        if settings.tls != "ra-tls" or settings.cert is None or settings.key is None:
            return None
        try:
            chain, key = read_bounded(settings.cert, limit=_MAX_PEM), read_bounded(settings.key, limit=_MAX_PEM)
            return cls((chain, key), load_certified_key(chain, key))
        except NotReadable as exc:
            raise _certificate_error(settings, str(exc), "check both paths and that this user may read them") from None
        except LibraryMissing as exc:
            raise _dependency_error(exc) from None
        except TlsError as exc:
            why = exc.message[:1].lower() + exc.message[1:].rstrip(".")
            raise _certificate_error(settings, why, "provide a matching pair in PEM, with an unencrypted key") from None


def _certificate_error(settings: Settings, why: str, what_to_do: str) -> CertificateError:
    return CertificateError(
        f"Loading the certificate {visible(settings.cert or '')} with the key {visible(settings.key or '')} failed: "
        f"{why}; {what_to_do}."
    )


def _dependency_error(exc: LibraryMissing) -> DependencyMissing:
    wanted = str(exc.fields["library"]).replace(" ", "")
    return DependencyMissing(f"{exc.message[:-1]}, with {sys.executable} -m pip install '{wanted}'.")


def read_relying(settings: Settings) -> RelyingParty | None:
    """Make the relying party of the settings, without network access. Returns None unless tls is ra-tls.

    Raises AttestationError, DependencyMissing.
    """
    if settings.tls != "ra-tls":
        return None
    try:
        return read_relying_party({name: _as_plain_data(getattr(settings, name)) for name in SETTINGS}, read_file=_read)
    except LibraryMissing as exc:
        raise _dependency_error(exc) from None
    except RatlsError as exc:
        raise AttestationError(exc.message) from None


def _as_plain_data(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _read(path: str) -> bytes:
    try:
        return read_bounded(path, limit=_MAX_FILE)
    except NotReadable as exc:
        raise AttestationError(
            f"Reading {visible(path)}, a file of the attestation settings, failed: {exc}; "
            "check the path and that this user may read it."
        ) from None


__all__ = ("ServerCertificate", "read_relying")
