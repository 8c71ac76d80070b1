# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a task make a registry client: protocol, credentials, mirrors, platform and warnings."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.options.image_options import wanted_platform
from ansible_collections.attested.registry.plugins.module_utils._module.options.mirrors import settle_mirrors
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import (
    IMAGE,
    MIRROR,
    MIRROR_RULES,
    REGISTRY,
)
from ansible_collections.attested.registry.plugins.module_utils._module.registry.connection import opened_source
from ansible_collections.attested.registry.plugins.module_utils._registry.auth import ecr
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import (
    BasicAuth,
    IdentityToken,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.client import Registry
from ansible_collections.attested.registry.plugins.module_utils._registry.endpoint import Endpoint
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import ConfigurationError
from ansible_collections.attested.registry.plugins.module_utils._registry.options import ClientOptions

RATLS = {"evidence": "rsi", "path": None, "argv": None, "key_type": "ec-p256", "timeout": 5.0}


class Module:
    """The part of AnsibleModule that the connection uses."""

    def __init__(self, **params: t.Any) -> None:
        spec = {**REGISTRY, **IMAGE}
        self.params = {name: option.get("default") for name, option in spec.items()} | params
        settle_mirrors(self.params, MIRROR, MIRROR_RULES)
        self.no_log_values: set[str] = set()
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Seen(t.NamedTuple):
    """A registry that was made."""

    shared: ClientOptions
    options: dict[str, t.Any]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    """The registries that are made, in their order."""
    found: list[Seen] = []
    real = Registry.__init__

    def remember(self: Registry, endpoint: Endpoint, shared: ClientOptions, **options: t.Any) -> None:
        assert endpoint.uses_tls == (shared.tls.mode != "no-tls")
        found.append(Seen(shared, options))
        real(self, endpoint, shared, **options)

    monkeypatch.setattr(Registry, "__init__", remember)
    return found


def opened(module: Module) -> None:
    with opened_source(t.cast(t.Any, module)):
        pass


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({"registry": "localhost:1337"}, "no-tls"),
        ({"registry": "LOCALHOST:1337"}, "no-tls"),
        ({"registry": "127.0.0.1:5000"}, "no-tls"),
        ({"registry": "127.8.9.10"}, "no-tls"),
        ({"registry": "[::1]:5000"}, "no-tls"),
        ({"registry": "localhost:5000/prefix"}, "no-tls"),
        ({"registry": "localhost:5000", "tls": "tls"}, "tls"),
        ({"registry": "localhost:5000", "ca_path": "/ca.pem"}, "tls"),
        ({"registry": "localhost:5000", "client_cert": "/cert.pem"}, "tls"),
        ({"registry": "https://localhost:5000"}, "tls"),
        ({"registry": "http://localhost:5000", "ca_path": "/ca.pem"}, "no-tls"),
        ({"registry": "localhost.example.com"}, "tls"),
        ({"registry": "127.0.0.1.example.com"}, "tls"),
        ({"registry": "registry.example.com"}, "tls"),
        ({"registry": "10.0.0.1:5000"}, "tls"),
        ({"registry": "0.0.0.0:5000"}, "tls"),
        ({"registry": "[2001:db8::1]:5000"}, "tls"),
        ({"registry": "docker.io"}, "tls"),
        ({"registry": "registry.example.com", "tls": "no-tls"}, "no-tls"),
        ({"registry": "http://registry.example.com"}, "no-tls"),
        ({"registry": "localhost:5000", "tls": "ra-tls", "ratls": RATLS}, "ra-tls"),
        ({"registry": "https://registry.example.com", "tls": "ra-tls", "ratls": RATLS}, "ra-tls"),
    ],
)
def test_plain_http_is_used_for_loopback_or_by_option(made: list[Seen], options: dict[str, t.Any], mode: str) -> None:
    opened(Module(**options))
    assert made[0].shared.tls.mode == mode


@pytest.mark.parametrize("options", [{"tls": "tls"}, {"tls": "ra-tls", "ratls": RATLS}], ids=["tls", "ra-tls"])
def test_a_scheme_that_contradicts_the_option_is_refused(options: dict[str, t.Any]) -> None:
    with pytest.raises(ConfigurationError, match="tls"):
        opened(Module(registry="http://localhost", **options))


