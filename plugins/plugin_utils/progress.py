# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The action plugin of modules that download images: it runs the module, and shows how far it is meanwhile.

The module runs exactly as with ansible.builtin.normal, in this process, which waits until the module ends. A forked
process reads the progress file of the module (module_utils/_module/progress.py) every INTERVAL seconds, over the same
connection plugin, and shows a line. It is a process and not a thread, because the signal that ends a task must not be
delivered to another thread than that which waits. Its failures are dropped: without progress, the task is the same. The
file is in the temporary directory that Ansible creates on the host for the task, and Ansible removes it with that
directory.

Used by the plugins in plugins/action.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
import typing as t

from ansible.errors import AnsibleError
from ansible.utils.display import Display

from ..module_utils._base.text import visible
from ..module_utils._module.progress import ENVIRONMENT, RECORD_BYTES, Record, parse_record
from ..module_utils._unpack.pipeline.fork import fork
from .module_action import ModuleAction

if t.TYPE_CHECKING:
    from .module_action import Results

# Seconds between two lines.
INTERVAL: t.Final = 10.0

# The connections that run each command in a process of its own, so that a second command can run beside the module.
_TRANSPORTS: t.Final = ("local", "ssh")

# How many seconds the end of the task waits for a reading. A reading that hangs is left to itself and shows nothing.
_PATIENCE: t.Final = 1.0

_display = Display()


class ProgressAction(ModuleAction):
    """Runs the module of the same name, and shows its progress if the option progress asks for it."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Results:
        """Run the module and return its result. Raises what ansible.builtin.normal raises."""
        with contextlib.ExitStack() as stack:
            if self._shows_progress():
                self._show_progress(stack, task_vars or {})
            return super().run(tmp, task_vars)

    def _shows_progress(self) -> bool:
        """Whether to show progress. The module validates the option."""
        progress = str(self._task.args.get("progress", "auto")).lower()
        if progress != "true" and not (progress == "auto" and _display.verbosity > 0):
            return False
        if self._task.check_mode or self._task.async_val or self._task.no_log:
            return False
        return self._connection.transport in _TRANSPORTS

    def _show_progress(self, stack: contextlib.ExitStack, task_vars: dict[str, t.Any]) -> None:
        """Name a progress file to the module, and begin to read it. Raises what _execute_module would raise as well."""
        if self._is_pipelining_enabled("new"):
            try:
                path = self._make_progress_file(directory_mode="0711")
            except AnsibleError:  # the module itself does not need the directory
                return
        else:
            path = self._make_progress_file()
        environment = self._task.environment
        before = environment if isinstance(environment, list) else [environment]
        self._task.environment = [*before, {ENVIRONMENT: path}]
        stack.callback(setattr, self._task, "environment", environment)
        label = f"[{self._host_label(task_vars)}] {self._task.action.rpartition('.')[2]}"
        stack.enter_context(ProgressReader(self._reader(path), _show, label=label))

    def _make_progress_file(self, directory_mode: str | None = None) -> str:
        """Return the path of the progress file, which the module creates in the temporary directory of the task.

        A module that runs as another unprivileged user can create no files there, so its file is created here, and the
        directory gets the mode if it has nothing but that file. Otherwise _execute_module gives that user access.
        """
        shell = self._connection._shell
        directory = shell.tmpdir or self._make_tmp_path()
        path: str = shell.join_path(directory, "progress")
        if self._is_become_unprivileged():  # type: ignore[no-untyped-call]
            file = shell.quote(path)
            command = f": > {file} && chmod 0622 {file}"
            if directory_mode is not None:
                command += f" && chmod {directory_mode} {shell.quote(directory)}"
            self._low_level_execute_command(command, sudoable=False)  # type: ignore[no-untyped-call]
        return path

    def _reader(self, path: str) -> t.Callable[[], bytes]:
        """Return a function that reads the progress file as the user of the connection, not with become.

        The function changes the connection, so it is only for another process.
        """
        connection = self._connection
        # one byte more than a record, so that a file that is too long is noticed
        command = f"head -c {RECORD_BYTES + 1} {connection._shell.quote(path)}"

        def read() -> bytes:
            connection.become = None
            status, stdout, dummy = connection.exec_command(command, in_data=None, sudoable=False)
            return b"" if status else stdout

        return read

    def _host_label(self, task_vars: dict[str, t.Any]) -> str:
        host, delegate = str(task_vars.get("inventory_hostname", "")), self._task.delegate_to
        return visible(host if not delegate else f"{host} -> {delegate}")


class ProgressReader:
    """A context manager that reads a progress file from time to time and shows a line for each record.

    read returns the content of the file, which the managed host can choose freely; show is called with a line. Both are
    called in another process, which ends with the block, and also if this process is killed.
    """

    def __init__(
        self, read: t.Callable[[], bytes], show: t.Callable[[str], None], *, label: str, interval: float = INTERVAL
    ) -> None:
        self._read, self._show, self._label, self._interval = read, show, label, interval
        self._pid: int | None = None
        self._alive = -1

    def __enter__(self) -> ProgressReader:
        if threading.active_count() == 1:  # with more threads, the child would inherit locks that are held
            ended, self._alive = os.pipe()
            with contextlib.suppress(OSError):
                self._pid = fork(lambda: self._run(ended))
            os.close(ended)
        return self

    def __exit__(self, *dummy: object) -> None:
        if self._alive >= 0:
            os.close(self._alive)
        patience = time.monotonic() + _PATIENCE
        with contextlib.suppress(ChildProcessError):  # if SIGCHLD is ignored
            while self._pid is not None and time.monotonic() < patience:
                if os.waitpid(self._pid, os.WNOHANG)[0]:
                    return
                time.sleep(0.002)

    def _run(self, ended: int) -> None:
        """Read and show until the other end of ended is closed or reading fails. Runs in the child."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.close(self._alive)
        at, arrived = time.monotonic(), 0
        with contextlib.suppress(Exception):  # a traceback would be shown in the middle of the play
            while not select.select([ended], [], [], self._interval)[0]:
                record, now = parse_record(self._read()), time.monotonic()
                if record is not None and not select.select([ended], [], [], 0)[0]:
                    self._show(f"{self._label}: {describe(record, max(0, record.arrived - arrived) / (now - at))}")
                # until the module has begun, no time counts for the rate
                at, arrived = now, 0 if record is None else record.arrived


def describe(record: Record, rate: float) -> str:
    """Return a record as text. rate is in bytes a second."""
    if record.stage in ("resolve", "publish") or not record.layers:
        return record.stage
    layer = min(record.complete + 1, record.layers)
    parts = [record.stage, f"layer {layer} of {record.layers}", f"{_size(record.arrived)} of {_size(record.size)}"]
    if record.stage == "download":
        parts.append(f"{_size(rate)}/s")
    return ", ".join(parts)


def _size(count: float) -> str:
    return f"{count / 1e6:.1f} MB"


def _show(line: str) -> None:
    """Show a line on the standard error, so that programs can parse the standard output, and not in the log file."""
    _display.display(line, stderr=True, screen_only=True)


__all__ = ("ProgressAction", "ProgressReader", "describe")
