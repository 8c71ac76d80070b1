# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_catalog lists, pages, filters and queries the repositories of a registry."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, error

NAMES = ["alpine", "team/app", "team/tool", "zoo"]


@pytest.fixture
def catalog(run_module: t.Any, registry: FaultyRegistry, old: images.Image) -> t.Any:
    for name in NAMES:
        registry.publish(name, {"1.0": old})
    return lambda **options: run_module("oci_catalog", registry=registry.name, **options)


@pytest.mark.parametrize("check", [False, True])
def test_lists_all_repositories(catalog: t.Any, registry: FaultyRegistry, check: bool) -> None:
    registry.page = 3
    run = catalog(check=check)
    assert (run["changed"], run["repositories"], run["count"], run["last"]) == (False, NAMES, len(NAMES), None)
    assert len(registry.sent("_catalog")) == 2


def test_n_and_last_go_through_the_list(catalog: t.Any) -> None:
    first = catalog(n=3)
    assert (first["repositories"], first["last"]) == (NAMES[:3], NAMES[2])
    assert catalog(last=first["last"])["repositories"] == NAMES[3:]


@pytest.mark.parametrize(
    ("pattern", "kind", "expected"),
    [
        ("team/*", "fnmatch", ["team/app", "team/tool"]),
        ("*o*", "fnmatch", ["team/tool", "zoo"]),
        ("app", "fnmatch", []),
        ("app$", "regex", ["team/app"]),
    ],
)
def test_patterns(catalog: t.Any, pattern: str, kind: str, expected: list[str]) -> None:
    run = catalog(pattern=pattern, pattern_type=kind)
    assert (run["repositories"], run["count"], run.warnings) == (expected, len(expected), [])


def test_a_regular_expression_that_is_taken_for_a_shell_pattern(catalog: t.Any) -> None:
    run = catalog(pattern="^team/.+")
    assert run["repositories"] == []
    (warning,) = run.warnings
    assert "matches none of the 4 repositories" in warning


def test_a_query_sees_what_is_returned(catalog: t.Any) -> None:
    assert catalog(query="repositories[-1]")["query_result"] == "zoo"


def test_the_catalog_is_that_of_the_registry_and_not_of_a_mirror(
    catalog: t.Any, run_module: t.Any, registry: FaultyRegistry
) -> None:
    with FaultyRegistry() as mirror:
        run = catalog(mirrors=[mirror.name])
        assert mirror.requests == []
    assert run["repositories"] == NAMES


def test_a_registry_without_a_catalog(catalog: t.Any, registry: FaultyRegistry) -> None:
    registry.on("_catalog", error(405, "UNSUPPORTED"))
    run = catalog()
    assert run.failed
    assert (run["error"]["kind"], run["error"]["status"]) == ("unsupported", 405)
    assert "Cannot list the repositories of" in run["msg"]


@pytest.mark.parametrize("n", [0, -1])
def test_n_has_to_be_positive(catalog: t.Any, n: int) -> None:
    assert catalog(n=n)["error"]["kind"] == "option_invalid"


def test_a_repository_is_no_option(catalog: t.Any) -> None:
    assert "repository" in catalog(repository="app")["msg"]
