# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A relying party made from settings accepts and refuses realms as documented, with Veraison and without."""

from __future__ import annotations

import json
import pathlib
import pickle
import re
import socket
import threading
import time
import typing as t

import pytest
import yaml
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.appraisal import Attestation
from ansible_collections.attested.registry.plugins.module_utils._ratls.attester import Attester
from ansible_collections.attested.registry.plugins.module_utils._ratls.challenge import Challenge
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import (
    AppraisalFailed,
    ChallengeInvalid,
    ConfigurationInvalid,
    RatlsError,
    TokenUntrusted,
    VeraisonFailed,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.simulated import SimulatedSource
from ansible_collections.attested.registry.plugins.module_utils._ratls.relying_party import (
    SETTINGS,
    RelyingParty,
    read_relying_party,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.simulate import main
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.jwk import thumbprint
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.settings import VERAISON
from ansible_collections.attested.registry.plugins.module_utils._server.config.config_file import parse_config
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority
from ansible_collections.attested.registry.tests.support.attestation.ratls_stand_in_veraison import (
    StandInVeraison,
    nothing,
    public_jwk,
    serving,
)
from ansible_collections.attested.registry.tests.support.attestation.ratls_tokens import platform_key
from hypothesis import given
from hypothesis import strategies as st

DOCS = pathlib.Path(__file__).parents[5] / "docs" / "remote-attestation.md"
PIN = thumbprint(platform_key("P-256").public)


class Realm:
    """A simulated realm in a directory."""

    def __init__(self, directory: pathlib.Path, *options: str) -> None:
        assert main(["make", str(directory), *options]) == 0
        self.source = SimulatedSource(str(directory))
        self.anchor, self.reference = str(directory / "cpak.pem"), str(directory / "reference.json")
        self.rim: str = json.loads((directory / "realm.json").read_bytes())["rim"]
        self.instance: str = json.loads((directory / "realm.json").read_bytes())["instance_id"]

    def connect(self, to: RelyingParty) -> Attestation:
        challenge = Challenge()
        return to.judge(Attester(self.source, "ec-p256").answer([challenge.authority]).certificate, challenge)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Realm:
    return Realm(tmp_path_factory.mktemp("realms") / "one")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Realm:
    return Realm(tmp_path_factory.mktemp("realms") / "two", "--name", "another")


def from_disk(path: str) -> bytes:
    return pathlib.Path(path).read_bytes()


def relying(**values: object) -> RelyingParty:
    return read_relying_party(values, read_file=from_disk)


EVERY = "every realm on a trusted platform is accepted"


def test_trust_anchors_alone_accept_every_realm_of_the_platform_with_a_warning(one: Realm, two: Realm) -> None:
    party = relying(trust_anchors=[one.anchor])
    attested = one.connect(party)
    assert attested.platform_authenticated
    assert party.may_see(attested, "any/thing")
    assert [EVERY in warning for warning in party.warnings] == [True]
    with pytest.raises(TokenUntrusted):
        two.connect(party)


def test_reference_values_decide_which_realms_connect(one: Realm, two: Realm) -> None:
    party = relying(trust_anchors=[one.anchor, two.anchor], reference_values=[one.reference])
    assert party.warnings == ()
    assert party.may_see(one.connect(party), "any/thing")
    with pytest.raises(AppraisalFailed, match="no reference value has the measurements") as caught:
        two.connect(party)
    assert str(caught.value.fields["token"]).startswith("sha256:")


def test_with_policies_alone_every_realm_connects_and_sees_what_they_allow(one: Realm, two: Realm) -> None:
    policies = [{"repositories": ["team/*"], "reference_values": [one.reference]}]
    party = relying(trust_anchors=[one.anchor, two.anchor], policies=policies)
    assert party.warnings == ()
    first, second = one.connect(party), two.connect(party)
    for asked in (party, party.narrowed(first)):
        assert [asked.may_see(first, name) for name in ("team/a", "other")] == [True, False]
    for asked in (party, party.narrowed(second)):
        assert [asked.may_see(second, name) for name in ("team/a", "other")] == [False, False]
    # what does not accept a realm costs nothing when that asks for a list of thousands
    kept = [len(policies.policies) for one in (first, second) if (policies := party.narrowed(one).policies) is not None]
    assert kept == [1, 0]


def test_both_have_to_accept(one: Realm, two: Realm) -> None:
    policies = [{"repositories": ["*"], "realms": [{"rim": two.rim}]}]
    party = relying(
        trust_anchors=[one.anchor, two.anchor], reference_values=[one.reference, two.reference], policies=policies
    )
    assert [party.may_see(realm.connect(party), "a") for realm in (one, two)] == [False, True]
    strict = relying(trust_anchors=[two.anchor], reference_values=[one.reference], policies=policies)
    with pytest.raises(AppraisalFailed):
        two.connect(strict)


def test_a_challenge_is_good_for_one_judgement(one: Realm) -> None:
    party, challenge = relying(trust_anchors=[one.anchor]), Challenge()
    shown = Attester(one.source, "ec-p256").answer([challenge.authority])
    assert party.judge(shown.certificate, challenge)
    with pytest.raises(ChallengeInvalid):
        party.judge(shown.certificate, challenge)
    with pytest.raises(TokenUntrusted):
        party.judge(shown.certificate, Challenge())


def test_settings_without_an_appraiser_are_refused(one: Realm) -> None:
    policies = [{"repositories": ["*"], "realms": [{"rim": one.rim}]}]
    for values in ({}, {"lifecycle": ["secured"]}, dict.fromkeys(SETTINGS)):
        with pytest.raises(ConfigurationInvalid, match="no setting says which realms are accepted"):
            relying(**values)
    for values in ({"reference_values": [one.reference]}, {"policies": policies}):
        with pytest.raises(ConfigurationInvalid, match="nothing checks the signature of the platform"):
            relying(**values)
    with pytest.raises(ConfigurationInvalid, match="no setting says which realms are accepted"):
        relying(allow_unauthenticated_evidence=True)


def test_unauthenticated_evidence_is_a_choice_with_a_warning(one: Realm, two: Realm) -> None:
    policies = [{"repositories": ["*"], "realms": [{"rim": one.rim}]}]
    for values in ({"reference_values": [one.reference]}, {"policies": policies}):
        party = relying(allow_unauthenticated_evidence=True, **values)
        assert ["anybody can make such a token" in warning for warning in party.warnings] == [True]
        attested = one.connect(party)
        assert not attested.platform_authenticated
        assert attested.warnings[0] == party.warnings[0]
        assert party.may_see(attested, "a")
    assert not party.may_see(two.connect(party), "a")


def test_a_policy_that_accepts_no_realm_is_a_warning(one: Realm) -> None:
    policy = {"repositories": ["*"], "realms": [{"rim": one.rim}], "instance_ids": [one.instance]}
    party = relying(allow_unauthenticated_evidence=True, policies=[policy])
    assert "accepts no realm" in party.warnings[-1]
    assert not party.may_see(one.connect(party), "a")
    assert relying(trust_anchors=[one.anchor], policies=[policy]).warnings == ()


def test_platforms_that_are_not_secured_are_a_choice_with_a_warning(tmp_path: pathlib.Path) -> None:
    debug = Realm(tmp_path / "debug", "--lifecycle", "0x4000")
    values = {"trust_anchors": [debug.anchor], "reference_values": [debug.reference]}
    with pytest.raises(AppraisalFailed, match="non_platform_rot_debug"):
        debug.connect(relying(**values))
    party = relying(lifecycle=["secured", "non_platform_rot_debug"], **values)
    assert ["state other than secured" in warning for warning in party.warnings] == [True]
    assert debug.connect(party)


def full(one: Realm, authority: Authority, **veraison: object) -> dict[str, object]:
    return {
        "trust_anchors": [{"path": one.anchor, "instance_id": one.instance}],
        "reference_values": [one.reference],
        "veraison": {"url": "https://127.0.0.1:1", "pin": PIN, "ca_path": str(authority.path), **veraison},
        "policies": [{"repositories": ["*"], "realms": [{"rim": one.rim}]}],
        "lifecycle": ["secured"],
        "allow_unauthenticated_evidence": False,
    }


def test_relying_parties_are_equal_if_their_settings_and_files_are(
    one: Realm, two: Realm, tmp_path: pathlib.Path
) -> None:
    authority = Authority(tmp_path)
    values = full(one, authority)
    party = relying(**values)
    assert party == relying(**values)
    assert hash(party) == hash(relying(**values))
    changes: list[dict[str, object]] = [
        {"trust_anchors": [one.anchor]},
        {"trust_anchors": [two.anchor]},
        {"reference_values": [two.reference]},
        {"reference_values": None},
        {"veraison": None},
        {"policies": None},
        {"lifecycle": ["secured", "unknown"]},
        *(
            full(one, authority, **{name: value})
            for name, value in (
                ("url", "https://127.0.0.1:2"),
                ("pin", [PIN, "A" * 43]),
                ("ca_path", str(Authority(tmp_path, "second").path)),
                ("required_submods", ["CCA_SSD_PLATFORM", "CCA_REALM"]),
                ("worst_status", "warning"),
                ("max_age", 299),
                ("timeout", 19),
            )
        ),
    ]
    for change in changes:
        assert party != relying(**{**values, **change})


def test_files_are_read_again_each_time(one: Realm, two: Realm, tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    values = full(one, authority)
    before = relying(**values)
    authority.path.write_bytes(Authority(tmp_path, "renewed").path.read_bytes())
    assert relying(**values) != before


def test_it_can_be_pickled_and_starts_nothing(one: Realm, tmp_path: pathlib.Path) -> None:
    threads = threading.active_count()
    party = relying(**full(one, Authority(tmp_path)))
    assert pickle.loads(pickle.dumps(party)) == party  # noqa: S301
    assert threading.active_count() == threads
    plain = relying(trust_anchors=[one.anchor])
    assert one.connect(pickle.loads(pickle.dumps(plain))).platform_authenticated  # noqa: S301


def test_reading_settings_makes_no_connection(one: Realm, tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.setblocking(False)
        relying(**full(one, Authority(tmp_path), url=f"https://127.0.0.1:{service.getsockname()[1]}"))
        with pytest.raises(BlockingIOError):
            service.accept()


def stand_in() -> StandInVeraison:
    made = StandInVeraison()
    made.now = time.time()
    return made


def test_veraison_alone_judges_and_closes_when_it_fails(one: Realm, two: Realm) -> None:
    service = stand_in()
    with serving(service) as url:
        party = relying(veraison={"url": url, "pin": PIN})
        assert [EVERY in warning for warning in party.warnings] == [True]
        attested = one.connect(party)
        assert attested.platform_authenticated
        assert attested.verdicts[-1].reason == "CCA_SSD_PLATFORM affirming, CCA_REALM warning"
        assert two.connect(party)
        service.manners = {"POST": nothing}
        with pytest.raises(VeraisonFailed, match="closed the connection early") as caught:
            one.connect(party)
        assert str(caught.value.fields["token"]).startswith("sha256:")
        strict = relying(
            veraison={"url": url, "pin": PIN, "required_submods": ["CCA_SSD_PLATFORM", "CCA_REALM"], "timeout": 1}
        )
        assert strict.warnings == ()
    with pytest.raises(VeraisonFailed, match="cannot be reached"):
        one.connect(party)


def test_veraison_is_asked_after_all_that_costs_less(one: Realm, two: Realm) -> None:
    service = stand_in()
    with serving(service) as url:
        veraison = {"url": url, "pin": PIN}
        for values in ({"trust_anchors": [two.anchor]}, {"reference_values": [two.reference]}):
            with pytest.raises(RatlsError):
                one.connect(relying(veraison=veraison, **values))
        with pytest.raises(TokenUntrusted):
            relying(veraison=veraison).judge(
                Attester(one.source, "ec-p256").answer([Challenge().authority]).certificate, Challenge()
            )
    assert service.requests == []


def test_several_are_judged_at_once_and_the_key_is_fetched_once(one: Realm) -> None:
    service = stand_in()
    with serving(service) as url:
        party = relying(veraison={"url": url, "pin": PIN})
        shown: list[tuple[bytes, Challenge]] = []
        for dummy in range(6):
            challenge = Challenge()
            shown.append((Attester(one.source, "ec-p256").answer([challenge.authority]).certificate, challenge))
        done: list[Attestation] = []

        def judge(certificate: bytes, challenge: Challenge) -> None:
            done.append(party.judge(certificate, challenge))

        threads = [threading.Thread(target=judge, args=pair) for pair in shown]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(done) == 6
    assert service.methods.count("GET") == 1
    assert service.methods.count("DELETE") == 6


def test_results_that_say_nothing_of_the_platform_do_not_authenticate_it() -> None:
    for weak in ({"required_submods": ["CCA_REALM"]}, {"worst_status": "none"}):
        with pytest.raises(ConfigurationInvalid, match="nothing checks the signature of the platform"):
            relying(veraison={"url": "https://veraison.example", "pin": PIN, **weak})


def test_plain_http_to_veraison_is_a_warning() -> None:
    service = {"url": "http://veraison.example", "pin": PIN, "allow_http": True}
    assert "anybody on the network path can read the tokens" in relying(veraison=service).warnings[-1]
    for url in ("https://veraison.example", "http://127.0.0.1:8080"):
        assert len(relying(veraison={**service, "url": url}).warnings) == 1


FILES = {
    "veraison.jwk": json.dumps(public_jwk(platform_key("P-256"))).encode(),
    "p521.jwk": json.dumps(public_jwk(platform_key("P-521"))).encode(),
    "private.pem": platform_key("P-256").to_pem(),
    "empty.pem": b"",
    "binary.pem": b"\xff\xfe",
    "broken.pem": b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"url": None}, "veraison has no url"),
        ({"url": 1}, r"veraison.url is the number 1"),
        ({"url": "http://veraison.example"}, "it is http, so anybody on the network path could answer"),
        ({"url": "https://user:pw@veraison.example"}, "has credentials"),
        ({"key": None}, "veraison must have exactly one of key and pin"),
        ({"pin": PIN}, "veraison must have exactly one of key and pin"),
        ({"key": "p521.jwk"}, "veraison.key contains a key that is not on P-256 or P-384"),
        ({"key": "private.pem"}, "it contains a private key"),
        ({"key": "empty.pem"}, "Reading the key file empty.pem failed"),
        ({"key": None, "pin": PIN + "="}, "veraison.pin is not a SHA-256 thumbprint"),
        ({"key": None, "pin": PIN[:-1]}, "veraison.pin is not a SHA-256 thumbprint"),
        ({"key": None, "pin": "B" * 43}, "veraison.pin is not a SHA-256 thumbprint"),
        ({"key": None, "pin": []}, "veraison.pin is not a list of 1"),
        ({"key": None, "pin": [PIN, 1]}, r"veraison.pin\[1\] is the number 1"),
        ({"ca_path": "empty.pem"}, "Reading the certificates empty.pem failed"),
        ({"ca_path": "binary.pem"}, "Reading the certificates binary.pem failed"),
        ({"ca_path": "broken.pem"}, "Reading the certificates broken.pem failed"),
        ({"ca_path": "veraison.jwk"}, "Reading the certificates veraison.jwk failed"),
        ({"allow_http": "yes"}, "veraison.allow_http is not one of True, False"),
        ({"required_submods": []}, "veraison.required_submods is not a list"),
        ({"required_submods": "CCA_REALM"}, "veraison.required_submods is not a list"),
        ({"worst_status": "contraindicated"}, "veraison.worst_status is not one of affirming, warning, none"),
        ({"max_age": 0}, "veraison.max_age is not a number from 1 to 86400"),
        ({"max_age": True}, "veraison.max_age is not a number"),
        ({"timeout": float("nan")}, "veraison.timeout is not a number from 0.1 to 600"),
        ({"timeout": "5"}, "veraison.timeout is not a number"),
        ({"insecure": True}, 'veraison has "insecure", which is not one of url, key, pin'),
    ],
)
def test_services_that_are_refused(settings: dict[str, object], reason: str) -> None:
    value = {"url": "https://veraison.example", "key": "veraison.jwk", **settings}
    present = {name: item for name, item in value.items() if item is not None}
    with pytest.raises(ConfigurationInvalid, match=reason) as caught:
        read_relying_party({"veraison": present}, read_file=FILES.__getitem__)
    assert "pw" not in caught.value.message


def test_settings_that_are_refused(one: Realm) -> None:
    for values, reason in (
        ({"trust_anchor": []}, 'ra-tls has "trust_anchor", which is not one of trust_anchors, reference_values'),
        ({"trust_anchors": []}, "trust_anchors is not a list of 1"),
        ({"reference_values": "x"}, "cannot be used: reference_values is not a list"),
        ({"reference_values": [1]}, r"reference_values\[0\] is the number 1"),
        ({"reference_values": [one.anchor]}, "not JSON"),
        ({"veraison": "https://veraison.example"}, "veraison is a string, not a mapping"),
        ({"policies": [{}]}, r"policies\[0\] has neither realms nor reference_values"),
        ({"lifecycle": ["secure"]}, r"lifecycle\[0\] is not one of"),
        ({"lifecycle": []}, "lifecycle is not a list of 1"),
        ({"allow_unauthenticated_evidence": "true"}, "allow_unauthenticated_evidence is not one of True, False"),
    ):
        with pytest.raises(ConfigurationInvalid, match=reason):
            relying(**t.cast("dict[str, object]", values))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([*FILES, PIN]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(VERAISON), inner, max_size=3),
    max_leaves=6,
)
URLS = st.sampled_from(["https://veraison.example", "http://127.0.0.1", "http://[::1"]) | st.text(max_size=20)


