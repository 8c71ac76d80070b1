# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Auth files of docker and podman are found and searched as those tools do, credential helpers included."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.auth_file import (
    MAX_BYTES,
    AuthFile,
    AuthFiles,
    default_places,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.auth_keys import (
    key_candidates,
    normalise_key,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import (
    Anonymous,
    BasicAuth,
    IdentityToken,
    Token,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import ConfigurationError
from hypothesis import given
from hypothesis import strategies as st


def auth(text: str | bytes) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode() if isinstance(text, str) else text).decode()}


def find(document: t.Any, registry: str, repository: str | None = None, run: t.Any = None) -> t.Any:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return AuthFile.parse(data, path="/x/auth.json").find(registry, repository, run=run)


def pair(credentials: t.Any) -> tuple[str, str] | None:
    return None if credentials is None else (credentials.username, credentials.password)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (auth("u:p"), BasicAuth("u", "p", "the auth file /x/auth.json")),
        (auth("u:p:q::"), BasicAuth("u", "p:q::", "the auth file /x/auth.json")),
        (auth(b"u:p\0\0"), BasicAuth("u", "p", "the auth file /x/auth.json")),
        (auth("u:"), BasicAuth("u", "", "the auth file /x/auth.json")),
        (auth("ü:pä"), BasicAuth("ü", "pä", "the auth file /x/auth.json")),
        ({"username": "u", "password": "p"}, BasicAuth("u", "p", "the auth file /x/auth.json")),
        ({**auth("u:"), "identitytoken": "it"}, IdentityToken("it", "the auth file /x/auth.json")),
        ({"registrytoken": "rt"}, Token("rt", "the auth file /x/auth.json")),
        ({}, None),
        ({"email": "a@b"}, None),
    ],
)
def test_entries(entry: dict[str, str], expected: t.Any) -> None:
    assert find({"auths": {"r.example": entry}}, "r.example") == expected


@pytest.mark.parametrize(
    ("keys", "registry", "repository", "expected"),
    [
        (["r.example"], "r.example", "a/b", "r.example"),
        (["r.example", "r.example/a"], "r.example", "a/b", "r.example/a"),
        (["r.example/a/b", "r.example/a", "r.example"], "r.example", "a/b", "r.example/a/b"),
        (["r.example/a/b"], "r.example", "a/bc", None),
        (["r.example/a/b"], "r.example", None, None),
        (["r.example:5000"], "r.example:5000", "a", "r.example:5000"),
        (["r.example:5000"], "r.example", "a", None),
        (["r.example"], "r.example:5000", "a", None),
        (["https://r.example/v2/"], "r.example", "a", "https://r.example/v2/"),
        (["https://r.example/v1/"], "r.example", "a", "https://r.example/v1/"),
        (["http://r.example:5000"], "r.example:5000", "a", "http://r.example:5000"),
        (["r.example/v2/"], "r.example", "a", "r.example/v2/"),
        (["R.Example"], "r.example", "a", "R.Example"),
        (["https://index.docker.io/v1/"], "docker.io", "library/debian", "https://index.docker.io/v1/"),
        (["index.docker.io"], "docker.io", "library/debian", "index.docker.io"),
        (["registry-1.docker.io"], "docker.io", "library/debian", "registry-1.docker.io"),
        (["docker.io"], "docker.io", "library/debian", "docker.io"),
        (["docker.io/library"], "docker.io", "library/debian", "docker.io/library"),
        (["r.example/mirror"], "r.example/mirror", "a", "r.example/mirror"),
        (["docker.io.evil.example"], "docker.io", "a/b", None),
        (["r.example/team/v2"], "r.example", "team/app", None),
        (["r.example/team/v2"], "r.example", "team/v2/app", "r.example/team/v2"),
        (["https://r.example/v1/", "r.example"], "r.example", "a", "r.example"),
        (["r.example", "https://r.example/v1/"], "r.example", "a", "r.example"),
        (["evil.example/docker.io"], "docker.io", "a/b", None),
    ],
)
def test_keys(keys: list[str], registry: str, repository: str | None, expected: str | None) -> None:
    found = find({"auths": {key: auth(f"{number}:p") for number, key in enumerate(keys)}}, registry, repository)
    assert (None if found is None else keys[int(found.username)]) == expected


