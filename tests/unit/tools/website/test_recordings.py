# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A recording has the typed commands and what they print, as a terminal of 80 columns shows it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.attested.registry.tools.website import recordings


def recorded(
    monkeypatch: pytest.MonkeyPatch, directory: Path, *commands: str
) -> tuple[dict[str, object], list[list[object]]]:
    monkeypatch.setattr(recordings, "SESSIONS", {"test": commands})
    text = recordings.record("test", directory=directory, environment=os.environ)
    head, *events = map(json.loads, text.splitlines())
    return head, events


def test_commands_and_output_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    head, events = recorded(monkeypatch, tmp_path, "echo 'one ä'; stty size", "pwd; test -t 1")
    assert (head["version"], head["width"], head["height"]) == (2, 80, 24)
    shown = "".join(str(text) for dummy, dummy, text in events)
    prompt = "\x1b[1;32m$\x1b[0m "
    assert shown == (
        f"{prompt}echo 'one ä'; stty size\r\none ä\r\n24 80\r\n"
        f"{prompt}pwd; test -t 1\r\n{tmp_path.resolve()}\r\n{prompt}"
    )
    times = [event[0] for event in events]
    assert times == sorted(times)  # type: ignore[type-var]
    assert {event[1] for event in events} == {"o"}


def test_a_command_that_fails_ends_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"(?s)^false ended with 1:.*said before"):
        recorded(monkeypatch, tmp_path, "echo said before", "false")


def test_the_playbooks_of_the_sessions_exist() -> None:
    there = {path.name for path in (Path(recordings.__file__).parent / "play").iterdir()}
    named = {
        word
        for commands in recordings.SESSIONS.values()
        for line in commands
        for word in line.split()
        if word.endswith(".yml")
    }
    assert named == there
