# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""built.py DIRECTORY: print each link of a built site that leads to no file or anchor; fail if there is one."""

from __future__ import annotations

import dataclasses
import html.parser
import os
import sys
import typing as t
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclasses.dataclass
class Page(html.parser.HTMLParser):
    """A page with the anchors in it and the links from it."""

    anchors: set[str] = dataclasses.field(default_factory=set)
    links: set[str] = dataclasses.field(default_factory=set)

    def __post_init__(self) -> None:
        """Make the parser ready."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element brings."""
        values = {name: value for name, value in attrs if value is not None}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.links |= {values[name] for name in ("href", "src") if name in values}


def read(path: Path) -> Page:
    """Return the anchors and links of a file."""
    page = Page()
    page.feed(path.read_text("utf-8"))
    return page


def problems(directory: Path) -> t.Iterator[str]:
    """Yield a line for each link that leads nowhere. Links to other hosts are not followed."""
    pages = {str(path.relative_to(directory)): read(path) for path in sorted(directory.rglob("*.html"))}
    for name, page in pages.items():
        for link in sorted(page.links):
            found = _problem(link, name, pages, directory)
            if found:
                yield f"{name}: {link} {found}"


def _problem(link: str, name: str, pages: t.Mapping[str, Page], directory: Path) -> str | None:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    path = unquote(parts.path)
    target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
    if not (directory / target).is_file():
        return "leads to no file"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "leads to no anchor"
    return None


def main() -> int:
    """Check the site that the command line names."""
    found = list(problems(Path(sys.argv[1])))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
