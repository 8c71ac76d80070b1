# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specs, doc fragments, examples, requirements and README agree; secrets are kept out of results."""

from __future__ import annotations

import importlib
import pathlib
import re
import signal
import typing as t

import pytest
import yaml
from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible_collections.attested.registry.plugins.doc_fragments import registry as registry_fragment
from ansible_collections.attested.registry.plugins.doc_fragments import tree as tree_fragment
from ansible_collections.attested.registry.plugins.module_utils._base.crypto import MINIMUM_CRYPTOGRAPHY
from ansible_collections.attested.registry.plugins.module_utils._module import query
from ansible_collections.attested.registry.plugins.module_utils._module.options import argument_spec, spec
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.client_key import (
    DEFAULT_KEY_TYPE,
    KEY_TYPES,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.evidence import EVIDENCE_KINDS
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.sources import DEFAULT_TIMEOUT
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cbor import MINIMUM_CBOR2
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.connection import MINIMUM_REQUESTS

TOP = pathlib.Path(__file__).resolve().parents[6]
MODULES = sorted(path.stem for path in (TOP / "plugins/modules").glob("*.py"))
# without the module that only an action plugin runs: it gets the options of that plugin's task, defaults included
FOR_TASKS = [name for name in MODULES if name != "oci_image_unpack_probe"]
FRAGMENTS = {
    "registry": (registry_fragment.ModuleDocFragment.DOCUMENTATION, spec.REGISTRY),
    "registry.repository": (registry_fragment.ModuleDocFragment.REPOSITORY, spec.REPOSITORY),
    "registry.name": (registry_fragment.ModuleDocFragment.NAME, spec.NAME),
    "registry.image": (
        registry_fragment.ModuleDocFragment.IMAGE,
        {name: option for name, option in spec.IMAGE.items() if name not in spec.NAME},
    ),
    "registry.layout": (registry_fragment.ModuleDocFragment.LAYOUT, spec.LAYOUT),
    "registry.signature": (registry_fragment.ModuleDocFragment.SIGNATURE, spec.SIGNATURE),
    "registry.download": (registry_fragment.ModuleDocFragment.DOWNLOAD, spec.DOWNLOAD),
    "registry.progress": (registry_fragment.ModuleDocFragment.PROGRESS, spec.PROGRESS),
    "registry.query": (registry_fragment.ModuleDocFragment.QUERY, spec.QUERY),
    "tree": (tree_fragment.ModuleDocFragment.DOCUMENTATION, spec.TREE),
    "tree.selection": (tree_fragment.ModuleDocFragment.SELECTION, spec.SELECTION),
}


def documentation(name: str) -> dict[str, t.Any]:
    module = importlib.import_module(f"ansible_collections.attested.registry.plugins.modules.{name}")
    found: dict[str, t.Any] = yaml.safe_load(module.DOCUMENTATION)
    return found


def examples(name: str) -> list[dict[str, t.Any]]:
    module = importlib.import_module(f"ansible_collections.attested.registry.plugins.modules.{name}")
    found: list[dict[str, t.Any]] = yaml.safe_load(module.EXAMPLES)
    return found


def documented_options(name: str) -> set[str]:
    """The options of a module with their aliases, from its own documentation and its fragments."""
    wanted = documentation(name)
    parts = [wanted.get("options", {})]
    for fragment in wanted["extends_documentation_fragment"]:
        short = fragment.replace("attested.registry.", "", 1)
        if short in FRAGMENTS:
            parts.append(yaml.safe_load(FRAGMENTS[short][0])["options"])
        elif fragment == "ansible.builtin.files":
            parts.append(dict.fromkeys(("mode", "owner", "group"), {}))
    return {alias for part in parts for option, facts in part.items() for alias in (option, *facts.get("aliases", ()))}


def without(facts: dict[str, t.Any], name: str) -> dict[str, t.Any]:
    """The specification of an option and its suboptions without one field."""
    kept = {"options" if key == "suboptions" else key: value for key, value in facts.items() if key != name}
    if "options" in kept:
        kept["options"] = {option: without(more, name) for option, more in kept["options"].items()}
        kept["order"] = list(kept["options"])
    return kept


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragment_and_spec_say_the_same(name: str) -> None:
    text, spec = FRAGMENTS[name]
    options = yaml.safe_load(text)["options"]
    assert list(options) == list(spec)
    for option, facts in options.items():
        documented, specified = without(without(facts, "description"), "version_added"), without(spec[option], "no_log")
        if documented.get("type") == "bytes" and "default" in documented:
            documented["default"], specified["default"] = (
                human_to_bytes(found["default"]) for found in (documented, specified)
            )
        assert documented == specified, option


def test_secrets_are_marked() -> None:
    hidden = {name for name, option in spec.REGISTRY.items() if option.get("no_log")}
    assert hidden == {"password", "token", "identity_token"}


def test_the_sources_of_evidence_and_the_keys_are_those_there_are() -> None:
    options = spec.REGISTRY["ratls"]["options"]
    assert sorted(options["evidence"]["choices"]) == sorted(EVIDENCE_KINDS)
    assert tuple(options["key_type"]["choices"]) == KEY_TYPES
    assert options["key_type"]["default"] == DEFAULT_KEY_TYPE
    assert options["timeout"]["default"] == DEFAULT_TIMEOUT


def test_the_return_value_ratls_is_documented_identically() -> None:
    """Results cannot be documented in a fragment."""
    found = []
    for name in FOR_TASKS:
        if "attested.registry.registry" in documentation(name)["extends_documentation_fragment"]:
            module = importlib.import_module(f"ansible_collections.attested.registry.plugins.modules.{name}")
            found.append(yaml.safe_load(module.RETURN)["ratls"])
    assert len(found) >= 9
    assert all(one == found[0] for one in found)


def test_the_return_value_signature_is_documented_identically() -> None:
    found = []
    for name in FOR_TASKS:
        if "attested.registry.registry.signature" in documentation(name)["extends_documentation_fragment"]:
            module = importlib.import_module(f"ansible_collections.attested.registry.plugins.modules.{name}")
            found.append({**yaml.safe_load(module.RETURN)["signature"], "returned": ""})
    assert len(found) >= 5
    assert all(one == found[0] for one in found)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MODULES)
