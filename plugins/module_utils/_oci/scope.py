# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Scopes of registry tokens (distribution's "Token Scope Documentation"): parsing, and which scope includes another.

Called by the client, to use a token again, and by the filter parse_scope.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._base.text import quote
from .errors import OciError

MAX_SCOPE: t.Final = 1024

_TYPE: t.Final = r"([a-z0-9]+)(?:\(([a-z0-9]+)\))?"
_HOST: t.Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_COMPONENT: t.Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME: t.Final = rf"(?:{_HOST}(?:\.{_HOST})*(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*"
# Azure's registry has the action metadata_read
_ACTION: t.Final = r"(?:[a-z_]+|\*)"
_SCOPE: t.Final = re.compile(rf"{_TYPE}:({_NAME}):({_ACTION}(?:,{_ACTION})*)?")
_ALL: t.Final = "*"


class ScopeInvalid(OciError):
    """A scope violates the grammar."""

    kind = "scope_invalid"


@dataclass(frozen=True)
class Scope:
    """What a token permits: actions on a resource. resource_class is that of a type such as repository(plugin)."""

    type: str
    resource_class: str | None
    name: str
    actions: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read "type[(class)]:name:action,action". Raises ScopeInvalid."""
        fits = isinstance(text, str) and len(text) <= MAX_SCOPE
        match = _SCOPE.fullmatch(text) if fits else None
        if match is None:
            raise ScopeInvalid(f"The scope {quote(text)} is invalid: it must look like repository:team/app:pull,push.")
        kind, resource_class, name, actions = match.groups()
        return cls(kind, resource_class, name, tuple(dict.fromkeys(actions.split(","))) if actions else ())

    def includes(self, other: Scope) -> bool:
        """Tell whether this permits all that the other permits: the same resource, and its actions or all actions."""
        same = (self.type, self.resource_class, self.name) == (other.type, other.resource_class, other.name)
        return same and (_ALL in self.actions or set(other.actions) <= set(self.actions))

    def __str__(self) -> str:
        resource_class = "" if self.resource_class is None else f"({self.resource_class})"
        return f"{self.type}{resource_class}:{self.name}:{','.join(self.actions)}"


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """Read scopes separated by spaces, as token services take them; none if there are only spaces.

    Raises ScopeInvalid.
    """
    if not isinstance(text, str):
        raise ScopeInvalid(f"A scope must be a string, not {quote(text)}.")
    return tuple(Scope.parse(part) for part in text.split(" ") if part)


def covers(held: t.Collection[str], wanted: t.Collection[str]) -> bool:
    """Tell whether a token with the scopes held permits all that the wanted ones permit. Total.

    A scope that violates the grammar is included in an equal one alone.
    """
    missing = [text for text in wanted if text not in held]
    if not missing:
        return True
    try:
        scopes = [Scope.parse(text) for text in missing]
    except ScopeInvalid:
        return False
    found = list(_readable(held))
    return all(any(one.includes(scope) for one in found) for scope in scopes)


def _readable(texts: t.Collection[str]) -> t.Iterator[Scope]:
    for text in texts:
        try:
            yield Scope.parse(text)
        except ScopeInvalid:
            continue


__all__ = ("MAX_SCOPE", "Scope", "ScopeInvalid", "covers", "parse_scopes")
