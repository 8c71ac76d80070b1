# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The access log in JSON is one strict document per request."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._server.connections.access_log import log_request
from ansible_collections.attested.registry.plugins.module_utils._server.identity import Peer
from ansible_collections.attested.registry.tests.support.images import images

IMAGE = images.image([images.layer([images.file("a", b"1")])])


@dataclasses.dataclass
class _Request:
    raw_path: str
    headers: dict[str, str]
    method: str = "GET"


@dataclasses.dataclass
class _Response:
    status: int
    headers: dict[str, str]


def test_a_json_line_is_one_strict_document() -> None:
    stream, logger = io.StringIO(), logging.getLogger("attested.registry.access")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        request = _Request(f"/v2/a/b/manifests/{IMAGE.digest}", {"User-Agent": 'x"\n\udcff'})
        response = _Response(200, {"Docker-Content-Digest": IMAGE.digest})
        log_request(
            t.cast("t.Any", request),
            t.cast("t.Any", response),
            0.25,
            form="json",
            peer=Peer("192.0.2.1"),
            user="j\u00f6\n",
            size=7,
        )
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    del found["time"]
    assert found == {
        "peer": "192.0.2.1",
        "user": "j\u00f6\n",
        "method": "GET",
        "target": f"/v2/a/b/manifests/{IMAGE.digest}",
        "repository": "a/b",
        "reference": IMAGE.digest,
        "digest": IMAGE.digest,
        "status": 200,
        "bytes": 7,
        "seconds": 0.25,
        "agent": 'x"\n?',
    }
