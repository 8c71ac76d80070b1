# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A layer file is applied only as it was verified, even if it is replaced or changed in between."""

from __future__ import annotations

import contextlib
import pathlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.layer.file import LayerFile
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    DiffIdMismatch,
    FilesystemError,
    LayerInvalid,
    LimitExceeded,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.limits import Limits
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.processes.descriptors import open_descriptors

LAYER = images.layer([images.file("a", bytes(3_000_000)), images.file("b", b"")], compression="none")
DIFF_ID = Digest.parse(LAYER.diff_id)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    found = tmp_path / "layer"
    found.write_bytes(LAYER.data)
    return found


def verify(layer: LayerFile, *, limits: Limits | None = None) -> None:
    layer.verify(DIFF_ID, compression="none", limits=limits or Limits(), warn=lambda text: None)


def read(layer: LayerFile) -> bytes:
    with layer.source(DIFF_ID, compression="none").open() as pieces:
        return b"".join(pieces)


def test_reads_the_verified_file(path: pathlib.Path) -> None:
    with LayerFile(str(path)) as layer:
        verify(layer)
        assert read(layer) == LAYER.data


def test_a_file_replaced_after_verification_is_read_as_verified(path: pathlib.Path) -> None:
    with LayerFile(str(path)) as layer:
        verify(layer)
        path.unlink()
        path.write_bytes(b"something else")
        assert read(layer) == LAYER.data


@pytest.mark.parametrize("change", ["first byte", "last byte", "longer", "shorter", "empty"])
def test_a_file_changed_after_verification_is_refused(path: pathlib.Path, change: str) -> None:
    data = bytearray(LAYER.data)
    if change.endswith("byte"):
        data[0 if change.startswith("first") else -1] ^= 1
    elif change == "longer":
        data += b"x"
    else:
        data = data[: 1024 * 1024] if change == "shorter" else bytearray()
    with LayerFile(str(path)) as layer:
        verify(layer)
        path.write_bytes(data)
        seen = b""
        with layer.source(DIFF_ID, compression="none").open() as pieces, contextlib.suppress(LayerInvalid):
            for piece in pieces:
                seen += piece
            pytest.fail("the change was not noticed")
        assert LAYER.data.startswith(seen)


def test_another_layer_is_detected(path: pathlib.Path) -> None:
    path.write_bytes(images.layer([], compression="none").data)
    with LayerFile(str(path)) as layer, pytest.raises(DiffIdMismatch):
        verify(layer)


def test_limits_hold_while_verifying(path: pathlib.Path) -> None:
    with LayerFile(str(path)) as layer:
        for limits in (Limits(entries=1), Limits(unpacked_bytes=1000)):
            with pytest.raises(LimitExceeded):
                verify(layer, limits=limits)


def test_only_regular_files_are_accepted(tmp_path: pathlib.Path) -> None:
    with pytest.raises(LayerInvalid, match="not a regular file"):
        LayerFile(str(tmp_path))
    with pytest.raises(FilesystemError):
        LayerFile(str(tmp_path / "missing"))


def test_nothing_stays_open(path: pathlib.Path) -> None:
    before = open_descriptors()
    for dummy in range(3):
        with LayerFile(str(path)) as layer:
            verify(layer)
            read(layer)
    assert open_descriptors() <= before
