# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of attestation are read from file and switches; conflicts and unusable files are named."""

from __future__ import annotations

import contextlib
import json
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.settings import read_policies
from ansible_collections.attested.registry.plugins.module_utils._server.attestation.materials import read_relying
from ansible_collections.attested.registry.plugins.module_utils._server.config.cli import parse_command
from ansible_collections.attested.registry.plugins.module_utils._server.config.config_file import parse_config
from ansible_collections.attested.registry.plugins.module_utils._server.config.conflicts import ATTESTATION_SETTINGS
from ansible_collections.attested.registry.plugins.module_utils._server.config.settings import Settings
from ansible_collections.attested.registry.plugins.module_utils._server.errors import (
    AttestationError,
    ConfigError,
    UsageError,
)
from ansible_collections.attested.registry.plugins.module_utils._server.main import main
from ansible_collections.attested.registry.tests.support.attestation.attested_clients import make_realm
from ansible_collections.attested.registry.tests.support.tls13.tls13_servers import write_pem
from hypothesis import given
from hypothesis import strategies as st

from ..conftest import Certificate

FULL = """
root: /srv
tls: ra-tls
cert: /c
key: /k
trust_anchors:
  - /cpak.pem
  - {path: /other.pem, instance_id: "01", implementation_id: "02"}
reference_values: [/a.json, /b.json]
veraison: {url: "https://veraison.example", key: /pkey.jwk, max_age: 60}
policies:
  - {repositories: [app], realms: [{rim: "aa"}]}
lifecycle: [secured, recoverable_platform_rot_debug]
allow_unauthenticated_evidence: true
attestation_seconds: 2.5
attestations: 3
"""


def write(folder: pathlib.Path, text: str) -> str:
    (folder / "config.yml").write_text(text)
    return str(folder / "config.yml")


def test_every_setting_can_stand_in_the_file(tmp_path: pathlib.Path) -> None:
    settings = parse_command(["--config", write(tmp_path, FULL)]).settings
    assert parse_config(FULL.encode()).model_fields_set == {*ATTESTATION_SETTINGS, "root", "tls", "cert", "key"}
    assert settings.trust_anchors == (
        "/cpak.pem",
        {"path": "/other.pem", "instance_id": "01", "implementation_id": "02"},
    )
    assert settings.veraison == {"url": "https://veraison.example", "key": "/pkey.jwk", "max_age": 60}
    assert settings.policies == ({"repositories": ["app"], "realms": [{"rim": "aa"}]},)
    assert (settings.attestation_seconds, settings.attestations) == (2.5, 3)


RA_TLS = ("-r", "/srv", "-t", "ra-tls", "-c", "/c", "-k", "/k")


def test_switches() -> None:
    words = (
        *("--trust-anchors", "/cpak.pem", "--trust-anchors", "/other.pem"),
        *("-j", "/a.json", "--reference-json", "/b.json", "--reference-values", "/c.json"),
        *("-u", "https://veraison.example", "-v", "/pkey.jwk"),
        *("--lifecycle", "secured", "--lifecycle", "unknown"),
        *("--allow-unauthenticated-evidence", "--attestation-seconds", "2.5", "--attestations", "3"),
    )
    assert parse_command([*RA_TLS, *words]).settings == Settings(
        root="/srv",
        tls="ra-tls",
        cert="/c",
        key="/k",
        trust_anchors=("/cpak.pem", "/other.pem"),
        reference_values=("/a.json", "/b.json", "/c.json"),
        veraison={"url": "https://veraison.example", "key": "/pkey.jwk"},
        lifecycle=("secured", "unknown"),
        allow_unauthenticated_evidence=True,
        attestation_seconds=2.5,
        attestations=3,
    )


def test_switches_change_what_the_file_says_of_veraison(tmp_path: pathlib.Path) -> None:
    config = write(tmp_path, "veraison: {url: 'https://a', pin: x, max_age: 60}\n")
    for words, expected in (
        (("-u", "https://b"), {"url": "https://b", "pin": "x", "max_age": 60}),
        (("-v", "/pkey.jwk"), {"url": "https://a", "key": "/pkey.jwk", "max_age": 60}),
    ):
        assert parse_command(["--config", config, *RA_TLS, *words]).settings.veraison == expected


