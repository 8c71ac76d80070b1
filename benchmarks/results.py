# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""RESULTS.md: the figures of each benchmark as rows of data, and the file in which every benchmark has a section."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

HEADER: t.Final = """\
# Results of `make bench`

`make bench` writes this file: a benchmark replaces its own section and leaves the others, and each section states the
conditions of its run. [README.md](README.md) describes what is measured. Compare the ratios, not the seconds.
"""
_HEADING: t.Final = re.compile(r"^## (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """A figure, and that of a peer if there is one.

    A ratio of "times" is ours divided by the peer's; one of "speedup" is the peer's divided by ours, and says how many
    times as fast we are.
    """

    what: str
    ours: float
    unit: str
    peer: str = ""
    theirs: float | None = None
    ratio: t.Literal["times", "speedup"] = "times"

    @property
    def quotient(self) -> float | None:
        """Return the ratio as a number, None without a peer."""
        if self.theirs is None:
            return None
        over, under = (self.theirs, self.ours) if self.ratio == "speedup" else (self.ours, self.theirs)
        return over / under if under else None

    def cells(self) -> tuple[str, str, str, str]:
        """Return the texts of the four columns."""
        theirs = "" if self.theirs is None else f"{self.peer}: {_figure(self.theirs, self.unit)}"
        return self.what, _figure(self.ours, self.unit), theirs, self._ratio_text()

    def _ratio_text(self) -> str:
        if self.quotient is None:
            return ""
        return f"{self.quotient:.2f} times{' as fast' if self.ratio == 'speedup' else ''}"


@dataclass(frozen=True)
class Section:
    """What one benchmark found: its rows, the facts to know with them, and remarks that question them."""

    name: str
    rows: t.Sequence[Row]
    facts: t.Sequence[tuple[str, str]] = ()
    remarks: t.Sequence[str] = ()


def _figure(value: float, unit: str) -> str:
    if isinstance(value, int):
        return f"{value:,} {unit}".rstrip()
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 20 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def text_of(rows: t.Sequence[Row]) -> str:
    """Return the rows as aligned lines for a terminal."""
    table = [row.cells() for row in rows]
    widths = [max(len(cells[column]) for cells in table) for column in range(4)] if table else []
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip() for cells in table]
    return "".join(f"  {line}\n" for line in lines)


def render(section: Section) -> str:
    """Return a section as Markdown, with its heading."""
    facts = "".join(f"* {name}: {value}\n" for name, value in section.facts)
    remarks = "".join(f"\n**{remark}**\n" for remark in section.remarks)
    lines = [("what", "ours", "peer", "ratio"), ("---",) * 4, *(row.cells() for row in section.rows)]
    table = "".join(f"| {' | '.join(_escape(cell) for cell in cells)} |\n" for cells in lines)
    return f"## {section.name}\n\n{facts}{remarks}\n{table}"


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def parse(text: str) -> dict[str, str]:
    """Return the sections of the file by name, each with its heading; what stands before the first one is left out."""
    found = list(_HEADING.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return {match[1]: text[match.start() : end].strip() + "\n" for match, end in zip(found, ends)}


def replaced(text: str, section: Section, *, order: t.Sequence[str]) -> str:
    """Return the text of the file with this section in place of that of the same name; sections stand in that order."""
    sections = {**parse(text), section.name: render(section)}
    known = [name for name in order if name in sections]
    names = known + [name for name in sections if name not in order]
    return "\n".join([HEADER, *(sections[name] for name in names)])
