# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role registry_server names wrong variables before it changes the host, and prints no secret.

One run of ansible-playbook plays the role on a host for each case, all of them this machine, with -vvv and --diff.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.release import __version__ as core_version
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.signatures import (
    SigningKey,
    signature_tag,
    signatures,
    simple_signing,
)
from ansible_collections.attested.registry.tests.support.plays import Output, play_on_hosts, share_hosts
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

pytestmark = pytest.mark.slow

_SECRET: t.Final = "s3cret"
_KEY: t.Final = f"-----BEGIN PRIVATE KEY-----\n{_SECRET}\n"
_CERT: t.Final = "-----BEGIN CERTIFICATE-----\n"
_IMAGE: t.Final = {"repository": "app", "reference": "stable"}
_TLS: t.Final = {"tls": "tls", "cert_content": _CERT, "key_content": _KEY}
_ATTESTED: t.Final = {"tls": "ra-tls", "self_signed": True}

# The variables without their prefix, and what the first message has to say. It lists all faults of a kind: of each of
# these three kinds, cases share hosts.
_WRONG_ARGUMENTS: t.Final[dict[str, tuple[dict[str, t.Any], str]]] = {
    "port-word": ({"port": "http"}, "registry_server_port"),
    "tls-yes": ({"tls": True}, "registry_server_tls must be one of"),
    "unit-list": ({"unit_options": ["MemoryMax=1G"]}, "registry_server_unit_options"),
    "image-no-key": ({"images": [{**_IMAGE, "signature": {}}]}, "keys found in registry_server_images -> signature"),
    "image-tags-text": ({"images": [{"repository": "app", "tags": "1.*", "token": _SECRET}]}, "must be of type dict"),
    "image-tags-glob": (
        {"images": [{"repository": "app", "tags": {"glob": "1.*"}, "token": _SECRET}]},
        "registry_server_images.tags.glob",
    ),
    "signatures-no-key": (
        {"signatures": [{"repositories": ["*"]}]},
        "missing required arguments: keys found in registry_server_signatures",
    ),
}
_WRONG_TYPES: t.Final[dict[str, tuple[dict[str, t.Any], str]]] = {
    "host-number": ({"host": 5}, "registry_server_host must be a list"),
    "port-bool": ({"port": True}, "registry_server_port must be a whole number"),
    "listen-text": ({"listen": "0.0.0.0:80"}, "registry_server_listen must be a list"),
    "groups-text": ({"groups": "ssl-cert"}, "registry_server_groups must be a list"),
    "port-newline": ({"port": "80\n"}, "registry_server_port must be a whole number"),
    "key-list": ({**_TLS, "key_content": [_KEY]}, "registry_server_key_content must be a string"),
    "realm-list": ({"realm": ["a"]}, "registry_server_realm must be a string"),
    "anchors-text": ({**_ATTESTED, "trust_anchors": "cpak.pem"}, "registry_server_trust_anchors must be a list"),
    "lifecycle": ({"lifecycle": "secured"}, "registry_server_lifecycle must be a list"),
    "images-text": ({"images": f"password={_SECRET}"}, "registry_server_images"),
}
_WRONG_VALUES: t.Final[dict[str, tuple[dict[str, t.Any], str]]] = {
    "host-with-scheme": ({"host": "https://0.0.0.0"}, "registry_server_host must be an address, or a list"),
    "host-with-port": ({"host": ["0.0.0.0:80"]}, "registry_server_host must be an address, or a list"),
    "no-host": ({"host": []}, "registry_server_host must be an address, or a list"),
    "port-too-big": ({"port": 99999}, "registry_server_port (99999) must be from 1 to 65535"),
    "listen-newline": (
        {"listen": ["unix:/run/x\n", "0.0.0.0:80"]},
        "registry_server_listen must be a list of addresses without line breaks",
    ),
    "python-newline": ({"python": "python3\n"}, "registry_server_python must be"),
    "groups-newline": ({"groups": ["ssl-cert\n"]}, "registry_server_groups must be"),
    "host-newline": ({"host": ["::1\n"]}, "registry_server_host must be an address"),
    "wheels": ({"wheel_dir": "/nonexistent"}, "registry_server_wheel_dir (/nonexistent) must be"),
    "source": ({"source": "/nonexistent"}, "registry_server_source (/nonexistent) must be"),
    "swapped": (
        {"tls": "tls", "cert_content": _KEY, "key_content": _CERT},
        "registry_server_cert_file or _content must",
    ),
    "key-encrypted": ({**_TLS, "key_content": _KEY.replace("BEGIN", "BEGIN ENCRYPTED")}, "that is not encrypted"),
    "password-not-hashed": ({"htpasswd_content": f"bob:{_SECRET}"}, "registry_server_htpasswd_file or _content must"),
    "unit-continued": (
        {"unit_options": {"Environment": "A=x\\"}},
        "that do not end in a backslash; correct Environment",
    ),
    "unit-name-newline": ({"unit_options": {"Nice\n": 1}}, "registry_server_unit_options must map directives"),
    "unit-lines": ({"unit_options": {"Environment": f"A={_SECRET}\nUser=root"}}, "correct Environment"),
    "accel": ({"accel": "files"}, "registry_server_accel must be"),
    "anchors-missing": (
        {**_ATTESTED, "trust_anchors": ["/nonexistent.pem"]},
        "the controller cannot read: /nonexistent",
    ),
    "veraison": (
        {**_ATTESTED, "veraison": {"url": f"https://bob:{_SECRET}@veraison.example", "pin": ["x"]}},
        "registry_server_veraison.url must be an https:// URL without user and password",
    ),
    "signatures-missing-file": (
        {"signatures": [{"repositories": ["*"], "keys": ["gone.pub"]}]},
        "registry_server_signatures lists a file that the controller cannot read: gone.pub",
    ),
    "signatures-key-itself": (
        {"signatures": [{"repositories": ["*"], "keys": [_KEY]}]},
        "registry_server_signatures lists a file that the controller cannot read",
    ),
}
# These end at their first fault, or are about what is not set.
_WRONG_ALONE: t.Final[dict[str, tuple[dict[str, t.Any], str]]] = {
    "listen-without-port": ({"listen": ["0.0.0.0"]}, 'listen "0.0.0.0" is not ADDRESS:PORT'),
    "user": ({"user": "Registry User"}, "registry_server_user (Registry User) must be"),
    "name": ({"name": "Main"}, "registry_server_name (Main) must be"),
    "name-newline": ({"name": "web\n"}, "registry_server_name (web\n) must be"),
    "user-newline": ({"user": "web\n"}, "registry_server_user (web\n) must be"),
    "root-newline": ({"root": "/srv/images\n"}, "registry_server_root (/srv/images\n) must be"),
    "root-relative": ({"root": "srv/images"}, "registry_server_root (srv/images) must be"),
    "root-climbs": ({"root": "/srv/../etc"}, "registry_server_root (/srv/../etc) must be"),
    "source-delete": (
        {"source_delete": True},
        "registry_server_source_delete is true, which needs registry_server_source",
    ),
    "no-certificate": (
        {"tls": "tls", "key_content": _KEY},
        "registry_server_tls is tls, which needs a certificate and its key",
    ),
    "certificate-without-tls": ({**_TLS, "tls": "no-tls"}, "registry_server_tls is no-tls, which uses no certificate"),
    "certificate-twice": ({**_TLS, "self_signed": True}, "registry_server_self_signed is true, so the role generates"),
    "key-in-file": ({"tls": "tls", "cert_content": _CERT, "key_file": _KEY}, "registry_server_key_file"),
    "key-in-path": ({"tls": "tls", "cert_content": _CERT, "key_path": _KEY}, "registry_server_key_path must be"),
    "key-twice": ({**_TLS, "key_path": "/etc/key.pem"}, "registry_server_key_path are mutually exclusive"),
    "workers-zero": ({"workers": 0}, "workers must be a whole number from 1 to 256"),
    "watch-negative": ({"watch": -1}, "watch must be a number from 0"),
    "users-without-passwords": ({"allow": [{"users": ["bob"], "repositories": ["*"]}]}, "allow names users"),
    "no-network": ({"allow": [{"networks": ["10.0.0.0/99"], "repositories": ["*"]}]}, "allow rule 1: networks"),
    "anchors-empty": (
        {**_ATTESTED, "trust_anchors": None, "reference_values": []},
        "registry_server_tls is ra-tls, which needs at least one of",
    ),
    "anchors-without-ra-tls": ({"trust_anchors": ["cpak.pem"]}, "registry_server_tls is no-tls, which uses none of"),
    "anchors-without-path": ({**_ATTESTED, "trust_anchors": [{"instance_id": "00"}]}, "a mapping whose path is one"),
}
_WRONG: t.Final = {**_WRONG_ARGUMENTS, **_WRONG_TYPES, **_WRONG_VALUES, **_WRONG_ALONE}
# Items of registry_server_images with one fault each, all on one host, and what the message says after their numbers.
_WRONG_IMAGES: t.Final[dict[str, tuple[dict[str, t.Any], str]]] = {
    "tag-in-repository": ({**_IMAGE, "repository": "app:1"}, ".repository must be"),
    "float": ({**_IMAGE, "reference": 1.10}, ".reference is a number (1.1); put it in quotes"),
    "newline": ({**_IMAGE, "repository": "app\n"}, ".repository must be"),
    "climbs": ({**_IMAGE, "name": "../app"}, ".name must be"),
    "login-in-url": (
        {**_IMAGE, "registry": f"https://bob:{_SECRET}@registry.example"},
        ".registry must be HOST or HOST:PORT, without user and password",
    ),
    "half-login": ({**_IMAGE, "password": _SECRET}, " must have username and password, or token"),
    "two-logins": (
        {**_IMAGE, "identity_token": _SECRET, "token": _SECRET},
        " must have username and password, or token, or identity_token, or none",
    ),
    "half-certificate": ({**_IMAGE, "client_key": _KEY}, " must have client_cert if it has client_key"),
    "no-reference": ({"repository": "app", "token": _SECRET}, " must have either reference or tags"),
    "reference-and-tags": ({**_IMAGE, "tags": {"pattern": "1.*"}}, " must have either reference or tags"),
    "tags-and-tag": ({"repository": "app", "tags": {}, "tag": "stable"}, " must have either tags, which keep"),
    "no-repository": ({"reference": "1.0"}, " must have repository, or layout"),
    "layout-relative": ({"layout": "app.tar", "name": "app"}, ".layout must be an absolute path"),
    "layout-without-name": ({"layout": "/srv/app.tar"}, " must have name, the repository that serves"),
    "layout-and-registry": (
        {"layout": "/srv/app.tar", "name": "app", "registry": "registry.example"},
        " must have either layout or registry",
    ),
    "layout-and-tags": ({"layout": "/srv/app.tar", "name": "app", "tags": {}}, " must have either layout or tags"),
    "key-missing": (
        {**_IMAGE, "signature": {"keys": ["gone.pub"]}},
        ".signature lists a key that the controller cannot read: gone.pub",
    ),
    "key-itself": (
        {**_IMAGE, "signature": {"keys": [_KEY]}},
        ".signature lists a key that the controller cannot read;",
    ),
    "key-private": (
        {**_IMAGE, "signature": {"keys": ["private.pem"]}},
        ".signature lists a file without a public key in PEM form: private.pem",
    ),
}
# These pass all checks of variables; what stops them is that this machine is no host for the role.
_RIGHT: t.Final[dict[str, dict[str, t.Any]]] = {
    "host-text": {"host": "0.0.0.0"},
    "host-list": {"host": ["0.0.0.0", "::"]},
    "host-commas": {"host": "0.0.0.0, ::1"},
    "host-brackets": {"host": "[::1]"},
    "numbers-of-the-command-line": {"port": "8443", "workers": "2", "drain_seconds": "2.5"},
    "nothing-given": {
        **dict.fromkeys(["workers", "realm", "drain_seconds"]),
        **dict.fromkeys(["trust_anchors", "reference_values", "veraison", "policies", "signatures"]),
        "accel": "",
    },
    "tls": _TLS,
    "signatures": {
        "signatures": [
            {"repositories": ["team/*"], "keys": [__file__, __file__], "registry": "registry.example"},
            {"repositories": ["*"], "keys": [__file__], "format": "islet", "signatures": 1},
        ]
    },
    "image": {
        "images": [{**_IMAGE, "registry": "[::1]:5000", "tls": "no-tls", "username": "bob", "password": _SECRET}]
    },
    "image-tags": {
        "images": [
            {
                "repository": "app",
                "tags": {"pattern": "1.*", "newest": 3, "prune": True},
                "signature": {"keys": ["key.pub"]},
            },
            {"repository": "app", "tags": {}, "referrers": True, "identity_token": _SECRET},
        ]
    },
    "image-layout": {"images": [{"layout": "/srv/app.tar", "name": "app"}, {"layout": "/srv/x", "repository": "x"}]},
    "veraison-nothing-more": {
        **_ATTESTED,
        "trust_anchors": None,
        "policies": [{"repositories": ["*"], "reference_values": None}],
        "veraison": {"url": "https://veraison.example", "pin": ["x" * 42 + "A"], "key": None, "ca_path": None},
    },
    "veraison-here": {**_ATTESTED, "veraison": {"url": "http://127.0.0.1:8080", "pin": ["x" * 42 + "A"]}},
}
_HOST_OF, _HOSTS = share_hosts(
    *(
        {name: variables for name, (variables, dummy) in group.items()}
        for group in (_WRONG_ARGUMENTS, _WRONG_TYPES, _WRONG_VALUES)
    ),
    *({name: variables} for name, (variables, dummy) in _WRONG_ALONE.items()),
    _RIGHT,
)
# Nothing listens there.
_CLOSED: t.Final = {**_IMAGE, "registry": "127.0.0.1:9", "tls": "no-tls"}
_BRINGING: t.Final[dict[str, dict[str, t.Any]]] = {
    "password": {"images": [{**_CLOSED, "username": "bob", "password": _SECRET}]},
    "token": {"images": [{**_CLOSED, "token": _SECRET}]},
    "identity": {"images": [{**_CLOSED, "identity_token": _SECRET}]},
    "mirror": {"images": [{**_CLOSED, "mirrors": [{"registry": "127.0.0.1:9", "username": "b", "password": _SECRET}]}]},
}
_APP: t.Final = images.image([images.layer([images.file("etc/motd", b"hello\n")])])
_OTHER: t.Final = images.image([images.layer([images.file("etc/motd", b"other\n")])])
_SIGNER: t.Final = SigningKey.make("p256")


