# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Types of the values of settings, for pydantic models. Used by settings.py and rules.py.

Validators raise ValueError with a text that follows the name of the setting, such as "must be ..."; problems.py makes
the messages.
"""

from __future__ import annotations

import typing as t

from ..._base.text import quote
from .addresses import parse_address, parse_tcp
from .libraries import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

_T = t.TypeVar("_T")
MAX_ITEMS: t.Final = 1000


def setting(
    default: object, text: str, metavar: str = "", *names: str, ge: int | None = None, le: int | None = None
) -> t.Any:
    """Describe a setting: its default, its help, and the further names of its switch.

    A setting without a metavar has no switch, unless it is a boolean. ge and le bound a number.
    """
    extra: dict[str, t.Any] = {"metavar": metavar, "names": list(names)}
    return Field(default, description=text, json_schema_extra=extra, ge=ge, le=le)


class StrictModel(BaseModel):
    """A model that converts no value, refuses unknown names, NaN and null, and never changes."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        # None is the default of some settings; an empty value in the file must not mean the default, which for a part
        # of an access rule is everybody
        if value is None:
            raise ValueError("has no value (null)")
        return value


def checked(check: t.Callable[[str], object]) -> AfterValidator:
    """Make a validator of a function that raises ValueError with the reason, without the text."""

    def validate(text: str) -> str:
        try:
            check(text)
        except ValueError as exc:
            raise ValueError(f"{quote(text)} {exc}") from None
        return text

    return AfterValidator(validate)


def _check_text(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("must not be empty or contain NUL")
    try:
        # names of files that are not UTF-8 have surrogates, but not any
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError("must not contain lone surrogates") from None
    return text


def _as_tuple(value: object) -> object:
    return value if isinstance(value, tuple) else tuple(value) if isinstance(value, list) else (value,)


def _check_plain(value: object) -> object:
    if not isinstance(value, (str, dict)) or not value:
        raise ValueError(f"must be a list of strings and mappings; {quote(value)} is neither")
    return value


# a text that is not empty, such as a path
Text = t.Annotated[str, AfterValidator(_check_text)]
MaybeText = t.Optional[Text]
# a list, or one item
Items = t.Annotated[
    tuple[_T, ...], Field(min_length=1, max_length=MAX_ITEMS, fail_fast=True), BeforeValidator(_as_tuple)
]
MaybeTexts = t.Optional[Items[Text]]
Listen = t.Annotated[Text, checked(parse_address)]
MaybeTcp = t.Optional[t.Annotated[Text, checked(parse_tcp)]]
# The code that uses these settings checks their content.
PlainList = t.Optional[Items[t.Annotated[t.Any, BeforeValidator(_check_plain)]]]
PlainMap = t.Annotated[t.Optional[dict[str, t.Any]], Field(min_length=1, max_length=MAX_ITEMS)]

__all__ = (
    "MAX_ITEMS",
    "Items",
    "Listen",
    "MaybeTcp",
    "MaybeText",
    "MaybeTexts",
    "PlainList",
    "PlainMap",
    "StrictModel",
    "Text",
    "checked",
    "setting",
)
