# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Change one member in a JSON text, and leave all other bytes of the text as they are.

Users edit the files of docker and podman by hand, so their indentation, the order of names and the spelling of numbers
stay. Called by login/auth_text.py.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..._base.strict_json import JsonValue

_SPACE: t.Final = re.compile(r"[ \t\n\r]*")
_DECODER: t.Final = json.JSONDecoder()
# what docker and podman indent with
_INDENT: t.Final = "\t"


@dataclass(frozen=True)
class _Member:
    """A member of an object: its name, and where name and value start and the value ends in the text."""

    name: str
    start: int
    value: int
    end: int


@dataclass(frozen=True)
class _Object:
    """An object: where it starts and ends in the text, and its members in their order."""

    start: int
    end: int
    members: tuple[_Member, ...]

    def find(self, name: str) -> int | None:
        """Return the place of a member among the members, None if there is none of that name."""
        return next((place for place, member in enumerate(self.members) if member.name == name), None)


def set_member(text: str, path: Sequence[str], value: JsonValue) -> str:
    """Return the text with the value at a path of names, such as ("auths", "r.example").

    text must be an object that strict_json accepts. Objects on the path that are missing, or are not objects, are
    created. A new member comes after the others of its object.
    """
    start = _skip(text, 0)
    return _set(text, start, tuple(path), value, _Style.of(text, start), depth=1)


def remove_members(text: str, path: Sequence[str], names: Collection[str]) -> str:
    """Return the text without the members with these names of the object at a path; unchanged if there are none.

    Each member is read once, however many go.
    """
    start = _skip(text, 0)
    for name in path:
        found = _scan(text, start)
        place = found.find(name)
        if place is None or text[found.members[place].value] != "{":
            return text
        start = found.members[place].value
    found = _scan(text, start)
    members, gone = found.members, frozenset(names)
    kept = [place for place, member in enumerate(members) if member.name not in gone]
    if len(kept) == len(members):
        return text
    if not kept:
        return f"{text[: found.start]}{{}}{text[found.end :]}"
    first, *others = kept
    parts = [text[: members[0].start], text[members[first].start : members[first].end]]
    parts += [text[members[place - 1].end : members[place].end] for place in others]
    return "".join([*parts, text[members[-1].end :]])


@dataclass(frozen=True)
class _Style:
    """How a text is indented: the indentation of one level, None if it has no line ends."""

    indent: str | None

    @classmethod
    def of(cls, text: str, start: int) -> _Style:
        """Return the style of the object at start."""
        members = _scan(text, start).members
        if not members:
            return cls(_INDENT)
        before = text[start + 1 : members[0].start]
        return cls(before.rpartition("\n")[2] if "\n" in before else None)

    def line(self, depth: int) -> str:
        """Return what begins a line at a depth."""
        return "" if self.indent is None else "\n" + self.indent * depth

    def render(self, value: JsonValue, depth: int) -> str:
        """Return the value as JSON, to stand on a line at a depth."""
        shown = json.dumps(value, indent=self.indent, ensure_ascii=False)
        return shown if self.indent is None else shown.replace("\n", self.line(depth))


def _set(text: str, start: int, path: tuple[str, ...], value: JsonValue, style: _Style, *, depth: int) -> str:
    """Set the value in the object at start, whose members are at a depth."""
    found = _scan(text, start)
    place = found.find(path[0])
    if place is not None and len(path) > 1 and text[found.members[place].value] == "{":
        return _set(text, found.members[place].value, path[1:], value, style, depth=depth + 1)
    for name in reversed(path[1:]):
        value = {name: value}
    shown = style.render(value, depth)
    if place is not None:
        return text[: found.members[place].value] + shown + text[found.members[place].end :]
    shown = f"{json.dumps(path[0], ensure_ascii=False)}: {shown}"
    if found.members:
        end = found.members[-1].end
        between = text[found.start + 1 : found.members[0].start]
        return f"{text[:end]},{between}{shown}{text[end:]}"
    return f"{text[: found.start]}{{{style.line(depth)}{shown}{style.line(depth - 1)}}}{text[found.end :]}"


def _scan(text: str, start: int) -> _Object:
    """Find the members of the object at start."""
    members = []
    at = _skip(text, start + 1)
    while text[at] != "}":
        name, after = _DECODER.raw_decode(text, at)
        value = _skip(text, _skip(text, after) + 1)
        end = _DECODER.raw_decode(text, value)[1]
        members.append(_Member(name, at, value, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return _Object(start, at + 1, tuple(members))


def _skip(text: str, at: int) -> int:
    """Return where the white space at a place ends."""
    return t.cast("re.Match[str]", _SPACE.match(text, at)).end()


__all__ = ("remove_members", "set_member")
