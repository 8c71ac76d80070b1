# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Rules about signatures, the setting signatures: which repositories are served only if their images are signed.

content/signed.py applies them; settings.py has the setting.
"""

from __future__ import annotations

import typing as t

from ..._base.patterns import matches_any
from .libraries import BeforeValidator, Field
from .value_types import Items, MaybeText, StrictModel, Text

_MAX_RULES: t.Final = 1000


class SignatureRule(StrictModel):
    """A rule that demands signatures of the images of repositories.

    repositories are shell patterns, in which * also matches slashes. keys are files of public keys. If registry is set,
    the signed name of an image must be that registry with the repository.
    """

    repositories: Items[Text]
    keys: Items[Text]
    format: t.Literal["cosign", "islet"] = "cosign"
    signatures: int = Field(1, ge=1, le=64)
    registry: MaybeText = None

    def is_about(self, repository: str) -> bool:
        """Tell whether the rule applies to the repository."""
        return matches_any(self.repositories, repository)


def _check_rules(value: object) -> object:
    if not isinstance(value, (list, tuple)) or not 0 < len(value) <= _MAX_RULES:
        raise ValueError(f"must be a list of 1 to {_MAX_RULES} rules")
    for number, item in enumerate(value, 1):
        if not isinstance(item, (dict, SignatureRule)):
            raise ValueError(f"must be a list of rules, and rule {number} is not a mapping with keys")
    return tuple(value)


# None demands no signatures
SignatureRules = t.Annotated[
    t.Optional[tuple[SignatureRule, ...]], Field(fail_fast=True), BeforeValidator(_check_rules)
]

__all__ = ("SignatureRule", "SignatureRules")
