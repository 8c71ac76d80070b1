# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change below the registry root is noticed by polling, once, after it has settled."""

from __future__ import annotations

import pathlib

from ansible_collections.attested.registry.plugins.module_utils._server.content.watch import Watch
from ansible_collections.attested.registry.tests.support.images import images

IMAGE = images.image([images.layer([images.file("a", b"1")])])


def test_a_change_is_reported_once_after_it_has_settled(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "team" / "app", {"1": IMAGE})
    watch = Watch(str(tmp_path))
    assert not watch.has_changed()
    images.write_layout(tmp_path / "team" / "app", {"1": IMAGE, "2": IMAGE})
    assert [watch.has_changed() for dummy in range(4)] == [False, True, False, False]


def test_a_new_layout_a_late_blob_and_a_removed_one(tmp_path: pathlib.Path) -> None:
    watch = Watch(str(tmp_path))
    images.write_layout(tmp_path / "app", {"1": IMAGE})
    assert [watch.has_changed() for dummy in range(2)] == [False, True]
    (tmp_path / "app" / "blobs" / "sha256" / "late").touch()
    assert [watch.has_changed() for dummy in range(2)] == [False, True]
    (tmp_path / "app").rename(tmp_path / ".app")
    assert [watch.has_changed() for dummy in range(2)] == [False, True]


def test_a_missing_root_is_no_failure(tmp_path: pathlib.Path) -> None:
    assert not Watch(str(tmp_path / "nowhere")).has_changed()
