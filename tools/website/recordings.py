# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""recordings.py DIRECTORY: run commands against the example registry, and record what a terminal shows, for the guides.

The files are asciicasts of version 2, the format of asciinema, for the player on the site. This script types the
commands. All else is what the commands print, when they print it. A command that fails ends the build.
"""

from __future__ import annotations

import codecs
import contextlib
import dataclasses
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import time
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.tests.support.servers.peers import OwnServer

_HERE: t.Final = Path(__file__).resolve().parent
_EXAMPLES: t.Final = _HERE.parents[1] / "examples" / "registry"
# What stands in the playbooks for the address of the registry.
_REGISTRY: t.Final = "localhost:1337"
# The narrowest terminal that Ansible writes for, so that the letters are as large as they can be on a phone.
_COLUMNS: t.Final = 80
_ROWS: t.Final = 24
_PROMPT: t.Final = "\x1b[1;32m$\x1b[0m "
_TYPING: t.Final = 0.04
_PAUSE: t.Final = 1.5

SESSIONS: t.Final = {
    "first-pull": (
        "cat greeter.yml",
        "ansible-playbook greeter.yml -e release=1.0",
        "greeter/usr/bin/greet world",
        "ansible-playbook greeter.yml -e release=1.0  # again: nothing changes",
    ),
    "rollback": (
        "ansible-playbook greeter.yml -e release=1.1 --check --diff",
        "ansible-playbook greeter.yml -e release=1.1",
        "greeter/usr/bin/greet world",
        "cat rollback.yml",
        "ansible-playbook rollback.yml",
        "greeter/usr/bin/greet world",
    ),
}


@dataclasses.dataclass
class Recording:
    """An asciicast in the making; its clock is that of the terminal, and stands still while this script works."""

    title: str
    events: list[tuple[float, str, str]] = dataclasses.field(default_factory=list)
    clock: float = 0.0

    def show(self, text: str, *, after: float = 0.0) -> None:
        """Let the terminal show text after some seconds."""
        self.clock += after
        self.events.append((round(self.clock, 3), "o", text))

    def type(self, command: str) -> None:
        """Show a prompt and a command as if somebody typed it."""
        self.show(_PROMPT)
        for letter in command:
            self.show(letter, after=_TYPING)
        self.show("\r\n", after=0.4)

    def text(self) -> str:
        """Return the file."""
        head = {"version": 2, "width": _COLUMNS, "height": _ROWS, "idle_time_limit": _PAUSE, "title": self.title}
        return "\n".join(json.dumps(item) for item in (head, *self.events)) + "\n"


def run(
    command: str, *, directory: Path, environment: t.Mapping[str, str], show: t.Callable[[str, float], None]
) -> int:
    """Run a command on a terminal and return its status; show gets its output and the seconds since the last piece."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=directory,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    decoder = codecs.getincrementaldecoder("utf-8")()
    last = time.monotonic()
    with (
        os.fdopen(ours, "rb", buffering=0) as terminal,
        contextlib.suppress(OSError),
    ):  # EIO: nobody has it open any more
        while piece := terminal.read(65536):
            now = time.monotonic()
            show(decoder.decode(piece), now - last)
            last = now
    return process.wait()


def record(name: str, *, directory: Path, environment: t.Mapping[str, str]) -> str:
    """Return the recording of a session."""
    recording = Recording(name)
    for command in SESSIONS[name]:
        recording.type(command)
        status = run(
            command,
            directory=directory,
            environment=environment,
            show=lambda text, seconds: recording.show(text, after=seconds),
        )
        if status != 0:
            shown = "".join(text for *dummy, text in recording.events)
            raise SystemExit(f"{command} ended with {status}:\n{shown}")
        recording.clock += _PAUSE
    recording.show(_PROMPT)
    return recording.text()


def _lay(work: Path, address: str) -> None:
    """Write the playbooks, without the comments on top, for the registry at address."""
    for path in (_HERE / "play").glob("*.yml"):
        play = path.read_text("utf-8").partition("\n\n")[2]
        (work / path.name).write_text(play.replace(_REGISTRY, address), "utf-8")


def main() -> None:
    """Record all sessions, in one working directory, in their order."""
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="recordings-") as name:
        work = Path(name)
        server = OwnServer(_EXAMPLES, work / "server")
        (work / "home").mkdir()
        environment = {**os.environ, "HOME": str(work / "home"), "TERM": "xterm-256color"}
        with server.running() as address:
            _lay(work, address)
            for session in SESSIONS:
                (target / f"{session}.cast").write_text(
                    record(session, directory=work, environment=environment), "utf-8"
                )


if __name__ == "__main__":
    main()
