# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules work with unusual signals, mounts, users and locales, in processes of their own."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.processes import children
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

pytestmark = pytest.mark.slow

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_mounts = pytest.mark.skipif(not children.may_mount(), reason="needs mounts of its own")

RUN = """
import runpy, sys
import ansible.module_utils.basic as basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.argv[2].encode(), "legacy"
name = "ansible_collections.attested.registry.plugins.modules." + sys.argv[1]
runpy.run_module(name, run_name="__main__", alter_sys=True)
"""
IGNORING_SIGCHLD = (
    sys.executable,
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])",
)
WITHOUT_PROC = ("unshare", "-m", "sh", "-c", 'umount -l /proc && exec "$@"', "sh")
C_LOCALE = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def read_only(path: pathlib.Path) -> tuple[str, ...]:
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    return ("unshare", "-m", "sh", "-c", script, str(path))


def run(
    name: str,
    *,
    prefix: t.Sequence[str] = (),
    env: t.Mapping[str, str] | None = None,
    check: bool = False,
    **options: t.Any,
) -> dict[str, t.Any]:
    settings = {"_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False, "_ansible_check_mode": check}
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, **settings}})
    done = subprocess.run(
        [*prefix, sys.executable, "-c", RUN, name, arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(env or {})},
        capture_output=True,
        check=False,
    )
    found = [line for line in done.stdout.decode().splitlines() if line.startswith("{")]
    assert found, done.stderr.decode()
    result: dict[str, t.Any] = json.loads(found[-1])
    return result


