# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The name of a registry gives protocol, host, port and path prefix, and so the URLs of all requests."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import ReferenceInvalid
from ansible_collections.attested.registry.plugins.module_utils._registry.endpoint import Endpoint
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import ConfigurationError
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "mode", "name", "base"),
    [
        ("localhost:1337", "no-tls", "localhost:1337", "http://localhost:1337/v2/"),
        ("localhost", "no-tls", "localhost", "http://localhost/v2/"),
        ("Example.ORG", "tls", "example.org", "https://example.org/v2/"),
        ("example.org:443", "tls", "example.org:443", "https://example.org/v2/"),
        ("https://example.org:8443/", "tls", "example.org:8443", "https://example.org:8443/v2/"),
        ("http://127.0.0.1:5000", "no-tls", "127.0.0.1:5000", "http://127.0.0.1:5000/v2/"),
        ("[::1]:5000", "no-tls", "[::1]:5000", "http://[::1]:5000/v2/"),
        ("[::1]", "tls", "[::1]", "https://[::1]/v2/"),
        ("host:5000/mirror/docker.io", "tls", "host:5000/mirror/docker.io", "https://host:5000/mirror/docker.io/v2/"),
        ("host/prefix/", "tls", "host/prefix", "https://host/prefix/v2/"),
        ("docker.io", "tls", "docker.io", "https://registry-1.docker.io/v2/"),
        ("index.docker.io", "tls", "docker.io", "https://registry-1.docker.io/v2/"),
        ("registry-1.docker.io:443", "tls", "docker.io", "https://registry-1.docker.io/v2/"),
        ("docker.io.evil.example", "tls", "docker.io.evil.example", "https://docker.io.evil.example/v2/"),
    ],
)
def test_parse(text: str, mode: str, name: str, base: str) -> None:
    endpoint = Endpoint.parse(text, mode=mode)  # type: ignore[arg-type]
    assert (endpoint.name, endpoint.base().text) == (name, base)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("", "tls", "must be a host"),
        ("x" * 2000, "tls", "must be a host"),
        ("https://host", "no-tls", "leave the scheme out, or set tls to tls"),
        ("http://host", "tls", "leave the scheme out, or set tls to no-tls"),
        ("ftp://host", "tls", "neither http nor https"),
        ("user:pw@host", "tls", "user name or password"),
        ("::1", "tls", "brackets"),
        ("host:99999", "tls", "port"),
        ("host/a/../b", "tls", "a path of letters"),
        ("host/a?b", "tls", "a path of letters"),
        ("host//x", "tls", "a path of letters"),
        ("ho st", "tls", "name nor an address"),
        ("exämple.org", "tls", "xn--"),
    ],
)
def test_refused(text: str, mode: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as raised:
        Endpoint.parse(text, mode=mode)  # type: ignore[arg-type]
    assert "pw" not in raised.value.message


@pytest.mark.parametrize("prefix", ["", "/hub", "hub/", "a//b", "Hub", "hub:1", "x" * 300])
def test_a_prefix_that_is_no_part_of_a_name_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="The repository_prefix .* is invalid"):
        Endpoint.parse("host", repository_prefix=prefix)


def test_the_prefix_comes_before_the_name_of_the_repository() -> None:
    endpoint = Endpoint.parse("host/path", repository_prefix="team/hub")
    name = endpoint.repository("library/debian")
    assert name == "team/hub/library/debian"
    assert endpoint.manifest(name, "1").text == "https://host/path/v2/team/hub/library/debian/manifests/1"
    assert Endpoint.parse("docker.io", repository_prefix="mine").repository("debian") == "mine/debian"
    with pytest.raises(ReferenceInvalid, match="too long"):
        endpoint.repository("x" * 250)


@pytest.mark.parametrize(
    ("text", "preferred", "base"),
    [
        ("localhost:1337", None, "http://localhost:1337/v2/"),
        ("127.0.0.1", None, "http://127.0.0.1/v2/"),
        ("localhost", "tls", "https://localhost/v2/"),
        ("http://localhost", "tls", "http://localhost/v2/"),
        ("HTTPS://localhost:5000", None, "https://localhost:5000/v2/"),
        ("a.localhost", None, "https://a.localhost/v2/"),
        ("http://example.org", None, "http://example.org/v2/"),
    ],
)
def test_without_a_mode_scheme_preference_and_host_decide_in_this_order(text: str, preferred: str, base: str) -> None:
    assert Endpoint.parse(text, preferred=preferred).base().text == base  # type: ignore[arg-type]


def test_urls_carry_the_prefix() -> None:
    endpoint = Endpoint.parse("host:5000/mirror", mode="no-tls")
    assert endpoint.manifest("a/b", "1.0").text == "http://host:5000/mirror/v2/a/b/manifests/1.0"
    assert endpoint.blob("a", "sha256:00").text == "http://host:5000/mirror/v2/a/blobs/sha256:00"
    assert (
        endpoint.tags("a", n=3, last="v1+x&n=9").text
        == "http://host:5000/mirror/v2/a/tags/list?n=3&last=v1%2Bx%26n%3D9"
    )
    assert endpoint.tags("a", n=None, last=None).query is None


def test_library_on_docker_hub_alone() -> None:
    assert Endpoint.parse("docker.io", mode="tls").repository("debian") == "library/debian"
    assert Endpoint.parse("docker.io", mode="tls").repository("a/debian") == "a/debian"
    assert Endpoint.parse("quay.io", mode="tls").repository("debian") == "debian"


@pytest.mark.parametrize("name", ["../x", "http://evil/", "/x", "x/../y", "X", ""])
def test_repository_is_checked(name: str) -> None:
    with pytest.raises(ReferenceInvalid):
        Endpoint.parse("host", mode="tls").repository(name)


@given(st.text(max_size=40))
def test_total(text: str) -> None:
    try:
        endpoint = Endpoint.parse(text, mode="tls")
    except ConfigurationError:
        return
    assert endpoint.base().text.startswith("https://")
    assert Endpoint.parse(endpoint.name, mode="tls") == endpoint
