# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images built as in practice give the same tree as umoci 0.4.7.

What is left out here, because umoci does otherwise: it gives directories that no entry describes, and the root, the
time of the unpack; it keeps the attributes of a directory that the layer hides and then implies anew; it cannot link to
a file that the layer hides, nor make a directory in the place of a parent that is a file.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.attested.registry.tests.support.images.compare_trees import differences, inventory
from ansible_collections.attested.registry.tests.support.images.images import image, layer, write_layout
from ansible_collections.attested.registry.tests.support.images.layer_maker import Box, Ground
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    Entry,
    directory,
    fifo,
    file,
    hardlink,
    opaque,
    symlink,
    whiteout,
)

CAPABILITY = b"\1\0\0\2" + bytes([0, 4]) + bytes(14)

BASE = [
    directory("./", mode=0o755, mtime=1),
    directory("etc", mtime=2),
    file("etc/passwd", b"root\n", mode=0o644, mtime=3.5),
    file("etc/shadow", b"*\n", mode=0o640, gid=42, mtime=3),
    directory("usr", mtime=2),
    directory("usr/bin", mtime=2),
    file("usr/bin/su", b"su", mode=0o4755, mtime=3),
    file("usr/bin/ping", b"ping", mode=0o755, mtime=3, xattrs={"security.capability": CAPABILITY}),
    file("usr/bin/perl", b"perl", mode=0o755, mtime=3),
    hardlink("usr/bin/perl5", "usr/bin/perl", mode=0o755, mtime=3),
    directory("usr/lib", mtime=2),
    file("usr/lib/libc.so", bytes(5000), mtime=3),
    symlink("bin", "usr/bin", mtime=3),
    symlink("lib", "/usr/lib", mtime=3),
    directory("tmp", mode=0o1777, mtime=2),
    directory("var", mtime=2),
    directory("var/mail", mode=0o2775, gid=8, mtime=2),
    symlink("var/run", "/run", mtime=3),
    directory("run", mtime=2),
    fifo("run/initctl", mode=0o600, mtime=3),
    directory("home", mtime=2),
    directory("home/user", mode=0o700, uid=1000, gid=1000, mtime=2, xattrs={"user.note": b"\0\n="}),
    file("home/user/.profile", b"x", uid=1000, gid=1000, mtime=3),
]

UPPER: dict[str, list[Entry]] = {
    "nothing": [],
    "files": [directory("etc", mtime=5), file("etc/passwd", b"new\n", mtime=6), file("etc/new", b"x" * 2000, mtime=6)],
    "usr merge": [directory("usr/lib", mtime=5), file("lib/modules", b"x", mtime=6), file("bin/sh", b"x", mtime=6)],
    "run": [directory("run", mtime=5), file("var/run/pid", b"1", mtime=6)],
    "one of two names": [directory("usr/bin", mtime=5), file("usr/bin/perl", b"perl 6", mode=0o755, mtime=6)],
    "whiteouts": [
        *[directory("etc", mtime=5), whiteout("etc/shadow"), directory("home", mtime=5), whiteout("home/user")],
        *[directory("usr/bin", mtime=5), whiteout("usr/bin/perl"), directory("./", mtime=5), whiteout("lib")],
    ],
    "opaque": [directory("home", mtime=5), opaque("home"), file("home/new", b"x", mtime=6)],
    "opaque at the end": [
        directory("home", mtime=5),
        directory("home/b", mtime=5),
        file("home/b/c", mtime=6),
        opaque("home"),
    ],
    "whiteout and anew": [
        *[directory("home", mtime=5), whiteout("home/user"), directory("home/user", mtime=5)],
        *[file("home/user/only", b"x", mtime=6), directory("./", mtime=6)],
    ],
    "other types": [
        *[directory("./", mtime=5), file("bin", b"now a file", mtime=6), symlink("tmp", "run", mtime=6)],
        *[directory("lib", mode=0o711, mtime=6), file("lib/own", b"x", mtime=7), fifo("home", mtime=6)],
    ],
    "attributes": [
        *[directory("home/user", mode=0o755, uid=1, mtime=7.25), directory("tmp", mode=0o700, mtime=7)],
        *[directory("var/mail", mode=0o755, mtime=7, xattrs={"user.a": b"b"})],
    ],
    "root": [directory("./", mode=0o711, uid=3, mtime=9), opaque(), directory("only", mtime=9)],
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", UPPER)
def test_the_tree_is_the_one_that_umoci_makes(memory: Path, tmp_path: Path, kind: str) -> None:
    umoci = shutil.which("umoci")
    if umoci is None:
        pytest.skip("umoci is not installed; apt-get install umoci")
    write_layout(tmp_path / "layout", {"it": image([layer(BASE), layer(UPPER[kind])])})
    theirs = tmp_path / "theirs"
    _run(umoci, "raw", "unpack", "--image", f"{tmp_path / 'layout'}:it", str(theirs))
    (tmp_path / "ground").mkdir()
    box = Box(Ground(tmp_path / "ground"), resolver="openat2")
    box.unpack(BASE, UPPER[kind])
    box.check()
    assert list(differences(inventory(str(theirs)), inventory(str(box.root)))) == []


def _run(*command: str) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert answer.returncode == 0, answer.stderr
