# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scopes of tokens are parsed as distribution documents them, and a scope includes another by resource and actions."""

from __future__ import annotations

import string
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.scope import (
    MAX_SCOPE,
    Scope,
    ScopeInvalid,
    covers,
    parse_scopes,
)
from hypothesis import given
from hypothesis import strategies as st

VALID = [
    ("repository:app:pull", Scope("repository", None, "app", ("pull",))),
    ("repository:team/app:pull,push", Scope("repository", None, "team/app", ("pull", "push"))),
    ("repository:a:pull,push,pull", Scope("repository", None, "a", ("pull", "push"))),
    ("repository(plugin):team/app:pull", Scope("repository", "plugin", "team/app", ("pull",))),
    ("repository:r.example:5000/team/app:pull", Scope("repository", None, "r.example:5000/team/app", ("pull",))),
    ("repository:Host.example/app:*", Scope("repository", None, "Host.example/app", ("*",))),
    ("repository:a-b__c.d/e:metadata_read", Scope("repository", None, "a-b__c.d/e", ("metadata_read",))),
    ("registry:catalog:*", Scope("registry", None, "catalog", ("*",))),
    ("repository:app:", Scope("repository", None, "app", ())),
]
INVALID = [
    *("", ":", "::", "repository", "repository:app", ":app:pull", "repository::pull", "Repository:app:pull"),
    *("repository:app:pull,", "repository:app:,pull", "repository:app:PULL", "repository:app:pull push"),
    *("repository:App:pull", "repository:team//app:pull", "repository:/app:pull", "repository:app/:pull"),
    *("repository():app:pull", "repository(a:app:pull", "repository:a..b:pull", "repository:-a:pull"),
    *("repository:r.example:x/app:pull", "repository:app:pull\n", f"repository:{'a' * MAX_SCOPE}:pull"),
]


@pytest.mark.parametrize(("text", "scope"), VALID)
def test_valid(text: str, scope: Scope) -> None:
    assert Scope.parse(text) == scope
    assert Scope.parse(str(scope)) == scope


@pytest.mark.parametrize("text", [*INVALID, None, 1, b"repository:app:pull"])
def test_invalid(text: t.Any) -> None:
    with pytest.raises(ScopeInvalid):
        Scope.parse(text)


def read(text: str) -> tuple[str, str, frozenset[str]] | None:
    """A second reader: split by hand, with no regular expression."""
    kind, colon, rest = text.partition(":")
    name, last, actions = rest.rpartition(":")
    names = kind.removesuffix(")").split("(") if kind.endswith(")") else [kind]
    plain = string.ascii_lowercase + string.digits
    if not colon or not last or len(names) > 2 or not all(part and not part.strip(plain) for part in names):
        return None
    wanted = actions.split(",") if actions else []
    if not all(one == "*" or (one and not one.strip(string.ascii_lowercase + "_")) for one in wanted):
        return None
    parts = name.split("/")
    first = parts[0]
    is_host = len(parts) > 1 and not is_component(first)
    if is_host and not is_host_name(first):
        return None
    return (kind, name, frozenset(wanted)) if all(map(is_component, parts[is_host:])) else None


def is_component(text: str) -> bool:
    plain = string.ascii_lowercase + string.digits
    separators = "".join(" " if character in plain else character for character in text).split()
    fits = all(one in (".", "_", "__") or not one.strip("-") for one in separators)
    return bool(text) and text[0] in plain and text[-1] in plain and fits


def is_host_name(text: str) -> bool:
    host, colon, port = text.partition(":")
    labels = host.split(".")
    plain = string.ascii_letters + string.digits
    fits = all(one and one[0] in plain and one[-1] in plain and not one.strip(plain + "-") for one in labels)
    return fits and (not colon or (bool(port) and not port.strip(string.digits)))


@given(
    st.text("aA1:/,*-._() p", max_size=20) | st.from_regex(r"\A[a-z]{1,2}(\([a-z]?\))?:[aA1:./_-]{1,8}:[a_,*]{0,4}\Z")
)
def test_total_and_as_a_second_reader_reads_it(text: str) -> None:
    expected = read(text)
    try:
        scope = Scope.parse(text)
    except ScopeInvalid:
        assert expected is None
        return
    kind = scope.type if scope.resource_class is None else f"{scope.type}({scope.resource_class})"
    assert (kind, scope.name, frozenset(scope.actions)) == expected


def test_several() -> None:
    assert parse_scopes(" registry:catalog:*  repository:app:pull ") == (
        Scope("registry", None, "catalog", ("*",)),
        Scope("repository", None, "app", ("pull",)),
    )
    assert parse_scopes("") == ()
    with pytest.raises(ScopeInvalid):
        parse_scopes("repository:app:pull x")


@pytest.mark.parametrize(
    ("held", "wanted", "expected"),
    [
        (["repository:app:pull"], ["repository:app:pull"], True),
        (["repository:app:pull,push"], ["repository:app:pull"], True),
        (["repository:app:push,pull"], ["repository:app:pull,push"], True),
        (["repository:app:*"], ["repository:app:pull,delete"], True),
        (["repository:app:pull", "repository:b:pull"], ["repository:b:pull"], True),
        (["repository:app:pull"], [], True),
        ([], [], True),
        (["not a scope"], ["not a scope"], True),
        (["repository:app:pull", "not a scope"], ["repository:app:"], True),
        (["repository:app:pull"], ["repository:app:pull,push"], False),
        (["repository:app:pull"], ["repository:app:*"], False),
        (["repository:app:pull"], ["repository:b:pull"], False),
        (["repository:app:pull"], ["repository(plugin):app:pull"], False),
        (["registry:catalog:*"], ["repository:catalog:pull"], False),
        (["repository:app:pull"], ["repository:app:pull", "repository:b:pull"], False),
        (["repository:app:*"], ["not a scope"], False),
        ([], ["repository:app:pull"], False),
    ],
)
def test_covers(held: list[str], wanted: list[str], expected: bool) -> None:
    assert covers(held, wanted) is expected


@given(st.lists(st.sampled_from([text for text, dummy in VALID])), st.lists(st.text(max_size=5)))
def test_more_covers_what_less_covers(held: list[str], more: list[str]) -> None:
    assert covers([*held, *more], held)
    assert covers(held, more) == (set(more) <= set(held))
