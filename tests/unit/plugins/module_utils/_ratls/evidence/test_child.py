# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program that gives evidence is bounded in time and output, and killed with all processes that it started."""

from __future__ import annotations

import os
import signal
import sys
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.child import (
    ChildFailed,
    run_bounded,
    run_child,
)

LARGE = bytes(range(256)) * 8192


def run(code: str, *, given: bytes = b"", limit: int = 4 * len(LARGE), timeout: float = 60) -> bytes:
    argv = [sys.executable, "-I", "-S", "-c", "import os, sys; " + code]
    return run_bounded(argv, given=given, limit=limit, timeout=timeout)


def test_more_than_a_pipe_holds_goes_both_ways_at_once() -> None:
    code = """
while True:
    piece = os.read(0, 65536)
    if not piece:
        break
    sys.stdout.buffer.write(piece)
"""
    assert run(code, given=LARGE) == LARGE


def test_a_program_that_does_not_read_to_the_end_is_no_error() -> None:
    assert run("os.read(0, 1); os.close(0); os.write(1, b'done')", given=LARGE) == b"done"


def test_exactly_the_limit_is_within_it() -> None:
    assert run("os.write(1, b'abcd')", limit=4) == b"abcd"
    with pytest.raises(ChildFailed, match="it wrote more than 3 bytes"):
        run("os.write(1, b'abcd')", limit=3)


@pytest.fixture
def nobody_asks_for_children() -> t.Iterator[None]:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("nobody_asks_for_children")
def test_a_status_that_is_lost_is_a_failure(tmp_path: t.Any) -> None:
    """subprocess says 0 then, so nothing is started at all."""
    with pytest.raises(ChildFailed, match="its exit status is unknown, because this process ignores SIGCHLD"):
        run(f"open({str(tmp_path / 'ran')!r}, 'w'); sys.exit(3)")
    assert not (tmp_path / "ran").exists()


def test_an_exit_status_that_was_collected_elsewhere_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*dummy: object) -> t.Any:
        raise ChildProcessError

    monkeypatch.setattr(os, "waitpid", taken)
    with pytest.raises(ChildFailed, match="because another part of this process collected it"):
        run("os.write(1, b'token')")


def test_the_output_of_a_program_that_fails() -> None:
    argv = [sys.executable, "-I", "-S", "-c", "import os; os.write(1, os.read(0, 9)); os._exit(3)"]
    assert run_child(argv, given=b"given", limit=9, timeout=60) == (3, b"given")


@pytest.mark.parametrize(("argv", "why"), [(["/absent/program"], "No such file"), (["a\0b"], "is invalid")])
def test_what_cannot_be_started(argv: list[str], why: str) -> None:
    with pytest.raises(ChildFailed, match=f"it cannot be started .*{why}"):
        run_child(argv, given=b"", limit=1, timeout=60)


def test_a_program_that_does_not_end_is_ended_with_all_that_it_started() -> None:
    code = "import os; pid = os.fork(); os.write(1, b'x' * 9); os.read(0, 1) if pid else None\nwhile True: pass"
    argv = [sys.executable, "-I", "-S", "-c", code]
    with pytest.raises(ChildFailed, match="it did not end in time|more than 4 bytes"):
        run_child(argv, given=b"", limit=4, timeout=60)


def test_standard_error_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("os.write(2, b'secret'); os.write(1, b'token')") == b"token"
    assert capfd.readouterr() == ("", "")


def test_it_inherits_no_files(tmp_path: t.Any) -> None:
    with open(tmp_path / "file", "wb") as file:
        code = f"os.write(1, str(os.path.exists('/proc/self/fd/{file.fileno()}')).encode())"
        assert run(code) == b"False"
