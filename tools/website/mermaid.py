# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Translate the diagrams of the guides from Mermaid to the language of Graphviz.

Git hosts draw Mermaid in the browser, with megabytes of code. The site needs none of it: Graphviz draws the diagrams
when the site is built. State diagrams and flowcharts are supported as far as the guides use them; any other line is an
error. diagrams.py calls this.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

# NAME, NAME[text], NAME([text]), NAME[(text)] and NAME{text}
_NODE: t.Final = r"(\w+)(?:(\(\[|\[\(|\[|\{)\"?(.*?)\"?(?:\]\)|\)\]|\]|\}))?"
_EDGE: t.Final = re.compile(rf"{_NODE}\s+(-->|-\.->)(?:\|([^|]*)\|)?\s+{_NODE}")
_TRANSITION: t.Final = re.compile(r"(\w+|\[\*\])\s+-->\s+(\w+|\[\*\])(?:\s*:\s*(.*))?")
_OUTSIDE: t.Final = "[*]"
_POINT: t.Final = 'shape=circle, width=0.14, height=0.14, fixedsize=true, label="", class=point'
_TITLE: t.Final = re.compile(r"accTitle:\s*(.*)")
_BREAK: t.Final = re.compile(r"<br\s*/?>")
_SHAPES: t.Final = {"[": "box", "([": "box", "[(": "cylinder", "{": "hexagon"}
# Graphviz has the widths of Helvetica in tables, so pictures do not depend on the fonts of the machine.
_STYLE: t.Final = """\
  graph [bgcolor=transparent, fontname=Helvetica, fontsize=13, nodesep=0.3, ranksep=0.4, pad=0.1]
  node [shape=box, style="rounded,filled", fontname=Helvetica, fontsize=13, margin="0.14,0.08", height=0.3, width=0.3]
  edge [fontname=Helvetica, fontsize=12, arrowsize=0.7]"""


class MermaidError(ValueError):
    """A line of a diagram is not one of those that are understood."""


@dataclasses.dataclass(frozen=True)
class Diagram:
    """A diagram for Graphviz, and what it shows in one line."""

    title: str
    dot: str


def translate(text: str) -> Diagram:
    """Return a diagram for Graphviz; raise MermaidError for a line that is not understood, and without accTitle."""
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("%%")]
    head = lines.pop(0) if lines else ""
    titles = [match[1] for match in map(_TITLE.fullmatch, lines) if match]
    lines = [line for line in lines if not _TITLE.fullmatch(line)]
    if len(titles) != 1:
        raise MermaidError("a diagram needs one line with accTitle, which is read out in its place")
    if head == "stateDiagram-v2":
        body = _transitions(lines)
    elif head in ("flowchart TB", "flowchart LR"):
        body = [f"  rankdir={head[-2:]}", *(line for text in lines for line in _statement(text))]
    else:
        raise MermaidError(f"{head!r} is not a kind of diagram that is understood")
    return Diagram(titles[0], "\n".join(["digraph {", _STYLE, *body, "}", ""]))


def _transitions(lines: t.Iterable[str]) -> list[str]:
    labels: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        match = _TRANSITION.fullmatch(line)
        if not match:
            raise MermaidError(f"{line!r} is not a transition")
        labels.setdefault((match[1], match[2]), []).append(match[3] or "")
    drawn = []
    for number, ((before, after), texts) in enumerate(labels.items()):
        # each arrow from or to the outside has a point of its own
        ends = [f"point{number}" if end == _OUTSIDE else end for end in (before, after)]
        if _OUTSIDE in (before, after):
            drawn.append(f"  point{number} [{_POINT}]")
        # one arrow for all messages between two states, as Graphviz draws several loops over each other
        drawn.append(f"  {ends[0]} -> {ends[1]} [label={_quoted('<br/>'.join(texts))}]")
    return drawn


def _statement(line: str) -> list[str]:
    if match := _EDGE.fullmatch(line):
        style = ", style=dashed" if match[4] == "-.->" else ""
        edge = f"  {match[1]} -> {match[6]} [label={_quoted(match[5] or '')}{style}]"
        return [*_node(match[1], match[2], match[3]), *_node(match[6], match[7], match[8]), edge]
    if (match := re.fullmatch(_NODE, line)) and match[2]:
        return _node(match[1], match[2], match[3])
    raise MermaidError(f"{line!r} is not a node or an edge")


def _node(name: str, bracket: str | None, label: str | None) -> list[str]:
    if bracket is None:
        return []
    marks = {"([": ", class=end", "{": ", style=filled"}.get(bracket, "")
    return [f"  {name} [shape={_SHAPES[bracket]}, label={_quoted(label or '')}{marks}]"]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _BREAK.sub(r"\\n", escaped) + '"'
