# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Reads the settings of a Veraison service from plain data; called by read_relying_party."""

from __future__ import annotations

import functools
import re
import typing as t

from ..errors import ConfigurationInvalid
from ..plain_data import SettingsMap, choice, number, read_list, settings_error, text
from ..token.key_file import read_keys
from .ear import EAR_ALGORITHMS, AcceptedStatus, EarPolicy
from .exchange import ServiceUrl
from .http_client import HttpClient, check_authorities
from .keys import FileKeys, PinnedKeys
from .veraison import DEFAULT_TIMEOUT, VeraisonAppraiser

if t.TYPE_CHECKING:
    from ..appraisal.settings import ReadFile
    from .keys import ServiceKeys

VERAISON: t.Final = (
    "url",
    "key",
    "pin",
    "ca_path",
    "allow_http",
    "required_submods",
    "worst_status",
    "max_age",
    "timeout",
)
_PIN: t.Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")  # 32 bytes in base64url, 43 characters


def read_veraison(value: object, where: str, *, read_file: ReadFile) -> VeraisonAppraiser:
    """Read the settings of a Veraison service from plain data. The service is not contacted.

    url: https://veraison.example:8443
    key: veraison.jwk              (file: the public key of its results; either key or pin)
    pin: NzbLsXh8uDCc...           (thumbprint of that key, or a list; the key is fetched from the service)
    ca_path: ca.pem                (file: the authorities of its certificate; default: those of the system)
    allow_http: false              (permit a url that is neither https nor on the loopback interface)
    required_submods: [CCA_SSD_PLATFORM]
    worst_status: affirming        (or warning or none)
    max_age: 300                   (seconds since iat)
    timeout: 20                    (seconds for the whole verification)

    Raises ConfigurationInvalid and DependencyMissing.
    """
    fields = SettingsMap.of(value, where, VERAISON)
    allow_http = fields.one("allow_http", choice(True, False)) or False
    service = ServiceUrl.parse(fields.required("url", text), allow_http=allow_http)
    return VeraisonAppraiser(
        service=service,
        http=HttpClient(_authorities(fields, service, read_file)),
        keys=_keys(fields, read_file),
        policy=_policy(fields),
        timeout=fields.one("timeout", number(0.1, 600)) or DEFAULT_TIMEOUT,
    )


def _policy(fields: SettingsMap) -> EarPolicy:
    usual = EarPolicy()
    statuses: t.Callable[[object, str], AcceptedStatus] = choice("affirming", "warning", "none")
    return EarPolicy(
        required_submods=fields.items("required_submods", text) or usual.required_submods,
        worst_status=fields.one("worst_status", statuses) or usual.worst_status,
        max_age=fields.one("max_age", number(1, 86400)) or usual.max_age,
    )


def _keys(fields: SettingsMap, read_file: ReadFile) -> ServiceKeys:
    pins = fields.one("pin", _pins)
    keys = fields.one("key", functools.partial(_file_keys, read_file=read_file))
    if keys is not None and pins is None:
        return keys
    if pins is not None and keys is None:
        return PinnedKeys(pins)
    raise settings_error(fields.where, "must have exactly one of key and pin")


def _pins(value: object, where: str) -> tuple[str, ...]:
    return read_list(value, where, _pin) if isinstance(value, list) else (_pin(value, where),)


def _pin(value: object, where: str) -> str:
    shown = text(value, where)
    if not _PIN.fullmatch(shown):
        raise settings_error(where, "is not a SHA-256 thumbprint in base64url, which has 43 characters")
    return shown


def _file_keys(value: object, where: str, *, read_file: ReadFile) -> FileKeys:
    path = text(value, where)
    keys = read_keys(read_file(path), what=path)
    if any(key.algorithm.name not in EAR_ALGORITHMS for key in keys):
        raise settings_error(where, "contains a key that is not on P-256 or P-384")
    return FileKeys(keys)


def _authorities(fields: SettingsMap, service: ServiceUrl, read_file: ReadFile) -> str | None:
    path = fields.one("ca_path", text)
    if path is None:
        return None
    if not service.uses_tls:
        raise settings_error(f"{fields.where}.ca_path", "cannot be used with an http address")
    try:
        ca = read_file(path).decode("ascii")
    except UnicodeDecodeError:
        raise ConfigurationInvalid(
            f"Reading the certificates {path} failed: they are not in PEM; give a PEM file."
        ) from None
    check_authorities(ca, path)
    return ca


__all__ = ("VERAISON", "read_veraison")
