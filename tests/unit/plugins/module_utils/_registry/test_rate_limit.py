# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All downloads together stay below the rate, whatever the registry that they come from."""

from __future__ import annotations

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._registry.rate_limit import RateLimit


def test_the_rate_is_kept_on_average(world: t.Any) -> None:
    limit = RateLimit(1000, world.effects())
    begin = world.time
    for size in (500, 1, 2499, 1000):
        limit.received(size)
    assert world.time - begin == 4.0


def test_time_without_downloads_is_not_made_up_for(world: t.Any) -> None:
    limit = RateLimit(1000, world.effects())
    world.time += 3600
    limit.received(2000)
    assert world.pauses == [2.0]


def test_two_downloads_share_the_rate(world: t.Any) -> None:
    """A pause that has not ended yet, of another thread, comes first."""
    asleep: list[float] = []
    world.sleep = asleep.append
    limit = RateLimit(1000, world.effects())
    limit.received(1000)
    limit.received(1000)
    assert asleep == [1.0, 2.0]


def test_blobs_of_two_registries_share_the_rate(world: t.Any, serve: t.Any, connect: t.Any) -> None:
    limit = RateLimit(1000, world.effects())
    servers = [serve(), serve()]
    digests = [server.add_blob("app", bytes([number]) * 5000) for number, server in enumerate(servers)]
    for server, digest in zip(servers, digests):
        with connect(server, received=limit.received).blob("app", Digest.parse(digest)) as stream:
            assert len(b"".join(stream)) == 5000
    assert sum(world.pauses) == 10.0
