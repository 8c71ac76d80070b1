# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_runtime_config writes config.json and units for unpacked trees, which real runtimes start."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import stat
import subprocess
import typing as t

import pytest
import yaml
from ansible_collections.attested.registry.tests.support.hosts.loaded_units import load_unit
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.runnable import runnable_image
from ansible_collections.attested.registry.tests.support.processes.runtimes import RUNTIMES, run_bundle
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

ROOT = os.geteuid() == 0
FILES = [
    images.directory("etc"),
    images.file("etc/passwd", b"root:x:0:0::/root:/bin/sh\nweb:x:33:34::/var/www:/bin/sh\n"),
    images.file("etc/group", b"www:x:34:\nadm:x:4:web\n"),
    images.directory("usr"),
    images.directory("usr/bin"),
    images.file("usr/bin/run", b"#!/bin/sh\n", mode=0o755),
]
CONFIG = {"Entrypoint": ["run"], "Cmd": ["a b"], "Env": ["PATH=/usr/bin"], "User": "web", "StopSignal": "SIGQUIT"}


def image(**config: t.Any) -> images.Image:
    return images.image([images.layer(FILES)], config_members={"config": {**CONFIG, **config}})


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "tree"


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "bundle/config.json"


@pytest.fixture
def unpack(run_module: t.Any, tmp_path: pathlib.Path, root: pathlib.Path) -> t.Any:
    """Unpacks an image from a layout, which the test may remove afterwards."""

    def run(found: images.Image | None = None, points: dict[str, list[str]] | None = None, **config: t.Any) -> None:
        layout = images.write_layout(tmp_path / "layout", {"1.0": found or image(**config)})
        options = {"layout": str(layout), "dest": str(root), "ownership": ROOT, "platform": "linux/amd64"}
        done = run_module("oci_image_unpack", **options, **(points or {}))
        assert not done.failed, done.results
        shutil.rmtree(layout)

    return run


@pytest.fixture
def write(run_module: t.Any, root: pathlib.Path, dest: pathlib.Path) -> t.Any:
    def run(**options: t.Any) -> t.Any:
        return run_module("oci_runtime_config", **{"root": str(root), "dest": str(dest), **options})

    return run


def listing(path: pathlib.Path) -> list[tuple[str, int, int]]:
    return sorted((str(entry), entry.lstat().st_ino, entry.lstat().st_mtime_ns) for entry in path.rglob("*"))


# --- config.json ---


def test_the_config_is_that_of_the_stamp(unpack: t.Any, write: t.Any, root: pathlib.Path, dest: pathlib.Path) -> None:
    unpack()
    run = write()
    assert (run["changed"], run["dest"], run["args"]) == (True, str(dest), ["run", "a b"])
    assert run["user"] == {"uid": 33, "gid": 34, "additional_gids": [4], "home": "/var/www"}
    assert run["digest"] == image().digest
    config = json.loads(dest.read_bytes())
    assert config == run["config"]
    assert config["root"] == {"path": str(root), "readonly": True}
    assert config["process"]["args"] == ["run", "a b"]
    assert config["annotations"]["org.opencontainers.image.stopSignal"] == "SIGQUIT"


def test_a_second_run_changes_nothing(unpack: t.Any, write: t.Any, dest: pathlib.Path) -> None:
    unpack()
    first = write(mode="0640")
    before = listing(dest.parents[1])
    second = write(mode="0640")
    assert (second["changed"], second["config"]) == (False, first["config"])
    assert listing(dest.parents[1]) == before


def test_json_in_another_form_is_the_same(unpack: t.Any, write: t.Any, dest: pathlib.Path) -> None:
    unpack()
    config = write()["config"]
    text = json.dumps(dict(reversed(config.items())), separators=(",", ":"))
    dest.write_text(text)
    assert write()["changed"] is False
    assert dest.read_text() == text
    config["process"]["user"]["uid"] = 33.0
    dest.write_text(json.dumps(config))
    assert write()["changed"] is True


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 1000, b"\xff", b'{"a":1,"a":1}', b"x" * 100000])
def test_a_file_that_is_no_json(unpack: t.Any, write: t.Any, dest: pathlib.Path, text: bytes) -> None:
    unpack()
    dest.parent.mkdir()
    dest.write_bytes(text)
    run = write(diff=True)
    assert run["changed"] is True
    assert run["diff"][0]["before"] == text.decode("utf-8", "replace")
    assert json.loads(dest.read_bytes()) == run["config"]


