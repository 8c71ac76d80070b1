# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays on many hosts at once, all of them this machine: for tests of what a role says about its variables."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._oci import digest

_TOP: t.Final = Path(digest.__file__).parents[6]
_SETTINGS: t.Final = {
    "ANSIBLE_COLLECTIONS_PATH": str(_TOP),
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
}


class Output(t.NamedTuple):
    """The output of a play, the message of each host that failed, and the last result of each other one."""

    text: str
    messages: dict[str, str]
    results: dict[str, t.Any]


def play_on_hosts(where: Path, hosts: t.Mapping[str, t.Any], play: t.Mapping[str, t.Any]) -> Output:
    """Play in check mode, with -vvv and --diff, on hosts with these variables; where is for the files of the play."""
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
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


__all__ = ("Output", "play_on_hosts")
