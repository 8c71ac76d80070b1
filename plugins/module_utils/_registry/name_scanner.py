# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read the names of a tag list (distribution-spec, "Listing Tags") or a catalog while it is received.

Some registries send tens of megabytes, with a description of each manifest beside the names. The scanner accepts the
full grammar of JSON (RFC 8259) and keeps only the strings of one array of the document. Called by name_list.py.
"""

from __future__ import annotations

import codecs
import functools
import json
import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_DEPTH: t.Final = 64
# tokens that are scanned one by one, at some microseconds each
MAX_STEPS: t.Final = 10_000_000
# characters of one string or number, preceding white space included
MAX_TOKEN: t.Final = 1024 * 1024
# each piece is scanned together with the unfinished token before it: short pieces would take quadratic time
_PIECE: t.Final = 64 * 1024

_PLAIN: t.Final = r'[^"\\\x00-\x1f]*'
_STRING: t.Final = rf'"{_PLAIN}(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{{4}}){_PLAIN})*"'
_NUMBER: t.Final = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9.eE+-])"
_WS: t.Final = r"[ \t\r\n]*"
_TOKEN: t.Final = re.compile(rf"{_WS}(?:({_STRING})|([{{}}\[\],:])|(true|false|null|{_NUMBER}))")
_SCALAR: t.Final = f"(?:{_STRING}|true|false|null|{_NUMBER})"
_ARRAY: t.Final = rf"\[{_WS}(?:{_SCALAR}{_WS}(?:,{_WS}{_SCALAR}{_WS})*)?\]"
_MEMBER: t.Final = rf"{_STRING}{_WS}:{_WS}(?:{_SCALAR}|{_ARRAY})"
_OBJECT: t.Final = rf"{{{_WS}(?:{_MEMBER}{_WS}(?:,{_WS}{_MEMBER}{_WS})*)?}}"
_VALUE: t.Final = rf"(?:{_SCALAR}|{_ARRAY}|{_OBJECT})"
# patterns for many tokens at once: members of nested objects, items of other arrays, and names
_MEMBERS: t.Final = re.compile(rf"(?:{_WS}{_STRING}{_WS}:{_WS}{_VALUE}{_WS},)+")
_ITEMS: t.Final = re.compile(rf"(?:{_WS}{_VALUE}{_WS},)+")
_NAMES: t.Final = re.compile(rf"(?:{_WS}{_STRING}{_WS},)+")
_BLANK: t.Final = re.compile(r"[ \t\r\n]*")


class NameListInvalid(Exception):
    """The bytes are not a list of names; the text says why."""


class Effort:
    """The number of tokens that may still be scanned one by one, in one list or several."""

    def __init__(self) -> None:
        self._left = MAX_STEPS

    def step(self) -> None:
        """Count one token. Raises NameListInvalid if none is left."""
        self._left -= 1
        if self._left < 0:
            raise NameListInvalid(f"it has more than {MAX_STEPS} JSON tokens beside the names")


class NameScanner:
    """The scanner's state between two pieces of a document: the open containers and the expected token.

    wanted is the member of the document that has the names.

    expected is one of: value, item (a value or "]"), key, name (a key or "}"), colon, more ("," or the end of the
    container), end.
    """

    def __init__(self, wanted: str, effort: Effort | None = None) -> None:
        self._wanted = wanted
        self._others = _other_members(wanted)
        self._effort = effort or Effort()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""
        self._open: list[str] = []
        self._expected = "value"
        self._key = ""
        self._has_names = False

    @property
    def waiting(self) -> int:
        """The number of characters of the unfinished token."""
        return len(self._rest)

    def feed(self, piece: bytes, *, final: bool = False) -> Iterator[str]:
        """Scan the next bytes and yield the names that they complete. Raises NameListInvalid."""
        try:
            self._rest += self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            raise NameListInvalid("it is not UTF-8") from None
        text, at = self._rest, 0
        while True:
            several = self._match_several(text, at)
            if several is not None:
                at = several.end()
                yield from json.loads(f"[{several.group()[:-1]}]") if self._is_in_names() else ()
            match = _TOKEN.match(text, at)
            # a token at the end of the text may continue in the next piece
            if match is None or (match.end() == len(text) and not final):
                break
            at = match.end()
            self._effort.step()
            name = self._take(match)
            if name is not None:
                yield name
        self._rest = text[at:]
        if len(self._rest) > MAX_TOKEN or (final and not _BLANK.fullmatch(self._rest)):
            raise NameListInvalid("it is not JSON")
        if final and self._expected != "end":
            raise NameListInvalid("it is not JSON: it ends too early")

    def _match_several(self, text: str, at: int) -> re.Match[str] | None:
        """Match several members or items that end in a comma, if they are as simple as nearly all are."""
        if not self._open:
            return None
        if self._expected in ("key", "name"):
            pattern, following = (_MEMBERS if len(self._open) > 1 else self._others), "key"
        elif self._expected in ("value", "item") and self._open[-1] == "[":
            pattern, following = (_NAMES if self._is_in_names() else _ITEMS), "value"
        else:
            return None
        match = pattern.match(text, at)
        self._expected = self._expected if match is None else following
        return match

    def _take(self, match: re.Match[str]) -> str | None:
        string, mark = match.group(1), match.group(2)
        if mark is not None:
            self._take_mark(mark)
            return None
        if string is not None and self._expected in ("key", "name"):
            self._take_key(string)
            return None
        if self._expected not in ("value", "item"):
            raise NameListInvalid("it is not JSON")
        is_name = self._is_in_names()
        self._check_value(null=match.group(3) == "null", is_name=is_name, is_string=string is not None)
        self._close_value()
        return str(json.loads(string)) if is_name else None

    def _take_mark(self, mark: str) -> None:
        expected = self._expected
        if mark in "{[" and expected in ("value", "item"):
            self._check_container(mark)
            if len(self._open) == MAX_DEPTH:
                raise NameListInvalid(f"it is nested more than {MAX_DEPTH} levels deep")
            self._open.append(mark)
            self._expected = "name" if mark == "{" else "item"
        elif mark == ":" and expected == "colon":
            self._expected = "value"
        elif mark == "," and expected == "more":
            self._expected = "key" if self._open[-1] == "{" else "value"
        elif self._open and mark == ("}" if self._open[-1] == "{" else "]") and expected in ("more", "name", "item"):
            self._open.pop()
            self._close_value()
        else:
            raise NameListInvalid("it is not JSON")

    def _take_key(self, string: str) -> None:
        if len(self._open) == 1:
            self._key = str(json.loads(string))
            if self._key == self._wanted and self._has_names:
                raise NameListInvalid(f'the name "{self._wanted}" is given twice')
            self._has_names = self._has_names or self._key == self._wanted
        self._expected = "colon"

    def _close_value(self) -> None:
        self._expected = "more" if self._open else "end"

    def _is_in_names(self) -> bool:
        return self._key == self._wanted and self._open == ["{", "["]

    def _check_container(self, mark: str) -> None:
        if not self._open and mark != "{":
            raise NameListInvalid("it is not a JSON object")
        if self._is_in_names() or (self._key == self._wanted and len(self._open) == 1 and mark != "["):
            raise NameListInvalid(f"{self._wanted} is not a list of strings")

    def _check_value(self, *, null: bool, is_name: bool, is_string: bool) -> None:
        if not self._open:
            raise NameListInvalid("it is not a JSON object")
        wrong = self._key == self._wanted and len(self._open) == 1 and not null
        if wrong or (is_name and not is_string):
            raise NameListInvalid(f"{self._wanted} is not a list of strings")


@functools.cache
def _other_members(wanted: str) -> re.Pattern[str]:
    """Return a pattern for many members of the document at once, without the one that has the names."""
    return re.compile(rf'(?:{_WS}"(?!{wanted}"){_PLAIN}"{_WS}:{_WS}{_VALUE}{_WS},)+')


def scan_names(wanted: str, pieces: Iterable[bytes], effort: Effort | None = None) -> Iterator[str]:
    """Yield the strings of the array wanted of a JSON object; none if it is null or absent. Raises NameListInvalid.

    effort limits the time that this and other lists take together.
    """
    scanner = NameScanner(wanted, effort)
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= max(_PIECE, scanner.waiting):
            yield from scanner.feed(bytes(gathered))
            gathered.clear()
    yield from scanner.feed(bytes(gathered), final=True)


__all__ = ("MAX_DEPTH", "MAX_STEPS", "MAX_TOKEN", "Effort", "NameListInvalid", "NameScanner", "scan_names")
