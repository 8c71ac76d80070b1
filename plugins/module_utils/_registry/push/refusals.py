# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The answers of a registry that refuse a write, as errors that name the remedy (distribution-spec, "Error Codes").

Called by pusher.py and upload.py, with the errors that transport/statuses.py made of the answers.
"""

from __future__ import annotations

import typing as t

from ..errors import Denied, NotOffered, RegistryError, Rejected

if t.TYPE_CHECKING:
    from ..errors import Operation

# the registry does not offer the method (RFC 9110, 15.5.6 and 15.6.2)
_NOT_OFFERED: t.Final = (405, 501)
# a body, or the list of tags in a URL, is too long (RFC 9110, 15.5.14 and 15.5.15)
_TOO_LARGE: t.Final = (413, 414)
# of a 400 to DELETE: distribution-spec permits it where deletion is disabled, and older registries take no tag
_DELETE_CODES: t.Final = (None, "DIGEST_INVALID", "MANIFEST_INVALID", "NAME_INVALID", "TAG_INVALID")

READ_ONLY: t.Final = "the registry is read-only, or its operator has to enable this in its configuration"
NO_TAGS: t.Final = f"delete the manifest by its digest, with all its tags, unless {READ_ONLY}"
_ADVICE: t.Final = {
    "DIGEST_INVALID": "the registry received other content; check the source and the network, and try again",
    "MANIFEST_BLOB_UNKNOWN": "push everything that the manifest refers to before it",
    "MANIFEST_INVALID": "check the manifest, and that the registry accepts its media type",
    "SIZE_INVALID": "the registry received other content, or limits the size; check the source, and ask its operator",
}


def explain_refusal(
    exc: RegistryError, operation: Operation, *, method: str, size: int | None = None, unsupported: str = READ_ONLY
) -> RegistryError:
    """Return the error for a refused write: exc itself if its message fits.

    size is the length of the body, unsupported the advice if the registry does not offer the operation.
    """
    status, code = exc.fields.get("status"), exc.fields.get("code")
    if not isinstance(status, int) or "url" not in exc.fields:
        return exc
    if exc.lacks_scope:
        # the credentials are right, although registries with tokens answer 401
        verb = "delete from" if method == "DELETE" else "push to"
        return _replace(exc, operation, Denied, f"use credentials that may {verb} the repository")
    if status in _NOT_OFFERED or code == "UNSUPPORTED":
        return _replace(exc, operation, NotOffered, unsupported)
    if method == "DELETE" and status == 400 and code in _DELETE_CODES:
        return _replace(exc, operation, NotOffered, unsupported)
    if status in _TOO_LARGE:
        return _replace(exc, operation, Rejected, _size_advice(size))
    if status in (400, 404, 409, 412, 415, 422) and (status != 404 or code in _ADVICE):
        advice = _ADVICE.get(str(code), "correct the content, or ask the operator of the registry")
        return _replace(exc, operation, Rejected, advice)
    return exc


def _size_advice(size: int | None) -> str:
    limit = "have the limit raised in the configuration of the registry, and of the proxy before it"
    return limit if size is None else f"the request has {size} bytes; {limit}, or set chunk_size to less"


def _replace(exc: RegistryError, operation: Operation, kind: type[RegistryError], advice: str) -> RegistryError:
    error = operation.error(kind, exc.why or "the registry refuses it", advice)
    error.add_context(**{name: exc.fields.get(name) for name in ("status", "code", "url")})
    return error


__all__ = ("NO_TAGS", "READ_ONLY", "explain_refusal")
