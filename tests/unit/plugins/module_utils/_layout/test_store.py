# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A layout stays valid while it is written to: killed at any system call, on a full disk, raced by another user."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import CollectionError
from ansible_collections.attested.registry.plugins.module_utils._layout.errors import LayoutError, NoSpace, WriteFailed
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._layout.orphans import find_orphans
from ansible_collections.attested.registry.plugins.module_utils._layout.store import opened_store
from ansible_collections.attested.registry.plugins.module_utils._layout.view import LayoutView
from ansible_collections.attested.registry.plugins.module_utils._oci.descriptor import Descriptor
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._server.content.loading import load_snapshot
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.syscalls import exchange
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.processes import children

OLD = images.image([images.layer([images.file("old")])])
NEW = images.index([images.image([images.layer([images.file("new")])]), OLD])
STEPS = ("rename", "mkdir", "open", "fsync", "fchmod", "unlink", "rmdir")


def add(path: pathlib.Path, tag: str, content: images.Content) -> None:
    """Add an image and a tag as a task does, without a registry."""
    with opened_store(str(path), timeout=5) as store:
        for text, data in content.blobs().items():
            digest = Digest.parse(text)
            if store.view.size_of(digest) is None:
                store.write(digest, data)
        store.publish(store.view.index.with_tag(tag, Descriptor.from_json(content.descriptor(), where="test")))


def tags(path: pathlib.Path) -> dict[str, str]:
    inspection = inspect_layout(str(path))
    assert [problem.message for problem in inspection.problems] == []
    return {tag: str(digest) for tag, digest in inspection.layout.tags.items()}


def killed_at(number: int, work: t.Callable[[], None]) -> bool:
    """Runs work in a process that is killed at its so-and-so-many-th system call; whether it was."""
    child = os.fork()
    if child == 0:
        left = [number]

        def deadly(call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
            def counted(*args: t.Any, **options: t.Any) -> t.Any:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*args, **options)

            return counted

        for name in STEPS:
            setattr(os, name, deadly(getattr(os, name)))
        work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.exhaustive
@pytest.mark.parametrize("is_new", [True, False])
def test_killed_at_every_step(tmp_path: pathlib.Path, is_new: bool) -> None:
    """Readers find nothing, the old tags or the new ones, always whole; and the next run finishes the work."""
    number, states = 0, []
    before = {} if is_new else {"old": OLD.digest}
    after = {**before, "new": NEW.digest}
    while True:
        number += 1
        path = tmp_path / str(number) / "layout"
        path.parent.mkdir()
        if not is_new:
            add(path, "old", OLD)
        died = killed_at(number, lambda path=path: add(path, "new", NEW))  # type: ignore[misc]
        state = tags(path) if (path / "oci-layout").exists() else {}
        states.append(state)
        assert state in (before, after)
        snapshot = load_snapshot(str(path.parent))
        if (path / "oci-layout").exists():
            assert set(snapshot.repositories["layout"].tag_names) == set(state)
        add(path, "new", NEW)
        assert tags(path) == after
        assert not (path / ".oci_layout").exists()
        if not died:
            break
    assert len(states) > 30
    assert states == sorted(states, key=len)


@pytest.mark.exhaustive
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_user_leads_no_layout_out_of_their_directory(tmp_path: pathlib.Path) -> None:
    """The directory is exchanged for a link to one of root's before any one of the system calls."""
    roots = tmp_path / "roots"
    (roots / "layout").mkdir(parents=True)
    home, number = tmp_path / "home", 0
    while True:
        number += 1
        (home / "own").mkdir(parents=True)
        (home / "link").symlink_to(roots)
        for path in (home, home / "own", home / "link"):
            os.chown(path, children.NOBODY, -1, follow_symlinks=False)
        with pytest.MonkeyPatch.context() as patch:
            left = exchange_at(number, home, patch)
            with contextlib.suppress(CollectionError):
                add(home / "own/layout", "new", NEW)
        assert [str(path) for path in roots.rglob("*")] == [str(roots / "layout")]
        shutil.rmtree(home)
        if left[0] > 0:
            break
    assert number > 60


