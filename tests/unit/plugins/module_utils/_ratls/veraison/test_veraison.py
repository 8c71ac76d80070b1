# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Veraison's challenge-response API is used as it has to be; only a signed and fresh result accepts a token."""

from __future__ import annotations

import dataclasses
import threading
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.appraisal import PresentedToken
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import (
    AppraisalFailed,
    ConfigurationInvalid,
    RatlsError,
    VeraisonFailed,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cca_token import parse_token
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.jwk import thumbprint
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison import ear
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.deadline import Clock
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.ear import EarPolicy, verify_ear
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.exchange import HttpAnswer, ServiceUrl
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.keys import (
    FETCH_INTERVAL,
    FileKeys,
    PinnedKeys,
    fetch_keys,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.session import media_type
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.veraison import VeraisonAppraiser
from ansible_collections.attested.registry.tests.support.attestation import ratls_tokens
from ansible_collections.attested.registry.tests.support.attestation.ratls_stand_in_veraison import (
    NEW,
    NOW,
    OLD,
    URL,
    StandInVeraison,
    jws,
    nonce,
    public_jwk,
)
from ansible_collections.attested.registry.tests.support.attestation.ratls_tokens import platform_key
from hypothesis import given
from hypothesis import strategies as st

CHALLENGE = ratls_tokens.CHALLENGE
TOKEN = ratls_tokens.token()
PRESENTED = PresentedToken(parse_token(TOKEN), TOKEN, CHALLENGE)


def appraiser(service: t.Any, **policy: t.Any) -> VeraisonAppraiser:
    waits: list[float] = []
    clock = Clock(lambda: NOW + sum(waits), lambda: sum(waits), waits.append)
    keys = FileKeys((platform_key("P-256").public,))
    return VeraisonAppraiser(ServiceUrl.parse(URL), service, keys, EarPolicy(**policy), clock=clock)


def refused(service: t.Any, reason: str, *, error: type[RatlsError] = VeraisonFailed, **policy: t.Any) -> RatlsError:
    with pytest.raises(error, match=reason) as caught:
        appraiser(service, **policy).appraise(PRESENTED)
    assert CHALLENGE.hex() not in caught.value.message
    assert nonce(CHALLENGE) not in caught.value.message
    return caught.value


def test_a_token_is_verified_and_the_session_deleted() -> None:
    service = StandInVeraison()
    verdict = appraiser(service).appraise(PRESENTED)
    assert verdict.reason == "CCA_SSD_PLATFORM affirming, CCA_REALM warning"
    assert verdict.warnings == ()
    session = f"{URL}/challenge-response/v1/session/1234"
    quoted = nonce(CHALLENGE).replace("=", "%3D")
    assert service.requests == [
        ("POST", f"{URL}/challenge-response/v1/newSession?nonce={quoted}"),
        ("POST", session),
        ("DELETE", session),
    ]
    assert service.token == TOKEN
    assert service.sent["Content-Type"] == NEW
    assert service.sent["Accept"] == "application/vnd.veraison.challenge-response-session+json"


def test_a_service_that_takes_its_time_is_asked_again() -> None:
    service = StandInVeraison()
    service.polls = ["processing", "waiting", "processing"]
    assert appraiser(service).appraise(PRESENTED).appraiser == "veraison"
    assert [method for method, dummy in service.requests] == ["POST", "POST", "GET", "GET", "GET", "DELETE"]


def test_polling_a_session_ends_at_the_timeout() -> None:
    service = StandInVeraison()
    service.polls = ["processing"] * 1000
    refused(service, "it took more than 20 seconds; check whether the service is overloaded")
    assert service.requests[-1][0] == "DELETE"
    assert len(service.requests) < 30
    service.requests.clear()
    patient = dataclasses.replace(appraiser(service), timeout=600)
    with pytest.raises(VeraisonFailed, match="gave no result in time"):
        patient.appraise(PRESENTED)
    assert service.methods == ["POST", "POST", *["GET"] * 60, "DELETE"]


LIES: list[tuple[dict[str, t.Any], str]] = [
    ({"eat_nonce": ...}, "for another challenge"),
    ({"eat_nonce": nonce(bytes(64))}, "for another challenge"),
    ({"eat_nonce": CHALLENGE.hex()}, "for another challenge"),
    ({"eat_nonce": [nonce(CHALLENGE), nonce(bytes(64))]}, "for another challenge"),
    ({"exp": ...}, "no valid time exp"),
    ({"exp": "tomorrow"}, "no valid time exp"),
    ({"exp": True}, "no valid time exp"),
    ({"exp": int(NOW) - 61}, "has expired"),
    ({"iat": ...}, "no valid time iat"),
    ({"iat": 0}, "no valid time iat"),
    ({"iat": int(NOW) + 61}, "from the future"),
    ({"iat": int(NOW) - 361}, "too old"),
    ({"nbf": int(NOW) + 61}, "not valid yet"),
    ({"nbf": "soon"}, "no valid time nbf"),
    ({"aud": "https://relying.example"}, "for another relying party"),
    ({"aud": []}, "for another relying party"),
    ({"eat_profile": ...}, "no eat_profile"),
    ({"eat_profile": ""}, "no eat_profile"),
    ({"submods": ...}, "no submods"),
    ({"submods": {}}, "no submods"),
    ({"submods": {"CCA_REALM": {"ear.status": "affirming"}}}, 'required submodule "CCA_SSD_PLATFORM" is missing'),
    ({"submods": {"CCA_SSD_PLATFORM": {}}}, "no status for"),
    ({"submods": {"CCA_SSD_PLATFORM": "affirming"}}, "no status for"),
    ({"submods": {"CCA_SSD_PLATFORM": {"ear.status": True}}}, "no status for"),
    ({"submods": {"CCA_SSD_PLATFORM": {"ear.status": 2.0}}}, "no status for"),
    ({"submods": {"CCA_SSD_PLATFORM": {"ear.status": 3}}}, "no status for"),
]

BAD_STATUSES: list[tuple[dict[str, t.Any], str]] = [
    ({"submods": {"CCA_SSD_PLATFORM": {"ear.status": "warning"}}}, "is warning"),
    ({"submods": {"CCA_SSD_PLATFORM": {"ear.status": 0}}}, "is none"),
    ({"submods": {"CCA_SSD_PLATFORM": {"ear.status": 96}}}, "is contraindicated"),
    ({"submods": {"CCA_SSD_PLATFORM": {"ear.status": 2}, "CCA_REALM": {"ear.status": 96}}}, "is contraindicated"),
    ({"submods": {"CCA_SSD_PLATFORM": {"ear.status": 2}, "OTHER": {"ear.status": 32}}}, '"OTHER" is warning'),
]


@pytest.mark.parametrize(("claims", "reason"), LIES)
def test_results_that_are_not_accepted(claims: dict[str, t.Any], reason: str) -> None:
    service = StandInVeraison()
    service.claims = claims
    refused(service, reason)
    assert service.requests[-1][0] == "DELETE"


@pytest.mark.parametrize(("claims", "reason"), BAD_STATUSES)
def test_results_that_say_no(claims: dict[str, t.Any], reason: str) -> None:
    service = StandInVeraison()
    service.claims = claims
    refused(service, reason, error=AppraisalFailed)
    assert service.requests[-1][0] == "DELETE"


@pytest.mark.parametrize(
    "value", [nonce(CHALLENGE), nonce(CHALLENGE).rstrip("="), [nonce(CHALLENGE)], nonce(CHALLENGE).replace("_", "/")]
)
def test_the_nonce_may_be_padded_or_not(value: object) -> None:
    service = StandInVeraison()
    service.claims = {"eat_nonce": value}
    appraiser(service).appraise(PRESENTED)


def test_the_policy_says_what_is_required() -> None:
    service = StandInVeraison()
    required = ("CCA_SSD_PLATFORM", "CCA_REALM")
    refused(service, '"CCA_REALM" is warning', error=AppraisalFailed, required_submods=required)
    both = appraiser(service, required_submods=("CCA_SSD_PLATFORM", "CCA_REALM"), worst_status="warning")
    assert both.appraise(PRESENTED)
    service.claims = {"submods": {"CCA_SSD_PLATFORM": {"ear.status": "none"}}}
    assert appraiser(service, worst_status="none").appraise(PRESENTED)


def test_names_in_a_result_cannot_forge_lines_of_a_log() -> None:
    service = StandInVeraison()
    service.claims = {
        "submods": {"CCA_SSD_PLATFORM": {"ear.status": 2}, "X\nrealm=\x1b[1m" + "a" * 99: {"ear.status": 2}}
    }
    reason = appraiser(service).appraise(PRESENTED).reason
    assert reason.isprintable()
    assert len(reason) < 150


def test_only_a_result_about_the_platform_authenticates_it() -> None:
    service = StandInVeraison()
    assert appraiser(service).authenticates_platform
    assert not appraiser(service, required_submods=("CCA_REALM",)).authenticates_platform
    assert not appraiser(service, worst_status="none").authenticates_platform


def test_another_key_or_algorithm_does_not_sign_results() -> None:
    refused(StandInVeraison(platform_key("P-384")), "signed with ES384, which does not fit the configured key")
    other = type(platform_key("P-256")).generate("P-256")
    refused(StandInVeraison(other), "a key other than the configured one; check the key of the service")


def test_es512_is_not_for_results() -> None:
    service = StandInVeraison(platform_key("P-521"))
    known = dataclasses.replace(appraiser(service), keys=FileKeys((platform_key("P-521").public,)))
    with pytest.raises(VeraisonFailed, match="not signed with ES256 or ES384"):
        known.appraise(PRESENTED)


def test_a_p384_key_signs_with_es384() -> None:
    service = StandInVeraison(platform_key("P-384"))
    known = dataclasses.replace(appraiser(service), keys=FileKeys((platform_key("P-384").public,)))
    assert known.appraise(PRESENTED)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({}, "not signed with ES256 or ES384"),
        ({"alg": "none"}, "not signed with ES256 or"),
        ({"alg": "HS256"}, "not signed with ES256 or"),
        ({"alg": "RS256"}, "not signed with ES256 or"),
        ({"alg": "es256"}, "not signed with ES256 or"),
        ({"alg": "ES384"}, "does not fit the configured key"),
        ({"alg": ["ES256"]}, "not signed with ES256 or"),
        ({"alg": "ES256", "crit": ["exp"]}, "critical parameters"),
        ({"alg": "ES256", "b64": False}, "critical parameters"),
    ],
)
def test_headers_of_results_that_are_refused(header: dict[str, t.Any], reason: str) -> None:
    service = StandInVeraison()
    service.header = header
    refused(service, reason)
    service.header = {"alg": "ES256", "kid": "any", "jwk": public_jwk(platform_key("P-384"))}
    assert appraiser(service).appraise(PRESENTED)


