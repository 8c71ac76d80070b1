# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loading the corpus of layouts serves the valid ones, and reports the problem of each invalid one."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.content.loading import load_snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import (
    LeftOut,
    Repository,
    Snapshot,
)
from ansible_collections.attested.registry.tests.support.images import layout_corpus
from ansible_collections.attested.registry.tests.support.images.layout_corpus import CORPUS, Case

SOUND = [case for case in CORPUS if case.kind is None]
BAD = [case for case in CORPUS if case.kind is not None]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """All cases side by side: what is wrong with one must not touch another."""
    return load_snapshot(str(layout_corpus.write_corpus(tmp_path_factory.mktemp("registry"))))


def find(snapshot: Snapshot, name: str) -> LeftOut:
    (found,) = (left for left in snapshot.left_out if left.name == name)
    return found


def test_the_sound_ones_are_served_and_the_bad_ones_left_out(snapshot: Snapshot) -> None:
    assert sorted(snapshot.repositories) == sorted(case.name for case in SOUND)
    assert sorted(left.name for left in snapshot.left_out) == sorted(case.name for case in BAD)


@pytest.mark.parametrize("case", SOUND, ids=lambda case: case.name)
def test_sound(snapshot: Snapshot, case: Case) -> None:
    repository = snapshot.repositories[case.name]
    assert repository.tag_names == tuple(sorted(case.tags))
    assert len(repository.referrers.get(layout_corpus.IMAGE.digest, ())) == case.referrers
    assert len([warning for warning in snapshot.warnings if warning.startswith(f"{case.name}: ")]) == case.warnings
    for digest, content in repository.blobs.items():
        assert digest.endswith(pathlib.Path(content.path).name)
        assert len(pathlib.Path(content.path).read_bytes()) == content.size


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_bad(snapshot: Snapshot, case: Case) -> None:
    left = find(snapshot, case.name)
    assert left.kind == case.kind
    assert left.reason.startswith(case.words)
    assert case.words or not left.reason.startswith(("The requested", "Wrong file", "SHA failed", "Error importing"))
    assert "\n" not in left.reason


def test_the_words_of_the_old_server_are_followed_by_the_digest(snapshot: Snapshot) -> None:
    for name, digest in (
        ("missing_blob", layout_corpus.TOP.digest),
        ("wrong_layer_size", layout_corpus.BASE.digest),
        ("wrong_manifest_digest", layout_corpus.IMAGE.digest),
    ):
        assert find(snapshot, name).reason.split(": ")[1].startswith(f"{digest}.")


def referrers(repository: Repository) -> dict[str, tuple[str, int, str | None, dict[str, str]]]:
    return {
        found.digest: (found.media_type, found.size, found.artifact_type, dict(found.annotations))
        for found in repository.referrers[layout_corpus.IMAGE.digest]
    }


def test_referrers_are_described_as_the_specification_says(snapshot: Snapshot) -> None:
    signature, attached, index = (
        layout_corpus.SIGNATURE,
        layout_corpus.ATTACHED,
        layout_corpus.ATTACHED_INDEX,
    )
    repository = snapshot.repositories["referrers"]
    assert set(repository.referrers) == {layout_corpus.IMAGE.digest}
    assert referrers(repository) == {
        signature.digest: (
            signature.media_type,
            signature.size,
            "application/vnd.example.signature",
            {"org.example.by": "somebody"},
        ),
        attached.digest: (attached.media_type, attached.size, attached.config.media_type, {}),
        index.digest: (index.media_type, index.size, None, {}),
    }
    assert set(referrers(snapshot.repositories["subject_absent"])) == {signature.digest}


def test_absent_layers_are_reported(snapshot: Snapshot) -> None:
    (warning,) = (text for text in snapshot.warnings if text.startswith("nondistributable: "))
    assert f"1 nondistributable layers are absent, such as {layout_corpus.FOREIGN.digest}" in warning
    assert layout_corpus.FOREIGN.digest not in snapshot.repositories["nondistributable"].blobs


def test_names_of_the_corpus_are_unique() -> None:
    assert len({case.name for case in CORPUS}) == len(CORPUS)
