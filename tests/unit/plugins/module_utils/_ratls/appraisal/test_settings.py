# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust anchors, reference values and policies are read strictly, and each rule accepts and refuses as documented."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal import settings
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.appraisal import Attestation
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.reference_values import (
    parse_reference_file,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.trust_anchors import (
    TrustAnchor,
    TrustAnchors,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.version import parse_version
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import (
    ConfigurationInvalid,
    TokenUntrusted,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cca_token import parse_token
from ansible_collections.attested.registry.tests.support.attestation import ratls_tokens
from ansible_collections.attested.registry.tests.support.attestation.ratls_tokens import COMPONENT, platform_key, token
from hypothesis import given
from hypothesis import strategies as st

RIM, SIGNER = ratls_tokens.RIM.hex(), ratls_tokens.SIGNER.hex()
ZEROS = ["00" * 32] * 4
REFERENCE = {
    "version": "1",
    "realm": {"uuid": "x", "reference-values": {"rim": RIM, "rems": [ZEROS], "hash-algo": "sha-256"}},
}


def reference(**changes: t.Any) -> bytes:
    document = copy.deepcopy(REFERENCE)
    values = t.cast("dict[str, t.Any]", document["realm"])["reference-values"]
    for name, value in changes.items():
        values[name.replace("_", "-")] = value
    return json.dumps(document).encode()


def test_a_reference_file_is_read_and_matches() -> None:
    read = parse_reference_file(reference(), what="ref.json")
    realm = parse_token(token()).realm
    assert read.matches(realm)
    for changes in (
        {44238: b"\x12" * 32},
        {44236: "sha-512"},
        {44239: (*ratls_tokens.REMS[:3], b"\x01" * 32)},
        {44239: (b"\x01" * 32, *ratls_tokens.REMS[:3])},
    ):
        assert not read.matches(parse_token(token(realm=changes)).realm)


def test_one_set_of_extensible_measurements_has_to_match_as_a_whole() -> None:
    sets = [["11" * 32] * 4, ZEROS[:3] + ["22" * 32]]
    read = parse_reference_file(reference(rems=sets), what="ref.json")
    assert not read.matches(parse_token(token()).realm)
    assert read.matches(parse_token(token(realm={44239: (bytes(32),) * 3 + (b"\x22" * 32,)})).realm)
    assert not read.matches(parse_token(token(realm={44239: (b"\x11" * 32,) * 3 + (b"\x22" * 32,)})).realm)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"realm": 1}', "has no realm.reference-values"),
        (b'{"realm": {}, "realm": {}}', "twice"),
        (reference(rim=None), "rim is null, not text"),
        (reference(rim="xyz"), "rim is not 32 or 48 or 64 bytes in hexadecimal"),
        (reference(rim=RIM[:-2]), "rim is not 32"),
        (reference(rim=RIM[:-1]), "rim is not 32"),
        (reference(rim="11" * 48), "size does not fit sha-256"),
        (reference(rems=[]), "rems is not a list of 1 to"),
        (reference(rems="x"), "rems is not a list"),
        (reference(rems=[ZEROS[:3]]), r"rems\[0\] is not a list of the 4 measurements"),
        (reference(rems=[ZEROS, [*ZEROS[:3], "00"]]), r"rems\[1\]\[3\] is not 32"),
        (reference(hash_algo="sha-1"), "hash-algo is not one of sha-256, sha-384, sha-512"),
        (reference(hash_algo="sha-384"), "size does not fit sha-384"),
        (reference(hash_algo=1), "hash-algo is not one of"),
    ],
)
def test_reference_files_that_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=reason):
        parse_reference_file(data, what="ref.json")


@pytest.mark.parametrize("name", ["rim", "rems", "hash-algo"])
def test_reference_files_without_a_part(name: str) -> None:
    values = t.cast("t.Any", REFERENCE)["realm"]["reference-values"]
    rest = {key: value for key, value in values.items() if key != name}
    with pytest.raises(ConfigurationInvalid, match=f"has no {name}"):
        parse_reference_file(json.dumps({"realm": {"reference-values": rest}}).encode(), what="ref.json")