def exchange_at(number: int, folder: pathlib.Path, patch: pytest.MonkeyPatch) -> list[int]:
    """Exchange own and link in a directory before the so-and-so-many-th system call; how many are left is returned."""
    left = [number]

    def overtaken(call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def counted(*args: t.Any, **options: t.Any) -> t.Any:
            left[0] -= 1
            if left[0] == 0:
                fd = opened(folder, os.O_RDONLY)
                exchange(fd, "own", fd, "link")
                os.close(fd)
            return call(*args, **options)

        return counted

    opened = os.open
    for name in (*STEPS, "stat"):
        patch.setattr(os, name, overtaken(getattr(os, name)))
    return left


def test_the_server_serves_it(tmp_path: pathlib.Path) -> None:
    add(tmp_path / "team" / "app", "1.0", NEW)
    snapshot = load_snapshot(str(tmp_path))
    assert snapshot.left_out == ()
    assert snapshot.warnings == ()
    repository = snapshot.repositories["team/app"]
    assert repository.tag_names == ("1.0",)
    assert set(repository.blobs) == set(NEW.blobs())


def test_a_server_passes_over_what_is_not_finished(tmp_path: pathlib.Path) -> None:
    content = Digest.parse(OLD.digest)

    def break_off() -> None:
        with opened_store(str(tmp_path / "app"), timeout=1) as store:
            store.write(content, OLD.data)
            with store.partial(Digest.parse(NEW.digest)) as partial:
                partial.append(b"beginning")
                raise LayoutError("the connection broke off")

    with pytest.raises(LayoutError):
        break_off()
    snapshot = load_snapshot(str(tmp_path))
    assert dict(snapshot.repositories) == {}
    assert snapshot.left_out == ()
    with LayoutView(str(tmp_path / "app")) as view:
        assert view.size_of(content) == OLD.size
        assert view.unfinished() == {Digest.parse(NEW.digest): 9}
        assert not view.is_complete


@pytest.mark.parametrize("is_new", [True, False])
def test_a_full_disk_takes_back_what_was_added(tmp_path: pathlib.Path, is_new: bool) -> None:
    path = tmp_path / "layout"
    if not is_new:
        add(path, "old", OLD)
    before = sorted(tmp_path.rglob("*"))

    def fill_up() -> None:
        with opened_store(str(path), timeout=1) as store:
            for text, data in NEW.blobs().items():
                store.write(Digest.parse(text), data)
            raise NoSpace("no space left")

    with pytest.raises(NoSpace):
        fill_up()
    assert sorted(tmp_path.rglob("*")) == before
    if not is_new:
        assert tags(path) == {"old": OLD.digest}


def test_a_directory_in_the_place_of_a_blob(tmp_path: pathlib.Path) -> None:
    add(tmp_path / "layout", "old", OLD)
    place = images.blob_path(tmp_path / "layout", NEW.digest)
    place.mkdir()
    with pytest.raises(WriteFailed, match="failed"), opened_store(str(tmp_path / "layout"), timeout=1) as store:
        store.write(Digest.parse(NEW.digest), NEW.data)
    assert list(place.iterdir()) == []


def test_a_file_as_layout(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LayoutError, match="directory"), opened_store(str(tmp_path / "file"), timeout=1):
        pass


def test_orphans_know_what_an_index_at_any_depth_needs(tmp_path: pathlib.Path) -> None:
    subject = images.artifact("a/b", [images.Content(b"x", "text/plain")], changes={"subject": OLD.descriptor()})
    nested = images.index([images.index([NEW]), subject])
    images.write_layout(tmp_path, {"a": nested})
    extra = images.write_blob(tmp_path, images.digest_of(b"extra"), b"extra")
    with LayoutView(str(tmp_path)) as view:
        orphans = find_orphans(view, view.index, document=view.document)
        everything = find_orphans(view, view.index.without_tag("a"), document=view.document)
    assert {digest.encoded for digest in orphans.blobs} == {extra.name}
    assert {str(digest) for digest in everything.blobs} == {*nested.blobs(), f"sha256:{extra.name}"}


def test_a_layer_that_is_a_manifest_too_is_read_as_one(tmp_path: pathlib.Path) -> None:
    """The same bytes as data of an artifact, seen first, and as an image of the index."""
    holder = images.artifact("a/b", [images.Content(OLD.data, images.OCI_MANIFEST)])
    images.write_layout(tmp_path, {"a": holder, "b": OLD})
    with LayoutView(str(tmp_path)) as view:
        assert find_orphans(view, view.index, document=view.document).count == 0


@pytest.mark.parametrize(
    "kind", ["application/vnd.oci.artifact.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+json"]
)
def test_what_a_manifest_of_an_unknown_type_needs_is_no_orphan(tmp_path: pathlib.Path, kind: str) -> None:
    need = images.layer([images.file("a", b"1")])
    manifest = images.Content(images.to_json({"mediaType": kind, "blobs": [need.descriptor()]}), kind)
    images.write_blob(tmp_path, need.digest, need.data)
    images.write_layout(tmp_path, {"a": manifest})
    with LayoutView(str(tmp_path)) as view, pytest.raises(LayoutError, match=f"{manifest.digest} are unknown"):
        find_orphans(view, view.index, document=view.document)
