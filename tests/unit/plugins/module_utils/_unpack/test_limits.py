# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limits on entries, bytes and compression ratio hold over all layers of an image."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LimitExceeded
from ansible_collections.attested.registry.plugins.module_utils._unpack.limits import RATIO_FLOOR, Budget, Limits


def test_entries_up_to_the_limit() -> None:
    budget = Budget(Limits(entries=3))
    for dummy in range(3):
        budget.add_entry()
    with pytest.raises(LimitExceeded, match="more than 3 entries.*raise max_entries") as caught:
        budget.add_entry()
    assert caught.value.as_result() == {"kind": "limit_exceeded", "limit": "max_entries", "maximum": 3}


def test_bytes_up_to_the_limit() -> None:
    budget = Budget(Limits(unpacked_bytes=1000))
    budget.add_bytes(400)
    budget.add_bytes(600)
    assert budget.bytes == 1000
    with pytest.raises(LimitExceeded, match="more than 1000 unpacked bytes.*raise max_unpacked_bytes") as caught:
        budget.add_bytes(1)
    assert caught.value.as_result() == {"kind": "limit_exceeded", "limit": "max_unpacked_bytes", "maximum": 1000}


def test_layers_above_the_ratio_share_one_allowance() -> None:
    budget = Budget(Limits(ratio=100))
    budget.check_ratio(compressed=1, unpacked=RATIO_FLOOR // 2)
    budget.begin_layer()
    budget.check_ratio(compressed=RATIO_FLOOR, unpacked=RATIO_FLOOR * 50)
    budget.begin_layer()
    budget.check_ratio(compressed=1, unpacked=RATIO_FLOOR // 2)
    with pytest.raises(LimitExceeded, match="raise max_ratio"):
        budget.check_ratio(compressed=1, unpacked=RATIO_FLOOR // 2 + 1)


@pytest.mark.parametrize(
    ("compressed", "unpacked", "allowed"),
    [
        (0, 0, True),
        (1, RATIO_FLOOR, True),
        (1, RATIO_FLOOR + 1, False),
        (RATIO_FLOOR, RATIO_FLOOR * 100, True),
        (RATIO_FLOOR, RATIO_FLOOR * 100 + 1, False),
        (10**9, 10**11, True),
    ],
)
def test_ratio_counts_from_a_size_on_that_matters(compressed: int, unpacked: int, allowed: bool) -> None:
    budget = Budget(Limits(ratio=100))
    if allowed:
        budget.check_ratio(compressed=compressed, unpacked=unpacked)
        return
    with pytest.raises(LimitExceeded, match="more than 100 times the size.*raise max_ratio") as caught:
        budget.check_ratio(compressed=compressed, unpacked=unpacked)
    assert caught.value.as_result() == {"kind": "limit_exceeded", "limit": "max_ratio", "maximum": 100}