@pytest.fixture
def shared() -> t.Iterator[pathlib.Path]:
    """A directory that every user may reach."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="unpack-", dir="/dev/shm"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def image(registry: FaultyRegistry, old: images.Image) -> dict[str, t.Any]:
    """The options that name an image."""
    registry.publish("team/app", {"1": old})
    return {"registry": registry.name, "repository": "team/app", "platform": "linux/amd64", "retries": 0}


@pytest.fixture
def layer(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    """The options that name a layer file."""
    path = tmp_path / "layer.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("file"))
    return {"src": str(path), "diff_id": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"}


def test_the_parent_may_ignore_the_end_of_children(image: dict[str, t.Any], tmp_path: pathlib.Path) -> None:
    asked = {**image, "reference": "1", "dest": str(tmp_path / "tree"), "ownership": False}
    found = [run("oci_image_unpack", prefix=IGNORING_SIGCHLD, **asked) for dummy in range(2)]
    assert [result.get("changed") for result in found] == [True, False], found


@needs_mounts
@pytest.mark.parametrize("user", ["root", "ordinary"])
def test_proc_need_not_be_mounted(image: dict[str, t.Any], shared: pathlib.Path, user: str) -> None:
    place = shared / "place"
    place.mkdir()
    prefix = list(WITHOUT_PROC)
    if user == "ordinary":
        os.chown(place, children.NOBODY, children.NOBODY)
        ordinary = ["setpriv", f"--reuid={children.NOBODY}", "--clear-groups"]
        if subprocess.run([*ordinary, sys.executable, "-c", ""], capture_output=True, check=False).returncode != 0:
            pytest.skip("this Python is in a directory that is closed to ordinary users, such as root's home")
        prefix += ordinary
    asked = {**image, "reference": "1", "dest": str(place / "tree"), "ownership": False}
    for options in ({}, {"drift": "content"}, {"state": "absent"}):
        result = run("oci_image_unpack", prefix=prefix, **{**asked, **options})
        assert not result.get("failed"), result["msg"]
    assert os.listdir(place) == []


@pytest.mark.exhaustive
@needs_mounts
@pytest.mark.parametrize("check", [False, True])
def test_a_task_with_nothing_to_change_needs_no_writable_file_system(
    image: dict[str, t.Any], layer: dict[str, t.Any], old: images.Image, tmp_path: pathlib.Path, check: bool
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    tasks: list[tuple[str, dict[str, t.Any]]] = [
        ("oci_image_unpack", {**image, "reference": "1", "dest": str(place / "tree"), "ownership": False}),
        ("oci_image_unpack", {"dest": str(place / "nothing"), "state": "absent"}),
        ("oci_layout", {**image, "reference": "1", "dest": str(place / "layout")}),
        ("oci_archive", {**image, "reference": "1", "dest": str(place / "archive")}),
        ("oci_image_export", {**image, "reference": "1", "dest": str(place / "exported"), "ownership": False}),
        ("oci_blob", {**without(image, "platform"), "digest": old.children[1].digest, "dest": str(place / "blob")}),
        ("oci_layer_unpack", {**layer, "dest": str(place / "applied"), "ownership": False}),
    ]
    for name, options in tasks:
        assert not run(name, **options).get("failed"), name
    for name, options in tasks:
        result = run(name, prefix=read_only(place), check=check, **options)
        assert result.get("changed") is False, (name, result)
    changing = {**tasks[0][1], "xattrs": "skip"}
    result = run("oci_image_unpack", prefix=read_only(place), check=check, **changing)
    assert result["changed"] if check else result["error"]["errno"] == "EROFS"


def without(options: dict[str, t.Any], name: str) -> dict[str, t.Any]:
    return {key: value for key, value in options.items() if key != name}


@needs_root
def test_an_owner_outside_of_the_user_namespace_is_named(
    registry: FaultyRegistry, image: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    registry.publish("team/app", {"1": images.image([images.layer([images.file("f", b"", uid=1516583, gid=42)])])})
    asked = {**image, "reference": "1", "dest": str(tmp_path / "tree")}
    if subprocess.run(["unshare", "-r", "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs user namespaces")
    result = run("oci_image_unpack", prefix=["unshare", "-r"], **asked)
    for words in ("the user id 1516583", "the group id 42", "user namespace", "ownership: false"):
        assert words in result["msg"]
    for changed in (True, False):
        result = run("oci_image_unpack", prefix=["unshare", "-r"], ownership=False, **asked)
        assert result.get("changed") is changed, result


def test_paths_are_utf_8_in_every_locale(
    image: dict[str, t.Any], layer: dict[str, t.Any], old: images.Image, tmp_path: pathlib.Path
) -> None:
    place = tmp_path / "m\xfcnchen"
    place.mkdir()
    tasks: list[tuple[str, dict[str, t.Any]]] = [
        ("oci_image_unpack", {**image, "reference": "1", "dest": str(place / "b\xe4ume"), "ownership": False}),
        ("oci_layout", {**image, "reference": "1", "dest": str(place / "schr\xe4ge")}),
        ("oci_archive", {**image, "reference": "1", "dest": str(place / "fl\xf6he.tar")}),
        ("oci_image_export", {**image, "reference": "1", "dest": str(place / "s\xe4tze.tar"), "ownership": False}),
        ("oci_blob", {**without(image, "platform"), "digest": old.children[1].digest, "dest": str(place / "\u20ac")}),
        ("oci_layer_unpack", {**layer, "dest": str(place / "sch\xf6n"), "ownership": False}),
    ]
    for changed, env in ((True, C_LOCALE), (False, {"PYTHONUTF8": "1"}), (False, C_LOCALE)):
        for name, options in tasks:
            result = run(name, env=env, **options)
            assert result.get("changed") is changed, (name, env, result)
            assert result.get("dest", options["dest"]) == options["dest"]
    names = {os.fsencode(name) for name in os.listdir(place)}
    assert {"b\xe4ume".encode(), "schr\xe4ge".encode(), "\u20ac".encode(), "sch\xf6n".encode()} <= names
    result = run("oci_image_unpack", env=C_LOCALE, dest=str(place / "sch\xf6n"), state="absent")
    assert f"The destination {place}/sch\xf6n cannot be used" in result["msg"]
