# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two images of the benchmark, made once below build/images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.attested.registry.tests.support.images import debian_images

from . import node_modules

PACKAGES = ["gcc", "git", "libc6-dev", "perl", "python3"]
TAGS = ("debian", "node")


@dataclass(frozen=True)
class BenchImages:
    """An OCI layout with the tags debian (one layer) and node (the same layer and a node_modules tree on top)."""

    layout: Path


def make(parent: Path) -> BenchImages:
    """The images, made when they are not there. Needs root."""
    recipe = debian_images.recipe(PACKAGES, Path(node_modules.__file__).read_bytes())
    return BenchImages(debian_images.made_once(parent.resolve() / f"bench-{recipe}", _fill) / "layout")


def _fill(place: Path) -> None:
    base, modules = place / "base.tar", place / "node_modules.tar"
    debian_images.make_root_tar(base, PACKAGES)
    node_modules.write(modules)
    debian_images.new_layout(place / "layout")
    debian_images.add_image(place / "layout", "debian", [base])
    debian_images.add_image(place / "layout", "node", [base, modules])
    base.unlink()
    modules.unlink()
