# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Verifies attestation results of Veraison (EAR, draft-ietf-rats-ear): JWS (RFC 7515), JWT claims (RFC 7519)."""

from __future__ import annotations

import hmac
import typing as t
from dataclasses import dataclass

from ..._base.errors import JsonInvalid
from ..._base.strict_json import load_object
from ..._base.text import quote
from ..appraisal.appraisal import refusal
from ..errors import VeraisonFailed
from ..token.jwk import decode_base64url
from ..token.keys import EcKey

if t.TYPE_CHECKING:
    from ..._base.strict_json import JsonObject, JsonValue

Status = t.Literal["affirming", "warning", "none", "contraindicated"]
AcceptedStatus = t.Literal["affirming", "warning", "none"]

# draft-ietf-rats-ar4si: the tiers, written as numbers or names; from the best to the worst
_TIERS: t.Final[t.Mapping[int, Status]] = {2: "affirming", 32: "warning", 0: "none", 96: "contraindicated"}
_ORDER: t.Final[tuple[Status, ...]] = ("affirming", "warning", "none", "contraindicated")

MAX_EAR: t.Final = 256 * 1024
EAR_ALGORITHMS: t.Final = ("ES256", "ES384")
_MAX_SUBMODS: t.Final = 64

PLATFORM: t.Final = "CCA_SSD_PLATFORM"
REALM: t.Final = "CCA_REALM"


@dataclass(frozen=True)
class EarPolicy:
    """The requirements for an attestation result.

    Every submodule in the result must have a status no worse than worst_status, and the required ones must be present.
    Unless CCA_REALM is required, it may have every status but contraindicated, because Veraison has no reference values
    for realms unless an operator provided them.
    """

    required_submods: tuple[str, ...] = (PLATFORM,)
    worst_status: AcceptedStatus = "affirming"
    # seconds since iat
    max_age: float = 300
    # seconds by which the clocks of both hosts may differ
    leeway: float = 60


class NotSigned(VeraisonFailed):
    """A result is signed with none of the known keys; the service may have a new key."""


def verify_ear(
    data: str, keys: t.Sequence[EcKey], *, realm_challenge: bytes, policy: EarPolicy, now: float
) -> dict[str, Status]:
    """Verify an EAT attestation result (draft-ietf-rats-ear) and return the status of each submodule.

    The result is a JWS in compact form, with ES256 or ES384 as the key requires. exp and iat are required and must fit
    now (seconds since the epoch), as must nbf if present; eat_nonce must be the realm challenge; aud must be absent.

    Raises AppraisalFailed for a status that the policy refuses, NotSigned if none of the keys made the signature, and
    VeraisonFailed for every other fault.
    """
    claims = _verify_claims(data, keys)
    _check_time(claims, policy, now)
    _check_nonce(claims.get("eat_nonce"), realm_challenge)
    if "aud" in claims:  # RFC 7519, 4.1.3: this relying party has no name
        raise veraison_error("the result is for another relying party (aud)")
    if not isinstance(claims.get("eat_profile"), str) or not claims["eat_profile"]:
        raise veraison_error("the result has no eat_profile")
    statuses = _statuses(claims.get("submods"))
    _check_statuses(statuses, policy)
    return statuses


def veraison_error(
    why: str, what_to_do: str = "see the log of the Veraison service", *, status: int | None = None
) -> VeraisonFailed:
    """Return the error for a verification that failed at Veraison, for the caller to raise."""
    return VeraisonFailed(f"Having the attestation verified by Veraison failed: {why}; {what_to_do}.", status=status)


