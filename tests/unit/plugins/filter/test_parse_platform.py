# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter parse_platform splits platforms into the documented parts, and refuses invalid ones."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.attested.registry.plugins.filter import parse_platform as plugin


def parse(text: t.Any) -> dict[str, str | None]:
    return plugin.FilterModule().filters()["parse_platform"](text)


@pytest.mark.parametrize(
    ("text", "canonical", "variant"),
    [
        ("linux/amd64", "linux/amd64", None),
        ("Linux/x86_64", "linux/amd64", None),
        ("linux/amd64/v3", "linux/amd64/v3", "v3"),
        ("linux/aarch64", "linux/arm64/v8", "v8"),
        ("linux/armv7l", "linux/arm/v7", "v7"),
        ("macos/arm64", "darwin/arm64/v8", "v8"),
    ],
)
def test_the_canonical_form(text: str, canonical: str, variant: str | None) -> None:
    parts = parse(text)
    assert (parts["canonical"], parts["variant"]) == (canonical, variant)
    assert parse(canonical) == parts


def test_everything_given() -> None:
    assert parse("windows(10.0.1)/arm64/v8") == {
        "os": "windows",
        "os_version": "10.0.1",
        "architecture": "arm64",
        "variant": "v8",
        "canonical": "windows(10.0.1)/arm64/v8",
    }


@pytest.mark.parametrize(
    "value", ["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "linux amd64", None, 3, ["a/b"]]
)
def test_an_invalid_platform_is_an_error_of_the_filter(value: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="it must look like linux/amd64"):
        parse(value)


def test_the_documentation_names_what_is_returned() -> None:
    assert list(yaml.safe_load(plugin.RETURN)["_value"]["contains"]) == list(parse("linux/amd64"))
