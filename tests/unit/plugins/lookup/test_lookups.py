# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookups ask a registry from the controller, share one connection, and report errors as lookups do."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.attested.registry.plugins.lookup import oci_digest, oci_tags
from ansible_collections.attested.registry.plugins.module_utils._module.registry import lookups
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply

IMAGE = images.image([images.layer([images.file("f", b"1")])])
OTHER = images.image([images.layer([images.file("f", b"2")])])
TAGS = ["1.9", "1.10", "1.10-alpine", "2.0-rc1", "edge", "latest", "v0.9"]
ABSENT = "sha256:" + "0" * 64


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[None]:
    """No credentials of whoever runs the tests, and no client of another test."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr(lookups, "_kept", {})
    yield
    for source in lookups._kept.values():
        source.close()


@pytest.fixture
def registry() -> t.Iterator[FaultyRegistry]:
    with FaultyRegistry() as server:
        server.publish("team/app", {**dict.fromkeys(TAGS, IMAGE), "other": OTHER})
        yield server


def digest(*terms: t.Any, **options: t.Any) -> list[str]:
    return oci_digest.LookupModule().run(list(terms), {}, **options)


def tags(*terms: t.Any, **options: t.Any) -> list[str]:
    return oci_tags.LookupModule().run(list(terms), {}, **options)


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        (":1.9", IMAGE.digest),
        (":other", OTHER.digest),
        ("", IMAGE.digest),
        (f"@{OTHER.digest}", OTHER.digest),
        (f":1.9@{IMAGE.digest}", IMAGE.digest),
    ],
)
def test_the_digest_of_an_image(registry: FaultyRegistry, suffix: str, expected: str) -> None:
    assert digest(f"{registry.name}/team/app{suffix}") == [expected]
    assert digest(f"team/app{suffix}", registry=registry.name) == [expected]
    assert {request.method for request in registry.requests} == {"HEAD"}


def test_a_pinned_name(registry: FaultyRegistry) -> None:
    name = f"{registry.name}/team/app"
    assert digest(f"{name}:1.9", pinned=True) == [f"{name}@{IMAGE.digest}"]
    assert digest("team/app:other", registry=f"http://{registry.name}/prefix", pinned=True) == [
        f"{registry.name}/prefix/team/app@{OTHER.digest}"
    ]


def test_many_lookups_share_one_connection(registry: FaultyRegistry) -> None:
    for dummy in range(5):
        digest(f"{registry.name}/team/app:1.9", f"{registry.name}/team/app:other")
        tags(f"{registry.name}/team/app")
    assert len(registry.requests) == 15
    assert registry.connections == 2  # the two lookups have options of their own


def test_a_forked_process_makes_a_connection_of_its_own(
    registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest(f"{registry.name}/team/app:1.9")
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    digest(f"{registry.name}/team/app:1.9")
    assert registry.connections == 2


def test_total_timeout_is_that_of_one_lookup(registry: FaultyRegistry) -> None:
    for dummy in range(2):
        digest(f"{registry.name}/team/app:1.9", total_timeout=60)
    assert registry.connections == 2
    assert lookups._kept == {}


def test_other_credentials_are_another_client(registry: FaultyRegistry) -> None:
    registry.auth, registry.users = "basic", {"a": "1"}
    name = f"{registry.name}/team/app:1.9"
    assert digest(name, username="a", password="1") == [IMAGE.digest]
    with pytest.raises(AnsibleLookupError, match="rejected"):
        digest(name, username="a", password="2")
    with pytest.raises(AnsibleLookupError, match="requires credentials"):
        digest(name)


def test_few_clients_are_kept(registry: FaultyRegistry) -> None:
    for number in range(20):
        digest(f"{registry.name}/team/app:1.9", timeout=10 + number)
    assert len(lookups._kept) == lookups._MAX_KEPT


class Inherited:
    """A client that the parent of a forked process made."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_the_clients_of_the_parent_process_stay_open(registry: FaultyRegistry) -> None:
    inherited = {(os.getppid(), str(number)): Inherited() for number in range(lookups._MAX_KEPT)}
    lookups._kept.update(t.cast("t.Any", inherited))
    digest(f"{registry.name}/team/app:1.9", tls="no-tls")
    assert not any(client.is_closed for client in inherited.values())


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("{0}/team/app:missing", "does not have it"),
        (f"{{0}}/team/app@{ABSENT}", "does not have it"),
        (f"{{0}}/team/app:1.9@{OTHER.digest}", "the tag 1.9 now leads to"),
        ("{0}/Team/app", "must be lower case"),
        ("https://{0}/team/app", "contains a scheme"),
        ("", "must be text"),
        (5, "must be text"),
    ],
)
def test_an_error_is_one_of_the_lookup(registry: FaultyRegistry, term: t.Any, message: str) -> None:
    with pytest.raises(AnsibleLookupError, match=message):
        digest(term.format(registry.name) if isinstance(term, str) else term)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"pinned": "perhaps"}, "pinned"),
        ({"username": "a"}, "password"),
        ({"token": "x", "username": "a", "password": "b"}, "mutually exclusive"),
        ({"token": "x", "identity_token": "y"}, "mutually exclusive"),
        ({"identity_token": "y", "username": "a", "password": "b"}, "mutually exclusive"),
        ({"tls": "ra-tls"}, "ratls is missing"),
        ({"timeout": 0}, "timeout is 0"),
    ],
)
def test_an_invalid_option_sends_nothing(registry: FaultyRegistry, options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(AnsibleLookupError, match=message):
        digest(f"{registry.name}/team/app", **options)
    assert registry.requests == []


def test_a_registry_that_states_no_digest(registry: FaultyRegistry) -> None:
    registry.on("/manifests/", Reply(drop=("Docker-Content-Digest",)))
    with pytest.raises(AnsibleLookupError, match="does not state its digest"):
        digest(f"{registry.name}/team/app:1.9")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, sorted([*TAGS, "other"])),
        ({"pattern": "1.*"}, ["1.10", "1.10-alpine", "1.9"]),
        ({"pattern": "^[a-z]+$", "pattern_type": "regex"}, ["edge", "latest", "other"]),
        ({"newest": 1}, ["1.10"]),
        ({"newest": 5}, ["1.10", "1.9", "v0.9"]),
        ({"newest": 1, "pattern": "*-alpine"}, ["1.10-alpine"]),
        ({"newest": 3, "pattern": "*"}, ["2.0-rc1", "1.10", "1.10-alpine"]),
        ({"newest": 1, "pattern": "edge"}, []),
    ],
)
def test_the_tags_of_a_repository(registry: FaultyRegistry, options: dict[str, t.Any], expected: list[str]) -> None:
    assert tags(f"{registry.name}/team/app", **options) == expected
    assert tags("team/app", registry=registry.name, **options) == expected


