# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of a JSON text changes one member; the rest stays byte for byte, whatever the text looks like."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.strict_json import load_object
from ansible_collections.attested.registry.plugins.module_utils._module.login import json_edit
from ansible_collections.attested.registry.plugins.module_utils._module.login.auth_text import AuthText
from ansible_collections.attested.registry.plugins.module_utils._module.login.json_edit import (
    remove_members,
    set_member,
)
from hypothesis import given
from hypothesis import strategies as st

DOCKER = """{
\t"auths": {
\t\t"https://index.docker.io/v1/": {
\t\t\t"auth": "dTpw"
\t\t},
\t\t"r.example": {}
\t},
\t"HttpHeaders": { "User-Agent" : "x\\u00fc" },
\t"detachKeys": "ctrl-e", "n": 1.0e2
}
"""


def test_a_new_member_looks_like_the_others() -> None:
    changed = set_member(DOCKER, ("auths", "new"), {"auth": "bmV3"})
    assert changed == DOCKER.replace(
        '\t\t"r.example": {}\n', '\t\t"r.example": {},\n\t\t"new": {\n\t\t\t"auth": "bmV3"\n\t\t}\n'
    )
    assert remove_members(changed, ("auths",), ["new"]) == DOCKER


def test_a_value_is_replaced_in_its_place() -> None:
    changed = set_member(DOCKER, ("auths", "https://index.docker.io/v1/"), {"auth": "eA=="})
    assert changed == DOCKER.replace("dTpw", "eA==")


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("{}\n", ("auths", "r"), '{\n\t"auths": {\n\t\t"r": 7\n\t}\n}\n'),
        ('{"a":1}', ("auths", "r"), '{"a":1,"auths": {"r": 7}}'),
        ('{"auths":{}}', ("auths", "r"), '{"auths":{"r": 7}}'),
        ('{"auths": null}', ("auths", "r"), '{"auths": {"r": 7}}'),
        ('{\n  "auths": {}\n}', ("auths", "r"), '{\n  "auths": {\n    "r": 7\n  }\n}'),
        ('{\n"a": [ ] }', ("a",), '{\n"a": 7 }'),
    ],
)
def test_set(text: str, path: tuple[str, ...], expected: str) -> None:
    assert set_member(text, path, 7) == expected


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ('{"a": 1, "b": 2, "c": 3}', ("a",), '{"b": 2, "c": 3}'),
        ('{"a": 1, "b": 2, "c": 3}', ("b",), '{"a": 1, "c": 3}'),
        ('{"a": 1, "b": 2, "c": 3}', ("c",), '{"a": 1, "b": 2}'),
        ('{\n  "a": {\n    "r": 1\n  }\n}', ("a", "r"), '{\n  "a": {}\n}'),
        ('{"a": 1}', ("a", "r"), '{"a": 1}'),
        ('{"a": 1}', ("b",), '{"a": 1}'),
        ('{"a": {}}', ("a", "b", "c"), '{"a": {}}'),
    ],
)
def test_remove(text: str, path: tuple[str, ...], expected: str) -> None:
    assert remove_members(text, path[:-1], path[-1:]) == expected


names = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(-1e9, 1e9) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(names | st.just("auths"), values | st.dictionaries(names, values, max_size=3), max_size=4)
styles = st.sampled_from(
    [{"indent": None}, {"indent": "\t"}, {"indent": 0}, {"separators": (" ,\r\n ", "\n:\t")}, {"ensure_ascii": False}]
)


def expected_after(document: t.Any, path: tuple[str, ...], value: t.Any) -> t.Any:
    """The document with the value, as a program would make it that does not keep the text."""
    if not path:
        return value
    document = dict(document) if isinstance(document, dict) else {}
    return {**document, path[0]: expected_after(document.get(path[0]), path[1:], value)}


@given(documents, styles, st.tuples(names | st.just("auths")) | st.tuples(st.just("auths"), names), values)
def test_any_change_is_that_of_the_value(document: t.Any, style: t.Any, path: tuple[str, ...], value: t.Any) -> None:
    text = json.dumps(document, **style)
    changed = set_member(text, path, value)
    assert json.loads(changed) == expected_after(document, path, value)
    assert list(json.loads(changed)) == list(expected_after(document, path, value))
    assert load_object(changed.encode(), what="it") == json.loads(changed)
    # the same a second time, and nothing is left after it was removed
    assert set_member(changed, path, value) == changed
    removed = json.loads(remove_members(changed, path[:-1], path[-1:]))
    for name in path[:-1]:
        removed = removed[name]
    assert path[-1] not in removed


@given(documents, styles, names.filter(lambda name: name != "one"), values)
def test_a_member_that_is_added_and_removed_leaves_no_trace(
    document: t.Any, style: t.Any, name: str, value: t.Any
) -> None:
    text = json.dumps({"first": [1.5, "ü"], **document, "auths": {"one": 1}, "last": 1e300}, **style)
    assert remove_members(set_member(text, ("auths", name), value), ("auths",), [name]) == text


@given(st.dictionaries(names, values, max_size=6), styles, st.data())
def test_members_go_together_as_one_by_one(members: t.Any, style: t.Any, data: st.DataObject) -> None:
    text = one_by_one = json.dumps({"auths": members, "last": 1}, **style)
    gone = data.draw(st.lists(st.sampled_from([*members, "other"])))
    for name in gone:
        one_by_one = remove_members(one_by_one, ("auths",), [name])
    together = remove_members(text, ("auths",), gone)
    assert together == one_by_one
    assert json.loads(together)["auths"] == {name: value for name, value in members.items() if name not in gone}


def test_many_spellings_of_a_registry_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a file of 4 MiB, which may be that of another user, would take days."""
    scanned: list[int] = []
    scan = json_edit._scan
    monkeypatch.setattr(json_edit, "_scan", lambda text, start: scanned.append(start) or scan(text, start))
    entries = {f"https://r.example/{number}": {"auth": "dTpw"} for number in range(100)}
    text = AuthText(json.dumps({"auths": {**entries, "other.example": {}}}).encode(), path="auth.json")
    assert json.loads(text.without("r.example").data) == {"auths": {"other.example": {}}}
    assert len(scanned) == 2
