# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials go only to token services that a registry may name: no plain HTTP, nothing further inside a network."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.realm_policy import (
    NotEntitled,
    Reach,
    RealmPolicy,
    address_reach,
    is_local_name,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.url import Origin, Url, UrlInvalid
from hypothesis import given
from hypothesis import strategies as st

PUBLIC = RealmPolicy(Origin("https", "registry.example", 443))


@pytest.mark.parametrize(
    "realm",
    [
        "https://auth.example/token",
        "https://registry.example:8443/token",
        "https://REGISTRY.example./token",
        "https://auth.docker.io/token",
    ],
)
def test_entitled(realm: str) -> None:
    PUBLIC.check(Url.parse(realm))


@pytest.mark.parametrize(
    ("realm", "why"),
    [
        ("http://registry.example/token", "not https"),
        ("http://auth.example/token", "not https"),
        ("https://127.0.0.1/token", "an address"),
        ("https://10.0.0.1/token", "an address"),
        ("https://169.254.169.254/latest/meta-data", "an address"),
        ("https://8.8.8.8/token", "an address"),
        ("https://[::1]/token", "an address"),
        ("https://[fd00:ec2::254]/token", "an address"),
        ("https://127.1/token", "unusual"),
        ("https://2130706433/token", "unusual"),
        ("https://0x7f000001/token", "unusual"),
        ("https://localhost/token", "own host"),
        ("https://localhost./token", "own host"),
        ("https://a.localhost/token", "own host"),
        ("https://metadata/token", "not a public name"),
    ],
)
def test_refused(realm: str, why: str) -> None:
    with pytest.raises(NotEntitled, match=why):
        PUBLIC.check(Url.parse(realm))


def test_address_of_the_registry_itself() -> None:
    policy = RealmPolicy(Origin("http", "127.0.0.1", 5000))
    policy.check(Url.parse("http://127.0.0.1:5001/token"))
    with pytest.raises(NotEntitled):
        policy.check(Url.parse("http://127.0.0.2:5001/token"))
    with pytest.raises(NotEntitled):
        policy.check(Url.parse("http://localhost:5001/token"))


def test_trusted_hosts() -> None:
    policy = RealmPolicy(
        Origin("https", "registry.example", 443), ("10.0.0.1", "auth:8443", "[::1]:99", "not a host", "[fd00::1]")
    )
    policy.check(Url.parse("https://10.0.0.1:5000/token"))
    policy.check(Url.parse("https://AUTH:8443/token"))
    policy.check(Url.parse("https://[::1]:99/token"))
    policy.check(Url.parse("https://[fd00::1]:1234/token"))
    for realm in ("https://auth/token", "https://[::1]/token", "http://10.0.0.1/token"):
        with pytest.raises(NotEntitled):
            policy.check(Url.parse(realm))


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("8.8.8.8", Reach.PUBLIC),
        ("2600::1", Reach.PUBLIC),
        ("10.1.2.3", Reach.PRIVATE),
        ("192.168.0.1", Reach.PRIVATE),
        ("172.16.0.1", Reach.PRIVATE),
        ("100.64.0.1", Reach.PRIVATE),
        ("fd12::1", Reach.PRIVATE),
        ("127.0.0.1", Reach.LOOPBACK),
        ("127.9.9.9", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("::ffff:10.0.0.1", Reach.PRIVATE),
        ("::ffff:8.8.8.8", Reach.PUBLIC),
        ("64:ff9b::7f00:1", Reach.LOOPBACK),
        ("64:ff9b::a9fe:a9fe", Reach.FORBIDDEN),
        ("2002:7f00:1::", Reach.LOOPBACK),
        ("169.254.169.254", Reach.FORBIDDEN),
        ("fe80::1%eth0", Reach.FORBIDDEN),
        ("fd00:ec2::254", Reach.FORBIDDEN),
        ("168.63.129.16", Reach.FORBIDDEN),
        ("0.0.0.0", Reach.FORBIDDEN),
        ("224.0.0.1", Reach.FORBIDDEN),
        ("192.0.0.192", Reach.FORBIDDEN),
        ("fd20:ce::254", Reach.FORBIDDEN),
        ("192.0.0.8", Reach.PRIVATE),
        ("fec0::1", Reach.PRIVATE),
        ("::10.0.0.1", Reach.PRIVATE),
        ("64:ff9b:1::7f00:1", Reach.PRIVATE),
        ("64:ff9b:1::a9fe:a9fe", Reach.FORBIDDEN),
        ("::169.254.169.254", Reach.FORBIDDEN),
        ("/run/socket", Reach.FORBIDDEN),
    ],
)
def test_reach(address: str, reach: Reach) -> None:
    assert address_reach(address) is reach