def _play(where: Path, cases: t.Mapping[str, t.Mapping[str, t.Any]], play: t.Mapping[str, t.Any]) -> Output:
    hosts = {
        name: {"registry_server_root": str(where / "content" / name), **_prefixed(variables)}
        for name, variables in cases.items()
    }
    (where / "key.pub").write_bytes(_SIGNER.pem)
    (where / "private.pem").write_text(_KEY)
    return play_on_hosts(where, hosts, play)


def _prefixed(variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {f"registry_server_{name}": value for name, value in variables.items()}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Output:
    if tuple(map(int, core_version.split(".")[:2])) < (2, 19):
        pytest.skip(f"the collection needs ansible-core 2.19, and this is {core_version}")
    cases = {**_HOSTS, "images": {"images": [image for image, dummy in _WRONG_IMAGES.values()]}}
    return _play(tmp_path_factory.mktemp("wrong"), cases, {"roles": ["attested.registry.registry_server"]})


@pytest.fixture(scope="module")
def bringing(tmp_path_factory: pytest.TempPathFactory, output: Output) -> Output:
    where = tmp_path_factory.mktemp("bringing")
    images.write_layout(where / "layout", {"1.0": _APP})
    with FaultyRegistry() as server:
        signed = signatures([simple_signing(_SIGNER, _APP.digest, f"{server.name}/team/app")])
        server.publish("team/app", {"1.0": _APP, "1.1": _APP, "2.0": _OTHER, signature_tag(_APP.digest): signed})
        image = {"registry": server.name, "repository": "team/app", "signature": {"keys": ["key.pub"]}}
        cases = {
            "unsigned": {"images": [{**image, "reference": "2.0", "token": _SECRET}]},
            "signed": {"images": [{**image, "tags": {"pattern": "1.*"}, "cosign_tags": True, "token": _SECRET}]},
            "layout": {"images": [{"layout": str(where / "layout"), "name": "copies/app", "tag": "kept"}]},
        }
        include = {"name": "attested.registry.registry_server", "tasks_from": "images.yml"}
        return _play(where, {**_BRINGING, **cases}, {"tasks": [{"ansible.builtin.include_role": include}]})


@pytest.mark.parametrize("name", _WRONG)
def test_a_wrong_variable_is_named_before_the_host_is_touched(output: Output, name: str) -> None:
    assert _WRONG[name][1] in output.messages[_HOST_OF[name]]
    assert "Finalization of task args" not in output.messages[_HOST_OF[name]]


@pytest.mark.parametrize("name", _WRONG_IMAGES)
def test_a_wrong_image_is_named_before_the_host_is_touched(output: Output, name: str) -> None:
    number = list(_WRONG_IMAGES).index(name)
    assert f"registry_server_images[{number}]{_WRONG_IMAGES[name][1]}" in output.messages["images"]


@pytest.mark.parametrize("name", _RIGHT)
def test_valid_variables_are_accepted(output: Output, name: str) -> None:
    assert output.messages[_HOST_OF[name]].startswith("The role registry_server needs a host that runs systemd")


def test_no_output_of_a_refused_variable_holds_a_secret(output: Output) -> None:
    assert [line for line in output.text.splitlines() if _SECRET in line] == []


@pytest.mark.parametrize("name", _BRINGING)
def test_an_image_that_cannot_be_brought_is_named_with_the_reason(bringing: Output, name: str) -> None:
    assert "127.0.0.1:9" in bringing.messages[name]
    assert "refused" in bringing.messages[name]


def test_an_image_that_is_not_signed_is_named(bringing: Output) -> None:
    assert "Verifying the signature of team/app (2.0)" in bringing.messages["unsigned"]
    assert _SIGNER.fingerprint in bringing.messages["unsigned"]


def test_tags_that_are_signed_and_images_of_a_layout_are_brought(bringing: Output) -> None:
    signed, layout = bringing.results["signed"], bringing.results["layout"]
    assert signed["digests"] == {"1.0": _APP.digest, "1.1": _APP.digest}
    assert signed["signatures"]["1.1"]["key"] == _SIGNER.fingerprint
    assert [item["tag"] for item in signed["referrers"]] == [signature_tag(_APP.digest)]
    assert signed["dest"].endswith("/content/signed/team/app")
    assert (layout["changed"], layout["tags"]) == (True, {"kept": _APP.digest})
    assert layout["dest"].endswith("/content/layout/copies/app")


def test_no_output_of_an_image_that_cannot_be_brought_holds_its_secrets(bringing: Output) -> None:
    assert [line for line in bringing.text.splitlines() if _SECRET in line] == []
