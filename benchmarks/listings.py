# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure time and peak memory of long lists of tags and repositories; README.md in this directory describes it.

Run by tools/bench.sh. The registry is a fake in a process of its own, since no real one has so many names at once.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import multiprocessing
import sys
import typing as t
import urllib.parse
from dataclasses import dataclass

from .measuring import Best, call_module, result_of
from .publish import options_parser, publish
from .results import Row

if t.TYPE_CHECKING:
    from multiprocessing.connection import Connection


@dataclass(frozen=True)
class Listing:
    """A list to measure: the module that lists, its options, the number of names, and how many are on a page."""

    title: str
    module: str
    options: t.Mapping[str, str]
    count: int
    page: int


LISTINGS: t.Final = (
    Listing("oci_catalog, pages of 1,000", "oci_catalog", {}, 100_000, 1000),
    Listing("oci_tags, one page", "oci_tags", {"repository": "one-page"}, 1_000_000, 1_000_000),
    Listing("oci_tags, pages of 10,000", "oci_tags", {"repository": "pages"}, 1_000_000, 10_000),
)


class FakeRegistry(http.server.BaseHTTPRequestHandler):
    """Answers the lists of LISTINGS, each page with a Link to the next one."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with one page."""
        path, dummy, query = self.path.partition("?")
        repository = path.removeprefix("/v2/").removesuffix("/tags/list")
        listing = next(item for item in LISTINGS if item.options.get("repository", "_catalog") == repository)
        begin = int(urllib.parse.parse_qs(query).get("last", ["v-1"])[0][1:]) + 1
        end = min(begin + listing.page, listing.count)
        key = "repositories" if repository == "_catalog" else "tags"
        body = json.dumps({key: [f"v{number:07}" for number in range(begin, end)]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if end < listing.count:
            self.send_header("Link", f'<{path}?last=v{end - 1:07}>; rel="next"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *dummy: object) -> None:
        """Write no log."""


def _serve(sender: Connection) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), FakeRegistry) as server:
        sender.send(server.server_port)
        server.serve_forever()


@contextlib.contextmanager
def fake_registry() -> t.Iterator[str]:
    """Yield the address of the fake registry, in a process of its own."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_serve, args=(sender,), daemon=True)
    process.start()
    try:
        yield f"127.0.0.1:{receiver.recv()}"
    finally:
        process.terminate()
        process.join()


def measure(runs: int) -> list[Row]:
    """Measure each list: the best time, and the highest peak."""
    found = []
    with fake_registry() as registry:
        for listing in LISTINGS:
            best = Best()
            for dummy in range(runs):
                best.add(call_module(listing.module, {"registry": registry, **listing.options}))
            count = result_of(best.output)["count"]
            if count != listing.count:
                sys.exit(f"{listing.title}: {count} names were listed, not {listing.count}.")
            what = f"{listing.title} ({count:,} names)"
            found += [Row(f"{what}, wall", best.seconds, "s"), Row(f"{what}, peak memory", best.peak_mib, "MiB")]
    return found


def main() -> None:
    options = options_parser(__doc__).parse_args()
    publish("listings", options, lambda: measure(options.runs))


if __name__ == "__main__":
    main()