def test_check_mode_and_the_diff(unpack: t.Any, write: t.Any, dest: pathlib.Path) -> None:
    unpack()
    checked = write(check=True, diff=True)
    assert not dest.parent.exists()
    done = write(diff=True)
    assert (checked["changed"], checked["config"], checked["diff"]) == (True, done["config"], done["diff"])
    (diff,) = done["diff"]
    assert diff["before"] == ""
    assert diff["after"].encode() == dest.read_bytes()
    text = dest.read_text()
    checked = write(check=True, diff=True, env={"A": "1"})
    assert (checked["changed"], checked["diff"][0]["before"], dest.read_text()) == (True, text, text)
    assert '"A=1"' in checked["diff"][0]["after"]
    assert write(check=True)["changed"] is False


def test_the_mode(unpack: t.Any, write: t.Any, dest: pathlib.Path) -> None:
    unpack()
    write(mode="0600")
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    assert write(env={"A": "1"})["changed"] is True
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    checked = write(env={"A": "1"}, mode="0644", check=True, diff=True)
    assert (checked["changed"], len(checked["diff"])) == (True, 2)
    assert checked["diff"][1]["before"] == {"mode": "0600"}
    assert write(env={"A": "1"}, mode="0644")["changed"] is True
    assert stat.S_IMODE(dest.stat().st_mode) == 0o644


def test_a_link_at_the_destination_is_replaced(unpack: t.Any, write: t.Any, dest: pathlib.Path) -> None:
    unpack()
    dest.parent.mkdir()
    (dest.parent / "target").write_text("kept")
    dest.symlink_to("target")
    assert write()["changed"] is True
    assert not dest.is_symlink()
    assert (dest.parent / "target").read_text() == "kept"


def test_a_directory_at_the_destination(unpack: t.Any, write: t.Any, dest: pathlib.Path) -> None:
    unpack()
    dest.mkdir(parents=True)
    run = write()
    assert run["error"]["kind"] == "destination"
    assert "The config cannot be written" in run["msg"]


def test_the_options(unpack: t.Any, write: t.Any) -> None:
    unpack()
    options: dict[str, t.Any] = {
        "entrypoint": [],
        "args": ["/bin/id", "-u"],
        "env": {"A": "b c", "N": 1},
        "hostname": "app",
        "readonly": False,
        "terminal": True,
        "network": "host",
        "resolv_conf": True,
        "capabilities": ["net_raw"],
        "no_new_privileges": False,
        "user": "7:8",
        "mounts": [{"source": "/srv", "destination": "/data", "readonly": True}],
    }
    config = write(**options)["config"]
    process = config["process"]
    assert process["args"] == ["/bin/id", "-u"]
    assert process["env"] == ["PATH=/usr/bin", "A=b c", "N=1", "TERM=xterm"]
    assert (process["terminal"], process["noNewPrivileges"]) == (True, False)
    assert process["user"] == {"uid": 7, "gid": 8}
    assert process["capabilities"]["ambient"] == ["CAP_NET_RAW"]
    assert (config["hostname"], config["root"]["readonly"]) == ("app", False)
    assert {"type": "network"} not in config["linux"]["namespaces"]
    assert config["mounts"][-1] == {
        "destination": "/data",
        "type": "bind",
        "source": "/srv",
        "options": ["rbind", "ro"],
    }
    assert any(mount["destination"] == "/etc/resolv.conf" for mount in config["mounts"])


def test_an_upgrade_of_the_tree_changes_the_config(unpack: t.Any, write: t.Any) -> None:
    unpack()
    write()
    unpack(Cmd=["new"])
    run = write()
    assert (run["changed"], run["args"]) == (True, ["run", "new"])


# --- the tree ---


