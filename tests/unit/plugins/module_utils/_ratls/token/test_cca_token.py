# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CCA tokens (draft-ffm-rats-cca-token) are parsed with all claims, and both signatures and their binding verified."""

from __future__ import annotations

import hashlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import TokenInvalid, TokenUntrusted
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence import signing
from ansible_collections.attested.registry.plugins.module_utils._ratls.token import cbor
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cbor import TaggedValue, encode
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cca_token import (
    MAX_TOKEN,
    PLATFORM_TOKEN,
    REALM_TOKEN,
    parse_token,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cose import to_be_signed
from ansible_collections.attested.registry.tests.support.attestation import cbor_oracle, ratls_tokens
from ansible_collections.attested.registry.tests.support.attestation.ratls_tokens import (
    COMPONENT,
    PLATFORM,
    REALM,
    platform_key,
    realm_key,
    token,
)
from hypothesis import given
from hypothesis import strategies as st

PROFILES: tuple[signing.TokenProfile, ...] = ("old", "new")
CURVES = ("P-256", "P-384", "P-521")
ANY_TYPE: tuple[t.Any, ...] = (b"bytes", "text", 1, True, None, (), {})


TYPED = [
    *(("platform", label) for label in (10, 265, *PLATFORM)),
    *(("realm", label) for label in (10, 265, *range(44235, 44241))),
]


def check(data: bytes) -> None:
    parsed = parse_token(data)
    parsed.verify_realm()
    parsed.verify_platform([platform_key().public])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("curve", CURVES)
def test_a_token_of_each_profile_and_curve_is_read_and_verified(profile: t.Any, curve: str) -> None:
    data = token(profile=profile, key=realm_key(curve), signer=platform_key(curve))
    parsed = parse_token(data)
    parsed.verify_realm()
    parsed.verify_platform([platform_key(curve).public])
    assert parsed.digest == "sha256:" + hashlib.sha256(data).hexdigest()
    assert parsed.realm_key() == realm_key(curve).public


def test_every_claim_is_read() -> None:
    parsed = parse_token(token())
    realm, platform = parsed.realm, parsed.platform
    assert (realm.challenge, realm.profile) == (ratls_tokens.CHALLENGE, "tag:arm.com,2023:realm#1.0.0")
    assert (realm.personalization_value, realm.hash_algorithm) == (ratls_tokens.RPV, "sha-256")
    assert (realm.initial_measurement, realm.extensible_measurements) == (ratls_tokens.RIM, ratls_tokens.REMS)
    assert realm.public_key_hash_algorithm == "sha-256"
    assert platform.challenge == hashlib.sha256(realm.public_key).digest()
    assert (platform.instance_id, platform.implementation_id) == (
        ratls_tokens.INSTANCE_ID,
        ratls_tokens.IMPLEMENTATION_ID,
    )
    assert (platform.profile, platform.lifecycle, platform.lifecycle_state) == (
        "tag:arm.com,2023:cca_platform#1.0.0",
        0x3003,
        "secured",
    )
    (component,) = platform.software_components
    assert (component.type, component.version, component.hash_algorithm) == ("BL", "1.2.3", "sha-256")
    assert (component.measurement, component.signer_id) == (b"\x44" * 32, ratls_tokens.SIGNER)
    assert (platform.config, platform.hash_algorithm) == (b"\x01\x02", "sha-256")
    assert platform.verification_service == PLATFORM[2400]


def test_the_order_of_the_halves_and_of_the_claims_does_not_matter() -> None:
    parsed = cbor.decode(token())
    assert isinstance(parsed, TaggedValue)
    assert isinstance(parsed.value, dict)
    turned = encode(
        TaggedValue(399, {REALM_TOKEN: parsed.value[REALM_TOKEN], PLATFORM_TOKEN: parsed.value[PLATFORM_TOKEN]})
    )
    assert turned != token()
    check(turned)
    reverse = {label: REALM[label] for label in reversed(REALM)}
    check(signing.sign_token(PLATFORM, reverse, platform_key=platform_key(), realm_key=realm_key()))


def test_unknown_claims_are_ignored_and_named() -> None:
    parsed = parse_token(token(realm={99999: (1, {}), "new": None}, platform={77: True}))
    assert parsed.realm.unknown == ("99999", "new")
    assert parsed.platform.unknown == ("77",)
    check(token(platform={2399: ({**COMPONENT, 9: "?"},)}))
    (shown,) = parse_token(token(realm={"\x1b[2J\n" + 999 * "x": 1})).realm.unknown
    assert shown.isprintable()
    assert len(shown) < 300


def resigned(half: str, change: t.Callable[[dict[t.Any, t.Any]], bytes]) -> bytes:
    """A token in which one half has other claims, its signature being right all the same."""
    good = parse_token(token())
    halves = {"platform": good.platform_token.payload, "realm": good.realm_token.payload}
    claims = cbor.decode(halves[half])
    assert isinstance(claims, dict)
    halves[half] = change(claims)
    return signing.collection(
        signing.sign1(halves["platform"], platform_key()), signing.sign1(halves["realm"], realm_key())
    )


@pytest.mark.parametrize(("half", "label"), TYPED)
def test_each_mandatory_claim_has_to_be_there(half: str, label: int) -> None:
    data = resigned(half, lambda claims: encode({key: claims[key] for key in claims if key != label}))
    if (half, label) in (("platform", 2400), ("realm", 265)):
        check(data)
        return
    with pytest.raises(TokenInvalid, match=rf"in the {half} token, the claim {label} \(.*\) is missing") as caught:
        parse_token(data)
    assert caught.value.as_result() == {"kind": "token_invalid", "claim": label}


@pytest.mark.parametrize("label", [1, 2, 5])
def test_each_mandatory_part_of_a_component_has_to_be_there(label: int) -> None:
    parts = {key: value for key, value in COMPONENT.items() if key != label}
    with pytest.raises(TokenInvalid, match=rf"software component 1 .* the claim {label} .* is missing"):
        parse_token(token(platform={2399: (COMPONENT, parts)}))


def test_optional_claims_may_be_absent() -> None:
    parts = {key: value for key, value in COMPONENT.items() if key not in (4, 6)}
    parsed = parse_token(token(platform={2399: (parts,)}, without=[2400]))
    assert parsed.platform.verification_service is None
    assert parsed.platform.software_components[0].version is None


@pytest.mark.parametrize(("half", "label"), TYPED)
def test_each_claim_has_to_be_of_its_type(half: str, label: int) -> None:
    filled = {265: "", 44237: b"", 44240: ""}
    right: t.Any = {**PLATFORM, **REALM, **filled}[label]
    for wrong in [value for value in ANY_TYPE if type(value) is not type(right)]:
        with pytest.raises(TokenInvalid, match=f"the claim {label} "):
            parse_token(token(**{half: {label: wrong}}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("half", "claims"),
    [
        ("realm", {10: bytes(63)}),
        ("realm", {10: bytes(65)}),
        ("realm", {265: "tag:arm.com,2023:realm#2.0.0"}),
        ("realm", {44235: bytes(32)}),
        ("realm", {44236: "sha-1"}),
        ("realm", {44236: "SHA-256"}),
        ("realm", {44236: "sha-256\n"}),
        ("realm", {44238: bytes(31)}),
        ("realm", {44238: b""}),
        ("realm", {44239: ()}),
        ("realm", {44239: (bytes(32),) * 3}),
        ("realm", {44239: (bytes(32),) * 5}),
        ("realm", {44239: (*(bytes(32),) * 4, "one more")}),
        ("realm", {44239: (bytes(32), bytes(32), bytes(32), "x" * 32)}),
        ("realm", {44239: (bytes(32), bytes(32), bytes(32), bytes(33))}),
        ("realm", {44240: "md5"}),
        ("platform", {10: bytes(20)}),
        ("platform", {256: bytes(33)}),
        ("platform", {256: b"\x01" + bytes(31)}),
        ("platform", {265: "PSA_IOT_PROFILE_1"}),
        ("platform", {265: ""}),
        ("platform", {2395: 0x10000}),
        ("platform", {2395: -1}),
        ("platform", {2396: bytes(33)}),
        ("platform", {2399: ()}),
        ("platform", {2399: (COMPONENT,) * 33}),
        ("platform", {2399: (1,)}),
        ("platform", {2399: ({**COMPONENT, 1: ""},)}),
        ("platform", {2399: ({**COMPONENT, 2: "x"},)}),
        ("platform", {2399: ({**COMPONENT, 2: b"x"},)}),
        ("platform", {2399: ({**COMPONENT, 4: 1},)}),
        ("platform", {2399: ({**COMPONENT, 4: "1\x1b[0m"},)}),
        ("platform", {2399: ({**COMPONENT, 4: "1" * 513},)}),
        ("platform", {2399: ({**COMPONENT, 5: b"x"},)}),
        ("platform", {2399: ({**COMPONENT, 6: b"x"},)}),
        ("platform", {2400: b"x"}),
        ("platform", {2402: 1}),
    ],
)
def test_claims_of_the_right_type_that_are_wrong(half: str, claims: dict[int, object]) -> None:
    with pytest.raises(TokenInvalid):
        parse_token(token(**{half: claims}))  # type: ignore[arg-type]


def test_as_many_components_as_there_may_be() -> None:
    parsed = parse_token(token(platform={2399: (COMPONENT,) * 32}))
    assert len(parsed.platform.software_components) == 32


def doubled(claims: t.Mapping[t.Any, t.Any], label: int) -> bytes:
    """The claims with one of them twice, the same both times."""
    pairs = b"".join(encode(key) + encode(value) for key, value in claims.items())
    return cbor_oracle.head(5, len(claims) + 1) + pairs + encode(label) + encode(claims[label])


@pytest.mark.parametrize(("half", "label"), TYPED)
def test_no_claim_may_be_there_twice(half: str, label: int) -> None:
    data = resigned(half, lambda claims: doubled(claims, label))
    with pytest.raises(TokenInvalid, match=f"in the {half} token, a key occurs more than once in a map"):
        parse_token(data)


GOOD = parse_token(token())
PLATFORM_SIGNED, REALM_SIGNED = (
    encode(TaggedValue(18, (part.protected, {}, part.payload, part.signature)))
    for part in (GOOD.platform_token, GOOD.realm_token)
)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        PLATFORM_SIGNED,
        encode({PLATFORM_TOKEN: PLATFORM_SIGNED, REALM_TOKEN: REALM_SIGNED}),
        encode(TaggedValue(398, {PLATFORM_TOKEN: PLATFORM_SIGNED, REALM_TOKEN: REALM_SIGNED})),
        encode(TaggedValue(18, {PLATFORM_TOKEN: PLATFORM_SIGNED, REALM_TOKEN: REALM_SIGNED})),
        encode(TaggedValue(399, TaggedValue(399, {PLATFORM_TOKEN: PLATFORM_SIGNED, REALM_TOKEN: REALM_SIGNED}))),
        encode(TaggedValue(399, (PLATFORM_SIGNED, REALM_SIGNED))),
        encode(TaggedValue(399, {PLATFORM_TOKEN: PLATFORM_SIGNED})),
        encode(TaggedValue(399, {REALM_TOKEN: REALM_SIGNED})),
        encode(TaggedValue(399, {PLATFORM_TOKEN: PLATFORM_SIGNED, REALM_TOKEN: REALM_SIGNED, 1: b""})),
        encode(TaggedValue(399, {PLATFORM_TOKEN: PLATFORM_SIGNED, REALM_TOKEN: "text"})),
        encode(TaggedValue(399, {PLATFORM_TOKEN: None, REALM_TOKEN: REALM_SIGNED})),
        signing.collection(PLATFORM_SIGNED, REALM_SIGNED) + b"\x00",
        b"\xd9\x01\x8f\xa3" + encode(PLATFORM_TOKEN) + encode(PLATFORM_SIGNED) + token()[4:],
    ],
)
def test_invalid_collections_are_refused(value: bytes) -> None:
    with pytest.raises(TokenInvalid, match="in the collection of tokens"):
        parse_token(value)


