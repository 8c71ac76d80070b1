# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A docker-registry requires signed tokens: those of docker_auth, and of a fake that offers what docker_auth lacks."""

from __future__ import annotations

import shutil
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import (
    BasicAuth,
    IdentityToken,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.client import Registry
from ansible_collections.attested.registry.plugins.module_utils._registry.endpoint import Endpoint
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    Denied,
    Unauthorized,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.push.pusher import Pusher
from ansible_collections.attested.registry.tests.support.images.sources import Source, descriptor
from ansible_collections.attested.registry.tests.support.servers.fake_token_service import FakeTokenService
from ansible_collections.attested.registry.tests.support.servers.peers import DockerAuth, DockerRegistry, make_tls

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(
        shutil.which("docker-registry") is None or shutil.which("openssl") is None,
        reason="needs docker-registry, openssl",
    ),
]
needs_docker_auth = pytest.mark.skipif(DockerAuth.program() is None, reason="needs docker_auth")

USERS = {"reader": "r3ader:x", "writer": "wr1ter", "owner": "0wner"}
ACTIONS = {"reader": ["pull"], "writer": ["pull", "push"], "owner": ["pull", "push", "delete"]}
READER, WRITER, OWNER = (BasicAuth(name, password) for name, password in USERS.items())
DATA = b"content"
BLOB = descriptor(DATA)


@pytest.fixture(scope="module", params=["fake", "fake-only-post", pytest.param("docker_auth", marks=needs_docker_auth)])
def address(request: t.Any, tmp_path_factory: t.Any) -> t.Iterator[str]:
    """The address of a docker-registry with one of the token services."""
    work = tmp_path_factory.mktemp("tokens")
    tls = make_tls(work / "tls")
    service: t.Any = DockerAuth(work / "docker_auth", tls, USERS, ACTIONS)
    if request.param != "docker_auth":
        service = FakeTokenService(tls, USERS, ACTIONS, only_post=request.param == "fake-only-post")
    with service.running() as token, DockerRegistry(work / "storage", work, token=token).running() as name:
        yield name


@pytest.fixture
def connected(address: str) -> t.Iterator[t.Callable[..., Registry]]:
    clients = []

    def make(credentials: t.Any = None) -> Registry:
        clients.append(Registry(Endpoint.parse(address), credentials=credentials))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def push(client: Registry, image: t.Any) -> None:
    pusher = Pusher(client, "team/app")
    for digest, data in image.blobs().items():
        if digest != image.digest:
            pusher.push_blob(descriptor(data), Source(data))
    pusher.push_manifest(image.data, image.media_type, "1.0")


def test_logging_in(connected: t.Any) -> None:
    assert connected(READER).ping() == "registry/2.0"
    with pytest.raises(Unauthorized, match='rejected the user name "reader"') as raised:
        connected(BasicAuth("reader", "hunter2")).ping()
    assert "hunter2" not in str(raised.value)


def test_a_user_who_may_push_and_one_who_may_pull(connected: t.Any, image: t.Any) -> None:
    """The token of a push permits pull and push; a reader gets a token that permits less than was asked for."""
    push(connected(WRITER), image)
    assert connected(READER).tags("team/app").names == ("1.0",)
    assert connected(READER).manifest("team/app", Selector.parse("1.0")).document.raw == image.data
    with pytest.raises(Denied, match="reader.*use credentials that may push to the repository"):
        Pusher(connected(READER), "team/app").push_blob(BLOB, Source(DATA))
    with pytest.raises(Unauthorized, match="credentials"):
        connected().tags("team/app")


def test_a_mount_needs_the_other_repository_too(connected: t.Any) -> None:
    Pusher(connected(WRITER), "base/os").push_blob(BLOB, Source(DATA))
    pusher = Pusher(connected(WRITER), "team/mounted")
    assert pusher.mount(BLOB.digest, source_repository="base/os")
    assert pusher.has_blob(BLOB.digest) == len(DATA)


def test_a_user_who_may_delete(connected: t.Any, image: t.Any) -> None:
    """A writer has read and pushed before, so the client has a token, which does not permit deletion."""
    client = connected(WRITER)
    push(client, image)
    digest = Digest.parse(image.digest)
    with pytest.raises(Denied, match="writer.*use credentials that may delete from the repository"):
        Pusher(client, "team/app").delete_manifest(digest)
    owner = connected(OWNER)
    push(owner, image)
    assert Pusher(owner, "team/app").delete_manifest(digest)


def test_a_refresh_token(connected: t.Any, image: t.Any, request: t.Any) -> None:
    if "docker_auth" in request.node.callspec.id:
        with pytest.raises(Unauthorized, match="rejected the identity token"):
            connected(IdentityToken("refresh-writer")).ping()
        return
    push(connected(IdentityToken("refresh-writer")), image)
    with pytest.raises(Unauthorized, match="rejected the identity token"):
        connected(IdentityToken("refresh-nobody")).ping()
