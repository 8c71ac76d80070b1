# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small images, made in memory and always the same: for many trees at once, and for what slows a run a hundredfold."""

from __future__ import annotations

import random
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    Entry,
    directory,
    file,
    hardlink,
    symlink,
)
from ansible_collections.attested.registry.tests.support.servers.peers import skopeo_copy

_FILES_IN_A_DIRECTORY: t.Final = 25
_WORDS: t.Final = 2000


def make(*, files: int, size: int, version: str) -> images.Image:
    """Make an image of so many files of size bytes together, and a small layer on top, which holds its version."""
    base = images.layer([*_entries(random.Random(files), files, size)])
    top = images.layer([directory("etc"), file("etc/version", version.encode())])
    return images.image([base, top])


def _entries(chance: random.Random, files: int, size: int) -> t.Iterator[Entry]:
    """Yield directories and files of text, which compresses three times, with a link after each twentieth file."""
    words = [f"{chance.randrange(1 << 32):x} "[chance.randrange(6) :].encode() for dummy in range(_WORDS)]
    shares = [chance.lognormvariate(0, 1.2) for dummy in range(files)]
    for number, share in enumerate(shares):
        folder = f"usr/share/part{number // _FILES_IN_A_DIRECTORY:03d}"
        if number % _FILES_IN_A_DIRECTORY == 0:
            yield directory(folder)
        name, length = f"{folder}/file{number:05d}", int(size * share / sum(shares))
        yield file(name, b"".join(chance.choices(words, k=length // 4 + 1))[:length], mode=0o644)
        if number % 20 == 7:
            yield hardlink(f"{name}.same", name)
        if number % 20 == 13:
            yield symlink(f"{name}.link", name.rpartition("/")[2])


def publish(registry: str, tagged: t.Mapping[str, images.Image], work: Path) -> None:
    """Push the images to the repository bench of a registry."""
    layout = images.write_layout(work / "small-layout", tagged)
    for tag in tagged:
        skopeo_copy(f"oci:{layout}:{tag}", f"docker://{registry}/bench:{tag}", "--dest-tls-verify=false")
