# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Parse the challenges of WWW-Authenticate headers (RFC 9110, 11.6.1) as leniently as other clients do.

Registries and their proxies omit quotes and commas, use semicolons instead, omit the closing quote, and repeat
parameters. Other clients log in nevertheless, so nothing of this is an error: unreadable parts are skipped. Called by
authentication.py.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

# characters of one header; the rest is ignored
MAX_LENGTH: t.Final = 32 * 1024
MAX_CHALLENGES: t.Final = 16
MAX_PARAMETERS: t.Final = 64

_SCHEMES: t.Final = ("basic", "bearer", "digest", "negotiate", "ntlm")
_SEPARATORS: t.Final = re.compile(r"[\s,;\x00-\x1f\x7f]*")
_WORD: t.Final = re.compile(r'[^\s,;="\x00-\x1f\x7f]+')
_EQUALS: t.Final = re.compile(r"[ \t]*=[ \t]*")
_QUOTED: t.Final = re.compile(r'"((?:[^"\\]|\\.)*)\\?"?|\'([^\']*)\'', re.DOTALL)
_BARE: t.Final = re.compile(r"[^\s,;\x00-\x1f\x7f]*")
_NEXT_PARAMETER: t.Final = re.compile(r'\s+[^\s,;="]+[ \t]*=')


@dataclass(frozen=True)
class Challenge:
    """One challenge (RFC 9110, 11.6.1). scheme and parameter names are lower case; values are unquoted."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)

    def without(self, name: str) -> Challenge:
        """Return the challenge without one of its parameters."""
        return Challenge(self.scheme, {key: value for key, value in self.parameters.items() if key != name})


def parse_challenges(headers: t.Iterable[str]) -> tuple[Challenge, ...]:
    """Return all challenges of WWW-Authenticate headers, in order, at most MAX_CHALLENGES. Total.

    The last value of a repeated parameter counts, as in skopeo; repeated scopes are combined.
    """
    found: list[Challenge] = []
    for text in headers:
        found.extend(_Scanner(text[:MAX_LENGTH]).challenges())
        if len(found) >= MAX_CHALLENGES:
            break
    return tuple(found[:MAX_CHALLENGES])


class _Scanner:
    """Reads one header from left to right; every step consumes at least one character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: list[tuple[str, dict[str, str]]] = []
        self._bare: str | None = None  # the parameter whose unquoted value may continue after a space

    def challenges(self) -> list[Challenge]:
        separators = "," + self._take(_SEPARATORS)
        while self._at < len(self._text):
            word = self._take(_WORD)
            if word:
                self._take_word(word, separators)
            else:
                self._skip_stray()
            separators = self._take(_SEPARATORS)
        return [Challenge(scheme, parameters) for scheme, parameters in self._found]

    def _take_word(self, word: str, separators: str) -> None:
        """Handle a word: the name of a parameter, a scheme, or the rest of a value that lacks its quotes."""
        if self._found and self._take(_EQUALS):
            self._take_parameter(word.lower())
        elif self._is_scheme(word, separators):
            self._found.append((word.lower(), {}))
            self._bare = None
        elif self._bare is not None:
            parameters = self._found[-1][1]
            parameters[self._bare] += f" {word}"

    def _is_scheme(self, word: str, separators: str) -> bool:
        if "," in separators or ";" in separators:
            return True
        follows = _NEXT_PARAMETER.match(self._text, self._at) is not None
        return follows and (word.lower() in _SCHEMES)

    def _take_parameter(self, name: str) -> None:
        quoted = _QUOTED.match(self._text, self._at)
        if quoted is not None:
            self._at = quoted.end()
            value = quoted.group(2) if quoted.group(1) is None else re.sub(r"\\(.)", r"\1", quoted.group(1), flags=re.S)
        else:
            value = self._take(_BARE)
        parameters = self._found[-1][1]
        if name not in parameters and len(parameters) >= MAX_PARAMETERS:
            return
        if name == "scope" and name in parameters:
            value = f"{parameters[name]} {value}"
        parameters[name] = value
        self._bare = None if quoted is not None else name

    def _skip_stray(self) -> None:
        """Skip a quoted string or an equals sign that has no meaning in its place."""
        quoted = _QUOTED.match(self._text, self._at)
        self._at = self._at + 1 if quoted is None else quoted.end()
        self._bare = None

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match.group()


__all__ = ("MAX_CHALLENGES", "MAX_LENGTH", "Challenge", "parse_challenges")
