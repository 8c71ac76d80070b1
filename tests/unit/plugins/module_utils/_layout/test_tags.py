# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags come from the annotation org.opencontainers.image.ref.name in index.json (image-spec, annotations.md)."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._layout.tags import is_attached_tag, tag_of
from ansible_collections.attested.registry.tests.support.images import images

ONE = images.image([images.layer([images.file("a", b"1")])])
TWO = images.image([images.layer([images.file("a", b"2")])])


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("1.0", "1.0"),
        ("latest", "latest"),
        ("_x", "_x"),
        ("a" * 128, "a" * 128),
        ("docker.io/library/debian:12", "12"),
        ("debian:12", "12"),
        ("localhost/app:v1", "v1"),
        ("registry.example:5000/team/app:1.0", "1.0"),
        (f"registry.example/app:1.0@{ONE.digest}", "1.0"),
        ("registry.example/app", None),
        (f"registry.example/app@{ONE.digest}", None),
        ("a" * 129, None),
        ("", None),
        (".hidden", None),
        ("1.0\n", None),
        ("two words", None),
        ("../../etc/passwd", None),
    ],
)
def test_tag_of(name: str, tag: str | None) -> None:
    assert tag_of(name) == tag


def _write(path: pathlib.Path, *named: tuple[str, images.Content]) -> str:
    images.write_layout(path, {}, untagged=[ONE, TWO])
    entries = [content.descriptor(annotations={images.REF_NAME: name}) for name, content in named]
    images.write_index(path, [*entries, ONE.descriptor(), TWO.descriptor(annotations={"other": "x"})])
    return str(path)


@pytest.mark.parametrize(
    ("tag", "is_attached"),
    [
        (f"sha256-{'a1' * 32}.sig", True),
        (f"sha256-{'a1' * 32}.att", True),
        (f"sha256-{'a1' * 32}.sbom", True),
        (f"sha256-{'a1' * 32}", True),
        (f"sha512-{'a1' * 32}", True),
        (f"sha256-{'a1' * 32}.other", False),
        (f"sha256-{'a1' * 31}.sig", False),
        ("sha256-abc", False),
        ("1.0", False),
    ],
)
def test_tags_for_what_is_attached_to_an_image(tag: str, is_attached: bool) -> None:
    assert is_attached_tag(tag) is is_attached


def test_several_tags_for_one_image_and_untagged_ones(tmp_path: pathlib.Path) -> None:
    inspection = inspect_layout(_write(tmp_path, ("1.0", ONE), ("latest", ONE)))
    assert {tag: str(digest) for tag, digest in inspection.layout.tags.items()} == {
        "1.0": ONE.digest,
        "latest": ONE.digest,
    }
    assert {str(digest) for digest in inspection.layout.manifests} == {ONE.digest, TWO.digest}
    assert inspection.warnings == ()


def test_the_last_of_two_equal_tags_counts(tmp_path: pathlib.Path) -> None:
    inspection = inspect_layout(_write(tmp_path, ("1.0", ONE), ("example.org/app:1.0", TWO)))
    assert {tag: str(digest) for tag, digest in inspection.layout.tags.items()} == {"1.0": TWO.digest}
    assert len(inspection.warnings) == 1
    assert TWO.digest in inspection.warnings[0]
    assert inspect_layout(_write(tmp_path, ("1.0", ONE), ("1.0", ONE))).warnings == ()


def test_names_without_a_tag_are_a_warning(tmp_path: pathlib.Path) -> None:
    inspection = inspect_layout(_write(tmp_path, ("evil\nname", ONE), ("1.0", TWO)))
    assert set(inspection.layout.tags) == {"1.0"}
    assert inspection.problems == ()
    assert len(inspection.warnings) == 1
    assert "\n" not in inspection.warnings[0]


def test_only_index_json_gives_tags(tmp_path: pathlib.Path) -> None:
    entry = ONE.descriptor(annotations={images.REF_NAME: "inner"})
    many = images.index([ONE], changes={"manifests": [entry]})
    layout = images.write_layout(tmp_path / "layout", {"outer": many})
    assert set(inspect_layout(str(layout)).layout.tags) == {"outer"}
