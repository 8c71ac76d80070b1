# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each source of evidence returns a token for the challenge, or fails with a reason and a remedy."""

from __future__ import annotations

import errno
import os
import pathlib
import signal
import sys
import time
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import (
    ConfigurationInvalid,
    EvidenceUnavailable,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence import child, source_rsi, source_tsm
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.source_command import CommandSource
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.source_file import FileSource
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.source_rsi import RsiSource
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.source_tsm import TsmSource
from ansible_collections.attested.registry.tests.support.attestation.ratls_stand_ins import (
    StandInRsiDevice,
    StandInTsmReports,
)

CHALLENGE = bytes(range(64))


def refused(source: t.Any, reason: str) -> EvidenceUnavailable:
    with pytest.raises(EvidenceUnavailable, match=reason) as caught:
        source.evidence(CHALLENGE)
    assert caught.value.fields == {"evidence": source.kind}
    assert CHALLENGE.hex() not in caught.value.message
    assert caught.value.message.isprintable()
    return caught.value


def test_a_file_gives_its_token_and_a_warning(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "token.bin"
    path.write_bytes(b"token")
    evidence = FileSource(str(path)).evidence(CHALLENGE)
    assert (evidence.token, evidence.kind) == (b"token", "file")
    assert "does not prove that the realm is running now" in evidence.warnings[0]


def test_unsuitable_files_are_refused(tmp_path: pathlib.Path) -> None:
    refused(FileSource(str(tmp_path / "absent")), "No such file or directory; name a file that holds a CCA token")
    refused(FileSource(str(tmp_path)), "not a regular file")
    assert "a\\x00b" in refused(FileSource("a\0b"), "the path is invalid").message
    os.mkfifo(tmp_path / "pipe")
    refused(FileSource(str(tmp_path / "pipe")), "not a regular file")
    (tmp_path / "large").write_bytes(bytes(16385))
    refused(FileSource(str(tmp_path / "large")), "more than 16384 bytes")


def python(code: str, *arguments: str, timeout: float = 60) -> CommandSource:
    return CommandSource((sys.executable, "-I", "-S", "-c", "import os, sys; " + code, *arguments), timeout)


def test_a_command_gets_the_challenge_in_both_ways() -> None:
    source = python("sys.stdout.write(sys.argv[1] + '|' + sys.stdin.read())", "--for={challenge}")
    evidence = source.evidence(CHALLENGE)
    assert evidence.token.decode() == f"--for={CHALLENGE.hex()}|{CHALLENGE.hex()}"
    assert (evidence.kind, evidence.warnings) == ("command", ())


def test_a_command_need_not_read_and_its_output_is_bytes() -> None:
    assert (
        python("os.close(0); os.write(1, bytes(range(256)) * 64)").evidence(CHALLENGE).token == bytes(range(256)) * 64
    )


def test_a_command_is_found_on_the_path_and_no_shell_is_used() -> None:
    assert CommandSource(("echo", "$HOME; {challenge}")).evidence(CHALLENGE).token == (
        f"$HOME; {CHALLENGE.hex()}\n".encode()
    )


def test_commands_that_fail() -> None:
    refused(CommandSource(("/nonexistent/program",)), "cannot be started .No such file or directory.")
    refused(python("sys.exit(3)"), "ended with status 3; run the program by hand")
    refused(python("os.kill(os.getpid(), 9)"), "ended with signal 9")
    refused(python("pass"), "wrote nothing")
    refused(python("os.write(1, b'x'); sys.exit(1)"), "ended with status 1")


def test_what_a_command_says_of_its_failure_is_not_shown() -> None:
    error = refused(python("sys.stderr.write('secret'); sys.exit(1)"), "status 1")
    assert "secret" not in error.message


def test_a_command_that_writes_without_end_is_killed_with_all_that_it_started(tmp_path: pathlib.Path) -> None:
    note = tmp_path / "pids"
    code = f"""
child = os.fork()
if child:
    with open({str(note)!r}, "w") as file:
        file.write(f"{{os.getpid()}} {{child}}")
while True:
    os.write(1, bytes(65536)) if child else os.read(0, 1) or __import__("time").sleep(600)
"""
    refused(python(code), "wrote more than 16384 bytes")
    pids = [int(text) for text in note.read_text().split()]
    assert len(pids) == 2
    assert all(map(gone, pids))


def test_a_command_that_never_ends_is_killed() -> None:
    refused(python("import time; time.sleep(600)", timeout=0.2), "did not end in time")


def gone(pid: int) -> bool:
    """Killed processes that nobody has waited for yet are gone too."""
    for dummy in range(500):
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.01)
    return False


def test_a_command_may_take_a_day() -> None:
    assert python("os.write(1, b'token')", timeout=86400).evidence(CHALLENGE).token == b"token"


def test_a_command_that_may_not_be_killed_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that runs sudo belongs to another user and cannot be killed."""
    started: list[int] = []

    def not_permitted(pid: int, dummy: int) -> None:
        started.append(pid)
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(child.os, "killpg", not_permitted)
        refused(python("import time; time.sleep(30)", timeout=0.2), "did not end in time")
    (pid,) = started
    os.killpg(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[0] == pid


def test_a_command_that_closes_its_output_and_stays_is_killed() -> None:
    refused(
        python("import time; os.write(1, b'token'); os.close(1); time.sleep(600)", timeout=1), "did not end in time"
    )


@pytest.mark.parametrize("argv", [(), ("",), ("a\0b",), ("true", "\0")])
def test_invalid_commands_are_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationInvalid, match="empty or contains a NUL"):
        CommandSource(argv)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 86401, pytest.param(10**400, id="huge")])
def test_a_command_needs_time(timeout: float) -> None:
    with pytest.raises(ConfigurationInvalid, match="above 0 seconds and at most a day"):
        CommandSource(("true",), timeout)


@pytest.fixture
def device(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "rsi"
    path.write_bytes(b"")
    return str(path)


@pytest.mark.parametrize(("size", "calls"), [(1, 1), (4096, 1), (4097, 2), (16384, 2)])
def test_the_stand_in_for_rsi_gives_tokens_of_every_size(device: str, size: int, calls: int) -> None:
    stand_in = StandInRsiDevice(lambda challenge: (challenge * 256)[:size])
    evidence = RsiSource(device, stand_in).evidence(CHALLENGE)
    assert (evidence.token, evidence.kind) == ((CHALLENGE * 256)[:size], "rsi")
    assert len(stand_in.sizes) == calls


def test_the_stand_in_for_rsi_grows_between_the_calls(device: str) -> None:
    sizes = iter([5000, 6000, 6000])
    stand_in = StandInRsiDevice(lambda challenge: bytes(next(sizes)))
    assert len(RsiSource(device, stand_in).evidence(CHALLENGE).token) == 6000
    assert stand_in.sizes == [4096, 5000, 6000]


def test_the_stand_in_for_rsi_misbehaves(device: str) -> None:
    refused(RsiSource(device, StandInRsiDevice(lambda dummy: bytes(16385))), "reports a token of 16385 bytes")
    refused(RsiSource(device, StandInRsiDevice(lambda dummy: b"")), "reports a token of 0 bytes")
    growing = iter(range(5000, 16000, 1000))
    refused(RsiSource(device, StandInRsiDevice(lambda dummy: bytes(next(growing)))), "a larger buffer each time")


def test_the_same_size_again_is_no_reason_to_go_round_in_circles(device: str) -> None:
    def never(dummy: int, request: int, argument: bytearray) -> object:
        raise OSError(errno.ERANGE, "Numerical result out of range")

    refused(RsiSource(device, never), "reports a token of 4096 bytes")


def test_the_real_ioctl_on_a_regular_file_is_refused(device: str, tmp_path: pathlib.Path) -> None:
    refused(RsiSource(device), "Inappropriate ioctl for device")
    refused(RsiSource(str(tmp_path / "absent")), "No such file or directory.; check that this host is a realm")


@pytest.mark.parametrize("make", [FileSource, RsiSource, TsmSource])
@pytest.mark.parametrize("path", ["a\0b", "\ud800"])
def test_invalid_paths_are_refused(make: t.Any, path: str) -> None:
    refused(make(path), "the path is invalid")


def test_the_number_of_the_ioctl() -> None:
    """_IOWR('x', 194, 80 bytes): 3 for both ways in the top two bits."""
    assert 3 << 30 | 80 << 16 | ord("x") << 8 | 194 == source_rsi.ATTESTATION_TOKEN


@pytest.fixture
def tsm(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> StandInTsmReports:
    stand_in = StandInTsmReports(tmp_path)
    mkdir, rmdir, write = os.mkdir, os.rmdir, source_tsm._write

    def make(path: str, mode: int) -> None:
        mkdir(path, mode)
        stand_in.made(path)

    def remove(path: str) -> None:
        stand_in.removed(path)
        rmdir(path)

    def write_and_say_so(path: str, name: str, data: bytes) -> None:
        write(path, name, data)
        stand_in.written(path)

    monkeypatch.setattr(source_tsm.os, "mkdir", make)
    monkeypatch.setattr(source_tsm.os, "rmdir", remove)
    monkeypatch.setattr(source_tsm, "_write", write_and_say_so)
    return stand_in


def test_the_stand_in_for_tsm_gives_a_token(tsm: StandInTsmReports) -> None:
    evidence = TsmSource(str(tsm.root)).evidence(CHALLENGE)
    assert (evidence.token, evidence.kind) == (b"token for " + CHALLENGE, "tsm")
    assert list(tsm.root.iterdir()) == []


def test_a_report_that_others_wrote_to_is_made_again(tsm: StandInTsmReports) -> None:
    tsm.generations = lambda attempt: (0, 2) if attempt < 2 else (0, 1)
    assert TsmSource(str(tsm.root)).evidence(CHALLENGE).token == b"token for " + CHALLENGE
    assert tsm.attempts == 3
    assert list(tsm.root.iterdir()) == []


def test_reports_that_others_always_write_to(tsm: StandInTsmReports) -> None:
    tsm.generations = lambda attempt: (7, 9)
    refused(TsmSource(str(tsm.root)), "another process writes")
    assert tsm.attempts == 4


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EWOULDBLOCK])
def test_a_report_that_is_busy_is_made_again(
    number: int, tsm: StandInTsmReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = source_tsm._write, [0]

    def busy_at_first(path: str, name: str, data: bytes) -> None:
        write(path, name, data)
        calls[0] += 1
        if calls[0] == 1:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(source_tsm, "_write", busy_at_first)
    assert TsmSource(str(tsm.root)).evidence(CHALLENGE).token == b"token for " + CHALLENGE
    assert tsm.attempts == 2


def test_a_report_that_cannot_be_made(tsm: StandInTsmReports, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, name: str, data: bytes) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(source_tsm, "_write", refuse)
    refused(TsmSource(str(tsm.root)), "Invalid argument")
    assert list(tsm.root.iterdir()) == []


def plain_report(monkeypatch: pytest.MonkeyPatch, **attributes: bytes) -> None:
    mkdir = os.mkdir

    def make(path: str, mode: int) -> None:
        mkdir(path, mode)
        for name, data in {"provider": b"arm_cca_guest", "generation": b"0", "inblob": b"", **attributes}.items():
            pathlib.Path(path, name).write_bytes(data)

    monkeypatch.setattr(source_tsm.os, "mkdir", make)
    monkeypatch.setattr(source_tsm.os, "rmdir", StandInTsmReports.removed)


def test_attributes_that_are_odd(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain_report(monkeypatch, generation=b"one")
    refused(TsmSource(str(tmp_path)), "the generation of the report is not a number")
    plain_report(monkeypatch, provider=b"x" * 65)
    refused(TsmSource(str(tmp_path)), "the attribute provider has more than 64 bytes")
    plain_report(monkeypatch, outblob=bytes(16385))
    refused(TsmSource(str(tmp_path)), "the attribute outblob has more than 16384 bytes")


def test_an_empty_report(tsm: StandInTsmReports) -> None:
    tsm.make_token = lambda challenge: b""
    refused(TsmSource(str(tsm.root)), "the report is empty")


def test_reports_of_another_sort_of_guest(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = os.mkdir

    def make(path: str, mode: int) -> None:
        mkdir(path, mode)
        pathlib.Path(path, "provider").write_bytes(b"sev_guest\n")

    monkeypatch.setattr(source_tsm.os, "mkdir", make)
    monkeypatch.setattr(source_tsm.os, "rmdir", StandInTsmReports.removed)
    refused(TsmSource(str(tmp_path)), "is not arm_cca_guest; run this inside an Arm CCA realm")


def test_no_reports_here(tmp_path: pathlib.Path) -> None:
    refused(TsmSource(str(tmp_path / "absent")), "No such file or directory.; check that this host is a realm")
