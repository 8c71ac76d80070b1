# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin shows progress only where it was asked for, and never changes or delays the task."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import types
import typing as t

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.attested.registry.plugins.action import (
    oci_archive,
    oci_image_export,
    oci_image_unpack,
    oci_layout,
)
from ansible_collections.attested.registry.plugins.module_utils._module.progress import ENVIRONMENT, Record
from ansible_collections.attested.registry.plugins.plugin_utils import progress
from ansible_collections.attested.registry.plugins.plugin_utils.progress import ProgressReader, describe
from ansible_collections.attested.registry.tests.support.waiting import comes

RECORD = Record("download", 1, 3, 120_500_000, 412_000_000)


class FakeShell:
    """A shell plugin of Ansible, as far as it is used."""

    tmpdir: str | None = "/remote/ansible-tmp-1/"

    def join_path(self, *parts: str) -> str:
        return os.path.join(*parts)

    def quote(self, text: str) -> str:
        return f"'{text}'"


class FakeConnection:
    """A connection plugin of Ansible that records the commands of the reader, and answers with a record."""

    def __init__(self, log: pathlib.Path) -> None:
        self.transport, self.become, self._shell, self._log = "ssh", "sudo", FakeShell(), log

    def exec_command(self, command: str, in_data: None, sudoable: bool) -> tuple[int, bytes, bytes]:
        with self._log.open("a") as log:
            log.write(f"{command} become={self.become} sudoable={sudoable}\n")
        return 0, RECORD.to_bytes(), b""


class FakeAction(oci_image_unpack.ActionModule):
    """The action plugin, with the calls of Ansible's base class that need a host recorded instead."""

    pipelining = unprivileged = False

    def _execute_module(self, **options: t.Any) -> dict[str, t.Any]:
        return {"unchanged": False}  # the probe, which comes before the module

    def _is_pipelining_enabled(self, module_style: str, wrap_async: bool = False) -> bool:
        return self.pipelining

    def _is_become_unprivileged(self) -> bool:
        return self.unprivileged

    def _make_tmp_path(self, remote_user: str | None = None) -> str:
        raise AnsibleError("no space for a temporary directory")

    def _low_level_execute_command(self, cmd: str, **options: t.Any) -> dict[str, t.Any]:
        self.commands = [cmd]
        assert options == {"sudoable": False}
        return {}


@pytest.fixture(autouse=True)
def _without_threads_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)


