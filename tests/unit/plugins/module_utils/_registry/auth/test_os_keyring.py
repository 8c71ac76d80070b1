# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An entry of an auth file without credentials and helper is looked up in the keyring of the operating system."""

from __future__ import annotations

import json
import sys
import threading
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.auth import os_keyring
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.auth_file import AuthFile
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import BasicAuth, Token
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import ConfigurationError

PATH = "/x/auth.json"
SERVICE = "docker-credential-helpers"


@pytest.fixture
def kept() -> t.Iterator[dict[tuple[str, str], t.Any]]:
    """The passwords in the keyring of this process; one that is an exception is raised."""
    keyring = pytest.importorskip("keyring", reason="the library keyring is not installed")
    table: dict[tuple[str, str], t.Any] = {}

    class InMemory(keyring.backend.KeyringBackend):  # type: ignore[misc, name-defined]
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            found = table.get((service, username))
            if isinstance(found, Exception):
                raise found
            return t.cast("str | None", found)

        def set_password(self, service: str, username: str, password: str) -> None:
            raise AssertionError("nothing is stored")

    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())
    yield table
    keyring.set_keyring(before)


def find(document: t.Any, registry: str, repository: str | None = None, **options: t.Any) -> t.Any:
    return AuthFile.parse(json.dumps(document).encode(), path=PATH).find(registry, repository, run=None, **options)


def test_a_login(kept: t.Any) -> None:
    kept[SERVICE, "r.example:5000"] = "u:hunter2:x"
    source = f"the keyring (for an entry of the auth file {PATH})"
    assert find({"auths": {"r.example:5000": {}}}, "r.example:5000", "app") == BasicAuth("u", "hunter2:x", source)


def test_a_token(kept: t.Any) -> None:
    kept[SERVICE, "r.example"] = "t0ken"
    assert find({"auths": {"r.example": {}}}, "r.example") == Token(
        "t0ken", f"the keyring (for an entry of the auth file {PATH})"
    )


def test_docker_hub_has_the_name_that_docker_gives_it(kept: t.Any) -> None:
    kept[SERVICE, "https://index.docker.io/v1/"] = "u:p"
    assert find({"auths": {"https://index.docker.io/v1/": {}}}, "docker.io", "library/debian").username == "u"


def test_the_most_specific_entry_counts(kept: t.Any) -> None:
    kept[SERVICE, "r.example/team"] = "team:p"
    kept[SERVICE, "r.example"] = "all:p"
    document = {"auths": {"r.example": {}, "r.example/team": {}}}
    assert find(document, "r.example", "team/app").username == "team"
    assert find(document, "r.example", "other/app").username == "all"


@pytest.mark.parametrize(
    "document",
    [
        {"auths": {}},
        {"auths": {"other.example": {}}},
        {"auths": {"r.example": None}},
        {"auths": {"r.example": {"username": "x", "password": "y"}}},
    ],
)
def test_the_keyring_is_asked_for_entries_without_credentials_alone(kept: t.Any, document: t.Any) -> None:
    kept[SERVICE, "r.example"] = AssertionError("asked")
    found = find(document, "r.example")
    assert found is None or found.username == "x"


def test_a_helper_is_asked_instead(kept: t.Any) -> None:
    kept[SERVICE, "r.example"] = AssertionError("asked")
    file = AuthFile.parse(b'{"auths": {"r.example": {}}, "credsStore": "x"}', path=PATH)
    assert file.find("r.example", None, run=lambda argv, data: (1, "credentials not found", "")) is None


def test_a_locked_keyring(kept: t.Any) -> None:
    kept[SERVICE, "r.example"] = RuntimeError("hunter2")
    with pytest.raises(ConfigurationError, match="fails with RuntimeError; unlock the keyring") as raised:
        find({"auths": {"r.example": {}}}, "r.example")
    assert "hunter2" not in str(raised.value)
    warnings: list[str] = []
    assert find({"auths": {"r.example": {}}}, "r.example", warn=warnings.append) is None
    assert len(warnings) == 1


def test_a_keyring_that_does_not_answer(kept: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = threading.Event(), threading.Event()

    def wait(service: str, username: str) -> None:
        asked.set()
        answered.wait()

    keyring = pytest.importorskip("keyring")
    monkeypatch.setattr(keyring, "get_password", wait)
    monkeypatch.setattr(os_keyring, "_SECONDS", 0.01)
    with pytest.raises(ConfigurationError, match="does not answer within 0.01 seconds"):
        find({"auths": {"r.example": {}}}, "r.example")
    assert asked.wait(30)
    answered.set()


def test_a_password_that_cannot_be_sent(kept: t.Any) -> None:
    kept[SERVICE, "r.example"] = "hunter2\n"
    with pytest.raises(ConfigurationError, match="token from the keyring .* a line end") as raised:
        find({"auths": {"r.example": {}}}, "r.example")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("found", [None, ""])
def test_nothing_in_the_keyring(kept: t.Any, found: str | None) -> None:
    kept[SERVICE, "r.example"] = found
    assert find({"auths": {"r.example": {}}}, "r.example") is None


def test_no_keyring_on_the_host(kept: t.Any) -> None:
    import keyring.errors

    kept[SERVICE, "r.example"] = keyring.errors.NoKeyringError()
    assert find({"auths": {"r.example": {}}}, "r.example") is None


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert find({"auths": {"r.example": {}}}, "r.example") is None