@pytest.mark.parametrize("user", ["nobody", "web:nogroup"])
def test_a_user_who_is_missing(unpack: t.Any, write: t.Any, root: pathlib.Path, dest: pathlib.Path, user: str) -> None:
    unpack(User=user)
    run = write()
    name = "group" if ":" in user else "passwd"
    assert run["error"] == {"kind": "user", "user": user, "path": f"{root}/etc/{name}"}
    assert not dest.parent.exists()
    assert write(user="0:0")["changed"] is True


def test_a_tree_that_does_not_exist(
    write: t.Any, root: pathlib.Path, dest: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for path in (root, tmp_path / "no/such/tree"):
        run = write(root=str(path))
        assert run["error"]["kind"] == "destination"
        assert f"{path} cannot be used: it does not exist" in run["msg"]
        run = write(root=str(path), check=True)
        assert (run["changed"], dest.exists()) == (True, False)
        assert any("check mode cannot tell" in text for text in run.warnings)


def test_a_tree_without_a_stamp(write: t.Any, root: pathlib.Path) -> None:
    root.mkdir()
    for check in (False, True):
        run = write(check=check)
        assert run["error"]["kind"] == "destination"
        assert "oci_image_unpack did not unpack it" in run["msg"]


@pytest.mark.parametrize("path", ["tree", "/", "/tmp/.."])  # noqa: S108
def test_paths_that_cannot_be_trees(write: t.Any, path: str, monkeypatch: t.Any, tmp_path: pathlib.Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert write(root=path)["error"]["kind"] == "destination"


def test_reading_changes_nothing(unpack: t.Any, write: t.Any, root: pathlib.Path) -> None:
    unpack()
    before = listing(root.parent)
    write(check=True)
    write(user="nobody")
    assert listing(root.parent) == before


def test_an_image_of_another_system(write: t.Any, root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    found = images.image([images.layer(FILES)], platform="windows/amd64", config_members={"config": CONFIG})
    layout = images.write_layout(tmp_path / "layout", {"1.0": found})
    root.mkdir()
    run = write(layout=str(layout), platform="windows/amd64")
    assert run["error"]["kind"] == "unsupported"


def missing(run: t.Any) -> list[str]:
    """The places that the warning lists."""
    (text,) = (text for text in run.warnings if ", which" in text)
    return sorted(text.partition(" lacks ")[2].partition(", which")[0].split(", "))


def test_a_warning_of_what_the_start_will_change(unpack: t.Any, write: t.Any, root: pathlib.Path) -> None:
    unpack(Volumes={"/data": {}}, WorkingDir="/work")
    mounts = [{"source": "/srv", "destination": "/data/in/it"}, {"source": "/srv", "destination": "/usr/bin"}]
    run = write(mounts=mounts, resolv_conf=True)
    assert missing(run) == ["/data", "/dev", "/etc/resolv.conf", "/proc", "/sys", "/work"]
    run = write(format="systemd", mounts=mounts, check=True)
    base = ["/dev", "/proc", "/root", "/run", "/sys", "/tmp", "/var", "/var/tmp"]
    assert missing(run) == ["/bin", "/data", *base]
    assert run["missing_mount_points"] == ["/bin", "/data", *base, "/work"]
    assert not (root / "data").exists()


def test_a_warning_of_a_working_directory_that_is_missing(unpack: t.Any, write: t.Any) -> None:
    unpack(runnable_image(Cmd=["sh"], WorkingDir="/data/work"))
    (warning,) = write(format="systemd").warnings
    assert "lacks the working directory /data/work, without which systemd cannot start" in warning
    assert "mount_points: [/data/work]" in warning
    mounts = [{"destination": "/data", "source": "/srv"}]
    assert write(format="systemd", mounts=mounts).warnings == []
    assert missing(write()) == ["/data/work"]


def test_a_place_below_the_working_directory_is_missing_too(unpack: t.Any, write: t.Any) -> None:
    unpack(runnable_image(Cmd=["sh"], WorkingDir="/tmp"))
    mounts = [{"source": "/srv", "destination": "/tmp/data"}, {"source": "/etc/passwd", "destination": "/tmp/users"}]
    run = write(mounts=mounts)
    assert (run["mount_points"], run["mount_files"]) == (["/tmp/data"], ["/tmp/users"])
    assert run["missing_mount_points"] == ["/tmp/data", "/tmp/users"]
    assert "with mount_points: [/tmp/data] and mount_files: [/tmp/users], or" in run.warnings[0]


@pytest.mark.parametrize("name", ["oci", "systemd"])
def test_a_tree_with_the_places_that_the_warning_names(unpack: t.Any, write: t.Any, name: str) -> None:
    options: dict[str, t.Any] = {"format": name, "resolv_conf": True}
    options["mounts"] = [{"source": "/srv", "destination": "/more"}]
    config = {"Volumes": {"/data": {}}, "WorkingDir": "/work"}
    unpack(**config, points={"mount_points": ["/data/"]})
    named = {key: write(**options)[key] for key in ("mount_points", "mount_files")}
    assert {"/data", "/dev", "/more", "/proc", "/work"} <= set(named["mount_points"])
    assert named["mount_files"] == ["/etc/resolv.conf"]
    unpack(**config, points=named)
    run = write(**options)
    assert (run["missing_mount_points"], run.warnings) == ([], [])
    assert {key: run[key] for key in named} == named


def test_a_warning_of_the_links_that_systemd_makes(unpack: t.Any, write: t.Any, root: pathlib.Path) -> None:
    found = images.image(
        [images.layer([images.file("usr/bin/app", b"", mode=0o755)])],
        config_members={"config": {"Entrypoint": ["/usr/bin/app"]}},
    )
    unpack(found)
    assert "/bin" not in missing(write())
    run = write(format="systemd", check=True)
    assert "/bin" in missing(run)
    assert not {"/lib", "/sbin"}.intersection(run["mount_points"])
    unpack(found, points={"mount_points": run["mount_points"]})
    assert os.readlink(root / "bin") == "usr/bin"
    assert write(format="systemd").warnings == []


def test_a_place_is_named_by_where_its_link_leads(unpack: t.Any, write: t.Any) -> None:
    link = images.layer([images.directory("etc"), images.symlink("etc/resolv.conf", "../run/resolv.conf")])
    found = images.image([images.layer(FILES), link], config_members={"config": CONFIG})
    unpack(found)
    run = write(resolv_conf=True)
    assert run["mount_files"] == ["/run/resolv.conf"]
    unpack(found, points={"mount_points": run["mount_points"], "mount_files": run["mount_files"]})
    assert write(resolv_conf=True).warnings == []


def test_a_link_with_dots_after_a_missing_name_leads_there_with_the_named_places(unpack: t.Any, write: t.Any) -> None:
    link = images.layer([images.symlink("app", "gone/../data")])
    found = images.image([images.layer(FILES), link], config_members={"config": {**CONFIG, "Volumes": {"/app/x": {}}}})
    unpack(found)
    named = {key: write()[key] for key in ("mount_points", "mount_files")}
    assert {"/gone", "/data/x"} <= set(named["mount_points"])
    unpack(found, points=named)
    assert write().warnings == []


def plain_warning(run: t.Any) -> str:
    """The text of the only warning, which some versions of Ansible have in an object."""
    (warning,) = run["warnings"]
    return str(warning["event"]["msg"] if isinstance(warning, dict) else warning)


def test_names_of_volumes_are_text_in_the_yaml_of_the_warning(unpack: t.Any, write: t.Any) -> None:
    volumes = ["/a, /b]", "/it's: #", '/q"', "/\x1b[31m", "/\u202e"]
    unpack(runnable_image(Cmd=["sh"], Volumes=dict.fromkeys([*volumes, "/" + "d/" * 3000], {})))
    run = write()
    warning = plain_warning(run)
    assert warning.isprintable()
    shown = warning.partition("Unpack the image with mount_points: ")[2].partition(", or build")[0]
    assert yaml.safe_load(shown) == run["mount_points"] == sorted(volumes)


def test_more_places_than_an_option_can_have_are_not_advised(unpack: t.Any, write: t.Any) -> None:
    unpack(runnable_image(Cmd=["sh"], Volumes={f"/{number}": {} for number in range(1001)}))
    warning = plain_warning(write())
    assert warning.endswith("which is more than the 1000 paths that an option can have.")


def test_no_warning_without_cause(unpack: t.Any, write: t.Any) -> None:
    unpack(runnable_image(Cmd=["sh"], Volumes={"/data": {}}, WorkingDir="/tmp"))
    for name in ("oci", "systemd"):
        assert write(format=name, mounts=[{"source": "/etc/passwd", "destination": "/etc/passwd"}]).warnings == []


# --- the config of another source ---


def test_a_config_from_a_registry(write: t.Any, registry: FaultyRegistry, root: pathlib.Path) -> None:
    registry.publish("team/app", {"1.0": image()})
    root.mkdir()
    name = f"{registry.name}/team/app:1.0"
    run = write(image=name, user="0", platform="linux/amd64")
    assert (run["changed"], run["args"], run["digest"]) == (True, ["run", "a b"], image().digest)
    assert run["config"]["root"]["path"] == str(root)
    assert write(image=name, user="0", platform="linux/amd64")["changed"] is False
    run = write(image=name, platform="linux/amd64")
    assert run["error"] == {"kind": "user", "user": "web", "path": f"{root}/etc/passwd"}
    assert write(image=name, platform="linux/s390x")["error"]["kind"] == "platform_not_found"


def test_a_config_from_a_layout(write: t.Any, unpack: t.Any, root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    unpack()
    layout = images.write_layout(tmp_path / "other", {"1.0": image(Cmd=["other"])})
    assert write(layout=str(layout), platform="linux/amd64")["args"] == ["run", "other"]
    assert write(layout=str(layout), platform="linux/amd64", root="tree")["error"]["kind"] == "destination"
    run = write(layout=str(layout), platform="linux/amd64", root=str(root / "none"))
    assert "it does not exist" in run["msg"]


def test_a_stamp_asks_no_registry(unpack: t.Any, write: t.Any) -> None:
    unpack()
    assert write(registry="127.0.0.1:1", retries=0)["changed"] is True


# --- units ---


def test_a_unit(unpack: t.Any, write: t.Any, root: pathlib.Path, dest: pathlib.Path) -> None:
    unpack()
    options = {"format": "systemd", "env": {"A": "1"}, "unit_options": {"Service": {"Type": "notify", "Restart": []}}}
    run = write(**options)
    assert run["changed"] is True
    assert run["unit"] == dest.read_text()
    assert "config" not in run.results
    loaded = load_unit(run["unit"])
    assert loaded.messages == ()
    assert loaded.command == ["/usr/bin/run", "a b"]
    assert loaded.values["RootDirectory"] == (str(root),)
    assert (loaded.values["Type"], loaded.values["Restart"]) == (("notify",), ("no",))
    assert (loaded.values["User"], loaded.values["KillSignal"]) == (("33",), ("SIGQUIT",))
    assert write(**options)["changed"] is False
    dest.write_text(run["unit"] + "\n")
    assert write(**options)["changed"] is True


def test_a_unit_without_its_program(unpack: t.Any, write: t.Any, dest: pathlib.Path) -> None:
    unpack()
    run = write(format="systemd", entrypoint=["walk"])
    assert run["error"] == {"kind": "runtime_config", "option": "entrypoint"}
    assert not dest.parent.exists()


@pytest.mark.parametrize(
    "options",
    [
        {"hostname": "h"},
        {"terminal": True},
        {"unit_options": {"Timer": {}}},
        {"env": {"A-B": "1"}},
        {"env": {"A": True}},
        {"mounts": [{"destination": "/a", "type": "overlay"}]},
        {"mounts": [{"destination": "a", "source": "/b"}]},
        {"capabilities": ["x y"]},
    ],
)
def test_options_that_are_wrong(unpack: t.Any, write: t.Any, dest: pathlib.Path, options: dict[str, t.Any]) -> None:
    unpack()
    run = write(format="systemd", **options)
    assert (run.failed, run["error"]["kind"]) == (True, "runtime_config")
    assert not dest.parent.exists()


def test_systemd_analyze_accepts_the_unit(unpack: t.Any, write: t.Any, tmp_path: pathlib.Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    layer = images.layer([*FILES, images.directory("bin"), images.file("bin/cat", b"", mode=0o755)])
    unpack(images.image([layer], config_members={"config": {**CONFIG, "Volumes": {"/data": {}}}}))
    path = tmp_path / "app.service"
    # verify looks for the program on the host
    write(format="systemd", dest=str(path), entrypoint=["/bin/cat"], args=["$A", "%n", "a\nb"], env={"A": '"\n%'})
    command = [program, "verify", "--man=no", "--recursive-errors=no", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Failed to create" in done.stderr or "unrecognized option" in done.stderr:
        pytest.skip(done.stderr)
    assert (done.returncode, done.stderr) == (0, "")


# --- runtimes ---

SHOW = "id; cat /data/seed; echo $A; pwd; touch /x || touch /data/x && stat -c %a /data/x"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_runtimes_start_the_process(unpack: t.Any, write: t.Any, dest: pathlib.Path, runtime: str) -> None:
    unpack(runnable_image(Entrypoint=["sh", "-c"], Cmd=[SHOW], Volumes={"/data": {}}, WorkingDir="/tmp"))
    write(env={"A": "b  c"}, hostname="app")
    lines = run_bundle(runtime, dest.parent).splitlines()
    assert lines == ["uid=0(root) gid=0(root)", "seed", "b c", "/tmp", "644"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_runtimes_change_the_user(
    unpack: t.Any, write: t.Any, dest: pathlib.Path, tmp_path: pathlib.Path, runtime: str
) -> None:
    unpack(runnable_image(Cmd=["sh", "-c", "id; cat /mnt/x; cat /proc/self/status"], User="web"))
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/x").write_text("mounted\n")
    mounts = [{"source": str(tmp_path / "srv"), "destination": "/mnt", "readonly": True}]
    write(mounts=mounts, capabilities=["NET_BIND_SERVICE"], network="host")
    lines = run_bundle(runtime, dest.parent).splitlines()
    assert lines[:2] == ["uid=33(web) gid=34(www) groups=4(adm)", "mounted"]
    assert "CapEff:\t0000000000000400" in lines
    assert "NoNewPrivs:\t1" in lines


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_tree_is_as_it_was_after_a_run(
    unpack: t.Any, write: t.Any, root: pathlib.Path, dest: pathlib.Path, runtime: str
) -> None:
    """All mount points are there, so there is no drift."""
    unpack(runnable_image(Cmd=["sh", "-c", "touch /root/x || touch /tmp/x"], Volumes={"/data": {}}))
    write(args=["sh", "-c", "! touch /root/x"])
    before = listing(root)
    run_bundle(runtime, dest.parent)
    assert listing(root) == before


def test_umoci_converts_the_same_fields_to_the_same_values(
    unpack: t.Any, write: t.Any, tmp_path: pathlib.Path, run_module: t.Any
) -> None:
    """All that image-spec defines; the other fields differ by intention, see the comments in spec.py.

    umoci 0.4 prefers the field author to the label, adds TERM and HOME to the environment, rounds the creation time to
    its own format, and takes volumes for mounts with noexec.
    """
    if shutil.which("umoci") is None or not ROOT:
        pytest.skip("umoci is not installed, or the test does not run as root")
    labels = {"a": "b", "org.opencontainers.image.title": "t"}
    more = {"Labels": labels, "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "WorkingDir": "/etc"}
    found = images.image([images.layer(FILES)], config_members={"author": "me", "config": {**CONFIG, **more}})
    layout = images.write_layout(tmp_path / "peer", {"1.0": found})
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:1.0", str(tmp_path / "umoci")], check=True)
    theirs = json.loads((tmp_path / "umoci/config.json").read_bytes())
    unpack(found)
    ours = write()["config"]
    assert ours["annotations"] == theirs["annotations"]
    assert ours["process"]["args"] == theirs["process"]["args"]
    assert ours["process"]["cwd"] == theirs["process"]["cwd"]
    assert ours["process"]["user"] == theirs["process"]["user"]
    added = {"TERM=xterm", "HOME=/var/www"}
    assert ours["process"]["env"] == [text for text in theirs["process"]["env"] if text not in added]
    destinations = [{mount["destination"] for mount in config["mounts"]} for config in (ours, theirs)]
    assert destinations[0] == destinations[1]
