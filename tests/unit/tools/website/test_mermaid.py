# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The diagrams of the guides become pictures of Graphviz, and a line that is not understood is an error."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from ansible_collections.attested.registry.tools.website.diagrams import draw
from ansible_collections.attested.registry.tools.website.mermaid import MermaidError, translate

DOCS = Path(__file__).parents[4] / "docs"
DIAGRAMS = [
    pytest.param(match[1], id=f"{path.stem}-{number}")
    for path in sorted(DOCS.glob("*.md"))
    for number, match in enumerate(
        re.finditer(r"^```mermaid\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]


def states(*lines: str) -> str:
    return "\n".join(["stateDiagram-v2", "accTitle: A test", *lines])


def flow(*lines: str) -> str:
    return "\n".join(["flowchart TB", "accTitle: A test", *lines])


@pytest.mark.parametrize("text", DIAGRAMS)
def test_every_arrow_of_a_guide_is_in_its_picture(text: str) -> None:
    ends = re.findall(r"^\s+(\w+|\[\*\]).*?(?:-->|-\.->)(?:\|.*?\|)? (\w+|\[\*\])", text, re.MULTILINE)
    assert ends
    dot = translate(text).dot
    for before, after in ends:
        arrow = f"{before} -> {after} [".replace("[*]", "POINT")
        assert re.search(r"^  " + re.escape(arrow).replace("POINT", r"point\d+"), dot, re.MULTILINE)


def test_the_guides_have_diagrams() -> None:
    assert len(DIAGRAMS) >= 5


def test_a_title_is_what_is_read_out() -> None:
    assert translate(flow("a --> b")).title == "A test"


def test_arrows_between_the_same_states_are_one_with_both_labels() -> None:
    dot = translate(states("OPEN --> OPEN: first", "OPEN --> OPEN: second")).dot
    assert dot.count("OPEN -> OPEN") == 1
    assert '[label="first\\nsecond"]' in dot


def test_each_arrow_from_outside_has_its_own_point() -> None:
    dot = translate(states("[*] --> A", "A --> [*]")).dot
    assert "point0 -> A" in dot
    assert "A -> point1" in dot


@pytest.mark.parametrize(
    ("node", "shape"),
    [("a[x]", "box"), ("a([x])", "box"), ("a[(x)]", "cylinder"), ("a{x}", "hexagon"), ('a["x"]', "box")],
)
def test_shapes(node: str, shape: str) -> None:
    assert f'a [shape={shape}, label="x"' in translate(flow(node)).dot


def test_labels_are_data() -> None:
    assert r'label="say \"x\" \\ now\nhere"' in translate(flow(r'a[say "x" \ now<br/>here] --> b')).dot


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stateDiagram-v2\nA --> B",
        "pie\naccTitle: A test",
        states("A -- B"),
        states("state A {"),
        flow("a --- b"),
        flow("subgraph a"),
        flow("a"),
        flow("a --> b --> c"),
        flow("a[never closed --> b"),
        flow("accTitle: another"),
    ],
)
def test_what_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(MermaidError):
        translate(text)


@pytest.mark.skipif(not shutil.which("dot"), reason="make docs installs Graphviz")
def test_a_picture_has_the_text_and_names_itself() -> None:
    picture = draw(flow("a[one <two>] -->|three| b[four]"))
    assert picture.startswith('<figure class="diagram"><svg style="width: ')
    assert 'role="img" aria-label="A test"' in picture
    assert [re.sub(r"&#160;|\xa0", " ", text) for text in re.findall(r">([^<>]+)</text>", picture)] == [
        "one &lt;two&gt;",
        "four",
        "three",
    ]
    assert "<title>" not in picture