FILES = {
    "ref.json": reference(),
    "cpak.pem": platform_key().public_pem(),
    "other.pem": platform_key("P-256").public_pem(),
}


def read_file(path: str) -> bytes:
    return FILES[path]


def attestation(*, authenticated: bool = True, **changes: t.Any) -> Attestation:
    return Attestation(parse_token(token(**changes)), (), authenticated, ())


def may_see(policy: dict[str, t.Any], attested: Attestation | None = None, repository: str = "team/app") -> bool:
    value = [{"repositories": ["team/*"], "realms": [{"rim": RIM}], **policy}]
    return settings.read_policies(value, read_file=read_file).may_see(attested or attestation(), repository)


def test_a_policy_is_for_its_repositories() -> None:
    assert may_see({})
    assert may_see({}, repository="team/below/app")
    assert not may_see({}, repository="other/app")
    assert not may_see({}, repository="Team/app")
    assert not may_see({"repositories": ["team/app?"]})


def test_a_realm_may_see_what_one_of_the_policies_lets_it_see() -> None:
    value = [
        {"repositories": ["a"], "realms": [{"rim": "99" * 32}]},
        {"repositories": ["a", "b"], "reference_values": ["ref.json"]},
        {"repositories": ["c"], "realms": [{"rim": "99" * 32}]},
    ]
    policies = settings.read_policies(value, read_file=read_file)
    assert [policies.may_see(attestation(), name) for name in "abcd"] == [True, True, False, False]


OTHER = "ee" * 32
RULES: list[tuple[dict[str, t.Any], dict[str, t.Any]]] = [
    ({"realms": [{"rim": RIM, "rems": [ZEROS]}]}, {"realms": [{"rim": RIM, "rems": [[OTHER] * 4]}]}),
    ({"realms": [{"rim": OTHER}, {"rim": RIM}]}, {"realms": [{"rim": OTHER}]}),
    ({"personalization_values": ["22" * 64]}, {"personalization_values": ["23" * 64]}),
    ({"hash_algorithms": ["sha-512", "sha-256"]}, {"hash_algorithms": ["sha-512"]}),
    ({"implementation_ids": [ratls_tokens.IMPLEMENTATION_ID.hex()]}, {"implementation_ids": [OTHER]}),
    ({"instance_ids": [ratls_tokens.INSTANCE_ID.hex()]}, {"instance_ids": ["01" + OTHER]}),
    ({"lifecycle": ["secured"]}, {"lifecycle": ["decommissioned"]}),
    ({"software_components": [{"type": "BL"}]}, {"software_components": [{"type": "M1"}]}),
    (
        {"software_components": [{"type": "BL", "minimum_version": "1.2.3"}]},
        {"software_components": [{"type": "BL", "minimum_version": "1.2.4"}]},
    ),
    (
        {"software_components": [{"type": "BL", "minimum_version": "1.2"}]},
        {"software_components": [{"type": "BL", "minimum_version": "1.10"}]},
    ),
    (
        {"software_components": [{"type": "BL", "signers": [OTHER, SIGNER]}]},
        {"software_components": [{"type": "BL", "signers": [OTHER]}]},
    ),
]


@pytest.mark.parametrize(("accepts", "refuses"), RULES)
def test_each_rule_accepts_and_refuses(accepts: dict[str, t.Any], refuses: dict[str, t.Any]) -> None:
    assert may_see(accepts)
    assert not may_see(refuses)


def test_platforms_have_to_be_secured_unless_the_policy_says_otherwise() -> None:
    debug = attestation(platform={2395: 0x4000})
    assert not may_see({}, debug)
    assert may_see({"lifecycle": ["non_platform_rot_debug"]}, debug)
    for value in (0x2FFF, 0x3100, 0, 0xFFFF, 0x7000):
        assert not may_see({}, attestation(platform={2395: value}))
    for value in (0x3000, 0x30FF):
        assert may_see({}, attestation(platform={2395: value}))


