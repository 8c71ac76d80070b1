# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

# The kinds of values that settings have. Each can read a switch (text) and check a value of the configuration file;
# both raise ValueError, whose text goes on from the name of the setting: "must be ...".
import re
import typing as t
from dataclasses import dataclass

from ..._base.text import quote
from .addresses import parse_address, parse_tcp

_MAX_ITEMS: t.Final = 1000


class Kind(t.Protocol):
    """How a setting is read."""

    many: t.ClassVar[bool]

    def parse(self, text: str) -> object:
        """The value of a switch, as the configuration file would have it."""

    def check(self, value: object) -> t.Any:
        """The value as the program has it."""


class Field(t.NamedTuple):
    """How a setting is given: by the switch short, of one letter, by long ones, and without a metavar by none."""

    kind: Kind
    help: str
    metavar: str = ""
    short: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """A text that is not empty, such as a path. check_text may look at it more closely; it raises ValueError."""

    check_text: t.Callable[[str], object] | None = None
    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """The text itself."""
        return text

    def check(self, value: object) -> str:
        """The text itself."""
        if not isinstance(value, str):
            raise ValueError(f"must be a string, and is {quote(value)}")
        if not value or "\0" in value:
            raise ValueError("must not be empty or hold NUL")
        if self.check_text is not None:
            try:
                self.check_text(value)
            except ValueError as exc:
                raise ValueError(f"{quote(value)} {exc}") from None
        return value


@dataclass(frozen=True)
class Texts:
    """One text or a list of them."""

    item: Text = Text()
    many: t.ClassVar[bool] = True

    def parse(self, text: str) -> object:
        """One of them."""
        return text

    def check(self, value: object) -> tuple[str, ...]:
        """All of them."""
        items = value if isinstance(value, list) else [value]
        if not items or len(items) > _MAX_ITEMS:
            raise ValueError(f"must have from 1 to {_MAX_ITEMS} items")
        return tuple(self.item.check(item) for item in items)


@dataclass(frozen=True)
class Number:
    """A number, of which fractions may be allowed, between two others."""

    low: int
    high: int
    fractions: bool = False
    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """The number; whatever is none is given back as it came."""
        # nothing longer is in range, and long numbers take long to convert
        if re.fullmatch(r"[0-9]{1,12}", text, re.ASCII) and (text == "0" or text[0] != "0"):
            return int(text)
        if self.fractions and re.fullmatch(r"[0-9]{1,12}\.[0-9]{1,6}", text, re.ASCII):
            return float(text)
        raise ValueError(self._wrong(text))

    def check(self, value: object) -> t.Any:
        """The number itself."""
        types = (int, float) if self.fractions else (int,)
        if isinstance(value, types) and not isinstance(value, bool) and self.low <= value <= self.high:
            return value
        raise ValueError(self._wrong(value))

    def _wrong(self, value: object) -> str:
        kind = "a number" if self.fractions else "a whole number"
        return f"must be {kind} from {self.low} to {self.high}, and is {quote(value)}"


@dataclass(frozen=True)
class Choice:
    """One of several words."""

    words: tuple[str, ...]
    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """The word."""
        return text

    def check(self, value: object) -> str:
        """The word."""
        if isinstance(value, str) and value in self.words:
            return value
        raise ValueError(f"must be one of {', '.join(self.words)}, and is {quote(value)}")


@dataclass(frozen=True)
class Mode:
    """The permissions of a file: octal digits as a string."""

    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """The digits."""
        return text

    def check(self, value: object) -> int:
        """The permissions as a number."""
        if isinstance(value, str) and re.fullmatch(r"0?[0-7]{3}", value, re.ASCII):
            return int(value, 8)
        raise ValueError(f'must be a string of three octal digits such as "0660", and is {quote(value)}')


@dataclass(frozen=True)
class Flag:
    """Yes or no; its switch has no value."""

    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """Whether it is yes."""
        return text == "true"

    def check(self, value: object) -> bool:
        """Yes or no."""
        if isinstance(value, bool):
            return value
        raise ValueError(f"must be true or false, and is {quote(value)}")


@dataclass(frozen=True)
class PlainList:
    """A list of texts and mappings, which somebody else looks into; or one of them."""

    many: t.ClassVar[bool] = True

    def parse(self, text: str) -> object:
        """One of them."""
        return text

    def check(self, value: object) -> tuple[object, ...]:
        """All of them."""
        items = value if isinstance(value, list) else [value]
        if not items or len(items) > _MAX_ITEMS:
            raise ValueError(f"must have from 1 to {_MAX_ITEMS} items")
        for item in items:
            if not isinstance(item, (str, dict)) or not item:
                raise ValueError(f"must be a list of texts or mappings, and holds {quote(item)}")
        return tuple(items)


@dataclass(frozen=True)
class PlainMap:
    """A mapping of names to values, which somebody else looks into."""

    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """Always raises ValueError."""
        raise ValueError("can only be given in the configuration file")

    def check(self, value: object) -> dict[str, object]:
        """The mapping."""
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
