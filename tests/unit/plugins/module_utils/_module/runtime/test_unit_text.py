# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units mean what they should: real systemd reads back each argument and variable, whatever characters it has."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.unit_text import (
    MAX_LINE,
    assignment,
    command_line,
    mount_path,
    parse_unit_options,
    unit_text,
    whole_line,
)
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.values import RuntimeConfigError
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.hosts.loaded_units import load_unit
from hypothesis import given, settings
from hypothesis import strategies as st

# Every character that systemd, a shell or C gives a meaning to, and some that nobody does.
AWKWARD = [
    "",
    " ",
    "a b",
    "$HOME",
    "${HOME}",
    "$$",
    "$",
    "%n",
    "%%",
    "%",
    "100%",
    '"',
    "'",
    "it's",
    "\\",
    "\\n",
    "end\\",
    "\\x41",
    "\n",
    "a\nExecStartPre=/bin/false\n",
    "\t",
    "\r",
    "\x01",
    "\x7f",
    ";",
    "a;b",
    "#",
    "-",
    "@",
    "+",
    "!",
    ":",
    "|",
    "é",
    "\u2028",
    "\U0001f600",
    "--flag=a b",
    "{}",
    "*",
    "~",
    "`id`",
    "$(id)",
    "=",
    "A=B",
]
TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=12)
SOME = settings(max_examples=examples(8), deadline=None)


def service(*lines: str) -> str:
    return unit_text("test", {"Service": [t.cast("tuple[str, str]", tuple(line.split("=", 1))) for line in lines]}, {})


def test_systemd_reads_the_arguments_back() -> None:
    unit = load_unit(service("ExecStart=" + command_line("/bin/true", AWKWARD)))
    assert unit.command == ["/bin/true", *AWKWARD]
    assert unit.messages == ()


@pytest.mark.parametrize("program", ["/a b%n;%%é#", "/-@:+!|"])
def test_systemd_reads_the_program_back(program: str) -> None:
    assert load_unit(service("ExecStart=" + command_line(program, ["x"]))).command == [program, "x"]


@pytest.mark.parametrize("program", ["/$x", '/a"b', "/a'b", "/a\\b", "/a\tb", "/a\nb"])
def test_programs_that_systemd_refuses(program: str) -> None:
    with pytest.raises(RuntimeConfigError, match="the path of the program"):
        command_line(program, [])


def test_systemd_reads_the_variables_back() -> None:
    values = [text for text in AWKWARD if not set(text) & set("\r\x01\x7f")]
    texts = [f"V{number}={value}" for number, value in enumerate(values)]
    lines = [f"Environment={assignment(text)}" for text in texts]
    unit = load_unit(service("ExecStart=/bin/true", *lines))
    assert list(unit.values["Environment"]) == texts
    assert unit.messages == ()


@SOME
@given(args=st.lists(TEXT, max_size=20), value=TEXT)
def test_systemd_reads_any_text_back(args: list[str], value: str) -> None:
    try:
        lines = ["Environment=" + assignment("V=" + value)]
    except RuntimeConfigError:
        lines = []
    unit = load_unit(service("ExecStart=" + command_line("/bin/true", args), *lines))
    assert unit.command == ["/bin/true", *args]
    assert list(unit.values.get("Environment", ())) == [f"V={value}"] * len(lines)
    assert unit.messages == ()


@given(TEXT, TEXT)
def test_no_value_begins_another_line(text: str, other: str) -> None:
    for quoted in (command_line("/bin/true", [text, other]), assignment_or_none("A=" + text), line_or_none(text)):
        assert quoted is None or not set(quoted) & set("\n\r\0")
        assert quoted is None or not quoted.endswith("\\")


def assignment_or_none(text: str) -> str | None:
    try:
        return assignment(text)
    except RuntimeConfigError:
        return None


def line_or_none(text: str) -> str | None:
    try:
        return whole_line(text, what="the text")
    except RuntimeConfigError:
        return None


@pytest.mark.parametrize("name", ["a-b", "a.b", "1a", "", "é", "a b", "A\n"])
def test_names_that_systemd_would_ignore(name: str) -> None:
    with pytest.raises(RuntimeConfigError, match="letters, digits and _"):
        assignment(f"{name}=value")


