# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An attested client sees a repository only if its policies and the rules allow it; policies are evaluated once."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.appraisal import Attestation
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cca_token import parse_token
from ansible_collections.attested.registry.plugins.module_utils._server.access.access import RestrictedAccess
from ansible_collections.attested.registry.plugins.module_utils._server.access.attested_client import AttestedClient
from ansible_collections.attested.registry.plugins.module_utils._server.config.rules import Rule
from ansible_collections.attested.registry.plugins.module_utils._server.identity import Identity, Peer
from ansible_collections.attested.registry.tests.support.attestation import ratls_tokens


class Policies:
    """A relying party that remembers what it was asked, and lets everybody see what begins with an a."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def may_see(self, dummy: Attestation, repository: str) -> bool:
        self.asked.append(repository)
        return repository.startswith("a")

    def narrowed(self, dummy: Attestation) -> Policies:
        return self


@pytest.fixture
def policies() -> Policies:
    return Policies()


@pytest.fixture
def realm(policies: Policies) -> AttestedClient:
    attestation = Attestation(parse_token(ratls_tokens.token()), (), platform_authenticated=True, warnings=())
    return AttestedClient(attestation, t.cast("t.Any", policies))


def test_a_realm_is_asked_about_once(realm: AttestedClient, policies: Policies) -> None:
    for dummy in range(3):
        assert [realm.may_see(name) for name in ("app", "other")] == [True, False]
    assert policies.asked == ["app", "other"]


def test_the_number_of_remembered_decisions_is_bounded(realm: AttestedClient, policies: Policies) -> None:
    for dummy in range(2):
        assert all(realm.may_see(f"a{number}") for number in range(10_000))
    assert len(realm._seen) < 10_000
    assert 10_000 < len(policies.asked) < 20_000


def test_rules_and_policies_have_both_to_allow_it(realm: AttestedClient) -> None:
    rules = (Rule(repositories=("app", "other"), networks=("192.0.2.0/24",)),)
    access = RestrictedAccess(passwords=None, rules=rules, attested=True)

    def sees(address: str) -> list[str]:
        identity = Identity(None, Peer(address, realm=realm))
        return [name for name in ("app", "abc", "other") if access.may_see(identity, name)]

    assert sees("192.0.2.1") == ["app"]
    assert sees("198.51.100.1") == []


def test_with_attestation_a_client_without_realm_sees_nothing() -> None:
    access = RestrictedAccess(passwords=None, rules=None, attested=True)
    assert not access.may_see(Identity("joe", Peer("192.0.2.1", "CN=host1")), "app")
