# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PeerCertificate:
    """The other end proved that it holds the key of chain[0] (DER). The engine waits for accept_peer or reject_peer."""

    chain: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True)
class CertificateRequested:
    """The server, already judged, wants a certificate. The engine waits for provide_certificate.

    authorities are the opaque names of certificate_authorities, schemes the signature schemes that the server takes.
    """

    authorities: tuple[bytes, ...] = field(repr=False)
    schemes: tuple[int, ...]


@dataclass(frozen=True)
class HandshakeComplete:
    """Application data can be sent from here on."""


class Data(t.NamedTuple):
    """Application data of the other end. There are many of these: a tuple takes a third of the time."""

    data: bytes

    def __repr__(self) -> str:
        return f"Data(<{len(self.data)} bytes>)"


@dataclass(frozen=True)
class Closed:
    """The other end sent close_notify: no data comes after it. This end may still send."""


Event = t.Union[PeerCertificate, CertificateRequested, HandshakeComplete, Data, Closed]

__all__ = ("CertificateRequested", "Closed", "Data", "Event", "HandshakeComplete", "PeerCertificate")
