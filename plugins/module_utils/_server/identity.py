# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Peer of a connection and identity of a request, on which access/access.py and config/rules.py base decisions."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from .access.attested_client import AttestedClient


@dataclass(frozen=True)
class Peer:
    """The client end of a connection.

    address is the IP address without the port, None on a unix socket; certificate_subject is the subject of the client
    certificate that was verified in the TLS handshake, None without one; realm is the client that was attested in the
    handshake, None without attestation.
    """

    address: str | None
    certificate_subject: str | None = None
    realm: AttestedClient | None = None


class Identity(t.NamedTuple):
    """The sender of a request: the peer, and the authenticated user, None if the server requires no password.

    A tuple, because each request makes one and it takes half the time.
    """

    user: str | None
    peer: Peer


__all__ = ("Identity", "Peer")
