# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Typed access to the fields of JSON objects. Called by every parser of this package."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._base.text import describe, quote
from .digest import Digest
from .errors import DigestError, DocumentInvalid

if t.TYPE_CHECKING:
    from .._base.strict_json import JsonObject, JsonValue

MAX_INT64: t.Final = 2**63 - 1
# RFC 6838: 127 characters on each side of the slash
_MAX_MEDIA_TYPE: t.Final = 255

_T = t.TypeVar("_T")


@dataclass(frozen=True)
class Fields:
    """Typed access to the fields of one JSON object. Every method raises DocumentInvalid, which names the field.

    what names the document in messages; path is the place of this object in the document ("layers[2]"). A field that is
    null counts as absent, because producers write optional fields so.
    """

    value: JsonObject
    what: str
    path: str = ""

    @classmethod
    def of(cls, value: JsonValue, what: str) -> Fields:
        """Wrap a JSON value that must be an object."""
        if not isinstance(value, dict):
            raise _document_error(what, f"it must be an object, not {describe(value)}")
        return cls(value, what)

    def fault(self, why: str) -> DocumentInvalid:
        """Return the error that says why the document is invalid; the caller raises it."""
        return _document_error(self.what, why)

    def name(self, name: str) -> str:
        """Return the place of a field in the document, such as "layers[2].size"."""
        return f"{self.path}.{name}" if self.path else name

    def refuse_lookalikes(self, *names: str) -> None:
        """Refuse fields that differ from these names only in case.

        Parsers that ignore case, such as Go's, would read them in place of the real fields (CVE-2021-41190 and its
        relatives).
        """
        folded = {name.casefold(): name for name in names}
        for key in self.value:
            name = folded.get(key.casefold())
            if name is not None and name != key:
                raise self.fault(
                    f"it is ambiguous: its field {quote(self.name(key))} differs from {quote(name)} only in case"
                )

    def text(self, name: str) -> str | None:
        """Return an optional string."""
        return self._get_typed(name, str, "a string")

    def required_text(self, name: str) -> str:
        """Return a required string, which must not be empty."""
        return self._require(name, self.text(name) or None)

    def flag(self, name: str) -> bool:
        """Return an optional boolean, False if absent."""
        return self._get_typed(name, bool, "true or false") or False

    def integer(self, name: str) -> int | None:
        """Return an optional int64."""
        value = self.value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not -MAX_INT64 - 1 <= value <= MAX_INT64:
            raise self._type_error(name, "a 64-bit integer", value)
        return value

    def size(self, name: str) -> int:
        """Return a required number of bytes: an int64 that is not negative."""
        value = self._require(name, self.integer(name))
        if value < 0:
            raise self._type_error(name, "0 or more", value)
        return value

    def media_type(self, name: str) -> str | None:
        """Return an optional media type: visible ASCII of at most 255 characters, otherwise unchecked."""
        value = self.text(name) or None
        if value is not None and not (len(value) <= _MAX_MEDIA_TYPE and value.isascii() and value.isprintable()):
            raise self.fault(f"{self.name(name)} must be a media type, not {quote(value)}")
        return value

    def required_media_type(self, name: str) -> str:
        """Return a required media type."""
        return self._require(name, self.media_type(name))

    def digest(self, name: str) -> Digest:
        """Return a required digest."""
        return self._parse_digest(name, self.required_text(name))

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return an optional array of strings."""
        items = self._get_typed(name, list, "an array of strings")
        return (
            None if items is None else tuple(self._check_string(f"{name}[{n}]", item) for n, item in enumerate(items))
        )

    def digests(self, name: str) -> tuple[Digest, ...]:
        """Return an array of digests, empty if absent."""
        return tuple(self._parse_digest(f"{name}[{n}]", text) for n, text in enumerate(self.texts(name) or ()))

    def text_map(self, name: str) -> dict[str, str] | None:
        """Return an optional object whose values are strings."""
        items = self._get_typed(name, dict, "an object of strings")
        return (
            None if items is None else {key: self._check_string(f"{name}[{quote(key)}]", items[key]) for key in items}
        )

    def names(self, name: str) -> tuple[str, ...] | None:
        """Return the names of an optional object that represents a set: its values are empty objects."""
        items = self._get_typed(name, dict, "an object")
        return None if items is None else tuple(items)

    def object(self, name: str) -> Fields | None:
        """Return an optional object."""
        value = self._get_typed(name, dict, "an object")
        return None if value is None else Fields(value, self.what, self.name(name))

    def required_object(self, name: str) -> Fields:
        """Return a required object."""
        return self._require(name, self.object(name))

    def objects(self, name: str) -> tuple[Fields, ...]:
        """Return an array of objects, empty if absent."""
        items = self._get_typed(name, list, "an array of objects") or []
        for n, item in enumerate(items):
            if not isinstance(item, dict):
                raise self._type_error(f"{name}[{n}]", "an object", item)
        return tuple(Fields(item, self.what, self.name(f"{name}[{n}]")) for n, item in enumerate(items))

    def _get_typed(self, name: str, kind: type[_T], words: str) -> _T | None:
        value = self.value.get(name)
        if value is None or isinstance(value, kind):
            return value
        raise self._type_error(name, words, value)

    def _require(self, name: str, value: _T | None) -> _T:
        if value is None:
            raise self.fault(f"{self.name(name)} is missing")
        return value

    def _check_string(self, name: str, item: JsonValue) -> str:
        if isinstance(item, str):
            return item
        raise self._type_error(name, "a string", item)

    def _type_error(self, name: str, words: str, value: JsonValue) -> DocumentInvalid:
        return self.fault(f"{self.name(name)} must be {words}, not {describe(value)}")

    def _parse_digest(self, name: str, text: str) -> Digest:
        try:
            return Digest.parse(text)
        except DigestError as exc:
            raise self.fault(f"{self.name(name)} is invalid: {exc.message[:1].lower()}{exc.message[1:-1]}") from None


def _document_error(what: str, why: str) -> DocumentInvalid:
    return DocumentInvalid(f"Reading {what} failed: {why}. Use another image, or have this one rebuilt.")


__all__ = ("MAX_INT64", "Fields")
