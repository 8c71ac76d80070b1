# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connect to registries, or to the proxy of the environment, and print which are unreachable and why.

Usage: reach.py REGISTRY..., each in the form of the option registry of the modules: [SCHEME://]HOST[:PORT][/PREFIX].
The role runs it on the host before anything is installed, so it uses the standard library only.
"""

from __future__ import annotations

import socket
import sys
import typing as t
import urllib.request
from urllib.parse import urlsplit

_SECONDS: t.Final = 10
_DOCKER_HUB: t.Final = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}


def problem(registry: str) -> str:
    """Return why connecting to a registry fails, or "" if it succeeds."""
    try:
        scheme, host, port = place(registry)
        proxies = urllib.request.getproxies()
        proxy = proxies.get(scheme) or proxies.get("all")
        if proxy and not loopback(host) and not urllib.request.proxy_bypass(f"{host}:{port}"):
            dummy, host, port = place(proxy, scheme="http")
            shown = f"its proxy {host}:{port}"
        else:
            shown = f"{host}:{port}"
    except ValueError:
        # the text is not shown, because it may contain a password
        return "the name of a registry, or the URL of a proxy, is malformed; give HOST or HOST:PORT"
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as exc:
        return (
            f"the registry {host_of(registry)} cannot be reached: connecting to {shown} failed: {exc.strerror or exc}"
        )
    return ""


def place(text: str, *, scheme: str = "") -> tuple[str, str, int]:
    """Return scheme, host and port of "[scheme://]host[:port]". Raises ValueError."""
    parts = urlsplit(text if "://" in text else f"//{text}")
    host = parts.hostname or ""
    if not host:
        raise ValueError("no host")
    scheme = parts.scheme or scheme or ("http" if loopback(host) else "https")
    return scheme, _DOCKER_HUB.get(host, host), parts.port or (80 if scheme == "http" else 443)


def host_of(text: str) -> str:
    """Return the name of a registry without scheme, user and password."""
    return text.rpartition("://")[2].rpartition("@")[2]


def loopback(host: str) -> bool:
    """Return whether a host name is that of the loopback interface, which needs no proxy."""
    return host == "localhost" or host == "::1" or host.startswith("127.")


if __name__ == "__main__":
    found = [text for text in map(problem, sys.argv[1:]) if text]
    sys.stdout.write("; ".join(found) + "\n" * bool(found))
    sys.exit(1 if found else 0)