def test_examples_use_documented_options_of_modules_that_exist(name: str) -> None:
    for task in examples(name):
        modules = [key for key in task if key.startswith("attested.registry.")]
        for found in modules:
            short = found.rpartition(".")[2]
            assert set(task[found]) <= documented_options(short), task["name"]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_how_it_behaves(name: str) -> None:
    wanted = documentation(name)
    fragments = wanted["extends_documentation_fragment"]
    assert "attested.registry.attributes" in fragments
    attributes = wanted["attributes"]
    assert "platforms" in attributes["platform"]
    if "attested.registry.attributes.info_module" not in fragments:
        for attribute in ("check_mode", "diff_mode", "idempotent"):
            assert attributes[attribute]["support"] == "full"


def test_the_action_group_has_the_modules_that_speak_to_a_registry() -> None:
    runtime = yaml.safe_load((TOP / "meta/runtime.yml").read_text())
    with_fragment = [
        name
        for name in FOR_TASKS
        if "attested.registry.registry" in documentation(name)["extends_documentation_fragment"]
    ]
    assert sorted(runtime["action_groups"]["registry"]) == with_fragment


def test_minimum_versions_are_the_same_everywhere() -> None:
    required = dict(re.findall(r"^([a-z0-9]+)>=([0-9.]+)$", (TOP / "requirements.txt").read_text(), re.MULTILINE))
    assert required == {
        "requests": MINIMUM_REQUESTS,
        "jmespath": query.MINIMUM_JMESPATH,
        "cryptography": MINIMUM_CRYPTOGRAPHY,
        "cbor2": MINIMUM_CBOR2,
    }
    fragment = registry_fragment.ModuleDocFragment
    assert f"requests >= {MINIMUM_REQUESTS}" in fragment.DOCUMENTATION
    assert f"cryptography >= {MINIMUM_CRYPTOGRAPHY}" in fragment.DOCUMENTATION
    assert f"cbor2 >= {MINIMUM_CBOR2}" in fragment.DOCUMENTATION
    assert f"cbor2 >= {MINIMUM_CBOR2}" in documentation("cca_token_info")["requirements"]
    assert f"cbor2>={MINIMUM_CBOR2}" in (TOP / "requirements-server.txt").read_text().splitlines()
    assert f"jmespath >= {query.MINIMUM_JMESPATH}" in fragment.QUERY


def test_the_readme_lists_what_there_is() -> None:
    readme = (TOP / "README.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)
    filters = sorted(path.stem for path in (TOP / "plugins/filter").glob("*.py"))
    lookups = sorted(path.stem for path in (TOP / "plugins/lookup").glob("*.py"))
    roles = sorted(path.name for path in (TOP / "roles").iterdir())
    assert sorted(listed) == sorted([*FOR_TASKS, *filters, *lookups, *roles])


def test_the_status_of_children_is_kept_whatever_started_the_task() -> None:
    """nohup-like parents and some supervisors ignore SIGCHLD, which programs inherit."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        argument_spec._reset_sigchld()
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize(
    "params",
    [
        {"registry": "https://bob:s3cret@registry.example"},
        {"registry": "bob:s3cret@registry.example:5000/team"},
        {"mirrors": ["mirror.example", "http://:s3cret@mirror.example"]},
        {"repository": "bob:s3cret@registry.example/app"},
    ],
)
def test_a_password_in_a_name_is_kept_out_of_results(params: dict[str, t.Any]) -> None:
    assert argument_spec._misplaced_secrets({"mirrors": [], **params}) == {"s3cret"}


@pytest.mark.parametrize(
    "params",
    [
        {"registry": "registry.example:5000"},
        {"registry": "[::1]:5000"},
        {"repository": "app:1.0@sha256:" + "0" * 64},
        {"image": "registry.example:5000/app:1.0@sha256:" + "0" * 64},
        {"registry": None, "mirrors": ["https://bob@mirror.example"]},
    ],
)
def test_names_without_a_password_are_shown(params: dict[str, t.Any]) -> None:
    assert argument_spec._misplaced_secrets({"mirrors": [], **params}) == set()


def test_a_key_in_place_of_its_path_is_kept_out_of_results() -> None:
    key = "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n"
    assert "s3cret" in argument_spec._misplaced_secrets({"mirrors": [], "client_key": key})
    assert argument_spec._misplaced_secrets({"mirrors": [], "client_key": "/etc/ssl/private/key.pem"}) == set()
