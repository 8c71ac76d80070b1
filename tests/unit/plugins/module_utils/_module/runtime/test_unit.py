# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The unit of an image has its process, its user by numbers and its mounts, and systemd accepts each line."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.process import make_process
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.settings import Mount, Settings
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.unit import make_unit
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.unit_text import parse_unit_options
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.values import RuntimeConfigError
from ansible_collections.attested.registry.plugins.module_utils._oci.config import ImageConfig
from ansible_collections.attested.registry.plugins.module_utils._unpack.accounts import Account
from ansible_collections.attested.registry.tests.support.hosts.loaded_units import load_unit
from hypothesis import given
from hypothesis import strategies as st


def unit(
    *,
    account: Account = Account(0, 0, (), "/root"),  # noqa: B008 - it is frozen
    settings: Settings = Settings(),  # noqa: B008
    root: str = "/srv/app",
    options: dict[str, t.Any] | None = None,
    warnings: list[str] | None = None,
    **config: t.Any,
) -> str:
    document = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}
    image = ImageConfig.parse(json.dumps({**document, "config": {"Cmd": ["run", "a b"], **config}}).encode())
    return make_unit(
        image,
        make_process(image.runtime, settings, account),
        settings,
        root=root,
        program="/usr/bin/run",
        name="team/app",
        changes=parse_unit_options(options or {}),
        warn=([] if warnings is None else warnings).append,
    )


def lines(text: str, name: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{name}=")]


def test_systemd_accepts_all_of_it() -> None:
    mounts = (
        Mount("/data", "bind", "/srv/da ta"),
        Mount("/etc/app", "bind", "/etc/app", ("bind",), True),
        Mount("/ca che", "tmpfs", "tmpfs", ("size=10%", "mode=0700"), True),
        Mount("/plain", "tmpfs", "tmpfs"),
    )
    settings = Settings(
        mounts=mounts, network="private", resolv_conf=True, capabilities=("CAP_NET_RAW", "CAP_CHOWN"), env={"A": "1 %"}
    )
    text = unit(
        account=Account(33, 34, (4, 110), "/var/www"),
        settings=settings,
        Volumes={"/var/lib/x y": {}, "/data": {}, "/v": {}},
        StopSignal="SIGRTMIN+3",
        WorkingDir="/w d",
        Labels={"org.opencontainers.image.title": "100% \n\x1b[0m ok\\"},
        options={"Service": {"MemoryMax": "1G"}, "Unit": {"After": "network.target"}},
    )
    loaded = load_unit(text)
    assert loaded.messages == ()
    values = loaded.values
    assert loaded.command == ["/usr/bin/run", "a b"]
    assert values["Description"] == ("100% [0m ok",)
    assert values["RootDirectory"] == ("/srv/app",)
    assert values["WorkingDirectory"] == ("/w d",)
    assert values["Environment"] == (
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "A=1 %",
        "HOME=/var/www",
    )
    assert (values["User"], values["Group"], values["SupplementaryGroups"]) == (("33",), ("34",), ("4 110",))
    assert values["KillSignal"] == ("SIGRTMIN+3",)
    assert values["BindPaths"] == ("/srv/da ta:/data:rbind",)
    read_only = "BindReadOnlyPaths"
    assert values[read_only] == ("/etc/resolv.conf:/etc/resolv.conf:rbind", "/etc/app:/etc/app:norbind")
    assert values["TemporaryFileSystem"] == (
        "/v:mode=0755,uid=33,gid=34",
        "/var/lib/x y:mode=0755,uid=33,gid=34",
        "/ca che:size=10%,mode=0700,ro",
        "/plain",
    )
    assert values["PrivateNetwork"] == values["PrivateTmp"] == values["PrivateDevices"] == ("yes",)
    assert values["MemoryMax"] == ("1073741824",)
    assert set(values["CapabilityBoundingSet"][0].split()) == {"cap_net_raw", "cap_chown"}
    assert set(values["AmbientCapabilities"][0].split()) == {"cap_net_raw", "cap_chown"}


def test_a_process_of_root() -> None:
    text = unit()
    assert lines(text, "User") == lines(text, "Group") == lines(text, "SupplementaryGroups") == []
    assert lines(text, "Environment")[-1] == '"HOME=/root"'
    assert lines(text, "Description") == ["team/app"]
    assert lines(text, "ReadOnlyPaths") == ["+/"]
    assert lines(text, "NoNewPrivileges") == ["yes"]
    assert lines(text, "KillSignal") == []
    assert lines(text, "WantedBy") == ["multi-user.target"]
    assert lines(text, "PrivateNetwork") == lines(text, "AmbientCapabilities") == []


def test_a_group_of_root() -> None:
    text = unit(account=Account(0, 5))
    assert (lines(text, "User"), lines(text, "Group")) == (["0"], ["5"])
    assert '"HOME=/"' in lines(text, "Environment")
    assert lines(unit(Env=["HOME=/h"]), "Environment")[-1] == '"HOME=/h"'


def test_a_tree_that_can_be_written() -> None:
    text = unit(settings=Settings(readonly=False, no_new_privileges=False))
    assert lines(text, "ReadOnlyPaths") == []
    assert lines(text, "NoNewPrivileges") == ["no"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("SIGQUIT", "SIGQUIT"),
        ("quit", "SIGQUIT"),
        ("3", "3"),
        ("RTMIN+3", "SIGRTMIN+3"),
        ("SIGRTMAX-1", "SIGRTMAX-1"),
        ("64", "64"),
    ],
)
def test_signals(given: str, expected: str) -> None:
    assert lines(unit(StopSignal=given), "KillSignal") == [expected]


