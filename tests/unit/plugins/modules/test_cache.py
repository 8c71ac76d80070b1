# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options cache and cache_size: downloaded once for all tasks of a host."""

from __future__ import annotations

import fcntl
import os
import pathlib
import random
import shutil
import stat
import tarfile
import threading
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply

LONG = 30
"""Seconds that no test waits unless it fails."""

NOISE = random.Random(12)
BASE = images.layer([images.file("base", NOISE.randbytes(300_000))], compression="none")
ONE = images.layer([images.file("one", NOISE.randbytes(100_000))], compression="none")
TWO = images.layer([images.file("two", NOISE.randbytes(50_000))], compression="none")
OLD, NEW = images.image([BASE, ONE]), images.image([BASE, TWO])
MODULES = pytest.mark.parametrize("name", ["oci_image_unpack", "oci_image_export", "oci_layout", "oci_archive"])


@pytest.fixture
def cache(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "lib" / "cache"


@pytest.fixture
def pull(run_module: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, cache: pathlib.Path) -> t.Any:
    registry.publish("app", {"1.0": OLD, "1.1": NEW})

    def run(name: str, **options: t.Any) -> t.Any:
        settings: dict[str, t.Any] = {"registry": registry.name, "repository": "app", "reference": "1.0", "retries": 0}
        settings |= {"dest": str(tmp_path / name), "cache": str(cache)}
        if name in ("oci_image_unpack", "oci_image_export"):
            settings["ownership"] = False
        result = run_module(name, **{**settings, **options})
        assert result.results.get("error", {}).get("kind") != "internal", result["msg"]
        return result

    return run


def check_content(name: str, dest: pathlib.Path, image: images.Image) -> None:
    if name == "oci_archive":
        with tarfile.open(dest) as archive:
            found = archive.extractfile("blobs/" + image.layers[-1].digest.replace(":", "/"))
            assert found is not None
            assert found.read() == image.layers[-1].data
    elif name == "oci_image_export":
        wanted = {OLD.digest: ["base", "one"], NEW.digest: ["base", "two"]}[image.digest]
        with tarfile.open(dest) as archive:
            assert archive.getnames() == [".", *wanted]
    elif name == "oci_layout":
        assert inspect_layout(str(dest)).problems == ()
        assert all(images.blob_path(dest, layer.digest).read_bytes() == layer.data for layer in image.layers)
    else:
        wanted = {OLD.digest: ["base", "one"], NEW.digest: ["base", "two"]}[image.digest]
        assert sorted(path.name for path in dest.iterdir()) == wanted


def layers_sent(registry: FaultyRegistry) -> list[str]:
    """The layers that were asked for, sorted."""
    found = [request.path.rpartition("/")[2] for request in registry.sent("/blobs/", method="GET")]
    return sorted(digest for digest in found if digest in (BASE.digest, ONE.digest, TWO.digest))


def in_cache(cache: pathlib.Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.rglob("*") if not path.is_dir()}


def names(*layers: images.Layer) -> set[str]:
    return {"blobs/" + layer.digest.replace(":", "/") for layer in layers}


def partial(cache: pathlib.Path, layer: images.Layer) -> pathlib.Path:
    return cache / ".oci_layout" / layer.digest.replace(":", "-")


@MODULES
def test_an_upgrade_downloads_only_what_is_new(
    pull: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, cache: pathlib.Path, name: str
) -> None:
    first = pull(name)
    assert (first["changed"], first["stats"]["cache_hits"], first["stats"]["cache_bytes"]) == (True, 0, 0)
    assert names(BASE, ONE) <= in_cache(cache)
    again = pull(name)
    assert (again["changed"], again["stats"]["cache_hits"]) == (False, 0)
    registry.clear()

    other = tmp_path / "other"
    second = pull(name, reference="1.1", dest=str(other))
    assert layers_sent(registry) == [TWO.digest]
    assert (second["stats"]["cache_hits"], second["stats"]["cache_bytes"]) == (1, len(BASE.data))
    assert second["stats"]["downloaded_bytes"] < len(TWO.data) + 10_000
    check_content(name, other, NEW)
    assert second.warnings == []


def test_the_modules_share_a_cache(pull: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path) -> None:
    assert not pull("oci_image_unpack").failed
    registry.clear()
    run = pull("oci_layout")
    assert layers_sent(registry) == []
    assert run["stats"]["cache_hits"] == 2
    check_content("oci_layout", tmp_path / "oci_layout", OLD)


@MODULES
def test_nothing_is_said_about_a_cache_that_is_not_used(pull: t.Any, cache: pathlib.Path, name: str) -> None:
    assert not {"cache_hits", "cache_bytes"} & set(pull(name, cache=None)["stats"])
    assert not cache.parent.exists()


@MODULES
def test_an_archive_needs_no_cache(run_module: t.Any, tmp_path: pathlib.Path, cache: pathlib.Path, name: str) -> None:
    images.write_layout(tmp_path / "source", {"1.0": OLD})
    options: dict[str, t.Any] = {"ownership": False} if name == "oci_image_unpack" else {}
    dest = str(tmp_path / "made")
    run = run_module(name, layout=str(tmp_path / "source"), dest=dest, cache=str(cache), **options)
    assert run["changed"] is True
    assert not cache.parent.exists()


@MODULES
def test_check_mode_writes_nothing(pull: t.Any, cache: pathlib.Path, name: str) -> None:
    assert pull(name, check=True)["changed"] is True
    assert not cache.parent.exists()


def test_a_cache_is_private(pull: t.Any, cache: pathlib.Path) -> None:
    assert not pull("oci_image_unpack").failed
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert all(not stat.S_IMODE(path.stat().st_mode) & 0o077 for path in cache.rglob("*"))


@MODULES
def test_a_download_that_broke_off_is_resumed(
    pull: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, cache: pathlib.Path, name: str
) -> None:
    registry.on(BASE.digest, Reply(cut=200_000), times=1)
    assert pull(name)["error"]["kind"] == "connection"
    begun = partial(cache, BASE).stat().st_size
    assert begun
    registry.clear()
    assert not pull(name).failed
    assert registry.sent(BASE.digest)[0].header("Range") == f"bytes={begun}-"
    check_content(name, tmp_path / name, OLD)
    assert not list((cache / ".oci_layout").iterdir())


@MODULES
def test_a_part_with_wrong_bytes_is_downloaded_again(
    pull: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, cache: pathlib.Path, name: str
) -> None:
    partial(cache, BASE).parent.mkdir(0o700, parents=True)
    cache.chmod(0o700)
    partial(cache, BASE).write_bytes(b"wrong" * 1000)
    assert not pull(name).failed
    check_content(name, tmp_path / name, OLD)


def remove(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def damage(path: pathlib.Path, how: str) -> None:
    if how == "changed":
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    elif how == "truncated":
        os.truncate(path, 1000)
    else:
        path.unlink()
        if how == "fifo":
            os.mkfifo(path)
        else:
            path.symlink_to("/etc/passwd")


@MODULES
@pytest.mark.parametrize("how", ["changed", "truncated", "fifo", "symlink"])
def test_a_damaged_blob_is_removed_and_downloaded_again(
    pull: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, cache: pathlib.Path, name: str, how: str
) -> None:
    assert not pull(name).failed
    remove(tmp_path / name)
    damage(images.blob_path(cache, BASE.digest), how)
    registry.clear()
    run = pull(name)
    assert not run.failed, run["msg"]
    assert [warning for warning in run.warnings if BASE.digest in warning and "damaged" in warning]
    assert len(run.warnings) == 1
    assert layers_sent(registry) == [BASE.digest]
    check_content(name, tmp_path / name, OLD)
    assert images.blob_path(cache, BASE.digest).read_bytes() == BASE.data


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("how", ["writable", "parent", "layout", "files", "owner"])
@MODULES
def test_directories_that_are_refused(
    pull: t.Any, cache: pathlib.Path, tmp_path: pathlib.Path, name: str, how: str, check: bool
) -> None:
    cache.mkdir(0o700, parents=True)
    if how == "writable":
        cache.chmod(0o777)
    elif how == "parent":
        cache.parent.chmod(0o777)
    elif how == "layout":
        images.write_layout(cache, {"1.0": OLD})
    elif how == "files":
        (cache / "precious").write_bytes(b"precious")
    elif os.geteuid() == 0:
        os.chown(cache, 65534, 65534)
    else:
        pytest.skip("only root can give a directory to another user")
    run = pull(name, check=check)
    assert run["error"]["kind"] == "destination", run["msg"]
    assert str(cache) in run["msg"]
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("below", [".oci_layout", "blobs", "blobs/sha256"])
def test_a_directory_in_the_cache_that_others_can_write_to_is_refused(
    pull: t.Any, cache: pathlib.Path, below: str
) -> None:
    (cache / below).mkdir(0o700, parents=True)
    (cache / below).chmod(0o777)
    run = pull("oci_image_unpack")
    assert run["error"]["kind"] == "destination", run["msg"]
    assert "write to it" in run["msg"]


@MODULES
def test_the_least_recently_used_goes_first(
    pull: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, cache: pathlib.Path, name: str
) -> None:
    assert not pull(name).failed
    for number, layer in enumerate((BASE, ONE)):
        os.utime(images.blob_path(cache, layer.digest), (number, number))
    run = pull(name, reference="1.1", dest=str(tmp_path / "other"), cache_size=len(BASE.data) + len(TWO.data) + 5000)
    assert not run.failed, run["msg"]
    # the base was older than the layer of the old image, but this task has used it
    assert names(BASE, TWO) <= in_cache(cache)
    assert not names(ONE) & in_cache(cache)


@MODULES
def test_a_cache_of_no_size_keeps_nothing(pull: t.Any, tmp_path: pathlib.Path, cache: pathlib.Path, name: str) -> None:
    partial(cache, TWO).parent.mkdir(0o700, parents=True)
    cache.chmod(0o700)
    partial(cache, TWO).write_bytes(b"left by a task that was killed")
    assert not pull(name, cache_size="0").failed
    assert in_cache(cache) == set()
    check_content(name, tmp_path / name, OLD)


def test_a_blob_that_a_task_uses_stays(pull: t.Any, tmp_path: pathlib.Path, cache: pathlib.Path) -> None:
    assert not pull("oci_layout").failed
    with open(images.blob_path(cache, BASE.digest), "rb") as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        assert not pull("oci_layout", dest=str(tmp_path / "other"), cache_size="0").failed
        assert in_cache(cache) == names(BASE)


@MODULES
def test_a_blob_that_another_task_downloads_for_too_long_comes_past_the_cache(
    pull: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, cache: pathlib.Path, name: str
) -> None:
    partial(cache, BASE).parent.mkdir(0o700, parents=True)
    cache.chmod(0o700)
    with open(partial(cache, BASE), "wb") as other:
        other.write(BASE.data[:1000])
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not pull(name, lock_timeout=0).failed
    assert partial(cache, BASE).read_bytes() == BASE.data[:1000]
    assert registry.sent(BASE.digest)[0].header("Range") is None
    check_content(name, tmp_path / name, OLD)


@MODULES
def test_a_task_waits_for_the_download_of_another_one(
    pull: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, cache: pathlib.Path, name: str
) -> None:
    file = partial(cache, BASE)
    file.parent.mkdir(0o700, parents=True)
    cache.chmod(0o700)
    asked = threading.Event()
    registry.on(ONE.digest, lambda request: asked.set())
    with open(file, "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def finish() -> None:
            asked.wait(LONG)  # the task has opened the cache
            other.write(BASE.data)
            other.flush()
            file.rename(images.blob_path(cache, BASE.digest))
            fcntl.flock(other, fcntl.LOCK_UN)

        finishing = threading.Thread(target=finish)
        finishing.start()
        run = pull(name, lock_timeout=LONG)
        finishing.join()
    assert layers_sent(registry) == [ONE.digest]
    assert run["stats"]["cache_hits"] == 1
    check_content(name, tmp_path / name, OLD)


@MODULES
def test_a_size_that_is_no_number_is_refused(pull: t.Any, name: str) -> None:
    assert "cache_size" in pull(name, cache_size="-1")["msg"]
