# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Sphinx extension: draws the fenced blocks in Mermaid of the guides as SVG, in the colours of the page."""

from __future__ import annotations

import html
import re
import subprocess
import typing as t

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from .mermaid import MermaidError, translate

if t.TYPE_CHECKING:
    from sphinx.application import Sphinx

_SVG: t.Final = re.compile(r"<svg.*</svg>", re.DOTALL)
_VIEW: t.Final = re.compile(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) [\d.]+"')
# Graphviz counts in points of 1/72 inch, a browser in pixels of 1/96 inch.
_PIXELS: t.Final = 96 / 72


def draw(text: str) -> str:
    """Return HTML with a diagram that is drawn from text, as wide as its letters need, and no wider than the page."""
    diagram = translate(text)
    # The renderer of Graphviz itself measures text by tables and not by the fonts that are installed.
    command = ["dot", "-Tsvg:svg:core"]
    drawn = subprocess.run(
        command, input=diagram.dot, capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout
    svg = _SVG.search(drawn)
    width = _VIEW.search(drawn)
    if not svg or not width:
        raise MermaidError("dot did not print a picture")
    # tooltips with the names of the nodes would tell nobody anything
    inner = re.sub(r"<title>.*?</title>\n?", "", svg[0])
    size = f'style="width: {float(width[1]) * _PIXELS:.0f}px" role="img" aria-label="{html.escape(diagram.title)}"'
    inner = re.sub(r'<svg width="[^"]*" height="[^"]*"', lambda dummy: f"<svg {size}", inner, count=1)
    return f'<figure class="diagram">{inner}</figure>'


class Mermaid(SphinxDirective):
    """A fenced block in the language mermaid."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the picture; a diagram that is not understood is an error of the page."""
        try:
            drawn = draw("\n".join(self.content))
        except (MermaidError, subprocess.CalledProcessError) as exc:
            raise self.error(str(exc)) from exc
        return [nodes.raw("", drawn, format="html")]


def setup(app: Sphinx) -> dict[str, t.Any]:
    """Register the directive."""
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
