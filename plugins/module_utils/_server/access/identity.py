# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The peer of a connection and the identity of a request; access.py and rules.py decide by them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from .attested_client import Realm


@dataclass(frozen=True)
class Peer:
    """Who is at the other end of a connection.

    address is the IP address without the port, None on a unix socket; certificate_subject is the subject of the client
    certificate that was verified in the TLS handshake, None without one; realm is the client that was attested
    in it, None without attestation.
    """

    address: str | None
    certificate_subject: str | None = None
    realm: Realm | None = None


@dataclass(frozen=True)
class Identity:
    """Whom a request comes from: the peer, and the user whose password was right, None where none is asked for."""

    user: str | None
    peer: Peer


__all__ = ("Identity", "Peer")
