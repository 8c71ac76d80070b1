# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The grammar of repository names and tags (distribution-spec, "Pulling manifests"), and an order of tags."""

from __future__ import annotations

import re
import typing as t

from .._base.text import quote
from .errors import ReferenceInvalid

# distribution-spec, "Pulling manifests": the limit of many clients
MAX_REPOSITORY: t.Final = 255
MAX_TAG: t.Final = 128

# How many digits of a number in a tag count when tags are ordered.
ORDERED_DIGITS: t.Final = 18

_COMPONENT: t.Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY: t.Final = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG: t.Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"


def check_repository(text: str) -> str:
    """Return the repository name if it follows distribution-spec <name> and has at most 255 characters.

    Raises ReferenceInvalid with the reason.
    """
    if not isinstance(text, str):
        raise ReferenceInvalid(f"A repository name must be a string, not {quote(text)}.")
    # the length is checked first because the expression nests quantifiers
    if len(text) > MAX_REPOSITORY:
        raise ReferenceInvalid(
            f"The repository name of {len(text)} characters is too long: {MAX_REPOSITORY} is the limit."
        )
    if not re.fullmatch(_REPOSITORY, text):
        # text before an @ is not shown: a URL may have a password there
        shown = quote(text.rpartition("@")[2])
        raise ReferenceInvalid(f"The repository name {shown} is invalid: {_repository_fault(text)}.")
    return text


def is_repository(text: str) -> bool:
    """Tell whether text follows distribution-spec <name> and has at most 255 characters."""
    return len(text) <= MAX_REPOSITORY and re.fullmatch(_REPOSITORY, text) is not None


def is_tag(text: object) -> bool:
    """Tell whether text follows distribution-spec <reference> as a tag."""
    return isinstance(text, str) and re.fullmatch(_TAG, text) is not None


def check_tag(text: str) -> str:
    """Return the tag if it follows the grammar. Raises ReferenceInvalid."""
    if not is_tag(text):
        raise ReferenceInvalid(
            f"The tag {quote(text, limit=140)} is invalid: a tag has 1 to {MAX_TAG} letters, digits, underscores, "
            "full stops and hyphens, and does not begin with a full stop or hyphen."
        )
    return text


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key that orders 1.10 after 1.9, and numbers after words. Total; only 0 to 9 are digits."""
    return [
        (1, int(part[:ORDERED_DIGITS]), "") if part[0] in "0123456789" else (0, 0, part)
        for part in re.findall(r"[0-9]+|[^0-9]+", text)
    ]


def _repository_fault(text: str) -> str:
    if not text:
        return "it is empty"
    if "://" in text:
        return "it is a URL; give the host as the registry and only the path as the repository"
    if "@" in text or ":" in text:
        return "it holds a tag, digest or port; give the repository alone"
    if text != text.lower():
        return "it must be lower case"
    if "" in text.split("/"):
        return "it begins or ends with a slash or has two in a row"
    return (
        "each part between slashes has lower-case letters and digits, separated by one full stop, "
        "one or two underscores or any number of hyphens"
    )


__all__ = (
    "MAX_REPOSITORY",
    "MAX_TAG",
    "ORDERED_DIGITS",
    "check_repository",
    "check_tag",
    "is_repository",
    "is_tag",
    "natural_key",
)