@pytest.mark.parametrize(
    ("registry_peer", "peer", "allowed"),
    [
        ("8.8.8.8", "9.9.9.9", True),
        ("8.8.8.8", "10.0.0.1", False),
        ("8.8.8.8", "127.0.0.1", False),
        (None, "10.0.0.1", False),
        (None, "9.9.9.9", True),
        ("10.0.0.9", "10.0.0.1", True),
        ("10.0.0.9", "9.9.9.9", True),
        ("10.0.0.9", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "169.254.169.254", False),
        ("169.254.1.1", "169.254.169.254", False),
    ],
)
def test_names_must_not_lead_inward(registry_peer: str | None, peer: str, allowed: bool) -> None:
    origin = Origin("https", "auth.example", 443)
    if allowed:
        PUBLIC.check_peer(origin, peer, registry_peer=registry_peer)
        return
    with pytest.raises(NotEntitled, match="not public"):
        PUBLIC.check_peer(origin, peer, registry_peer=registry_peer)


@pytest.mark.parametrize(
    ("peer", "registry_peer", "allowed"),
    [
        ("8.8.8.8", "8.8.8.8", True),
        ("9.9.9.9", "8.8.8.8", True),
        ("127.0.0.1", "8.8.8.8", False),
        ("10.0.0.1", "8.8.8.8", False),
        ("169.254.169.254", "127.0.0.1", False),
        ("169.254.7.7", "169.254.7.7", True),
        ("10.0.0.1", None, True),
    ],
)
def test_the_name_of_the_registry_may_not_lead_inward_the_second_time(peer, registry_peer, allowed) -> None:
    origin = Origin("https", "registry.example", 8443)
    if allowed:
        PUBLIC.check_peer(origin, peer, registry_peer=registry_peer)
        return
    with pytest.raises(NotEntitled):
        PUBLIC.check_peer(origin, peer, registry_peer=registry_peer)


def test_peer_of_a_trusted_host_is_not_checked() -> None:
    policy = RealmPolicy(Origin("https", "registry.example", 443), ("auth.example",))
    policy.check_peer(Origin("https", "auth.example", 443), "127.0.0.1", registry_peer="8.8.8.8")


@given(st.integers(0, 2**32 - 1) | st.integers(0, 2**128 - 1))
def test_no_address_is_ever_entitled(number: int) -> None:
    import ipaddress

    address = ipaddress.ip_address(number)
    host = f"[{address}]" if address.version == 6 else str(address)
    with pytest.raises(NotEntitled):
        PUBLIC.check(Url.parse(f"https://{host}/token"))
    assert isinstance(address_reach(str(address)), Reach)


@given(st.text("0123456789abcdefx.:[]-", max_size=30))
def test_spellings_of_addresses_that_resolvers_accept_are_refused(host: str) -> None:
    import socket

    try:
        url = Url.parse(f"https://{host}/token")
        PUBLIC.check(url)
    except (UrlInvalid, NotEntitled):
        return
    # inet_aton is what getaddrinfo reads addresses with
    with pytest.raises(OSError, match="illegal"):
        socket.inet_aton(url.origin.host)


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True),
        ("localhost.", True),
        ("a.localhost", True),
        ("localhost.localdomain", True),
        ("registry.localdomain", False),
        ("notlocalhost", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_names_of_this_host(host: str, is_local: bool) -> None:
    assert is_local_name(host) is is_local
