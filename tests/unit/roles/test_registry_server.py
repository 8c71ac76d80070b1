# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation, templates and scripts of the role registry_server agree with each other and with the server."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import re
import socket
import subprocess
import sys
import tarfile
import types
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.settings import _POLICY
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison.settings import VERAISON
from ansible_collections.attested.registry.plugins.module_utils._server.config.settings import Settings
from ansible_collections.attested.registry.plugins.module_utils._server.config.signature_rules import SignatureRule
from ansible_collections.attested.registry.plugins.module_utils._server.errors import DependencyMissing

TOP = Path(__file__).parents[3]
ROLE = TOP / "roles" / "registry_server"
# What the role sets itself, from variables of other names.
_OWN_SETTINGS = {"cert", "key", "client_ca", "htpasswd", "cache", "unix_mode"}
# What it passes on with the files in it renamed.
_WITH_FILES = {
    "trust_anchors",
    "reference_values",
    "veraison",
    "policies",
    "allow_unauthenticated_evidence",
    "signatures",
}


def load(name: str) -> t.Any:
    return yaml.safe_load((ROLE / name).read_text())


def script(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROLE / "files" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def options() -> dict[str, dict[str, t.Any]]:
    found: dict[str, dict[str, t.Any]] = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


def test_the_defaults_are_the_documented_ones(options: dict[str, dict[str, t.Any]]) -> None:
    documented = {name: option["default"] for name, option in options.items() if "default" in option}
    assert load("defaults/main.yml") == documented


def test_every_variable_used_is_documented(options: dict[str, dict[str, t.Any]]) -> None:
    text = "\n".join(path.read_text() for part in ("tasks", "templates", "vars") for path in (ROLE / part).iterdir())
    used = set(re.findall(r"(?<![\w.])registry_server_[a-z_]+[a-z]\b", text))
    assert used - set(options) == set()


def test_every_setting_of_the_server_has_a_variable(options: dict[str, dict[str, t.Any]]) -> None:
    passed = load("vars/main.yml")["_registry_server_passed"]
    assert {f"registry_server_{name}" for name in (*passed, *_WITH_FILES)} <= set(options)
    renamed = {"root", "host", "port", "listen", "tls"}
    assert set(Settings.model_fields) == {*passed, *_OWN_SETTINGS, *_WITH_FILES, *renamed}


def test_what_judges_is_documented_as_it_is_read(options: dict[str, dict[str, t.Any]]) -> None:
    assert set(options["registry_server_policies"]["options"]) == set(_POLICY)
    assert set(options["registry_server_veraison"]["options"]) == set(VERAISON)


def test_rules_about_signatures_are_documented_as_they_are_read(options: dict[str, dict[str, t.Any]]) -> None:
    assert set(options["registry_server_signatures"]["options"]) == set(SignatureRule.model_fields)


@pytest.mark.parametrize("python", load("vars/main.yml")["_registry_server_pythons"])
def test_the_libraries_of_each_python_are_pinned_by_hash(python: str) -> None:
    text = (ROLE / "files/requirements" / f"{python}.txt").read_text()
    wanted = re.findall(r"^([a-z0-9-]+)==(\S+)(.*?)(?=^\S|\Z)", text, re.M | re.S)
    needed = {"aiohttp", "bcrypt", "cbor2", "cryptography", "prometheus-client", "pydantic", "pydantic-core", "pyyaml"}
    assert {name for name, *dummy in wanted} >= needed
    assert [name for name, dummy, hashes in wanted if "--hash=sha256:" not in hashes] == []
    # pip judges markers by the Python that runs it, which on a controller is another one
    assert not re.search(r"^[^#].*;", text, re.M)


def test_each_python_has_a_list_of_libraries() -> None:
    lists = {path.stem for path in (ROLE / "files/requirements").iterdir()}
    assert lists == set(load("vars/main.yml")["_registry_server_pythons"])


def test_the_settings_that_are_numbers_are_known(options: dict[str, dict[str, t.Any]]) -> None:
    variables = load("vars/main.yml")
    numbers = {
        name
        for name in variables["_registry_server_passed"]
        if options[f"registry_server_{name}"]["type"] in ("int", "float")
    }
    assert set(variables["_registry_server_numbers"]) == numbers


def test_the_archive_holds_the_code_and_nothing_of_the_machine(tmp_path: Path) -> None:
    pack = script("pack")
    files = pack.sources(TOP, load("vars/main.yml")["_registry_server_code"])
    assert f"{pack.PREFIX}/_server/serve.py" in files
    first, second = pack.archive(files), pack.archive(dict(files))
    assert first == second
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        assert {entry.name: (entry.uid, entry.mtime, entry.mode) for entry in tar} == {
            name: (0, 0, 0o644) for name in files
        }


def test_the_digest_is_that_of_names_and_contents() -> None:
    pack = script("pack")
    digests = {pack.digest(files) for files in ({"a": b"1"}, {"a": b"2"}, {"b": b"1"}, {"a": b"1", "b": b""}, {})}
    assert len(digests) == 5


def test_code_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="_server has no code"):
        script("pack").sources(tmp_path, ["_server"])


