# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.tests.support import images

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


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
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