def test_mirrors_are_shown_no_attestation(made: list[Seen]) -> None:
    mirrors = ["mirror.example.com", "127.0.0.1:5001"]
    opened(Module(registry="registry.example.com", tls="ra-tls", ratls=RATLS, mirrors=mirrors))
    origin, *others = (seen.shared.tls for seen in made)
    assert (origin.attester.source.kind, origin.attester.key_type) == ("rsi", "ec-p256")
    assert [(tls.mode, tls.attester) for tls in others] == [("tls", None), ("no-tls", None)]


def test_mirrors_on_other_hosts_are_shown_no_client_certificate(made: list[Seen]) -> None:
    certificate = {"ca_path": "/ca", "client_cert": "/cert", "client_key": "/key"}
    mirrors = ["mirror.example.com", "REGISTRY.example.com:5000/cache", "https://localhost:5001"]
    opened(Module(registry="registry.example.com", mirrors=mirrors, **certificate))
    seen = [one.shared.tls for one in made]
    own, other = ("/cert", "/key"), (None, None)
    assert [(tls.client_cert, tls.client_key) for tls in seen] == [own, other, own, other]
    assert all((tls.ca_path, tls.system_too) == ("/ca", True) for tls in seen)


@pytest.mark.parametrize(("mirrors", "alone"), [([], True), (["http://mirror.example.com"], True), (["m:5000"], False)])
def test_ca_path_alone_vouches_for_a_registry_without_tls_mirrors(
    made: list[Seen], mirrors: list[str], alone: bool
) -> None:
    opened(Module(registry="registry.example.com", mirrors=mirrors, ca_path="/ca"))
    assert made[0].shared.tls.system_too is not alone


@pytest.mark.parametrize(
    ("entry", "mode"),
    [
        ({"registry": "m.example"}, "tls"),
        ({"registry": "127.0.0.1:5001"}, "no-tls"),
        ({"registry": "127.0.0.1:5001", "ca_path": "/own"}, "tls"),
        ({"registry": "m.example", "tls": "no-tls"}, "no-tls"),
        ({"registry": "http://m.example"}, "no-tls"),
        ({"registry": "m.example", "tls": "ra-tls", "ratls": {**RATLS, "evidence": "tsm"}}, "ra-tls"),
    ],
)
def test_the_protocol_of_a_mirror_is_its_own(made: list[Seen], entry: dict[str, t.Any], mode: str) -> None:
    opened(Module(registry="registry.example.com", mirrors=[entry]))
    assert [one.shared.tls.mode for one in made] == ["tls", mode]
    attesters = [one.shared.tls.attester for one in made]
    assert [attester and attester.source.kind for attester in attesters] == [None, "tsm" if mode == "ra-tls" else None]


def test_a_mirror_over_ra_tls_may_use_the_attestation_of_the_registry(made: list[Seen]) -> None:
    entry = {"registry": "m.example", "tls": "ra-tls"}
    opened(Module(registry="registry.example.com", tls="ra-tls", ratls=RATLS, mirrors=[entry]))
    assert [one.shared.tls.attester.source.kind for one in made] == ["rsi", "rsi"]


def test_what_a_mirror_does_not_set_is_as_for_a_name(made: list[Seen], tmp_path: t.Any) -> None:
    (tmp_path / "auth.json").write_text("{}")
    options = {
        "registry": "registry.example.com",
        "ca_path": "/ca",
        "client_cert": "/cert",
        "client_key": "/key",
        "validate_certs": False,
        "username": "me",
        "password": "secret",
        "auth_file": str(tmp_path / "auth.json"),
    }
    for host in ("m.example", "registry.example.com:5000"):
        opened(Module(mirrors=[host, {"registry": host}], **options))
        dummy, by_name, by_dictionary = made
        assert by_name.shared.tls == by_dictionary.shared.tls
        assert vars(by_name.options["credentials"]) == vars(by_dictionary.options["credentials"])
        made.clear()


