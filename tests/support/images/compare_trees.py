# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare two directory trees, print how they differ, and exit with 1 if they do.

    compare_trees.py [--ignore PATH:ATTRIBUTE]... [--show N] LEFT RIGHT

Of every entry, the roots included, it compares type, permissions, owner, group, modification time to the nanosecond,
size and SHA-256 of regular files, target of symbolic links, number of devices, extended attributes, and the hard links.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import stat
import sys
import typing as t
from collections import defaultdict
from dataclasses import dataclass, fields

_TYPES: t.Final = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


@dataclass(frozen=True)
class Entry:
    """All that is compared of one name. links are the other names of the same file."""

    type: str
    mode: str
    uid: int
    gid: int
    mtime_ns: int
    size: int | None
    sha256: str | None
    target: bytes | None
    device: tuple[int, int] | None
    xattrs: tuple[tuple[str, bytes], ...]
    links: tuple[bytes, ...]


def inventory(root: str) -> dict[bytes, Entry]:
    """Return every entry below root by its relative path; the root itself is b".". Raises OSError."""
    found: dict[bytes, os.stat_result] = {}
    names: dict[tuple[int, int], list[bytes]] = defaultdict(list)
    for path in _walk(os.fsencode(root)):
        status = os.lstat(os.path.join(os.fsencode(root), path))
        found[path] = status
        if not stat.S_ISDIR(status.st_mode):
            names[status.st_dev, status.st_ino].append(path)
    return {
        path: _read_entry(os.path.join(os.fsencode(root), path), status, names[status.st_dev, status.st_ino], path)
        for path, status in found.items()
    }


def _walk(root: bytes) -> t.Iterator[bytes]:
    yield b"."
    pending = [b""]
    while pending:
        below = pending.pop()
        with os.scandir(os.path.join(root, below)) as entries:
            for entry in entries:
                path = os.path.join(below, entry.name)
                yield path
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)


def _read_entry(full: bytes, status: os.stat_result, names: t.Sequence[bytes], path: bytes) -> Entry:
    kind = stat.S_IFMT(status.st_mode)
    regular = kind == stat.S_IFREG
    return Entry(
        type=_TYPES[kind],
        mode=oct(stat.S_IMODE(status.st_mode)),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        size=status.st_size if regular else None,
        sha256=_sha256(full) if regular else None,
        target=os.readlink(full) if kind == stat.S_IFLNK else None,
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if kind in (stat.S_IFCHR, stat.S_IFBLK) else None,
        xattrs=_xattrs(full),
        links=tuple(sorted(name for name in names if name != path)),
    )


def _sha256(path: bytes) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _xattrs(path: bytes) -> tuple[tuple[str, bytes], ...]:
    names = os.listxattr(path, follow_symlinks=False)
    return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names))


def differences(left: t.Mapping[bytes, Entry], right: t.Mapping[bytes, Entry]) -> t.Iterator[str]:
    """Yield one line for every name that only one tree has, and for every attribute that differs."""
    for path in sorted(left.keys() | right.keys()):
        shown = repr(os.fsdecode(path))[1:-1]
        if path not in right:
            yield f"{shown}: only on the left ({left[path].type})"
        elif path not in left:
            yield f"{shown}: only on the right ({right[path].type})"
        else:
            yield from _compare_attributes(shown, left[path], right[path])


def _compare_attributes(shown: str, left: Entry, right: Entry) -> t.Iterator[str]:
    for field in fields(Entry):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if one != other:
            yield f"{shown}: {field.name} {one!r} on the left, {other!r} on the right"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("left")
    parser.add_argument("right")
    parser.add_argument("--ignore", action="append", default=[], help="an attribute that may differ, as PATH:NAME")
    parser.add_argument("--show", type=int, default=20, help="how many differences to print")
    options = parser.parse_args()
    left, right = inventory(options.left), inventory(options.right)
    ignored = tuple(item.replace(":", ": ", 1) + " " for item in options.ignore)
    found = (
        [line for line in differences(left, right) if not line.startswith(ignored)]
        if ignored
        else list(differences(left, right))
    )
    for line in found[: options.show]:
        print(line)
    print(f"{len(left)} entries on the left, {len(right)} on the right, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
