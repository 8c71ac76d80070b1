# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for Veraison that the test hosts reach at an address of the machine, until standard input ends.

veraison.py ADDRESS DIRECTORY

Writes veraison.jwk and veraison-ca.pem into the directory, and then its URL on standard output. Tokens get a good
result while the file "bad" is not in the directory.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import typing as t
import urllib.parse
from pathlib import Path

from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.attestation.ratls_stand_in_veraison import (
    StandInVeraison,
    public_jwk,
    serving,
)


class Veraison(StandInVeraison):
    """One whose clock is right."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._bad = directory / "bad"

    def answer(self, *request: t.Any) -> t.Any:
        """Which request it is, and the answer."""
        self.now = time.time()
        status = "contraindicated" if self._bad.exists() else "affirming"
        self.claims = {"submods": {"CCA_SSD_PLATFORM": {"ear.status": status}}}
        return super().answer(*request)


async def relayed(address: str, port: int) -> None:
    """Listen at the address, hand every connection on to the port of the loopback interface, and say so."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    server = await asyncio.start_server(relay, address, 0)
    sys.stdout.write(f"https://{address}:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All that comes, until it ends."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


def main() -> None:
    address, directory = sys.argv[1], Path(sys.argv[2])
    veraison = Veraison(directory)
    authority = Authority(directory, "veraison-ca")
    (directory / "veraison.jwk").write_text(json.dumps(public_jwk(veraison.key)))
    with serving(veraison, server_context(authority.server(names=[address]))) as url:
        asyncio.run(relayed(address, urllib.parse.urlsplit(url).port or 0))


if __name__ == "__main__":
    main()
