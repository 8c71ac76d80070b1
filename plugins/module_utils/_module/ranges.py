# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from .._oci.errors import CollectionError


class OptionInvalid(CollectionError):
    """The value of an option is out of its range; fields C(option) and C(minimum)."""

    kind = "option_invalid"


def check_minimum(params: t.Mapping[str, t.Any], minimum: int, *names: str) -> None:
    """Raises L(OptionInvalid) for the first of the options that is set and less than C(minimum)."""
    for name in names:
        value = params[name]
        if value is not None and value < minimum:
            raise OptionInvalid(
                f"The option {name} is {value}: it must be {minimum} or more; correct it in the task.",
                option=name,
                minimum=minimum,
            )


__all__ = ("OptionInvalid", "check_minimum")
