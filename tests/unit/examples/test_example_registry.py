# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example registry is valid, equals what build_registry.py builds, and has the upgrade that the guides show."""

from __future__ import annotations

import filecmp
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import zlib

import ansible_collections.attested.registry
import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._layout.layout import Layout
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest

COLLECTION = pathlib.Path(ansible_collections.attested.registry.__path__[0])
EXAMPLES = COLLECTION / "examples"
APP, GREETER = EXAMPLES / "registry" / "com.example.app", EXAMPLES / "registry" / "com.example.greeter"


def sound(path: pathlib.Path) -> Layout:
    inspection = inspect_layout(str(path))
    assert (inspection.problems, inspection.warnings, inspection.orphans) == ((), (), ())
    return inspection.layout


def read(layout: Layout, digest: str) -> bytes:
    path = pathlib.Path(layout.path, "blobs", *digest.split(":"))
    return path.read_bytes()


def layers(layout: Layout, digest: str) -> list[dict[str, tarfile.TarInfo]]:
    found = []
    for layer in json.loads(read(layout, digest))["layers"]:
        with tarfile.open(fileobj=io.BytesIO(read(layout, layer["digest"]))) as archive:
            found.append({member.name: member for member in archive})
    return found


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in (EXAMPLES / "registry").rglob("*") if path.is_file()) < 20_000


def _build(path: pathlib.Path) -> pathlib.Path:
    subprocess.run([sys.executable, "-I", str(EXAMPLES / "build_registry.py"), str(path)], check=True)
    return path


def _differences(compared: filecmp.dircmp[str]) -> list[str]:
    found = compared.left_only + compared.right_only
    found += filecmp.cmpfiles(compared.left, compared.right, compared.common_files, shallow=False)[1]
    return found + [name for inner in compared.subdirs.values() for name in _differences(inner)]


def test_the_script_always_builds_the_same(tmp_path: pathlib.Path) -> None:
    one, two = _build(tmp_path / "one"), _build(tmp_path / "two")
    assert _differences(filecmp.dircmp(one, two)) == []
    assert _differences(filecmp.dircmp(_build(two), one)) == []


@pytest.mark.skipif("ng" in zlib.ZLIB_RUNTIME_VERSION, reason="zlib-ng compresses to other bytes than zlib")
def test_it_is_what_the_script_builds(tmp_path: pathlib.Path) -> None:
    assert _differences(filecmp.dircmp(_build(tmp_path / "new"), EXAMPLES / "registry")) == []


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_app(architecture: str) -> None:
    layout = sound(APP)
    assert list(layout.tags) == ["stable"]
    index = json.loads(read(layout, str(layout.tags["stable"])))
    (digest,) = (entry["digest"] for entry in index["manifests"] if entry["platform"]["architecture"] == architecture)
    first, second, third = layers(layout, digest)
    assert {"bin", "layer1", "etc/my-app.d/old.cfg"} <= set(first)
    assert {"lib", "layer2", "etc/my-app.d/.wh.old.cfg"} <= set(second)
    assert {"usr", "layer3"} <= set(third)
    assert second["lib/libexample.so"].issym()
    assert third["usr/bin/my-helper"].mode == 0o4755
    assert third["usr/bin/my-helper-again"].islnk()
    config = json.loads(read(layout, json.loads(read(layout, digest))["config"]["digest"]))
    assert (config["config"]["User"], config["architecture"]) == ("alice", architecture)
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"]) == 3


def test_greeter_has_an_upgrade_for_two_platforms() -> None:
    layout = sound(GREETER)
    assert layout.tags["latest"] == layout.tags["1.1"] != layout.tags["1.0"]
    bases = []
    for tag, count in (("1.0", 1), ("1.1", 2)):
        index = json.loads(read(layout, str(layout.tags[tag])))
        assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
        for entry in index["manifests"]:
            manifest = json.loads(read(layout, entry["digest"]))
            assert len(manifest["layers"]) == count
            bases.append(manifest["layers"][0]["digest"])
            config = json.loads(read(layout, manifest["config"]["digest"]))
            archives = [zlib.decompress(read(layout, item["digest"]), 31) for item in manifest["layers"]]
            assert config["rootfs"]["diff_ids"] == [str(Digest.of(archive)) for archive in archives]
    assert len(set(bases)) == 1
