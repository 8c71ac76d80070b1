# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Attester answers each challenge with a fresh token, and refuses evidence that is for another challenge."""

from __future__ import annotations

import datetime
import pathlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.peer_certificate import (
    read_certificate,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.attester import Attester
from ansible_collections.attested.registry.plugins.module_utils._ratls.challenge import Challenge, check_answer
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import (
    ChallengeInvalid,
    EvidenceUnavailable,
    TokenInvalid,
    TokenUntrusted,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.evidence import Evidence, EvidenceKind
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.source_file import FileSource
from ansible_collections.attested.registry.tests.support.attestation import ratls_tokens

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)


class FreshTokens:
    kind: EvidenceKind = "command"

    def __init__(self, answer: bytes | None = None) -> None:
        self.challenges: list[bytes] = []
        self._answer = answer

    def evidence(self, realm_challenge: bytes) -> Evidence:
        self.challenges.append(realm_challenge)
        token = ratls_tokens.token(realm={10: self._answer or realm_challenge})
        return Evidence(token, self.kind)


def test_each_connection_is_answered_with_a_token_of_its_own() -> None:
    source = FreshTokens()
    attester = Attester(source, "ec-p256")
    for dummy in range(2):
        challenge = Challenge()
        shown = attester.answer([challenge.authority])
        certificate = read_certificate(shown.certificate, now=NOW)
        assert certificate.token == shown.evidence.token
        check_answer(challenge.answer_for(certificate.public_key), shown.token.realm.challenge)
    assert len(set(source.challenges)) == 2


def test_the_result_of_a_task_describes_the_token() -> None:
    shown = Attester(FreshTokens(), "ec-p256").answer([Challenge().authority])
    assert shown.as_result() == {
        "evidence": "command",
        "rim": ratls_tokens.RIM.hex(),
        "profile": "tag:arm.com,2023:realm#1.0.0",
        "token": shown.token.digest,
        "simulated": False,
    }
    assert "PrivateKey" not in repr(shown)
    assert repr(shown.evidence.token[:8])[2:-1] not in repr(shown)


def test_evidence_for_another_challenge_is_refused_by_the_client() -> None:
    with pytest.raises(EvidenceUnavailable, match="the token does not contain the challenge of this connection"):
        Attester(FreshTokens(bytes(64)), "ec-p256").answer([Challenge().authority])


def test_a_token_in_a_file_is_shown_and_does_not_pass(tmp_path: pathlib.Path) -> None:
    (tmp_path / "token").write_bytes(ratls_tokens.token())
    challenge = Challenge()
    shown = Attester(FileSource(str(tmp_path / "token")), "ec-p256").answer([challenge.authority])
    assert len(shown.evidence.warnings) == 1
    with pytest.raises(TokenUntrusted, match="a static token cannot pass"):
        check_answer(challenge.answer_for(shown.key.public_key), shown.token.realm.challenge)


def test_an_invalid_token_is_not_presented(tmp_path: pathlib.Path) -> None:
    (tmp_path / "token").write_bytes(b"not a token")
    with pytest.raises(TokenInvalid):
        Attester(FileSource(str(tmp_path / "token")), "ec-p256").answer([Challenge().authority])


def test_a_server_that_asks_for_something_else_gets_nothing() -> None:
    source = FreshTokens()
    with pytest.raises(ChallengeInvalid):
        Attester(source, "ec-p256").answer([])
    assert source.challenges == []