def test_dockercfg() -> None:
    document = {"https://index.docker.io/v1/": {**auth("u:p"), "email": "a@b"}, "r.example": auth("v:q")}
    assert pair(find(document, "docker.io")) == ("u", "p")
    assert pair(find(document, "r.example")) == ("v", "q")


def test_config_without_credentials() -> None:
    assert find({"HttpHeaders": {"User-Agent": "x"}, "psFormat": "y"}, "r.example") is None


def test_an_empty_entry_does_not_hide_a_shorter_key() -> None:
    assert pair(find({"auths": {"r.example/a": {}, "r.example": auth("u:p")}}, "r.example", "a/b")) == ("u", "p")


def test_an_empty_entry_does_not_hide_another_way_of_writing_its_key() -> None:
    for auths in (
        {"r.example": {}, "https://r.example": auth("u:p")},
        {"http://r.example": auth("u:p"), "r.example": {}},
    ):
        assert pair(find({"auths": auths}, "r.example")) == ("u", "p")


@pytest.mark.parametrize("name", ["registrytoken", "identitytoken"])
def test_an_invalid_token_is_not_sent(name: str) -> None:
    with pytest.raises(ConfigurationError, match="token from the auth file /x/auth.json .*a line end") as raised:
        find({"auths": {"r.example": {name: "hunter2\n"}}}, "r.example")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        b"hunter2",
        b"[]",
        b'{"auths": []}',
        b'{"auths": {"r.example": {"auth": 7}}}',
        b'{"auths": {"r.example": {"auth": "hunter2!"}}}',
        b'{"auths": {"r.example": {"auth": "aHVudGVyMg=="}}}',
        b'{"auths": {"r.example": {"auth": "Omh1bnRlcjI="}}}',
        b'{"auths": {"r.example": {"auth": "/////w=="}}}',
        b'{"auths": {"r.example": {"identitytoken": ["hunter2"]}}}',
        b'{"auths": {}, "auths": {"hunter2": {}}}',
        b'{"credHelpers": "hunter2"}',
        b'{"credHelpers": {"r.example": 1}}',
        b'{"credsStore": {"hunter2": 1}}',
        b"\xff\xfe{",
        b"[" * 100000,
    ],
)
def test_bad_files_are_named_and_not_shown(content: bytes) -> None:
    with pytest.raises(ConfigurationError) as raised:
        find(content, "r.example")
    assert "/x/auth.json" in raised.value.message
    assert raised.value.fields["auth_file"] == "/x/auth.json"
    assert "hunter2" not in repr(raised.value) + repr(raised.value.fields)


def test_nothing_is_shown_by_repr() -> None:
    document = {"auths": {"r": {**auth("u:hunter2"), "password": "hunter2"}}}
    parsed = AuthFile.parse(json.dumps(document).encode(), path="/x")
    found = parsed.find("r", None, run=None)
    assert "hunter2" not in repr(parsed) + repr(found) + str(found)
    for credentials in (Token("hunter2"), IdentityToken("hunter2"), BasicAuth("u", "hunter2"), Anonymous()):
        assert "hunter2" not in repr(credentials) + str(credentials)


class Helper:
    def __init__(self, status: int = 0, output: str = "", fail: Exception | None = None) -> None:
        self.calls: list[tuple[list[str], str]] = []
        self.status, self.output, self.fail = status, output, fail

    def __call__(self, argv: list[str], stdin: str) -> tuple[int, str, str]:
        self.calls.append((argv, stdin))
        if self.fail:
            raise self.fail
        return self.status, self.output, "hunter2"


def answer(username: str, hunter2: str) -> str:
    return json.dumps({"ServerURL": "x", "Username": username, "Secret": hunter2})


@pytest.mark.parametrize(
    ("document", "registry", "argv", "server"),
    [
        ({"credHelpers": {"r.example": "ecr-login"}}, "r.example", "docker-credential-ecr-login", "r.example"),
        ({"credsStore": "desktop"}, "r.example:5000/prefix", "docker-credential-desktop", "r.example:5000"),
        ({"credHelpers": {"docker.io": "pass"}}, "docker.io", "docker-credential-pass", "https://index.docker.io/v1/"),
        (
            {"credHelpers": {"https://index.docker.io/v1/": "a"}, "credsStore": "b"},
            "docker.io",
            "docker-credential-a",
            "https://index.docker.io/v1/",
        ),
        ({"credHelpers": {"other": "a"}, "credsStore": "b"}, "r.example", "docker-credential-b", "r.example"),
    ],
)
def test_helpers(document: t.Any, registry: str, argv: str, server: str) -> None:
    helper = Helper(output=answer("u", "p:q"))
    assert pair(find({**document, "auths": {registry: auth("file:pw")}}, registry, run=helper)) == ("u", "p:q")
    assert helper.calls == [([argv, "get"], server)]


