# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Reference values: the measurements of realms that are accepted.

Files have the format of the Islet realm verifier.
"""

from __future__ import annotations

import hmac
import typing as t
from dataclasses import dataclass

from ..._base.errors import JsonInvalid
from ..._base.strict_json import load_object
from ..errors import ConfigurationInvalid
from ..plain_data import SettingsMap, choice, hexadecimal, settings_error
from ..token.claim_reader import HASH_NAMES, HASH_SIZES, HashName
from ..token.realm_claims import MEASUREMENTS, RealmClaims

MAX_FILE: t.Final = 1024 * 1024
# sizes of measurements by hash algorithm; some firmware pads them to 64 bytes
_SIZES: t.Final[t.Mapping[str, tuple[int, ...]]] = {"sha-256": (32, 64), "sha-384": (48, 64), "sha-512": (64,)}


@dataclass(frozen=True)
class RealmReference:
    """The measurements of one build of a realm. rems are the accepted sets of REMs; None accepts every set."""

    rim: bytes
    rems: tuple[tuple[bytes, ...], ...] | None = None
    hash_algorithm: HashName | None = None

    def matches(self, claims: RealmClaims) -> bool:
        """Tell whether the claims have this RIM, all four REMs of one of the sets, and this hash algorithm."""
        if not hmac.compare_digest(self.rim, claims.initial_measurement):
            return False
        if self.hash_algorithm not in (None, claims.hash_algorithm):
            return False
        return self.rems is None or claims.extensible_measurements in self.rems


def parse_reference_file(data: bytes, *, what: str) -> RealmReference:
    """Read a file of reference values in the format of the realm verifier; unknown names are ignored.

    {"realm": {"reference-values": {"rim": hex, "rems": [[hex, hex, hex, hex], ...], "hash-algo": "sha-256"}}}

    what names the file in messages. Raises ConfigurationInvalid.
    """
    try:
        document = load_object(data, what=what, max_bytes=MAX_FILE)
    except JsonInvalid as exc:
        raise ConfigurationInvalid(f"{exc.message[:-1]}; give a file of reference values.") from None
    realm = document.get("realm")
    values = realm.get("reference-values") if isinstance(realm, dict) else None
    if not isinstance(values, dict):
        raise settings_error(what, "has no realm.reference-values")
    where = f"{what}: realm.reference-values"
    known = {name: value for name, value in values.items() if name in ("rim", "rems", "hash-algo")}
    return _check_sizes(_read_fields(SettingsMap(known, where), hash_name="hash-algo", strict=True), where)


def read_reference(value: object, where: str) -> RealmReference:
    """Read a reference from plain data: rim, optional rems and hash_algorithm. Raises ConfigurationInvalid."""
    fields = SettingsMap.of(value, where, ("rim", "rems", "hash_algorithm"))
    return _check_sizes(_read_fields(fields, hash_name="hash_algorithm", strict=False), where)


def _read_fields(fields: SettingsMap, *, hash_name: str, strict: bool) -> RealmReference:
    known: t.Callable[[object, str], HashName] = choice(*HASH_NAMES)
    return RealmReference(
        rim=fields.required("rim", hexadecimal(*HASH_SIZES)),
        rems=fields.required_items("rems", _rem_set) if strict else fields.items("rems", _rem_set),
        hash_algorithm=fields.required(hash_name, known) if strict else fields.one(hash_name, known),
    )


def _rem_set(value: object, where: str) -> tuple[bytes, ...]:
    read = hexadecimal(*HASH_SIZES)
    if not isinstance(value, list) or len(value) != MEASUREMENTS:
        raise settings_error(where, f"is not a list of the {MEASUREMENTS} measurements")
    return tuple(read(item, f"{where}[{number}]") for number, item in enumerate(value))


def _check_sizes(reference: RealmReference, where: str) -> RealmReference:
    sizes = _SIZES.get(reference.hash_algorithm or "", HASH_SIZES)
    values = (reference.rim, *(rem for rems in reference.rems or () for rem in rems))
    if any(len(value) not in sizes for value in values):
        raise settings_error(where, f"has a measurement whose size does not fit {reference.hash_algorithm}")
    return reference


__all__ = ("MAX_FILE", "RealmReference", "parse_reference_file", "read_reference")
