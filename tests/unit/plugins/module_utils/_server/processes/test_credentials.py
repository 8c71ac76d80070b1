# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After a reload, repositories that broke stay served in their previous state, and removed ones do not."""

from __future__ import annotations

import dataclasses
import pathlib

from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._server.content.loading import load_snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import LeftOut, Snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.content.summary import faults, summary
from ansible_collections.attested.registry.plugins.module_utils._server.content.verified_files import VerifiedFiles
from ansible_collections.attested.registry.plugins.module_utils._server.processes.credentials import keep_served
from ansible_collections.attested.registry.tests.support.images import images

IMAGE = images.image([images.layer([images.file("a", b"1")])])


def snapshots(root: pathlib.Path) -> Snapshot:
    return load_snapshot(str(root))


def test_broken_repositories_stay_served_and_removed_ones_do_not(tmp_path: pathlib.Path) -> None:
    for name in ("broken", "removed", "kept"):
        images.write_layout(tmp_path / name, {"1": IMAGE})
    old = snapshots(tmp_path)
    (tmp_path / "broken" / "index.json").write_bytes(b"{")
    (tmp_path / "removed").rename(tmp_path / ".removed")
    images.write_layout(tmp_path / "new", {"1": IMAGE})
    (tmp_path / "never-good").mkdir()
    found = keep_served(old, snapshots(tmp_path))
    assert set(found.repositories) == {"broken", "kept", "new"}
    assert found.repositories["broken"] is old.repositories["broken"]
    assert [item.name for item in found.left_out] == ["never-good"]
    assert any(warning.startswith("broken: it is served in its previous state") for warning in found.warnings)
    assert [item.name for item in found.stale] == ["broken"]
    assert f"; stale, and served as before, 1: broken ({found.stale[0].reason})" in summary(found)
    assert faults(found) == "left out 1: never-good; stale 1: broken"
    # it stays so as long as it is broken, and no longer
    assert [item.name for item in keep_served(found, snapshots(tmp_path)).stale] == ["broken"]
    images.write_layout(tmp_path / "broken", {"1": IMAGE})
    assert keep_served(found, snapshots(tmp_path)).stale == ()
    assert keep_served(None, found) is found


def test_repositories_below_an_unreadable_directory_stay_served(tmp_path: pathlib.Path) -> None:
    for name in ("shut/app", "emptied/app"):
        images.write_layout(tmp_path / name, {"1": IMAGE})
    old = snapshots(tmp_path)
    left = (LeftOut("shut", "unreadable", "why"), LeftOut("emptied", "layout_invalid", "why"))
    found = keep_served(old, Snapshot("/", {}, left_out=left))
    assert set(found.repositories) == {"shut/app"}
    assert [item.name for item in found.stale] == ["shut/app"]
    assert [item.name for item in found.left_out] == ["emptied"]


def test_files_that_are_kept_are_no_older_than_when_they_were_verified(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "app", {"1": IMAGE})
    old = snapshots(tmp_path)
    (tmp_path / "app" / "index.json").write_bytes(b"{")
    later = dataclasses.replace(snapshots(tmp_path), began_ns=old.began_ns + 10**12)
    kept = keep_served(old, later)
    assert kept.repositories.keys() == {"app"}
    # the file was written just before it was read, so that it may have changed since and look the same
    content = kept.repositories["app"].blobs[IMAGE.layers[0].digest]
    files = VerifiedFiles()
    files.trust_snapshot(kept)
    assert not files.knows(Digest.parse(content.digest), content.identity)


def test_a_snapshot_without_broken_layouts_is_used_unchanged() -> None:
    new = Snapshot("/", {}, left_out=(LeftOut("other", "kind", "why"),))
    assert keep_served(Snapshot("/", {}), new) is new
