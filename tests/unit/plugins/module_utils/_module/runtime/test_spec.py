# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The conversion to config.json keeps the rules of image-spec, conversion.md, and gives only what was asked for."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.process import make_process
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.settings import Mount, Settings
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.spec import CAPABILITIES, make_spec
from ansible_collections.attested.registry.plugins.module_utils._oci.config import ImageConfig
from ansible_collections.attested.registry.plugins.module_utils._unpack.accounts import Account
from hypothesis import given
from hypothesis import strategies as st

IMAGE = "org.opencontainers.image."


def spec(
    members: dict[str, t.Any] | None = None,
    *,
    account: Account = Account(0, 0),  # noqa: B008 - it is frozen
    warnings: list[str] | None = None,
    settings: Settings = Settings(),  # noqa: B008
    **config: t.Any,
) -> dict[str, t.Any]:
    document = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}, **(members or {})}
    document["config"] = {"Cmd": ["c"], **config}
    image = ImageConfig.parse(json.dumps(document).encode())
    process = make_process(image.runtime, settings, account)
    return make_spec(image, process, settings, root="/srv/app", warn=([] if warnings is None else warnings).append)


def mounts(made: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    found = {mount["destination"]: mount for mount in made["mounts"]}
    assert len(found) == len(made["mounts"])
    return found


def test_annotations_of_the_fields() -> None:
    members = {
        "author": "me",
        "created": "2024-07-19T13:44:56.123+02:00",
        "variant": "v2",
        "os.version": "1.2",
        "os.features": ["a", "b"],
    }
    made = spec(members, StopSignal="SIGQUIT", ExposedPorts={"80/tcp": {}, "443": {}}, Labels={"x": "y", "empty": ""})
    assert made["annotations"] == {
        f"{IMAGE}os": "linux",
        f"{IMAGE}architecture": "amd64",
        f"{IMAGE}variant": "v2",
        f"{IMAGE}os.version": "1.2",
        f"{IMAGE}os.features": "a,b",
        f"{IMAGE}author": "me",
        f"{IMAGE}created": "2024-07-19T13:44:56.123+02:00",
        f"{IMAGE}stopSignal": "SIGQUIT",
        f"{IMAGE}exposedPorts": "443,80/tcp",
        "x": "y",
        "empty": "",
    }


def test_labels_come_before_fields() -> None:
    labels = {f"{IMAGE}author": "label", f"{IMAGE}stopSignal": "", f"{IMAGE}os": "plan9", f"{IMAGE}exposedPorts": "1"}
    made = spec({"author": "field"}, StopSignal="SIGQUIT", ExposedPorts={"80": {}}, Labels=labels)
    assert labels.items() <= made["annotations"].items()


def test_fields_that_are_absent() -> None:
    assert spec({"os": None, "architecture": None})["annotations"] == {}


@pytest.mark.parametrize(
    "name",
    ["run.oci.hooks.stdout", "org.systemd.property.DeviceAllow", "io.katacontainers.config.x", "module.wasm.image/x"],
)
def test_labels_that_runtimes_act_on_are_left_out(name: str) -> None:
    warnings: list[str] = []
    assert name not in spec(Labels={name: "1", "run.oc": "2"}, warnings=warnings)["annotations"]
    assert len(warnings) == 1
    assert name in warnings[0]


def test_the_process() -> None:
    account = Account(5, 6, (7, 8), "/home")
    made = spec(Env=["PATH=/bin"], WorkingDir="/w", Entrypoint=["e"], account=account)["process"]
    sets = made.pop("capabilities")
    assert made == {
        "terminal": False,
        "user": {"uid": 5, "gid": 6, "additionalGids": [7, 8]},
        "args": ["e", "c"],
        "env": ["PATH=/bin"],
        "cwd": "/w",
        "noNewPrivileges": True,
    }
    assert sets == dict.fromkeys(["bounding", "effective", "permitted"], list(CAPABILITIES))
    assert "additionalGids" not in spec()["process"]["user"]


@pytest.mark.parametrize(
    ("uid", "sets"),
    [
        (0, {"bounding", "effective", "permitted"}),
        (5, {"bounding", "effective", "permitted", "inheritable", "ambient"}),
    ],
)
def test_capabilities_that_the_task_names(uid: int, sets: set[str]) -> None:
    made = spec(settings=Settings(capabilities=("CAP_NET_RAW",)), account=Account(uid, 0))
    assert made["process"]["capabilities"] == dict.fromkeys(sets, ["CAP_NET_RAW"])


def test_a_terminal() -> None:
    env = ["PATH=/bin", "TERM=dumb"]
    assert spec(settings=Settings(terminal=True), Env=env)["process"]["env"] == env
    made = spec(settings=Settings(terminal=True), Env=env[:1])["process"]
    assert (made["terminal"], made["env"]) == (True, ["PATH=/bin", "TERM=xterm"])


def test_the_root_and_the_host_name() -> None:
    assert spec()["root"] == {"path": "/srv/app", "readonly": True}
    assert "hostname" not in spec()
    made = spec(settings=Settings(readonly=False, hostname="h", no_new_privileges=False))
    assert (made["root"]["readonly"], made["hostname"], made["process"]["noNewPrivileges"]) == (False, "h", False)


def test_the_network() -> None:
    kinds = [found["type"] for found in spec()["linux"]["namespaces"]]
    assert kinds == ["pid", "network", "ipc", "uts", "mount"]
    for network, missing in (("host", {"network"}), ("private", set())):
        made = spec(settings=Settings(network=network))
        assert set(kinds) - {found["type"] for found in made["linux"]["namespaces"]} == missing


def test_volumes() -> None:
    warnings: list[str] = []
    names = ["/data/", "var/lib", "/a/../b", "/", "/proc", "/sys/x", "/dev/shm", "/process"]
    made = mounts(spec(Volumes={name: {} for name in names}, warnings=warnings))
    assert {path for path, mount in made.items() if "tmpcopyup" in mount.get("options", [])} == {
        "/data",
        "/var/lib",
        "/b",
        "/process",
    }
    assert made["/proc"]["type"] == "proc"
    assert made["/dev/shm"]["source"] == "shm"  # noqa: S108
    assert len(warnings) == 4


def test_a_mount_takes_the_place_of_another() -> None:
    given_mounts = (
        Mount("/data", "bind", "/srv/data"),
        Mount("/dev/shm", "tmpfs", "tmpfs", ("size=1m",), True),  # noqa: S108
        Mount("/x", "bind", "/y", ("bind", "ro", "noexec"), True),
    )
    made = mounts(spec(Volumes={"/data": {}}, settings=Settings(mounts=given_mounts)))
    assert made["/data"] == {"destination": "/data", "type": "bind", "source": "/srv/data", "options": ["rbind"]}
    assert made["/dev/shm"]["options"] == ["size=1m", "ro"]  # noqa: S108
    assert made["/x"]["options"] == ["bind", "ro", "noexec"]
    assert list(made)[-3:] == ["/data", "/dev/shm", "/x"]  # noqa: S108


def test_resolv_conf() -> None:
    assert "/etc/resolv.conf" not in mounts(spec())
    assert mounts(spec(settings=Settings(resolv_conf=True)))["/etc/resolv.conf"]["options"] == ["bind", "ro"]


@given(
    st.dictionaries(st.text(max_size=20), st.text(max_size=9), max_size=5),
    st.dictionaries(st.text(max_size=9).filter(lambda text: "\0" not in text), st.just({}), max_size=5),
)
def test_any_labels_and_volumes(labels: dict[str, str], volumes: dict[str, t.Any]) -> None:
    made = spec(Labels=labels, Volumes=volumes)
    kept = {name: value for name, value in labels.items() if name}
    assert kept.items() <= made["annotations"].items()
    assert all(path.startswith("/") and path != "/" for path in mounts(made))
    assert json.loads(json.dumps(made)) == made