@pytest.fixture
def shown(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The file with all lines that were shown."""
    path = tmp_path / "shown"
    path.touch()
    monkeypatch.setattr(progress, "_show", lambda line: append(path, line))
    return path


def append(path: pathlib.Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


@pytest.fixture
def action(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> FakeAction:
    task = types.SimpleNamespace(
        args={"progress": "true"},
        action="attested.registry.oci_image_unpack",
        async_val=0,
        check_mode=False,
        no_log=False,
        delegate_to=None,
        environment=[{"GIVEN": "1"}],
    )
    monkeypatch.setattr(progress._display, "verbosity", 0)
    monkeypatch.setattr(progress.ProgressReader.__init__, "__kwdefaults__", {"interval": 0.02})
    rest = dict.fromkeys(("play_context", "loader", "templar", "shared_loader_obj"))
    return FakeAction(task=task, connection=FakeConnection(tmp_path / "commands"), **rest)


def run(action: FakeAction, monkeypatch: pytest.MonkeyPatch, during: t.Callable[[], t.Any]) -> dict[str, t.Any]:
    def normal_run(self: FakeAction, tmp: None, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return {"environment": self._task.environment, "during": during()}

    monkeypatch.setattr(NormalAction, "run", normal_run)
    return action.run(task_vars={"inventory_hostname": "web1"})


def lines(shown: pathlib.Path, count: int) -> list[str]:
    """Wait for so many lines."""
    patience = time.monotonic() + 20
    while len(found := shown.read_text().splitlines()) < count and time.monotonic() < patience:
        time.sleep(0.01)
    return found


def test_lines_are_shown_while_the_module_runs(
    action: FakeAction, shown: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(action, monkeypatch, lambda: lines(shown, 2))
    assert result["during"][1] == "[web1] oci_image_unpack: download, layer 2 of 3, 120.5 MB of 412.0 MB, 0.0 MB/s"
    assert result["environment"] == [{"GIVEN": "1"}, {ENVIRONMENT: "/remote/ansible-tmp-1/progress"}]
    command = (tmp_path / "commands").read_text().splitlines()[0]
    assert command == "head -c 81 '/remote/ansible-tmp-1/progress' become=None sudoable=False"
    # for the next item of a loop, everything is as before
    assert action._task.environment == [{"GIVEN": "1"}]
    assert action._connection.become == "sudo"


def test_the_line_names_the_host_that_a_task_is_delegated_to(
    action: FakeAction, shown: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    action._task.delegate_to = "web2\x1b[2J"
    assert run(action, monkeypatch, lambda: lines(shown, 1))["during"][0].startswith("[web1 -> web2\\x1b[2J] ")


@pytest.mark.parametrize(
    ("option", "verbosity", "expected"),
    [
        ("true", 0, True),
        (True, 0, True),
        ("auto", 0, False),
        ("auto", 1, True),
        (None, 1, True),
        (None, 0, False),
        ("false", 3, False),
        (False, 3, False),
        ("sometimes", 3, False),
        (["true"], 3, False),
    ],
)
def test_who_gets_progress(
    action: FakeAction, monkeypatch: pytest.MonkeyPatch, option: t.Any, verbosity: int, expected: bool
) -> None:
    action._task.args = {} if option is None else {"progress": option}
    monkeypatch.setattr(progress._display, "verbosity", verbosity)
    assert (ENVIRONMENT in str(run(action, monkeypatch, lambda: None)["environment"])) is expected


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("_task", "check_mode", True),
        ("_task", "async_val", 60),
        ("_task", "no_log", True),
        ("_connection", "transport", "community.docker.docker"),
    ],
)
def test_where_there_is_no_progress(
    action: FakeAction, monkeypatch: pytest.MonkeyPatch, where: str, name: str, value: t.Any
) -> None:
    setattr(getattr(action, where), name, value)
    with monkeypatch.context() as context:
        context.setattr(os, "fork", lambda: pytest.fail("a process was started"))
        assert run(action, monkeypatch, lambda: None)["environment"] == [{"GIVEN": "1"}]


def test_a_directory_that_only_progress_needs_may_be_missing(
    action: FakeAction, monkeypatch: pytest.MonkeyPatch
) -> None:
    action.pipelining, action._connection._shell.tmpdir = True, None
    assert run(action, monkeypatch, lambda: "ran") == {"environment": [{"GIVEN": "1"}], "during": "ran"}


def test_a_directory_that_the_module_needs_may_not(action: FakeAction, monkeypatch: pytest.MonkeyPatch) -> None:
    action._connection._shell.tmpdir = None
    with pytest.raises(AnsibleError, match="no space"):
        run(action, monkeypatch, lambda: None)


@pytest.mark.parametrize("pipelining", [True, False])
def test_another_unprivileged_user_gets_a_file_to_write_to(
    action: FakeAction, monkeypatch: pytest.MonkeyPatch, pipelining: bool
) -> None:
    action.unprivileged, action.pipelining = True, pipelining
    run(action, monkeypatch, lambda: None)
    file = "'/remote/ansible-tmp-1/progress'"
    directory = " && chmod 0711 '/remote/ansible-tmp-1/'" if pipelining else ""
    assert action.commands == [f": > {file} && chmod 0622 {file}{directory}"]


def test_an_error_of_the_module_is_raised_and_ends_the_progress(
    action: FakeAction, shown: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        lines(shown, 1)
        raise AnsibleError("unreachable")

    with pytest.raises(AnsibleError, match="unreachable"):
        run(action, monkeypatch, fail)
    assert action._task.environment == [{"GIVEN": "1"}]
    count = len(shown.read_text())
    time.sleep(0.2)
    assert len(shown.read_text()) == count


def read_with(read: t.Callable[[], bytes], shown: pathlib.Path) -> ProgressReader:
    return ProgressReader(read, lambda line: append(shown, line), label="[web1] m", interval=0.01)


def test_the_rate_is_that_since_the_last_line(shown: pathlib.Path) -> None:
    arrived = iter((0, 5_000_000, 5_000_000))
    with read_with(lambda: Record("download", 0, 1, next(arrived), 9_000_000).to_bytes(), shown):
        found = lines(shown, 3)
    assert [line.endswith(" 0.0 MB/s") for line in found[:3]] == [True, False, True]


@pytest.mark.parametrize("content", [b"", b"\x1b]0;title\x07", b"A" * 10_000, RECORD.to_bytes() + b"\n"])
def test_nothing_of_another_content_is_shown(shown: pathlib.Path, tmp_path: pathlib.Path, content: bytes) -> None:
    def read() -> bytes:
        append(tmp_path / "readings", "read")
        return content

    (tmp_path / "readings").touch()
    with read_with(read, shown):
        assert len(lines(tmp_path / "readings", 3)) >= 3
    assert shown.read_text() == ""


def test_a_reading_that_fails_shows_nothing(shown: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    def read() -> bytes:
        raise AnsibleError("the connection is gone")

    with read_with(read, shown):
        time.sleep(0.1)
    assert (shown.read_text(), *capfd.readouterr()) == ("", "", "")


def test_a_reading_that_hangs_delays_the_task_by_a_second_and_shows_nothing(
    shown: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go = tmp_path / "asked", tmp_path / "go"
    slept: list[float] = []
    sleep = time.sleep

    def read() -> bytes:
        asked.touch()
        comes(go.exists)
        return RECORD.to_bytes()

    def count_and_sleep(seconds: float) -> None:
        slept.append(seconds)
        sleep(seconds)

    with read_with(read, shown) as reader:
        assert comes(asked.exists)
        monkeypatch.setattr(time, "sleep", count_and_sleep)
        begin = time.monotonic()
    assert time.monotonic() - begin < 20
    # a stall of the machine adds nothing to this
    assert sum(slept) < 1.9
    go.touch()
    child = reader._pid
    assert child is not None
    assert comes(lambda: not is_running(child))
    assert shown.read_text() == ""


def test_a_process_with_threads_is_not_forked(shown: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    with read_with(RECORD.to_bytes, shown):
        time.sleep(0.1)
    assert shown.read_text() == ""


def test_the_reader_ends_when_the_task_is_killed(tmp_path: pathlib.Path) -> None:
    script = (
        "import os, pathlib, time\n"
        f"from {progress.__name__} import ProgressReader\n"
        "with ProgressReader(lambda: b'', print, label='', interval=0.05) as reader:\n"
        f"    pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(reader._pid))\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as task:
        assert task.stdout is not None
        assert task.stdout.readline() == b"ready\n"
        task.send_signal(signal.SIGKILL)
    child = int((tmp_path / "pid").read_text())
    assert comes(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        status = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (Record("resolve"), "resolve"),
        (Record("download"), "download"),
        (RECORD, "download, layer 2 of 3, 120.5 MB of 412.0 MB, 11.2 MB/s"),
        (Record("unpack", 3, 3, 5000, 5000), "unpack, layer 3 of 3, 0.0 MB of 0.0 MB"),
        (Record("publish", 3, 3, 5000, 5000), "publish"),
    ],
)
def test_the_text_of_a_line(record: Record, expected: str) -> None:
    assert describe(record, 11_200_000) == expected


@pytest.mark.parametrize("plugin", [oci_archive, oci_image_export, oci_image_unpack, oci_layout])
def test_the_plugins_run_like_the_normal_one(plugin: t.Any) -> None:
    assert plugin.ActionModule._supports_async
    assert plugin.ActionModule._supports_check_mode
