# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stages of an unpack run ahead within bounds, pass errors on in order, and end when they are closed."""

from __future__ import annotations

import threading
import tracemalloc
import typing as t
import zlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._unpack import limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    DiffIdMismatch,
    LayerInvalid,
    LimitExceeded,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.limits import Budget, Limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline.pipeline import (
    BATCH_BYTES,
    BATCHES_AHEAD,
    PIECE_OVERHEAD,
    Ahead,
    DiffIdHash,
    flatten,
    inflate_layer,
)
from hypothesis import given, settings
from hypothesis import strategies as st

LONG = 30
"""Seconds that no test waits unless it fails."""


@pytest.fixture(autouse=True)
def _all_threads_end() -> t.Iterator[None]:
    before = threading.enumerate()
    yield
    assert [thread for thread in threading.enumerate() if thread not in before] == []


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

    @settings(max_examples=30, deadline=None)
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


class TestDiffIdHash:
    @pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
    def test_the_right_digest(self, algorithm: str) -> None:
        diff_id = DiffIdHash(Digest.of(b"abcdef" * 1000, algorithm))
        for dummy in range(500):
            diff_id.add(b"abcdef")
            diff_id.add(b"abcdef")
        diff_id.check()
        diff_id.close()

    def test_the_digest_of_no_data(self) -> None:
        DiffIdHash(Digest.of(b"")).check()

    def test_the_wrong_digest_names_both(self) -> None:
        diff_id = DiffIdHash(Digest.of(b"promised"))
        diff_id.add(b"delivered")
        with pytest.raises(DiffIdMismatch, match="damaged or forged") as caught:
            diff_id.check()
        assert caught.value.fields == {"expected": str(Digest.of(b"promised")), "actual": str(Digest.of(b"delivered"))}

    def test_close_without_check(self) -> None:
        diff_id = DiffIdHash(Digest.of(b""))
        for dummy in range(BATCHES_AHEAD * 3):
            diff_id.add(bytes(1000))
        diff_id.close()
        diff_id.close()


def gzip_member(content: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    return compressor.compress(content) + compressor.flush()


ZEROS = gzip_member(bytes(8_000_000))


def gzip_bomb(*, size: int) -> t.Iterator[bytes]:
    """About a thousand times smaller than what comes out: a member after the other."""
    for dummy in range(size // 8_000_000):
        yield ZEROS


def zstd_bomb(*, size: int) -> t.Iterator[bytes]:
    """Thirty thousand times smaller than what comes out: 4 bytes say 128 KiB."""
    yield b"\x28\xb5\x2f\xfd\x00\x50"
    for dummy in range(size // 131072):
        yield (131072 << 3 | 2).to_bytes(3, "little") + b"\0"


def peak_of(action: t.Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class TestInflated:
    def test_what_is_within_limits(self) -> None:
        pieces = inflate_layer(gzip_bomb(size=16_000_000), declared="gzip", budget=Budget(Limits()), warn=pytest.fail)
        assert sum(map(len, pieces)) == 16_000_000

    @pytest.mark.parametrize(
        ("bomb", "ratio", "most"),
        [(gzip_bomb, 500, 1_000_000), (zstd_bomb, 2000, 100_000_000)],
        ids=["gzip", "zstd"],
    )
    def test_bombs_end_early_and_take_little_memory(
        self, bomb: t.Callable[..., t.Iterator[bytes]], ratio: int, most: int
    ) -> None:
        given_out = 0

        def explode() -> None:
            nonlocal given_out
            for piece in inflate_layer(
                bomb(size=2**40), declared=None, budget=Budget(Limits(ratio=ratio)), warn=pytest.fail
            ):
                given_out += len(piece)

        def explode_safely() -> None:
            with pytest.raises(LimitExceeded, match="raise max_ratio"):
                explode()

        assert peak_of(explode_safely) < most
        assert given_out <= limits.RATIO_FLOOR

    def test_a_bomb_in_one_piece(self) -> None:
        data = b"".join(zstd_bomb(size=2**30))
        with pytest.raises(LimitExceeded, match="raise max_ratio"):
            for dummy in inflate_layer(iter((data,)), declared="zstd", budget=Budget(Limits()), warn=pytest.fail):
                pass

    def test_bombs_at_the_limit_fill_no_queue(self) -> None:
        """A burst of output waits in the decompressor; the queue does not hold one in each place."""
        burst = b"".join(zstd_bomb(size=16 * 2**20))[:-4] + (131072 << 3 | 3).to_bytes(3, "little") + b"\0"
        padding = b"\x50\x2a\x4d\x18" + (20_000).to_bytes(4, "little") + bytes(20_000)

        def run() -> None:
            pieces = inflate_layer(
                (piece for dummy in range(20) for piece in (padding, burst)),
                declared="zstd",
                budget=Budget(Limits()),
                warn=pytest.fail,
            )
            ahead = Ahead(pieces, name="test")
            size = 0
            for batch in ahead:
                size += sum(map(len, batch))
            ahead.close()
            assert size == 20 * 16 * 2**20

        assert peak_of(run) < 3 * 16 * 2**20