CLAIMS = {"iat": NOW}


@pytest.mark.parametrize(
    "result",
    [
        None,
        1,
        "",
        "a.b",
        "a.b.c.d",
        "é.é.é",
        "!.!.!",
        jws([], platform_key("P-256")),
        jws(CLAIMS, platform_key("P-256")).rpartition(".")[0] + ".",
        jws(CLAIMS, platform_key("P-256")) + "==",
        jws(CLAIMS, platform_key("P-521")),
        "a" * 300000,
    ],
)
def test_an_invalid_result_is_refused(result: object) -> None:
    service = StandInVeraison()
    service.result = result
    refused(service, "Having the attestation verified by Veraison failed: ")


def test_a_recorded_result_is_refused_for_another_token() -> None:
    recorded = StandInVeraison()
    appraiser(recorded).appraise(PRESENTED)
    service = StandInVeraison()
    service.result = recorded._result()
    other = PresentedToken(PRESENTED.token, TOKEN, bytes(64))
    with pytest.raises(VeraisonFailed, match="for another challenge"):
        appraiser(service).appraise(other)


@pytest.mark.parametrize("status", [200, 202, 204, 301, 302, 400, 401, 404, 429, 500, 503])
def test_statuses_are_looked_at(status: int) -> None:
    for what in ("NEW", "POST"):
        service = StandInVeraison()
        service.statuses = {what: status}
        if status in (200, 202) and (what, status) != ("NEW", 202):
            assert appraiser(service).appraise(PRESENTED)
        else:
            assert refused(service, f"answered a POST with status {status}").fields == {"status": status}
    service = StandInVeraison()
    service.statuses = {"DELETE": status}
    warnings = appraiser(service).appraise(PRESENTED).warnings
    assert len(warnings) == (0 if status in (200, 202, 204, 404) else 1)


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/challenge-response/v1/session/1",
        "//evil.example/session/1",
        "http://veraison.example:8443/challenge-response/v1/session/1",
        "https://veraison.example/challenge-response/v1/session/1",
        "https://user@veraison.example:8443/session/1",
        "session/1?x=y",
        "session/1#x",
        "session/%2e%2e/1",
        "https://veraison.example:8443/a/../b",
        "session/1\r\nX: y",
        "session/é",
        "\\\\evil.example\\x",
        "https://[",
        "javascript:alert(1)",
    ],
)
def test_the_location_stays_at_the_service(location: str) -> None:
    service = StandInVeraison()
    service.location = location
    refused(service, "the Location of its session")
    assert len(service.requests) == 1