def test_the_size_is_bounded_before_anything_is_read() -> None:
    with pytest.raises(TokenInvalid, match="has 16385 bytes, and 16384 is the limit"):
        parse_token(bytes(MAX_TOKEN + 1))


def part(
    *,
    protected: object = GOOD.realm_token.protected,
    unprotected: object = None,
    payload: object = GOOD.realm_token.payload,
) -> tuple[t.Any, ...]:
    return protected, {} if unprotected is None else unprotected, payload, GOOD.realm_token.signature


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (part(), "no COSE_Sign1 tag"),
        (TaggedValue(399, part()), "no COSE_Sign1 tag"),
        (TaggedValue(17, part()), "the tag 17 cannot be in a token"),
        (TaggedValue(18, part()[:3]), "array of the four parts"),
        (TaggedValue(18, {}), "array of the four parts"),
        (TaggedValue(18, part(unprotected={1: -35})), "unprotected header is not an empty map"),
        (TaggedValue(18, part(unprotected=())), "unprotected header is not an empty map"),
        (TaggedValue(18, part(payload=None)), "not byte strings"),
        (TaggedValue(18, part(protected={1: -35})), "not byte strings"),
        (TaggedValue(18, part(protected=b"")), "ends before"),
        (TaggedValue(18, part(protected=encode(()))), "the protected header is not a map"),
        (TaggedValue(18, part(protected=encode({}))), "algorithm is not ES256, ES384"),
        (TaggedValue(18, part(protected=encode({1: -37}))), "algorithm is not ES256, ES384"),
        (TaggedValue(18, part(protected=encode({1: "ES384"}))), "algorithm is not ES256, ES384"),
        (TaggedValue(18, part(protected=encode({1: -35, 2: (3,), 3: 0}))), "critical parameters"),
        (TaggedValue(18, part(protected=encode({1: -7}))), "signature has 96 bytes, but ES256 needs 64"),
        (TaggedValue(18, part(protected=encode({1: -36}))), "signature has 96 bytes, but ES512 needs 132"),
        (TaggedValue(18, part(payload=encode((1, 2)))), "payload is not a map of claims"),
        (TaggedValue(18, part(payload=b"\xa1")), "ends before"),
    ],
)
def test_halves_other_than_cose_sign1_are_refused(signed: t.Any, reason: str) -> None:
    with pytest.raises(TokenInvalid, match=reason):
        parse_token(signing.collection(PLATFORM_SIGNED, encode(signed)))


