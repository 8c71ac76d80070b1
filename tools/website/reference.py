# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""reference.py DIRECTORY: adapt the pages of antsibull-docs in a directory to the site, and add lists of them.

antsibull-docs writes for a site of all collections on Galaxy. Here, titles are without the name of the collection, no
page advises to install it from Galaxy, and links into the documentation of Ansible lead there. A page that does not
look as expected is an error: a new version of antsibull-docs may have added advice that is wrong here.
"""

from __future__ import annotations

import re
import sys
import typing as t
from pathlib import Path

_COLLECTION: t.Final = "attested.registry"
_ANSIBLE: t.Final = "https://docs.ansible.com/ansible/latest"
# kind of a page, as its file name ends: title of the list, and what stands above it
_LISTS: t.Final = {
    "module": (
        "Modules",
        "``ansible-doc attested.registry.NAME`` shows the page of a module on a terminal.",
    ),
    "lookup": ("Lookups", "Lookups ask a registry from the controller, while a task is templated."),
    "filter": ("Filters", "Filters parse names, and ask no registry."),
    "role": (
        "Roles",
        "``ansible-doc -t role attested.registry.NAME`` shows the page of a role on a terminal.",
    ),
}
_PAGE: t.Final = re.compile(r"(\w+)_(module|lookup|filter|role)\.rst")
_TITLE: t.Final = re.compile(rf"^{re.escape(_COLLECTION)}\.(\w+) (\w+) -- (.+)\n\++\n", re.MULTILINE)
# the summary of the only entry point of a role is that of the role
_ENTRY: t.Final = re.compile(r"^(Entry point ``main``) -- .+\n-+\n", re.MULTILINE)
_INDENTED: t.Final = r"(?:[ \t]+.*\n|\n(?=[ \t]))*"
_NOTE: t.Final = re.compile(r"^\.\. Collection note\n\n\.\. note::\n" + _INDENTED, re.MULTILINE)
_CONTENTS: t.Final = re.compile(r"^\.\. contents::\n" + _INDENTED, re.MULTILINE)
_ORPHAN: t.Final = re.compile(r"^:orphan:\n", re.MULTILINE)
_LINKS: t.Final = re.compile(
    r"^(?:\.\. Extra links\n\n)?Collection links\n[~^\-]+\n\n\.\. ansible-links::\n" + _INDENTED, re.MULTILINE
)
_AUTHORS: t.Final = re.compile(r"^(?:\.\. Authors\n\n)?Authors\n[~^\-]+\n\n(?:- .*\n)+", re.MULTILINE)
_ELSEWHERE: t.Final = re.compile(
    r":ref:`([^`<]*) <(common_return_values|action_plugins|ansible_collections\.ansible\.builtin\.\w+)>`"
)
# what a page says that has nothing to say: of an alias, and of all environment variables
_EMPTY: t.Final = ("This redirect is part of", "No environment variables have been defined.")
_PLACES: t.Final = {
    "common_return_values": "reference_appendices/common_return_values.html",
    "action_plugins": "plugins/action.html",
}


class PageError(ValueError):
    """A page of antsibull-docs does not look as expected."""


def fitted(page: str) -> tuple[str, str]:
    """Return the text of a page as it is on the site, and what its title says after the name."""
    title = _TITLE.search(page)
    if not title:
        raise PageError("a page has no title")
    name, kind, summary = title.groups()
    heading = f"{name} {kind}"
    lead = [heading, "+" * len(heading), "", ".. rst-class:: lead", "", summary, ""]
    lead += [f"The full name is :literal:`{_COLLECTION}.{name}`.", ""]
    page = _replaced(_TITLE, "\n".join(lead), page)
    for pattern in (_NOTE, _CONTENTS, _ORPHAN, _AUTHORS, _LINKS):
        page = _replaced(pattern, "", page)
    page = _ENTRY.sub(lambda match: f"{match[1]}\n{'-' * len(match[1])}\n", page)
    return _ELSEWHERE.sub(_outward, page), summary


def _replaced(pattern: re.Pattern[str], replacement: str, page: str) -> str:
    page, count = pattern.subn(lambda dummy: replacement, page)
    if count != 1:
        raise PageError(f"a page has {count} parts like {pattern.pattern!r} in place of one")
    return page


def _outward(match: re.Match[str]) -> str:
    text, label = match.groups()
    place = _PLACES.get(label) or f"collections/ansible/builtin/{label.rpartition('.')[2]}.html"
    return f"`{text} <{_ANSIBLE}/{place}>`__"


def listed(kind: str, entries: t.Mapping[str, str]) -> str:
    """Return the page that lists all pages of a kind; entries has what each does, by its name."""
    title, lead = _LISTS[kind]
    lines = [title, "=" * len(title), "", lead, "", ".. list-table::", "   :class: plugins", "   :widths: auto", ""]
    for name, summary in sorted(entries.items()):
        lines += [f"   * - :doc:`{name} <{name}_{kind}>`", f"     - {summary}"]
    lines += ["", ".. toctree::", "   :hidden:", ""]
    return "\n".join([*lines, *(f"   {name} <{name}_{kind}>" for name in sorted(entries)), ""])


def fit(directory: Path) -> None:
    """Adapt all pages of a directory, write the lists, and remove the pages that are empty."""
    entries: dict[str, dict[str, str]] = {kind: {} for kind in _LISTS}
    for path in sorted(directory.glob("*.rst")):
        named = _PAGE.fullmatch(path.name)
        text = path.read_text("utf-8")
        if any(sentence in text for sentence in _EMPTY):
            path.unlink()
            continue
        if not named:
            raise PageError(f"{path.name} is of no kind that the site has")
        try:
            text, summary = fitted(text)
        except PageError as exc:
            raise PageError(f"{path.name}: {exc}") from exc
        path.write_text(text, "utf-8")
        entries[named[2]][named[1]] = summary
    for kind, found in entries.items():
        (directory / f"{kind}s.rst").write_text(listed(kind, found), "utf-8")


if __name__ == "__main__":
    fit(Path(sys.argv[1]))
