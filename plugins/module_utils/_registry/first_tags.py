# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read the first tags of a repository by one request, for messages about a missing tag.

Implements distribution-spec, "Listing Tags". Called by Registry.first_tags().
"""

from __future__ import annotations

import typing as t

from .._base.errors import JsonInvalid
from .._base.strict_json import load_object
from .._oci.names import is_tag
from .caller import Call

if t.TYPE_CHECKING:
    from .caller import Caller
    from .errors import Operation

_LIMIT: t.Final = 1024 * 1024
# the maximum of quay.io
COUNT: t.Final = 100


def read_first_tags(caller: Caller, operation: Operation, *, repository: str) -> tuple[str, ...]:
    """Return up to 100 tags, or all tags if the registry has no pages; empty if the list is unusable.

    Raises RegistryError.
    """
    url = caller.endpoint.tags(repository, n=COUNT, last=None)
    with caller.open(
        Call(operation, url, headers={"Accept": "application/json"}, deadline=caller.deadline())
    ) as answer:
        body = answer.read(_LIMIT)
    try:
        tags = load_object(body, what="the list of tags", max_bytes=_LIMIT).get("tags")
    except JsonInvalid:
        return ()
    return tuple(tag for tag in tags if is_tag(tag)) if isinstance(tags, list) else ()  # type: ignore[misc]


__all__ = ("COUNT", "read_first_tags")
