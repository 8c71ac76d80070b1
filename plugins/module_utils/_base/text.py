# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Text from outside made safe for messages and log lines: escapes, length limits, descriptions of JSON values."""

from __future__ import annotations

import os
import sys
import typing as t

# takes a sentence for users, never a secret
Warn = t.Callable[[str], None]


def ignore(sentence: str) -> None:
    """Drop a sentence: the Warn of a caller whose warnings repeat others, or mean nothing."""


def visible(text: str | bytes, *, limit: int = 256) -> str:
    """Return text from outside, or the name of a file, in a form that is safe in a message or a log line.

    Characters that are not printable (line ends, terminal escapes, bidirectional controls, lone surrogates) become
    backslash escapes. Text longer than limit characters is cut and ends in "...".
    """
    text = path_text(os.fsdecode(text) if isinstance(text, bytes) else text)
    shown = text[:limit]
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in shown)
    return shown + "..." if len(text) > limit else shown


def path_text(path: str) -> str:
    """Return a file name decoded as UTF-8 even if the locale (C, POSIX) made Python decode it to surrogates."""
    if path.isprintable() or sys.getfilesystemencoding() == "utf-8":
        return path
    try:
        return os.fsencode(path).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return path


def quote(value: object, *, limit: int = 100) -> str:
    """Return a string in visible form and double quotes; describe any other value by its JSON type."""
    return f'"{visible(value, limit=limit)}"' if isinstance(value, str) else describe(value)


def describe(value: object) -> str:
    """Return a JSON value in words: its type, and the value itself if it is short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        # Python refuses to convert very long integers to text
        return f"the number {value!r}" if abs(value) < 2**128 else "a huge number"
    for kind, words in ((str, "a string"), (dict, "an object"), (list, "an array")):
        if isinstance(value, kind):
            return words
    return f"a value of type {type(value).__name__}"


__all__ = ("Warn", "describe", "ignore", "path_text", "quote", "visible")
