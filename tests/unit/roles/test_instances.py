# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role registry_server changes, restores and removes the files of its own instance only.

Its tasks are played as root on this machine, in directories of the test. Small scripts take the place
of systemctl and of the commands that check the new configuration and units.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible.release import __version__ as core_version
from ansible_collections.attested.registry.plugins.module_utils._oci import digest
from ansible_collections.attested.registry.tests.support.module_python import module_python

_TOP: t.Final = Path(digest.__file__).parents[6]
# No name of a real unit or directory.
_PREFIX: t.Final = "attested-registry-test-"
_PRESENT: t.Final = ("content.yml", "instance.yml")
_SYSTEMCTL: t.Final = """#!/bin/sh
# systemctl VERB [OPTION...] UNIT: units that the file broken names are not running and do not start
here=${0%/*}
for unit; do :; done
echo "$1 $unit" >>"$here/log"
if grep -qxF "$unit" "$here/broken"; then state=failed status=1; else state=active status=0; fi
case $1 in
  show) printf 'LoadState=loaded\\nActiveState=%s\\nStatusText=serves 0 repositories\\n' "$state" ;;
  start | restart) exit $status ;;
esac
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(
        tuple(map(int, core_version.split(".")[:2])) < (2, 19), reason="the collection needs ansible-core 2.19"
    ),
]


class Output(t.NamedTuple):
    """The message of a play that failed, the items of loops that changed something, and all that was said."""

    message: str
    changed: list[str]
    text: str


class Host:
    """Plays parts of the role on directories of a test."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self.etc, self.base, self.units, self.bin = (where / name for name in ("etc", "opt", "units", "bin"))
        for path in (self.etc, self.base / "releases/1", self.units, self.bin):
            path.mkdir(parents=True)
        for name in ("systemctl", "journalctl", "runuser", "systemd-analyze"):
            (self.bin / name).write_text(_SYSTEMCTL if name == "systemctl" else "#!/bin/sh\n")
            (self.bin / name).chmod(0o755)
        self.break_units()

    def break_units(self, *names: str) -> None:
        """From now on these units are not running and do not start."""
        (self.bin / "broken").write_text("".join(f"{_PREFIX}{name}\n" for name in names))
        (self.bin / "log").write_text("")

    def asked(self) -> list[str]:
        """The changes that systemctl was asked for since then, without queries."""
        lines = (self.bin / "log").read_text().replace(f"{_PREFIX}", "").splitlines()
        return [line for line in lines if line.split()[0] not in ("show", "is-enabled", "is-active", "daemon-reload")]

    def play(
        self, *instances: t.Mapping[str, t.Any], files: t.Sequence[str] = _PRESENT, check: bool = False, **extra: str
    ) -> Output:
        """Play files of tasks of the role for each instance, whose variables come without their prefix."""
        tasks: list[t.Any] = []
        for instance in instances:
            variables = {f"registry_server_{name}": value for name, value in {"user": "root", **instance}.items()}
            (self.etc / instance["name"]).mkdir(exist_ok=True)
            (self.base / "instances" / instance["name"]).mkdir(parents=True, exist_ok=True)
            for name in files:
                include = {"name": "attested.registry.registry_server", "tasks_from": name}
                tasks.append({"ansible.builtin.include_role": include, "vars": variables})
        places = {
            "ansible_python_interpreter": module_python(self.where),
            "_registry_server_base": str(self.base),
            "_registry_server_etc": str(self.etc),
            "_registry_server_release": str(self.base / "releases/1"),
            "_registry_server_unit": _PREFIX + "{{ registry_server_name }}",
            "_registry_server_unit_file": str(self.units) + "/{{ registry_server_name }}.service",
            "_registry_server_socket_file": str(self.units) + "/{{ registry_server_name }}.socket",
            **extra,
        }
        (self.where / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        (self.where / "places.json").write_text(json.dumps(places))
        command = [sys.executable, "-m", "ansible", "playbook", "--connection=local", "--inventory=localhost,"]
        done = subprocess.run(
            [*command, "--extra-vars=@places.json", *(["--check"] if check else []), "play.json"],
            cwd=self.where,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
                "ANSIBLE_COLLECTIONS_PATH": str(_TOP),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_PIPELINING": "1",
                "ANSIBLE_HOME": str(self.where / "home"),
                "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
                "PATH": f"{self.bin}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        failed = re.findall(r"^fatal: \[localhost\]: FAILED! => (\{.*\})$", done.stdout, re.M)
        changed = re.findall(r"^changed: \[localhost\] => \(item=(.*)\)$", done.stdout, re.M)
        message = str(json.loads(failed[-1])["msg"]) if failed and done.returncode else ""
        assert bool(message) == bool(done.returncode), done.stdout + done.stderr
        return Output(message, changed, done.stdout)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_content_of_one_instance_does_not_reload_the_next(host: Host) -> None:
    source = host.where / "source"
    (source / "app").mkdir(parents=True)
    (source / "app/index.json").write_text("{}")
    instances = [
        {"name": name, "port": port, "root": str(host.where / "content" / name)}
        for name, port in {"first": 1337, "second": 1338}.items()
    ]
    python = {"registry_server_python": sys.executable}
    assert host.play(*instances, **python).message == ""
    host.break_units()
    assert host.play({**instances[0], "source": str(source)}, instances[1], **python).message == ""
    assert host.asked() == ["reload first.service"]


def test_an_update_that_fails_early_is_rolled_back_to_the_end(host: Host) -> None:
    assert host.play({"name": "main", "drain_seconds": None}).message == ""
    # as long as the server takes at most, and a little more
    assert "TimeoutStopSec=45" in (host.units / "main.service").read_text()
    before = (host.etc / "main.yml").read_bytes()
    message = host.play({"name": "main", "port": 1338}, _registry_server_unit_file="/nonexistent/unit").message
    assert message.startswith("Updating the registry server main failed (Write the service unit: ")
    assert "are restored and running" in message
    assert (host.etc / "main.yml").read_bytes() == before


def test_content_is_not_removed_when_another_instance_serves_it_or_a_part_of_it_or_more(host: Host) -> None:
    content = host.where / "content"
    (content / "team").mkdir(parents=True)
    (content / "team/.created-by-registry_server").touch()
    served = {
        "same": "/team",
        "slash": "/team/",
        "inner": "/team/app",
        "outer": "",
        "outermost": "/..",
        "beside": "/other",
    }
    for name, path in {**served, "longer": "/team-two", "shorter": "/te", "regex": "/t.am"}.items():
        (host.etc / f"{name}.yml").write_text(
            f"root: {os.path.normpath(str(content) + path)}{'/' * (path[-1:] == '/')}\n"
        )
    message = host.play({"name": "main", "root": f"{content}/team/"}, files=["content_owner.yml"], check=True).message
    found = re.findall(r"[a-z]+(?=[.]yml)", message)
    assert sorted(found) == ["inner", "outer", "outermost", "same", "slash"]
    assert "is not removed, and nothing was changed: other instances serve it" in message


def test_a_service_that_never_started_is_stopped_with_its_socket(host: Host) -> None:
    host.break_units("main.service")
    message = host.play({"name": "main", "port": 443}).message
    assert "There is no previous release to restore; the service is stopped." in message
    assert host.asked()[-1] == "stop main.socket"
