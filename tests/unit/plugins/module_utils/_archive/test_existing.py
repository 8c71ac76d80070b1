# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever the file at the destination of an archive is, it is read, recognised as damaged, or refused."""

from __future__ import annotations

import os
import pathlib
import tempfile
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._archive.errors import ArchiveRefused, ArchiveTooLarge
from ansible_collections.attested.registry.plugins.module_utils._archive.existing import opened_existing
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.tests.support.images import archives, images
from hypothesis import given
from hypothesis import strategies as st

IMAGE = images.image([images.layer([images.file("etc/motd", b"hello\n")])])
SOURCES: t.Final = (
    archives.oci_archive({"1.0": IMAGE}),
    archives.oci_archive({"1.0": IMAGE}, compression="gzip"),
    archives.oci_archive({"1.0": IMAGE}, compression="zstd"),
    archives.docker_save_old({"app:1.0": IMAGE}),
    archives.docker_save_new({"app:1.0": IMAGE}),
    archives.podman_save({"app:1.0": IMAGE}),
)


def look(data: bytes, *, force: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="existing-") as place:
        look_in(place, data, force=force)


def look_in(place: str, data: bytes, *, force: bool) -> None:
    path = pathlib.Path(place, "a.tar")
    path.write_bytes(data)
    folder = os.open(place, os.O_RDONLY)
    try:
        with opened_existing(str(path), folder, folder=lambda: place, force=force) as found:
            assert found.damage is None or found.summary.digest is None
            digest = Digest.parse(IMAGE.digest)
            assert found.document(digest) in (None, IMAGE.data)
            for layer in IMAGE.layers:
                assert not found.is_right(Digest.parse(layer.digest)) or found.size_of(Digest.parse(layer.digest))
    except ArchiveRefused:
        assert not force
    except ArchiveTooLarge:
        pass
    finally:
        os.close(folder)


@given(st.binary(max_size=2000), st.booleans())
def test_any_bytes(data: bytes, force: bool) -> None:
    look(data, force=force)


@given(st.sampled_from(SOURCES), st.data(), st.booleans())
def test_damaged_archives(source: bytes, data: st.DataObject, force: bool) -> None:
    changed = bytearray(source)
    for dummy in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(source) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.just(len(source)) | st.integers(0, len(source)))
    look(bytes(changed[:length]), force=force)
