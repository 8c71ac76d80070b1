# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot or an error goes from process to process unchanged, without the repositories that are known already."""

from __future__ import annotations

import pathlib
import types

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.content import handover
from ansible_collections.attested.registry.plugins.module_utils._server.content.loading import load_snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.errors import RootError
from ansible_collections.attested.registry.tests.support.images import images

IMAGE = images.image([images.layer([images.file("a", b"1")])])


def test_a_snapshot_goes_from_process_to_process(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "app", {"1": IMAGE})
    snapshot = load_snapshot(str(tmp_path))
    found = handover.unpack(handover.pack(snapshot))
    assert found == snapshot
    assert isinstance(found.repositories, types.MappingProxyType)
    assert found.repositories["app"].tags["1"] is found.repositories["app"].manifests[IMAGE.digest]


def test_an_unchanged_repository_is_not_transferred_again(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "app", {str(number): IMAGE for number in range(20)})
    previous = load_snapshot(str(tmp_path))
    images.write_layout(tmp_path / "new", {"1": IMAGE})
    snapshot = load_snapshot(str(tmp_path))
    data = handover.pack(snapshot, previous=previous)
    assert len(data) < len(handover.pack(snapshot))
    found = handover.unpack(data, previous=previous)
    assert found == snapshot
    assert found.repositories["app"] is previous.repositories["app"]
    (tmp_path / "app" / "blobs" / "sha256" / IMAGE.digest.partition(":")[2]).touch()
    changed = load_snapshot(str(tmp_path))
    found = handover.unpack(handover.pack(changed, previous=previous), previous=previous)
    assert found.repositories["app"] == changed.repositories["app"] != previous.repositories["app"]


def test_an_error_goes_from_process_to_process() -> None:
    with pytest.raises(RootError, match="why"):
        handover.unpack(handover.pack(RootError("why")))
    with pytest.raises(RootError, match="killed"):
        handover.unpack(b"")
