# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin of oci_image_unpack runs the module unless the probe has an answer, and passes on nothing else."""

from __future__ import annotations

import shlex
import types
import typing as t

import pytest
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.attested.registry.plugins.action import oci_image_unpack
from ansible_collections.attested.registry.plugins.plugin_utils.probe import PROBE, answer_in

ANSWER = {"changed": False, "unchanged": True, "dest": "/srv/app", "invocation": {"module_args": {}}}


class FakeAction(oci_image_unpack.ActionModule):
    """The action plugin, with the calls of Ansible's base class that need a host recorded instead."""

    answer: t.ClassVar[dict[str, t.Any]] = ANSWER
    status: t.ClassVar[int] = 0
    command: str | None = None

    def _execute_module(self, **options: t.Any) -> dict[str, t.Any]:
        self.executed = options
        return dict(self.answer)

    def _low_level_execute_command(self, cmd: str, **options: t.Any) -> dict[str, t.Any]:
        self.command = cmd
        return {"rc": self.status, "stdout": "", "stderr": ""}

    def _remove_tmp_path(self, tmp_path: str | None, force: bool = False) -> None:
        self.removed = tmp_path


def make(monkeypatch: pytest.MonkeyPatch, args: dict[str, t.Any], **task: t.Any) -> FakeAction:
    monkeypatch.setattr(NormalAction, "run", lambda self, tmp, task_vars: {"ran": "the module"})
    about = {"args": args, "async_val": 0, "check_mode": False, "no_log": False, **task}
    connection = types.SimpleNamespace(
        transport="ssh", _shell=types.SimpleNamespace(tmpdir="/remote/tmp", quote=shlex.quote)
    )
    rest = dict.fromkeys(("play_context", "loader", "templar", "shared_loader_obj"))
    return FakeAction(task=types.SimpleNamespace(**about), connection=connection, **rest)


def test_an_answer_is_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    action = make(monkeypatch, {"dest": "/srv/app", "progress": "false"})
    assert action.run(task_vars={"a": 1}) == {name: ANSWER[name] for name in ANSWER if name != "unchanged"}
    assert action.executed == {"module_name": PROBE, "module_args": action._task.args, "task_vars": {"a": 1}}
    assert action.executed["module_args"] is not action._task.args
    assert action.removed == "/remote/tmp"


@pytest.mark.parametrize(
    ("dest", "path"),
    [("/srv/app", "/srv/.app.oci"), ("/srv/my app//", "'/srv/.my app.oci"), ("/app", "/.app.oci")],
)
def test_the_probe_is_not_sent_where_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, dest: str, path: str) -> None:
    action = make(monkeypatch, {"dest": dest, "progress": "false"})
    monkeypatch.setattr(FakeAction, "status", 1)
    assert action.run() == {"ran": "the module"}
    assert not hasattr(action, "executed")
    assert action.command is not None
    assert action.command.startswith(f"test -e {path}/answer.json")


def test_the_answer_is_where_the_state_is(monkeypatch: pytest.MonkeyPatch) -> None:
    action = make(monkeypatch, {"dest": "/srv/app", "state_dir": "/var/lib/state/app", "progress": "false"})
    monkeypatch.setattr(FakeAction, "status", 1)
    assert action.run() == {"ran": "the module"}
    assert action.command is not None
    assert action.command.startswith("test -e /var/lib/state/app/answer.json")


@pytest.mark.parametrize("dest", ["~/app", "$HOME/app", "/srv/$NAME", "app", "~", ""])
def test_only_the_host_knows_where_some_destinations_are(monkeypatch: pytest.MonkeyPatch, dest: str) -> None:
    action = make(monkeypatch, {"dest": dest, "progress": "false"})
    monkeypatch.setattr(FakeAction, "status", 1)
    assert action.run()["dest"] == "/srv/app"
    assert action.command is None


@pytest.mark.parametrize(
    "answer",
    [
        {"changed": False, "unchanged": False},
        {"failed": True, "msg": "no Python", "changed": False},
        {**ANSWER, "failed": True},
        {**ANSWER, "changed": True},
        {**ANSWER, "unchanged": "yes"},
        {**ANSWER, "warnings": ["look out"]},
        {**ANSWER, "deprecations": [{"msg": "old"}]},
        {},
    ],
    ids=str,
)
def test_without_an_answer_the_module_runs(monkeypatch: pytest.MonkeyPatch, answer: dict[str, t.Any]) -> None:
    action = make(monkeypatch, {"dest": "/srv/app", "progress": "false"})
    monkeypatch.setattr(FakeAction, "answer", answer)
    assert answer_in(answer) is None
    assert action.run() == {"ran": "the module"}
    assert action.executed["module_name"] == PROBE


@pytest.mark.parametrize(
    ("args", "task"),
    [
        ({}, {"async_val": 60}),
        ({"state": "absent"}, {}),
        ({"state": "rolled_back"}, {}),
        ({"drift": "content"}, {}),
        ({"tls": "ra-tls"}, {}),
        ({"layout": "/srv/images"}, {}),
        ({"mirrors": ["mirror.example"]}, {}),
        ({"username": "user", "password": "s3cret"}, {}),
    ],
    ids=str,
)
def test_the_probe_is_not_asked_what_it_cannot_know(
    monkeypatch: pytest.MonkeyPatch, args: dict[str, t.Any], task: dict[str, t.Any]
) -> None:
    action = make(monkeypatch, {**args, "progress": "false"}, **task)
    assert action.run() == {"ran": "the module"}
    assert not hasattr(action, "executed")
