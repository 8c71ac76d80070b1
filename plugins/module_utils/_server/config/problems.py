# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Messages about values that the models refuse, in place of those of pydantic. Used by cli.py and config_file.py."""

from __future__ import annotations

import typing as t

from ..._base.text import quote
from .value_types import MAX_ITEMS

if t.TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from .libraries import BaseModel, ValidationError

# Values that are not shown: a user may give a secret in place of its file, or in a URL.
_SECRET: t.Final = ("key", "htpasswd", "veraison")


def first_problem(exc: ValidationError, model: type[BaseModel], name_of: t.Callable[[str], str] = str) -> str:
    """Return what is wrong with the first value that model refused; name_of makes the name of a setting."""
    error = exc.errors(include_url=False)[0]
    kind, place, value = error["type"], error["loc"], error["input"]
    rule = f"rule {int(place[1]) + 1}" if len(place) > 1 and place[0] == "allow" else ""
    if kind in ("extra_forbidden", "invalid_key") or (kind == "string_unicode" and len(place) != 1):
        key = place[-1] if kind == "extra_forbidden" else value
        return f"it has the unknown key {quote(key)}" + (f" in {rule} of allow" if rule else "")
    name = str(place[0])
    where = f"{name} {rule}: {place[2]}" if rule else name_of(name)
    if kind == "value_error":
        return f"{where} {error['ctx']['error']}"
    if kind in ("too_short", "too_long"):
        return f"{where} must have from 1 to {MAX_ITEMS} items"
    shown = "" if name in _SECRET else f", and is {quote(value)}"
    return f"{where} must be {_expected(model.model_fields[name])}{shown}"


def _expected(field: FieldInfo) -> str:
    if field.annotation in (int, float):
        (low,) = [item.ge for item in field.metadata if hasattr(item, "ge")]
        (high,) = [item.le for item in field.metadata if hasattr(item, "le")]
        return f"{'a whole number' if field.annotation is int else 'a number'} from {low} to {high}"
    if t.get_origin(field.annotation) is t.Literal:
        return f"one of {', '.join(t.get_args(field.annotation))}"
    if dict in [t.get_origin(part) for part in t.get_args(field.annotation)]:
        return "a mapping of names to values"
    return "true or false" if field.annotation is bool else "a string"


__all__ = ("first_problem",)
