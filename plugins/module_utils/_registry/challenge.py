# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_LENGTH: t.Final = 32 * 1024
MAX_CHALLENGES: t.Final = 16

_TOKEN: t.Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TOKEN68: t.Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_QUOTED: t.Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SPACE: t.Final = re.compile(r"[ \t]*")
_SEPARATORS: t.Final = re.compile(r"[ \t,]*")
_CONTROL: t.Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class ChallengeInvalid(Exception):
    """A WWW-Authenticate header breaks RFC 9110; the text says how."""


@dataclass(frozen=True)
class Challenge:
    """One challenge of RFC 9110, 11.6.1. scheme and the names of parameters are lower case, values are unquoted."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)
    token68: str | None = None


def parse_challenges(headers: t.Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges of one or several WWW-Authenticate headers, in order. Raises ChallengeInvalid and nothing else.

    Refused: a parameter given twice, control characters, text that is no list of challenges, more than 16 challenges.
    """
    found: list[Challenge] = []
    for text in headers:
        if len(text) > MAX_LENGTH:
            raise ChallengeInvalid(f"it is longer than {MAX_LENGTH} characters")
        if _CONTROL.search(text):
            raise ChallengeInvalid("it holds control characters")
        found.extend(_Scanner(text).challenges())
        if len(found) > MAX_CHALLENGES:
            raise ChallengeInvalid(f"it holds more than {MAX_CHALLENGES} challenges")
    return tuple(found)


class _Scanner:
    """Reads #challenge: a list whose elements hold comma-separated lists themselves."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def challenges(self) -> t.Iterator[Challenge]:
        self._take(_SEPARATORS)
        while self.at < len(self.text):
            yield self._challenge()
            self._end_of_element()

    def _challenge(self) -> Challenge:
        scheme = self._required(_TOKEN, "an authentication scheme").lower()
        if self._take(_SPACE):
            token68 = self._token68()
            if token68 is not None:
                return Challenge(scheme, token68=token68)
            return Challenge(scheme, self._parameters())
        return Challenge(scheme)

    def _token68(self) -> str | None:
        start = self.at
        match = _TOKEN68.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        self._take(_SPACE)
        if self.at == len(self.text) or self.text[self.at] == ",":
            return match.group()
        self.at = start
        return None

    def _parameters(self) -> dict[str, str]:
        parameters: dict[str, str] = {}
        while True:
            before = self.at
            separated = "," in self._take(_SEPARATORS)
            pair = self._parameter() if separated or not parameters else None
            if pair is None:
                self.at = before
                return parameters
            name, value = pair
            if name in parameters:
                raise ChallengeInvalid("it gives a parameter twice in one challenge")
            parameters[name] = value

    def _parameter(self) -> tuple[str, str] | None:
        """The parameter at this place; None, and no step taken, where a new challenge or the end is."""
        start = self.at
        name = self._take(_TOKEN)
        if name:
            self._take(_SPACE)
            if self.text.startswith("=", self.at):
                self.at += 1
                self._take(_SPACE)
                return name.lower(), self._value()
        self.at = start
        return None

    def _value(self) -> str:
        match = _QUOTED.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            return re.sub(r"\\(.)", r"\1", match.group(1), flags=re.DOTALL)
        return self._required(_TOKEN, "a value")

    def _end_of_element(self) -> None:
        if "," not in self._take(_SEPARATORS) and self.at < len(self.text):
            raise ChallengeInvalid(f"there is no comma where one must be, at character {self.at}")

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def _required(self, pattern: re.Pattern[str], what: str) -> str:
        found = self._take(pattern)
        if not found:
            raise ChallengeInvalid(f"there is no {what.partition(' ')[2]} where one must be, at character {self.at}")
        return found


__all__ = ("MAX_CHALLENGES", "MAX_LENGTH", "Challenge", "ChallengeInvalid", "parse_challenges")
