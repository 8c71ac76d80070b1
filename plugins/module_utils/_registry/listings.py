# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The two lists of a registry: the tags of a repository, and the repositories (_catalog). Called by client.py.

The catalog is not in distribution-spec: registries offer it as distribution does, for some clients, or not at all.
"""

from __future__ import annotations

import typing as t

from .._oci.names import is_repository, is_tag
from .errors import NotOffered, RegistryError
from .name_list import PAGE, ListKind, NameLister

if t.TYPE_CHECKING:
    from .caller import Caller
    from .errors import Operation
    from .name_list import NameList

# answers of registries that have no catalog
_MISSING: t.Final = (404, 405, 501)


def list_tags(caller: Caller, operation: Operation, *, repository: str, n: int | None, last: str | None) -> NameList:
    """Return the first n tags of a repository after last, or all of them if n is None. Raises RegistryError."""
    kind = ListKind(
        key="tags",
        title="tag list",
        noun="tag",
        plural="tags",
        place=repository,
        lacks=f"{repository} has no tag",
        is_valid=is_tag,
        url=lambda n, last: caller.endpoint.tags(repository, n=n, last=last),
    )
    return NameLister(caller, operation, kind).read(n=n, last=last)


def list_repositories(caller: Caller, operation: Operation, *, n: int | None, last: str | None) -> NameList:
    """Return the first n repositories after last, or all of them if n is None. Raises RegistryError.

    Raises NotOffered if the registry has no catalog, or issues no token for it to this client. Docker Hub and others
    that have none ask for such a token.
    """
    kind = ListKind(
        key="repositories",
        title="catalog",
        noun="repository",
        plural="repositories",
        place="its catalog",
        lacks="The catalog has no repository",
        is_valid=is_repository,
        url=lambda n, last: caller.endpoint.catalog(n=n, last=last),
        # distribution lists 100 at a time if it is not asked for more
        page=PAGE,
    )
    try:
        return NameLister(caller, operation, kind).read(n=n, last=last)
    except RegistryError as exc:
        if exc.transient or "url" not in exc.fields:  # without a URL, the token service refused
            raise
        status, code = exc.fields.get("status"), exc.fields.get("code")
        if status in _MISSING or code == "UNSUPPORTED":
            why = f"{exc.why}, so it seems to have no catalog"
            advice = "check that this is the address of a registry, or name the repositories yourself"
            raise operation.error(NotOffered, why, advice).add_context(**exc.fields) from None
        if status in (401, 403) and (exc.lacks_scope or caller.endpoint.is_docker_hub):
            why = "its catalog is not open to this client, which got a token that does not permit to read it"
            advice = "give credentials of a user who may read it, or name the repositories yourself"
            raise operation.error(NotOffered, why, advice).add_context(**exc.fields) from None
        raise


__all__ = ("list_repositories", "list_tags")