@pytest.mark.parametrize(
    "given", ["SIGNONE", "0", "65", "999", "TERM\n", "SIG", "SIG_DFL", "RTMIN+", "-9", "SIGSIGTERM"]
)
def test_signals_that_do_not_exist(given: str) -> None:
    with pytest.raises(RuntimeConfigError, match="config.StopSignal"):
        unit(StopSignal=given)


@pytest.mark.parametrize("account", [Account(65535, 0), Account(5, 65535), Account(5, 5, (65535,))])
def test_ids_that_systemd_refuses(account: Account) -> None:
    with pytest.raises(RuntimeConfigError, match="65535"):
        unit(account=account)


@pytest.mark.parametrize(
    "mount",
    [
        Mount("/a", "overlay", "overlay"),
        Mount("/a", "bind", "/b", ("noexec",)),
        Mount("/a", "tmpfs", "tmpfs", ("size=1 x",)),
        Mount("/a", "tmpfs", "tmpfs", ("mode=1\nUser=0",)),
        Mount("/a:b", "bind", "/b"),
        Mount("/a", "bind", "/b:c"),
    ],
)
def test_mounts_that_a_unit_cannot_express(mount: Mount) -> None:
    with pytest.raises(RuntimeConfigError, match="A systemd unit cannot express"):
        unit(settings=Settings(mounts=(mount,)))


@pytest.mark.parametrize("settings", [Settings(hostname="h"), Settings(terminal=True)])
def test_options_without_effect(settings: Settings) -> None:
    with pytest.raises(RuntimeConfigError, match="has no effect on a systemd unit"):
        unit(settings=settings)


@pytest.mark.parametrize(
    "config",
    [
        {"WorkingDir": "/a\nUser=0"},
        {"Env": ["A-B=1"]},
        {"Env": ["A=\r"]},
        {"Volumes": {"/a:b": {}}},
        {"Volumes": {"/a\nUser=0": {}}},
    ],
)
def test_images_that_a_unit_cannot_express(config: dict[str, t.Any]) -> None:
    with pytest.raises(RuntimeConfigError, match="A systemd unit cannot express"):
        unit(**config)


@pytest.mark.parametrize("title", ["\n[Service]\nExecStart=/bin/false", "\\", " ", "a\\\\", "x" * 999])
def test_a_label_is_no_more_than_a_description(title: str) -> None:
    text = unit(Labels={"org.opencontainers.image.title": title})
    (description,) = lines(text, "Description")
    assert len(description) <= 200
    assert not description.endswith("\\")
    assert len(text.splitlines()) == len(unit().splitlines())


def test_volumes_that_are_left_out() -> None:
    warnings: list[str] = []
    assert lines(unit(Volumes={"/proc/x": {}}, warnings=warnings), "TemporaryFileSystem") == []
    assert len(warnings) == 1


TEXT = st.text(st.sampled_from("a/%$\\\"' :;\n\r\t=[]\u2028#"), max_size=8)


@given(
    st.lists(TEXT, max_size=3),
    st.lists(st.tuples(TEXT, TEXT), max_size=3),
    st.dictionaries(TEXT, st.just({}), max_size=3),
    st.tuples(TEXT, TEXT, TEXT),
)
def test_no_image_writes_lines_of_its_own(
    args: list[str], env: list[tuple[str, str]], volumes: dict[str, t.Any], texts: tuple[str, str, str]
) -> None:
    directory, title, stop_signal = texts
    config = {
        "Entrypoint": ["run", *args],
        "Env": [f"A{name}={value}" for name, value in env],
        "Volumes": volumes,
        "WorkingDir": directory,
        "Labels": {"org.opencontainers.image.title": title},
        "StopSignal": stop_signal,
    }
    try:
        text = unit(**config)
    except RuntimeConfigError:
        return
    names = [line.partition("=")[0] for line in text.split("\n") if "=" in line]
    plain = [line.partition("=")[0] for line in unit().split("\n") if "=" in line]
    assert [name for name in names if name not in ("Environment", "TemporaryFileSystem", "KillSignal")] == [
        name for name in plain if name != "Environment"
    ]
    assert "\r" not in text
    assert "\\\n" not in text