@pytest.mark.parametrize(
    ("name", "text"),
    [("MANIFEST.json", '{"collection_info": {"version": "1.2.3"}}'), ("galaxy.yml", "---\nname: x\nversion: 1.2.3\n")],
)
def test_the_version_is_that_of_the_collection(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert script("pack").version(tmp_path) == "1.2.3"


def test_files_are_listed_with_what_tells_them_apart(tmp_path: Path) -> None:
    (tmp_path / "app/blobs/sha256").mkdir(parents=True)
    (tmp_path / "app/blobs/sha256/aa").write_bytes(b"12345")
    (tmp_path / "app/index.json").write_bytes(b"{}")
    listing = script("list_files").listing
    index = hashlib.sha256(b"{}").hexdigest()
    assert listing(str(tmp_path)) == {"app/blobs/sha256/aa": "5", "app/index.json": index}
    assert listing(str(tmp_path / "missing")) == {}


def test_settings_that_the_server_would_refuse_are_reported() -> None:
    problem = script("check_settings").problem
    assert problem(b"root: /srv/images\nlisten: ['[::]:1337']\n") == ""
    assert "workers must be a whole number" in problem(b"root: /srv/images\nworkers: 0\n")
    assert "allow names users" in problem(b"root: /srv/images\nallow: [{users: [bob], repositories: ['*']}]\n")


def test_without_the_libraries_of_the_server_the_controller_leaves_the_check_to_the_host(tmp_path: Path) -> None:
    (tmp_path / "pydantic.py").write_text("raise ImportError('not here')\n")
    done = subprocess.run(
        [sys.executable, ROLE / "files/check_settings.py", TOP / "build"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        input=b"workers: 0\n",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (DependencyMissing.exit_code, b"", b"")
    accepted = load("tasks/validate_present.yml")
    (check,) = [task for task in accepted if "check_settings" in str(task.get("ansible.builtin.command"))]
    assert str(DependencyMissing.exit_code) in check["failed_when"]


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def port() -> t.Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.usefixtures("no_proxy")
def test_a_registry_that_listens_is_reached(port: int) -> None:
    problem = script("reach").problem
    for name in (f"127.0.0.1:{port}", f"localhost:{port}/prefix", f"http://127.0.0.1:{port}"):
        assert problem(name) == ""


@pytest.mark.usefixtures("no_proxy")
def test_a_registry_that_does_not_listen_is_named(port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    said = script("reach").problem(f"https://bob:secret@127.0.0.1:{closed}/team")
    where = f"127.0.0.1:{closed}"
    assert said == f"the registry {where}/team cannot be reached: connecting to {where} failed: Connection refused"


def test_a_registry_behind_a_proxy_is_reached_through_it(
    monkeypatch: pytest.MonkeyPatch, no_proxy: None, port: int
) -> None:
    monkeypatch.setenv("https_proxy", f"http://bob:secret@127.0.0.1:{port}")
    assert script("reach").problem("registry.invalid") == ""
    monkeypatch.setenv("https_proxy", "http://bob:secret@127.0.0.1:port")
    assert "secret" not in script("reach").problem("registry.invalid")


@pytest.mark.parametrize("name", ["", "h:port", "https://", "[::1", "h:99999"])
def test_a_malformed_registry_is_not_shown(name: str) -> None:
    assert "is malformed" in script("reach").problem(name)
