# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proxies are taken from the environment, no_proxy included; messages show no password."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import ConfigurationError
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.proxies import Proxies
from ansible_collections.attested.registry.plugins.module_utils._registry.url import Origin

HTTP = Origin("http", "registry.example", 80)
HTTPS = Origin("https", "registry.example", 443)


@pytest.mark.parametrize(
    ("environ", "http", "https"),
    [
        ({}, None, None),
        ({"http_proxy": "http://p:1"}, "http://p:1", None),
        ({"HTTPS_PROXY": "http://p:1"}, None, "http://p:1"),
        ({"https_proxy": "http://lower", "HTTPS_PROXY": "http://upper"}, None, "http://lower"),
        ({"all_proxy": "p:1", "http_proxy": "http://q"}, "http://q", "http://p:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://upper"}, None, None),
        ({"HTTP_PROXY": "http://p", "REQUEST_METHOD": "GET"}, None, None),
        ({"http_proxy": "http://p", "REQUEST_METHOD": "GET"}, "http://p", None),
    ],
)
def test_environment(environ: dict[str, str], http: str | None, https: str | None) -> None:
    proxies = Proxies.from_environment(environ)
    assert (proxies.for_origin(HTTP), proxies.for_origin(HTTPS)) == (http, https)


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "direct"),
    [
        ("*", "a.example", 443, True),
        ("a.example", "a.example", 443, True),
        ("a.example", "b.a.example", 443, True),
        (".a.example", "a.example", 443, True),
        ("*.a.example", "b.a.example", 443, True),
        ("a.example", "xa.example", 443, False),
        ("b.example, a.example ,", "A.example".lower(), 443, True),
        ("a.example:443", "a.example", 443, True),
        ("a.example:5000", "a.example", 443, False),
        ("10.0.0.0/8", "10.2.3.4", 443, True),
        ("10.0.0.0/8", "11.2.3.4", 443, False),
        ("10.0.0.1", "10.0.0.1", 443, True),
        ("10.0.0.1:5000", "10.0.0.1", 5000, True),
        ("fd00::/8", "fd12::1", 443, True),
        ("[fd12::1]:5000", "fd12::1", 5000, True),
        ("[fd12::1]", "fd12::1", 443, True),
        ("10.0.0.0/99,nonsense/8", "10.0.0.1", 443, False),
        ("", "a.example", 443, False),
        (".", "a.example", 443, False),
        ("10.0.0.0/8", "a.example", 443, False),
        ("", "localhost", 443, True),
        ("", "registry.localhost", 443, True),
        ("", "localhost.localdomain", 443, True),
        ("", "127.0.0.1", 443, True),
        ("", "::1", 443, True),
    ],
)
def test_no_proxy(no_proxy: str, host: str, port: int, direct: bool) -> None:
    proxies = Proxies.from_environment({"https_proxy": "http://p", "no_proxy": no_proxy})
    assert (proxies.for_origin(Origin("https", host, port)) is None) is direct


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://u:hunter2@", "no valid host and port"),
        ("http://", "no valid host and port"),
        ("u:hunter2@p:http", "no valid host and port"),
        ("http://u:hunter2@p:99999", "its port"),
        ("http://u:hunter2#x@p:1", "no valid host and port"),
        ("http://u:hunter2@[::1", "no valid host and port"),
        ("http://u:hunter2\u20ac@p:1", "ISO 8859-1"),
        ("http://u:hunter2%E2%82%AC@p:1", "ISO 8859-1"),
        ("http://u:hunter2@p p:1", "its host"),
        ("socks://u:hunter2@p:1", "does not state the version of SOCKS.*socks5h://"),
        ("ftp://u:hunter2@p:1", "scheme is not supported"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_and_not_shown(url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"proxy.*{why}.*https_proxy") as raised:
        Proxies(https=url).for_origin(HTTPS)
    assert "hunter2" not in f"{raised.value} {raised.value.fields}"


def test_passwords_are_not_shown() -> None:
    assert "secret" not in repr(Proxies("http://u:secret@p", "http://u:secret@p"))
