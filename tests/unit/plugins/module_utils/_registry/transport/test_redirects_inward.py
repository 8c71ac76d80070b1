# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redirects further into a network than the registry are refused, by address and by name, unless permitted."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import Operation, RedirectRefused
from ansible_collections.attested.registry.plugins.module_utils._registry.realm_policy import Reach, address_reach
from ansible_collections.attested.registry.plugins.module_utils._registry.transport import redirects
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.proxies import Proxies
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.redirects import (
    RedirectHops,
    RedirectPolicy,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.url import Origin, Url
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import error, redirect
from hypothesis import given
from hypothesis import strategies as st

DATA = b"content" * 100
PUBLIC, PRIVATE, LOOPBACK, LINK_LOCAL = "8.8.8.8", "10.0.0.9", "127.0.0.1", "169.254.169.254"


def hops(peer: str | None, *, trusted=(), registry="registry.example", proxied=False, warn=print) -> RedirectHops:
    policy = RedirectPolicy(Origin("http", registry, 80), trusted)
    return RedirectHops(policy, Operation("get it", registry), peer, lambda origin: proxied, warn)


def judge(host: str, peer: str | None, **options) -> None:
    hops(peer, **options).check_url(Url.parse(f"http://{host}/latest?secret"))


NEVER = (
    *("169.254.169.254", "169.254.170.2", "[fe80::1]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[ff02::1]"),
    *("[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16"),
    *("224.0.0.1", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376"),
    *("169.16689662", "127.1", "2130706433", "0x7f.1"),
)


@pytest.mark.parametrize("host", NEVER)
@pytest.mark.parametrize("peer", [PUBLIC, PRIVATE, LOOPBACK, "169.254.7.7", None])
def test_never(host: str, peer: str | None) -> None:
    with pytest.raises(RedirectRefused, match="^Cannot get it: the registry redirects to .* refused: ") as raised:
        judge(host, peer, trusted=(host,))
    assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    ("host", "peer", "followed"),
    [
        ("9.9.9.9", PUBLIC, True),
        ("10.1.1.1", PUBLIC, False),
        ("[fd12::1]", PUBLIC, False),
        ("192.168.1.1", PUBLIC, False),
        ("100.64.0.1", PUBLIC, False),
        ("127.0.0.1", PUBLIC, False),
        ("[::1]", PUBLIC, False),
        ("[::ffff:127.0.0.1]", PUBLIC, False),
        ("[::]", PUBLIC, False),
        ("0.0.0.0", PUBLIC, False),
        ("localhost", PUBLIC, False),
        ("a.localhost.", PUBLIC, False),
        ("10.1.1.1", PRIVATE, True),
        ("9.9.9.9", PRIVATE, True),
        ("127.0.0.1", PRIVATE, False),
        ("localhost", "fd12::1", False),
        ("127.0.0.2", LOOPBACK, True),
        ("[::1]", LOOPBACK, True),
        ("0.0.0.0", LOOPBACK, True),
        ("localhost", LOOPBACK, True),
        ("10.1.1.1", LOOPBACK, True),
        ("10.1.1.1", "169.254.7.7", True),
        ("127.0.0.1", "169.254.7.7", False),
        ("storage.example", PUBLIC, True),
        ("storage", PUBLIC, True),
    ],
)
def test_by_the_url(host: str, peer: str, followed: bool) -> None:
    if followed:
        judge(host, peer)
        return
    with pytest.raises(RedirectRefused, match="trusted_redirect_hosts"):
        judge(host, peer)


@pytest.mark.parametrize(
    ("registry", "host", "followed"),
    [
        ("registry.example", "storage.example", True),
        ("registry.example", "storage", False),
        ("registry.example", "storage.corp", False),
        ("registry.example", "10.1.1.1", False),
        ("registry.example", "metadata.google.internal", False),
        ("registry.corp", "metadata.google.internal", False),
        ("registry.corp", "metadata", False),
        ("registry.corp", "storage.corp", True),
        ("registry.corp", "10.1.1.1", True),
        ("10.0.0.9", "10.1.1.1", True),
        ("10.0.0.9", "127.0.0.1", False),
        ("8.8.8.8", "10.1.1.1", False),
    ],
)
def test_names_alone_where_a_proxy_connects(registry: str, host: str, followed: bool) -> None:
    if followed:
        judge(host, None, registry=registry, proxied=True)
        return
    with pytest.raises(RedirectRefused):
        judge(host, None, registry=registry, proxied=True)


def test_a_proxied_registry_and_a_target_without_proxy() -> None:
    with pytest.raises(RedirectRefused):
        hops(None).check_peer(Url.parse("http://storage.example/"), PRIVATE)
    hops(None, registry="registry.corp").check_peer(Url.parse("http://storage.example/"), PRIVATE)


@given(st.sampled_from([PUBLIC, PRIVATE, LOOPBACK]), st.integers(0, 2**32 - 1) | st.integers(0, 2**128 - 1))
def test_no_peer_further_inside(peer: str, number: int) -> None:
    import ipaddress

    address = str(ipaddress.ip_address(number))
    inward = address_reach(address) > address_reach(peer)
    try:
        hops(peer).check_peer(Url.parse("http://storage.example/"), address)
    except RedirectRefused:
        assert inward
        return
    assert not inward


@pytest.fixture
def reaches(monkeypatch) -> dict[str, Reach]:
    """Lets an address of this host count as one from further outside."""
    table: dict[str, Reach] = {}
    monkeypatch.setattr(redirects, "address_reach", lambda text: table.get(text) or address_reach(text))
    return table


def read(client, digest: str) -> bytes:
    with client.blob("app", Digest.parse(digest)) as stream:
        return b"".join(stream)


@pytest.fixture
def outside(serve, reaches):
    """A registry that is taken for one in a private network."""
    reaches["127.0.0.1"] = Reach.PRIVATE
    return serve()


ASKS = {
    "manifest": lambda client: client.manifest("app", Selector("1", None)),
    "head": lambda client: client.head_manifest("app", Selector("1", None)),
    "tags": lambda client: client.tags("app"),
    "blob": lambda client: read(client, "sha256:" + "0" * 64),
    "ping": lambda client: client.ping(),
}


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("name", ["127.0.0.2", "storage.example"])
def test_nothing_is_asked_of_it_and_nothing_it_says_is_shown(serve, outside, connect, names, ask, name) -> None:
    inside = serve(host="127.0.0.2")
    names["storage.example"] = "127.0.0.2"
    inside.on("", error(403, "DENIED", "hunter2"))
    outside.on("", redirect(f"http://{name}:{inside.port}/latest"))
    with pytest.raises(RedirectRefused) as raised:
        ASKS[ask](connect(outside))
    assert inside.requests == []
    assert "hunter2" not in raised.value.message


def test_before_tls_begins(serve, outside, connect, names) -> None:
    """A certificate that is not trusted would be the smaller fault, and TLS tells the target something."""
    inside = serve(host="127.0.0.2")
    names["storage.example"] = "127.0.0.2"
    outside.on("", redirect(f"https://storage.example:{inside.port}/latest"))
    with pytest.raises(RedirectRefused):
        connect(outside).ping()


def test_a_later_hop(serve, outside, connect) -> None:
    middle, inside = serve(), serve(host="127.0.0.2")
    outside.on("", redirect(f"{middle.url}/x"))
    middle.on("", redirect(f"{inside.url}/latest"))
    with pytest.raises(RedirectRefused):
        connect(outside).ping()
    assert (len(middle.requests), inside.requests) == (1, [])


def test_the_name_of_the_registry_that_leads_elsewhere_the_second_time(serve, connect, names, reaches) -> None:
    outside, inside = serve(), serve(host="127.0.0.2")
    reaches["127.0.0.1"] = Reach.PRIVATE
    names["registry.example"] = "127.0.0.1"

    def rebind(request):
        names["registry.example"] = "127.0.0.2"
        return redirect(f"http://registry.example:{inside.port}/latest")

    outside.on("", rebind)
    with pytest.raises(RedirectRefused, match="address of this host, but the registry has"):
        connect(f"registry.example:{outside.port}").ping()
    assert inside.requests == []


def test_a_trusted_host(serve, outside, connect, warnings) -> None:
    inside = serve(host="127.0.0.2")
    digest = inside.add_blob("app", DATA)
    outside.on("", redirect(f"{inside.url}/v2/app/blobs/{digest}"))
    client = connect(outside, trusted_redirect_hosts=["127.0.0.2"])
    assert read(client, digest) == read(client, digest) == DATA
    (warning,) = warnings
    assert "trusted_redirect_hosts" in warning
    assert inside.url in warning


def test_a_registry_on_loopback_goes_on(serve, connect, warnings) -> None:
    server, storage = serve(), serve(host="127.0.0.2")
    digest = storage.add_blob("app", DATA)
    server.on("", redirect(f"{storage.url}/v2/app/blobs/{digest}"))
    assert read(connect(server), digest) == DATA
    assert warnings == []


def test_through_a_proxy(serve, connect) -> None:
    """The proxy connects, so the name is judged; the absolute URL arrives as it was sent."""
    proxy = serve()
    digest = proxy.add_blob("app", DATA)
    proxy.on("registry.example", redirect(f"http://storage.example/v2/app/blobs/{digest}?sig=a%2fb|{{"))
    client = connect("registry.example", proxies=Proxies(http=proxy.url))
    assert read(client, digest) == DATA
    assert proxy.requests[-1].target == f"http://storage.example/v2/app/blobs/{digest}?sig=a%2fb|{{"
    proxy.on("registry.example", redirect("http://metadata.google.internal/x"))
    with pytest.raises(RedirectRefused, match="metadata"):
        read(client, digest)
    assert len(proxy.requests) == 3


@pytest.mark.parametrize("query", ["sig=a%2fb%2Bc", 'a=|{}"<>^`&b=%2F%2f', "X-Amz-Signature=%c3%a9~!*'()"])
def test_a_signed_url_is_sent_byte_for_byte(serve, connect, query) -> None:
    server, storage = serve(), serve()
    digest = storage.add_blob("app", DATA)
    target = f"/v2/app/blobs/{digest}?{query}"
    server.on("", redirect(storage.url + target))
    assert read(connect(server), digest) == DATA
    assert storage.requests[0].target == target
