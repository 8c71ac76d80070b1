# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_layer_unpack applies a verified layer once, also after interruptions and beside other tasks."""

from __future__ import annotations

import os
import pathlib
import struct
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.layer.directory import LayeredDirectory
from ansible_collections.attested.registry.plugins.module_utils._unpack import layers
from ansible_collections.attested.registry.plugins.module_utils._unpack.changeset import file_content as content
from ansible_collections.attested.registry.tests.support.images import images

OTHER_ID = "sha256:" + "0" * 64


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "tree"


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> t.Callable[[images.Layer], str]:
    """Writes a layer to a file and gives its path."""
    directory = tmp_path_factory.mktemp("layers")

    def write(layer: images.Layer) -> str:
        path = directory / layer.digest.replace(":", "-")
        path.write_bytes(layer.data)
        return str(path)

    return write


@pytest.fixture
def apply(run_module: t.Any, dest: pathlib.Path, store: t.Any) -> t.Any:
    def run(layer: images.Layer, **options: t.Any) -> t.Any:
        settings = {"src": store(layer), "diff_id": layer.diff_id, "dest": str(dest), "ownership": False}
        return run_module("oci_layer_unpack", **{**settings, **options})

    return run


def full_at_two(descriptor: int, piece: bytes, write: t.Callable[[int, bytes], int] = os.write) -> int:
    """Finds the disk full for a file that holds a two."""
    if piece == b"2":
        raise OSError(28, "No space left on device")
    return write(descriptor, piece)


def test_check_run_check_run(apply: t.Any, dest: pathlib.Path, base: images.Layer) -> None:
    first = apply(base, check=True)
    assert (first["changed"], first["applied"]) == (True, [base.diff_id])
    assert not list(dest.parent.iterdir())
    second = apply(base)
    assert (second["changed"], second["applied"], second["stats"]["entries"]) == (True, [base.diff_id], 2)
    assert (dest / "etc/motd").read_bytes() == b"hello\n"
    for check in (True, False):
        again = apply(base, check=check)
        assert (again["changed"], again["applied"]) == (False, [base.diff_id])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_parent_of_another_user_is_a_warning(apply: t.Any, dest: pathlib.Path, base: images.Layer) -> None:
    home = dest.parent / "home"
    home.mkdir()
    os.chown(home, 12345, 12345)
    for name in ("tree", "a/tree"):
        for check in (True, False):
            run = apply(base, dest=str(home / name), check=check)
            assert run["changed"] is True
            (warning,) = (text for text in run.warnings if "Another user" in text)
            assert f"because {home} belongs to the user id 12345;" in warning


def test_a_parent_that_another_task_removes_is_named(
    apply: t.Any, dest: pathlib.Path, base: images.Layer, removed_once: t.Any
) -> None:
    removed_once(dest)
    run = apply(base, dest=str(dest / "tree"))
    assert run["error"]["kind"] == "destination"
    assert "the directory that it is in was removed while the task ran; run the task again" in run["msg"]
    assert apply(base, dest=str(dest / "tree"))["changed"] is True


def test_layers_on_top_of_each_other(apply: t.Any, dest: pathlib.Path, base: images.Layer) -> None:
    changes = images.layer([images.whiteout("etc/motd"), images.file("etc/new", b"")])
    apply(base)
    run = apply(changes, diff=True)
    assert run["diff"]["before"] == {"applied": [base.diff_id]}
    assert run["diff"]["after"] == {"applied": [base.diff_id, changes.diff_id]}
    assert sorted(path.name for path in (dest / "etc").iterdir()) == ["new"]
    assert apply(base)["changed"] is False
    assert apply(base, force=True)["changed"] is True
    assert (dest / "etc/motd").exists()


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "bzip2", "xz"])
@pytest.mark.parametrize("declared", [True, False])
def test_compressions(apply: t.Any, dest: pathlib.Path, compression: t.Any, declared: bool) -> None:
    layer = images.layer([images.file("it", b"content")], compression=compression)
    options = {"media_type": layer.media_type} if declared else {}
    assert apply(layer, **options)["changed"] is True
    assert (dest / "it").read_bytes() == b"content"


@pytest.mark.parametrize("check", [True, False])
def test_a_wrong_diff_id_changes_nothing(apply: t.Any, dest: pathlib.Path, base: images.Layer, check: bool) -> None:
    dest.mkdir()
    (dest / "old").touch()
    run = apply(base, diff_id=OTHER_ID, check=check)
    assert run.failed
    assert (run["error"]["kind"], run["error"]["actual"]) == ("diff_id_mismatch", base.diff_id)
    assert "was changed" in run["msg"]
    assert [path.name for path in dest.parent.rglob("*")] == ["tree", "old"]


