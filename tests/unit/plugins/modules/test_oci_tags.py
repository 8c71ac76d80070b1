# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_tags lists, pages, filters and queries the tags of a repository."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

NAMES = ["1.0", "1.1", "2.0", "latest", "Latest"]


@pytest.fixture
def tags(run_module: t.Any, registry: FaultyRegistry, old: images.Image) -> t.Any:
    registry.publish("team/app", dict.fromkeys(NAMES, old))

    def run(**options: t.Any) -> t.Any:
        return run_module("oci_tags", registry=registry.name, repository="team/app", **options)

    return run


def test_lists_all_tags(tags: t.Any) -> None:
    run = tags()
    assert (run["changed"], run["tags"], run["count"], run["last"]) == (False, sorted(NAMES), len(NAMES), None)


def test_follows_pages(tags: t.Any, registry: FaultyRegistry) -> None:
    registry.page = 2
    assert tags()["tags"] == sorted(NAMES)
    assert len(registry.sent("tags/list")) == 3


def test_n_and_last_go_through_the_list(tags: t.Any) -> None:
    found, last = [], None
    while True:
        run = tags(n=2, **({} if last is None else {"last": last}))
        found += run["tags"]
        last = run["last"]
        if last is None:
            break
        assert run["count"] == 2
    assert found == sorted(NAMES)


@pytest.mark.parametrize(
    ("pattern", "kind", "expected"),
    [
        ("1.*", "fnmatch", ["1.0", "1.1"]),
        ("latest", "fnmatch", ["latest"]),
        ("?atest", "fnmatch", ["Latest", "latest"]),
        ("1", "fnmatch", []),
        ("1", "regex", ["1.0", "1.1"]),
        (r"^\d+\.0$", "regex", ["1.0", "2.0"]),
        ("(?i)^latest$", "regex", ["Latest", "latest"]),
    ],
)
def test_patterns(tags: t.Any, pattern: str, kind: str, expected: list[str]) -> None:
    run = tags(pattern=pattern, pattern_type=kind)
    assert run["tags"] == expected
    assert run["count"] == len(expected)


@pytest.mark.parametrize("pattern", [r"^1\.[0-9]+$", r"1\.0", "1.0$", "(1|2).0", "x.*", "[0-9]+", "v{1,2}"])
def test_a_regular_expression_that_is_taken_for_a_shell_pattern(tags: t.Any, pattern: str) -> None:
    run = tags(pattern=pattern)
    (warning,) = run.warnings
    assert run["tags"] == []
    assert f"{pattern[:3]!r}"[1:-1] in warning  # a result shows warnings with their backslashes doubled
    assert "pattern_type to regex" in warning
    assert tags(pattern=pattern, pattern_type="regex").warnings == []


@pytest.mark.parametrize("pattern", ["x*", "3.?", "[a-c]", "nothing", "1.*"])
def test_a_shell_pattern_is_taken_for_what_it_is(tags: t.Any, pattern: str) -> None:
    assert tags(pattern=pattern).warnings == []


def test_a_pattern_is_not_counted_by_n(tags: t.Any) -> None:
    run = tags(n=2, pattern="latest")
    assert run["tags"] == []
    assert run["last"] == "1.1"


def test_a_bad_regular_expression_is_one_clear_error(tags: t.Any, registry: FaultyRegistry) -> None:
    run = tags(pattern="(", pattern_type="regex")
    assert run.failed
    assert run["error"]["kind"] == "pattern_invalid"
    assert "'('" in run["msg"]
    assert registry.requests == []


def test_a_query_sees_what_is_returned(tags: t.Any) -> None:
    assert tags(query="tags[-1]")["query_result"] == "latest"
    run = tags(query="count")
    assert (run["query_result"], run.warnings) == (len(NAMES), [])
    assert {"tags", "count", "last"}.isdisjoint(run.results)


@pytest.mark.parametrize("query", ["nothing", "tags[?@=='3.0']", "tags[].name"])
def test_a_query_that_finds_nothing(tags: t.Any, query: str) -> None:
    run = tags(query=query)
    assert run["query_result"] in (None, [])
    (warning,) = run.warnings
    assert f"'{query}' finds nothing" in warning
    assert "count, last, tags" in warning
    assert tags(query="last == null").warnings == []


def test_a_repository_that_is_not_there(tags: t.Any, run_module: t.Any, registry: FaultyRegistry) -> None:
    run = run_module("oci_tags", registry=registry.name, repository="nowhere")
    assert run.failed
    assert run["error"]["kind"] == "not_found"


@pytest.mark.parametrize("n", [0, -1])
def test_n_has_to_be_positive(tags: t.Any, n: int) -> None:
    run = tags(n=n)
    assert run.failed
    assert "n" in run["msg"]


@pytest.mark.parametrize("option", ["timeout", "connect_timeout", "total_timeout"])
@pytest.mark.parametrize("value", [0, -1, "nan", "inf", 1e300])
def test_an_invalid_timeout_is_an_error_that_names_its_option(tags: t.Any, option: str, value: t.Any) -> None:
    run = tags(**{option: value})
    assert run.failed
    assert run["error"] == {"kind": "option_invalid", "option": option, "minimum": 0, "maximum": 1_000_000}
    assert run["msg"].startswith(f"The option {option} is ")


@pytest.mark.parametrize("option", ["retries", "minimum_throughput"])
def test_a_negative_count_names_its_option(tags: t.Any, option: str) -> None:
    run = tags(**{option: -1})
    assert run.failed
    assert run["msg"].startswith(f"The option {option} is -1")


def test_the_listing_is_that_of_the_registry_and_not_of_a_mirror(
    tags: t.Any, run_module: t.Any, registry: FaultyRegistry, old: images.Image
) -> None:
    with FaultyRegistry() as mirror:
        mirror.publish("team/app", {"only": old})
        run = run_module("oci_tags", registry=registry.name, repository="team/app", mirrors=[mirror.name])
    assert run["tags"] == sorted(NAMES)
    assert mirror.requests == []
