# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An attested server for tests, with a judge that a test controls."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import threading
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.appraisal import Attestation
from ansible_collections.attested.registry.plugins.module_utils._ratls.challenge import Challenge
from ansible_collections.attested.registry.plugins.module_utils._ratls.relying_party import (
    RelyingParty,
    read_relying_party,
)
from ansible_collections.attested.registry.plugins.module_utils._server.access.access import RestrictedAccess
from ansible_collections.attested.registry.plugins.module_utils._server.attestation.attesting import Attesting
from ansible_collections.attested.registry.plugins.module_utils._server.attestation.materials import ServerCertificate
from ansible_collections.attested.registry.plugins.module_utils._server.config.settings import Settings
from ansible_collections.attested.registry.plugins.module_utils._server.metrics.counters import ATTESTED, Board
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import AlertReceived
from ansible_collections.attested.registry.tests.support.attestation.attested_clients import (
    Answer,
    AttestedHttp,
    connect,
)

from .conftest import Answer as HttpAnswer
from .conftest import Certificate, RunningServer, read_answer

# how long to wait for what another thread does at once
PATIENCE = 30


class Judge:
    """A relying party that says yes to what the one below it does, when the test lets it."""

    warnings = ()

    def __init__(self, below: RelyingParty) -> None:
        self._below = below
        self.may_go_on = threading.Event()
        self.begun = threading.Semaphore(0)

    def judge(self, certificate: bytes, challenge: Challenge) -> Attestation:
        self.begun.release()
        assert self.may_go_on.wait(PATIENCE)
        return self._below.judge(certificate, challenge)

    def may_see(self, attestation: Attestation, repository: str) -> bool:
        return self._below.may_see(attestation, repository)

    def narrowed(self, attestation: Attestation) -> RelyingParty:
        return self._below.narrowed(attestation)


class AttestedServer:
    """The server in a thread of the test, for attested clients."""

    def __init__(
        self, root: pathlib.Path, certificate: Certificate, relying_party: RelyingParty | Judge, **options: t.Any
    ) -> None:
        settings = Settings(root="/", tls="ra-tls", cert=str(certificate.cert), key=str(certificate.key))
        found = ServerCertificate.read(settings)
        assert found is not None
        self._certificate = certificate
        self.counters = Board(1).take()
        self.attesting = Attesting(found, t.cast("RelyingParty", relying_party), self.counters, **options)
        access = RestrictedAccess(passwords=None, rules=None, attested=True)
        self.running = RunningServer(root, None, None, attesting=self.attesting, access=access)
        self.address = self.running.address

    def connect(self, answer: Answer, **options: t.Any) -> t.Any:
        """A TLS connection as far as the client can tell."""
        return connect(self.address, answer=answer, trust=self._certificate.cert, **options)

    def http(self, answer: Answer) -> AttestedHttp:
        return AttestedHttp(*self.address, answer=answer, trust=self._certificate.cert)

    def get(self, path: str, answer: Answer) -> HttpAnswer:
        """One request on a connection of its own."""
        with contextlib.closing(self.http(answer)) as connection:
            connection.request("GET", path)
            return read_answer(connection.getresponse())

    def alert(self, answer: Answer, **options: t.Any) -> str:
        """The alert that the server ends the connection of this client with."""
        with contextlib.closing(self.connect(answer, **options)) as connection:
            with pytest.raises(AlertReceived) as caught:
                connection.recv(1)
            return str(caught.value.fields["alert"])

    def counted(self) -> dict[str, int]:
        """The number of clients by result, without results that did not occur."""
        self.settle()
        found = {result: int(self.counters.get("attestations", result)) for result in ATTESTED}
        found["handshake_failures"] = int(self.counters.get("handshake_failures"))
        return {result: count for result, count in found.items() if count}

    def settle(self) -> None:
        """Wait until the thread of the server has done its pending work."""
        self.running.call(asyncio.sleep(0))

    def until(self, comes: t.Callable[[], bool]) -> None:
        """Wait until a condition holds that no event announces."""
        for dummy in range(PATIENCE * 100):
            if comes():
                return
            self._pause.wait(0.01)
        raise AssertionError("it did not come")

    def until_open(self, count: int) -> None:
        """Until so many connections have a place."""
        self.until(lambda: self.counters.get("open") == count)

    def close(self) -> None:
        self.running.close_listener()
        self.running.call(self._end_judges())
        self.running.close()

    async def _end_judges(self) -> None:
        self.attesting.close()

    _pause = threading.Event()


def relying_party(**values: t.Any) -> RelyingParty:
    """One that is read from plain data, with the files that it names."""
    return read_relying_party(values, read_file=lambda path: pathlib.Path(path).read_bytes())
