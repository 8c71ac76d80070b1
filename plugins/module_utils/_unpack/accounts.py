# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The users and groups of a tree, by its etc/passwd and etc/group: content of an image, so nothing in it is trusted.

_module/runtime/run.py finds the user of a process with it. Image-spec, conversion.md, "Config.User"; what that leaves
open is done as runc and crun do it.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._base.text import quote, visible
from .errors import UnpackError, filesystem_error
from .tree.confine import choose_resolver
from .tree.regular import NotRegular, TooLong, read_regular

# Names of NSS are found in no file, so these files are short: those of large hosts have some hundred KiB.
MAX_BYTES: t.Final = 4 * 1024 * 1024
# 2**32 - 1 means "no change" to chown(2) and setuid(2)
MAX_ID: t.Final = 2**32 - 2
# NGROUPS_MAX of Linux
MAX_GROUPS: t.Final = 65536

_USERS: t.Final = "etc/passwd"
_GROUPS: t.Final = "etc/group"
_NUMBER: t.Final = re.compile(r"[0-9]{1,10}\Z", re.ASCII)


class AccountError(UnpackError):
    """The user of an image cannot be determined. Fields: user, path (the file that was searched)."""

    kind = "user"


@dataclass(frozen=True)
class Account:
    """The ids that a process runs with, and the home directory of its user; None if the tree does not tell."""

    uid: int
    gid: int
    additional_gids: tuple[int, ...] = ()
    home: str | None = None


@dataclass(frozen=True)
class PasswdEntry:
    """A line of etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True)
class GroupEntry:
    """A line of etc/group."""

    name: str
    gid: int
    members: tuple[str, ...]


def parse_passwd(data: bytes) -> t.Iterator[PasswdEntry]:
    """Yield the valid lines of etc/passwd in their order. Total: lines that are not valid are skipped."""
    for fields in _lines(data, 7):
        uid, gid = parse_id(fields[2]), parse_id(fields[3])
        if uid is not None and gid is not None:
            yield PasswdEntry(fields[0], uid, gid, fields[5])


def parse_group(data: bytes) -> t.Iterator[GroupEntry]:
    """Yield the valid lines of etc/group in their order. Total: lines that are not valid are skipped."""
    for fields in _lines(data, 4):
        gid = parse_id(fields[2])
        if gid is not None:
            yield GroupEntry(fields[0], gid, tuple(name for name in fields[3].split(",") if name))


def parse_id(text: str) -> int | None:
    """Return the user or group id that text is, None if it is none. Total."""
    number = int(text) if _NUMBER.match(text) else MAX_ID + 1
    return number if number <= MAX_ID else None


def _lines(data: bytes, count: int) -> t.Iterator[list[str]]:
    """Yield the fields of each line that has as many as count, and a name that is not one of NIS (+, -)."""
    for line in data.split(b"\n"):
        fields = line.rstrip(b"\r").decode("utf-8", "surrogateescape").split(":")
        if len(fields) == count and fields[0] and fields[0][0] not in "+-#":
            yield fields


class Accounts:
    """The users and groups of the tree below an open root directory; path is its path, for messages."""

    def __init__(self, root: int, path: str) -> None:
        self._root = root
        self._path = path

    def find(self, user: str) -> Account:
        """Return the ids for a user as an image config names it: "", user or uid, user:group or uid:gid.

        No user means root. A number is taken as it is and needs no line in a file; its group is that of its line, or 0.
        Additional groups are those that list a user who is given by name and without a group.

        Raises AccountError for a name that the tree does not have, and for a file that cannot be read.
        """
        name, colon, group = user.partition(":")
        if colon and not group:
            raise self._error(
                user, f"{quote(user)} has no group after the colon", "correct the user of the image", None
            )
        uid = 0 if not user else parse_id(name)
        entry = self._find_user(user, name, uid)
        if uid is None:
            if entry is None:
                raise self._missing(user, f"user {quote(name)}", _USERS)
            uid = entry.uid
        # a number takes its group from its line, but no user at all is 0:0
        gid = entry.gid if entry is not None and user else 0
        additional: tuple[int, ...] = ()
        if group:
            gid = self._find_group(user, group)
        elif entry is not None and parse_id(name) is None and user:
            additional = self._groups_of(user, entry)
        return Account(uid, gid, additional, entry.home if entry is not None and entry.home else None)

    def _find_user(self, user: str, name: str, uid: int | None) -> PasswdEntry | None:
        entries = parse_passwd(self._read(user, _USERS))
        if uid is None:
            return next((entry for entry in entries if entry.name == name), None)
        return next((entry for entry in entries if entry.uid == uid), None)

    def _find_group(self, user: str, group: str) -> int:
        gid = parse_id(group)
        if gid is None:
            gid = next((entry.gid for entry in parse_group(self._read(user, _GROUPS)) if entry.name == group), None)
        if gid is None:
            raise self._missing(user, f"group {quote(group)}", _GROUPS)
        return gid

    def _groups_of(self, user: str, entry: PasswdEntry) -> tuple[int, ...]:
        groups = parse_group(self._read(user, _GROUPS))
        gids = sorted({group.gid for group in groups if entry.name in group.members})
        if len(gids) > MAX_GROUPS:
            why = f"{quote(entry.name)} is in {len(gids)} groups, and Linux allows {MAX_GROUPS}"
            raise self._error(user, why, "correct that file", _GROUPS)
        return tuple(gids)

    def _read(self, user: str, path: str) -> bytes:
        """Return the content of a file in the tree, b"" if there is none."""
        try:
            return read_regular(self._root, path.encode(), limit=MAX_BYTES, resolver=choose_resolver())
        except (FileNotFoundError, NotADirectoryError):
            return b""
        except (TooLong, NotRegular) as exc:
            shown = f"{self._at(path)} "
            why = shown + (f"has more than {MAX_BYTES} bytes" if isinstance(exc, TooLong) else "is not a regular file")
            raise self._error(user, why, "correct the image", path) from None
        except OSError as exc:
            raise filesystem_error(exc, doing="reading the users of the image in", path=self._at(path)) from exc

    def _missing(self, user: str, what: str, path: str) -> AccountError:
        why = f"{self._at(path)} has no {what}"
        return self._error(user, why, "correct the user of the image, or set the option user", path)

    def _error(self, user: str, why: str, remedy: str, path: str | None) -> AccountError:
        return AccountError(
            f"The user {quote(user)} of the process cannot be determined: {why}; {remedy}.",
            user=visible(user),
            path=None if path is None else self._at(path),
        )

    def _at(self, path: str) -> str:
        return visible(f"{self._path.rstrip('/')}/{path}")


__all__ = (
    "MAX_BYTES",
    "MAX_GROUPS",
    "MAX_ID",
    "Account",
    "AccountError",
    "Accounts",
    "GroupEntry",
    "PasswdEntry",
    "parse_group",
    "parse_id",
    "parse_passwd",
)
