# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The checks of cca_token_info, and the token as a return value."""

from __future__ import annotations

import base64
import binascii
import hmac
import typing as t

from .._base.bounded_file import NotReadable, read_bounded
from .._base.errors import CollectionError
from .._base.text import visible
from .._ratls.appraisal.reference_values import MAX_FILE, parse_reference_file
from .._ratls.appraisal.trust_anchors import TrustAnchor, TrustAnchors
from .._ratls.challenge import CHALLENGE_SIZE
from .._ratls.errors import RatlsError
from .._ratls.plain_data import hexadecimal
from .._ratls.token.cca_token import MAX_TOKEN, CcaToken
from .._ratls.token.key_file import MAX_KEY_FILE, read_keys

if t.TYPE_CHECKING:
    from .._base.strict_json import Json
    from .._ratls.token.platform_claims import PlatformClaims, SoftwareComponent
    from .._ratls.token.realm_claims import RealmClaims


_MAX_TEXT: t.Final = 2 * MAX_TOKEN  # base64 with line ends


class InputInvalid(CollectionError):
    """The input that an option specifies is unusable; field option."""

    kind = "input_invalid"


def token_bytes(params: t.Mapping[str, t.Any]) -> bytes:
    """Return the token from the option path or content. Raises InputInvalid."""
    if params["path"] is not None:
        return _read_file(params["path"], limit=MAX_TOKEN, option="path")
    if len(params["content"]) > _MAX_TEXT:
        raise InputInvalid(
            f"Reading the CCA token failed: the option content has more than {_MAX_TEXT} characters; check that it "
            "is a token.",
            option="content",
        )
    text = "".join(params["content"].split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InputInvalid(
            "Reading the CCA token failed: the option content is not base64 text; encode the token in base64, or name "
            "its file with path.",
            option="content",
        ) from None


def describe(token: CcaToken, *, size: int) -> Json:
    """Return all claims of a token, and its digest."""
    return {
        "digest": token.digest,
        "size": size,
        "platform": _describe_platform(token.platform, algorithm=token.platform_token.algorithm.name),
        "realm": _describe_realm(token.realm, algorithm=token.realm_token.algorithm.name),
        "simulated": token.platform.simulated,
    }


def run_checks(token: CcaToken, params: t.Mapping[str, t.Any]) -> dict[str, Json]:
    """Return the outcome of each check by its name: passed, which is None if it was not requested, and reason.

    Raises InputInvalid or RatlsError if the value of an option is unusable.
    """
    return {
        "realm_signature": _run_check(
            token.verify_realm_signature, passed="the realm token is signed with the key that it contains"
        ),
        "key_binding": _run_check(
            token.verify_key_binding, passed="the platform token is bound to the key of the realm"
        ),
        "challenge": _check_challenge(token, params["challenge"]),
        "platform_signature": _check_platform_signature(token, params["trust_anchors"]),
        "lifecycle": _check_lifecycle(token, params["lifecycle"]),
        "reference_values": _check_reference_values(token, params["reference_values"]),
    }


def is_valid(checks: t.Mapping[str, Json], *, unauthenticated: bool) -> bool | None:
    """Tell whether no check failed; None if the signature of the platform was not checked.

    With unauthenticated the result does not depend on whether that signature was checked.
    """
    if any(check["passed"] is False for check in checks.values()):
        return False
    return True if unauthenticated or checks["platform_signature"]["passed"] else None


def _describe_platform(claims: PlatformClaims, *, algorithm: str) -> Json:
    return {
        "profile": claims.profile,
        "challenge": claims.challenge.hex(),
        "instance_id": claims.instance_id.hex(),
        "implementation_id": claims.implementation_id.hex(),
        "lifecycle": claims.lifecycle,
        "lifecycle_state": claims.lifecycle_state,
        "software_components": [_describe_component(component) for component in claims.software_components],
        "verification_service": claims.verification_service,
        "config": claims.config.hex(),
        "hash_algorithm": claims.hash_algorithm,
        "signature_algorithm": algorithm,
        "unknown_claims": list(claims.unknown),
    }


def _describe_component(component: SoftwareComponent) -> Json:
    return {
        "type": component.type,
        "measurement": component.measurement.hex(),
        "version": component.version,
        "signer_id": component.signer_id.hex(),
        "hash_algorithm": component.hash_algorithm,
    }


def _describe_realm(claims: RealmClaims, *, algorithm: str) -> Json:
    return {
        "profile": claims.profile,
        "challenge": claims.challenge.hex(),
        "rim": claims.initial_measurement.hex(),
        "rems": [measurement.hex() for measurement in claims.extensible_measurements],
        "personalization_value": claims.personalization_value.hex(),
        "hash_algorithm": claims.hash_algorithm,
        "public_key": claims.public_key.hex(),
        "public_key_hash_algorithm": claims.public_key_hash_algorithm,
        "signature_algorithm": algorithm,
        "unknown_claims": list(claims.unknown),
    }


def _run_check(check: t.Callable[[], object], *, passed: str) -> Json:
    try:
        check()
    except RatlsError as exc:
        return _result(False, exc.message)
    return _result(True, passed)


def _result(passed: bool | None, reason: str) -> Json:
    return {"passed": passed, "reason": reason}


def _check_challenge(token: CcaToken, text: str | None) -> Json:
    if text is None:
        return _result(None, "not requested (challenge)")
    right = hmac.compare_digest(hexadecimal(CHALLENGE_SIZE)(text, "challenge"), token.realm.challenge)
    return _result(right, "the token contains this challenge" if right else "the token contains another challenge")


def _check_platform_signature(token: CcaToken, paths: list[str] | None) -> Json:
    if paths is None:  # an empty list does not disable the check
        return _result(None, "not requested (trust_anchors)")
    files = [(path, _read_file(path, limit=MAX_KEY_FILE, option="trust_anchors")) for path in paths]
    anchors = TrustAnchors(TrustAnchor(key) for path, data in files for key in read_keys(data, what=path))
    return _run_check(
        lambda: anchors.verify(token), passed="the platform token is signed with one of the trust anchors"
    )


def _check_lifecycle(token: CcaToken, states: list[str]) -> Json:
    state = token.platform.lifecycle_state
    return _result(state in states, f"the platform is in the state {state}")


def _check_reference_values(token: CcaToken, paths: list[str] | None) -> Json:
    if paths is None:
        return _result(None, "not requested (reference_values)")
    for path in paths:
        data = _read_file(path, limit=MAX_FILE, option="reference_values")
        if parse_reference_file(data, what=path).matches(token.realm):
            return _result(True, f"the measurements of the realm match {path}")
    return _result(False, "the measurements of the realm match none of the reference values")


def _read_file(path: str, *, limit: int, option: str) -> bytes:
    try:
        return read_bounded(path, limit=limit)
    except NotReadable as exc:
        raise InputInvalid(
            f"Reading {visible(path)}, which the option {option} names, failed: {exc}; name another file.",
            option=option,
        ) from None


__all__ = ("InputInvalid", "describe", "is_valid", "run_checks", "token_bytes")