@pytest.mark.parametrize(
    "rule",
    [
        {"implementation_ids": [ratls_tokens.IMPLEMENTATION_ID.hex()]},
        {"instance_ids": [ratls_tokens.INSTANCE_ID.hex()]},
        {"software_components": [{"type": "BL"}]},
    ],
)
def test_what_a_platform_says_counts_only_if_its_signature_was_checked(rule: dict[str, t.Any]) -> None:
    assert may_see(rule)
    assert not may_see(rule, attestation(authenticated=False))
    assert may_see({}, attestation(authenticated=False))


def test_every_component_of_a_type_has_to_keep_the_rule() -> None:
    two = attestation(platform={2399: (COMPONENT, {**COMPONENT, 4: "1.0"})})
    assert not may_see({"software_components": [{"type": "BL", "minimum_version": "1.2"}]}, two)
    for version in ("1.2.3-rc1", "latest", ""):
        if version:
            odd = attestation(platform={2399: ({**COMPONENT, 4: version},)})
            assert not may_see({"software_components": [{"type": "BL", "minimum_version": "0.1"}]}, odd)
    without = {key: value for key, value in COMPONENT.items() if key != 4}
    none = attestation(platform={2399: (without,)})
    assert not may_see({"software_components": [{"type": "BL", "minimum_version": "0.1"}]}, none)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"repositories": []}, r"policies\[0\].repositories is not a list of 1 to"),
        ({"repositories": "team/*"}, "repositories is not a list"),
        ({"repositories": [1]}, r"repositories\[0\] is the number 1, not text; put it in quotes"),
        ({"realms": []}, "realms is not a list of 1 to"),
        ({"realms": [{}]}, r"realms\[0\] has no rim"),
        ({"realms": [RIM]}, "is a string, not a mapping"),
        ({"realms": [{"rim": RIM, "rpv": "x"}]}, 'has "rpv", which is not one of rim, rems, hash_algorithm'),
        ({"realm": []}, 'has "realm", which is not one of'),
        ({"personalization_values": ["22"]}, "is not 64 bytes in hexadecimal"),
        ({"hash_algorithms": ["md5"]}, "is not one of sha-256"),
        ({"implementation_ids": []}, "is not a list of 1 to"),
        ({"implementation_ids": None}, "is not a list of 1 to"),
        ({"instance_ids": ["01"]}, "is not 33 bytes"),
        ({"lifecycle": ["SECURED"]}, "is not one of unknown, assembly_and_test"),
        ({"software_components": [{}]}, "has no type"),
        ({"software_components": [{"type": "BL", "minimum_version": 1.2}]}, "is the number 1.2, not text"),
        ({"software_components": [{"type": "BL", "minimum_version": "1.x"}]}, "is not a version of numbers"),
        ({"software_components": [{"type": "BL", "signer": SIGNER}]}, 'has "signer"'),
    ],
)
def test_policies_that_are_refused(policy: dict[str, t.Any], reason: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=reason):
        may_see(policy)


def test_a_policy_has_to_say_which_realms() -> None:
    with pytest.raises(ConfigurationInvalid, match="has neither realms nor reference_values"):
        settings.read_policies([{"repositories": ["*"]}], read_file=read_file)
    for value in (None, [], {}, "x", [1]):
        with pytest.raises(ConfigurationInvalid, match="policies"):
            settings.read_policies(value, read_file=read_file)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(RIM),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(settings._POLICY) | st.text(max_size=3), PLAIN))
def test_reading_policies_is_total(policy: dict[str, t.Any]) -> None:
    try:
        settings.read_policies([policy], read_file=lambda path: b"{}")
    except ConfigurationInvalid as exc:
        message = exc.message
    else:
        message = "."
    assert message.endswith(".")


