# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for the registry client: faulty registries, clients with a clock that does not wait, host names."""

from __future__ import annotations

import dataclasses
import socket
import typing as t
from contextlib import ExitStack

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.client import Registry
from ansible_collections.attested.registry.plugins.module_utils._registry.endpoint import Endpoint
from ansible_collections.attested.registry.plugins.module_utils._registry.options import (
    ClientOptions,
    Effects,
    TlsOptions,
)
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

PLAIN = TlsOptions("no-tls")
SHARED = {field.name for field in dataclasses.fields(ClientOptions)}


class World:
    """Effects without waiting: sleeping moves the clock, and so does reading it by ``step``."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.step = 0.0
        self.pauses: list[float] = []

    def effects(self, jitter: float = 1.0) -> Effects:
        return Effects(clock=self.clock, now=lambda: 1445412480.0, sleep=self.sleep, jitter=lambda: jitter)

    def clock(self) -> float:
        self.time += self.step
        return self.time

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def serve() -> t.Iterator[t.Callable[..., FaultyRegistry]]:
    """Starts faulty registries, which end with the test."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(FaultyRegistry(**options))


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def connect(world: World, warnings: list[str]) -> t.Iterator[t.Callable[..., Registry]]:
    """Makes clients of a server (or a name), without TLS unless told otherwise."""
    with ExitStack() as stack:

        def make(server: FaultyRegistry | str, **options: t.Any) -> Registry:
            name = server if isinstance(server, str) else server.name
            shared: dict[str, t.Any] = {"tls": PLAIN, "effects": world.effects(), "warn": warnings.append}
            shared |= {field: options.pop(field) for field in SHARED & options.keys()}
            endpoint = Endpoint.parse(name, mode=shared["tls"].mode)
            return stack.enter_context(Registry(endpoint, ClientOptions(**shared), **options))

        yield make


@pytest.fixture
def image() -> images.Image:
    return images.image(
        [images.layer([images.file("etc/motd", b"hello\n")]), images.layer([images.file("bin/sh", b"#!")])],
        annotations={"org.example": "yes"},
    )


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A dictionary of host names and the addresses that they lead to, for this process."""
    table: dict[str, str] = {}
    real = socket.getaddrinfo

    def lookup(host: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        return real(table.get(host, host), *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return table
