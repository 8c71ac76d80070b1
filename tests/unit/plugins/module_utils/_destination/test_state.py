# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""state.json and stamps are read as written, any other bytes are refused, and generations keep their order."""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.attested.registry.plugins.module_utils._destination.stamp import (
    ForeignStamp,
    Stamp,
    StampInvalid,
    parse_stamp,
)
from ansible_collections.attested.registry.plugins.module_utils._destination.state import (
    DestinationState,
    Operation,
    Pending,
    parse_state,
)
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.tests.support.images.trees import make_stamp
from hypothesis import given
from hypothesis import strategies as st

STATE = DestinationState(
    next=9,
    current=7,
    kept=(5, 3),
    drifted=(3,),
    rolled_back_from=8,
    pending=Pending("publish", 2**63, 8, 7, drifted=True, mode=0o555, previous_mode=0o7777),
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def changed(data: bytes, **fields: t.Any) -> bytes:
    return json.dumps({**json.loads(data), **fields}).encode()


def test_a_state_is_read_as_it_was_written() -> None:
    assert parse_state(STATE.to_json()) == STATE
    assert parse_state(DestinationState().to_json()) == DestinationState()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"format": 2}, "format 2 of a newer version"),
        ({"format": 0}, "its format is unknown"),
        ({"format": True}, "its format is unknown"),
        ({"format": 1.0}, "its format is unknown"),
        ({"format": None}, "its format is unknown"),
        ({"next": "9"}, "next is not a number"),
        ({"next": -1}, "next is not a number"),
        ({"next": 8}, "impossible generations"),
        ({"current": True}, "current is not a number"),
        ({"current": None}, "contradict"),
        ({"current": 5}, "contradict"),
        ({"kept": [5, 5, 3]}, "contradict"),
        ({"kept": 5}, "kept is not a list"),
        ({"kept": [3, "x"]}, "kept is not a number"),
        ({"kept": list(range(10001))}, "kept is not a list"),
        ({"drifted": [4]}, "impossible generations"),
        ({"pending": []}, "pending is not an object"),
        ({"pending": {"operation": "steal"}}, "pending operation is unknown"),
        ({"pending": {"operation": ["remove"]}}, "pending operation is unknown"),
        ({"pending": {"operation": "publish", "root": 1}}, "does not match"),
        ({"pending": {"operation": "remove", "root": 1, "generation": 1}}, "does not match"),
        ({"pending": {"operation": "remove"}}, "root is not a number"),
        ({"pending": {"operation": "remove", "root": 1, "mode": 0o10000}}, "mode is not a mode"),
        ({"pending": {"operation": "publish", "root": 1, "generation": 9}}, "impossible generations"),
    ],
)
def test_a_state_that_cannot_be_is_refused_with_the_reason(fields: dict[str, t.Any], reason: str) -> None:
    with pytest.raises(StampInvalid, match=reason):
        parse_state(changed(STATE.to_json(), **fields))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"{}", b"\xff", b'{"format":1,"format":1}', b"[" * 100])
def test_an_invalid_state_or_stamp_is_refused(data: bytes) -> None:
    with pytest.raises(StampInvalid):
        parse_state(data)
    with pytest.raises(StampInvalid):
        parse_stamp(data)


def test_a_state_that_is_too_large_is_not_even_parsed() -> None:
    with pytest.raises(StampInvalid, match="limit"):
        parse_state(b" " * (1024 * 1024) + STATE.to_json())


@given(st.binary())
def test_any_bytes_are_a_state_or_refused(data: bytes) -> None:
    for parse in (parse_state, parse_stamp):
        with pytest.raises(StampInvalid):
            parse(data)


@given(st.sampled_from([*json.loads(STATE.to_json()), "pending.root", "pending.previous"]), json_values)
def test_any_value_in_a_state_is_read_or_refused(name: str, value: t.Any) -> None:
    fields = json.loads(STATE.to_json())
    outer, dot, inner = name.partition(".")
    (fields[outer] if dot else fields)[inner or outer] = value
    try:
        state = parse_state(json.dumps(fields).encode())
    except StampInvalid:
        return
    assert parse_state(state.to_json()) == state


@given(st.sampled_from([*json.loads(make_stamp("1").to_json()), "foreign"]), json_values)
def test_any_value_in_a_stamp_is_read_or_refused(name: str, value: t.Any) -> None:
    try:
        stamp = parse_stamp(changed(make_stamp("1").to_json(), **{name: value}))
    except StampInvalid:
        return
    assert parse_stamp(stamp.to_json()) == stamp


