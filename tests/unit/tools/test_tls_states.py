# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/architecture.md contains the graphs that tools/tls_states.py prints from the tables of the TLS engines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.attested.registry.tools import tls_states

MERMAID = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)


def test_the_documented_graphs_are_those_of_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    tls_states.main()
    printed = MERMAID.findall(capsys.readouterr().out)
    assert len(printed) == 2
    page = Path(__file__).parents[3] / "docs" / "architecture.md"
    assert MERMAID.findall(page.read_text("utf-8")) == printed
