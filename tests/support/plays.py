# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays of roles on this machine, on many hosts at once: for tests of what a role says about its variables."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._oci import digest

from .module_python import module_python

_TOP: t.Final = Path(digest.__file__).parents[6]
_SETTINGS: t.Final = {
    "ANSIBLE_COLLECTIONS_PATH": str(_TOP),
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
}

Cases = t.Mapping[str, t.Mapping[str, t.Any]]


class Output(t.NamedTuple):
    """The output of a play, the message of each host that failed, and the last result of each other one."""

    text: str
    messages: dict[str, str]
    results: dict[str, t.Any]


def share_hosts(*groups: Cases) -> tuple[dict[str, str], dict[str, dict[str, t.Any]]]:
    """Return the name of a host for each case, and the variables of the hosts.

    Cases of a group share a host, which has the name of the first of them, when no two of them set a variable to
    different values. That is for cases whose messages are items of one list, or that all are right.
    """
    host_of: dict[str, str] = {}
    hosts: dict[str, dict[str, t.Any]] = {}
    for group in groups:
        shared: dict[str, dict[str, t.Any]] = {}
        for case, variables in group.items():
            fitting = (host for host, others in shared.items() if {**others, **variables} == {**variables, **others})
            host_of[case] = next(fitting, case)
            shared.setdefault(host_of[case], {}).update(variables)
        hosts |= shared
    return host_of, hosts


def play_on_hosts(where: Path, hosts: t.Mapping[str, t.Any], play: t.Mapping[str, t.Any]) -> Output:
    """Play in check mode, with -vvv and --diff, on hosts with these variables; where is for the files of the play."""
    variables = {"ansible_connection": "local", "ansible_python_interpreter": module_python(where)}
    (where / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))
    (where / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "strategy": "free", **play}]))
    clean = {name: value for name, value in os.environ.items() if not re.search("proxy|^ANSIBLE_", name, re.IGNORECASE)}
    command = [sys.executable, "-m", "ansible", "playbook"]
    done = subprocess.run(
        [*command, "-vvv", "--check", "--diff", "-i", "inventory.json", "play.yml"],
        cwd=where,
        env={**clean, **_SETTINGS, "ANSIBLE_HOME": str(where / "home")},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    found = re.findall(
        r"^(?:fatal|failed): \[([\w-]+)\](?:: FAILED!| \(item=.*?\)) => (\{.*?^\})", done.stdout, re.M | re.S
    )
    right = re.findall(r"^(?:ok|changed): \[([\w-]+)\] => \(item=.*?\) => (\{.*?^\})", done.stdout, re.M | re.S)
    return Output(
        done.stdout + done.stderr,
        {host: json.loads(result)["msg"] for host, result in reversed(found)},
        {host: json.loads(result) for host, result in right},
    )


__all__ = ("Cases", "Output", "play_on_hosts", "share_hosts")
