# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Serve one manifest with a bare web.Server of aiohttp: what our server would cost if it checked nothing.

Every request gets the manifest that the layout has first, from memory, with the headers of our server. server_peers.py
runs this as a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path

from aiohttp import web
from ansible_collections.attested.registry.plugins.module_utils._layout.stored import FileIdentity
from ansible_collections.attested.registry.plugins.module_utils._server.api.answers import PUBLIC, content_headers
from ansible_collections.attested.registry.plugins.module_utils._server.api.target import parse_target
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import ServedFile

_TARGET = "/v2/bench/manifests/latest"


async def _serve(layout: Path, port: int) -> None:
    found = json.loads((layout / "index.json").read_text())["manifests"][0]
    digest: str = found["digest"]
    file = layout / "blobs" / digest.replace(":", "/", 1)
    body, identity = file.read_bytes(), FileIdentity.of(file.stat())
    content = ServedFile(digest, str(layout), found["mediaType"], identity)
    headers = dict(content_headers(content, parse_target(_TARGET), PUBLIC))

    async def answer(dummy: web.BaseRequest) -> web.StreamResponse:
        return web.Response(headers=headers, body=body)

    listening = socket.create_server(("127.0.0.1", port))
    server = await asyncio.get_running_loop().create_server(web.Server(answer, access_log=None), sock=listening)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
