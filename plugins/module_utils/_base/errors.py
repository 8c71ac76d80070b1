# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The root of all errors of the collection, those that several packages raise, and what an errno means to users.

Every package derives its errors from CollectionError; _module/errors.py turns them into failed results.
"""

from __future__ import annotations

import errno
import typing as t

if t.TYPE_CHECKING:
    _E = t.TypeVar("_E", bound="CollectionError")


# the errno of a file system or a quota that is full
FULL: t.Final = (errno.ENOSPC, errno.EDQUOT)
_REMEDIES: t.Final[t.Mapping[int, str]] = {
    errno.ENOSPC: "free some space there, or use a larger file system",
    errno.EDQUOT: "raise the quota, or use another file system",
    errno.EROFS: "mount that file system read-write, or use another one",
    errno.EACCES: "run the task as a user that may write there (become: true)",
    errno.EPERM: "run the task as a user that may write there (become: true)",
    errno.ENAMETOOLONG: "the file system cannot hold that name; use another one",
    errno.EMFILE: "raise the limit of open files of the user that runs the task",
    errno.ENOLCK: "the file system cannot lock a file; mount NFS with local_lock=flock, or use another one",
}


class CollectionError(Exception):
    """Root of every error of the collection.

    The message is one sentence for people; the fields are facts for playbooks. Neither ever contains a secret. Fields
    whose value is None are dropped.
    """

    kind: t.ClassVar[str] = "error"

    def __init__(self, message: str, **fields: str | int | None) -> None:
        super().__init__(message)
        self.message = message
        self.fields: dict[str, str | int] = {name: value for name, value in fields.items() if value is not None}

    def __str__(self) -> str:
        # callers add hints to the message
        return self.message

    def as_result(self) -> dict[str, str | int]:
        """Return the value of the `error` key of a failed task: the kind and every field."""
        return {**self.fields, "kind": self.kind}

    def add_context(self: _E, **fields: str | int | None) -> _E:
        """Add fields that the raiser did not know and return the error; fields that are set already are kept."""
        for name, value in fields.items():
            if value is not None:
                self.fields.setdefault(name, value)
        return self


class JsonInvalid(CollectionError):
    """The bytes are not strict JSON, which the specifications require. reason is a clause about them, as "it"."""

    kind = "json_invalid"
    reason = ""


class DependencyMissing(CollectionError):
    """A Python library is missing or too old. Field: library. traceback is that of the failed import."""

    kind = "dependency_missing"
    traceback: str | None = None


def errno_name(number: int) -> str:
    """Return the symbolic name of an errno."""
    return errno.errorcode.get(number, str(number))


def errno_remedy(number: int, special: t.Mapping[int, str]) -> str:
    """Return what a user can do if a system call fails with this errno; special has the remedies of the caller."""
    return special.get(number) or _REMEDIES.get(number, "check the file system and the permissions there")


__all__ = ("FULL", "CollectionError", "DependencyMissing", "JsonInvalid", "errno_name", "errno_remedy")
