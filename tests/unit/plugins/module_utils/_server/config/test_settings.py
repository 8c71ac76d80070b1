# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings are read strictly from file and switches; an error is one line that names the key."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.config.addresses import (
    SystemdAddress,
    TcpAddress,
    UnixAddress,
    parse_address,
)
from ansible_collections.attested.registry.plugins.module_utils._server.config.cli import parse_command
from ansible_collections.attested.registry.plugins.module_utils._server.config.config_file import parse_config
from ansible_collections.attested.registry.plugins.module_utils._server.config.conflicts import ATTESTATION_SETTINGS
from ansible_collections.attested.registry.plugins.module_utils._server.config.rules import Rule
from ansible_collections.attested.registry.plugins.module_utils._server.config.settings import Settings
from ansible_collections.attested.registry.plugins.module_utils._server.errors import (
    ConfigError,
    ServerError,
    UsageError,
)
from hypothesis import given
from hypothesis import strategies as st

FULL = """
root: /srv
host: [127.0.0.1, "::1"]
port: 5000
listen: ["127.0.0.1:1", "[::1]:2", "unix:/run/x", systemd]
unix_mode: "0600"
tls: tls
cert: /c
key: /k
client_ca: /a
client_auth: required
htpasswd: /h
realm: mine
allow:
  - repositories: team/*
    users: [joe]
    subjects: "CN=*"
    networks: ["192.0.2.0/24", "2001:db8::/32"]
signatures:
  - repositories: team/*
    keys: [/k1, /k2]
    format: cosign
    signatures: 2
    registry: registry.example.com
verify: full
cache: /var/cache/x
workers: 4
watch: 2.5
accel: /internal
log_level: debug
access_log: json
admin: 127.0.0.1:9000
connections: 10
connections_per_address: 0
head_seconds: 1
idle_seconds: 2
stall_seconds: 3
minimum_rate: 4
drain_seconds: 0
handshake_seconds: 5
"""


def write(folder: pathlib.Path, text: str) -> str:
    (folder / "config.yml").write_text(text)
    return str(folder / "config.yml")


def test_every_setting_can_stand_in_the_file(tmp_path: pathlib.Path) -> None:
    settings = parse_command(["--config", write(tmp_path, FULL)]).settings
    assert parse_config(FULL.encode()).model_fields_set == set(Settings.model_fields) - set(ATTESTATION_SETTINGS)
    assert settings.unix_mode == "0600"
    assert settings.allow == (
        Rule(
            repositories=("team/*",),
            users=("joe",),
            subjects=("CN=*",),
            networks=("192.0.2.0/24", "2001:db8::/32"),
        ),
    )
    assert settings.watch == 2.5
    assert settings.addresses == (
        TcpAddress("127.0.0.1", 1),
        TcpAddress("::1", 2),
        UnixAddress("/run/x"),
        SystemdAddress(),
    )


def test_every_setting_but_rules_has_a_switch(tmp_path: pathlib.Path) -> None:
    in_file = parse_config(FULL.encode())
    words: list[str] = []
    for name in in_file.model_fields_set - {"allow", "signatures"}:
        value = getattr(in_file, name)
        for item in value if isinstance(value, tuple) else (value,):
            words += ["--" + name.replace("_", "-"), str(item)]
    by_switches = parse_command(words).settings
    by_file = parse_command(["--config", write(tmp_path, FULL)]).settings
    rules = {"allow": by_file.allow, "signatures": by_file.signatures}
    assert {**vars(by_switches), **rules} == vars(by_file)


def test_defaults() -> None:
    command = parse_command(["-r", "dir"])
    assert command.settings == Settings(root="dir")
    assert command.settings.addresses == (TcpAddress("127.0.0.1", 1337),)
    assert not command.check_only
    assert parse_command(["-r", "dir", "--check-config"]).check_only


def test_switches_override_the_file(tmp_path: pathlib.Path) -> None:
    config = write(tmp_path, "root: /srv\nport: 1\nworkers: 2\n")
    settings = parse_command(["--config", config, "-p", "2"]).settings
    assert (settings.root, settings.port, settings.workers) == ("/srv", 2, 2)


def test_a_port_on_the_command_line_overrides_the_listeners_of_the_file(tmp_path: pathlib.Path) -> None:
    config = write(tmp_path, "root: /srv\nlisten: 127.0.0.1:1\n")
    assert parse_command(["--config", config, "-p", "2"]).settings.addresses == (TcpAddress("127.0.0.1", 2),)


