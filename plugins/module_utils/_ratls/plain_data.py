# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Strict reader of settings that were parsed from YAML or JSON before.

Each value is read by a function of value and place; ConfigurationInvalid names the place.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._base.text import describe, quote
from .errors import ConfigurationInvalid

MAX_LIST: t.Final = 1000
MAX_TEXT: t.Final = 1000
_HEX: t.Final = re.compile(r"(?:[0-9a-fA-F]{2})+")
_T = t.TypeVar("_T")


@dataclass(frozen=True)
class SettingsMap:
    """A mapping with a closed set of names. Every method raises ConfigurationInvalid naming the place."""

    value: t.Mapping[str, object]
    where: str

    @classmethod
    def of(cls, value: object, where: str, known: t.Collection[str]) -> SettingsMap:
        """Check that value is a mapping; refuse unknown names, so that nobody relies on a setting without effect."""
        if not isinstance(value, dict):
            raise settings_error(where, f"is {describe(value)}, not a mapping")
        for name in value:
            if not isinstance(name, str) or name not in known:
                raise settings_error(where, f"has {quote(name)}, which is not one of {', '.join(known)}")
        return cls(value, where)

    def items(self, name: str, read: t.Callable[[object, str], _T]) -> tuple[_T, ...] | None:
        """Read a non-empty list, each item by read(item, place); return None if the list is absent."""
        if name not in self.value:
            return None
        return read_list(self.value[name], self._place(name), read)

    def required_items(self, name: str, read: t.Callable[[object, str], _T]) -> tuple[_T, ...]:
        """Read a non-empty list as items does; the list must be present."""
        found = self.items(name, read)
        if found is None:
            raise settings_error(self.where, f"has no {name}")
        return found

    def one(self, name: str, read: t.Callable[[object, str], _T]) -> _T | None:
        """Read one value; return None if it is absent."""
        return read(self.value[name], self._place(name)) if name in self.value else None

    def required(self, name: str, read: t.Callable[[object, str], _T]) -> _T:
        """Read one value, which must be present."""
        if name not in self.value:
            raise settings_error(self.where, f"has no {name}")
        return read(self.value[name], self._place(name))

    def _place(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name


def read_list(value: object, where: str, read: t.Callable[[object, str], _T]) -> tuple[_T, ...]:
    """Read a non-empty list, each item by read(item, place). Raises ConfigurationInvalid."""
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LIST:
        raise settings_error(where, f"is not a list of 1 to {MAX_LIST} items")
    return tuple(read(item, f"{where}[{number}]") for number, item in enumerate(value))


def text(value: object, where: str) -> str:
    """Return a non-empty printable text. Raises ConfigurationInvalid."""
    if not isinstance(value, str):
        raise settings_error(where, f"is {describe(value)}, not text; put it in quotes")
    if not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise settings_error(where, f"is not printable text of 1 to {MAX_TEXT} characters")
    return value


def hexadecimal(*sizes: int) -> t.Callable[[object, str], bytes]:
    """Return a reader of hexadecimal text for bytes of one of these sizes."""

    def read(value: object, where: str) -> bytes:
        shown = text(value, where)
        if not _HEX.fullmatch(shown) or len(shown) // 2 not in sizes:
            raise settings_error(where, f"is not {' or '.join(map(str, sizes))} bytes in hexadecimal")
        return bytes.fromhex(shown)

    return read


def choice(*choices: _T) -> t.Callable[[object, str], _T]:
    """Return a reader that accepts these values only."""

    def read(value: object, where: str) -> _T:
        for known in choices:
            if type(value) is type(known) and value == known:
                return known
        raise settings_error(where, f"is not one of {', '.join(map(str, choices))}")

    return read


def number(minimum: float, maximum: float) -> t.Callable[[object, str], float]:
    """Return a reader of numbers from minimum to maximum, both included."""

    def read(value: object, where: str) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise settings_error(where, f"is not a number from {minimum:g} to {maximum:g}")
        return float(value)

    return read


def settings_error(where: str, why: str) -> ConfigurationInvalid:
    """Return the error about one place in the settings, for the caller to raise."""
    return ConfigurationInvalid(f"The attestation settings cannot be used: {where} {why}; correct it.")


__all__ = ("MAX_LIST", "SettingsMap", "choice", "hexadecimal", "number", "read_list", "settings_error", "text")