JUDGED = ("--trust-anchors", "/cpak.pem")
CONFLICTS: dict[str, tuple[tuple[str, ...], str]] = {
    "no certificate": (("-r", "/srv", "-t", "ra-tls", *JUDGED), "needs cert"),
    "nobody judges": (RA_TLS, "which realms are accepted"),
    "reference values alone": ((*RA_TLS, "-j", "/a.json"), "--allow-unauthenticated-evidence"),
    "nobody judges, but anybody may come": ((*RA_TLS, "--allow-unauthenticated-evidence"), "which realms are accepted"),
    "a service without key": ((*RA_TLS, "-u", "https://veraison.example"), "--veraison-pubkey"),
    "a key without service": ((*RA_TLS, "-v", "/pkey.jwk"), "--veraison-url"),
    "client_auth": ((*RA_TLS, *JUDGED, "--client-auth", "required", "--client-ca", "/ca"), "need tls to be tls"),
    "client_ca": ((*RA_TLS, *JUDGED, "--client-ca", "/ca"), "need tls to be tls"),
    "accel": ((*RA_TLS, *JUDGED, "--accel", "/files/"), "accel needs an HTTP proxy"),
    **{
        f"{words[0]} without ra-tls": (("-r", "/srv", *words), f"supports {name}")
        for name, words in {
            "trust_anchors": JUDGED,
            "reference_values": ("-j", "/a.json"),
            "lifecycle": ("--lifecycle", "unknown"),
            "allow_unauthenticated_evidence": ("--allow-unauthenticated-evidence",),
            "attestation_seconds": ("--attestation-seconds", "5"),
            "attestations": ("--attestations", "5"),
            "veraison": ("-u", "https://veraison.example", "-v", "/pkey.jwk"),
        }.items()
    },
}


@pytest.mark.parametrize(("words", "why"), CONFLICTS.values(), ids=CONFLICTS.keys())
def test_conflicting_settings_are_refused(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_command(words)
    assert why in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("rule", "fine"), [("{subjects: [CN=x]}", False), ("{networks: [192.0.2.0/24]}", True), ("{users: [joe]}", True)]
)
def test_rules_go_with_attestation_unless_they_name_subjects(tmp_path: pathlib.Path, rule: str, fine: bool) -> None:
    config = write(tmp_path, f"htpasswd: /h\nallow: [{rule}]\n")
    words = ["--config", config, *RA_TLS, *JUDGED]
    if fine:
        assert parse_command(words).settings.allow
    else:
        with pytest.raises(UsageError, match="use policies"):
            parse_command(words)


WRONG = {
    "an unknown state": ("lifecycle: [secure]", "lifecycle"),
    "a flag that is a text": ('allow_unauthenticated_evidence: "yes"', "must be true or false"),
    "anchors that are numbers": ("trust_anchors: [1]", "must be a list of strings and mappings"),
    "no anchors": ("trust_anchors: []", "from 1 to"),
    "an empty policy": ("policies: [{}]", "must be a list of strings and mappings"),
    "a service that is a text": ("veraison: https://veraison.example", "must be a mapping"),
    "a service with a number for a name": ("veraison: {1: 2}", "must be a mapping"),
    "no time": ("attestation_seconds: 0", "must be a number from 1"),
    "nobody at a time": ("attestations: 0", "must be a whole number from 1"),
}