def test_a_mirror_has_tls_and_credentials_of_its_own(made: list[Seen], tmp_path: t.Any) -> None:
    auth = base64.b64encode(b"other:hunter2").decode()
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {"three.example": {"auth": auth}}}))
    task = {"ca_path": "/ca", "client_cert": "/cert", "client_key": "/key", "username": "me", "password": "secret"}
    own = {"ca_path": "/own-ca", "client_cert": "/own", "username": "you", "password": "s3cret"}
    opened(
        Module(
            registry="registry.example.com",
            mirrors=[
                {"registry": "one.example", **own},
                {"registry": "registry.example.com:5000", "client_cert": "/own"},
                {"registry": "three.example", "auth_file": str(tmp_path / "auth.json"), "validate_certs": False},
                {"registry": "four.example", "token": "t0ken", "root_ca": "/four"},
                {"registry": "five.example", "identity_token": "ident1ty", "ca_path": "/five"},
            ],
            **task,
        )
    )
    origin, one, beside, three, four, five = made
    seen = [(tls.ca_path, tls.system_too, tls.client_cert, tls.client_key) for tls in (one.shared.tls for one in made)]
    assert seen == [
        ("/ca", True, "/cert", "/key"),
        ("/own-ca", False, "/own", None),
        ("/ca", True, "/own", None),
        ("/ca", True, None, None),
        ("/four", False, None, None),
        ("/five", False, None, None),
    ]
    assert [one.shared.tls.validate_certs for one in made] == [True, True, True, False, True, True]
    credentials = [one.options["credentials"] for one in made]
    assert (credentials[0].password, credentials[1].password, credentials[4].token) == ("secret", "s3cret", "t0ken")
    assert credentials[5] == IdentityToken("ident1ty")
    for host, expected in (("three.example", "hunter2"), ("one.example", None), ("registry.example.com", None)):
        found = three.options["credentials"].credentials_for(host, "app")
        assert getattr(found, "password", None) == expected
    assert str(beside.options["credentials"].credentials_for("three.example", "app")) == "no credentials"
    # what a redirect to another registry may get
    for registry in (origin, one, beside, four, five):
        assert str(registry.options["other_credentials"].credentials_for("three.example", "app")) == "no credentials"


def test_a_ca_path_of_every_mirror_leaves_that_of_the_registry_alone(made: list[Seen]) -> None:
    entry = {"registry": "m.example", "ca_path": "/own"}
    opened(Module(registry="registry.example.com", ca_path="/ca", mirrors=[entry]))
    assert [one.shared.tls.system_too for one in made] == [False, False]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"registry": "m example"}, 'The registry "m example" is invalid'),
        ("m example", 'The registry "m example" is invalid'),
        ({"registry": "http://m.example", "tls": "tls"}, "leave the scheme out"),
        ({"registry": "m.example", "repository_prefix": "/hub/"}, 'The repository_prefix "/hub/" is invalid'),
        ({"registry": "m.example", "repository_prefix": ""}, 'The repository_prefix "" is invalid'),
        ({"registry": "m.example", "auth_file": "/absent/auth.json"}, "/absent/auth.json"),
        ({"registry": "m.example", "token": "s3cret s3cret"}, "is empty or contains an invalid character"),
    ],
)
def test_a_mirror_that_cannot_be_used_is_named(entry: t.Any, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(Module(mirrors=["one.example", entry]))
    assert caught.value.message.startswith("mirrors[1]: ")
    assert words in caught.value.message
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        ({"registry": "localhost"}, None),
        ({"registry": "registry.example.com"}, None),
        ({"registry": "registry.example.com", "tls": "no-tls"}, "plain HTTP"),
        ({"registry": "localhost", "tls": "no-tls", "username": "me", "password": "secret"}, None),
        (
            {"registry": "example.com", "tls": "no-tls", "username": "me", "password": "secret"},
            "the credentials included",
        ),
        ({"registry": "example.com", "tls": "no-tls", "identity_token": "secret"}, "the credentials included"),
        ({"registry": "registry.example.com", "validate_certs": False}, "is not verified"),
        ({"registry": "localhost", "validate_certs": False}, None),
        ({"registry": "localhost", "validate_certs": False, "tls": "ra-tls", "ratls": RATLS}, "is not verified"),
        ({"registry": "localhost", "mirrors": ["http://mirror.example.com"]}, "plain HTTP"),
        (
            {
                "registry": "localhost",
                "mirrors": [{"registry": "m.example", "tls": "no-tls", "username": "me", "password": "secret"}],
            },
            "the credentials included",
        ),
        ({"registry": "localhost", "mirrors": [{"registry": "m.example", "validate_certs": False}]}, "is not verified"),
    ],
)
def test_options_that_reduce_protection_are_warned_about(options: dict[str, t.Any], warning: str | None) -> None:
    module = Module(**options)
    opened(module)
    assert len(module.warnings) == (warning is not None)
    assert warning is None or warning in module.warnings[0]
    assert "secret" not in str(module.warnings)


