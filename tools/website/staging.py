# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""staging.py DIRECTORY: write the pages in Markdown that the site has into a directory, as sources for Sphinx.

These are the guides and some files of the top of the checkout. Their links are paths in the checkout. On the site, a
link to a file that is a page leads to that page, and any other one to the repository that galaxy.yml names.
"""

from __future__ import annotations

import os
import re
import sys
import typing as t
from pathlib import Path

import yaml

from ..links import LINK, outside_code
from .recordings import SESSIONS

TOP: t.Final = Path(__file__).resolve().parents[2]
# name on the site: file in the checkout
_OTHERS: t.Final = {
    "changelog.rst": "CHANGELOG.rst",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}
_EQUAL: t.Final = {"CHANGELOG.md": "changelog.rst"}
_ELSEWHERE: t.Final = re.compile(r"[a-z][a-z0-9+.-]*:|#")
# A comment, so that Git hosts, which have no player, show nothing.
_RECORDING: t.Final = re.compile(r"^<!-- recording: (.*) -->$", re.MULTILINE)
# The theme shows the headings of a page beside it.
_CONTENTS: t.Final = re.compile(r"^\.\. contents::.*\n(?:[ \t]+.*\n)*\n", re.MULTILINE)


def pages(top: Path) -> dict[str, str]:
    """Return the file in the checkout for each page, by the name of the page on the site."""
    guides = {path.name: f"docs/{path.name}" for path in sorted((top / "docs").glob("*.md"))}
    return {**guides, **_OTHERS}


def repository(top: Path) -> str:
    """Return the address of the repository."""
    address = yaml.safe_load((top / "galaxy.yml").read_text("utf-8"))["repository"]
    assert isinstance(address, str)
    return address


def moved(link: str, *, origin: str, names: t.Mapping[str, str], address: str, top: Path) -> str:
    """Return a link of the file origin as it is on the site. names has the page for each file that is one."""
    if _ELSEWHERE.match(link):
        return link
    path, mark, anchor = link.partition("#")
    target = os.path.normpath(os.path.join(os.path.dirname(origin), path))
    if target in names:
        return names[target] + mark + anchor
    kind = "tree" if (top / target).is_dir() else "blob"
    return f"{address}/{kind}/main/{target}{mark}{anchor}"


def staged(text: str, *, origin: str, top: Path) -> str:
    """Return the text of a page in Markdown with its links as they are on the site, and a player for each recording."""
    names = {file: page for page, file in pages(top).items()} | _EQUAL
    address = repository(top)

    def link(match: re.Match[str]) -> str:
        given = match[1] or match[2]
        return match[0].replace(given, moved(given, origin=origin, names=names, address=address, top=top), 1)

    return outside_code(lambda part: _RECORDING.sub(_player, LINK.sub(link, part)), text)


def _player(match: re.Match[str]) -> str:
    if match[1] not in SESSIONS:
        raise ValueError(f"{match[0]} names no recording: {', '.join(SESSIONS)}")
    return f"```{{asciinema}} {match[1]}.cast\n```"


def stage(directory: Path, top: Path = TOP) -> None:
    """Write all pages."""
    for page, origin in pages(top).items():
        text = (top / origin).read_text("utf-8")
        text = staged(text, origin=origin, top=top) if page.endswith(".md") else _CONTENTS.sub("", text)
        (directory / page).write_text(text, "utf-8")


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
