# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags are ordered by the versions in them."""

from __future__ import annotations

import random

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.version import is_version, newest
from hypothesis import example, given
from hypothesis import strategies as st

ORDERED = [
    *("v3.0", "2.0.1", "2.0", "2.0-rc10", "2.0-rc2", "2.0-beta", "1.10", "1.9.9", "1.9", "release-1.2", "v1.0", "1.0"),
    *("1.0-alpine3.19", "1.0-alpine3.9", "1", "0.9", "00.1", "a0"),
]


def test_the_order() -> None:
    shuffled = [*ORDERED, "latest", "edge", ""]
    random.Random(1).shuffle(shuffled)
    assert newest(shuffled, len(shuffled)) == ORDERED
    assert newest(shuffled, 2) == ORDERED[:2]
    assert newest([], 1) == []


@pytest.mark.parametrize("tag", ["1", "1.2.3", "v1", "V2.0", "20240131", "1_2"])
def test_a_version_number(tag: str) -> None:
    assert is_version(tag)


@pytest.mark.parametrize(
    "tag", ["", "v", "latest", "1.", ".1", "1.2-rc1", "1-alpine", "release-1", "vv1", "1..2", "1\n"]
)
def test_not_a_version_number(tag: str) -> None:
    assert not is_version(tag)


@example(["0²", "0٣"])  # digits, but not those of versions
@given(st.lists(st.from_regex(r"\A[v0-9a.\-]{0,30}\Z") | st.text(max_size=10)))
def test_total_and_the_same_for_every_order(tags: list[str]) -> None:
    found = newest(tags, len(tags))
    assert set(found) <= set(tags)
    assert newest(reversed(tags), len(tags)) == found
    assert newest(tags, 1) == found[:1]
