# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the demonstration: the example registry on a free port, and the playbook against it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from .peers import OwnServer

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="demo-") as work:
        server = OwnServer(EXAMPLES / "registry", Path(work))
        with server.running() as address:
            print(f"the server of the collection serves {server.root} at {address}", flush=True)
            # Without an inventory localhost is there and runs the Python that runs this.
            playbook: list[str | Path] = [Path(sys.executable).with_name("ansible-playbook")]
            playbook += ["--extra-vars", f"demo_registry={address}", EXAMPLES / "playbooks" / "demo.yml"]
            return subprocess.run(playbook, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