@given(
    st.fixed_dictionaries({}, optional={name: PLAIN for name in SETTINGS}),
    st.fixed_dictionaries({"url": URLS}, optional={name: PLAIN for name in VERAISON[1:]}) | PLAIN,
)
def test_reading_settings_is_total(values: dict[str, object], veraison: object) -> None:
    try:
        party: RelyingParty | None = read_relying_party(
            {**values, "veraison": veraison}, read_file=lambda path: FILES.get(path, b"-----BEGIN ")
        )
    except ConfigurationInvalid as exc:
        party, message = None, exc.message
    else:
        message = "."
    assert message.endswith(".")
    assert party is None or party.chain.authenticates_platform or party.warnings


def examples() -> list[dict[str, t.Any]]:
    """The examples of the documentation that are of a server."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    found = [yaml.safe_load(block) for block in blocks]
    return [block for block in found if isinstance(block, dict)]


def test_the_example_of_two_teams_does_what_the_documentation_says(tmp_path: pathlib.Path) -> None:
    (example,) = [block for block in examples() if "policies" in block]
    assert parse_config(yaml.safe_dump(example).encode()).policies
    team_b_rim = example["policies"][1]["realms"][0]["rim"]
    team_a, team_b = Realm(tmp_path / "a"), Realm(tmp_path / "b", "--rim", team_b_rim)
    files = {
        "/etc/registry/cpak.pem": team_a.anchor,
        "/etc/registry/cpak-lab.pem": team_b.anchor,
        "/etc/registry/team-a.json": team_a.reference,
    }
    values = {name: example[name] for name in SETTINGS if name in example}

    def read_file(path: str) -> bytes:
        return from_disk(files[path])

    party = read_relying_party(values, read_file=read_file)
    assert party.warnings == ()
    attested = team_a.connect(party)
    names = ("team-a/app", "team-a/deep/app", "base/debian", "team-b/app", "base", "other")
    assert [party.may_see(attested, name) for name in names] == [True, True, True, False, False, False]
    with pytest.raises(TokenUntrusted):  # as cpak-lab is for another instance
        team_b.connect(party)
    example["trust_anchors"][1]["instance_id"] = team_b.instance
    party = read_relying_party(values, read_file=read_file)
    attested = team_b.connect(party)  # whose firmware is not what the policy wants
    assert [party.may_see(attested, name) for name in names] == [False] * 6
    del example["policies"][1]["software_components"]
    party = read_relying_party(values, read_file=read_file)
    assert [party.may_see(attested, name) for name in names] == [False, False, False, True, False, False]


def test_the_example_of_veraison_works(one: Realm, tmp_path: pathlib.Path) -> None:
    (example,) = [block for block in examples() if "veraison" in block]
    assert parse_config(yaml.safe_dump({"root": "/srv", **example}).encode()).veraison
    files = {**FILES, "veraison-ca.pem": Authority(tmp_path).path.read_bytes()}

    def read_file(path: str) -> bytes:
        return files[path.rpartition("/")[2]]

    assert read_relying_party(example, read_file=read_file).chain.authenticates_platform
    with serving(stand_in()) as url:
        settings = {**example["veraison"], "url": url}
        del settings["ca_path"]
        assert one.connect(read_relying_party({"veraison": settings}, read_file=read_file))