def test_a_layer_that_is_no_archive(apply: t.Any, dest: pathlib.Path) -> None:
    run = apply(images.layer(b"x" * 2048))
    assert run.failed
    assert run["error"]["kind"] == "layer_invalid"
    assert not dest.exists()


def test_two_tasks_at_once_are_both_noted(
    apply: t.Any, dest: pathlib.Path, base: images.Layer, top: images.Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second reads the note, then the first does all of its work, then the second gets the lock."""
    opened = LayeredDirectory.opened
    runs: list[t.Any] = []

    def overtaken(directory: LayeredDirectory, *, lock_timeout: float) -> t.Any:
        monkeypatch.setattr(LayeredDirectory, "opened", opened)
        runs.append(apply(base))
        return opened(directory, lock_timeout=lock_timeout)

    monkeypatch.setattr(LayeredDirectory, "opened", overtaken)
    second = apply(top)
    assert (runs[0]["changed"], second["changed"]) == (True, True)
    assert second["applied"] == [base.diff_id, top.diff_id]
    assert apply(base)["changed"] is apply(top)["changed"] is False


def test_the_same_layer_twice_at_once_is_applied_once(
    apply: t.Any, base: images.Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = LayeredDirectory.opened

    def overtaken(directory: LayeredDirectory, *, lock_timeout: float) -> t.Any:
        monkeypatch.setattr(LayeredDirectory, "opened", opened)
        assert apply(base)["changed"] is True
        return opened(directory, lock_timeout=lock_timeout)

    monkeypatch.setattr(LayeredDirectory, "opened", overtaken)
    second = apply(base)
    assert (second["changed"], second["applied"]) == (False, [base.diff_id])


def test_nothing_but_the_note_stays_beside_the_directory(apply: t.Any, dest: pathlib.Path, base: images.Layer) -> None:
    apply(base)
    assert sorted(path.name for path in dest.parent.iterdir()) == [".tree.oci-layers", "tree"]


def test_leftovers_of_killed_runs_are_removed_by_every_run(
    apply: t.Any, dest: pathlib.Path, base: images.Layer
) -> None:
    apply(base)
    for name in (".tree.oci-layers.lock", ".tree.oci-layers.new", ".tree.oci-layers.new-0123"):
        (dest.parent / name).touch(0o600)
    assert apply(base)["changed"] is False
    assert sorted(path.name for path in dest.parent.iterdir()) == [".tree.oci-layers", "tree"]


PLANTED: dict[str, t.Callable[[pathlib.Path], object]] = {
    "fifo": os.mkfifo,
    "directory": pathlib.Path.mkdir,
    "link": lambda path: path.symlink_to("victim"),
    "dangling link": lambda path: path.symlink_to("nothing"),
    "file of another user": lambda path: (path.write_text('{"format": 1}'), os.chown(path, 65534, 65534)),
}
planted = pytest.mark.parametrize(
    "how", [name for name in PLANTED if os.geteuid() == 0 or name != "file of another user"]
)


@planted
@pytest.mark.parametrize("name", [".tree.oci-layers", ".tree.oci-layers.lock"])
def test_a_record_or_lock_file_of_another_kind_or_user_is_refused(
    apply: t.Any, dest: pathlib.Path, base: images.Layer, name: str, how: str
) -> None:
    dest.mkdir()
    (dest / "below").touch()
    victim = dest.parent / "victim"
    victim.write_text("{}")
    PLANTED[how](dest.parent / name)
    run = apply(base)
    assert run["error"]["kind"] in ("destination", "filesystem")
    assert str(dest.parent / name) in run["msg"]
    assert not (dest / "etc").exists()
    assert victim.read_text() == "{}"


@planted
def test_what_is_in_the_way_of_a_new_note_is_left_alone(
    apply: t.Any, dest: pathlib.Path, base: images.Layer, how: str
) -> None:
    victim = dest.parent / "victim"
    victim.write_text("{}")
    PLANTED[how](dest.parent / ".tree.oci-layers.new")
    assert apply(base)["changed"] is True
    assert apply(base)["changed"] is False
    assert os.path.lexists(dest.parent / ".tree.oci-layers.new")
    assert victim.read_text() == "{}"


def test_a_layer_that_was_begun_is_named_until_it_is_applied(
    apply: t.Any, dest: pathlib.Path, base: images.Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    upper = images.layer([images.file("sub/x/a", b"1"), images.file("b", b"2")])
    with monkeypatch.context() as patch:
        patch.setattr(layers, "is_worth_it", lambda: False)
        patch.setattr(content.os, "write", full_at_two)
        assert apply(upper)["error"]["kind"] == "no_space"
    run = apply(base)
    assert any(upper.diff_id in text and "apply them again" in text for text in run.warnings)
    assert apply(upper, check=True)["changed"] is True
    run = apply(upper)
    assert (run["changed"], run["applied"], run.warnings) == (True, [base.diff_id, upper.diff_id], [])
    assert [path.stat().st_mode & 0o7777 for path in (dest / "sub", dest / "sub/x")] == [0o755, 0o755]


@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.parametrize("default_acl", [False, True])
def test_private_directories_of_a_lower_layer_survive_a_second_try(
    apply: t.Any, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch, umask: int, default_acl: bool
) -> None:
    apply(images.layer([images.directory("odd", mode=0o1700), images.directory("private", mode=0o700)]))
    dest.chmod(0o1700)
    if default_acl:
        # version 2; the owner rwx, the owning group and others nothing
        entries = ((1, 7), (4, 0), (0x20, 0))
        acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, perm, 2**32 - 1) for tag, perm in entries)
        try:
            os.setxattr(dest, "system.posix_acl_default", acl)
        except OSError:
            pytest.skip("needs access control lists")
    upper = images.layer([images.file("odd/new", b"1"), images.file("sub/x/a", b"1"), images.file("b", b"2")])
    before = os.umask(umask)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(layers, "is_worth_it", lambda: False)
            patch.setattr(content.os, "write", full_at_two)
            assert apply(upper)["error"]["kind"] == "no_space"
        assert (dest / "sub/x").exists()
        assert apply(upper)["changed"] is True
    finally:
        os.umask(before)
    modes = {name: (dest / name).stat().st_mode & 0o7777 for name in ("", "odd", "private", "sub", "sub/x")}
    assert modes == {"": 0o1700, "odd": 0o1700, "private": 0o700, "sub": 0o755, "sub/x": 0o755}


def test_check_mode_believes_in_a_file_that_an_earlier_task_brings(
    apply: t.Any, dest: pathlib.Path, base: images.Layer
) -> None:
    run = apply(base, src=str(dest.parent / "a/layer"), dest=str(dest.parent / "b/tree"), check=True, diff=True)
    assert (run["changed"], run["applied"]) == (True, [base.diff_id])
    assert run["diff"] == {"before": {"applied": []}, "after": {"applied": [base.diff_id]}}
    assert any("was not verified" in text for text in run.warnings)
    assert list(dest.parent.iterdir()) == []


def test_missing_parents_are_made(apply: t.Any, dest: pathlib.Path, base: images.Layer) -> None:
    below = dest.parent / "a/b/tree"
    assert apply(base, dest=str(below), check=True)["changed"] is True
    assert list(dest.parent.iterdir()) == []
    assert apply(base, dest=str(below))["changed"] is True
    assert (below / "etc/motd").exists()
    assert apply(base, dest=str(below))["changed"] is False


@pytest.mark.parametrize("check", [True, False])
def test_a_failed_task_leaves_no_parents(apply: t.Any, dest: pathlib.Path, base: images.Layer, check: bool) -> None:
    assert apply(base, dest=str(dest.parent / "a/b/tree"), diff_id=OTHER_ID, check=check).failed
    assert list(dest.parent.iterdir()) == []


def test_another_directory_of_the_same_name_has_no_layers_yet(
    apply: t.Any, dest: pathlib.Path, base: images.Layer
) -> None:
    apply(base)
    dest.rename(dest.parent / "elsewhere")
    assert apply(base)["changed"] is True
    assert (dest / "etc/motd").exists()


def test_a_tree_of_oci_image_unpack_is_left_alone(apply: t.Any, dest: pathlib.Path, base: images.Layer) -> None:
    dest.mkdir()
    (dest.parent / ".tree.oci").mkdir()
    run = apply(base)
    assert run.failed
    assert "oci_image_unpack manages it" in run["msg"]
    assert not list(dest.iterdir())


def test_a_damaged_note_is_said(apply: t.Any, dest: pathlib.Path, base: images.Layer) -> None:
    apply(base)
    note = dest.parent / ".tree.oci-layers"
    assert note.stat().st_mode & 0o777 == 0o600
    note.write_text("{}")
    run = apply(base)
    assert run.failed
    assert str(note) in run["msg"]
    note.unlink()
    assert apply(base)["changed"] is True


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"src": "/nonexistent"}, "filesystem"),
        ({"src": "/"}, "layer_invalid"),
        ({"src": "/dev/zero"}, "layer_invalid"),
        ({"dest": "/"}, "destination"),
        ({"dest": "relative"}, "destination"),
        ({"diff_id": "md5:00"}, "digest_invalid"),
        ({"media_type": "text/plain"}, "unsupported"),
        ({"max_entries": 1}, "limit_exceeded"),
        ({"max_ratio": 0}, "option_invalid"),
    ],
)
def test_bad_input_is_refused_in_words(
    apply: t.Any, dest: pathlib.Path, base: images.Layer, options: dict[str, t.Any], kind: str
) -> None:
    run = apply(base, **options)
    assert run.failed
    assert run["error"]["kind"] == kind
    assert "Traceback" not in run.output
    assert not dest.exists()
