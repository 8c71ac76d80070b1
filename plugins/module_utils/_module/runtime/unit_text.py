# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The syntax of unit files: quoting of words, values of a line, sections (systemd.syntax(7), systemd.service(5)).

unit.py writes units with it. What a unit cannot express raises RuntimeConfigError and never changes another line.
"""

from __future__ import annotations

import re
import typing as t

from ..._base.text import describe, quote, visible
from .values import RuntimeConfigError

# systemd refuses a file with a longer line (LONG_LINE_MAX).
MAX_LINE: t.Final = 1024 * 1024 - 1

_DIRECTIVE: t.Final = re.compile(r"[A-Z][A-Za-z0-9]*\Z")
# systemd ignores an assignment to any other name, with a line in the journal alone.
_VARIABLE: t.Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_SECTIONS: t.Final = ("Unit", "Service", "Install")
# Control characters, of which systemd allows these two in the value of a variable.
_CONTROL: t.Final = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_OF_VARIABLE: t.Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# systemd refuses the other ones in the path of a program; a $ it would read in one of two ways.
_UNFIT_FOR_PROGRAMS: t.Final = re.compile(r"[\x00-\x1f\x7f$\"'\\]")
# In BindPaths= and TemporaryFileSystem= a colon ends a path, and how often quotes and backslashes are undone differs
# between versions of systemd.
_UNFIT_FOR_MOUNTS: t.Final = re.compile(r"[\x00-\x1f\x7f:\"'\\]")

# A directive and its value, as they stand in the unit.
Line = tuple[str, str]


def quote_word(text: str) -> str:
    """Return a word in double quotes, for directives that undo escapes of C; % is that of specifiers no more."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{_CONTROL.sub(lambda found: _escape(found.group()), escaped)}"'


def _escape(character: str) -> str:
    return {"\n": "\\n", "\t": "\\t"}.get(character, f"\\x{ord(character):02x}")


def command_line(program: str, args: t.Sequence[str]) -> str:
    """Return the value of ExecStart= that runs program, an absolute path, with exactly these arguments.

    systemd replaces no variable in them. Raises RuntimeConfigError for a path that cannot be expressed.
    """
    if _UNFIT_FOR_PROGRAMS.search(program):
        raise _inexpressible(
            "the path of the program", program, "it has a $, a quote, a backslash or a control character"
        )
    return " ".join([quote_word(program), *(quote_word(text).replace("$", "$$") for text in args)])


def assignment(text: str) -> str:
    """Return the value of Environment= for NAME=VALUE. Raises RuntimeConfigError if systemd would ignore it."""
    name, dummy, value = text.partition("=")
    if not _VARIABLE.match(name):
        raise _inexpressible("a variable", name, "its name may have letters, digits and _ alone")
    if _CONTROL_OF_VARIABLE.search(value):
        raise _inexpressible("the value of the variable", name, "it has a control character")
    return quote_word(text)


def whole_line(text: str, *, what: str) -> str:
    """Return a value that is the rest of its line, as paths are. Raises RuntimeConfigError if it cannot be that."""
    if _CONTROL.search(text) or text != text.strip() or text.endswith("\\"):
        why = "it has a control character, a space at an end or a backslash at the end"
        raise _inexpressible(what, text, why)
    return text.replace("%", "%%")


def mount_path(path: str, *, what: str) -> str:
    """Return a path for BindPaths= and the like. Raises RuntimeConfigError for colons, quotes and backslashes."""
    if _UNFIT_FOR_MOUNTS.search(path):
        raise _inexpressible(what, path, "it has a colon, a quote, a backslash or a control character")
    path = path.replace("%", "%%")
    return f'"{path}"' if re.search(r"\s", path) else path


def _inexpressible(what: str, text: str, why: str) -> RuntimeConfigError:
    return RuntimeConfigError(
        f"A systemd unit cannot express {what} {quote(text)}, because {why}; change the image or the options, or use"
        " format: oci."
    )


def parse_unit_options(value: t.Mapping[t.Any, t.Any]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the option unit_options as section -> directive -> values. Raises RuntimeConfigError."""
    result: dict[str, dict[str, tuple[str, ...]]] = {}
    for section, directives in value.items():
        if section not in _SECTIONS or not isinstance(directives, dict):
            raise _option_error(f"has {quote(section)}, which is {describe(directives)}", _EXAMPLE)
        result[section] = {name: _parse_values(f"{section}.{name}", name, given) for name, given in directives.items()}
    return result


_EXAMPLE: t.Final = "give a dictionary of directives for Unit, Service or Install"


def _parse_values(shown: str, name: t.Any, value: t.Any) -> tuple[str, ...]:
    if not isinstance(name, str) or not _DIRECTIVE.match(name):
        raise _option_error(f"has {quote(shown)}, which is no directive", "give names such as MemoryMax")
    values = () if value is None else value if isinstance(value, list) else (value,)
    return tuple(_parse_value(shown, item) for item in values)


def _parse_value(shown: str, value: t.Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (str, int, float)):
        raise _option_error(f"has {describe(value)} as {quote(shown)}", "give text, a number or a list of them")
    text = str(value)
    if _CONTROL.search(text.replace("\t", " ")) or text.endswith("\\"):
        raise _option_error(
            f"has a value of {quote(shown)} that is not one line", "give one line without \\ at its end"
        )
    return text


def _option_error(what: str, remedy: str) -> RuntimeConfigError:
    return RuntimeConfigError(f"The option unit_options {visible(what)}; {remedy}.", option="unit_options")


def unit_text(
    comment: str, sections: t.Mapping[str, t.Sequence[Line]], changes: t.Mapping[str, t.Mapping[str, t.Sequence[str]]]
) -> str:
    """Return a unit file with these sections. A directive in changes takes the place of all its lines.

    Raises RuntimeConfigError for a line that is too long for systemd.
    """
    text = f"# {comment}\n"
    for section, lines in sections.items():
        text += "".join(f"{line}\n" for line in ["", f"[{section}]", *_changed(lines, changes.get(section, {}))])
    longest = max((len(line.encode("utf-8", "surrogateescape")) for line in text.split("\n")), default=0)
    if longest > MAX_LINE:
        raise RuntimeConfigError(
            f"A systemd unit cannot express this process, because a line of it would have {longest} bytes, and systemd"
            f" reads {MAX_LINE}; use format: oci."
        )
    return text


def _changed(lines: t.Sequence[Line], changes: t.Mapping[str, t.Sequence[str]]) -> t.Iterator[str]:
    written: set[str] = set()
    for name, value in lines:
        if name not in changes:
            yield f"{name}={value}"
        elif name not in written:
            written.add(name)
            yield from (f"{name}={text}" for text in changes[name])
    yield from (f"{name}={text}" for name, values in changes.items() if name not in written for text in values)


__all__ = (
    "MAX_LINE",
    "Line",
    "assignment",
    "command_line",
    "mount_path",
    "parse_unit_options",
    "quote_word",
    "unit_text",
    "whole_line",
)