def test_a_stamp_is_read_as_it_was_written() -> None:
    stamp = make_stamp("1", index_digest=Digest.of(b"index", "sha512"), collection_version="1.2.3")
    assert parse_stamp(stamp.to_json()) == stamp
    assert parse_stamp(make_stamp("2").to_json()) == make_stamp("2")
    assert parse_stamp(ForeignStamp("2026-01-31T12:00:00Z").to_json()) == ForeignStamp("2026-01-31T12:00:00Z")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"format": 3}, "format 3 of a newer version"),
        ({"registry": 1}, "registry is missing or of the wrong type"),
        ({"digest": None}, "digest is not a digest"),
        ({"digest": "sha256:../../etc"}, "digest is not a digest"),
        ({"index_digest": 5}, "index_digest is not a digest"),
        ({"diff_ids": "sha256:x"}, "diff_ids is not a list"),
        ({"diff_ids": ["sha256:x"]}, "diff_ids is not a digest"),
        ({"diff_ids": ["sha256:" + "0" * 64] * 513}, "diff_ids is not a list"),
        ({"annotations": []}, "annotations is not an object"),
        ({"annotations": {"a": 1}}, "annotations holds a value that is not text"),
        ({"image": []}, "image is missing or of the wrong type"),
        ({"ownership": 1}, "ownership is missing or of the wrong type"),
        ({"entries": True}, "entries is missing or of the wrong type"),
        ({"collection_version": 1}, "collection_version is missing or of the wrong type"),
    ],
)
def test_a_stamp_that_cannot_be_is_refused_with_the_reason(fields: dict[str, t.Any], reason: str) -> None:
    with pytest.raises(StampInvalid, match=reason):
        parse_stamp(changed(make_stamp("1").to_json(), **fields))


@pytest.mark.parametrize(
    "image", [{"a": object()}, {"half": "\udcff"}, {"too large": "x" * (33 * 1024 * 1024)}, {"n": float("nan")}]
)
def test_a_stamp_that_could_not_be_read_back_is_never_written(image: t.Any) -> None:
    with pytest.raises(StampInvalid):
        make_stamp("1", image=image).to_json()


def test_a_config_of_the_greatest_depth_fits_into_a_stamp() -> None:
    image: t.Any = {}
    for dummy in range(70):
        image = {"config": image}
    stamp = make_stamp("1", image=image)
    assert isinstance(stamp, Stamp)
    assert parse_stamp(stamp.to_json()) == stamp


def after(
    state: DestinationState, operation: Operation, generation: int | None, *, drifted: bool = False
) -> DestinationState:
    pending = Pending(operation, 1, generation, None if operation == "remove" else state.current, drifted=drifted)
    announced = replace(state, next=max(state.next, (generation or 0) + 1), pending=pending)
    assert announced.undone() == replace(state, next=announced.next)
    return parse_state(announced.to_json()).completed()


def test_the_order_of_generations_is_the_order_in_which_they_left() -> None:
    state = DestinationState()
    for number in (1, 2, 3):
        state = after(state, "publish", number)
    assert (state.current, state.kept) == (3, (2, 1))
    state = after(state, "restore", 1)
    assert (state.current, state.kept, state.rolled_back_from) == (1, (3, 2), None)


def test_a_generation_that_was_rolled_back_from_is_the_first_to_go() -> None:
    state = after(DestinationState(next=5, current=4, kept=(3, 2)), "roll_back", 3)
    assert (state.current, state.kept, state.rolled_back_from) == (3, (2, 4), 4)
    state = after(state, "publish", 5)
    assert (state.current, state.kept, state.rolled_back_from) == (5, (3, 2, 4), None)
    assert state.pruned(2).kept == (3, 2)


def test_a_drifted_generation_is_kept_once_and_not_rolled_back_to() -> None:
    state = after(DestinationState(next=3, current=2, kept=(1,)), "publish", 3, drifted=True)
    assert (state.kept, state.drifted, state.roll_back_target) == ((2, 1), (2,), 1)
    assert state.pruned(1).kept == (2, 1)
    state = after(state, "publish", 4, drifted=True)
    assert (state.pruned(1).kept, state.pruned(1).drifted) == ((3, 1), (3,))
    assert state.pruned(0).kept == ()
    assert after(state, "restore", 2).drifted == (3,)


def test_removing_forgets_everything_but_the_numbers_used() -> None:
    assert after(STATE.undone(), "remove", None) == DestinationState(next=9)


def test_without_a_pending_change_nothing_is_completed() -> None:
    state = DestinationState(next=3, current=2)
    assert state.completed() == state
    assert DestinationState(next=3, current=2).roll_back_target is None
