# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Log lines carry a priority (sd-daemon(3)) if, and only if, the journal of systemd receives them."""

from __future__ import annotations

import logging
import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.journal import (
    JournalFormatter,
    for_journal,
    is_journal,
)

from .config.test_cli import ENVIRONMENT, PACKAGE, command


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (logging.DEBUG, 7),
        (logging.INFO, 6),
        (logging.WARNING, 4),
        (logging.ERROR, 3),
        (logging.CRITICAL, 2),
        (logging.WARNING + 1, 4),
    ],
)
def test_each_line_begins_with_its_priority(level: int, number: int) -> None:
    assert for_journal("one\n<0>two", level) == f"<{number}>one\n<{number}><0>two"


def test_a_traceback_has_a_priority_in_each_line() -> None:
    with pytest.raises(RuntimeError) as raised:
        raise RuntimeError("a\n<0>b")
    info = (raised.type, raised.value, raised.tb)
    record = logging.LogRecord("x", logging.ERROR, "", 1, "it %s", ("failed",), info)
    lines = JournalFormatter("%(message)s").format(record).split("\n")
    assert lines[0] == "<3>it failed"
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)


def test_only_the_very_file_of_the_variable_is_the_journal(tmp_path: pathlib.Path) -> None:
    with open(tmp_path / "a", "w") as file:
        about = os.fstat(file.fileno())
        right = f"{about.st_dev}:{about.st_ino}"
        assert is_journal(file.fileno(), {"JOURNAL_STREAM": right})
        for other in ("", "1:2", f"{right}0", f"{about.st_dev}:", "x"):
            assert not is_journal(file.fileno(), {"JOURNAL_STREAM": other})
        assert not is_journal(file.fileno(), {})
    assert not is_journal(10_000, {"JOURNAL_STREAM": right})


@pytest.mark.parametrize("journal", [True, False])
def test_a_server_that_cannot_start_says_so_as_an_error(tmp_path: pathlib.Path, journal: bool) -> None:
    with open(tmp_path / "log", "w") as log:
        about = os.fstat(log.fileno())
        stream = f"{about.st_dev}:{about.st_ino if journal else 1}"
        code = subprocess.run(
            command("--root", tmp_path / "none"), env={**ENVIRONMENT, "JOURNAL_STREAM": stream}, stderr=log, check=False
        ).returncode
    assert code == 3
    assert (tmp_path / "log").read_text().startswith("<3>Reading" if journal else "Reading")


@pytest.mark.parametrize("journal", [True, False])
def test_lines_for_the_journal_have_a_priority_and_no_time(tmp_path: pathlib.Path, journal: bool) -> None:
    script = (
        f"import logging\nfrom {PACKAGE}.connections.access_log import set_up_logging\nset_up_logging('info', 'text')\n"
        "logging.getLogger('attested.registry').warning('odd')\nlogging.getLogger('asyncio').error('worse')\n"
    )
    with open(tmp_path / "log", "w") as log:
        about = os.fstat(log.fileno())
        stream = f"{about.st_dev}:{about.st_ino if journal else 1}"
        subprocess.run(
            [sys.executable, "-c", script], env={**ENVIRONMENT, "JOURNAL_STREAM": stream}, stderr=log, check=True
        )
    lines = (tmp_path / "log").read_text().splitlines()
    if journal:
        assert lines == ["<4>odd", "<3>worse"]
    else:
        assert [line.split(" ", 2)[2] for line in lines] == ["WARNING odd", "ERROR worse"]
