# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemd makes of a service unit: a manager of the host's systemd loads it in test mode, which starts nothing."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

_MANAGERS: t.Final = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
# What each service depends on, so that nothing of the host is loaded.
_TARGETS: t.Final = ("sysinit.target", "basic.target", "shutdown.target")
_ESCAPES: t.Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "s": " "}


@dataclass(frozen=True)
class LoadedUnit:
    """The values that systemd read, by the names in its dump, and its messages about the file."""

    values: t.Mapping[str, tuple[str, ...]]
    messages: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """The arguments of ExecStart=, after what systemd does with $ when it starts the process."""
        (line,) = self.values["Command Line"]
        return [_expanded(word) for word in _words(line)]


def _expanded(word: str) -> str:
    assert not re.search(r"(?<!\$)(\$\$)*\$(?!\$)", word), f"systemd would replace a variable in {word!r}"
    return word.replace("$$", "$")


def _words(line: str) -> list[str]:
    """Undo the quoting of systemd's own dump: words with escapes of C, in double quotes where needed."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|((?:[^ "\\]|\\.)+)', line, re.DOTALL)
    return [re.sub(r"\\([0-7]{3}|x[0-9a-f]{2}|.)", _unescaped, quoted or plain) for quoted, plain in found]


def _unescaped(match: re.Match[str]) -> str:
    text = match.group(1)
    if len(text) == 3:
        return chr(int(text[1:], 16) if text[0] == "x" else int(text, 8))
    return _ESCAPES.get(text, text)


def load_unit(text: str) -> LoadedUnit:
    """Return what systemd reads in a service unit. Skips the test by name if there is no systemd to ask."""
    manager = next((path for path in _MANAGERS if os.access(path, os.X_OK)), None)
    if manager is None:
        pytest.skip("systemd is not installed")
    with tempfile.TemporaryDirectory(prefix="units-") as directory:
        units = Path(directory)
        units.chmod(0o755)
        for name in _TARGETS:
            (units / name).write_text("[Unit]\nDescription=test\n")
        (units / "tested.service").write_bytes(text.encode("utf-8"))
        return _load(manager, units)


def _load(manager: str, units: Path) -> LoadedUnit:
    """Return what the manager reads in tested.service of a directory, the only one that it knows."""
    # the manager refuses test mode as root
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*user, manager, "--test", "--system", "--no-pager", "--unit=tested.service"],
        env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": str(units), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    output = done.stdout.decode("utf-8", "surrogateescape")
    block = output.partition("\t-> Unit tested.service:\n")[2].partition("\n\t-> Unit ")[0]
    messages = (output + done.stderr.decode("utf-8", "replace")).splitlines()
    if not block:
        assert "tested.service" not in "".join(messages), messages
        pytest.skip(f"systemd cannot load units in test mode here: {messages[-1:]}")
    values: dict[str, tuple[str, ...]] = {}
    for name, value in re.findall(r"^\t+([A-Z][A-Za-z ]*): (.*(?:\n(?!\t).*)*)", block, re.MULTILINE):
        values[name] = (*values.get(name, ()), value)
    return LoadedUnit(values, tuple(line for line in messages if "tested.service:" in line and "-> Unit" not in line))


__all__ = ("LoadedUnit", "load_unit")
