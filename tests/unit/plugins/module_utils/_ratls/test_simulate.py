# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command simulate makes realms and tokens for demonstrations, and marks their evidence as simulated."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls import simulate
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.reference_values import (
    parse_reference_file,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import ConfigurationInvalid
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.signing import SigningKey
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.simulated import (
    SimulatedSource,
    read_simulated_realm,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cca_token import parse_token
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.key_file import read_keys
from hypothesis import given
from hypothesis import strategies as st

BUILD = pathlib.Path(__file__).parents[5] / "build"


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("realms") / "one"
    assert simulate.main(["make", str(directory)]) == 0
    return directory


def test_the_command_makes_all_that_a_demonstration_needs(realm: pathlib.Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in realm.iterdir()}
    assert modes["platform.key"] == modes["realm.key"] == 0o600
    assert {"cpak.pem", "realm.json", "reference.json"} <= set(modes)
    token = parse_token(SimulatedSource(str(realm)).evidence(b"c" * 64).token)
    token.verify_realm()
    token.verify_platform(read_keys((realm / "cpak.pem").read_bytes(), what="cpak.pem"))
    assert token.realm.challenge == b"c" * 64
    assert parse_reference_file((realm / "reference.json").read_bytes(), what="x").matches(token.realm)
    assert token.platform.software_components[0].type == "SIMULATED"


def copied(realm: pathlib.Path, place: pathlib.Path) -> pathlib.Path:
    place.mkdir()
    for file in realm.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    return place


def test_the_platform_token_is_made_once_and_the_realm_token_each_time(realm: pathlib.Path) -> None:
    source = SimulatedSource(str(realm))
    first, second = (parse_token(source.evidence(challenge * 64).token) for challenge in (b"1", b"2"))
    assert first.platform_token == second.platform_token
    assert (first.realm.challenge, second.realm.challenge) == (b"1" * 64, b"2" * 64)
    for token in (first, second):
        token.verify_realm()
        token.verify_platform(read_keys((realm / "cpak.pem").read_bytes(), what="cpak.pem"))
    # another source is another start of the machine; signatures are random
    assert parse_token(SimulatedSource(str(realm)).evidence(bytes(64)).token).platform_token != first.platform_token


@pytest.mark.parametrize("name", ["platform.key", "realm.key", "realm.json"])
def test_a_file_that_changes_between_two_tokens_counts(realm: pathlib.Path, tmp_path: pathlib.Path, name: str) -> None:
    here = copied(realm, tmp_path / "here")
    assert simulate.main(["make", str(tmp_path / "other"), "--rim", "ab" * 32]) == 0
    source = SimulatedSource(str(here))
    before = parse_token(source.evidence(bytes(64)).token)
    (here / name).write_bytes((tmp_path / "other" / name).read_bytes())
    after = parse_token(source.evidence(bytes(64)).token)
    after.verify_realm()
    assert (after.realm.public_key != before.realm.public_key) == (name == "realm.key")
    assert (after.realm.initial_measurement == b"\xab" * 32) == (name == "realm.json")
    signer = tmp_path / "other" if name == "platform.key" else here
    after.verify_platform(read_keys((signer / "cpak.pem").read_bytes(), what="cpak.pem"))


@pytest.mark.parametrize("name", ["platform.key", "realm.key", "realm.json"])
def test_a_file_that_goes_bad_or_away_is_an_error(realm: pathlib.Path, tmp_path: pathlib.Path, name: str) -> None:
    here = copied(realm, tmp_path / "here")
    source = SimulatedSource(str(here))
    source.evidence(bytes(64))
    (here / name).write_bytes(b"broken")
    with pytest.raises(ConfigurationInvalid):
        source.evidence(bytes(64))
    (here / name).unlink()
    with pytest.raises(ConfigurationInvalid, match="cannot be read, No such file"):
        source.evidence(bytes(64))
    (here / name).write_bytes((realm / name).read_bytes())
    parse_token(source.evidence(bytes(64)).token).verify_realm()


def test_a_source_does_not_show_its_keys(realm: pathlib.Path) -> None:
    source = SimulatedSource(str(realm))
    source.evidence(bytes(64))
    assert repr(source) == f"SimulatedSource(directory='{realm}', kind='simulated')"
    assert source == SimulatedSource(str(realm))


def test_evidence_says_that_it_is_simulated(realm: pathlib.Path) -> None:
    evidence = SimulatedSource(str(realm)).evidence(bytes(64))
    assert evidence.kind == "simulated"
    assert "it proves nothing" in evidence.warnings[0]


@pytest.mark.parametrize("profile", ["old", "new"])
@pytest.mark.parametrize(("algorithm", "curve"), [("sha-256", "P-256"), ("sha-384", "P-521"), ("sha-512", "P-384")])
def test_realms_of_every_profile_hash_and_curve(
    tmp_path: pathlib.Path, profile: str, algorithm: str, curve: str
) -> None:
    directory = str(tmp_path / "realm")
    assert (
        simulate.main(["make", directory, "--profile", profile, "--hash-algorithm", algorithm, "--curve", curve]) == 0
    )
    token = parse_token(SimulatedSource(directory).evidence(bytes(64)).token)
    token.verify_realm()
    assert (token.realm.hash_algorithm, token.realm.profile is None) == (algorithm, profile == "old")


def test_as_a_program(tmp_path: pathlib.Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", simulate.PROGRAM.split()[-1], *arguments]
        return subprocess.run(command, capture_output=True, cwd=BUILD, check=False)

    directory = str(tmp_path / "realm")
    made = run("make", directory, "--rim", "ab" * 32)
    assert (made.returncode, made.stderr) == (0, b"")
    assert made.stdout.decode().startswith("The evidence is simulated")
    assert b"ab" * 32 in made.stdout
    token = run("token", directory, "--challenge", "cd" * 64)
    assert parse_token(token.stdout).realm.challenge == b"\xcd" * 64
    assert b"simulated" in token.stderr
    again = run("make", directory)
    assert (again.returncode, again.stdout) == (1, b"")
    assert b"name a new directory" in again.stderr


def test_a_token_in_a_file(realm: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main(["token", str(realm), "--output", str(tmp_path / "token.bin")]) == 0
    assert parse_token((tmp_path / "token.bin").read_bytes()).realm.challenge == bytes(64)
    assert simulate.main(["token", str(realm), "--output", str(tmp_path / "absent" / "token.bin")]) == 1
    assert "name another file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["token", "DIRECTORY", "--challenge", "00"], ["token", "/nonexistent"], ["make", "DIRECTORY/x", "--rim", "00"]],
)
def test_commands_that_fail(arguments: list[str], realm: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main([argument.replace("DIRECTORY", str(realm)) for argument in arguments]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.endswith(".\n")


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        [],
        ["other"],
        ["make"],
        ["make", "x", "--lifecycle", "0x10000"],
        ["make", "x", "--lifecycle", "y"],
    ):
        with pytest.raises(SystemExit) as caught:
            simulate.main(arguments)
        assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_errors_about_invalid_keys_do_not_show_them(realm: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for data in (b"secret", b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(ConfigurationInvalid, match="Reading the signing key realm.key failed") as caught:
            SigningKey.from_pem(data, path="realm.key")
        assert "secret" not in caught.value.message
    (tmp_path / "realm.json").write_bytes((realm / "realm.json").read_bytes())
    with pytest.raises(ConfigurationInvalid, match="platform.key cannot be read, No such file"):
        SimulatedSource(str(tmp_path)).evidence(bytes(64))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rems": ["00" * 32] * 3}, "is not a list of 4"),
        ({"lifecycle": True}, "is not a number from 0 to 65535"),
        ({"lifecycle": 65536}, "is not a number from 0 to 65535"),
        ({"lifecycle": "12288"}, "is not a number from 0 to 65535"),
        ({"profile": "newer"}, "is not one of old, new"),
        ({"other": 1}, 'has "other"'),
    ],
)
def test_simulated_realms_that_are_refused(realm: pathlib.Path, change: dict[str, t.Any], reason: str) -> None:
    value = json.loads((realm / "realm.json").read_bytes())
    assert read_simulated_realm(json.dumps(value).encode(), path="realm.json")
    with pytest.raises(ConfigurationInvalid, match=reason):
        read_simulated_realm(json.dumps({**value, **change}).encode(), path="realm.json")
    with pytest.raises(ConfigurationInvalid, match="make the simulated realm again"):
        read_simulated_realm(b"{", path="realm.json")


NAMES = st.sampled_from(["rim", "rems", "lifecycle", "profile", "hash_algorithm", "instance_id", "x"])


ODD = st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=3))


@given(st.dictionaries(NAMES, ODD, min_size=1))
def test_reading_a_simulated_realm_is_total(value: t.Any) -> None:
    with pytest.raises(ConfigurationInvalid):
        read_simulated_realm(json.dumps(value).encode(), path="realm.json")


def test_a_hyphen_is_the_standard_output(tmp_path: pathlib.Path, capfdbinary: t.Any, monkeypatch: t.Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert simulate.main(["make", "realm"]) == 0
    capfdbinary.readouterr()
    assert simulate.main(["token", "realm", "--output", "-"]) == 0
    assert parse_token(capfdbinary.readouterr().out).realm.challenge == bytes(64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["realm"]