def test_mirrors_get_no_credentials_of_the_options(made: list[Seen]) -> None:
    opened(Module(username="me", password="secret", mirrors=["mirror.example.com", "127.0.0.1:5001"]))
    origin, *mirrors = made
    assert origin.options["credentials"].username == "me"
    for mirror in mirrors:
        assert "secret" not in str(vars(mirror.options["credentials"]))
        assert not hasattr(mirror.options["credentials"], "password")
        assert mirror.options["foreign_urls"] is False
    assert [mirror.shared.tls.mode for mirror in mirrors] == ["tls", "no-tls"]


def test_options_reach_the_client(made: list[Seen]) -> None:
    opened(
        Module(
            ca_path="/ca",
            client_cert="/cert",
            client_key="/key",
            timeout=7,
            connect_timeout=8,
            total_timeout=9,
            minimum_throughput=10,
            retries=11,
            trusted_realm_hosts=["auth.example.com"],
            trusted_redirect_hosts=["storage.example.com"],
            foreign_layers=True,
        )
    )
    shared, options = made[0]
    assert (shared.tls.ca_path, shared.tls.client_cert, shared.tls.client_key) == ("/ca", "/cert", "/key")
    timeouts = shared.timeouts
    assert (timeouts.read, timeouts.connect, timeouts.total, timeouts.minimum_rate) == (7, 8, 9, 10)
    assert shared.retry.retries == 11
    assert options["trusted_realm_hosts"] == ["auth.example.com"]
    assert options["trusted_redirect_hosts"] == ["storage.example.com"]
    assert options["foreign_urls"] is True


def test_the_platform_is_that_of_the_host_unless_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Uname(t.NamedTuple):
        sysname: str = "Linux"
        machine: str = "aarch64"

    monkeypatch.setattr(os, "uname", Uname)
    assert str(wanted_platform(t.cast(t.Any, Module()))) == "linux/arm64/v8"
    assert str(wanted_platform(t.cast(t.Any, Module(platform="linux/x86_64")))) == "linux/amd64"


def test_an_auth_file_that_is_named_has_to_be_right(tmp_path: t.Any) -> None:
    """It is read even if the registry asks for no credentials or other options give some."""
    (tmp_path / "bad.json").write_text("hunter2")
    for name, why in (("absent.json", "does not exist"), ("bad.json", "not the JSON")):
        for options in ({}, {"username": "me", "password": "secret"}, {"mirrors": ["mirror.example.com"]}):
            with pytest.raises(ConfigurationError, match=why):
                opened(Module(auth_file=str(tmp_path / name), **options))


def test_a_bad_file_in_a_default_place_is_one_warning(
    made: list[Seen], monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "auth.json").write_text('{"credsStore": "absent"}')
    module = Module(mirrors=["mirror.example.com"])
    opened(module)
    for seen in made:
        assert str(seen.options["credentials"].credentials_for("r.example", "app")) == "no credentials"
    assert len(module.warnings) == 1
    assert "docker-credential-absent" in module.warnings[0]


def helper(tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch, program: str) -> Module:
    """A module whose auth file has the secrets in a helper."""
    path = tmp_path / "docker-credential-own"
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "auth.json").write_text('{"credsStore": "own"}')
    return Module(auth_file=str(tmp_path / "auth.json"))