WRONG = {
    "unknown key": ("root: /srv\nroots: 1\n", '"roots"'),
    "a key twice": ("root: /srv\nport: 1\nport: 1\n", '"port" is given twice, again in line 3'),
    "a key of a rule twice": ("root: /srv\nallow: [{users: [a], users: [b]}]\n", '"users"'),
    "a number as a string": ('root: /srv\nport: "1"\n', "port must be a whole number from 0 to 65535"),
    "a truth value as a number": ("root: /srv\nworkers: true\n", "workers must be a whole number"),
    "no value": ("root: /srv\nport:\n", "port has no value (null)"),
    "no path": ("root: /srv\ncert: ~\n", "cert has no value (null)"),
    "a part of a rule without a value": ("root: /srv\nallow: [{users: }]\n", "allow rule 1: users has no value (null)"),
    "a part of a rule of the wrong type": (
        "root: /srv\nallow: [{users: [a]}, {users: [a, 1]}]\n",
        "allow rule 2: users must be a string, and is the number 1",
    ),
    "no items": ("root: /srv\nhost: []\n", "host must have from 1 to 1000 items"),
    "too many items": (f"root: /srv\nhost: [{'a,' * 1001}]\n", "host must have from 1 to 1000 items"),
    "too many rules": (f"root: /srv\nallow: [{'{users: [a]},' * 1001}]\n", "allow must be a list of at most 1000"),
    "a rule as the list": ("root: /srv\nallow: {users: [a]}\n", "allow must be a list of at most 1000 rules"),
    "a number as a key": ("root: /srv\n1: 2\n", "the unknown key the number 1"),
    "null as a key": ("root: /srv\n~: 2\n", "the unknown key null"),
    "a number as a key of a rule": ("root: /srv\nallow: [{1: 2}]\n", "the unknown key the number 1 in rule 1 of allow"),
    "a key that is no text": ('root: /srv\n"\\ud800": 1\n', 'the unknown key "\\ud800"'),
    "a list as a key": ("? [a]\n: b\n", "not valid YAML"),
    "a merge": ("<<: {root: /srv}\n", "not valid YAML"),
    "a date": ("root: 2026-01-01\n", "root must be a string, and is a value of type date"),
    "bytes": ("root: !!binary aGk=\n", "root must be a string, and is a value of type bytes"),
    "NUL": ('root: "/srv/\\0"\n', "root must not be empty or contain NUL"),
    "a surrogate that is in no name": ('root: "/srv/\\ud800"\n', "root must not contain lone surrogates"),
    "a word with a surrogate": ('root: /srv\nverify: "\\udcff"\n', "verify must be one of cached, full"),
    "a huge number": (f"root: /srv\nport: {'9' * 400}\n", "and is a huge number"),
    "a huge time": (f"root: /srv\nwatch: {'9' * 400}\n", "watch must be a number from 0 to 86400, and is a huge"),
    "infinity": ("root: /srv\nwatch: .inf\n", "watch must be a number from 0 to 86400, and is a huge number"),
    "a list in itself": ("root: /srv\nhost: &a [*a]\n", "host must be a string, and is an array"),
    "too deep": (f"root: {'[' * 5000}", "nested too deeply"),
    "a fraction": ("root: /srv\nport: 1.5\n", "port must be a whole number"),
    "not a number": ("root: /srv\nwatch: .nan\n", "watch must be a number"),
    "a list as a string": ("root: [a]\n", "root must be a string"),
    "an empty string": ('root: ""\n', "root must not be empty"),
    "an unknown word": ("root: /srv\nverify: never\n", "verify must be one of cached, full"),
    "a mode as a number": ("root: /srv\nunix_mode: 0660\n", "unix_mode must be a string"),
    "a bad address": ("root: /srv\nlisten: [nowhere]\n", 'listen "nowhere" is not ADDRESS:PORT'),
    "a bad network": ("root: /srv\nallow: [{networks: [192.0.2.1/24]}]\n", "rule 1: networks"),
    "an unknown key of a rule": ("root: /srv\nallow: [{who: [a]}]\n", '"who" in rule 1 of allow'),
    "an empty rule": ("root: /srv\nallow: [{}]\n", "rule 1 is not a mapping"),
    "a list": ("- root\n", "not a mapping"),
    "no YAML": ("root: [\n", "not valid YAML"),
    "a control character": ("root: \x07\n", "not valid YAML"),
    "a tag that does not suit": ("root: !!int x\n", "does not match its tag"),
    "a Python object": ("root: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
}


@pytest.mark.parametrize(("text", "why"), WRONG.values(), ids=WRONG.keys())
def test_wrong_files(tmp_path: pathlib.Path, text: str, why: str) -> None:
    config = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        parse_command(["--config", config])
    assert why in caught.value.message
    assert config in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["key: 271828", "htpasswd: {joe: 271828}", 'veraison: "https://joe:271828@host"'])
