# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of a few hundred files of the Debian images, for the integration tests where size is not the point.

The second layer of the release 2.0 is that of the Debian images.
"""

from __future__ import annotations

import os
import stat
import subprocess
import typing as t
from pathlib import Path

from ..servers.peers import run, skopeo_copy
from .debian_images import TestImages, add_image, change_layer, describe, new_layout

# What the tests name, and what change_layer() replaces and removes. ping has a capability.
_WHOLE: t.Final = ("dev", "etc", "usr/bin", "usr/share/perl5")
_MORE: t.Final = ("usr", "usr/share", "usr/share/doc", "usr/share/doc/libc6", "var", "var/lib")
_MOST_BYTES: t.Final = 100_000


def small_images(large: TestImages, place: Path) -> TestImages:
    """Make a layout with the tags 1.0 and 2.0 in this directory, and the trees that umoci makes of them. Needs root."""
    made = TestImages(place)
    place.mkdir()
    base, changes = place / "base.tar", place / "changes.tar"
    _archive(large.expected("1.0"), base)
    changes.write_bytes(change_layer())
    new_layout(made.layout)
    add_image(made.layout, "1.0", [base])
    run("umoci", "raw", "add-layer", "--image", f"{made.layout}:1.0", "--tag", "2.0", changes)
    describe(made.layout, "2.0", version="2.0")
    made.expected("1.0").parent.mkdir()
    for tag in ("1.0", "2.0"):
        run("umoci", "raw", "unpack", "--image", f"{made.layout}:{tag}", made.expected(tag))
    return made


def push(made: TestImages, registry: str) -> None:
    """Put the images into the repository small of a registry, 1.0 as stable, too."""
    for source, tag in (("1.0", "1.0"), ("1.0", "stable"), ("2.0", "2.0")):
        skopeo_copy(f"oci:{made.layout}:{source}", f"docker://{registry}/small:{tag}", "--dest-tls-verify=false")


def _archive(tree: Path, path: Path) -> None:
    options = ("--numeric-owner", "--xattrs", "--xattrs-include=*", "--format=posix", "--no-recursion", "--null")
    command = ("tar", "--create", f"--file={path}", f"--directory={tree}", *options, "--files-from=-")
    subprocess.run(command, input=b"\0".join(os.fsencode(name) for name in _names(tree)), check=True)


def _names(tree: Path) -> list[str]:
    names = {".", *_MORE, *os.listdir(tree)}
    for top in _WHOLE:
        for directory, directories, files in os.walk(tree / top):
            names.add(os.path.relpath(directory, tree))
            names.update(os.path.relpath(os.path.join(directory, name), tree) for name in directories + files)
    return sorted(name for name in names if _is_small((tree / name).lstat()))


def _is_small(status: os.stat_result) -> bool:
    return not stat.S_ISREG(status.st_mode) or status.st_size <= _MOST_BYTES
