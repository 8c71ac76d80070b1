# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command while the collection's server serves a directory of layouts.

with_server.py ROOT WORK -- COMMAND...     {address} in the command is where it serves
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(path.parent) for path in Path(__file__).absolute().parents if path.name == "ansible_collections"]

from ansible_collections.attested.registry.tests.support.servers.peers import OwnServer  # noqa: E402


def main() -> int:
    root, work, dummy, *command = sys.argv[1:]
    with OwnServer(Path(root), Path(work)).running() as address:
        words = [word.replace("{address}", address) for word in command]
        return subprocess.run(words, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
