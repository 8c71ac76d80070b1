# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Problems of a layout are reported once per content, in the order of the walk, whichever thread finds them."""

from __future__ import annotations

import pathlib

from ansible_collections.attested.registry.plugins.module_utils._layout.checker import Checker
from ansible_collections.attested.registry.plugins.module_utils._layout.errors import (
    BlobMissing,
    WrongDigest,
    WrongSize,
)
from ansible_collections.attested.registry.plugins.module_utils._layout.faults import Faults
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.tests.support.images import images, layout_corpus

BIG = images.layer([images.file("big", b"x" * 200_000)], compression="none")
IMAGE = images.image([BIG])


def test_bad_content_is_one_problem_and_every_wrong_size_another() -> None:
    faults = Faults("/layout")
    faults.add(4, "b", WrongDigest("later, but told first"))
    faults.add(1, "a", BlobMissing("first"))
    faults.add(2, "b", WrongSize("second"))
    faults.add(3, "b", WrongSize("third"))
    faults.add(5, "b", WrongDigest("again"))
    assert [problem.message for problem in faults.problems()] == ["first", "second", "third", "later, but told first"]
    assert faults.digests() == {"a", "b"}
    assert {problem.fields["path"] for problem in faults.problems()} == {"/layout"}


def test_content_with_a_problem_is_not_offered(tmp_path: pathlib.Path) -> None:
    layout = images.write_layout(tmp_path / "layout", {"1": IMAGE})
    layout_corpus.flip(BIG.digest)(layout)
    with Checker(threads=1) as checker:
        inspection = inspect_layout(str(layout), checker=checker)
    assert [problem.fields["digest"] for problem in inspection.problems] == [BIG.digest]
    assert list(inspection.layout.blobs) == [Digest.parse(IMAGE.config.digest)]


def test_a_large_document_that_is_content_too_is_one_problem(tmp_path: pathlib.Path) -> None:
    large = images.image([BIG], annotations={"a": "x" * 100_000})
    wrapper = images.artifact("a/b", [images.Content(large.data, "application/json")])
    layout = images.write_layout(tmp_path / "layout", {"1": wrapper, "2": large})
    layout_corpus.flip(large.digest)(layout)
    with Checker(threads=1) as checker:
        inspection = inspect_layout(str(layout), checker=checker)
    assert [problem.kind for problem in inspection.problems] == ["wrong_digest"]
    assert Digest.parse(large.digest) not in {*inspection.layout.blobs, *inspection.layout.manifests}
