# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An iterator in a thread runs ahead within bounds, passes errors on in order, and ends when it is closed."""

from __future__ import annotations

import threading
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LayerInvalid
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline.ahead import (
    BATCH_BYTES,
    BATCHES_AHEAD,
    PIECE_OVERHEAD,
    Ahead,
    flatten,
)
from ansible_collections.attested.registry.tests.support.examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

LONG = 30
"""Seconds that no test waits unless it fails."""


def in_thread(action: t.Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def ended(thread: threading.Thread) -> bool:
    thread.join(LONG)
    return not thread.is_alive()


class TestAhead:
    def test_all_pieces_come_in_order(self) -> None:
        pieces = [b"%d" % number * 1000 for number in range(5000)]
        ahead = Ahead(iter(pieces), name="test")
        batches = list(ahead)
        ahead.close()
        assert [piece for batch in batches for piece in batch] == pieces
        assert all(sum(map(len, batch)) > BATCH_BYTES * 0.9 for batch in batches[:-1])
        assert all(sum(map(len, batch)) <= BATCH_BYTES + 5000 for batch in batches)

    @settings(max_examples=examples(30), deadline=None)
    @given(st.lists(st.binary(max_size=20), max_size=50))
    def test_any_pieces(self, pieces: list[bytes]) -> None:
        ahead = Ahead(iter(pieces), name="test")
        assert list(flatten(ahead)) == [piece for piece in pieces if piece]
        ahead.close()

    def test_tiny_pieces_do_not_pile_up_in_a_batch(self) -> None:
        ahead = Ahead((b"xy" for dummy in range(100_000)), name="test")
        assert max(len(batch) for batch in ahead) <= BATCH_BYTES // PIECE_OVERHEAD
        ahead.close()

    def test_it_runs_ahead_but_not_far(self) -> None:
        made = 0
        taken = 0
        leads = []

        def pieces() -> t.Iterator[bytes]:
            nonlocal made
            for dummy in range(200):
                made += 1
                leads.append(made - taken)
                yield bytes(BATCH_BYTES)

        ahead = Ahead(pieces(), name="test")
        for dummy in ahead:
            taken += 1
        ahead.close()
        assert taken == 200
        assert max(leads) <= BATCHES_AHEAD + 2

    def test_an_error_comes_after_the_pieces_before_it(self) -> None:
        failure = LayerInvalid("broken")

        def pieces() -> t.Iterator[bytes]:
            yield b"first"
            yield bytes(BATCH_BYTES)
            raise failure

        ahead = Ahead(pieces(), name="test")
        found = iter(ahead)
        assert [len(piece) for piece in next(found)] == [5, BATCH_BYTES]
        with pytest.raises(LayerInvalid) as caught:
            next(found)
        assert caught.value is failure
        ahead.close()

    @pytest.mark.parametrize("failure", [SystemExit(3), KeyboardInterrupt(), MemoryError(), StopAsyncIteration()])
    def test_an_error_of_any_sort_is_raised_where_it_is_iterated(self, failure: BaseException) -> None:
        def pieces() -> t.Iterator[bytes]:
            yield from ()
            raise failure

        ahead = Ahead(pieces(), name="test")
        with pytest.raises(type(failure)):
            list(ahead)
        ahead.close()

    def test_close_ends_a_thread_that_waits_for_room(self) -> None:
        ends = []

        def pieces() -> t.Iterator[bytes]:
            try:
                while True:
                    yield bytes(BATCH_BYTES)
            finally:
                ends.append(threading.current_thread().name)

        ahead = Ahead(pieces(), name="closed from within")
        next(iter(ahead))
        ahead.close()
        assert ends == ["closed from within"]

    def test_close_ends_a_thread_that_has_an_error_to_hand_over(self) -> None:
        def pieces() -> t.Iterator[bytes]:
            for dummy in range(BATCHES_AHEAD):
                yield bytes(BATCH_BYTES)
            raise LayerInvalid("nobody wants to know")

        ahead = Ahead(pieces(), name="test")
        ahead.close()
        ahead.close()

    def test_close_ends_the_iteration(self) -> None:
        """The source is stalled, and gives up as soon as somebody closes what reads it."""
        stalled = threading.Event()
        closing = threading.Event()
        asked = []

        def pieces() -> t.Iterator[bytes]:
            yield bytes(BATCH_BYTES)
            stalled.set()
            assert closing.wait(LONG)
            for dummy in range(1000):
                asked.append(1)
                yield bytes(BATCH_BYTES)

        class Watched(Ahead):
            def close(self) -> None:
                self._stopping = True
                closing.set()
                super().close()

        ahead = Watched(pieces(), name="test")
        reader = in_thread(lambda: list(ahead))
        assert stalled.wait(LONG)
        ahead.close()
        assert ended(reader)
        assert len(asked) == 1

    def test_close_after_the_end(self) -> None:
        ahead = Ahead(iter((b"a",)), name="test")
        assert list(ahead) == [[b"a"]]
        ahead.close()
        ahead.close()

    def test_close_before_anything_was_read(self) -> None:
        ahead = Ahead(iter((b"a",)), name="test")
        ahead.close()
        reader = in_thread(lambda: list(ahead))
        assert ended(reader)

    def test_stages_that_follow_each_other_end_from_the_first_to_the_last(self) -> None:
        """The order in which _apply closes stages after an error; no stage may wait for one that has ended."""
        for dummy in range(20):
            first = Ahead((bytes(BATCH_BYTES) for dummy in range(10_000)), name="first")
            second = Ahead(flatten(first), name="second")
            third = Ahead(flatten(second), name="third")
            next(iter(third))
            first.close()
            second.close()
            third.close()
