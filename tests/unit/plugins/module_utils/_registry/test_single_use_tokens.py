# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens that are valid for one request only do not make parallel downloads fail."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import Denied, Unauthorized
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply
from ansible_collections.attested.registry.tests.support.registries.meanwhile import meanwhile

TAG = Selector.parse("1.0")
THREADS = 8


@pytest.fixture
def server(serve, image):
    """A registry that takes each token once."""
    server = serve(auth="bearer")
    server.publish("app", {"1.0": image})
    spent: set[str] = set()
    lock = threading.Lock()

    def once(request):
        token = request.header("Authorization")
        with lock:
            if token is None or token not in spent:
                spent.add(token or "")
                return None
        text = f'Bearer realm="{server.url}/token",scope="repository:app:pull",error="invalid_token"'
        return Reply(401, b"", {"WWW-Authenticate": text})

    server.on("/v2/app/", once)
    return server


def test_parallel_downloads(server, connect) -> None:
    digest = Digest.parse(next(iter(server.repositories["app"].blobs)))
    for dummy in range(20):
        client = connect(server)
        client.manifest("app", TAG)
        ready = threading.Barrier(THREADS)

        def download(client=client, ready=ready) -> bytes:
            ready.wait()
            return b"".join(client.blob("app", digest))

        with ThreadPoolExecutor(THREADS) as pool:
            assert len({future.result() for future in [pool.submit(download) for dummy in range(THREADS)]}) == 1


def test_a_token_that_is_too_narrow_when_another_request_has_widened_it(serve, image, connect, monkeypatch) -> None:
    """Both got the narrow token; the one that is answered last goes out again with the wide one."""
    server = serve(auth="bearer")
    server.publish("app", {"1.0": image})
    text = f'Bearer realm="{server.url}/token",scope="repository:base:pull",error="insufficient_scope"'
    client = connect(server)

    def picky(request):
        token = (request.header("Authorization") or "")[7:]
        is_wide = "repository:base:pull" in server.tokens.get(token, ())
        return Reply(403, b"", {"WWW-Authenticate": text}) if token and not is_wide else None

    server.on("/manifests/", picky)
    found = []
    meanwhile(monkeypatch, server, "/manifests/", lambda: found.append(client.manifest("app", TAG)), has_token=True)
    assert [client.manifest("app", TAG)] == found
    assert len(server.sent("/token")) == 2


def test_a_registry_that_denies_every_token_is_left_soon(serve, connect) -> None:
    server = serve(auth="bearer")
    text = f'Bearer realm="{server.url}/token",scope="repository:base:pull",error="insufficient_scope"'
    denied = Reply(403, b"", {"WWW-Authenticate": text})
    server.on("/v2/", lambda request: denied if request.header("Authorization") else None)
    client = connect(server)
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(client.manifest, "app", TAG) for dummy in range(THREADS)]
    for future in futures:
        with pytest.raises(Denied):
            future.result()
    assert len(server.sent("/v2/")) <= 6 * THREADS


def test_a_registry_that_takes_no_token_is_left_soon(serve, connect) -> None:
    server = serve(auth="bearer")
    server.on("/v2/", Reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token",error="invalid_token"'}))
    client = connect(server)
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(client.manifest, "app", TAG) for dummy in range(THREADS)]
    for future in futures:
        with pytest.raises(Unauthorized):
            future.result()
    assert len(server.sent("/v2/")) <= 6 * THREADS