@pytest.mark.parametrize(("text", "why"), WRONG.values(), ids=WRONG.keys())
def test_wrong_files(tmp_path: pathlib.Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_command(["--config", write(tmp_path, f"root: /srv\n{text}\n")])
    assert why in caught.value.message


class Checks:
    """Runs --check-config, and the start itself, of ra-tls with a file and a simulated realm."""

    def __init__(self, folder: pathlib.Path, certificate: Certificate, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._certificate = certificate
        self._capsys = capsys
        (folder / "root").mkdir()
        self.realm = make_realm(folder / "realm")
        self.reference = str(self.realm / "reference.json")

    def start(self, *words: t.Any, cert: t.Any = None, key: t.Any = None, **values: t.Any) -> tuple[int, str]:
        """Exit code and the one line."""
        (self._folder / "c.yml").write_text(json.dumps(values))
        given = ["-r", self._folder / "root", "-t", "ra-tls", "--config", self._folder / "c.yml"]
        given += ["-c", cert or self._certificate.cert, "-k", key or self._certificate.key]
        code = main([str(word) for word in (*given, *words)])
        said = self._capsys.readouterr()
        assert (said.out + said.err).count("\n") == 1
        return code, said.out + said.err


@pytest.fixture
def checks(tmp_path: pathlib.Path, certificate: Certificate, capsys: pytest.CaptureFixture[str]) -> Checks:
    return Checks(tmp_path, certificate, capsys)


def test_sound_configurations(checks: Checks) -> None:
    anchor = str(checks.realm / "cpak.pem")
    policies = [{"repositories": ["app"], "reference_values": [checks.reference]}]
    for values in (
        {"trust_anchors": [anchor]},
        {"trust_anchors": [{"path": anchor}], "reference_values": [checks.reference]},
        {"trust_anchors": anchor, "policies": policies},
        {"reference_values": checks.reference, "allow_unauthenticated_evidence": True},
    ):
        assert checks.start("--check-config", **values) == (0, "The configuration is valid.\n")


def test_unsound_configurations(checks: Checks, tmp_path: pathlib.Path) -> None:
    anchor = str(checks.realm / "cpak.pem")
    (tmp_path / "nonsense").write_text("nonsense")
    nonsense, nowhere = str(tmp_path / "nonsense"), str(tmp_path / "nowhere")
    for values, why in (
        ({"trust_anchors": [nowhere]}, nowhere),
        ({"trust_anchors": [nonsense]}, nonsense),
        ({"trust_anchors": [str(checks.realm / "platform.key")]}, "platform.key"),
        ({"trust_anchors": [{"path": anchor, "instance": "01"}]}, '"instance"'),
        ({"trust_anchors": [anchor], "reference_values": [nonsense]}, nonsense),
        ({"trust_anchors": [anchor], "reference_values": [str(tmp_path)]}, "not a regular file"),
        ({"trust_anchors": [anchor], "policies": [{"repositories": ["app"]}]}, "neither realms nor reference_values"),
        ({"veraison": {"url": "http://veraison.example", "key": nowhere}}, "http"),
        ({"veraison": {"url": "https://veraison.example", "key": nowhere}}, nowhere),
    ):
        code, line = checks.start("--check-config", **values)
        assert (code, why in line) == (1, True), line
        code, line = checks.start(**values)
        assert (code, why in line) == (8, True), line


def test_certificates_that_the_engine_cannot_use(checks: Checks, tmp_path: pathlib.Path) -> None:
    anchors = {"trust_anchors": [str(checks.realm / "cpak.pem")]}
    other = write_pem(tmp_path)
    odd = write_pem(tmp_path, t.cast("t.Any", "ec-p521"))
    for files, why in (
        ({"cert": tmp_path / "nowhere"}, "No such file"),
        ({"key": tmp_path}, "not a regular file"),
        ({"key": other[1]}, "do not belong together"),
        ({"cert": odd[0], "key": odd[1]}, "EC with P-256 or P-384"),
        ({"cert": checks.reference}, "cannot be read"),
    ):
        code, line = checks.start(**files, **anchors)
        assert (code, why in line, str(next(iter(files.values()))) in line) == (5, True, True), line


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=10), inner, max_size=3)),
    max_leaves=6,
)
NAMES = ("path", "instance_id", "url", "key", "pin", "ca_path", "timeout", "repositories", "realms", "rim", "lifecycle")


@given(
    st.sampled_from(["trust_anchors", "reference_values", "veraison", "policies"]),
    st.one_of(PLAIN, st.dictionaries(st.sampled_from(NAMES), PLAIN, max_size=4)),
)
def test_any_setting_is_read_or_refused(name: str, value: t.Any) -> None:
    with contextlib.suppress(ValueError):
        settings = Settings.model_validate({"root": "/", "tls": "ra-tls", name: value})
        with contextlib.suppress(AttestationError):
            assert read_relying(settings) is not None


def test_policies_are_as_the_documentation_of_their_reader_has_them() -> None:
    policies = [{"repositories": ["app"], "realms": [{"rim": "aa" * 32}]}]
    assert read_policies(policies, read_file=lambda path: b"").policies[0].is_for("app")