def test_the_location_may_be_absolute_and_stays_below_a_path() -> None:
    url = ServiceUrl.parse("https://veraison.example/below/")
    base = url.api("challenge-response/v1/newSession")
    assert url.resolve(base, "/below/x") == "https://veraison.example/below/x"
    assert url.resolve(base, "https://VERAISON.example:443/below/x").endswith("/below/x")
    for out in ("/x", "/belowx", "../../../x"):
        with pytest.raises(VeraisonFailed, match="leads out of the service"):
            url.resolve(base, out)


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        ({"nonce": nonce(bytes(64))}, "for another challenge"),
        ({"nonce": 1}, "for another challenge"),
        ({"status": "complete"}, "does not wait for a token"),
        ({"accept": "x"}, "does not list the media types"),
        ({"accept": []}, "does not accept CCA tokens of this profile"),
        ({"accept": [1, "text/plain", 'application/eat-collection; profile="other"']}, "does not accept CCA tokens"),
    ],
)
def test_invalid_sessions_are_refused(session: dict[str, t.Any], reason: str) -> None:
    service = StandInVeraison()
    service.session = session
    refused(service, reason)
    assert service.requests[-1] == ("DELETE", f"{URL}/challenge-response/v1/session/1234")


def test_no_location_no_session() -> None:
    service = StandInVeraison()
    service.location = None
    refused(service, "without a Location header")


