# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process of a module ends without a last garbage collection, and with all output written."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

PROCESS = """
    import sys
    from ansible_collections.attested.registry.plugins.module_utils._module.process_end import skip_last_collection

    class Cycle:
        def __init__(self):
            self.itself = self

        def __del__(self):
            sys.stdout.write("collected")

    if sys.argv[1] == "skip":
        skip_last_collection()
        skip_last_collection()
    sys.stdout.write("results ")
    cycle = Cycle()
    sys.exit(3)
"""


def output(argument: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROCESS), argument],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (3, "")
    return run.stdout


def test_the_last_collection_is_skipped_and_the_output_is_written() -> None:
    assert output("skip") == "results "
    assert output("collect") == "results collected"
