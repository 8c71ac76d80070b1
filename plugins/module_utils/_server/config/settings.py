# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""All settings of the server: types, ranges, switches and defaults, in one table.

Read by cli.py from switches and by config_file.py from YAML; conflicts.py has the rules that concern several settings.
docs/server.md documents each setting.
"""

from __future__ import annotations

import re
import typing as t

from ..._base.text import quote
from ..._ratls.token.lifecycle import LIFECYCLE_STATES
from .addresses import MAX_PORT, Address, TcpAddress, parse_address
from .libraries import BeforeValidator
from .rules import Rules
from .signature_rules import SignatureRules
from .value_types import (
    Items,
    Listen,
    MaybeTcp,
    MaybeText,
    MaybeTexts,
    PlainList,
    PlainMap,
    StrictModel,
    Text,
    checked,
    setting,
)

_DAY: t.Final = 86400


def _check_mode(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"0?[0-7]{3}", value, re.ASCII):
        return value
    raise ValueError(f'must be a string of three octal digits such as "0660", and is {quote(value)}')


def _check_realm(text: str) -> None:
    # the realm is part of a header, which is one line
    if not text.isprintable():
        raise ValueError("contains characters that are not printable")


def _check_lifecycle(text: str) -> None:
    if text not in LIFECYCLE_STATES:
        raise ValueError(f"is none of {', '.join(LIFECYCLE_STATES)}")


class Settings(StrictModel):
    """All settings of the server, under the names of the switches and of the configuration file."""

    root: Text = setting("", "directory of OCI image layouts; required", "DIR", "-r")
    host: Items[Text] = setting(("127.0.0.1",), "address to listen on; repeatable", "ADDRESS")
    port: int = setting(1337, "port to listen on; 0: any free port", "N", "-p", ge=0, le=MAX_PORT)
    listen: Items[Listen] = setting(
        (),
        "replaces host and port: ADDRESS:PORT, [IPV6]:PORT, unix:/path or systemd (socket activation); repeatable",
        "WHERE",
    )
    unix_mode: t.Annotated[str, BeforeValidator(_check_mode)] = setting("0660", "file mode of unix sockets", "MODE")
    tls: t.Literal["no-tls", "tls", "ra-tls"] = setting(
        "no-tls", "transport security: no-tls, tls or ra-tls", "WHICH", "-t"
    )
    cert: MaybeText = setting(None, "certificate chain, PEM; for tls and ra-tls", "FILE", "-c")
    key: MaybeText = setting(None, "private key, PEM, without a password; for tls and ra-tls", "FILE", "-k")
    client_ca: MaybeText = setting(None, "CA certificates that verify client certificates, PEM", "FILE")
    client_auth: t.Literal["none", "optional", "required"] = setting(
        "none", "client certificates: none, optional or required", "WHICH"
    )
    htpasswd: MaybeText = setting(None, "htpasswd file with bcrypt hashes; turns on password authentication", "FILE")
    realm: t.Annotated[Text, checked(_check_realm)] = setting(
        "attested.registry", "realm shown to clients in the password prompt", "TEXT"
    )
    allow: Rules = setting(None, "access rules: who may see which repositories")
    signatures: SignatureRules = setting(None, "which repositories need signatures, and of which keys")
    verify: t.Literal["cached", "full"] = setting(
        "cached", "cached: trust the cache of verified files; full: verify every file", "HOW"
    )
    cache: MaybeText = setting(None, "path of the cache of verified files", "FILE")
    workers: int = setting(1, "number of worker processes", "N", ge=1, le=256)
    watch: float = setting(0, "interval of checks for changed layouts; 0: never", "SECONDS", ge=0, le=_DAY)
    accel: MaybeText = setting(
        None, "internal location of nginx for X-Accel-Redirect, so that nginx sends the blobs", "PREFIX"
    )
    log_level: t.Literal["debug", "info", "warning", "error"] = setting(
        "info", "log level: debug, info, warning or error", "LEVEL"
    )
    access_log: t.Literal["text", "json", "none"] = setting(
        "text", "format of the access log: text, json or none", "FORM"
    )
    admin: MaybeTcp = setting(None, "address of a second listener for /healthz, /readyz and /metrics", "ADDRESS:PORT")
    connections: int = setting(4096, "limit of open connections, all workers together", "N", ge=1, le=1_000_000)
    connections_per_address: int = setting(
        1024, "open connections for each IPv4 address or IPv6 /64, in each worker; 0: no limit", "N", ge=0, le=1_000_000
    )
    head_seconds: float = setting(20, "time limit for receiving the head of a request", "SECONDS", ge=1, le=_DAY)
    idle_seconds: float = setting(75, "time limit for an idle connection", "SECONDS", ge=1, le=_DAY)
    stall_seconds: float = setting(
        60,
        "period over which minimum_rate is measured, and after which a stuck response is aborted",
        "SECONDS",
        ge=1,
        le=_DAY,
    )
    minimum_rate: int = setting(
        1024, "bytes per second that a client must read at least; 0: no limit", "N", ge=0, le=1_000_000_000
    )
    drain_seconds: float = setting(30, "time limit for open responses when the server stops", "SECONDS", ge=0, le=_DAY)
    handshake_seconds: float = setting(10, "time limit for a TLS handshake", "SECONDS", ge=1, le=3600)
    trust_anchors: PlainList = setting(
        None, "public key of accepted platforms (CPAK): PEM, JWK or COSE_Key; for ra-tls; repeatable", "FILE"
    )
    reference_values: MaybeTexts = setting(
        None, "reference values of accepted realms, JSON; for ra-tls; repeatable", "FILE", "-j", "--reference-json"
    )
    # cli.py adds the switches for two parts of veraison
    veraison: PlainMap = setting(None, "the Veraison service that appraises evidence")
    policies: PlainList = setting(None, "which realms may see which repositories")
    lifecycle: Items[t.Annotated[Text, checked(_check_lifecycle)]] = setting(
        ("secured",), "accepted lifecycle state of platforms; for ra-tls; repeatable", "STATE"
    )
    allow_unauthenticated_evidence: bool = setting(
        False, "start without trust_anchors and veraison, which leaves platform signatures unverified; for tests only"
    )
    attestation_seconds: float = setting(
        30, "time limit for making evidence, and for its appraisal; for ra-tls", "SECONDS", ge=1, le=3600
    )
    attestations: int = setting(16, "limit of concurrent appraisals, in each worker; for ra-tls", "N", ge=1, le=1024)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses to listen on: listen, or else each host with port."""
        if self.listen:
            return tuple(parse_address(text) for text in self.listen)
        return tuple(TcpAddress(host, self.port) for host in self.host)


__all__ = ("Settings",)
