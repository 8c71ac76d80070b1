# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Range checks for numeric options, made before any work is done. Called by the files that read the options."""

from __future__ import annotations

import typing as t

from ..._base.errors import CollectionError

# The maximum of options in seconds: timers of the system hold no more than about twice as many.
MAX_SECONDS: t.Final = 1_000_000


class OptionInvalid(CollectionError):
    """The value of an option is not valid; fields option, and for a number minimum and, if there is one, maximum."""

    kind = "option_invalid"


# The maximum of the option parallel. More connections at once bring nothing, and registries refuse them.
MAX_PARALLEL: t.Final = 16
# The minimum of the option limit_rate: a registry would end a connection that takes a minute for a piece of 64 KiB.
_MIN_RATE: t.Final = 1024


def check_downloads(params: t.Mapping[str, t.Any]) -> None:
    """Raise OptionInvalid for an option of the fragment attested.registry.registry.download that is out of range."""
    check_minimum(params, _MIN_RATE, "limit_rate")
    if not 1 <= params["parallel"] <= MAX_PARALLEL:
        raise OptionInvalid(
            f"The option parallel is {params['parallel']}: it must be from 1 to {MAX_PARALLEL}; correct it in the"
            " task.",
            option="parallel",
            minimum=1,
            maximum=MAX_PARALLEL,
        )


def check_minimum(params: t.Mapping[str, t.Any], minimum: int, *names: str) -> None:
    """Raise OptionInvalid for the first of the options that is set and less than minimum."""
    for name in names:
        value = params[name]
        if value is not None and value < minimum:
            raise OptionInvalid(
                f"The option {name} is {value}: it must be {minimum} or more; correct it in the task.",
                option=name,
                minimum=minimum,
            )


def seconds_problem(value: float, *, allow_zero: bool = False) -> str | None:
    """Return the requirement that a number of seconds violates, None if it is in range. NaN is out of range."""
    if 0 < value <= MAX_SECONDS or (allow_zero and value == 0):
        return None
    return f"it must be {'0 or more' if allow_zero else 'more than 0'} and at most {MAX_SECONDS} seconds"


def check_seconds(params: t.Mapping[str, t.Any], *names: str, allow_zero: bool = False) -> None:
    """Raise OptionInvalid for the first of the options that is set and is not a valid number of seconds."""
    for name in names:
        value = params[name]
        problem = None if value is None else seconds_problem(value, allow_zero=allow_zero)
        if problem is not None:
            raise OptionInvalid(
                f"The option {name} is {value:g}: {problem}; correct it in the task.",
                option=name,
                minimum=0,
                maximum=MAX_SECONDS,
            )


__all__ = (
    "MAX_PARALLEL",
    "MAX_SECONDS",
    "OptionInvalid",
    "check_downloads",
    "check_minimum",
    "check_seconds",
    "seconds_problem",
)