def test_the_realm_signature_has_to_be_of_the_key_in_the_token() -> None:
    public = signing.cose_key(platform_key().public)
    data = token(realm={44237: public}, platform={10: hashlib.sha256(public).digest()})
    with pytest.raises(TokenUntrusted, match="not signed with the key that it holds") as caught:
        parse_token(data).verify_realm()
    assert caught.value.fields == {"check": "realm_signature"}


def test_an_algorithm_of_another_curve_is_refused() -> None:
    """The key is on P-256, the signature claims ES384 and has the size for it."""
    small = signing.cose_key(realm_key("P-256").public)
    data = token(realm={44237: small}, platform={10: hashlib.sha256(small).digest()})
    with pytest.raises(TokenUntrusted, match="not signed with the key that it holds"):
        parse_token(data).verify_realm()


def test_the_platform_has_to_vouch_for_the_realm_key() -> None:
    with pytest.raises(TokenUntrusted, match="the platform token was made for another realm key") as caught:
        parse_token(token(platform={10: bytes(32)})).verify_realm()
    assert caught.value.fields == {"check": "key_binding"}


def test_halves_of_two_tokens_do_not_fit() -> None:
    other = parse_token(token(key=realm_key("P-256")))
    other_realm = encode(
        TaggedValue(18, (other.realm_token.protected, {}, other.realm_token.payload, other.realm_token.signature))
    )
    with pytest.raises(TokenUntrusted, match="made for another realm key"):
        parse_token(signing.collection(PLATFORM_SIGNED, other_realm)).verify_realm()