def _verify_claims(data: str, keys: t.Sequence[EcKey]) -> JsonObject:
    parts = data.split(".") if len(data) <= MAX_EAR else []
    if len(parts) != 3 or not data.isascii():
        raise veraison_error("the result is not a JWS in compact form")
    header = _object(parts[0], "the header of the result")
    if header.get("alg") not in EAR_ALGORITHMS:
        raise veraison_error("the result is not signed with ES256 or ES384")
    if "crit" in header or "b64" in header:
        raise veraison_error("the header of the result has critical parameters")
    # the key determines the algorithm, not the header of the result
    fitting = [key for key in keys if key.algorithm.name == header["alg"]]
    if not fitting:
        raise _signature_error(f"{header['alg']}, which does not fit the configured key")
    signature, signed = _bytes(parts[2], "the signature of the result"), f"{parts[0]}.{parts[1]}".encode("ascii")
    if not any(key.verify(signature, signed) for key in fitting):
        raise _signature_error("a key other than the configured one")
    return _object(parts[1], "the result")


def _signature_error(what: str) -> NotSigned:
    return NotSigned(veraison_error(f"the result is signed with {what}", "check the key of the service").message)


def _check_time(claims: JsonObject, policy: EarPolicy, now: float) -> None:
    expires, issued = _time(claims.get("exp"), "exp"), _time(claims.get("iat"), "iat")
    if now > expires + policy.leeway:
        raise veraison_error("the result has expired", "check the clocks of both hosts")
    if issued > now + policy.leeway:
        raise veraison_error("the result is from the future", "check the clocks of both hosts")
    if claims.get("nbf") is not None and _time(claims["nbf"], "nbf") > now + policy.leeway:
        raise veraison_error("the result is not valid yet", "check the clocks of both hosts")
    if now - issued > policy.max_age + policy.leeway:
        raise veraison_error("the result is too old", "check the clocks of both hosts")


def _time(value: JsonValue, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 2**53:
        raise veraison_error(f"the result has no valid time {name}")
    return float(value)


def _check_nonce(value: JsonValue, realm_challenge: bytes) -> None:
    text = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(text, str) or not is_nonce(text, realm_challenge):
        raise veraison_error("the result is for another challenge (eat_nonce)")


def is_nonce(text: str, realm_challenge: bytes) -> bool:
    """Tell whether a text is these bytes in base64 of either alphabet, with or without padding."""
    bare = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return len(text) <= 128 and hmac.compare_digest(decode_base64url(bare), realm_challenge)
    except ValueError:
        return False


def _statuses(submods: JsonValue) -> dict[str, Status]:
    if not isinstance(submods, dict) or not 0 < len(submods) <= _MAX_SUBMODS:
        raise veraison_error("the result has no submods")
    return {name: _status(name, submod) for name, submod in submods.items()}


def _status(name: str, submod: JsonValue) -> Status:
    value = submod.get("ear.status") if isinstance(submod, dict) else None
    for number, word in _TIERS.items():
        if value == word or (isinstance(value, int) and not isinstance(value, bool) and value == number):
            return word
    raise veraison_error(f"the result has no status for {quote(name)}")


def _check_statuses(statuses: dict[str, Status], policy: EarPolicy) -> None:
    for name in policy.required_submods:
        if name not in statuses:
            raise veraison_error(f"the required submodule {quote(name)} is missing from the result")
    for name, status in statuses.items():
        optional = name == REALM and name not in policy.required_submods
        worst = "none" if optional else policy.worst_status
        if _ORDER.index(status) > _ORDER.index(worst):
            raise refusal(
                "veraison", f"the status of {quote(name)} is {status}", "check the reference values of the service"
            )


def _object(text: str, what: str) -> JsonObject:
    try:
        return load_object(_bytes(text, what), what=what, max_bytes=MAX_EAR)
    except JsonInvalid:
        raise veraison_error(f"{what} is not a JSON object") from None


def _bytes(text: str, what: str) -> bytes:
    try:
        return decode_base64url(text)
    except ValueError:
        raise veraison_error(f"{what} is not base64url") from None


__all__ = (
    "EAR_ALGORITHMS",
    "PLATFORM",
    "REALM",
    "AcceptedStatus",
    "EarPolicy",
    "NotSigned",
    "Status",
    "is_nonce",
    "veraison_error",
    "verify_ear",
)