def test_a_credential_helper_is_run(made: list[Seen], tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = '{"Username": "me", "Secret": "hunter2"}'
    module = helper(tmp_path, monkeypatch, f"read server; [ $1 = get ] && [ $server = r.example ] && echo '{answer}'")
    opened(module)
    found = made[0].options["credentials"].credentials_for("r.example", "app")
    assert (found.username, found.password) == ("me", "hunter2")
    assert "hunter2" in module.no_log_values


def test_an_empty_password_hides_nothing(made: list[Seen], tmp_path: t.Any) -> None:
    """Ansible would find it between any two characters of the results."""
    auth = base64.b64encode(b"me:").decode()
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {"r.example": {"auth": auth}}}))
    module = Module(auth_file=str(tmp_path / "auth.json"))
    opened(module)
    assert made[0].options["credentials"].credentials_for("r.example", "app").password == ""
    assert module.no_log_values == {auth}


@pytest.mark.parametrize(
    ("program", "why"),
    [("exit 3", "ended with status 3"), ("kill $$", "ended with status -15"), ("yes", "it wrote more than")],
)
def test_a_named_helper_that_fails(
    made: list[Seen], tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch, program: str, why: str
) -> None:
    opened(helper(tmp_path, monkeypatch, program))
    with pytest.raises(ConfigurationError, match=f"docker-credential-own that the auth file .*: (it )?{why}"):
        made[0].options["credentials"].credentials_for("r.example", "app")


def test_a_helper_whose_status_is_lost(made: list[Seen], tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(helper(tmp_path, monkeypatch, "echo '{}'; exit 1"))
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(ConfigurationError, match="exit status is unknown, because this process ignores SIGCHLD"):
            made[0].options["credentials"].credentials_for("r.example", "app")
    finally:
        signal.signal(signal.SIGCHLD, before)


ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> list[tuple[t.Any, ...]]:
    """Has AWS give a password, and returns what was asked for."""
    asked: list[tuple[t.Any, ...]] = []

    def answer(registry: str, *, profile: str | None, region: str | None) -> BasicAuth | None:
        asked.append((registry, profile, region))
        if profile == "broken":
            raise ConfigurationError("AWS is broken.")
        return BasicAuth("AWS", "pa55word", "AWS") if registry == ECR else None

    monkeypatch.setattr(ecr, "ecr_credentials", answer)
    return asked


def test_aws_is_asked_where_nothing_else_has_credentials(
    made: list[Seen], aws: list[tuple[t.Any, ...]], tmp_path: t.Any
) -> None:
    entry = base64.b64encode(b"other:hunter2").decode()
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {f"{ECR}/team": {"auth": entry}}}))
    module = Module(registry=ECR, auth_file=str(tmp_path / "auth.json"), aws_region="eu-west-1")
    opened(module)
    source = made[0].options["credentials"]
    assert source.credentials_for(ECR, "team/app").username == "other"
    assert aws == []
    assert [source.credentials_for(ECR, name).username for name in ("a", "b")] == ["AWS", "AWS"]
    assert aws == [(ECR, None, "eu-west-1")]
    assert "pa55word" in module.no_log_values
    assert str(source.credentials_for("registry.example.com", "a")) == "no credentials"


def test_each_mirror_has_an_aws_profile(made: list[Seen], aws: list[tuple[t.Any, ...]]) -> None:
    mirrors = [{"registry": ECR, "aws_profile": "pull"}, {"registry": ECR}, ECR]
    opened(Module(registry="registry.example.com", mirrors=mirrors, aws_profile="own"))
    for one in made[1:]:
        assert one.options["credentials"].credentials_for(ECR, "a").username == "AWS"
    assert [profile for registry, profile, region in aws] == ["pull", "own"]


def test_a_host_without_botocore_is_a_warning_without_a_profile(
    made: list[Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    module = Module(registry=ECR)
    opened(module)
    source = made[0].options["credentials"]
    for repository in ("a", "b"):
        assert str(source.credentials_for(ECR, repository)) == "no credentials"
    (warning,) = module.warnings
    assert "botocore" in warning


def test_a_profile_that_cannot_be_used_is_an_error(made: list[Seen], aws: list[tuple[t.Any, ...]]) -> None:
    opened(Module(registry=ECR, aws_profile="broken"))
    with pytest.raises(ConfigurationError, match="AWS is broken"):
        made[0].options["credentials"].credentials_for(ECR, "a")
