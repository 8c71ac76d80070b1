# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that fails or is killed at any writing system call is completed by the next run."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import tarfile
import tempfile
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._unpack import layers
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.signatures import (
    SigningKey,
    signature_tag,
    signatures,
    simple_signing,
)
from ansible_collections.attested.registry.tests.support.processes.interruptions import interruptions
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

pytestmark = pytest.mark.slow

DATA = bytes(range(256)) * 40
OLD = images.image([images.layer([images.file("old")])])
NEW = images.image([images.layer([images.file("new")])])

TITLE = "org.opencontainers.image.title"

Tree = dict[str, tuple[t.Any, ...]]


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls of a second process would not be counted."""
    monkeypatch.setattr(layers, "is_worth_it", lambda: False)


@pytest.fixture
def place(memory: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """A path in memory: thousands of runs there wait for no disk."""
    above = pathlib.Path(tempfile.mkdtemp(dir=memory))
    yield above / "place"
    shutil.rmtree(above)


def tree(root: pathlib.Path) -> Tree:
    """All that is below a directory, and how."""
    found = {}
    for path in sorted(root.rglob("*")):
        about = path.lstat()
        found[str(path.relative_to(root))] = (oct(about.st_mode), about.st_uid, about.st_gid, content(path))
    return found


def content(path: pathlib.Path) -> t.Any:
    """The content of a file, without the inode number and whether the directory was made in a record file."""
    if path.name == ".oci_artifact.json":
        return {**json.loads(path.read_text()), "made": None}
    if path.name.endswith(".oci-layers"):
        return {**json.loads(path.read_text()), "inode": None}
    return path.read_bytes() if path.is_file() else None


def walked(work: t.Any, fault: str, prepare: t.Any, check: t.Callable[[], None]) -> None:
    """Interrupts work at each of its calls, and checks that a second run brings what an uninterrupted one does."""
    prepare()
    assert not work().failed
    wanted = tree(work.place)
    calls = []
    for interrupted in interruptions(lambda: work().results, fault, prepare):
        calls.append(interrupted.call)
        where = f"{fault} at {interrupted.number}, {interrupted.call}"
        if interrupted.result is not None and interrupted.result.get("failed"):
            assert interrupted.result["error"]["kind"] != "internal", (where, interrupted.result["msg"])
        check()
        again = work()
        assert not again.failed, (where, again["msg"])
        assert tree(work.place) == wanted, where
        assert work()["changed"] is False, where
    assert len(calls) > 8
    assert {"mkdir", "unlink", "rename", "write"} & set(calls), calls


class Work:
    """A task with its options."""

    def __init__(self, run_module: t.Any, name: str, place: pathlib.Path, **options: t.Any) -> None:
        self.place = place
        self._run, self._name, self._options = run_module, name, options

    def __call__(self) -> t.Any:
        return self._run(self._name, **self._options)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ["kill", "EIO"])
def test_the_note_of_a_signature(run_module: t.Any, registry: FaultyRegistry, place: pathlib.Path, fault: str) -> None:
    """A tree that was unpacked without the option signature stays, with a stamp from before or after."""
    key = SigningKey.make("p256")
    place.mkdir()
    signed = signatures([simple_signing(key, OLD.digest, f"{registry.name}/team/app")])
    registry.publish("team/app", {"old": OLD, signature_tag(OLD.digest): signed})
    options = {"registry": registry.name, "repository": "team/app", "reference": "old", "dest": str(place / "tree")}
    assert run_module("oci_image_unpack", **options)["changed"]
    stamp = place / ".tree.oci" / "generations" / "1" / "stamp.json"
    before = stamp.read_bytes()
    options["signature"] = {"keys": [key.write(place / "key.pub")]}
    calls = []

    def work() -> t.Any:
        return run_module("oci_image_unpack", **options).results

    for interrupted in interruptions(work, fault, lambda: stamp.write_bytes(before)):
        calls.append(interrupted.call)
        if interrupted.result is not None and interrupted.result.get("failed"):
            assert interrupted.result["error"]["kind"] == "filesystem", (interrupted.call, interrupted.result["msg"])
        noted = json.loads(stamp.read_bytes())["signature"]
        again = work()
        assert again["changed"] is False
        assert noted in (None, again["signature"])
        assert work()["stats"]["requests"] == 1
        assert [path.name for path in stamp.parent.iterdir() if ".new" in path.name] == []
    assert "rename" in calls, calls


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ["kill", "EIO"])
def test_mount_points(run_module: t.Any, place: pathlib.Path, tmp_path: pathlib.Path, fault: str) -> None:
    """There is the whole tree with its mount points, or none."""
    layout = images.write_layout(tmp_path / "layout", {"1.0": OLD})
    dest = place / "tree"
    options = {"layout": str(layout), "reference": "1.0", "dest": str(dest)}
    options |= {"mount_points": ["/proc", "/a/b"], "mount_files": ["/etc/resolv.conf"]}

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()

    def work() -> t.Any:
        return run_module("oci_image_unpack", **options).results

    calls = []
    for interrupted in interruptions(work, fault, prepare):
        calls.append(interrupted.call)
        if interrupted.result is not None and interrupted.result.get("failed"):
            assert interrupted.result["error"]["kind"] == "filesystem", (interrupted.call, interrupted.result["msg"])
        names = sorted(str(path.relative_to(dest)) for path in dest.rglob("*")) if dest.exists() else None
        assert names in (None, ["a", "a/b", "etc", "etc/resolv.conf", "old", "proc"])
        again = work()
        assert again.get("failed") is None
        assert again["changed"] or dest.exists()
        assert work()["changed"] is False
        assert sorted(path.name for path in (place / ".tree.oci").iterdir()) == ["generations", "lock", "state.json"]
    assert calls.count("mkdir") > 5, calls


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ["kill", "EIO"])
@pytest.mark.parametrize("is_new", [True, False])
def test_oci_blob(run_module: t.Any, registry: FaultyRegistry, place: pathlib.Path, is_new: bool, fault: str) -> None:
    dest = place / "a/b/blob" if is_new else place / "blob"
    digest = registry.add_blob("team/app", DATA)
    work = Work(
        run_module, "oci_blob", place, registry=registry.name, repository="team/app", digest=digest, dest=str(dest)
    )

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if not is_new:
            dest.write_bytes(b"old")
            dest.chmod(0o664)
            if os.geteuid() == 0:
                os.chown(dest, 65534, 65534)

    def check() -> None:
        assert (dest.read_bytes() if dest.exists() else b"old") in (b"old", DATA)

    walked(work, fault, prepare, check)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ["kill", "EIO"])
@pytest.mark.parametrize("is_new", [True, False])
def test_oci_layer_unpack(
    run_module: t.Any, place: pathlib.Path, tmp_path: pathlib.Path, is_new: bool, fault: str
) -> None:
    lower = images.layer(
        [images.directory("etc"), images.file("etc/old", b"1"), images.directory("root"), images.file("gone/x", b"2")]
    )
    upper = images.layer(
        [
            images.file("sub/x/a", b"1"),
            images.directory("private", mode=0o750),
            images.file("private/b", b"2"),
            images.file("etc/new", b"3"),
            images.whiteout("etc/old"),
            images.whiteout("gone"),
        ]
    )
    for layer in (lower, upper):
        (tmp_path / layer.diff_id).write_bytes(layer.data)
    dest = place / "a/b/tree" if is_new else place / "tree"
    options = {"dest": str(dest), "ownership": os.geteuid() == 0}
    work = Work(
        run_module, "oci_layer_unpack", place, src=str(tmp_path / upper.diff_id), diff_id=upper.diff_id, **options
    )

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if not is_new:
            run = run_module("oci_layer_unpack", src=str(tmp_path / lower.diff_id), diff_id=lower.diff_id, **options)
            assert not run.failed
            (dest / "root").chmod(0o700)

    walked(work, fault, prepare, lambda: None)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ["kill", "EIO", "ENOSPC"])
@pytest.mark.parametrize("is_new", [True, False])
def test_oci_archive(
    run_module: t.Any, registry: FaultyRegistry, place: pathlib.Path, is_new: bool, fault: str
) -> None:
    dest = place / "a/b/app.tar" if is_new else place / "app.tar"
    registry.publish("team/app", {"old": OLD, "new": NEW})
    options = {"registry": registry.name, "repository": "team/app", "dest": str(dest), "mode": "0640"}
    if os.geteuid() == 0:
        options["owner"] = "nobody"
    work = Work(run_module, "oci_archive", place, reference="new", **options)

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if not is_new:
            assert not run_module("oci_archive", reference="old", **options).failed

    def check() -> None:
        if dest.exists() or not is_new:
            found = run_module("oci_image_info", layout=str(dest))
            assert found["image"]["digest"] in (OLD.digest, NEW.digest)
            assert dest.stat().st_mode & 0o777 == 0o640

    walked(work, fault, prepare, check)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ["kill", "EIO", "ENOSPC"])
@pytest.mark.parametrize("is_new", [True, False])
def test_oci_image_export(
    run_module: t.Any, registry: FaultyRegistry, place: pathlib.Path, is_new: bool, fault: str
) -> None:
    dest = place / "a/b/app.tar" if is_new else place / "app.tar"
    registry.publish("team/app", {"old": OLD, "new": NEW})
    options = {"registry": registry.name, "repository": "team/app", "dest": str(dest), "mode": "0640"}
    options |= {"ownership": os.geteuid() == 0}
    work = Work(run_module, "oci_image_export", place, reference="new", **options)

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if not is_new:
            assert not run_module("oci_image_export", reference="old", **options).failed

    def check() -> None:
        if dest.exists() or not is_new:
            with tarfile.open(dest) as archive:
                assert archive.getnames() in ([".", "old"], [".", "new"])
            assert dest.stat().st_mode & 0o777 == 0o640

    walked(work, fault, prepare, check)


def artifact(**files: bytes) -> images.Image:
    """An artifact with these files."""
    return images.image(
        [
            images.layer(data, compression="none", media_type="text/plain", annotations={TITLE: name})
            for name, data in files.items()
        ]
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ["kill", "EIO", "ENOSPC"])
@pytest.mark.parametrize("is_new", [True, False])
def test_oci_artifact(
    run_module: t.Any, registry: FaultyRegistry, place: pathlib.Path, is_new: bool, fault: str
) -> None:
    dest = place / "a/b/files" if is_new else place / "files"
    registry.publish("team/app", {"old": artifact(gone=b"gone", both=b"old"), "new": artifact(both=b"new", added=DATA)})
    options = {"registry": registry.name, "repository": "team/app", "dest": str(dest), "mode": "0640"}
    work = Work(run_module, "oci_artifact", place, reference="new", **options)

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if not is_new:
            assert not run_module("oci_artifact", reference="old", **options).failed

    def check() -> None:
        allowed = {"gone": [b"gone"], "both": [b"old", b"new"], "added": [DATA]}
        for path in dest.glob("[!.]*"):
            assert path.read_bytes() in allowed[path.name]

    walked(work, fault, prepare, check)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ["kill", "EIO", "ENOSPC"])
@pytest.mark.parametrize("is_new", [True, False])
def test_oci_layout(run_module: t.Any, registry: FaultyRegistry, place: pathlib.Path, is_new: bool, fault: str) -> None:
    dest = place / "a/b/layout" if is_new else place / "layout"
    signature = images.artifact("application/vnd.example.signature", [], changes={"subject": NEW.descriptor()})
    registry.publish("team/app", {"old": OLD, "new": NEW})
    registry.add_content("team/app", signature)
    options = {"registry": registry.name, "repository": "team/app", "dest": str(dest), "referrers": True}
    if os.geteuid() == 0:
        options["owner"] = "nobody"
    work = Work(run_module, "oci_layout", place, reference="new", **options)

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if not is_new:
            assert not run_module("oci_layout", reference="old", **options).failed

    def check() -> None:
        if (dest / "oci-layout").exists():
            inspection = inspect_layout(str(dest))
            assert not inspection.problems
            assert set(inspection.layout.tags) in ({"old"}, {"old", "new"}, {"new"})
            assert bool(inspection.layout.referrers) == ("new" in inspection.layout.tags)

    walked(work, fault, prepare, check)


@pytest.mark.exhaustive
def test_many_tags_of_a_layout(run_module: t.Any, registry: FaultyRegistry, place: pathlib.Path) -> None:
    """The option tags_from sets and removes all tags at once."""
    new = images.image(OLD.layers, annotations={"org.example": "new"})
    registry.publish("team/app", {"1": OLD, "2": new, "3": new})
    dest = place / "layout"
    options = {"registry": registry.name, "repository": "team/app", "dest": str(dest)}
    work = Work(run_module, "oci_layout", place, tags_from={"newest": 2, "prune": True}, **options)

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        assert not run_module("oci_layout", reference="1", **options).failed

    def check() -> None:
        inspection = inspect_layout(str(dest))
        assert not inspection.problems
        assert set(inspection.layout.tags) in ({"1"}, {"2", "3"})

    walked(work, "kill", prepare, check)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ["kill", "EIO", "ENOSPC"])
def test_a_cache(run_module: t.Any, registry: FaultyRegistry, place: pathlib.Path, fault: str) -> None:
    """The layout comes from the cache, whose blobs are right whenever they have their names."""
    registry.publish("team/app", {"new": NEW})
    cache = place / "cache"
    options = {"registry": registry.name, "repository": "team/app", "dest": str(place / "layout"), "cache": str(cache)}
    work = Work(run_module, "oci_layout", place, reference="new", **options)

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()

    def check() -> None:
        for path in (cache / "blobs" / "sha256").glob("*"):
            assert images.digest_of(path.read_bytes()) == f"sha256:{path.name}"

    walked(work, fault, prepare, check)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ["kill", "EIO", "ENOSPC"])
@pytest.mark.parametrize("is_new", [True, False])
def test_oci_login(run_module: t.Any, registry: FaultyRegistry, place: pathlib.Path, is_new: bool, fault: str) -> None:
    """The file has the old or the new login, and never more than its owner may read it."""
    file = place / "a/b/auth.json" if is_new else place / "auth.json"
    options = {"registry": registry.name, "auth_file": str(file), "verify": False}
    work = Work(run_module, "oci_login", place, username="new", password="new", **options)

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if not is_new:
            assert not run_module("oci_login", username="old", password="old", **options).failed

    def check() -> None:
        for path in place.rglob("*auth.json*"):
            assert path.stat().st_mode & 0o077 == 0
        if file.exists():
            assert json.loads(file.read_text())["auths"][registry.name]["auth"] in ("b2xkOm9sZA==", "bmV3Om5ldw==")
        else:
            assert is_new

    walked(work, fault, prepare, check)
