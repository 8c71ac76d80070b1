# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Types of the values of settings: each parses the text of a switch and checks a value of the configuration file.

Both raise ValueError with a text that follows the name of the setting, such as "must be ...".
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..._base.text import quote
from .addresses import parse_address, parse_tcp

_MAX_ITEMS: t.Final = 1000


class Kind(t.Protocol):
    """The type of a setting. many says whether its switch can be repeated."""

    many: t.ClassVar[bool]

    def parse(self, text: str) -> object:
        """Return the value that the configuration file would have for the text of a switch. Raises ValueError."""

    def check(self, value: object) -> t.Any:
        """Return the value of Settings for a value of the configuration file. Raises ValueError."""


class Field(t.NamedTuple):
    """Description of a setting.

    short is its switch of one letter, also lists further long switches. A setting without a metavar has no switch,
    unless it is a Flag.
    """

    kind: Kind
    help: str
    metavar: str = ""
    short: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """A text that is not empty, such as a path. check_text raises ValueError for texts that are not valid."""

    check_text: t.Callable[[str], object] | None = None
    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """Return the text."""
        return text

    def check(self, value: object) -> str:
        """Return the text."""
        if not isinstance(value, str):
            raise ValueError(f"must be a string, and is {quote(value)}")
        if not value or "\0" in value:
            raise ValueError("must not be empty or contain NUL")
        if self.check_text is not None:
            try:
                self.check_text(value)
            except ValueError as exc:
                raise ValueError(f"{quote(value)} {exc}") from None
        return value


@dataclass(frozen=True)
class Texts:
    """A text, or a list of texts."""

    item: Text = Text()
    many: t.ClassVar[bool] = True

    def parse(self, text: str) -> object:
        """Return the text, which is one item."""
        return text

    def check(self, value: object) -> tuple[str, ...]:
        """Return the items. Raises ValueError."""
        items = value if isinstance(value, list) else [value]
        if not items or len(items) > _MAX_ITEMS:
            raise ValueError(f"must have from 1 to {_MAX_ITEMS} items")
        return tuple(self.item.check(item) for item in items)


@dataclass(frozen=True)
class Number:
    """A number from low to high, a whole one unless fractions are allowed."""

    low: int
    high: int
    fractions: bool = False
    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """Convert the text to a number. Raises ValueError."""
        # no longer number is in range, and the conversion of long numbers takes long
        if re.fullmatch(r"[0-9]{1,12}", text, re.ASCII) and (text == "0" or text[0] != "0"):
            return int(text)
        if self.fractions and re.fullmatch(r"[0-9]{1,12}\.[0-9]{1,6}", text, re.ASCII):
            return float(text)
        raise ValueError(self._message(text))

    def check(self, value: object) -> t.Any:
        """Return the number. Raises ValueError."""
        types = (int, float) if self.fractions else (int,)
        if isinstance(value, types) and not isinstance(value, bool) and self.low <= value <= self.high:
            return value
        raise ValueError(self._message(value))

    def _message(self, value: object) -> str:
        kind = "a number" if self.fractions else "a whole number"
        return f"must be {kind} from {self.low} to {self.high}, and is {quote(value)}"


@dataclass(frozen=True)
class Choice:
    """One of several words."""

    words: tuple[str, ...]
    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """Return the word."""
        return text

    def check(self, value: object) -> str:
        """Return the word."""
        if isinstance(value, str) and value in self.words:
            return value
        raise ValueError(f"must be one of {', '.join(self.words)}, and is {quote(value)}")


@dataclass(frozen=True)
class Mode:
    """The mode of a file: octal digits as a string."""

    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """Return the digits."""
        return text

    def check(self, value: object) -> int:
        """Convert the digits to a number. Raises ValueError."""
        if isinstance(value, str) and re.fullmatch(r"0?[0-7]{3}", value, re.ASCII):
            return int(value, 8)
        raise ValueError(f'must be a string of three octal digits such as "0660", and is {quote(value)}')


@dataclass(frozen=True)
class Flag:
    """A boolean, whose switch has no value."""

    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """Return True for the text "true", which stands for the switch."""
        return text == "true"

    def check(self, value: object) -> bool:
        """Return the boolean. Raises ValueError."""
        if isinstance(value, bool):
            return value
        raise ValueError(f"must be true or false, and is {quote(value)}")


@dataclass(frozen=True)
class PlainList:
    """A list of texts and mappings, or one of them; the code that uses the setting checks their content."""

    many: t.ClassVar[bool] = True

    def parse(self, text: str) -> object:
        """Return the text, which is one item."""
        return text

    def check(self, value: object) -> tuple[object, ...]:
        """Return the items. Raises ValueError."""
        items = value if isinstance(value, list) else [value]
        if not items or len(items) > _MAX_ITEMS:
            raise ValueError(f"must have from 1 to {_MAX_ITEMS} items")
        for item in items:
            if not isinstance(item, (str, dict)) or not item:
                raise ValueError(f"must be a list of strings and mappings; {quote(item)} is neither")
        return tuple(items)


@dataclass(frozen=True)
class PlainMap:
    """A mapping of names to values; the code that uses the setting checks its content."""

    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """Raise ValueError, because no switch can give a mapping."""
        raise ValueError("can only be set in the configuration file")

    def check(self, value: object) -> dict[str, object]:
        """Return the mapping. Raises ValueError."""
        if isinstance(value, dict) and value and all(isinstance(name, str) for name in value):
            return value
        raise ValueError(f"must be a mapping of names to values, and is {quote(value)}")


ADDRESSES: t.Final = Texts(Text(parse_address))
TCP_ADDRESS: t.Final = Text(parse_tcp)

__all__ = (
    "ADDRESSES",
    "TCP_ADDRESS",
    "Choice",
    "Field",
    "Flag",
    "Kind",
    "Mode",
    "Number",
    "PlainList",
    "PlainMap",
    "Text",
    "Texts",
)
