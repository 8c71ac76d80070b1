# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Table of the settings as switches and as keys of the configuration file, and the conflicts among settings.

cli.py and config_file.py read values by FIELDS and pass them to make_settings.
"""

from __future__ import annotations

import typing as t

from ..errors import UsageError
from .attestation_settings import ATTESTATION_FIELDS, attestation_conflicts
from .rules import Rules
from .settings import Settings
from .value_types import ADDRESSES, TCP_ADDRESS, Choice, Field, Mode, Number, Text, Texts

_DAY: t.Final = 86400


def _check_realm(text: str) -> None:
    # the realm is part of a header, which is one line
    if not text.isprintable():
        raise ValueError("contains characters that are not printable")


FIELDS: t.Final[t.Mapping[str, Field]] = {
    "root": Field(Text(), "directory of OCI image layouts; required", "DIR", "-r"),
    "host": Field(Texts(), "address to listen on; repeatable", "ADDRESS"),
    "port": Field(Number(0, 65535), "port to listen on; 0: any free port", "N", "-p"),
    "listen": Field(
        ADDRESSES,
        "replaces host and port: ADDRESS:PORT, [IPV6]:PORT, unix:/path or systemd (socket activation); repeatable",
        "WHERE",
    ),
    "unix_mode": Field(Mode(), "file mode of unix sockets", "MODE"),
    "tls": Field(Choice(("no-tls", "tls", "ra-tls")), "transport security: no-tls, tls or ra-tls", "WHICH", "-t"),
    "cert": Field(Text(), "certificate chain, PEM; for tls and ra-tls", "FILE", "-c"),
    "key": Field(Text(), "private key, PEM, without a password; for tls and ra-tls", "FILE", "-k"),
    "client_ca": Field(Text(), "CA certificates that verify client certificates, PEM", "FILE"),
    "client_auth": Field(
        Choice(("none", "optional", "required")), "client certificates: none, optional or required", "WHICH"
    ),
    "htpasswd": Field(Text(), "htpasswd file with bcrypt hashes; turns on password authentication", "FILE"),
    "realm": Field(Text(_check_realm), "realm shown to clients in the password prompt", "TEXT"),
    "allow": Field(Rules(), "access rules: who may see which repositories"),
    "verify": Field(
        Choice(("cached", "full")), "cached: trust the cache of verified files; full: verify every file", "HOW"
    ),
    "cache": Field(Text(), "path of the cache of verified files", "FILE"),
    "workers": Field(Number(1, 256), "number of worker processes", "N"),
    "watch": Field(Number(0, _DAY, fractions=True), "interval of checks for changed layouts; 0: never", "SECONDS"),
    "accel": Field(Text(), "internal location of nginx for X-Accel-Redirect, so that nginx sends the blobs", "PREFIX"),
    "log_level": Field(
        Choice(("debug", "info", "warning", "error")), "log level: debug, info, warning or error", "LEVEL"
    ),
    "access_log": Field(Choice(("text", "json", "none")), "format of the access log: text, json or none", "FORM"),
    "admin": Field(TCP_ADDRESS, "address of a second listener for /healthz, /readyz and /metrics", "ADDRESS:PORT"),
    "connections": Field(Number(1, 1_000_000), "limit of open connections, all workers together", "N"),
    "connections_per_address": Field(
        Number(0, 1_000_000),
        "open connections for each IPv4 address or IPv6 /64, in each worker; 0: no limit",
        "N",
    ),
    "head_seconds": Field(Number(1, _DAY, fractions=True), "time limit for receiving the head of a request", "SECONDS"),
    "idle_seconds": Field(Number(1, _DAY, fractions=True), "time limit for an idle connection", "SECONDS"),
    "stall_seconds": Field(
        Number(1, _DAY, fractions=True),
        "period over which minimum_rate is measured, and after which a stuck response is aborted",
        "SECONDS",
    ),
    "minimum_rate": Field(
        Number(0, 1_000_000_000), "bytes per second that a client must read at least; 0: no limit", "N"
    ),
    "drain_seconds": Field(
        Number(0, _DAY, fractions=True), "time limit for open responses when the server stops", "SECONDS"
    ),
    "handshake_seconds": Field(Number(1, 3600, fractions=True), "time limit for a TLS handshake", "SECONDS"),
    **ATTESTATION_FIELDS,
}


def make_settings(values: t.Mapping[str, t.Any]) -> Settings:
    """Make settings of checked values. Raises UsageError for missing and conflicting settings."""
    if "root" not in values:
        raise UsageError("The settings are wrong: root (--root) is missing; give the directory of OCI image layouts.")
    settings = Settings(**values)
    for wrong, message in _conflicts(settings):
        if wrong:
            raise UsageError(f"The settings are wrong: {message}; correct the command line or the configuration file.")
    return settings


def _conflicts(settings: Settings) -> t.Iterator[tuple[bool, str]]:
    encrypted, asks = settings.tls != "no-tls", settings.client_auth != "none"
    rules = settings.allow or ()
    yield (
        encrypted and not (settings.cert and settings.key),
        f"tls: {settings.tls} (--tls {settings.tls}) needs cert (--cert) and key (--key)",
    )
    yield (
        not encrypted and bool(settings.cert or settings.key),
        "cert and key (--cert, --key) need tls to be tls or ra-tls (--tls tls, --tls ra-tls)",
    )
    yield from attestation_conflicts(settings)
    yield (
        asks and not (settings.tls == "tls" and settings.client_ca),
        "client_auth (--client-auth) needs tls to be tls, and client_ca (--client-ca)",
    )
    yield (
        bool(settings.client_ca) and not asks,
        "client_ca needs client_auth to be optional or required",
    )
    yield (
        not settings.htpasswd and any(rule.users is not None for rule in rules),
        "a rule of allow names users, which needs htpasswd",
    )
    yield (
        not asks and any(rule.subjects is not None for rule in rules),
        "a rule of allow names subjects, which needs client_auth",
    )


__all__ = ("FIELDS", "make_settings")
