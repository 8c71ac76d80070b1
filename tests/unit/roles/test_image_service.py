# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role image_service: its parts agree with each other and with the modules, and it names wrong variables.

One run of ansible-playbook plays the role on a host for each case, all of them this machine, with -vvv and --diff.
"""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.release import __version__ as core_version
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import REGISTRY, UNPACK
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.mount_points import SYSTEMD_BASE
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.mount_points import MERGED_USR
from ansible_collections.attested.registry.plugins.modules.oci_runtime_config import OPTIONS
from ansible_collections.attested.registry.tests.support.plays import Output, play_on_hosts, share_hosts

_ROLE: t.Final = Path(__file__).parents[3] / "roles" / "image_service"
_SECRET: t.Final = "s3cret"
_IMAGE: t.Final = {"name": "app", "image": "registry.example.com/team/app:1.0"}
_LOGIN: t.Final = {"username": "bob", "password": _SECRET}
# What is for bundles alone, and what the role sets.
_NOT_PASSED: t.Final = {"root", "dest", "format", "hostname", "platform", "state_dir", "terminal"}

# The variables without their prefix, and what the first message has to say. It lists all faults of a kind: of each of
# these three kinds, cases share hosts.
_WRONG_ARGUMENTS: t.Final[dict[str, tuple[dict[str, t.Any], str]]] = {
    "state": ({**_IMAGE, "state": "started"}, "image_service_state must be one of"),
    "mount-type": ({**_IMAGE, "mounts": [{"destination": "/data", "type": "nfs"}]}, "type must be one of: bind, tmpfs"),
    "mounts-mapping": ({**_IMAGE, "mounts": {"source": "/srv", "destination": "/data"}}, "image_service_mounts"),
    "settle": ({**_IMAGE, "settle_seconds": "long"}, "image_service_settle_seconds"),
}
_WRONG_TYPES: t.Final[dict[str, tuple[dict[str, t.Any], str]]] = {
    "options-text": (
        {**_IMAGE, "unpack_options": f"password={_SECRET}"},
        "image_service_unpack_options must be a mapping",
    ),
    "args-text": ({**_IMAGE, "args": "--port 80"}, "image_service_args must be a list"),
    "listen-text": ({**_IMAGE, "listen": "8080"}, "image_service_listen must be a list"),
    "health-command": ({**_IMAGE, "health_command": "true"}, "image_service_health_command must be a list"),
}
_WRONG_VALUES: t.Final[dict[str, tuple[dict[str, t.Any], str]]] = {
    "image-scheme": ({**_IMAGE, "image": "https://registry.example/app"}, "image_service_image must be the full name"),
    "options-dest": ({**_IMAGE, "unpack_options": {**_LOGIN, "dest": "/"}}, "image_service_unpack_options has dest"),
    "options-state": (
        {**_IMAGE, "unpack_options": {**_LOGIN, "state": "absent"}},
        "image_service_unpack_options has state",
    ),
    "options-registry": (
        {**_IMAGE, "unpack_options": {**_LOGIN, "registry": "x"}},
        "image_service_unpack_options has registry",
    ),
    "options-unknown": (
        {**_IMAGE, "unpack_options": {**_LOGIN, "platfrom": "linux/arm64"}},
        "image_service_unpack_options has platfrom, which is no option",
    ),
    "options-points": (
        {**_IMAGE, "unpack_options": {**_LOGIN, "mount_points": "/x"}},
        "image_service_unpack_options.mount_points must be a list",
    ),
    "unit-section": ({**_IMAGE, "unit_options": {"MemoryMax": "1G"}}, "image_service_unit_options must have mappings"),
    "unit-root": ({**_IMAGE, "unit_options": {"Service": {"RootImage": "/x"}}}, "Service has RootImage"),
    "unit-secret": (
        {**_IMAGE, "unit_options": {"Service": {"SetCredential": f"a:{_SECRET}"}}},
        "image_service_unit_options.Service has SetCredential, which all users of the host could read",
    ),
    "mount-relative": (
        {**_IMAGE, "mounts": [{"source": "/srv", "destination": "data"}]},
        "image_service_mounts[0].destination must be an absolute path",
    ),
    "mount-root": (
        {**_IMAGE, "mounts": [{"source": "/srv", "destination": "/"}]},
        "image_service_mounts[0].destination must be an absolute path in the tree, below /",
    ),
    "mount-no-source": (
        {**_IMAGE, "mounts": [{"destination": "/run", "type": "tmpfs"}, {"destination": "/data"}]},
        "image_service_mounts[1].source must be an absolute path",
    ),
    "listen-newline": ({**_IMAGE, "listen": ["80\nUser=x"]}, "image_service_listen must be a list of addresses"),
    "socket-accept": ({**_IMAGE, "listen": ["80"], "socket_options": {"Accept": True}}, "socket_options has Accept"),
    "socket-lines": (
        {**_IMAGE, "listen": ["80"], "socket_options": {"SocketUser": "a\nb"}},
        "image_service_socket_options must map directives",
    ),
    "health-login": (
        {**_IMAGE, "health_url": f"http://bob:{_SECRET}@127.0.0.1/"},
        "image_service_health_url must be an http:// or https:// URL without user and password",
    ),
    "health-status": ({**_IMAGE, "health_status": [20]}, "image_service_health_status must be a list of HTTP status"),
    "health-timeout": ({**_IMAGE, "health_timeout": 0}, "image_service_health_timeout must be 1 or more"),
}
# These end at their first fault, or are about what is not set.
_WRONG_ALONE: t.Final[dict[str, tuple[dict[str, t.Any], str]]] = {
    "no-name": ({"image": "app"}, "image_service_name"),
    "name-upper": ({**_IMAGE, "name": "App"}, "image_service_name (App) must be"),
    "name-newline": ({**_IMAGE, "name": "app\n"}, "image_service_name (app\n) must be"),
    "name-climbs": ({**_IMAGE, "name": "../app"}, "image_service_name (../app) must be"),
    "name-template": ({**_IMAGE, "name": "app@1"}, "image_service_name (app@1) must be"),
    "no-image": ({"name": "app"}, "image_service_image or image_service_layout must be set"),
    "image-null": ({"name": "app", "image": None}, "image_service_image or image_service_layout must be set"),
    "two-images": ({**_IMAGE, "layout": "/srv/app.tar"}, "image_service_image or image_service_layout must be set"),
    "layout-relative": ({"name": "app", "layout": "app.tar"}, "image_service_layout must be an absolute path"),
    "reference-alone": ({**_IMAGE, "reference": "1.0"}, "image_service_reference needs image_service_layout"),
    "reference-float": (
        {"name": "app", "layout": "/x", "reference": 1.10},
        "image_service_reference is a number (1.1)",
    ),
    "socket-alone": ({**_IMAGE, "socket_options": {"NoDelay": True}}, "image_service_socket_options needs"),
}
_WRONG: t.Final = {**_WRONG_ARGUMENTS, **_WRONG_TYPES, **_WRONG_VALUES, **_WRONG_ALONE}
# These pass all checks of variables; what stops them is that this machine is no host for the role.
_RIGHT: t.Final[dict[str, dict[str, t.Any]]] = {
    "image": _IMAGE,
    "layout": {"name": "app_2-x", "layout": "/srv/app.tar", "reference": "quay.io/org/app:1.0"},
    "digest": {**_IMAGE, "image": "quay.io/org/app@sha256:" + "0" * 64},
    "options": {**_IMAGE, "unpack_options": {**_LOGIN, "mirrors": [{"registry": "m.example", "token": _SECRET}]}},
    "nothing-given": {
        **_IMAGE,
        **dict.fromkeys(["layout", "reference", "entrypoint", "args", "env", "user", "capabilities"]),
        "unit_options": {"Unit": None},
    },
    "everything": {
        **_IMAGE,
        "entrypoint": [],
        "args": ["/bin/app", 5],
        "env": {"A": 1},
        "mounts": [
            {"source": "/srv/app", "destination": "/data", "options": None},
            {"type": "tmpfs", "destination": "/x"},
        ],
        "unit_options": {"Service": {"LoadCredential": "key:/etc/key"}, "Unit": {"After": "x.service"}},
        "listen": ["8080", "[::]:80", "/run/app.sock"],
        "socket_options": {"SocketMode": "0660", "ListenDatagram": ["53", "54"], "NoDelay": True},
        "health_url": "https://127.0.0.1:8443/healthz?full=1",
        "health_status": [200, 204],
        "health_command": ["/usr/bin/true"],
    },
    "numbers-of-the-command-line": {**_IMAGE, "settle_seconds": "5", "health_retries": "3"},
}
_HOST_OF, _HOSTS = share_hosts(
    *(
        {name: variables for name, (variables, dummy) in group.items()}
        for group in (_WRONG_ARGUMENTS, _WRONG_TYPES, _WRONG_VALUES)
    ),
    *({name: variables} for name, (variables, dummy) in _WRONG_ALONE.items()),
    _RIGHT,
)


def _load(name: str) -> t.Any:
    return yaml.safe_load((_ROLE / name).read_text())


@pytest.fixture(scope="module")
def options() -> dict[str, dict[str, t.Any]]:
    found: dict[str, dict[str, t.Any]] = _load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Output:
    if tuple(map(int, core_version.split(".")[:2])) < (2, 19):
        pytest.skip(f"the collection needs ansible-core 2.19, and this is {core_version}")
    hosts = {
        name: {f"image_service_{variable}": value for variable, value in variables.items()}
        for name, variables in _HOSTS.items()
    }
    return play_on_hosts(tmp_path_factory.mktemp("variables"), hosts, {"roles": ["attested.registry.image_service"]})


def test_the_defaults_are_the_documented_ones(options: dict[str, dict[str, t.Any]]) -> None:
    documented = {name: option["default"] for name, option in options.items() if "default" in option}
    assert _load("defaults/main.yml") == documented


def test_every_variable_used_is_documented(options: dict[str, dict[str, t.Any]]) -> None:
    text = "\n".join(path.read_text() for part in ("tasks", "templates", "vars") for path in (_ROLE / part).iterdir())
    used = set(re.findall(r"(?<![\w./])image_service_[a-z_]+[a-z]\b", text))
    assert used - set(options) == set()


def test_all_options_of_the_unpack_are_passed_and_no_others() -> None:
    variables = _load("vars/main.yml")
    passed, own = set(variables["_image_service_unpack_names"]), set(variables["_image_service_own_names"])
    assert (passed | own, passed & own) == ({*UNPACK, *REGISTRY}, set())
    task = _load("tasks/unpack.yml")[0]["attested.registry.oci_image_unpack"]
    assert passed <= set(task)
    for name in passed:
        assert task[name] == f"{{{{ _image_service_options.{name} | default(omit) }}}}"


def test_the_options_that_shape_a_tree_are_options_of_the_unpack() -> None:
    variables = _load("vars/main.yml")
    assert set(variables["_image_service_shaping"]) <= set(variables["_image_service_unpack_names"])


def test_the_options_of_the_unit_have_variables(options: dict[str, dict[str, t.Any]]) -> None:
    passed = set(OPTIONS) - _NOT_PASSED
    assert {f"image_service_{name}" for name in passed} <= set(options)
    assert passed <= set(_load("tasks/unit.yml")[0]["attested.registry.oci_runtime_config"])


def test_the_mount_points_are_those_that_systemd_makes() -> None:
    links = tuple(name.decode() for name in MERGED_USR)
    assert tuple(_load("vars/main.yml")["_image_service_base_points"]) == (*SYSTEMD_BASE, *links)


@pytest.mark.slow
@pytest.mark.parametrize("name", _WRONG)
def test_a_wrong_variable_is_named_before_the_host_is_touched(output: Output, name: str) -> None:
    assert _WRONG[name][1] in output.messages[_HOST_OF[name]]
    assert "Finalization of task args" not in output.messages[_HOST_OF[name]]


@pytest.mark.slow
@pytest.mark.parametrize("name", _RIGHT)
def test_valid_variables_are_accepted(output: Output, name: str) -> None:
    assert output.messages[_HOST_OF[name]].startswith("The role image_service needs a host that runs systemd")


@pytest.mark.slow
def test_no_output_holds_a_secret(output: Output) -> None:
    assert [line for line in output.text.splitlines() if _SECRET in line] == []
