# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The events of the engine, which Engine.next_event returns."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PeerCertificate:
    """The other end proved that it has the key of chain[0] (DER). The engine waits for accept_peer or reject_peer."""

    chain: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True)
class CertificateRequested:
    """The server, accepted before, requests a certificate. The engine waits for provide_certificate.

    authorities are the opaque entries of certificate_authorities; schemes are the signature schemes that the server
    accepts.
    """

    authorities: tuple[bytes, ...] = field(repr=False)
    schemes: tuple[int, ...]


@dataclass(frozen=True)
class HandshakeComplete:
    """The handshake is complete: application data can be sent."""


class Data(t.NamedTuple):
    """Application data of the other end. A tuple, because there are many of them and it takes a third of the time."""

    data: bytes

    def __repr__(self) -> str:
        return f"Data(<{len(self.data)} bytes>)"


@dataclass(frozen=True)
class Closed:
    """The other end sent close_notify: no data follows. This end may still send."""


Event = t.Union[PeerCertificate, CertificateRequested, HandshakeComplete, Data, Closed]

__all__ = ("CertificateRequested", "Closed", "Data", "Event", "HandshakeComplete", "PeerCertificate")