def test_helper_with_an_identity_token() -> None:
    found = find({"credsStore": "x"}, "r.example", run=Helper(output=answer("<token>", "hunter2")))
    assert isinstance(found, IdentityToken)
    assert found.token == "hunter2"


@pytest.mark.parametrize("helper", [Helper(1, "credentials not found in native keychain\n"), Helper(0, answer("", ""))])
def test_a_helper_that_knows_nothing_is_passed_over(helper: Helper) -> None:
    assert pair(find({"credsStore": "x", "auths": {"r": auth("u:p")}}, "r", run=helper)) == ("u", "p")


@pytest.mark.parametrize(
    "helper",
    [
        Helper(1, "hunter2"),
        Helper(0, "hunter2"),
        Helper(0, '{"Username": "u"}'),
        Helper(0, '{"Username": 1, "Secret": "hunter2"}'),
        Helper(fail=FileNotFoundError(2, "No such file")),
        None,
    ],
)
def test_a_failing_helper_ends_the_search(helper: Helper | None) -> None:
    with pytest.raises(ConfigurationError, match="docker-credential-x") as raised:
        find({"credsStore": "x", "auths": {"r": auth("u:p")}}, "r", run=helper)
    assert "hunter2" not in raised.value.message


@pytest.mark.parametrize("suffix", ["../../bin/sh", "a b", "A", "a/b", "a\n", ";x", "x" * 65])
def test_helper_names_are_checked(suffix: str) -> None:
    helper = Helper()
    with pytest.raises(ConfigurationError, match="its name may contain"):
        find({"credsStore": suffix}, "r", run=helper)
    assert helper.calls == []


def test_places() -> None:
    environ = {
        "REGISTRY_AUTH_FILE": "/env/auth.json",
        "XDG_RUNTIME_DIR": "/run/user/0",
        "XDG_CONFIG_HOME": "/cfg",
        "DOCKER_CONFIG": "/docker",
    }
    assert default_places(environ, home="/root") == (
        "/env/auth.json",
        "/run/user/0/containers/auth.json",
        "/cfg/containers/auth.json",
        "/root/.finch/config.json",
        "/docker/config.json",
        "/root/.dockercfg",
    )
    assert default_places({}, home="/root") == (
        "/root/.config/containers/auth.json",
        "/root/.finch/config.json",
        "/root/.docker/config.json",
        "/root/.dockercfg",
    )
    assert default_places({}, home=None) == ()


def test_places_of_a_user() -> None:
    """Without XDG_RUNTIME_DIR, as under become, logins are below /run/containers."""
    of_user = ("/run/containers/1000/auth.json", "/run/user/1000/containers/auth.json")
    usual = (
        "/root/.config/containers/auth.json",
        "/root/.finch/config.json",
        "/root/.docker/config.json",
        "/root/.dockercfg",
    )
    assert default_places({}, home="/root", uid=1000) == of_user + usual
    elsewhere = default_places({"XDG_RUNTIME_DIR": "/xdg"}, home="/root", uid=1000)
    assert elsewhere == ("/xdg/containers/auth.json", *usual, *of_user)
    same = default_places({"XDG_RUNTIME_DIR": "/run/user/1000"}, home="/root", uid=1000)
    assert same == (of_user[1], *usual, of_user[0])


def test_the_first_file_that_knows(tmp_path) -> None:
    paths = [str(tmp_path / name) for name in ("absent", "empty", "other", "first", "second")]
    (tmp_path / "empty").write_bytes(b" \n")
    (tmp_path / "other").write_text(json.dumps({"auths": {"other": auth("o:o")}}))
    (tmp_path / "first").write_text(json.dumps({"auths": {"r": auth("one:1")}}))
    (tmp_path / "second").write_text(json.dumps({"auths": {"r": auth("two:2")}}))
    found = AuthFiles(paths).credentials_for("r", "a")
    assert isinstance(found, BasicAuth)
    assert (found.username, found.source) == ("one", f"the auth file {paths[3]}")
    assert AuthFiles(paths).credentials_for("x", "a") == Anonymous()
    assert AuthFiles([]).credentials_for("x", None) == Anonymous()


