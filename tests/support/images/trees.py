# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small trees with every type of file, published to destinations, and trees on disk as values to compare.

The tests of _destination and of _unpack/record/record.py use it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._destination.destination import (
    Destination,
    Outcome,
    Staging,
)
from ansible_collections.attested.registry.plugins.module_utils._destination.inspection import View
from ansible_collections.attested.registry.plugins.module_utils._destination.location import Location
from ansible_collections.attested.registry.plugins.module_utils._destination.os_errors import translated
from ansible_collections.attested.registry.plugins.module_utils._destination.stamp import Stamp
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._unpack.record.record import write_record

# The directory for state directories of the destinations beside it, which a test makes to have them there.
STATES: t.Final = "states"
MTIME: t.Final = 1_700_000_000_123_456_789


def make_tree(root: Path | str, version: str, *, mode: int = 0o755) -> None:
    """Fill a directory; trees of two versions differ in content, names and the mode of a directory."""
    root = Path(root)
    (root / "etc").mkdir()
    (root / "etc/version").write_text(version)
    (root / "etc/common").write_text("the same in all versions")
    (root / f"only-{version}").mkdir(mode=0o711)
    (root / f"only-{version}/file\n\udcff").write_bytes(version.encode() * 1000)
    (root / "link").symlink_to(f"/etc/{version}")
    os.mkfifo(root / "fifo", 0o640)
    os.link(root / "etc/version", root / "hard link")
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, ns=(MTIME, MTIME), follow_symlinks=False)
    root.chmod(mode)


def snapshot(root: Path | str) -> t.Any:
    """Return all properties of a tree that matter, by path; None if there is no directory."""
    root = Path(root)
    if not root.is_dir() or root.is_symlink():
        return None
    found: dict[str, t.Any] = {".": stat.S_IMODE(root.stat().st_mode)}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content: t.Any = None
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        time = None if stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
        found[str(path.relative_to(root))] = (status.st_mode, status.st_uid, status.st_gid, time, content)
    return found


def make_stamp(version: str, **fields: t.Any) -> Stamp:
    """Return a stamp whose reference and digests follow from the version."""
    values: dict[str, t.Any] = {
        "registry": "registry.example:5000",
        "repository": "debian",
        "reference": version,
        "digest": Digest.of(b"manifest " + version.encode()),
        "index_digest": None,
        "platform": "linux/amd64",
        "config_digest": Digest.of(b"config " + version.encode()),
        "diff_ids": (Digest.of(b"layer " + version.encode()),),
        "annotations": {"org.opencontainers.image.version": version},
        "image": {"config": {"Env": ["A=1"]}, "size": 3},
        "ownership": True,
        "xattrs": "keep",
        "devices": "skip",
        "created": "2026-01-31T12:00:00Z",
        "entries": 9,
        "bytes": 1234,
    }
    return Stamp(**{**values, **fields})


def no_warning(message: str) -> None:
    """Raise AssertionError: the warn of a Destination that must not warn."""
    raise AssertionError(message)


@contextlib.contextmanager
def opened(path: Path | str, *, inspect: bool = False, **options: t.Any) -> t.Iterator[t.Any]:
    """Open a destination as a task does, or with inspect a View of it, with its state in state_directory()."""
    state = state_directory(path)
    state_dir = str(state) if state.parent.name == STATES else None
    open_view: t.Callable[..., View] = Destination.inspect if inspect else Destination
    with Location(str(path), state_dir, make=False) as location:
        view: t.Any = open_view(str(path), location=location, **{"warn": no_warning, **options})
        with view as found:
            yield found


def publish(
    path: Path | str,
    version: str,
    *,
    keep: int = 1,
    force: bool = False,
    drifted: bool = False,
    mode: int = 0o755,
    warn: t.Callable[[str], None] = no_warning,
    fill: t.Callable[[Path], None] | None = None,
) -> Outcome:
    """Publish a tree of that version, or one that fill makes."""
    with opened(path, warn=warn, force=force) as destination, destination.staging() as staging:
        if fill is None:
            make_tree(staging.path, version, mode=mode)
        else:
            fill(Path(staging.path))
        record(staging)
        return t.cast(Outcome, destination.publish(staging, make_stamp(version), keep=keep, drifted=drifted))


def record(staging: Staging, digests: t.Mapping[int, bytes] | None = None) -> None:
    """Write the record of the tree in a staging directory, as an unpack does."""
    with translated("recording", staging.path), open(staging.recording.fd, "wb", closefd=False) as file:
        write_record(staging.root_fd, file, digests or {}, xattrs=None if digests is None else ())


def state_directory(path: Path | str) -> Path:
    """Return the path of the state directory of a destination: in a directory STATES beside it, if there is one."""
    path = Path(path)
    states = path.parent / STATES
    return states / path.name if states.is_dir() else path.parent / f".{path.name}.oci"
