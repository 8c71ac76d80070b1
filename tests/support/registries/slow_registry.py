# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A slow registry on 127.0.0.1: each answer to a request for a blob takes seconds. A fake, not a real registry.

python -m ansible_collections.attested.registry.tests.support.registries.slow_registry SECONDS -- COMMAND...

{address} in the command is that of a registry with the image app:1.0 of five blobs, a config and four layers. Prints
JSON: how many requests for blobs waited at once at most, how many there were, and how long the command took.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
import typing as t

from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.tests.support.registries.registry_replies import Reply, Request

_LAYERS: t.Final = 4
_LAYER_BYTES: t.Final = 300_000


class SlowRegistry(FaultyRegistry):
    """A FaultyRegistry whose blobs take seconds; most is how many requests for blobs waited at once at most."""

    def __init__(self, seconds: float, **options: t.Any) -> None:
        super().__init__(**options)
        self.most = 0
        self._seconds = seconds
        self._waiting = 0
        self._counting = threading.Lock()

    def __enter__(self) -> SlowRegistry:
        super().__enter__()
        return self

    def answer(self, request: Request) -> Reply:
        """Return the reply of the FaultyRegistry, for a blob after a pause."""
        if "/blobs/" not in request.path:
            return super().answer(request)
        with self._counting:
            self._waiting += 1
            self.most = max(self.most, self._waiting)
        self.stopping.wait(self._seconds)
        with self._counting:
            self._waiting -= 1
        return super().answer(request)


def five_blobs() -> images.Image:
    """Return an image with a config and four layers."""
    noise = random.Random(5)
    return images.image(
        [
            images.layer([images.file(f"layer{number}", noise.randbytes(_LAYER_BYTES))], compression="none")
            for number in range(_LAYERS)
        ]
    )


def main() -> int:
    """Run the command against the registry and print what the registry saw."""
    seconds, dummy, *command = sys.argv[1:]
    with SlowRegistry(float(seconds)) as registry:
        registry.publish("app", {"1.0": five_blobs()})
        words = [word.replace("{address}", registry.name) for word in command]
        begin = time.monotonic()
        run = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        took = time.monotonic() - begin
        if run.returncode != 0:
            sys.exit(f"error: the command failed:\n{run.stdout}{run.stderr}")
        blobs = len(registry.sent("/blobs/", method="GET"))
    sys.stdout.write(json.dumps({"most": registry.most, "blobs": blobs, "seconds": round(took, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
