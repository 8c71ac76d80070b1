# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Delete tags, manifests and blobs (distribution-spec, "Content Management").

Called by pusher.py, and by _module for tasks that only delete: these do not need the files for uploads.
"""

from __future__ import annotations

import typing as t
from http import HTTPStatus

from ..._oci.digest import Digest
from ..caller import Call
from ..errors import NotOffered, Operation, RegistryError
from ..manifest_head import ACCEPT_HEADER
from .refusals import NO_TAGS, READ_ONLY, explain_refusal

if t.TYPE_CHECKING:
    from ..caller import Caller
    from ..url import Url

_DELETED: t.Final = (HTTPStatus.ACCEPTED, HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND)


def delete_manifest(caller: Caller, *, repository: str, reference: str | Digest) -> bool:
    """Delete a manifest by its digest, or a tag; return False if the repository does not have it.

    repository is its full name. Raises NotOffered if the registry permits no deletion, or none of a tag alone, and
    other RegistryErrors.
    """
    operation = _operation(f"delete the manifest {reference} of", caller, repository, reference)
    advice = READ_ONLY if isinstance(reference, Digest) else NO_TAGS
    return _delete(caller, operation, caller.endpoint.manifest(repository, str(reference)), unsupported=advice)


def delete_blob(caller: Caller, *, repository: str, digest: Digest) -> bool:
    """Delete a blob; return False if the repository does not have it. Raises as delete_manifest() does."""
    operation = _operation(f"delete the blob {digest} of", caller, repository, digest)
    return _delete(caller, operation, caller.endpoint.blob(repository, str(digest)), unsupported=READ_ONLY)


def _operation(doing: str, caller: Caller, repository: str, reference: str | Digest) -> Operation:
    name = caller.endpoint.name
    return Operation(f"{doing} {repository} at {name}", name, repository, str(reference))


def _delete(caller: Caller, operation: Operation, url: Url, *, unsupported: str) -> bool:
    scopes = frozenset([f"repository:{operation.repository}:delete"])
    call = Call(
        operation,
        url,
        "DELETE",
        headers={"Content-Length": "0"},
        statuses=_DELETED,
        deadline=caller.deadline(),
        scopes=scopes,
    )
    try:
        answer, dummy = caller.consume(call, lambda answer: answer.discard())
    except RegistryError as exc:
        raise explain_refusal(exc, operation, method="DELETE", unsupported=unsupported) from None
    if answer.status != HTTPStatus.NOT_FOUND:
        return True
    # a server without deletion may not know the method at this path
    statuses = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
    look = Call(operation, url, "HEAD", headers=ACCEPT_HEADER, statuses=statuses, deadline=caller.deadline())
    found, dummy = caller.document(look, limit=0)
    if found.status == HTTPStatus.NOT_FOUND:
        return False
    why = f"{answer.url.origin.authority} answers 404, and still has it"
    raise operation.error(NotOffered, why, unsupported, status=answer.status, url=answer.url.safe)


__all__ = ("delete_blob", "delete_manifest")
