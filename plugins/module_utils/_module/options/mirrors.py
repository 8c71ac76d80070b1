# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The option mirrors: a list of registry names, and of dictionaries with a registry and options for it alone.

An argument spec has no type for such a list. Its elements are raw, so Ansible neither validates the dictionaries nor
masks their secrets: this file does both, for registry_module and the lookups.
"""

from __future__ import annotations

import re
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values

from .ranges import OptionInvalid
from .ratls_options import attestation_problem

Params = dict[str, t.Any]
Spec = t.Mapping[str, t.Mapping[str, t.Any]]
# required_together, mutually_exclusive and required_by of ArgumentSpecValidator
Rules = tuple[t.Sequence[t.Sequence[str]], t.Sequence[t.Sequence[str]], t.Mapping[str, str]]

# These are in no name of a registry: a text with them is a dictionary as text, which Ansible splits at its commas.
_OF_DICTIONARIES: t.Final = re.compile("[{}\"']")
# Shorter pieces of such a text are not masked, because they could occur anywhere.
_SHORT: t.Final = 4


def mirror_secrets(entries: object, spec: Spec) -> set[str]:
    """Return the texts in the option mirrors, as the task gives it, that must be masked in all output. Total.

    These are the values of options that spec marks with no_log or does not have, and dictionaries as text.
    """
    shown = {alias for name, option in spec.items() if not option.get("no_log") for alias in _names(name, option)}
    found: set[str] = set()
    for entry in entries if isinstance(entries, (list, tuple)) else [entries]:
        if isinstance(entry, str) and _OF_DICTIONARIES.search(entry):
            found.update(piece for piece in (entry, *entry.split(",")) if len(piece) >= _SHORT)
        elif isinstance(entry, dict):
            found.update(text for name, value in entry.items() if name not in shown for text in _texts(value))
    return found


def settle_mirrors(params: Params, spec: Spec, rules: Rules) -> None:
    """Replace the dictionaries in the parameter mirrors by validated ones, with None for options that are not set.

    spec and rules are those of such a dictionary. Raises OptionInvalid, whose message names what cannot be used, such
    as mirrors[1].ca_path, and contains no secret.
    """
    entries = params["mirrors"]
    try:
        params["mirrors"] = [
            _settle(entry, f"mirrors[{place}]", spec, rules, ratls=params["ratls"])
            for place, entry in enumerate(entries)
        ]
    except OptionInvalid as exc:
        message = t.cast(str, remove_values(exc.message, mirror_secrets(entries, spec)))
        raise OptionInvalid(message, **exc.fields) from None


def _settle(entry: object, place: str, spec: Spec, rules: Rules, *, ratls: object) -> str | Params:
    if isinstance(entry, str):
        if _OF_DICTIONARIES.search(entry):
            raise _error(place, f"{place} is a dictionary as text; pass the options of the task as JSON or YAML")
        return entry
    if not isinstance(entry, dict):
        raise _error(place, f"{place} is neither the name of a registry nor a dictionary; give one of them")
    known = {alias for name, option in spec.items() for alias in _names(name, option)}
    for name in entry:
        if name not in known:
            raise _error(place, f"{place}.{name} does not exist; a mirror has the options {', '.join(spec)}")
    if not isinstance(entry.get("ratls"), (dict, str, type(None))):  # Ansible fails on it
        raise _error(place, f"{place}.ratls is not a dictionary; give a dictionary with evidence in it")
    settled = _validate(entry, f"{place}.", spec, rules)
    if settled["tls"] == "ra-tls" and settled["ratls"] is None:
        settled["ratls"] = ratls
    problem = attestation_problem(settled, prefix=f"{place}.")
    if problem is not None:
        raise OptionInvalid(problem, option=place)
    return settled


def _validate(entry: t.Mapping[str, t.Any], prefix: str, spec: Spec, rules: Rules) -> Params:
    """Let Ansible validate the options under names with the prefix, which are those in its messages.

    Raises OptionInvalid.
    """

    def full(names: t.Iterable[str]) -> list[str]:
        return [prefix + name for name in names]

    together, exclusive, required_by = rules
    validator = ArgumentSpecValidator(
        {prefix + name: {**option, "aliases": full(option.get("aliases", ()))} for name, option in spec.items()},
        required_together=[full(names) for names in together],
        mutually_exclusive=[full(names) for names in exclusive],
        required_by={prefix + name: prefix + needed for name, needed in required_by.items()},
    )
    result = validator.validate({prefix + name: value for name, value in entry.items() if value is not None})
    if result.error_messages:
        raise _error(prefix[:-1], "; ".join(result.error_messages))
    return {name: result.validated_parameters[prefix + name] for name in spec}


def _error(place: str, problem: str) -> OptionInvalid:
    return OptionInvalid(f"The option mirrors cannot be used: {problem}.", option=place)


def _names(name: str, option: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    return (name, *option.get("aliases", ()))


def _texts(value: object) -> t.Iterator[str]:
    """Yield all texts and numbers in a value, as text."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)
    elif value is not None and not isinstance(value, bool) and str(value):
        yield str(value)


__all__ = ("Rules", "Spec", "mirror_secrets", "settle_mirrors")