def test_a_service_that_fails_closes() -> None:
    def down(method: str, url: str, **dummy: object) -> HttpAnswer:
        raise ear.veraison_error("it cannot be reached")

    refused(down, "cannot be reached")
    service = StandInVeraison()
    service.polls = ["failed"]
    refused(service, "could not verify the token")
    service = StandInVeraison()
    service.polls = ["odd"]
    refused(service, "unknown state")
    service = StandInVeraison()
    service.result = 7
    refused(service, "complete but has no result")
    refused(lambda *dummy, **dummies: HttpAnswer(201, {"location": "session/1"}, b"<html>"), "not a JSON object")


def test_the_media_type_follows_the_token_and_what_is_accepted() -> None:
    new, old = "tag:arm.com,2023:cca_platform#1.0.0", "http://arm.com/CCA-SSD/1.0.0"
    assert media_type([OLD, NEW], new) == NEW
    assert media_type([OLD, NEW], old) == OLD
    assert media_type([OLD], new) == OLD
    with pytest.raises(VeraisonFailed, match="configure the service for Arm CCA"):
        media_type([NEW], old)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "veraison.example",
        "ftp://veraison.example",
        "https://",
        "https://user:secret@veraison.example",
        "https://veraison.example/?a=b",
        "https://veraison.example/#a",
        "https://veraison.example:x",
        "https://veraison.example:0",
        "https://verai son.example",
        "https://veraison.example\n",
        "http://veraison.example",
        "http://127.0.0.1.evil.example",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="The address of the Veraison service cannot be used") as caught:
        ServiceUrl.parse(url)
    assert "secret" not in caught.value.message


def test_http_is_for_the_loopback_interface_or_by_choice() -> None:
    for url in ("http://127.0.0.1:8080", "http://[::1]", "http://localhost/"):
        assert ServiceUrl.parse(url).url == url.rstrip("/")
    assert ServiceUrl.parse("http://veraison.example", allow_http=True)


def fetch(service: t.Any, *pins: str) -> t.Any:
    return fetch_keys(ServiceUrl.parse(URL), service, pins=pins or (PIN,), timeout=5)


PIN = thumbprint(platform_key("P-256").public)


def test_the_key_of_the_service_is_pinned() -> None:
    service, key = StandInVeraison(), platform_key("P-256")
    assert fetch(service) == (key.public,)
    assert service.requests == [("GET", f"{URL}/.well-known/veraison/verification")]
    service.keys = {"keys": [{"kty": "RSA"}, public_jwk(platform_key("P-384")), public_jwk(key)]}
    assert fetch(service) == (key.public,)
    assert len(fetch(service, PIN, thumbprint(platform_key("P-384").public))) == 2
    service.keys = {"ear-verification-key": public_jwk(platform_key("P-384"))}
    with pytest.raises(VeraisonFailed, match="none of its keys matches a pin"):
        fetch(service)
    for keys in ({}, {"keys": 1}, {"ear-verification-key": 1}):
        service.keys = keys
        with pytest.raises(VeraisonFailed, match="none of its keys"):
            fetch(service)
    service.keys = b"<html>"
    with pytest.raises(VeraisonFailed, match="not a JSON object"):
        fetch(service)
    service.statuses = {"KEYS": 302}
    with pytest.raises(VeraisonFailed, match="answered status 302"):
        fetch(service)


