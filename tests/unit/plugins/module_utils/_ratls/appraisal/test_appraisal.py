# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A realm is accepted only if every appraiser accepts its token, made for this connection and this key."""

from __future__ import annotations

import datetime
import pathlib
import pickle
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal import appraisers, trust_anchors
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.appraisal import (
    AppraiserChain,
    Attestation,
    PresentedToken,
    Verdict,
    refusal,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.reference_values import (
    parse_reference_file,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.trust_anchors import (
    TrustAnchor,
    TrustAnchors,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.attester import Attester
from ansible_collections.attested.registry.plugins.module_utils._ratls.challenge import Challenge
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import (
    AppraisalFailed,
    CertificateInvalid,
    ChallengeInvalid,
    ConfigurationInvalid,
    TokenInvalid,
    TokenUntrusted,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.certificate import make_certificate
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.client_key import (
    make_client_key,
    process_key,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.simulated import SimulatedSource
from ansible_collections.attested.registry.plugins.module_utils._ratls.relying_party import RelyingParty
from ansible_collections.attested.registry.plugins.module_utils._ratls.simulate import main
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cca_token import CcaToken, parse_token
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.key_file import read_keys
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.keys import ALGORITHMS, EcKey
from ansible_collections.attested.registry.tests.support.attestation import ratls_tokens

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)


def make_realm(directory: pathlib.Path, *options: str) -> str:
    assert main(["make", str(directory), *options]) == 0
    return str(directory)


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_realm(tmp_path_factory.mktemp("realms") / "one")


@pytest.fixture(scope="module")
def other_realm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_realm(tmp_path_factory.mktemp("realms") / "other", "--name", "another", "--profile", "old")


def content(directory: str, name: str) -> bytes:
    return (pathlib.Path(directory) / name).read_bytes()


def chain(directory: str, **options: t.Any) -> AppraiserChain:
    anchors = TrustAnchors(TrustAnchor(key) for key in read_keys(content(directory, "cpak.pem"), what="cpak.pem"))
    references = (parse_reference_file(content(directory, "reference.json"), what="reference.json"),)
    return appraisers.make_chain(**{"anchors": anchors, "references": references, **options})


def connect(directory: str, to: AppraiserChain) -> Attestation:
    """Do what client and server do in one handshake."""
    challenge = Challenge()
    shown = Attester(SimulatedSource(directory), "ec-p256").answer([challenge.authority])
    return RelyingParty(to).judge(shown.certificate, challenge, now=NOW)


def test_a_realm_with_valid_evidence_is_accepted(realm: str) -> None:
    attested = connect(realm, chain(realm))
    assert [verdict.appraiser for verdict in attested.verdicts] == ["lifecycle", "trust_anchors", "reference_values"]
    assert attested.platform_authenticated
    assert attested.warnings == ("The evidence is marked as simulated: it proves nothing.",)
    assert attested.token.realm.challenge.hex() not in repr(attested)
    assert attested.verdicts[0].reason == "secured"


def test_another_realm_is_refused_with_a_reason_for_the_log(realm: str, other_realm: str) -> None:
    with pytest.raises(TokenUntrusted, match="not signed with a key that is trusted") as caught:
        connect(other_realm, chain(realm))
    assert str(caught.value.fields["token"]).startswith("sha256:")
    with pytest.raises(AppraisalFailed, match="no reference value has the measurements of the realm, whose RIM is"):
        connect(other_realm, chain(realm, anchors=chain_anchors(other_realm)))


def chain_anchors(directory: str) -> TrustAnchors:
    return TrustAnchors(TrustAnchor(key) for key in read_keys(content(directory, "cpak.pem"), what="cpak.pem"))


def test_platforms_that_are_not_secured_are_refused(tmp_path: pathlib.Path) -> None:
    debug = make_realm(tmp_path / "debug", "--lifecycle", "0x4000")
    with pytest.raises(AppraisalFailed, match=r"in the state non_platform_rot_debug \(0x4000\); only these") as caught:
        connect(debug, chain(debug))
    assert caught.value.fields["appraiser"] == "lifecycle"
    assert connect(debug, chain(debug, lifecycle=("secured", "non_platform_rot_debug")))


def test_facts_of_a_realm_for_the_log(realm: str) -> None:
    attested = connect(realm, chain(realm))
    assert attested.facts() == {
        "token": attested.token.digest,
        "rim": attested.token.realm.initial_measurement.hex(),
        "profile": "tag:arm.com,2023:realm#1.0.0",
        "instance": attested.token.platform.instance_id.hex(),
        "platform": "authenticated",
    }
    lax = chain(realm, anchors=None, allow_unauthenticated_evidence=True)
    assert connect(realm, lax).facts()["platform"] == "not authenticated"


def test_others_such_as_veraison_come_last_and_can_refuse(realm: str) -> None:
    asked: list[str] = []
    no = Says("no", yes=False, asked=asked)
    with pytest.raises(AppraisalFailed, match=r"refused \(no\)"):
        connect(realm, chain(realm, others=(no,)))
    assert connect(realm, chain(realm, anchors=None, others=(Says("yes", yes=True, asked=asked),)))
    assert asked == ["no", "yes"]


def test_a_chain_without_appraisers_is_refused(realm: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="no setting says which realms are accepted"):
        AppraiserChain([])
    with pytest.raises(ConfigurationInvalid, match="no setting says which realms are accepted"):
        appraisers.make_chain(allow_unauthenticated_evidence=True)
    with pytest.raises(ConfigurationInvalid, match="so anybody could make a token that passes"):
        chain(realm, anchors=None)


def test_unauthenticated_evidence_is_named_in_every_result(realm: str) -> None:
    lax = chain(realm, anchors=None, allow_unauthenticated_evidence=True)
    attested = connect(realm, lax)
    assert attested.platform_authenticated is False
    assert attested.warnings[:-1] == lax.warnings
    assert "anybody can make such a token" in attested.warnings[0]


class Says:
    authenticates_platform = True

    def __init__(self, name: str, *, yes: bool, asked: list[str]) -> None:
        self.name, self._yes, self._asked = name, yes, asked

    def appraise(self, presented: PresentedToken) -> Verdict:
        self._asked.append(self.name)
        if not self._yes:
            raise refusal(self.name, "it does not please", "try another")
        return Verdict(self.name, "it pleases", (f"warning of {self.name}",))


def test_all_have_to_accept_and_the_first_refusal_ends_it(realm: str) -> None:
    asked: list[str] = []
    yes, no = Says("yes", yes=True, asked=asked), Says("no", yes=False, asked=asked)
    assert connect(realm, AppraiserChain([yes, yes])).warnings[1:] == ("warning of yes",) * 2
    with pytest.raises(AppraisalFailed, match=r"The attestation was refused \(no\): it does not please; try another."):
        connect(realm, AppraiserChain([yes, no, yes]))
    assert asked == ["yes", "yes", "yes", "no"]


def answer(challenge: Challenge, realm: str) -> bytes:
    return Attester(SimulatedSource(realm), "ec-p256").answer([challenge.authority]).certificate


def test_a_recorded_certificate_is_refused_on_another_connection(realm: str) -> None:
    first, second = Challenge(), Challenge()
    recorded = answer(first, realm)
    assert RelyingParty(chain(realm)).judge(recorded, first, now=NOW)
    with pytest.raises(TokenUntrusted, match="was made for another connection"):
        RelyingParty(chain(realm)).judge(recorded, second, now=NOW)
    with pytest.raises(ChallengeInvalid, match="was used before"):
        RelyingParty(chain(realm)).judge(recorded, first, now=NOW)


def test_a_token_is_refused_with_another_key(realm: str) -> None:
    challenge = Challenge()
    token = Attester(SimulatedSource(realm), "ec-p256").answer([challenge.authority]).evidence.token
    stolen = make_certificate(make_client_key("ec-p256"), token)
    with pytest.raises(TokenUntrusted, match="of this connection and key") as caught:
        RelyingParty(chain(realm)).judge(stolen, challenge, now=NOW)
    assert {"check", "token", "rim"} == set(caught.value.fields)


def test_a_wrong_answer_uses_the_challenge_up(realm: str) -> None:
    challenge = Challenge()
    right = answer(challenge, realm)
    with pytest.raises(TokenUntrusted):
        RelyingParty(chain(realm)).judge(answer(Challenge(), realm), challenge, now=NOW)
    with pytest.raises(ChallengeInvalid):
        RelyingParty(chain(realm)).judge(right, challenge, now=NOW)


def test_an_invalid_certificate_or_token_is_refused(realm: str) -> None:
    with pytest.raises(CertificateInvalid):
        RelyingParty(chain(realm)).judge(b"", Challenge(), now=NOW)
    no_token = make_certificate(process_key("ec-p256"), b"no token")
    with pytest.raises(TokenInvalid):
        RelyingParty(chain(realm)).judge(no_token, Challenge(), now=NOW)


def test_a_realm_key_that_the_platform_does_not_know_is_refused(realm: str) -> None:
    class Splicing:
        kind: t.Any = "command"

        def evidence(self, realm_challenge: bytes) -> t.Any:
            from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.evidence import Evidence

            token = ratls_tokens.token(realm={10: realm_challenge}, platform={10: bytes(32)})
            return Evidence(token, "command")

    challenge = Challenge()
    shown = Attester(Splicing(), "ec-p256").answer([challenge.authority])
    with pytest.raises(TokenUntrusted, match="made for another realm key"):
        RelyingParty(chain(realm)).judge(shown.certificate, challenge, now=NOW)


def test_the_time_of_now_is_the_default(realm: str) -> None:
    challenge = Challenge()
    assert RelyingParty(chain(realm)).judge(answer(challenge, realm), challenge)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The messages whose signatures are verified."""
    messages: list[bytes] = []
    really = EcKey.verify

    def verify(key: EcKey, signature: bytes, message: bytes) -> bool:
        messages.append(message)
        return really(key, signature, message)

    monkeypatch.setattr(EcKey, "verify", verify)
    return messages


def test_the_signature_of_a_platform_token_is_verified_once(realm: str, verified: list[bytes]) -> None:
    anchors, source = chain_anchors(realm), SimulatedSource(realm)
    tokens = [parse_token(source.evidence(bytes([number]) * 64).token) for number in range(3)]
    for token in tokens:
        anchors.verify(token)
    assert len(verified) == 1
    # another start of the machine
    anchors.verify(parse_token(SimulatedSource(realm).evidence(bytes(64)).token))
    assert len(verified) == 2
    # other anchors, as after a reload
    chain_anchors(realm).verify(tokens[0])
    assert len(verified) == 3


def test_each_connection_has_its_realm_token_verified(realm: str, verified: list[bytes]) -> None:
    source = SimulatedSource(realm)
    relying_party = RelyingParty(
        AppraiserChain((appraisers.LifecycleAppraiser(), appraisers.PlatformAppraiser(chain_anchors(realm))))
    )
    for dummy in range(3):
        challenge = Challenge()
        identity = Attester(source, "ec-p256").answer((challenge.authority,))
        assert relying_party.judge(identity.certificate, challenge, now=NOW).platform_authenticated
    assert len(verified) == 1 + 3
    assert len(set(verified)) == len(verified)


def altered(token: CcaToken, **changes: t.Any) -> CcaToken:
    return replace(token, platform_token=replace(token.platform_token, **changes))


def test_what_differs_from_a_verified_platform_token_is_verified(realm: str) -> None:
    anchors = chain_anchors(realm)
    token = parse_token(SimulatedSource(realm).evidence(bytes(64)).token)
    anchors.verify(token)
    signed = token.platform_token
    others = (
        altered(token, payload=signed.payload[:-1] + bytes([signed.payload[-1] ^ 1])),
        altered(token, signature=signed.signature[:-1] + bytes([signed.signature[-1] ^ 1])),
        altered(token, protected=signed.protected + b"\x00"),
        altered(token, algorithm=ALGORITHMS[0]),
    )
    for dummy in range(2):
        for other in others:
            with pytest.raises(TokenUntrusted, match="is not signed with a key that is trusted"):
                anchors.verify(other)
        anchors.verify(token)


def test_a_verified_platform_token_is_nothing_to_other_anchors(realm: str, tmp_path: pathlib.Path) -> None:
    token = parse_token(SimulatedSource(realm).evidence(bytes(64)).token)
    chain_anchors(realm).verify(token)
    other = chain_anchors(make_realm(tmp_path / "other"))
    for dummy in range(2):
        with pytest.raises(TokenUntrusted):
            other.verify(token)


def test_only_so_many_platform_tokens_are_remembered(
    realm: str, verified: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_anchors, "MAX_VERIFIED", 2)
    anchors = chain_anchors(realm)
    tokens = [parse_token(SimulatedSource(realm).evidence(bytes(64)).token) for dummy in range(3)]
    for token in tokens:
        anchors.verify(token)
    assert len(verified) == 3
    for dummy in range(5):
        anchors.verify(tokens[2])
    assert len(verified) == 3
    anchors.verify(tokens[0])
    assert len(verified) == 4


def test_tokens_that_no_anchor_signed_are_not_remembered(realm: str, tmp_path: pathlib.Path) -> None:
    anchors = chain_anchors(realm)
    foreign = SimulatedSource(make_realm(tmp_path / "other"))
    for dummy in range(3):
        with pytest.raises(TokenUntrusted):
            anchors.verify(parse_token(foreign.evidence(bytes(64)).token))
    assert not anchors._verified
    # a copy in another process has none, or those that it had
    assert pickle.loads(pickle.dumps(anchors)) == anchors
