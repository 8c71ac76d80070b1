# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kill a command that fills a layout or a cache in the middle of a layer, run it again, and print what it downloaded.

python -m ansible_collections.attested.registry.tests.support.processes.kill_midway DIRECTORY -- COMMAND...

{address} in the command is that of a registry with the image app:2.0.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply
from ansible_collections.attested.registry.tests.support.registries.lying_registries import LAYER, WRONG

_SECONDS = 60.0


def kill_when_begun(command: list[str], partial: Path) -> int:
    """Kills the command and all that it started once the file has content; returns how much."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    limit = time.monotonic() + _SECONDS
    try:
        while not (partial.exists() and partial.stat().st_size):
            if process.poll() is not None or time.monotonic() > limit:
                sys.exit(f"error: the command did not begin to download; it ended with {process.returncode}.")
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return partial.stat().st_size


def main() -> int:
    layout, dummy, *command = sys.argv[1:]
    partial = Path(layout) / ".oci_layout" / LAYER.digest.replace(":", "-")
    with FaultyRegistry() as registry:
        registry.publish("app", {"2.0": WRONG})
        registry.on(LAYER.digest, Reply(cut=100_000, stall=True), times=1)
        words = [word.replace("{address}", registry.name) for word in command]
        kept = kill_when_begun(words, partial)
        again = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if again.returncode != 0:
            sys.exit(f"error: the second run failed:\n{again.stdout}{again.stderr}")
        sent = registry.sent(LAYER.digest)[-1].header("Range")
    index = Path(layout) / "index.json"  # which a cache does not have
    entries = json.loads(index.read_text())["manifests"] if index.exists() else []
    tags = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries]
    sys.stdout.write(json.dumps({"kept": kept, "range": sent, "tags": tags}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
