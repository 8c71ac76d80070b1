# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process of an image and the options for it, with any content of the config."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.process import (
    DEFAULT_PATH,
    Process,
    make_process,
)
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.settings import (
    Mount,
    Settings,
    parse_settings,
)
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.values import RuntimeConfigError
from ansible_collections.attested.registry.plugins.module_utils._oci.config import Runtime
from ansible_collections.attested.registry.plugins.module_utils._unpack.accounts import Account
from hypothesis import given
from hypothesis import strategies as st

OPTIONS: dict[str, t.Any] = {
    "entrypoint": None,
    "args": None,
    "env": None,
    "hostname": None,
    "readonly": True,
    "mounts": None,
    "terminal": False,
    "network": None,
    "resolv_conf": False,
    "capabilities": None,
    "no_new_privileges": True,
}
MOUNT = {"destination": "/data", "source": "/srv", "type": "bind", "options": None, "readonly": False}


def process(runtime: Runtime, **options: t.Any) -> Process:
    return make_process(runtime, Settings(**options), Account(0, 0))


def parsed(**options: t.Any) -> Settings:
    return parse_settings({**OPTIONS, **options})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("e", "1", "c")),
        ({"args": ("a", "b")}, ("e", "1", "a", "b")),
        ({"args": ()}, ("e", "1")),
        ({"entrypoint": ("x",)}, ("x",)),
        ({"entrypoint": ("x",), "args": ("a",)}, ("x", "a")),
        ({"entrypoint": (), "args": ("a",)}, ("a",)),
    ],
)
def test_arguments_as_in_docker(options: dict[str, t.Any], expected: tuple[str, ...]) -> None:
    assert process(Runtime(entrypoint=("e", "1"), cmd=("c",)), **options).args == expected


def test_entrypoint_or_cmd_alone() -> None:
    assert process(Runtime(cmd=("c", "d"))).args == ("c", "d")
    assert process(Runtime(entrypoint=("e",))).args == ("e",)


@pytest.mark.parametrize(
    ("runtime", "options"),
    [(Runtime(), {}), (Runtime(cmd=("",)), {}), (Runtime(cmd=("c",)), {"entrypoint": ()}), (Runtime(cmd=()), {})],
)
def test_a_process_without_a_program(runtime: Runtime, options: dict[str, t.Any]) -> None:
    with pytest.raises(RuntimeConfigError, match="no program"):
        process(runtime, **options)


def test_the_environment_keeps_its_order() -> None:
    runtime = Runtime(cmd=("c",), env=("B=1", "PATH=/bin", "A=", "B=2", "C=a=b"))
    assert process(runtime).env == runtime.env
    assert process(runtime, env={"Z": "z", "B": "3"}).env == ("B=3", "PATH=/bin", "A=", "C=a=b", "Z=z")


def test_an_image_without_a_path() -> None:
    assert process(Runtime(cmd=("c",), env=("A=1",))).env == (f"PATH={DEFAULT_PATH}", "A=1")
    assert process(Runtime(cmd=("c",)), env={"PATH": "/x"}).search_path == "/x"


@pytest.mark.parametrize("entry", ["A", "=1", ""])
def test_a_variable_without_a_name_or_a_value(entry: str) -> None:
    with pytest.raises(RuntimeConfigError, match="NAME=VALUE") as caught:
        process(Runtime(cmd=("c",), env=(entry,)))
    assert caught.value.fields == {"field": "config.Env"}


@pytest.mark.parametrize("text", ["a\0b", "\udcff"])
def test_text_that_no_process_can_receive(text: str) -> None:
    for runtime in (
        Runtime(cmd=(text,)),
        Runtime(cmd=("c",), env=(f"A={text}",)),
        Runtime(cmd=("c",), working_dir=text),
    ):
        with pytest.raises(RuntimeConfigError, match="NUL|UTF-8"):
            process(runtime)
    for options in ({"args": [text]}, {"entrypoint": [text]}, {"env": {"A": text}}, {"env": {text: "1"}}):
        with pytest.raises(RuntimeConfigError, match="NUL|UTF-8"):
            parsed(**options)
    for changes in ({"destination": f"/{text}"}, {"source": f"/{text}"}, {"options": [text]}):
        with pytest.raises(RuntimeConfigError, match="NUL|UTF-8"):
            parsed(mounts=[{**MOUNT, **changes}])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "/"),
        ("", "/"),
        ("/a/", "/a"),
        ("a/b", "/a/b"),
        ("/a/../../b", "/b"),
        ("//a//b", "/a/b"),
        ("/a b", "/a b"),
    ],
)
def test_the_working_directory_is_absolute(given: str | None, expected: str) -> None:
    assert process(Runtime(cmd=("c",), working_dir=given)).cwd == expected


@given(
    st.lists(st.text(max_size=5), max_size=4),
    st.lists(st.text(max_size=5), max_size=4),
    st.lists(st.text(max_size=8), max_size=4),
    st.text(max_size=9),
)
def test_any_config(entrypoint: list[str], cmd: list[str], env: list[str], directory: str) -> None:
    runtime = Runtime(entrypoint=tuple(entrypoint), cmd=tuple(cmd), env=tuple(env), working_dir=directory)
    try:
        made = process(runtime)
    except RuntimeConfigError:
        return
    assert made.args == (*entrypoint, *cmd)
    assert made.cwd.startswith("/")
    assert not {"..", "."} & set(made.cwd.split("/"))
    assert all("=" in text for text in made.env)


# --- options ---


def test_values_of_variables() -> None:
    assert parsed(env={"A": "", "B": 1, "C": "x"}).env == {"A": "", "B": "1", "C": "x"}


@pytest.mark.parametrize("value", [True, None, 1.5, [], {}])
def test_values_that_yaml_converted(value: t.Any) -> None:
    with pytest.raises(RuntimeConfigError, match="SECRET in the option env is .*quotes"):
        parsed(env={"SECRET": value})


@pytest.mark.parametrize("name", ["", "A=B", 1, None])
def test_names_that_no_variable_can_have(name: t.Any) -> None:
    with pytest.raises(RuntimeConfigError, match="no variable can have"):
        parsed(env={name: "x"})


def test_capabilities_have_one_form() -> None:
    assert parsed(capabilities=["net_admin", "CAP_CHOWN", "CHOWN"]).capabilities == ("CAP_CHOWN", "CAP_NET_ADMIN")
    assert parsed(capabilities=[]).capabilities == ()


@pytest.mark.parametrize("name", ["", "CAP_", "A B", "ALL;", "A\nB"])
def test_capabilities_that_are_none(name: str) -> None:
    with pytest.raises(RuntimeConfigError, match="capabilities"):
        parsed(capabilities=[name])


def test_mounts() -> None:
    (mount,) = parsed(mounts=[{**MOUNT, "destination": "/a/../b//", "options": ["noexec"], "readonly": True}]).mounts
    assert mount == Mount("/b", "bind", "/srv", ("noexec",), True)
    (mount,) = parsed(mounts=[{**MOUNT, "type": "tmpfs", "source": None}]).mounts
    assert mount == Mount("/data", "tmpfs", "tmpfs")


@pytest.mark.parametrize(
    "changes",
    [{"destination": "data"}, {"destination": ""}, {"destination": "/.."}, {"source": "srv"}, {"source": None}],
)
def test_mounts_that_are_wrong(changes: dict[str, t.Any]) -> None:
    with pytest.raises(RuntimeConfigError) as caught:
        parsed(mounts=[{**MOUNT, **changes}])
    assert caught.value.fields["option"] == "mounts"
