# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Sphinx extension: links the names of modules, lookups, filters and roles in the guides, once in each section."""

from __future__ import annotations

import typing as t

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

if t.TYPE_CHECKING:
    from sphinx.application import Sphinx

_COLLECTION: t.Final = "attested.registry."
# where a module and a lookup have the same name, the guides speak of the module
_KINDS: t.Final = ("module", "role", "lookup", "filter")


def documents_by_name(documents: t.Iterable[str]) -> dict[str, str]:
    """Return the document about each plugin and role, by its name, from all documents of the site."""
    found: dict[str, str] = {}
    pages = [document for document in documents if document.startswith("reference/")]
    for kind in reversed(_KINDS):
        found |= {p.removeprefix("reference/").removesuffix(f"_{kind}"): p for p in pages if p.endswith(f"_{kind}")}
    return found


class PluginLinks(SphinxPostTransform):
    """Make the links of a page."""

    default_priority = 5

    def run(self, **kwargs: t.Any) -> None:
        """Wrap names in links, but not in headings, in other links, and on the pages of the plugins."""
        here = self.env.docname
        if here.startswith("reference/"):
            return
        known = documents_by_name(self.env.found_docs)
        linked: set[tuple[int, str]] = set()
        for literal in list(self.document.findall(nodes.literal)):
            name = literal.astext().removeprefix(_COLLECTION)
            if name not in known or _inside(literal, nodes.title, nodes.reference):
                continue
            place = (id(_section(literal)), name)
            if place not in linked:
                linked.add(place)
                link = nodes.reference(
                    "", "", internal=True, refuri=self.app.builder.get_relative_uri(here, known[name])
                )
                literal.replace_self(link)
                link += literal


def _inside(node: nodes.Node, *kinds: type[nodes.Node]) -> bool:
    parent = node.parent
    while parent is not None and not isinstance(parent, kinds):
        parent = parent.parent
    return parent is not None


def _section(node: nodes.Node) -> nodes.Node:
    while node.parent is not None and not isinstance(node, nodes.section):
        node = node.parent
    return node


def setup(app: Sphinx) -> dict[str, t.Any]:
    """Register the transform."""
    app.add_post_transform(PluginLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