def test_the_halves_cannot_take_each_others_place() -> None:
    with pytest.raises(TokenInvalid, match="the claim"):
        parse_token(signing.collection(REALM_SIGNED, PLATFORM_SIGNED))


@pytest.mark.parametrize("name", ["sha-256", "sha-384", "sha-512"])
def test_the_binding_uses_the_hash_that_the_token_names(name: str) -> None:
    public = signing.cose_key(realm_key().public)
    value = hashlib.new(name.replace("-", ""), public).digest()
    check(token(realm={44240: name}, platform={10: value}))
    other = "sha-512" if name != "sha-512" else "sha-256"
    with pytest.raises(TokenUntrusted, match="another realm key"):
        parse_token(token(realm={44240: other}, platform={10: value})).verify_realm()


def test_the_form_of_the_key_follows_the_profile() -> None:
    point = realm_key().public.point
    with pytest.raises(TokenInvalid, match="is not a key"):
        parse_token(token(realm={44237: point}, platform={10: hashlib.sha256(point).digest()})).verify_realm()
    old_with_cose = token(profile="old", realm={44237: signing.cose_key(realm_key().public)})
    with pytest.raises(TokenInvalid, match="is not a key"):
        parse_token(old_with_cose).verify_realm()


def test_a_realm_of_the_new_profile_has_a_cose_key_on_an_old_platform() -> None:
    check(token(platform={265: "http://arm.com/CCA-SSD/1.0.0"}))
    point = realm_key().public.point
    claims = {44237: point}
    with pytest.raises(TokenInvalid, match="is not a key"):
        parse_token(token(realm=claims, platform={265: "http://arm.com/CCA-SSD/1.0.0"})).verify_realm()


