# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Settings of the server with their defaults. Made by fields.py; docs/server.md documents each setting."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .addresses import Address, TcpAddress, parse_address

if t.TYPE_CHECKING:
    from .rules import Rule


@dataclass(frozen=True)
class Settings:
    """All settings of the server, under the names of the switches and of the configuration file."""

    root: str
    host: tuple[str, ...] = ("127.0.0.1",)
    port: int = 1337
    listen: tuple[str, ...] = ()
    unix_mode: int = 0o660
    tls: t.Literal["no-tls", "tls", "ra-tls"] = "no-tls"
    cert: str | None = None
    key: str | None = None
    client_ca: str | None = None
    client_auth: t.Literal["none", "optional", "required"] = "none"
    htpasswd: str | None = None
    realm: str = "attested.registry"
    allow: tuple[Rule, ...] | None = None
    verify: t.Literal["cached", "full"] = "cached"
    cache: str | None = None
    workers: int = 1
    watch: float = 0
    accel: str | None = None
    log_level: t.Literal["debug", "info", "warning", "error"] = "info"
    access_log: t.Literal["text", "json", "none"] = "text"
    admin: str | None = None
    connections: int = 4096
    connections_per_address: int = 1024
    head_seconds: float = 20
    idle_seconds: float = 75
    stall_seconds: float = 60
    minimum_rate: int = 1024
    drain_seconds: float = 30
    handshake_seconds: float = 10
    trust_anchors: tuple[object, ...] | None = None
    reference_values: tuple[str, ...] | None = None
    veraison: t.Mapping[str, object] | None = None
    policies: tuple[object, ...] | None = None
    lifecycle: tuple[str, ...] = ("secured",)
    allow_unauthenticated_evidence: bool = False
    attestation_seconds: float = 30
    attestations: int = 16

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses to listen on: listen, or else each host with port."""
        if self.listen:
            return tuple(parse_address(text) for text in self.listen)
        return tuple(TcpAddress(host, self.port) for host in self.host)


__all__ = ("Settings",)
