# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of the benchmark, made once below build/images."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.attested.registry.tests.support.images import debian_images
from ansible_collections.attested.registry.tests.support.servers.peers import run

from . import node_modules, torch_layer
from .measuring import apart

PACKAGES = ["gcc", "git", "libc6-dev", "perl", "python3"]
TAGS: t.Final = ("debian", "node", "torch")


@dataclass(frozen=True)
class BenchImages:
    """An OCI layout with the tags debian (one layer), node (that layer and a node_modules tree on top) and torch."""

    layout: Path


def make(parent: Path) -> BenchImages:
    """The images, made when they are not there. Needs root."""
    recipe = debian_images.recipe(PACKAGES, Path(node_modules.__file__).read_bytes())
    place = parent.resolve() / f"bench-{recipe}"
    apart(_make, place)
    return BenchImages(place / "layout")


def _make(place: Path) -> None:
    debian_images.made_once(place, _fill)
    _add_torch(place)


def _fill(place: Path) -> None:
    base, modules = place / "base.tar", place / "node_modules.tar"
    debian_images.make_root_tar(base, PACKAGES)
    node_modules.write(modules)
    debian_images.new_layout(place / "layout")
    debian_images.add_image(place / "layout", "debian", [base])
    debian_images.add_image(place / "layout", "node", [base, modules])
    base.unlink()
    modules.unlink()


def _add_torch(place: Path) -> None:
    """Add torch to the layout; a file beside it names the recipe, so that the other two are not made again for it."""
    recipe = debian_images.recipe(Path(torch_layer.__file__).read_bytes())
    mark, layer, layout = place / "torch-recipe", place / "torch.tar", place / "layout"
    if mark.exists() and mark.read_text() == recipe:
        return
    if "torch" in run("umoci", "ls", "--layout", layout).split():
        run("umoci", "rm", "--image", f"{layout}:torch")
        run("umoci", "gc", "--layout", layout)
    torch_layer.write(layer)
    debian_images.add_image(layout, "torch", [layer])
    layer.unlink()
    mark.write_text(recipe)