@pytest.mark.parametrize("value", ["\r", "a\x01", "\x1b[0m", "\x7f"])
def test_values_that_systemd_would_ignore(value: str) -> None:
    with pytest.raises(RuntimeConfigError, match='"SECRET", because it has a control character'):
        assignment(f"SECRET={value}hunter2")


@pytest.mark.parametrize("path", ["/a b%n%'\"\\é;:#$x", "/a%"])
def test_systemd_reads_paths_back(path: str) -> None:
    value = whole_line(path, what="the path")
    unit = load_unit(service("ExecStart=/bin/true", f"RootDirectory={value}", f"WorkingDirectory={value}"))
    assert unit.values["RootDirectory"] == unit.values["WorkingDirectory"] == (path,)
    assert unit.messages == ()


@pytest.mark.parametrize("path", ["/a\\", "/a ", "/a\nb", "/a\t", "/a\x7f", "/a\u2003"])
def test_paths_that_a_line_cannot_hold(path: str) -> None:
    with pytest.raises(RuntimeConfigError, match="at an end"):
        whole_line(path, what="the path")


def test_systemd_reads_mounts_back() -> None:
    paths = ["/a b", "/a%n", "/a", "/é", "/a#b", "/a;b", "/a\u2003b", "/a$b"]
    lines = []
    for path in paths:
        text = mount_path(path, what="the path")
        lines += [f"BindPaths={text}:{text}", f"TemporaryFileSystem={text}"]
    unit = load_unit(service("ExecStart=/bin/true", *lines))
    assert unit.values["BindPaths"] == tuple(f"{path}:{path}:rbind" for path in paths)
    assert unit.values["TemporaryFileSystem"] == tuple(paths)
    assert unit.messages == ()


@pytest.mark.parametrize("path", ["/a:b", "/a\\b", '/a"b', "/a'b", "/a\nb", "/a\tb"])
def test_mounts_that_systemd_cannot_express(path: str) -> None:
    with pytest.raises(RuntimeConfigError, match="the volume"):
        mount_path(path, what="the volume")


def test_a_line_that_is_too_long() -> None:
    longest = "x" * (MAX_LINE - len("ExecStart="))
    assert longest in service(f"ExecStart={longest}")
    with pytest.raises(RuntimeConfigError, match=f"{MAX_LINE + 1} bytes"):
        service(f"ExecStart={longest}x")


# --- unit_options ---

SECTIONS = {
    "Unit": [("Description", "a")],
    "Service": [("Type", "exec"), ("Environment", "A=1"), ("Environment", "B=2")],
}


def changed(options: t.Any) -> list[str]:
    return unit_text("c", SECTIONS, parse_unit_options(options)).splitlines()


def test_options_take_the_place_of_lines() -> None:
    options = {"Service": {"Environment": "C=3", "Type": "notify", "MemoryMax": "1G", "CPUQuota": 5}}
    expected = ["# c", "", "[Unit]", "Description=a", "", "[Service]", "Type=notify", "Environment=C=3"]
    assert changed(options) == [*expected, "MemoryMax=1G", "CPUQuota=5"]


def test_options_of_lists_booleans_and_nothing() -> None:
    options = {"Service": {"Environment": [], "Type": None, "After": ["a", "b"], "X": True, "Y": [False], "Z": ""}}
    assert changed(options)[6:] == ["After=a", "After=b", "X=yes", "Y=no", "Z="]


@pytest.mark.parametrize(
    "options",
    [
        {"Socket": {}},
        {"Service": "Type=exec"},
        {"Service": None},
        {"Service": {"type": "exec"}},
        {"Service": {"Type=exec\nX": "1"}},
        {"Service": {"A B": "1"}},
        {"Service": {1: "1"}},
        {"Service": {"X": {}}},
        {"Service": {"X": [["a"]]}},
        {"Service": {"X": "a\nExecStartPre=/bin/false"}},
        {"Service": {"X": "a\rb"}},
        {"Service": {"X": "a\\"}},
        {"Service": {"X": "a\0"}},
        {"Service\n": {"X": "a"}},
    ],
)
def test_options_that_are_wrong(options: t.Any) -> None:
    with pytest.raises(RuntimeConfigError) as caught:
        parse_unit_options(options)
    assert caught.value.fields["option"] == "unit_options"
