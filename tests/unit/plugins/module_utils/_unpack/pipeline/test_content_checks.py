# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A layer is hashed while it is read, never too far behind, and no bomb passes."""

from __future__ import annotations

import threading
import time
import tracemalloc
import typing as t
import zlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._unpack import limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    DiffIdMismatch,
    LimitExceeded,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.limits import Budget, Limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline import content_checks
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline.ahead import Ahead
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline.content_checks import (
    DiffIdHash,
    inflate_layer,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline.ring import HASH_BEHIND

LONG = 30
"""Seconds that no test waits unless it fails."""


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
        for dummy in range(HASH_BEHIND * 3):
            diff_id.add(bytes(1000))
        diff_id.close()
        diff_id.close()

    def test_it_is_never_further_behind_than_the_ring_allows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each piece may be overwritten when HASH_BEHIND others were added after it."""
        allowed = threading.Semaphore(0)
        hashed: list[bytes] = []

        class SlowHash:
            def update(self, piece: bytes) -> None:
                assert allowed.acquire(timeout=LONG)
                hashed.append(piece)

        empty = Digest.of(b"")
        monkeypatch.setattr(content_checks.hashlib, "new", lambda algorithm: SlowHash())
        diff_id = DiffIdHash(empty)
        added: list[int] = []

        def add_all() -> None:
            for number in range(HASH_BEHIND * 3):
                diff_id.add(b"%d" % number)
                added.append(number - len(hashed))

        adding = threading.Thread(target=add_all, daemon=True)
        adding.start()
        deadline = time.monotonic() + LONG
        while len(added) < HASH_BEHIND and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.05)
        assert len(added) == HASH_BEHIND
        for dummy in range(HASH_BEHIND * 3):
            allowed.release()
        adding.join(LONG)
        diff_id.close()
        assert max(added) < HASH_BEHIND
        assert hashed == [b"%d" % number for number in range(HASH_BEHIND * 3)]


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