@pytest.mark.parametrize(
    "content",
    [
        b"hunter2",
        b'{"auths": []}',
        b'{"credHelpers": {"r": 7}}',
        b'{"auths": {"r": {"auth": "hunter2"}}}',
        b'{"auths": {"r": {"identitytoken": "hunter2\\n"}}}',
        b'{"credsStore": "../hunter2"}',
        b'{"credsStore": "absent"}',
        b'{"credHelpers": {"r": "absent"}}',
    ],
)
def test_a_bad_file_in_a_default_place_is_a_warning(tmp_path, content: bytes) -> None:
    """A warning, and the next file is asked; an error where there is nobody to warn."""
    (tmp_path / "bad").write_bytes(content)
    (tmp_path / "good").write_text(json.dumps({"auths": {"r": auth("u:p")}}))
    helper = Helper(fail=FileNotFoundError(2, "No such file or directory"))
    paths, warnings = [str(tmp_path / name) for name in ("bad", "good")], list[str]()
    assert pair(AuthFiles(paths, run=helper, warn=warnings.append).credentials_for("r", "a")) == ("u", "p")
    assert AuthFiles(paths[:1], run=helper, warn=warnings.append).credentials_for("r", "a") == Anonymous()
    assert len(warnings) == 2
    assert str(tmp_path / "bad") in warnings[0]
    assert "It was skipped" in warnings[0]
    assert "hunter2" not in warnings[0].replace('"../hunter2"', "")
    with pytest.raises(ConfigurationError):
        AuthFiles(paths, run=helper).credentials_for("r", "a")


def test_a_failing_helper_does_not_hide_the_entries_of_its_file(tmp_path) -> None:
    (tmp_path / "file").write_text(json.dumps({"credsStore": "x", "auths": {"r": auth("u:p")}}))
    warnings: list[str] = []
    files = AuthFiles([str(tmp_path / "file")], run=Helper(1, "hunter2"), warn=warnings.append)
    assert pair(files.credentials_for("r", "a")) == ("u", "p")
    assert len(warnings) == 1
    assert "docker-credential-x" in warnings[0]


def test_places_that_cannot_be_read_are_passed_over(tmp_path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    warnings: list[str] = []
    paths = [str(tmp_path), str(tmp_path / "fifo"), str(tmp_path / "loop"), str(tmp_path / "absent")]
    assert AuthFiles(paths, warn=warnings.append).credentials_for("r", None) == Anonymous()
    assert len(warnings) == 3


def test_checking_a_required_file(tmp_path) -> None:
    (tmp_path / "good").write_text(json.dumps({"credsStore": "not-asked"}))
    AuthFiles([str(tmp_path / "good")], required=True).check()
    (tmp_path / "bad").write_text("{")
    for name, why in (("absent", "does not exist"), ("bad", "is not the JSON")):
        with pytest.raises(ConfigurationError, match=why):
            AuthFiles([str(tmp_path / name)], required=True).check()


def test_a_required_file_has_to_exist(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        AuthFiles([str(tmp_path / "absent")], required=True).credentials_for("r", None)


def test_unsuitable_files_are_refused(tmp_path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with open(tmp_path / "large", "wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    for path, why in ((tmp_path, "not a regular file"), (tmp_path / "fifo", "regular file")):
        with pytest.raises(ConfigurationError, match=why):
            AuthFiles([str(path)]).credentials_for("r", None)
    with pytest.raises(ConfigurationError, match="has more than"):
        AuthFiles([str(tmp_path / "large")]).credentials_for("r", None)
    with pytest.raises(ConfigurationError, match="the path is invalid"):
        AuthFiles(["nul\0byte"]).credentials_for("r", None)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_parsing_is_total(content: bytes) -> None:
    with contextlib.suppress(ConfigurationError):
        AuthFile.parse(content, path="/x").find("r", "a/b", run=None)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["r", "auth", "auths", "credHelpers", "credsStore", "identitytoken"]), inner)
    ),
    max_leaves=8,
)


@given(_json)
def test_any_json_is_read_or_refused(document: t.Any) -> None:
    with contextlib.suppress(ConfigurationError):
        find(document, "r", "a/b", run=Helper(1, "credentials not found"))


@given(st.text(max_size=30))
def test_normalising_keys_settles(key: str) -> None:
    once = normalise_key(key)
    assert isinstance(once, str)
    assert key_candidates(key, "a/b")[0].endswith("a/b")
