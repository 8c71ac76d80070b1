# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Messages about values that the models refuse, in place of those of pydantic. Used by cli.py and config_file.py."""

from __future__ import annotations

import typing as t

from ..._base.text import quote
from .libraries import BaseModel
from .rules import Rule
from .signature_rules import SignatureRule
from .value_types import MAX_ITEMS

if t.TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from .libraries import ValidationError

# Values that are not shown: a user may give a secret in place of its file, or in a URL.
_SECRET: t.Final = ("key", "htpasswd", "veraison")
# settings that are lists of rules
_RULES: t.Final[dict[str, type[BaseModel]]] = {"allow": Rule, "signatures": SignatureRule}


def first_problem(exc: ValidationError, model: type[BaseModel], name_of: t.Callable[[str], str] = str) -> str:
    """Return what is wrong with the first value that model refused; name_of makes the name of a setting."""
    error = exc.errors(include_url=False)[0]
    kind, place, value = error["type"], error["loc"], error["input"]
    name = str(place[0]) if place else ""
    rule = f"rule {int(place[1]) + 1}" if len(place) > 1 and name in _RULES else ""
    if kind in ("extra_forbidden", "invalid_key") or (kind == "string_unicode" and len(place) != 1):
        key = place[-1] if kind == "extra_forbidden" else value
        return f"it has the unknown key {quote(key)}" + (f" in {rule} of {name}" if rule else "")
    where = f"{name} {rule}: {place[2]}" if rule else name_of(name)
    if kind == "missing":
        return f"{where} is missing"
    if kind == "value_error":
        return f"{where} {error['ctx']['error']}"
    if kind in ("too_short", "too_long"):
        return f"{where} must have from 1 to {MAX_ITEMS} items"
    shown = "" if name in _SECRET else f", and is {quote(value)}"
    field = _RULES[name].model_fields[str(place[2])] if rule else model.model_fields[name]
    return f"{where} must be {_expected(field)}{shown}"


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
