# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The keys of auth files and credential helpers for a repository (containers-auth.json(5)). Called by auth_file.py."""

from __future__ import annotations

import typing as t

from ..endpoint import DOCKER_HUB, DOCKER_HUB_NAMES

# docker's name of Docker Hub towards credential helpers
_HUB_SERVER: t.Final = "https://index.docker.io/v1/"
_VERSIONS: t.Final = ("v1", "v2")


def key_candidates(registry: str, repository: str | None) -> tuple[str, ...]:
    """Return the keys that match a repository of a registry ("host[:port][/prefix]"), most specific first.

    As in podman: host/namespace/name, host/namespace, host.
    """
    parts = normalise_key(registry).split("/")
    parts += repository.split("/") if repository else []
    return tuple("/".join(parts[:count]) for count in range(len(parts), 0, -1))


def normalise_key(key: str) -> str:
    """Return a key of docker or podman in one form: no scheme, no version, Docker Hub as docker.io.

    A key with a scheme is a URL written by docker; only its host counts.
    """
    scheme, separator, rest = key.strip().partition("://")
    text = rest.partition("/")[0] if separator and scheme.lower() in ("http", "https") else key.strip()
    text = text.rstrip("/")
    host, slash, path = text.partition("/")
    host = host.lower()
    if path in _VERSIONS:
        slash = path = ""
    return (DOCKER_HUB if host in DOCKER_HUB_NAMES else host) + slash + path


def helper_server(registry: str) -> str:
    """Return the server name for a credential helper: host and port, or docker's name of Docker Hub."""
    host = normalise_key(registry).partition("/")[0]
    return _HUB_SERVER if host == DOCKER_HUB else host


__all__ = ("helper_server", "key_candidates", "normalise_key")