def pinning(service: t.Any, waits: list[float], *pins: str) -> VeraisonAppraiser:
    clock = Clock(lambda: NOW + sum(waits), lambda: sum(waits), waits.append)
    return dataclasses.replace(appraiser(service), keys=PinnedKeys(pins), clock=clock)


def test_a_pinned_key_is_fetched_when_it_is_needed_and_once() -> None:
    service = StandInVeraison()
    pinned = pinning(service, [], PIN)
    assert service.requests == []
    assert pinned.appraise(PRESENTED)
    assert pinned.appraise(PRESENTED)
    assert service.methods == ["GET", "POST", "POST", "DELETE", "POST", "POST", "DELETE"]


def test_without_the_pinned_key_no_token_is_sent_and_the_service_is_left_alone_for_a_while() -> None:
    service, waits = StandInVeraison(), [0.0]
    service.keys = {}
    pinned = pinning(service, waits, PIN)
    for dummy in range(3):
        with pytest.raises(VeraisonFailed, match="none of its keys matches a pin"):
            pinned.appraise(PRESENTED)
    assert service.methods == ["GET"]
    service.keys = {"keys": [public_jwk(service.key)]}
    waits.append(FETCH_INTERVAL)
    assert pinned.appraise(PRESENTED)


def test_waiting_for_the_key_that_another_thread_fetches_is_bounded() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Stuck(StandInVeraison):
        def __call__(self, *args: t.Any, **options: t.Any) -> HttpAnswer:
            entered.set()
            assert leave.wait(60)
            return super().__call__(*args, **options)

    pinned = dataclasses.replace(appraiser(Stuck()), keys=PinnedKeys([PIN]), clock=Clock(lambda: NOW))
    first = threading.Thread(target=pinned.appraise, args=(PRESENTED,))
    first.start()
    assert entered.wait(60)
    with pytest.raises(VeraisonFailed, match="its keys could not be fetched in time"):
        dataclasses.replace(pinned, timeout=0.05).appraise(PRESENTED)
    leave.set()
    first.join()
    assert pinned.appraise(PRESENTED)


def test_a_key_that_was_pinned_beforehand_is_found_when_the_service_begins_to_use_it() -> None:
    old, new = platform_key("P-256"), type(platform_key("P-256")).generate("P-256")
    service, waits = StandInVeraison(old), [0.0]
    pinned = pinning(service, waits, thumbprint(old.public), thumbprint(new.public))
    assert pinned.appraise(PRESENTED)
    service.key, service.keys = new, {"ear-verification-key": public_jwk(new)}
    with pytest.raises(VeraisonFailed, match="a key other than the configured one"):
        pinned.appraise(PRESENTED)
    waits.append(FETCH_INTERVAL)
    assert pinned.appraise(PRESENTED)
    service.key = old
    with pytest.raises(VeraisonFailed, match="a key other than the configured one"):
        pinned.appraise(PRESENTED)
    assert service.methods.count("GET") == 2


def check(data: str) -> None:
    verify_ear(data, [platform_key("P-256").public], realm_challenge=CHALLENGE, policy=EarPolicy(), now=NOW)


@given(st.text(max_size=80) | st.lists(st.text("AQab_-", max_size=20), min_size=3, max_size=3).map(".".join))
def test_reading_results_is_total(data: str) -> None:
    with pytest.raises(VeraisonFailed):
        check(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["exp", "iat", "eat_nonce", "eat_profile", "submods"]), JSON, min_size=1))
def test_any_signed_claims_give_the_typed_error_or_pass(claims: dict[str, t.Any]) -> None:
    service = StandInVeraison()
    service.claims = claims
    try:
        verdict = appraiser(service).appraise(PRESENTED)
    except VeraisonFailed:
        return
    assert "CCA_SSD_PLATFORM affirming" in verdict.reason


GOOD = StandInVeraison()
GOOD._nonce = nonce(CHALLENGE)
RESULT = GOOD._result()


@given(st.integers(0, len(RESULT) - 1), st.sampled_from("ABab09_-.="))
def test_no_changed_character_goes_unnoticed(at: int, char: str) -> None:
    check(RESULT)
    if RESULT[at] != char:
        with pytest.raises(VeraisonFailed):
            check(RESULT[:at] + char + RESULT[at + 1 :])


@given(st.text(max_size=100))
def test_the_nonce_is_compared_whatever_it_is(text: str) -> None:
    assert not ear.is_nonce(text, CHALLENGE)