def test_a_platform_of_the_new_profile_has_a_cose_key_without_a_realm_profile() -> None:
    public = signing.cose_key(realm_key().public)
    claims = {44237: public}
    data = token(
        profile="old",
        realm=claims,
        platform={10: hashlib.sha256(public).digest(), 265: "tag:arm.com,2023:cca_platform#1.0.0"},
    )
    check(data)


def test_the_platform_signature_needs_a_key_that_is_trusted() -> None:
    parsed = parse_token(token())
    for keys in ([], [realm_key().public], [platform_key("P-256").public]):
        with pytest.raises(TokenUntrusted, match="not signed with a key that is trusted") as caught:
            parsed.verify_platform(keys)
        assert caught.value.fields == {"check": "platform_signature"}
    parsed.verify_platform([platform_key("P-256").public, platform_key().public])


def test_the_signature_covers_the_protected_header() -> None:
    protected = encode({1: -35, 4: b"another header"})
    signed = encode(TaggedValue(18, (protected, {}, GOOD.realm_token.payload, GOOD.realm_token.signature)))
    with pytest.raises(TokenUntrusted):
        parse_token(signing.collection(PLATFORM_SIGNED, signed)).verify_realm()
    resigned = realm_key().sign(to_be_signed(protected, GOOD.realm_token.payload))
    check(
        signing.collection(
            PLATFORM_SIGNED, encode(TaggedValue(18, (protected, {}, GOOD.realm_token.payload, resigned)))
        )
    )


@given(st.binary(max_size=300))
def test_parsing_is_total(data: bytes) -> None:
    with pytest.raises(TokenInvalid):
        parse_token(data)
    with pytest.raises(TokenInvalid):
        parse_token(b"\xd9\x01\x8f\xa2" + data)


WHOLE = token()


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(at: int, change: int) -> None:
    data = bytearray(WHOLE)
    data[at] ^= change
    with pytest.raises((TokenInvalid, TokenUntrusted)):
        check(bytes(data))


ANYTHING = st.none() | st.integers(-9, 9) | st.binary(max_size=70) | st.text(max_size=9) | st.tuples(st.binary())


@given(st.dictionaries(st.sampled_from([10, 265, 44237, 44240, *PLATFORM, *REALM]), ANYTHING, max_size=3))
def test_any_claims_give_a_typed_error_or_a_token(claims: dict[t.Any, t.Any]) -> None:
    for half in ("platform", "realm"):
        message = ""
        try:
            check(token(**{half: claims}))  # type: ignore[arg-type]
        except (TokenInvalid, TokenUntrusted) as exc:
            message = exc.message
        assert message.isprintable()
