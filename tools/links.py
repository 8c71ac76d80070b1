# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""links.py FILE.md...: print each link to a file or heading that does not exist, and fail if there is one."""

from __future__ import annotations

import functools
import re
import sys
import typing as t
from pathlib import Path
from urllib.parse import unquote

_FENCE: t.Final = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
_CODE: t.Final = re.compile(r"`[^`\n]*`")
# [text](target), [text](<target>), [text](target "title") and [name]: target
LINK: t.Final = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s*<?(\S+?)>?\s*$", re.MULTILINE)
_HEADING: t.Final = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
_ANCHOR: t.Final = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
_ELSEWHERE: t.Final = re.compile(r"[a-z][a-z0-9+.-]*:")


def slug(heading: str) -> str:
    """Return the name that GitHub gives to a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.replace("`", "").lower()).replace(" ", "-")


@functools.cache
def anchors(document: Path) -> frozenset[str]:
    """Return the names that a link can lead to in a document; the second of two equal headings has -1 at its end."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    found: dict[str, int] = {}
    names = set(_ANCHOR.findall(text))
    for heading in _HEADING.findall(text):
        name = slug(heading)
        names.add(f"{name}-{found[name]}" if name in found else name)
        found[name] = found.get(name, 0) + 1
    return frozenset(names)


def exists(path: Path) -> bool:
    """Say whether the file is there, under exactly this name, on any file system."""
    return path.is_dir() or (path.exists() and path.name in {item.name for item in path.parent.iterdir()})


def outside_code(change: t.Callable[[str], str], text: str) -> str:
    """Return text with the parts changed that are neither fenced blocks nor code in a line."""
    parts, end = [], 0
    for match in re.finditer(f"(?:{_FENCE.pattern})|{_CODE.pattern}", text, _FENCE.flags):
        parts += [change(text[end : match.start()]), match[0]]
        end = match.end()
    return "".join([*parts, change(text[end:])])


def problem(document: Path, link: str) -> str | None:
    """Say what is wrong with a link of a document, None if nothing is. Links to other hosts are not followed."""
    if _ELSEWHERE.match(link):
        return None
    name, dummy, anchor = unquote(link).partition("#")
    target = document.parent / name if name else document
    if name.startswith("/"):
        return "is an absolute path"
    if not exists(target):
        return "leads to no file"
    if anchor and target.suffix == ".md" and anchor not in anchors(target):
        return "leads to no heading"
    return None


def problems(document: Path) -> t.Iterator[str]:
    """Yield a line for each link of a document that leads nowhere."""
    text = _FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), document.read_text(encoding="utf-8"))
    text = _CODE.sub("", text)
    for match in LINK.finditer(text):
        link = match[1] or match[2]
        found = problem(document, link)
        if found:
            yield f"{document}:{text.count(chr(10), 0, match.start()) + 1}: {link} {found}"


def main() -> int:
    """Check the documents that the command line names."""
    found = [line for name in sys.argv[1:] for line in problems(Path(name))]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