def test_no_message_shows_what_may_be_secret(text: str) -> None:
    with pytest.raises(ValueError, match="must be a") as caught:
        parse_config(text.encode())
    assert "271828" not in str(caught.value)


def test_a_path_that_is_not_utf_8_is_a_path() -> None:
    assert parse_config(b'root: "/srv/\\udcff"\n').root == "/srv/\udcff"


def test_aliases_cost_what_they_take_in_the_file() -> None:
    levels = "".join(f"- {{a: &x{number} [{', '.join([f'*x{number - 1}'] * 9)}]}}\n" for number in range(1, 40))
    assert parse_config(f"policies:\n- {{a: &x0 [a]}}\n{levels}".encode()).policies


def problem(data: bytes) -> str:
    try:
        parse_config(data)
    except ValueError as exc:
        return str(exc)
    return ""


@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_file_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert parse_config(data).model_fields_set <= set(Settings.model_fields)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=10), inner, max_size=3)),
    max_leaves=6,
)


@given(st.sampled_from(sorted(Settings.model_fields)), JSON)
def test_any_value_is_taken_or_refused_in_our_words(name: str, value: t.Any) -> None:
    said = problem(json.dumps({name: value}).encode())
    assert re.match(rf"{name}( rule [0-9]+: \w+)? |it has the unknown key |$", said)
    assert not re.search("pydantic|Input|Value error|type=|\n", said.replace(json.dumps(value), ""))


CONFLICTS = {
    "no root": ([], "root"),
    "tls without certificate": (["-t", "tls"], "cert"),
    "certificate without tls": (["-c", "x", "-k", "y"], "need tls"),
    "client_auth without tls": (["--client-auth", "optional", "--client-ca", "x"], "client_auth"),
    "client_auth without client_ca": (["-t", "tls", "-c", "x", "-k", "y", "--client-auth", "optional"], "client_ca"),
    "client_ca without client_auth": (["-t", "tls", "-c", "x", "-k", "y", "--client-ca", "x"], "client_auth"),
}


@pytest.mark.parametrize(("words", "why"), CONFLICTS.values(), ids=CONFLICTS.keys())
def test_conflicting_settings_are_refused(words: list[str], why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_command(words if why == "root" else ["-r", "/srv", *words])
    assert why in caught.value.message


@pytest.mark.parametrize("rule", ["{users: [joe]}", "{subjects: [CN=x]}"])
def test_rules_need_the_credentials_that_they_name(tmp_path: pathlib.Path, rule: str) -> None:
    with pytest.raises(UsageError):
        parse_command(["--config", write(tmp_path, f"root: /srv\nallow: [{rule}]\n")])


@pytest.mark.parametrize("port", ["", "-1", "65536", "x", "1e3", " 1", "\u0661", "9" * 5000, "00000099999", "01"])
def test_bad_ports(port: str) -> None:
    with pytest.raises(UsageError):
        parse_command(["--root", "dir", f"--port={port}"])


@given(st.lists(st.one_of(st.sampled_from(["-r", "--port", "--tls", "--listen", "--watch"]), st.text(max_size=8))))
def test_any_command_line_is_read_or_refused(words: list[str]) -> None:
    if {"--help", "-h", "--version", "-V"} & {*words} or any(word.startswith(("-h", "-V")) for word in words):
        return
    with contextlib.suppress(ServerError):
        parse_command(words)


@pytest.mark.parametrize(
    "text",
    ["", ":1", "x", "x:", "x:65536", "x:-1", "x:1:2", "::1:2", "[::1]", "[::1]:", "[x:1", "unix:", "unix:x", "a\n:1"],
)
def test_bad_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="is not|needs|has a port"):
        parse_address(text)


def test_a_path_that_is_too_long_for_a_unix_socket() -> None:
    assert parse_address("unix:/" + "a" * 106) == UnixAddress("/" + "a" * 106)
    with pytest.raises(ValueError, match="longer"):
        parse_address("unix:/" + "a" * 107)


@given(st.text(max_size=30))
def test_any_address_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_address(str(parse_address(text))) == parse_address(text)


@pytest.mark.parametrize("realm", ["a\r\nX: y", "a\nb", "\x7f"])
def test_a_realm_fits_into_a_header(realm: str) -> None:
    with pytest.raises(UsageError, match="--realm .* contains characters that are not printable"):
        parse_command(["--root", "dir", "--realm", realm])
