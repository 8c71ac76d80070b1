# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter parse_scope splits scopes into the documented parts, and refuses invalid ones."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.attested.registry.plugins.filter import parse_scope as plugin


def parse(text: t.Any) -> list[dict[str, t.Any]]:
    return plugin.FilterModule().filters()["parse_scope"](text)


def test_one_scope() -> None:
    assert parse("repository(plugin):localhost:5000/team/app:pull,push") == [
        {"type": "repository", "class": "plugin", "name": "localhost:5000/team/app", "actions": ["pull", "push"]}
    ]


def test_several_scopes() -> None:
    found = parse("registry:catalog:* repository:team/app:pull")
    assert [(one["type"], one["class"], one["name"], one["actions"]) for one in found] == [
        ("registry", None, "catalog", ["*"]),
        ("repository", None, "team/app", ["pull"]),
    ]
    assert parse("") == []


@pytest.mark.parametrize("value", ["repository", "repository:app", "repository:App:pull", "a:b:c d", None, 3])
def test_an_invalid_scope_is_an_error_of_the_filter(value: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="scope"):
        parse(value)


def test_the_documentation_names_what_is_returned() -> None:
    assert list(yaml.safe_load(plugin.RETURN)["_value"]["contains"]) == list(parse("a:b:c")[0])