def test_the_tags_of_several_repositories(registry: FaultyRegistry) -> None:
    registry.publish("b", {"3": IMAGE, "4": IMAGE})
    assert tags("team/app", "b", registry=registry.name, newest=1) == ["1.10", "4"]


@pytest.mark.parametrize(
    ("term", "options", "message"),
    [
        ("team/app:1.9", {}, "give the repository alone"),
        ("no/such", {}, "does not have it"),
        ("team/app", {"newest": 0}, "newest"),
        ("team/app", {"pattern": "(", "pattern_type": "regex"}, "not a regular expression"),
    ],
)
def test_tags_that_cannot_be_listed(
    registry: FaultyRegistry, term: str, options: dict[str, t.Any], message: str
) -> None:
    with pytest.raises(AnsibleLookupError, match=message):
        tags(term, registry=registry.name, **options)


def test_mirrors_with_options_of_their_own(registry: FaultyRegistry) -> None:
    with FaultyRegistry(auth="basic", users={"me": "s3cret"}) as mirror:
        mirror.publish("hub/team/app", {"1.9": OTHER})
        entry = {"registry": mirror.name, "repository_prefix": "hub", "username": "me", "password": "s3cret"}
        name = f"{registry.name}/team/app"
        assert digest(f"{name}:1.9", mirrors=[entry], pinned=True) == [f"{name}@{OTHER.digest}"]
        assert tags(name, mirrors=[entry], newest=1) == ["1.10"]
    assert [request.method for request in registry.requests] == ["GET"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"registry": "m", "username": "me", "password": "s3cret", "tls": "s3cret"}, "value of mirrors[0].tls"),
        ({"registry": "m e", "token": "s3cret"}, 'mirrors[0]: The registry "m e" is invalid'),
    ],
)
def test_a_mirror_that_cannot_be_used_is_named_without_secrets(entry: dict[str, str], words: str) -> None:
    with pytest.raises(AnsibleLookupError) as caught:
        digest("localhost/team/app", mirrors=[entry])
    assert words in str(caught.value)
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__}"