@given(PLAIN | st.binary())
def test_reading_reference_values_and_anchors_is_total(value: t.Any) -> None:
    with pytest.raises(ConfigurationInvalid):
        parse_reference_file(json.dumps(value).encode() if not isinstance(value, bytes) else value, what="x")
    with pytest.raises(ConfigurationInvalid):
        settings.read_trust_anchors(value, read_file=lambda path: b"")


INSTANCE, IMPLEMENTATION = ratls_tokens.INSTANCE_ID, ratls_tokens.IMPLEMENTATION_ID


def verifies(*anchors: dict[str, t.Any] | str) -> bool:
    try:
        settings.read_trust_anchors(list(anchors), read_file=read_file).verify(parse_token(token()))
    except TokenUntrusted:
        return False
    return True


def test_anchors_are_for_the_platforms_that_they_name() -> None:
    assert verifies("cpak.pem")
    assert not verifies("other.pem")
    assert verifies("other.pem", "cpak.pem")
    right, wrong = {"instance_id": INSTANCE.hex()}, {"instance_id": "01" + OTHER}
    assert verifies({"path": "cpak.pem", **right})
    assert not verifies({"path": "cpak.pem", **wrong})
    implementation, other = {"implementation_id": IMPLEMENTATION.hex()}, {"implementation_id": OTHER}
    assert verifies({"path": "cpak.pem", **implementation})
    assert not verifies({"path": "cpak.pem", **other})
    assert verifies({"path": "cpak.pem", **right, **implementation})
    assert not verifies({"path": "cpak.pem", **right, **other})
    assert not verifies({"path": "cpak.pem", **wrong, **implementation})


def test_the_keys_for_one_platform_come_before_those_for_all() -> None:
    keys = [platform_key(curve).public for curve in ("P-521", "P-256", "P-384")]
    anchors = TrustAnchors(
        (TrustAnchor(keys[2]), TrustAnchor(keys[1], INSTANCE), TrustAnchor(keys[0], INSTANCE, IMPLEMENTATION))
    )
    assert list(anchors.candidates(parse_token(token()).platform)) == keys


def test_a_platform_without_trust_anchor_is_named() -> None:
    anchors = settings.read_trust_anchors([{"path": "cpak.pem", "instance_id": "01" + OTHER}], read_file=read_file)
    with pytest.raises(TokenUntrusted, match=f"no trust anchor for the instance {INSTANCE.hex()}") as caught:
        anchors.verify(parse_token(token()))
    assert caught.value.fields == {"check": "platform_signature"}


def test_anchors_that_are_refused() -> None:
    for value, reason in (
        ([], "trust_anchors is not a list of 1 to"),
        ([{}], r"trust_anchors\[0\] has no path"),
        ([{"path": "cpak.pem", "instance": "x"}], 'has "instance"'),
        ([{"path": "cpak.pem", "instance_id": "x"}], "is not 33 bytes"),
    ):
        with pytest.raises(ConfigurationInvalid, match=reason):
            settings.read_trust_anchors(value, read_file=read_file)
    with pytest.raises(ConfigurationInvalid, match="There are no trust anchors"):
        TrustAnchors([])
    with pytest.raises(ConfigurationInvalid, match="more than 64 for the same platforms"):
        TrustAnchors([TrustAnchor(platform_key().public)] * 65)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1", (1,)),
        ("1.2.3", (1, 2, 3)),
        ("v1.0.0", (1,)),
        ("0.0", (0,)),
        ("1.02", (1, 2)),
        ("", None),
        ("1.", None),
        ("1.2-rc1", None),
        ("1..2", None),
        (" 1", None),
        ("1\n", None),
        ("٣", None),
        ("1.2.3.4.5.6.7.8.9", None),
    ],
)
def test_versions(text: str, version: tuple[int, ...] | None) -> None:
    assert parse_version(text) == version
